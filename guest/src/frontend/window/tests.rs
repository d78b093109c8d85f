//! The device's end is the crate `vhost`'s own proxy, which knows nothing of ours.

use std::{
    fs::File,
    io::Write as _,
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    thread,
    time::Duration,
};

use rustix::fs::{MemfdFlags, memfd_create};
use vhost::vhost_user::{Backend, VhostUserFrontendReqHandler as _};

use super::*;
use crate::frontend::{
    Dialect,
    tests::{Recorder, WINDOW, record},
};

/// A page as the length of an array.
const BYTES: usize = 4096;

const PATIENCE: Duration = Duration::from_secs(10);

struct Fixture {
    frontend: Frontend,
    recorder: Recorder,
    device: Backend,
}

impl Fixture {
    fn new(dialect: Dialect) -> Self {
        let (frontend, recorder) = record(dialect);
        let device = Backend::from_stream(recorder.channel());
        device.set_reply_ack_flag(true);
        device.set_shmem_flag(true);
        Self {
            frontend,
            recorder,
            device,
        }
    }

    /// What the device is told when it asks for something; the guest waits meanwhile.
    fn ask(&mut self, ask: impl FnOnce(Backend) -> std::io::Result<u64> + Send) -> bool {
        let device = self.device.clone();
        thread::scope(|scope| {
            let device = scope.spawn(move || ask(device).is_ok());
            let activity = self.frontend.wait(PATIENCE).unwrap();
            assert!(activity.is_none(), "the guest's driver notices nothing");
            device.join().unwrap()
        })
    }

    fn map(&mut self, wish: VhostUserMMap, memory: &File) -> bool {
        self.ask(|device| device.shmem_map(&wish, memory))
    }

    fn unmap(&mut self, wish: VhostUserMMap) -> bool {
        self.ask(|device| device.shmem_unmap(&wish))
    }
}

fn piece(offset: u64, len: u64) -> VhostUserMMap {
    VhostUserMMap {
        shmid: SHM_ID_HOST_VISIBLE,
        shm_offset: offset,
        len,
        flags: VhostUserMMapFlags::WRITABLE.bits(),
        ..VhostUserMMap::default()
    }
}

