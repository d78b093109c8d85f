//! The order of the messages in each dialect, as it was seen on the wire, and events.

use std::{
    io::{IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use vhost::vhost_user::message::VhostUserShMemConfig;
use vm_memory::ByteValued;

use super::*;
use crate::{
    ram::{Layout, Ram, RamOptions},
    virtqueue::{RingFeatures, Virtqueue},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of the window that the recorder offers.
pub(super) const WINDOW: u64 = 1 << 20;

/// A device that notes the messages' names and answers just what must be answered.
pub(super) struct Recorder {
    names: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Option<UnixStream>>>,
    thread: JoinHandle<()>,
}

/// Connects a recorder that offers everything.
pub(super) fn record(dialect: Dialect) -> (Frontend, Recorder) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let names = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::new(Mutex::new(None));
    let (log, channel) = (Arc::clone(&names), Arc::clone(&requests));
    let thread = std::thread::spawn(move || serve(&theirs, &log, &channel));
    let frontend = Frontend::from_stream(ours, dialect, PATIENCE).unwrap();
    (
        frontend,
        Recorder {
            names,
            requests,
            thread,
        },
    )
}

fn serve(stream: &UnixStream, names: &Mutex<Vec<String>>, requests: &Mutex<Option<UnixStream>>) {
    while let Some((request, flags, payload, fds)) = receive(stream) {
        let code = FrontendReq::try_from(request).unwrap();
        names.lock().unwrap().push(format!("{code:?}"));
        let reply: Option<Vec<u8>> = match code {
            FrontendReq::GET_FEATURES => Some((1u64 << 30 | 1 << 32).to_ne_bytes().into()),
            FrontendReq::GET_PROTOCOL_FEATURES => Some(u64::MAX.to_ne_bytes().into()),
            FrontendReq::GET_QUEUE_NUM => Some(2u64.to_ne_bytes().into()),
            FrontendReq::GET_MAX_MEM_SLOTS => Some(509u64.to_ne_bytes().into()),
            FrontendReq::GET_SHMEM_CONFIG => {
                Some(VhostUserShMemConfig::new(1, &[0, WINDOW]).as_slice().into())
            }
            FrontendReq::GET_STATUS => Some(0u64.to_ne_bytes().into()),
            FrontendReq::GET_VRING_BASE | FrontendReq::GET_CONFIG => Some(payload),
            FrontendReq::SET_BACKEND_REQ_FD => {
                let fd = fds.into_iter().next().unwrap();
                *requests.lock().unwrap() = Some(UnixStream::from(fd));
                None
            }
            _ => None,
        };
        let acknowledged = (flags & 8 != 0).then(|| 0u64.to_ne_bytes().to_vec());
        if let Some(payload) = reply.or(acknowledged) {
            let mut bytes = Vec::new();
            for word in [request, 5, u32::try_from(payload.len()).unwrap()] {
                bytes.extend(word.to_ne_bytes());
            }
            bytes.extend(payload);
            let mut stream = stream;
            stream.write_all(&bytes).unwrap();
        }
    }
}

fn receive(stream: &UnixStream) -> Option<(u32, u32, Vec<u8>, Vec<OwnedFd>)> {
    let mut header = [0; 12];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [IoSliceMut::new(&mut header)];
    let received =
        rustix::net::recvmsg(stream, &mut buffers, &mut ancillary, RecvFlags::WAITALL).unwrap();
    if received.bytes < 12 {
        return None;
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
    let mut payload = vec![0; word(8) as usize];
    let mut stream = stream;
    stream.read_exact(&mut payload).unwrap();
    Some((word(0), word(4), payload, fds))
}

impl Recorder {
    /// The device's end of the channel for its requests.
    pub(super) fn channel(&self) -> UnixStream {
        let requests = self.requests.lock().unwrap();
        requests.as_ref().unwrap().try_clone().unwrap()
    }

    /// The messages since the last call, shortened.
    fn names(&self) -> String {
        let names = std::mem::take(&mut *self.names.lock().unwrap());
        names
            .join(" ")
            .replace("SET_VRING_", "")
            .replace("GET_VRING_BASE", "GET_BASE")
            .replace("PROTOCOL_FEATURES", "PROTOCOL")
    }
}

struct Machine {
    ram: Ram,
    control: Virtqueue,
    cursor: Virtqueue,
}

fn machine() -> Machine {
    let options = RamOptions {
        size: 2 << 20,
        layout: Layout::Split,
        ..RamOptions::default()
    };
    let mut ram = Ram::new(&options).unwrap();
    let mut queue = || Virtqueue::new(&mut ram, 16, RingFeatures::default()).unwrap();
    let (control, cursor) = (queue(), queue());
    Machine {
        ram,
        control,
        cursor,
    }
}

impl Machine {
    fn queues(&self) -> [&Virtqueue; 2] {
        [&self.control, &self.cursor]
    }
}

/// Makes sure that the recorder has noted everything that was sent before.
fn settle(frontend: &mut Frontend, recorder: &Recorder) -> String {
    frontend.read_config().unwrap();
    recorder
        .names()
        .strip_suffix(" GET_CONFIG")
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn qemu_s_gpu_device_speaks_in_the_order_that_was_seen_on_the_wire() {
    let (mut frontend, recorder) = record(Dialect::QemuGpu);
    let machine = machine();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "GET_FEATURES GET_PROTOCOL SET_PROTOCOL GET_QUEUE_NUM GET_MAX_MEM_SLOTS \
         SET_BACKEND_REQ_FD SET_OWNER GET_FEATURES CALL CALL"
    );
    frontend
        .start(1 << 32, &machine.ram, machine.queues())
        .unwrap();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "GPU_SET_SOCKET CALL CALL SET_FEATURES GET_STATUS SET_STATUS ADD_MEM_REG ADD_MEM_REG \
         NUM BASE ADDR KICK NUM BASE ADDR KICK ENABLE ENABLE CALL CALL"
    );
    frontend.pause().unwrap();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "ENABLE ENABLE GET_BASE GET_BASE CALL CALL"
    );
    frontend.resume(machine.queues()).unwrap();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "GPU_SET_SOCKET CALL CALL SET_FEATURES GET_STATUS SET_STATUS \
         NUM BASE ADDR KICK NUM BASE ADDR KICK ENABLE ENABLE CALL CALL"
    );
    frontend.reset().unwrap();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "ENABLE ENABLE GET_BASE GET_BASE CALL CALL RESET_DEVICE RESET_DEVICE"
    );
}

