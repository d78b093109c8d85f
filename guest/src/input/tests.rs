//! The driver with a small device that is made of rust-vmm's crates.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use protocols::virtio_input::{
    AbsInfo, Answer, Bitmap, ConfigSelect, DeviceIds, EV_ABS, EV_REL, EV_REP, Selection,
    config_space,
};
use vhost::vhost_user::{Listener, VhostUserProtocolFeatures as Protocol};
use vhost_user_backend::{VhostUserBackendMut, VhostUserDaemon, VringRwLock, VringT};
use virtio_queue::QueueT;
use vm_memory::{GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::{
    epoll::EventSet,
    event::{EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier},
};

use super::*;

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

const KEY_A: u16 = 30;
const LED_CAPSL: u16 = 1;

fn event(kind: u16, code: u16, value: i32) -> Event {
    Event { kind, code, value }
}

/// What passes between the test and the device's thread.
#[derive(Default)]
struct Shared {
    /// Events that wait for buffers of the guest.
    waiting: VecDeque<Event>,
    /// What the guest sent.
    status: Vec<Event>,
    selections: Vec<Selection>,
}

struct Keyboard {
    memory: Option<Memory>,
    shared: Arc<Mutex<Shared>>,
    selection: Selection,
    length: usize,
}

impl Keyboard {
    fn serve_events(&self, vring: &VringRwLock) {
        let mut shared = self.shared.lock().unwrap();
        while !shared.waiting.is_empty() {
            let memory = self.memory.as_ref().unwrap().memory();
            let chain = vring
                .get_mut()
                .get_queue_mut()
                .pop_descriptor_chain(memory.clone());
            let Some(chain) = chain else { break };
            let event = shared.waiting.pop_front().unwrap();
            let head = chain.head_index();
            let mut writer = chain.writer(&memory).unwrap();
            writer.write_all(&event.encode()[..self.length]).unwrap();
            let length = u32::try_from(self.length).unwrap();
            vring.add_used(head, length).unwrap();
        }
        vring.signal_used_queue().unwrap();
    }

    fn serve_status(&self, vring: &VringRwLock) {
        loop {
            let memory = self.memory.as_ref().unwrap().memory();
            let chain = vring
                .get_mut()
                .get_queue_mut()
                .pop_descriptor_chain(memory.clone());
            let Some(chain) = chain else { break };
            let head = chain.head_index();
            let mut bytes = [0; EVENT_SIZE];
            io::Read::read_exact(&mut chain.reader(&memory).unwrap(), &mut bytes).unwrap();
            let mut shared = self.shared.lock().unwrap();
            shared.status.push(Event::decode(&bytes).unwrap());
            drop(shared);
            vring.add_used(head, 0).unwrap();
            vring.signal_used_queue().unwrap();
        }
    }

    fn answer(&self) -> [u8; CONFIG_SIZE] {
        let bits: Bitmap;
        let answer = match (self.selection.kind(), u16::from(self.selection.subsel)) {
            (Some(ConfigSelect::IdName), _) => Answer::Text("Test keyboard"),
            (Some(ConfigSelect::IdDevids), _) => Answer::Ids(DeviceIds {
                bustype: 6,
                vendor: 1,
                product: 2,
                version: 3,
            }),
            (Some(ConfigSelect::EvBits), EV_REP) => {
                bits = [0].into_iter().collect();
                Answer::Bits(&bits)
            }
            (Some(ConfigSelect::EvBits), EV_KEY) => {
                bits = [KEY_A, 0x2ff].into_iter().collect();
                Answer::Bits(&bits)
            }
            (Some(ConfigSelect::EvBits), EV_ABS) => {
                bits = [0x35].into_iter().collect();
                Answer::Bits(&bits)
            }
            (Some(ConfigSelect::AbsInfo), 0x35) => Answer::Abs(AbsInfo {
                max: 32_767,
                ..AbsInfo::default()
            }),
            _ => Answer::Unsupported,
        };
        config_space(self.selection, &answer)
    }
}

impl VhostUserBackendMut for Keyboard {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        2
    }

    fn max_queue_size(&self) -> usize {
        256
    }

    fn features(&self) -> u64 {
        1 << 32 | 1 << 30
    }

    fn protocol_features(&self) -> Protocol {
        Protocol::MQ | Protocol::CONFIG | Protocol::REPLY_ACK
    }

    fn set_event_idx(&mut self, _enabled: bool) {}

    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        let space = self.answer();
        let start = usize::try_from(offset).unwrap();
        space[start..start + usize::try_from(size).unwrap()].to_vec()
    }

    fn set_config(&mut self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        self.selection.write(offset, bytes);
        self.shared.lock().unwrap().selections.push(self.selection);
        Ok(())
    }

    fn update_memory(&mut self, memory: Memory) -> io::Result<()> {
        self.memory = Some(memory);
        Ok(())
    }

    /// Without it the crate waits for its worker thread for ever.
    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        new_event_consumer_and_notifier(EventFlag::NONBLOCK).ok()
    }

    fn handle_event(
        &mut self,
        _event: u16,
        _events: EventSet,
        vrings: &[VringRwLock],
        _thread: usize,
    ) -> io::Result<()> {
        self.serve_events(&vrings[EVENTS]);
        self.serve_status(&vrings[STATUS]);
        Ok(())
    }
}

