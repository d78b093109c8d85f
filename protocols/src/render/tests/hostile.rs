//! Bytes that no honest end sends.

use proptest::{collection::vec, prelude::*};

use super::super::*;
use crate::virtio_gpu::{ErrorCode, MAX_ENTRIES, MAX_REQUEST};

fn encoded(report: &Report) -> Vec<u8> {
    let mut message = Vec::new();
    report.encode(&mut message);
    message
}

fn decode_order(bytes: &[u8]) -> Result<(), Malformed> {
    Order::decode(bytes, &mut Vec::new()).map(drop)
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(kind in 0_u32..0x110, rest in vec(any::<u8>(), 0..300)) {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(rest);
        let _ = Order::decode(&bytes, &mut Vec::new());
        if let Ok(report) = Report::decode(&bytes) {
            prop_assert!(report.descriptors() <= MAX_DESCRIPTORS);
        }
    }

    #[test]
    fn a_message_that_is_cut_off_or_goes_on_is_none(cut in 0_usize..1000) {
        let picture = Picture {
            width: 1,
            height: 2,
            fourcc: 3,
            modifier: 4,
            bottom_up: true,
            planes: vec![PicturePlane::default(); 2],
        };
        let answers = [
            Outcome::Done,
            Outcome::Failed(ErrorCode::Unspec),
            Outcome::Mapped { size: 1, caching: 1 },
            Outcome::Exported(picture),
        ];
        for outcome in answers {
            let mut message = encoded(&Report::Answer { number: 1, outcome });
            let shorter = &message[..cut % message.len()];
            prop_assert_eq!(Report::decode(shorter), Err(Malformed::TooShort));
            message.push(0);
            prop_assert_eq!(Report::decode(&message), Err(Malformed::TooLong));
        }
    }
}

#[test]
fn a_text_can_not_write_into_a_terminal() {
    let lacking = |text: &str| Report::Lacking {
        lack: Lack::Egl,
        text: text.to_owned(),
    };
    let cleaned = encoded(&lacking("no\u{1b}[31m EGL\n"));
    assert_eq!(Report::decode(&cleaned), Ok(lacking("no [31m EGL")));

    let mut told = encoded(&lacking("no EGL"));
    *told.last_mut().unwrap() = 0x1b;
    assert_eq!(Report::decode(&told), Err(Malformed::Text));
    *told.last_mut().unwrap() = 0xff;
    assert_eq!(Report::decode(&told), Err(Malformed::Text));
}

#[test]
fn a_text_that_is_too_long_is_cut_between_letters() {
    let lacking = |text: String| Report::Lacking {
        lack: Lack::Egl,
        text,
    };
    let told = encoded(&lacking("ä".repeat(MAX_TEXT)));
    assert_eq!(Report::decode(&told), Ok(lacking("ä".repeat(MAX_TEXT / 2))));
    let mut longer = told;
    longer.extend([b'x'; 1]);
    assert_eq!(Report::decode(&longer), Err(Malformed::TooLong));
}

#[test]
fn numbers_that_can_not_be_are_found_out() {
    let done = encoded(&Report::Answer {
        number: 1,
        outcome: Outcome::Failed(ErrorCode::Unspec),
    });
    let with = |at: usize, value: u32| {
        let mut message = done.clone();
        message[at..at + 4].copy_from_slice(&value.to_le_bytes());
        Report::decode(&message)
    };
    assert_eq!(with(0, 99), Err(Malformed::UnknownKind(99)));
    assert_eq!(with(4, 0x1206), Err(Malformed::Value), "no error code");
    assert_eq!(with(0, 2), Err(Malformed::Value), "nothing that is lacking");
    assert_eq!(with(0, 5), Err(Malformed::TooShort), "no picture");
    assert_eq!(
        Report::decode(&vec![0; MAX_REPORT + 1]),
        Err(Malformed::TooLong)
    );
}

#[test]
fn a_ring_that_no_context_has_is_found_out() {
    let mut message = Vec::new();
    let order = Order::Do {
        number: 1,
        fence: Some(Fence {
            id: 1,
            timeline: Timeline::Ring {
                context: 1,
                ring: 63,
            },
        }),
        request: Request::Nothing,
    };
    order.encode(&mut message);
    assert_eq!(decode_order(&message), Ok(()));
    message[28] = 64;
    assert_eq!(decode_order(&message), Err(Malformed::Value));
    message[4] = 9;
    assert_eq!(decode_order(&message), Err(Malformed::Value));
}

#[test]
fn lists_and_streams_have_bounds() {
    let head = |request| {
        let mut message = Vec::new();
        let order = Order::Do {
            number: 1,
            fence: None,
            request,
        };
        order.encode(&mut message);
        message
    };
    let attach = |bytes: usize| {
        let mut message = head(Request::AttachBacking {
            resource: 1,
            entries: &[],
        });
        message.resize(message.len() + bytes, 0);
        decode_order(&message)
    };
    assert_eq!(attach(MAX_ENTRIES * 16), Ok(()));
    assert_eq!(attach(MAX_ENTRIES * 16 + 16), Err(Malformed::TooLong));
    assert_eq!(attach(15), Err(Malformed::TooShort));

    let submit = |bytes: usize| {
        let mut message = head(Request::Submit {
            context: 1,
            commands: &[],
        });
        message.resize(message.len() + bytes, 0);
        decode_order(&message)
    };
    assert_eq!(submit(MAX_REQUEST), Ok(()));
    assert_eq!(submit(MAX_REQUEST + 1), Err(Malformed::TooLong));

    let mut named = head(Request::CreateContext {
        context: 1,
        capset: 0,
        name: &[b'x'; 65],
    });
    assert_eq!(decode_order(&named), Ok(()), "cut to what fits");
    named.push(b'x');
    assert_eq!(decode_order(&named), Err(Malformed::TooLong));
}
