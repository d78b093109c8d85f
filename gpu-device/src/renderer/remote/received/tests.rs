use std::os::fd::AsFd;

use super::*;
use crate::memory::SharedMemory;

fn memory(size: u64) -> OwnedFd {
    SharedMemory::new(size).unwrap().descriptor().unwrap()
}

fn mapping(size: u64, caching: u32, fd: OwnedFd) -> Option<Result<Done, ErrorCode>> {
    judge(
        Expects::Mapping,
        Outcome::Mapped { size, caching },
        vec![fd],
    )
}

#[test]
fn memory_is_passed_on_as_far_as_it_is_there() {
    let mapped = mapping(8192, 1, memory(8192));
    assert!(
        matches!(mapped, Some(Ok(Done::Mapped(mapped))) if mapped.size == 8192 && mapped.caching == 1)
    );
    for (size, caching) in [(8193, 1), (0, 1), (u64::MAX, 1), (4096, 0), (4096, 4)] {
        let refused = mapping(size, caching, memory(8192));
        assert!(
            matches!(refused, Some(Err(ErrorCode::Unspec))),
            "{size} {caching}"
        );
    }
}

#[test]
fn what_is_no_memory_is_not_passed_on() {
    let (end, _other) = rustix::pipe::pipe().unwrap();
    let file = tempfile::tempfile().unwrap();
    file.set_len(4096).unwrap();
    for fd in [end, file.as_fd().try_clone_to_owned().unwrap()] {
        if matches!(Kind::of(&fd), Kind::Memory(_)) {
            continue; // the folder for temporary files is shared memory itself
        }
        assert!(matches!(mapping(4096, 1, fd), Some(Err(ErrorCode::Unspec))));
    }
}

#[test]
fn a_picture_is_made_of_dma_bufs_only() {
    let picture = Picture {
        width: 64,
        height: 64,
        fourcc: 0x3432_4241,
        modifier: 0,
        bottom_up: false,
        planes: vec![Default::default()],
    };
    let seen = judge(
        Expects::Picture,
        Outcome::Exported(picture),
        vec![memory(16384)],
    );
    assert!(matches!(seen, Some(Ok(Done::NotExported(_)))));
}

#[test]
fn an_answer_to_another_question_is_none() {
    let nothing = || Vec::new();
    assert!(judge(Expects::Done, Outcome::NotExported, nothing()).is_none());
    assert!(judge(Expects::Mapping, Outcome::Done, nothing()).is_none());
    assert!(judge(Expects::Picture, Outcome::Done, nothing()).is_none());
    assert!(
        judge(
            Expects::Mapping,
            Outcome::Mapped {
                size: 4096,
                caching: 1
            },
            nothing()
        )
        .is_none(),
        "without its descriptor"
    );
    for expects in [Expects::Done, Expects::Mapping, Expects::Picture] {
        let failed = judge(expects, Outcome::Failed(ErrorCode::OutOfMemory), nothing());
        assert!(matches!(failed, Some(Err(ErrorCode::OutOfMemory))));
    }
}