/// The running device. It ends when its front-end goes away.
struct Device {
    socket: PathBuf,
    shared: Arc<Mutex<Shared>>,
    _folder: tempfile::TempDir,
    thread: JoinHandle<()>,
}

/// A device that writes `length` bytes of each of `events`.
fn device(events: &[Event], length: usize) -> Device {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("keyboard.sock");
    let shared = Arc::new(Mutex::new(Shared {
        waiting: events.iter().copied().collect(),
        ..Shared::default()
    }));
    let keyboard = Keyboard {
        memory: None,
        shared: Arc::clone(&shared),
        selection: Selection::default(),
        length,
    };
    let (listening, wait) = mpsc::channel();
    let path = socket.clone();
    let thread = std::thread::spawn(move || {
        let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
        let backend = Arc::new(Mutex::new(keyboard));
        let mut daemon = VhostUserDaemon::new("keyboard".to_owned(), backend, memory).unwrap();
        let mut listener = Listener::new(&path, true).unwrap();
        listening.send(()).unwrap();
        daemon.start(&mut listener).unwrap();
        // Ends with an error when the front-end hangs up, which is how every test ends.
        let _ = daemon.wait();
    });
    wait.recv().unwrap();
    Device {
        socket,
        shared,
        _folder: folder,
        thread,
    }
}

fn options(dialect: Dialect, queue_size: u16) -> InputOptions {
    InputOptions {
        dialect,
        queue_size,
        ..InputOptions::default()
    }
}

#[test]
fn the_device_is_asked_as_linux_asks() {
    for dialect in [Dialect::QemuGeneric, Dialect::Crosvm, Dialect::Uml] {
        let device = device(&[], EVENT_SIZE);
        let driver = InputDriver::connect(&device.socket, &options(dialect, 64)).unwrap();
        let identity = driver.identity();
        assert_eq!(identity.name, "Test keyboard", "{dialect:?}");
        assert_eq!((identity.ids.bustype, identity.ids.version), (6, 3));
        assert!(identity.repeats && identity.properties.is_empty());
        assert!(identity.has(EV_KEY, KEY_A) && identity.has(EV_KEY, 0x2ff));
        assert!(!identity.has(EV_KEY, 1) && !identity.codes.contains_key(&EV_REL));
        assert_eq!(identity.axes[&0x35].max, 32_767);

        let asked: Vec<(u8, u8)> = device
            .shared
            .lock()
            .unwrap()
            .selections
            .iter()
            .map(|selection| (selection.select, selection.subsel))
            .collect();
        // A selection for each of the two bytes; the second ones are whole.
        let whole: Vec<_> = asked.iter().skip(1).step_by(2).copied().collect();
        let expected = [
            (0x01, 0),
            (0x02, 0),
            (0x03, 0),
            (0x10, 0),
            (0x11, 0x14),
            (0x11, 1),
            (0x11, 2),
            (0x11, 3),
            (0x11, 4),
            (0x11, 5),
            (0x11, 0x11),
            (0x11, 0x12),
            (0x12, 0x35),
        ];
        assert_eq!(whole, expected, "{dialect:?}");
        drop(driver);
        device.thread.join().unwrap();
    }
}

