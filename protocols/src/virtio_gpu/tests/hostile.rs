//! Requests and responses that lie.

use proptest::prelude::*;

use super::*;

/// A request whose 32-bit word at `offset` is replaced.
fn patched(command: &Command, offset: usize, word: u32) -> Vec<u8> {
    let mut bytes = encoded(
        &Header {
            fence: Some(1),
            ..Header::default()
        },
        command,
    );
    bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    bytes
}

fn attach(count: u32) -> Command {
    Command::ResourceAttachBacking {
        resource_id: 1,
        entries: entries(count),
    }
}

fn blob(count: u32) -> Command {
    Command::ResourceCreateBlob {
        resource_id: 1,
        blob_mem: BLOB_MEM_GUEST,
        blob_flags: 0,
        blob_id: 0,
        size: 4096,
        entries: entries(count),
    }
}

#[test]
fn the_longest_list_of_entries_fits_a_request() {
    for command in [attach(16384), blob(16384)] {
        let bytes = encoded(&Header::default(), &command);
        assert!(bytes.len() <= MAX_REQUEST);
        assert_eq!(decode(&bytes).unwrap().1, command);
    }
}

#[test]
fn a_longer_list_of_entries_is_refused() {
    for command in [attach(16385), blob(16385)] {
        let error = decode(&encoded(&Header::default(), &command)).unwrap_err();
        let kind = command.kind();
        assert_eq!(
            error.reason,
            Malformed::TooManyEntries {
                kind,
                entries: 16385
            }
        );
    }
}

#[test]
fn a_list_of_entries_shorter_than_its_number_is_refused() {
    let error = decode(&patched(&attach(2), 28, 3)).unwrap_err();
    assert_eq!(
        error.reason,
        Malformed::TooShort {
            kind: 0x0106,
            needed: 80,
            got: 64
        }
    );
    let error = decode(&patched(&blob(2), 36, 3)).unwrap_err();
    assert_eq!(
        error.reason,
        Malformed::TooShort {
            kind: 0x010c,
            needed: 104,
            got: 88
        }
    );
}

#[test]
fn an_absurd_number_of_entries_is_refused_before_anything_is_allocated() {
    let error = decode(&patched(&attach(0), 28, u32::MAX)).unwrap_err();
    assert_eq!(
        error.reason,
        Malformed::TooManyEntries {
            kind: 0x0106,
            entries: u32::MAX
        }
    );
}

#[test]
fn a_list_of_entries_longer_than_its_number_is_cut() {
    let (_, command) = decode(&patched(&attach(3), 28, 2)).unwrap();
    assert_eq!(command, attach(2));
}

#[test]
fn a_command_stream_shorter_than_its_size_is_refused() {
    let submit = Command::Submit3d {
        commands: vec![0; 8],
    };
    assert!(submission(&patched(&submit, 24, 8)).is_some());
    assert_eq!(submission(&patched(&submit, 24, 9)), None);
    let error = decode(&patched(&submit, 24, 9)).unwrap_err();
    assert_eq!(
        error.reason,
        Malformed::TooShort {
            kind: 0x0207,
            needed: 41,
            got: 40
        }
    );
    let error = decode(&patched(&submit, 24, u32::MAX)).unwrap_err();
    let needed = 32 + u64::from(u32::MAX);
    assert_eq!(
        error.reason,
        Malformed::TooShort {
            kind: 0x0207,
            needed,
            got: 40
        }
    );
}

#[test]
fn a_request_over_the_bound_is_refused_and_can_still_be_answered() {
    let mut bytes = encoded(
        &Header {
            fence: Some(1),
            ..Header::default()
        },
        &Command::Submit3d {
            commands: Vec::new(),
        },
    );
    bytes.resize(MAX_REQUEST, 0);
    assert!(decode(&bytes).is_ok());
    bytes.push(0);
    let error = decode(&bytes).unwrap_err();
    assert_eq!(
        error.reason,
        Malformed::TooLong {
            got: MAX_REQUEST + 1
        }
    );
    assert_eq!(error.header.unwrap().fence, Some(1));
}

#[test]
fn an_unknown_command_is_answered_with_its_fence() {
    for kind in [
        0,
        0x00ff,
        0x010e,
        0x01ff,
        0x020a,
        0x02ff,
        0x0302,
        0x1100,
        u32::MAX,
    ] {
        let bytes = patched(&Command::GetDisplayInfo, 0, kind);
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error.reason, Malformed::UnknownCommand { kind });
        let (header, response) = error.response();
        let answer = answered(&header, &response);
        assert_eq!(answer[..5], [0x00, 0x12, 0, 0, 1]);
        assert_eq!(answer[8], 1);
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let error = decode(&patched(&attach(2), 28, 3)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "A guest's graphics command can't be read: command 0x0106 needs 80 bytes, but has 64"
    );
}

#[test]
fn a_response_that_lies_is_noticed() {
    assert_eq!(
        Response::decode(&[0; 23]),
        Err(ResponseError::TooShort {
            needed: 24,
            got: 23
        })
    );
    let mut edid = answered(&Header::default(), &Response::OkEdid(vec![0; 128]));
    assert_eq!(
        Response::decode(&edid[..1055]),
        Err(ResponseError::TooShort {
            needed: 1056,
            got: 1055
        })
    );
    edid[24..28].copy_from_slice(&1025_u32.to_le_bytes());
    assert_eq!(
        Response::decode(&edid),
        Err(ResponseError::EdidSize { size: 1025 })
    );
    let mut unknown = answered(&Header::default(), &Response::OkNodata);
    unknown[0] = 0x77;
    assert_eq!(
        Response::decode(&unknown),
        Err(ResponseError::UnknownKind { kind: 0x1177 })
    );
}

/// Bytes that get past the check of the number, with random contents.
fn plausible_request() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![
        0x0100..=0x010e_u32,
        0x0200..=0x020a_u32,
        0x0300..=0x0302_u32
    ];
    // Small words make numbers of entries and sizes that are nearly right.
    let word = prop_oneof![0..40_u32, any::<u32>()];
    (kind, proptest::collection::vec(word, 0..60), 0..4_usize).prop_map(|(kind, words, cut)| {
        let words = std::iter::once(kind).chain(words);
        let mut bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        bytes.truncate(bytes.len() - cut);
        bytes
    })
}

proptest! {
    #[test]
    fn decoding_arbitrary_bytes_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = decode(&bytes);
        let _ = Response::decode(&bytes);
        let _ = Config::decode(&bytes);
    }

    #[test]
    fn decoding_plausible_bytes_never_panics_and_reads_no_more_than_there_is(
        bytes in plausible_request(),
    ) {
        match decode(&bytes) {
            Ok((header, command)) => {
                // What was read can be written, and is the front of what was there.
                let again = encoded(&header, &command);
                prop_assert!(again.len() <= bytes.len());
                prop_assert_eq!(decode(&again), Ok((header, command)));
            }
            Err(error) => {
                prop_assert_eq!(error.header.is_none(), bytes.len() < HEADER_SIZE);
                let (header, response) = error.response();
                prop_assert_eq!(answered(&header, &response).len(), HEADER_SIZE);
            }
        }
    }
}
