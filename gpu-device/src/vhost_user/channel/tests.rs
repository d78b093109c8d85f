use std::{
    fs::File,
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use super::*;

fn pair() -> (Channel, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Channel::new(ours.into()), theirs)
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks(4)
        .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
        .collect()
}

/// An answer as a front-end sends it.
fn answer(request: u32, flags: u32, size: u32, code: u64) -> Vec<u8> {
    let words = [request, flags, size];
    let head = words.iter().flat_map(|word| word.to_ne_bytes());
    head.chain(code.to_ne_bytes()).collect()
}

#[test]
fn a_configuration_change_is_twelve_bytes() {
    let (channel, mut theirs) = pair();
    assert!(channel.config_changed());
    drop(channel);
    let mut seen = Vec::new();
    theirs.read_to_end(&mut seen).unwrap();
    assert_eq!(words(&seen), [2, 1, 0]);
}

#[test]
fn a_front_end_that_does_not_read_does_not_block_the_device() {
    let (channel, _theirs) = pair();
    let taken = (0..100_000)
        .take_while(|_| channel.config_changed())
        .count();
    assert!(taken > 0 && taken < 100_000);
    assert_eq!(
        channel.ask(BackendReq::SHMEM_UNMAP, &[0; 40], None),
        Sending::NoRoom
    );
}

#[test]
fn a_closed_channel_is_not_tried_again() {
    let (channel, theirs) = pair();
    drop(theirs);
    assert!(channel.config_changed());
    let mapped = File::open("/dev/null").unwrap();
    assert_eq!(
        channel.ask(BackendReq::SHMEM_MAP, &[0; 40], Some(mapped.as_fd())),
        Sending::Closed
    );
}

#[test]
fn what_is_no_socket_is_closed() {
    let channel = Channel::new(File::open("/dev/null").unwrap().into());
    assert_eq!(
        channel.ask(BackendReq::SHMEM_UNMAP, &[], None),
        Sending::Closed
    );
    assert_eq!(Answers::default().next(&channel), Err(ChannelError::Closed));
}

#[test]
fn answers_are_read_in_order_and_by_the_byte() {
    let (channel, mut theirs) = pair();
    let mut answers = Answers::default();
    assert_eq!(answers.next(&channel), Ok(None));
    let bytes = [answer(9, 5, 8, 0), answer(10, 5, 8, 22)].concat();
    let mut heard = Vec::new();
    for byte in bytes {
        theirs.write_all(&[byte]).unwrap();
        heard.extend(answers.next(&channel).unwrap());
    }
    let answer = |request, code| Answer { request, code };
    assert_eq!(heard, [answer(9, 0), answer(10, 22)]);
    drop(theirs);
    assert_eq!(answers.next(&channel), Err(ChannelError::Closed));
}

#[test]
fn what_is_no_answer_is_told_from_one() {
    // A request, another version, other sizes, text.
    for (request, flags, size) in [
        (9, 1, 8),
        (9, 6, 8),
        (9, 5, 0),
        (9, 5, u32::MAX),
        (0x2054_4547, 0x5054_5448, 0x0d31_2f2f),
    ] {
        let (channel, mut theirs) = pair();
        theirs.write_all(&answer(request, flags, size, 0)).unwrap();
        assert_eq!(
            Answers::default().next(&channel),
            Err(ChannelError::NoAnswer {
                code: request,
                flags,
                size
            })
        );
    }
}

#[test]
fn descriptors_that_come_with_an_answer_are_closed() {
    let (channel, theirs) = pair();
    let (mut reader, writer) = io::pipe().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [writer.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let bytes = answer(9, 5, 8, 0);
    sendmsg(
        &theirs,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::empty(),
    )
    .unwrap();
    drop(writer);
    assert!(Answers::default().next(&channel).unwrap().is_some());
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}