#[test]
fn frames_arrive_whole_through_queues_of_any_length() {
    let mut events = Vec::new();
    for press in [1, 0] {
        events.extend((0..9).map(|axis| event(EV_ABS, 0x30 + axis, press)));
        events.extend([event(EV_KEY, KEY_A, press), Event::SYN]);
    }
    for queue_size in [1, 4, 64] {
        let device = device(&events, EVENT_SIZE);
        let options = options(Dialect::QemuGeneric, queue_size);
        let mut driver = InputDriver::connect(&device.socket, &options).unwrap();
        assert_eq!(driver.frame().unwrap(), events[..10]);
        assert_eq!(driver.frame().unwrap(), events[11..21]);
        assert_eq!(driver.try_frame().unwrap(), None);
        assert!(driver.down().is_empty());
    }
}

#[test]
fn a_guest_that_holds_its_buffers_gets_no_more_until_it_gives_them_back() {
    let events = [
        event(EV_KEY, KEY_A, 1),
        Event::SYN,
        event(EV_KEY, KEY_A, 0),
        Event::SYN,
    ];
    let device = device(&events, EVENT_SIZE);
    let mut driver = InputDriver::connect(&device.socket, &options(Dialect::Uml, 2)).unwrap();
    driver.hold(true).unwrap();
    assert_eq!(driver.frame().unwrap(), events[..1]);
    assert_eq!(driver.down().iter().copied().collect::<Vec<_>>(), [KEY_A]);
    assert_eq!(driver.try_frame().unwrap(), None);
    assert_eq!(device.shared.lock().unwrap().waiting.len(), 2);
    driver.hold(false).unwrap();
    assert_eq!(driver.frame().unwrap(), events[2..3]);
    assert!(driver.down().is_empty());
}

#[test]
fn lights_reach_the_device() {
    let device = device(&[], EVENT_SIZE);
    let mut driver =
        InputDriver::connect(&device.socket, &options(Dialect::QemuGeneric, 4)).unwrap();
    for on in [true, false] {
        driver.set_led(LED_CAPSL, on).unwrap();
    }
    let status = &device.shared.lock().unwrap().status;
    assert_eq!(
        **status,
        [event(EV_LED, LED_CAPSL, 1), event(EV_LED, LED_CAPSL, 0)]
    );
}

#[test]
fn half_an_event_is_an_error() {
    let device = device(&[event(EV_KEY, KEY_A, 1)], 4);
    let mut driver =
        InputDriver::connect(&device.socket, &options(Dialect::QemuGeneric, 4)).unwrap();
    let error = driver.frame().unwrap_err();
    assert!(
        matches!(error, InputError::BadEvent { length: 4 }),
        "{error}"
    );
}

#[test]
fn a_device_without_events_is_given_up() {
    let device = device(&[], EVENT_SIZE);
    let options = InputOptions {
        timeout: Duration::from_millis(200),
        ..options(Dialect::QemuGeneric, 4)
    };
    let mut driver = InputDriver::connect(&device.socket, &options).unwrap();
    let error = driver.frame().unwrap_err();
    assert!(matches!(error, InputError::Timeout { .. }), "{error}");
}
