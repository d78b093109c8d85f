use std::{
    io::{IoSlice, Read as _, Write as _},
    mem::MaybeUninit,
    os::fd::AsFd as _,
    sync::mpsc::Receiver,
};

use protocols::{edid::Edid, edid::Mode};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::*;

const SIZE: (u32, u32) = (64, 48);

/// A device at the other end.
struct Device(UnixStream);

impl Device {
    fn new(display: &Display) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        display.sockets().send(theirs).unwrap();
        Self(ours)
    }

    fn send(&mut self, request: u32, payload: &[u8]) {
        let size = u32::try_from(payload.len()).unwrap();
        let header = [request, 0, size].map(u32::to_ne_bytes).concat();
        self.0.write_all(&header).unwrap();
        self.0.write_all(payload).unwrap();
    }

    fn send_words(&mut self, request: u32, words: &[u32]) {
        self.send(request, &bytes(words));
    }

    fn update(&mut self, rect: Rect, pixels: &[u8]) {
        let head = bytes(&[0, rect.x, rect.y, rect.width, rect.height]);
        self.send(8, &[head.as_slice(), pixels].concat());
    }

    fn reply(&mut self) -> (u32, Vec<u8>) {
        let mut header = [0; 12];
        self.0.read_exact(&mut header).unwrap();
        let [request, flags, size]: [u32; 3] = std::array::from_fn(|index| {
            u32::from_ne_bytes(header[4 * index..4 * index + 4].try_into().unwrap())
        });
        assert_eq!(flags, 4, "it is marked as a reply");
        let mut payload = vec![0; size as usize];
        self.0.read_exact(&mut payload).unwrap();
        (request, payload)
    }

    fn is_hung_up_on(&mut self) -> bool {
        // With what was not read in the socket it is a reset.
        self.0.read(&mut [0]).is_ok_and(|read| read == 0) || self.0.write_all(&[0]).is_err()
    }
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn display() -> (Display, Receiver<Arrival>) {
    let (arrivals, receiver) = channel();
    let monitor = Monitor {
        mode: Mode {
            width: SIZE.0,
            height: SIZE.1,
            millihertz: 60_000,
        },
    };
    (Display::start(3, monitor, arrivals).unwrap(), receiver)
}

fn noise(seed: u8, pixels: u32) -> Vec<u8> {
    (0..4 * pixels)
        .map(|index| (index.wrapping_mul(31) >> 3).to_le_bytes()[0] ^ seed)
        .collect()
}

#[test]
fn what_a_device_sends_is_what_is_shown() {
    let (display, arrivals) = display();
    let mut device = Device::new(&display);
    let whole = Rect::from_size(64, 48);
    let part = Rect {
        x: 5,
        y: 40,
        width: 7,
        height: 8,
    };
    let (first, second) = (noise(0, 64 * 48), noise(0xff, 7 * 8));
    device.send_words(7, &[0, 64, 48]);
    device.update(whole, &first);
    device.update(part, &second);
    drop(device);

    let (width, height, pixels) = display.finish().unwrap();
    assert_eq!((width, height), SIZE);
    let mut expected = first;
    for (row, line) in (40..48).zip(second.chunks(7 * 4)) {
        let start = 4 * (row * 64 + 5);
        expected[start..start + 7 * 4].copy_from_slice(line);
    }
    assert!(pixels == expected);

    let seen: Vec<_> = arrivals.iter().collect();
    assert!(seen.iter().all(|arrival| arrival.guest == 3
        && arrival.what == What::Window
        && arrival.buffer == Some(SIZE)));
    assert_eq!(
        seen.iter()
            .map(|arrival| arrival.damage)
            .collect::<Vec<_>>(),
        [64 * 48, 7 * 8]
    );
    assert!(seen[0].at <= seen[1].at && seen[0].at > Duration::ZERO);
}

#[test]
fn a_scanout_that_is_switched_off_shows_nothing() {
    let (display, _arrivals) = display();
    let mut device = Device::new(&display);
    device.send_words(7, &[0, 64, 48]);
    device.send_words(7, &[0, 0, 0]);
    drop(device);
    assert!(display.finish().is_none());
}

#[test]
fn a_device_learns_of_the_monitor() {
    let (display, _arrivals) = display();
    let mut device = Device::new(&display);
    device.send(1, &[]);
    assert_eq!(device.reply(), (1, 3_u64.to_ne_bytes().to_vec()));
    device.send(2, &3_u64.to_ne_bytes());

    device.send(3, &[]);
    let (request, payload) = device.reply();
    assert_eq!((request, payload.len()), (3, 408));
    let (_, Response::OkDisplayInfo(modes)) = Response::decode(&payload).unwrap() else {
        panic!("it is no display info");
    };
    assert!(modes[0].enabled && !modes[1].enabled);
    assert_eq!((modes[0].rect.width, modes[0].rect.height), SIZE);

    device.send_words(11, &[0]);
    let (request, payload) = device.reply();
    assert_eq!((request, payload.len()), (11, 1056));
    let (_, Response::OkEdid(edid)) = Response::decode(&payload).unwrap() else {
        panic!("it is no EDID");
    };
    let mode = Edid::decode(&edid).unwrap().preferred;
    assert_eq!((mode.width, mode.height), SIZE);
}

#[test]
fn updates_of_a_dma_buf_are_answered_at_once() {
    let (display, arrivals) = display();
    let mut device = Device::new(&display);
    let file = tempfile::tempfile().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [file.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let message = bytes(&[9, 0, 40, 0, 0, 0, 64, 48, 64, 48, 256, 0, 0x3432_5258]);
    let parts = [IoSlice::new(&message)];
    sendmsg(&device.0, &parts, &mut control, SendFlags::empty()).unwrap();
    device.send_words(10, &[0, 0, 0, 64, 48]);
    assert_eq!(device.reply(), (10, Vec::new()));
    let arrival = arrivals.recv().unwrap();
    assert_eq!((arrival.what, arrival.buffer), (What::Window, Some(SIZE)));
}

#[test]
fn the_pointer_s_messages_arrive() {
    let (display, arrivals) = display();
    let mut device = Device::new(&display);
    device.send(6, &[0; 16404]);
    device.send_words(4, &[0, 10, 10]);
    device.send_words(5, &[0, 0, 0]);
    drop(device);
    drop(display);
    let seen: Vec<_> = arrivals.iter().map(|arrival| arrival.what).collect();
    assert_eq!(seen, [What::Pointer, What::PointerMove, What::PointerMove]);
}

#[test]
fn nonsense_costs_a_device_its_socket_and_nobody_else() {
    let (display, _arrivals) = display();
    for nonsense in [
        // No such message, none so long, no such place, no scanout, fewer pixels than said.
        bytes(&[99, 0, 0]),
        bytes(&[7, 0, 1 << 20]),
        bytes(&[8, 0, 24, 0, 64, 0, 1, 1, 0]),
        bytes(&[8, 0, u32::MAX, 0, 0, 0, 64, 48]),
        bytes(&[8, 0, 24, 0, 0, 0, 64, 48, 0]),
        bytes(&[8, 0, 4, 0]),
    ] {
        let mut device = Device::new(&display);
        device.send_words(7, &[0, 64, 48]);
        device.0.write_all(&nonsense).unwrap();
        assert!(device.is_hung_up_on(), "after {nonsense:?}");
    }
    let mut device = Device::new(&display);
    device.send(1, &[]);
    assert_eq!(device.reply().0, 1);
}