#[test]
fn who_plays_the_display_gets_each_socket_until_the_machine_stops() {
    let (mut frontend, _recorder) = record(Dialect::QemuGpu);
    let (display, sockets) = mpsc::channel();
    frontend.set_display(display);
    let machine = machine();
    frontend
        .start(1 << 32, &machine.ram, machine.queues())
        .unwrap();
    let mut first = sockets.try_recv().unwrap();
    frontend.pause().unwrap();
    assert_eq!(first.read(&mut [0]).unwrap(), 0);
    assert!(sockets.try_recv().is_err());

    frontend.resume(machine.queues()).unwrap();
    let mut second = sockets.try_recv().unwrap();
    frontend.reset().unwrap();
    assert_eq!(second.read(&mut [0]).unwrap(), 0);
}

#[test]
fn qemu_s_generic_device_never_announces_a_reset() {
    let (mut frontend, recorder) = record(Dialect::QemuGeneric);
    let machine = machine();
    frontend
        .start(1 << 32, &machine.ram, machine.queues())
        .unwrap();
    let start = settle(&mut frontend, &recorder);
    assert!(start.contains("SET_FEATURES GET_STATUS SET_STATUS ADD_MEM_REG ADD_MEM_REG NUM"));
    assert!(
        !start.contains("GPU_SET_SOCKET") && !start.contains("RESET_DEVICE"),
        "{start}"
    );
    frontend.reset().unwrap();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "ENABLE ENABLE GET_BASE GET_BASE CALL CALL",
        "a reset reads like a pause"
    );
}

#[test]
fn user_mode_linux_owns_first_and_resets_by_disabling_only() {
    let (mut frontend, recorder) = record(Dialect::Uml);
    let machine = machine();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "SET_OWNER GET_FEATURES GET_PROTOCOL SET_PROTOCOL GET_QUEUE_NUM SET_BACKEND_REQ_FD"
    );
    frontend
        .start(1 << 32, &machine.ram, machine.queues())
        .unwrap();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "SET_FEATURES SET_MEM_TABLE CALL CALL \
         NUM BASE ADDR KICK NUM BASE ADDR KICK ENABLE ENABLE"
    );
    frontend.reset().unwrap();
    assert_eq!(
        settle(&mut frontend, &recorder),
        "ENABLE ENABLE GET_FEATURES"
    );
}

#[test]
fn an_event_of_the_device_reaches_the_guest_where_the_vmm_forwards_it() {
    for (dialect, forwarded) in [(Dialect::QemuGeneric, true), (Dialect::QemuGpu, false)] {
        let (mut frontend, recorder) = record(dialect);
        settle(&mut frontend, &recorder);
        let config_change: Vec<u8> = [2u32, 1, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        let mut channel = recorder.requests.lock().unwrap().take().unwrap();
        channel.write_all(&config_change).unwrap();
        let activity = frontend.wait(PATIENCE).unwrap();
        assert_eq!(activity.config_changed, forwarded, "{dialect:?}");
        assert_eq!(frontend.refused_events(), u64::from(!forwarded));
    }
}

#[test]
fn a_device_without_a_configuration_space_is_no_gpu() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || {
        let mut stream = &theirs;
        for value in [1u64 << 30, 1] {
            let (request, ..) = receive(stream).unwrap();
            let words = [request, 5, 8];
            let mut bytes: Vec<u8> = words.iter().flat_map(|w: &u32| w.to_ne_bytes()).collect();
            bytes.extend(value.to_ne_bytes());
            stream.write_all(&bytes).unwrap();
        }
    });
    let error = Frontend::from_stream(ours, Dialect::QemuGpu, PATIENCE)
        .unwrap_err()
        .to_string();
    assert!(error.contains("a configuration space"), "{error}");
    thread.join().unwrap();
}

#[test]
fn a_device_that_never_answers_is_given_up() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let brief = Duration::from_millis(10);
    let error = Frontend::from_stream(ours, Dialect::QemuGpu, brief).unwrap_err();
    assert!(matches!(error, FrontendError::NoReply { .. }), "{error}");
}

#[test]
fn waiting_ends_when_the_device_hangs_up() {
    let (mut frontend, recorder) = record(Dialect::QemuGeneric);
    let nothing = frontend.wait(Duration::ZERO).unwrap();
    assert!(nothing.is_none());
    // The recorder's thread ends at a message that it does not know, and its socket with it.
    frontend.send_raw(0xdead, 1, &[], &[]).unwrap();
    assert!(recorder.thread.join().is_err());
    assert!(frontend.wait(PATIENCE).unwrap().hung_up);
}