fn memory(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create("blob", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn the_guest_reads_and_writes_the_devices_memory() {
    let mut fixture = Fixture::new(Dialect::QemuGeneric);
    assert_eq!(fixture.frontend.window_size(), WINDOW);
    let memory = memory(&[7; 2 * BYTES]);
    assert!(fixture.map(piece(3 * PAGE, PAGE), &memory));
    assert_eq!(fixture.frontend.window_pieces(), [(3 * PAGE, PAGE)]);

    let mut seen = [0; 4];
    fixture
        .frontend
        .read_window(4 * PAGE - 4, &mut seen)
        .unwrap();
    assert_eq!(seen, [7; 4]);
    fixture
        .frontend
        .write_window(3 * PAGE + 1, b"guest")
        .unwrap();
    let mut there = [0; 7];
    std::os::unix::fs::FileExt::read_exact_at(&memory, &mut there, 0).unwrap();
    assert_eq!(&there, b"\x07guest\x07");

    for (offset, bytes) in [(0, 1), (2 * PAGE, 1), (4 * PAGE - 3, 4), (4 * PAGE, 1)] {
        let outcome = fixture.frontend.read_window(offset, &mut vec![0; bytes]);
        assert!(
            matches!(outcome, Err(FrontendError::NotMapped { .. })),
            "{offset:#x}"
        );
    }
    assert!(fixture.unmap(piece(3 * PAGE, PAGE)));
    assert!(fixture.frontend.read_window(3 * PAGE, &mut [0]).is_err());
}

#[test]
fn read_only_memory_stays_as_it_is() {
    let mut fixture = Fixture::new(Dialect::Crosvm);
    let wish = VhostUserMMap {
        flags: 0,
        fd_offset: PAGE,
        ..piece(0, PAGE)
    };
    let file = memory(&[[1; BYTES], [2; BYTES]].concat());
    assert!(fixture.map(wish, &file));
    let mut seen = [0; 2];
    fixture.frontend.read_window(0, &mut seen).unwrap();
    assert_eq!(seen, [2, 2]);
    let outcome = fixture.frontend.write_window(0, b"x");
    assert!(matches!(outcome, Err(FrontendError::ReadOnly { .. })));
}

#[test]
fn what_the_protocol_forbids_is_refused() {
    let mut fixture = Fixture::new(Dialect::QemuGeneric);
    let file = memory(&[0; 4 * BYTES]);
    assert!(fixture.map(piece(4 * PAGE, 4 * PAGE), &file));
    for (what, wish) in [
        ("over another from before", piece(3 * PAGE, 2 * PAGE)),
        ("over another from inside", piece(7 * PAGE, PAGE)),
        ("across the end", piece(WINDOW - PAGE, 2 * PAGE)),
        ("wraps around", piece(u64::MAX - PAGE + 1, PAGE)),
        ("half a page", piece(0, PAGE / 2)),
        ("at half a page", piece(PAGE / 2, PAGE)),
        ("nothing", piece(0, 0)),
        ("more than there is", piece(16 * PAGE, 5 * PAGE)),
        (
            "another region",
            VhostUserMMap {
                shmid: 0,
                ..piece(0, PAGE)
            },
        ),
    ] {
        assert!(!fixture.map(wish, &file), "{what}");
    }
    for (offset, len) in [(4 * PAGE, PAGE), (5 * PAGE, PAGE), (0, PAGE)] {
        assert!(!fixture.unmap(piece(offset, len)));
    }
    assert_eq!(fixture.frontend.window_pieces(), [(4 * PAGE, 4 * PAGE)]);
    assert!(fixture.unmap(piece(4 * PAGE, 4 * PAGE)));
    assert!(!fixture.unmap(piece(4 * PAGE, 4 * PAGE)), "once only");
}

#[test]
fn a_vmm_may_refuse_or_say_nothing() {
    let mut fixture = Fixture::new(Dialect::QemuGeneric);
    let file = memory(&[0; BYTES]);
    fixture.frontend.set_window_manners(Manners::Refusing);
    assert!(!fixture.map(piece(0, PAGE), &file));
    fixture.frontend.set_window_manners(Manners::Mute);
    // As this proxy waits for an answer, the message is sent without it.
    let fd = file.as_raw_fd();
    let channel = fixture.recorder.channel();
    let silent = Backend::from_stream(channel.try_clone().unwrap());
    silent.set_shmem_flag(true);
    assert!(fd >= 0 && silent.shmem_map(&piece(0, PAGE), &file).is_ok());
    assert!(fixture.frontend.wait(PATIENCE).unwrap().is_none());
    assert_eq!(fixture.frontend.window_pieces(), []);
    channel.set_nonblocking(true).unwrap();
    let heard = std::io::Read::read(&mut &channel, &mut [0; 20]);
    assert_eq!(heard.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_reset_empties_the_window_of_qemu_only() {
    for (dialect, left) in [(Dialect::QemuGeneric, 0), (Dialect::Crosvm, 1)] {
        let mut fixture = Fixture::new(dialect);
        let file = memory(&[0; BYTES]);
        assert!(fixture.map(piece(0, PAGE), &file));
        fixture.frontend.reset().unwrap();
        assert_eq!(fixture.frontend.window_pieces().len(), left);
    }
}

#[test]
fn dialects_without_a_window_never_ask() {
    for dialect in [Dialect::QemuGpu, Dialect::Uml] {
        let (frontend, _recorder) = record(dialect);
        assert_eq!(frontend.window_size(), 0);
    }
}

#[test]
fn a_device_that_counts_its_regions_wrong_is_told_from_one_that_does_not() {
    let offer = |regions: u32, sizes: &[u64]| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let payload = vhost::vhost_user::message::VhostUserShMemConfig::new(regions, sizes);
        let words = [44, 5, u32::try_from(payload.as_slice().len()).unwrap()];
        let head: Vec<u8> = words
            .iter()
            .flat_map(|word: &u32| word.to_ne_bytes())
            .collect();
        (&theirs).write_all(&head).unwrap();
        (&theirs).write_all(payload.as_slice()).unwrap();
        let window = Window::of(&Channel::new(ours, PATIENCE), Protocol::SHMEM);
        window.map(|window| window.size)
    };
    assert_eq!(offer(0, &[]).unwrap(), 0);
    assert_eq!(offer(1, &[0, 1 << 32]).unwrap(), 1 << 32);
    assert_eq!(offer(2, &[1 << 20, 1 << 20]).unwrap(), 0, "which one?");
    assert!(offer(2, &[0, 1 << 20]).is_err());
}
