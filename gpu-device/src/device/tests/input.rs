//! Input devices, from what a display reports to the used ring of a guest's driver, and back.

use std::os::{fd::AsRawFd, unix::net::UnixStream};

use protocols::{
    ipc::{
        HandStats, InputAction,
        device::{Asked, DeviceEvent, DeviceRequest},
    },
    virtio_input::{CONFIG_SIZE, ConfigSelect, EV_ABS, EV_KEY, EV_LED, Event, config_payload},
};
use vhost::{
    VhostBackend, VhostUserMemoryRegionInfo, VringConfigData,
    vhost_user::{
        Frontend, VhostUserFrontend, VhostUserProtocolFeatures,
        message::{VhostUserConfigFlags, VhostUserHeaderFlag},
    },
};
use vmm_sys_util::{
    epoll::{ControlOperation, Epoll, EpollEvent, EventSet},
    eventfd::{EFD_NONBLOCK, EventFd},
};

use super::fixture::{Device, PATIENCE};
use crate::{
    display::{DisplayEvent, ScanoutId, recording::Call},
    input::{Grab, HostInput, InputKind, Leds, Position},
    vhost_user::testing::{DriverRing, Ram, WRITE},
};

const RAM: u64 = 1 << 20;
const USER: u64 = 0x7f00_0000_0000;
const RINGS: [u64; 2] = [0x1000, 0x4000];
const BUFFERS: u64 = 0x8000;
const STATUS: u64 = 0xc000;
const A: u16 = 30;
const SHIFT: u16 = 42;
const SCREEN: ScanoutId = ScanoutId(0);

/// Everything that QEMU's `vhost-user-input-pci` does, but for a guest.
struct Vmm {
    ram: Ram,
    rings: [DriverRing; 2],
    front: Frontend,
    kicks: [EventFd; 2],
    call: EventFd,
    called: Epoll,
}

fn event() -> EventFd {
    EventFd::new(EFD_NONBLOCK).unwrap()
}

impl Vmm {
    /// Connects to a device, and starts a driver with rings of so many entries.
    fn start(device: &Device, kind: InputKind, size: u16) -> Self {
        let mut vmm = Self::connect(device, kind, size);
        vmm.start_driver([0, 0]);
        (0..size).for_each(|_| vmm.offer());
        vmm
    }

    fn connect(device: &Device, kind: InputKind, size: u16) -> Self {
        let socket = UnixStream::connect(device.input_socket(kind)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut front = Frontend::from_stream(socket, 2);
        let ram = Ram::new(0, RAM);
        let rings = RINGS.map(|place| DriverRing::new(&ram, place, size));
        let (call, called) = (event(), Epoll::new().unwrap());
        let fd = call.as_raw_fd();
        let interest = EpollEvent::new(EventSet::IN, 0);
        called.ctl(ControlOperation::Add, fd, interest).unwrap();
        front.set_owner().unwrap();
        let features = front.get_features().unwrap();
        assert_eq!(features & 0xff_ffff, 0, "virtio-input has no features");
        front.set_features(features & 1 << 30).unwrap();
        let offered = front.get_protocol_features().unwrap();
        let wanted = VhostUserProtocolFeatures::MQ
            | VhostUserProtocolFeatures::REPLY_ACK
            | VhostUserProtocolFeatures::CONFIG;
        front.set_protocol_features(wanted & offered).unwrap();
        front.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        assert_eq!(front.get_queue_num().unwrap(), 2);
        let region = VhostUserMemoryRegionInfo {
            guest_phys_addr: 0,
            memory_size: RAM,
            userspace_addr: USER,
            mmap_offset: 0,
            mmap_handle: ram.file.as_raw_fd(),
        };
        front.set_mem_table(&[region]).unwrap();
        Self {
            ram,
            rings,
            front,
            kicks: [event(), event()],
            call,
            called,
        }
    }

    fn start_driver(&mut self, bases: [u16; 2]) {
        self.front.set_features(1 << 32 | 1 << 30).unwrap();
        for (index, base) in bases.into_iter().enumerate() {
            let ring = &self.rings[index];
            let addresses = VringConfigData {
                queue_max_size: ring.size(),
                queue_size: ring.size(),
                flags: 0,
                desc_table_addr: USER + ring.table_address(),
                used_ring_addr: USER + ring.used_address(),
                avail_ring_addr: USER + ring.avail_address(),
                log_addr: None,
            };
            self.front.set_vring_num(index, ring.size()).unwrap();
            self.front.set_vring_base(index, base).unwrap();
            self.front.set_vring_addr(index, &addresses).unwrap();
            self.front.set_vring_call(index, &self.call).unwrap();
            self.front
                .set_vring_kick(index, &self.kicks[index])
                .unwrap();
        }
        self.enable(true);
    }

    fn enable(&mut self, on: bool) {
        (0..2).for_each(|index| self.front.set_vring_enable(index, on).unwrap());
    }

    /// Stops the driver as a pause and a reset do; returns where the rings stopped.
    fn stop(&mut self) -> [u16; 2] {
        self.enable(false);
        [0, 1].map(|index| {
            let base = self.front.get_vring_base(index).unwrap();
            u16::try_from(base).unwrap()
        })
    }

    /// Another driver starts, with rings of its own.
    fn reboot(&mut self) {
        self.stop();
        let size = self.rings[0].size();
        self.rings = RINGS.map(|place| DriverRing::new(&self.ram, place, size));
        self.start_driver([0, 0]);
        (0..size).for_each(|_| self.offer());
    }

    /// Offers the next buffer of the event ring.
    fn offer(&mut self) {
        let place = BUFFERS + 8 * u64::from(self.rings[0].next_head());
        let head = self.rings[0].chain(&[(place, 8, WRITE)]);
        self.rings[0].offer(head);
        self.kicks[0].write(1).unwrap();
    }

    /// The next event, waited for; its buffer is offered again.
    fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.event_by_now() {
                return event;
            }
            self.wait_for_call();
        }
    }

    fn event_by_now(&mut self) -> Option<Event> {
        let (head, len) = self.rings[0].take_used()?;
        assert_eq!(len, 8);
        let bytes = self.ram.read(BUFFERS + 8 * u64::from(head), 8);
        self.offer();
        Event::decode(&bytes)
    }

    /// The events up to the end of a frame.
    fn frame(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.event() {
                Event::SYN => return events,
                event => events.push(event),
            }
        }
    }

    fn wait_for_call(&mut self) {
        let timeout = i32::try_from(PATIENCE.as_millis()).unwrap();
        let mut events = [EpollEvent::default(); 1];
        let woken = self.called.wait(timeout, &mut events).unwrap();
        assert_ne!(woken, 0, "the device does not call");
        let _ = self.call.read();
    }

    /// Says something to the device, as Linux does, and waits until that has heard it.
    fn say(&mut self, event: Event) {
        self.ram.write(STATUS, &event.encode());
        let head = self.rings[1].chain(&[(STATUS, 8, 0)]);
        self.rings[1].offer(head);
        self.kicks[1].write(1).unwrap();
        while self.rings[1].take_used().is_none() {
            self.wait_for_call();
        }
    }

    /// Asks a question of the configuration space, a byte at a time.
    fn ask(&mut self, select: ConfigSelect, subsel: u8) -> Vec<u8> {
        let flags = VhostUserConfigFlags::WRITABLE;
        for (offset, byte) in (0..).zip([select.into(), subsel]) {
            self.front.set_config(offset, flags, &[byte]).unwrap();
        }
        let size = u32::try_from(CONFIG_SIZE).unwrap();
        let (_, space) = self
            .front
            .get_config(0, size, flags, &[0; CONFIG_SIZE])
            .unwrap();
        config_payload(&space.try_into().unwrap()).to_vec()
    }
}

fn key(code: u16, pressed: bool) -> Event {
    Event {
        kind: EV_KEY,
        code,
        value: pressed.into(),
    }
}

fn report(device: &Device, input: HostInput) {
    device.report(DisplayEvent::Input(input));
}

fn press(device: &Device, code: u16, pressed: bool) {
    report(device, HostInput::Key { code, pressed });
}

fn stats(device: &mut Device, kind: InputKind) -> HandStats {
    let hands = device.stats().hands;
    hands
        .into_iter()
        .find(|hand| hand.device == kind.word())
        .unwrap()
}

#[test]
fn a_key_reaches_the_guest() {
    let mut device = Device::start();
    let mut vmm = Vmm::start(&device, InputKind::Keyboard, 4);
    press(&device, A, true);
    press(&device, A, false);
    assert_eq!(vmm.frame(), [key(A, true)]);
    assert_eq!(vmm.frame(), [key(A, false)]);
    let stats = stats(&mut device, InputKind::Keyboard);
    assert!(stats.connected);
    assert_eq!((stats.frames, stats.frames_dropped), (2, 0));
    assert!(stats.latency_p50_us.is_some());
}

#[test]
fn each_device_says_what_it_is() {
    let device = Device::start();
    for kind in InputKind::ALL {
        let mut vmm = Vmm::connect(&device, kind, 4);
        let name = String::from_utf8(vmm.ask(ConfigSelect::IdName, 0)).unwrap();
        assert!(name.starts_with("Lucarne "), "{name}");
        let keys = vmm.ask(ConfigSelect::EvBits, EV_KEY.try_into().unwrap());
        assert!(!keys.is_empty());
        let places = vmm.ask(ConfigSelect::EvBits, EV_ABS.try_into().unwrap());
        let has_places = !matches!(kind, InputKind::Keyboard | InputKind::Mouse);
        assert_eq!(!places.is_empty(), has_places, "{kind}");
    }
}

#[test]
fn a_place_is_one_of_the_guest_s_screens() {
    let device = Device::start();
    let mut vmm = Vmm::start(&device, InputKind::Pointer, 4);
    let at = Position {
        scanout: SCREEN,
        x: 640.0,
        y: 400.0,
    };
    report(&device, HostInput::PointerMotion(at));
    report(&device, HostInput::PointerFrame);
    let places: Vec<i32> = vmm.frame().iter().map(|event| event.value).collect();
    assert_eq!(places, [16_384, 16_384]);
}

#[test]
fn fingers_go_through_a_ring_of_four() {
    let device = Device::start();
    let mut vmm = Vmm::start(&device, InputKind::Touch, 4);
    let at = Position {
        scanout: SCREEN,
        x: 1.0,
        y: 1.0,
    };
    for id in 0..10 {
        report(&device, HostInput::TouchDown { id, at });
    }
    report(&device, HostInput::TouchFrame);
    assert_eq!(vmm.frame().len(), 53);
}

#[test]
fn what_is_held_goes_with_the_focus_and_with_the_host() {
    let device = Device::start_at_home();
    let mut vmm = Vmm::start(&device, InputKind::Keyboard, 64);
    press(&device, A, true);
    report(&device, HostInput::KeyboardLeave);
    assert_eq!(
        (vmm.frame(), vmm.frame()),
        (vec![key(A, true)], vec![key(A, false)])
    );
    press(&device, SHIFT, true);
    assert_eq!(vmm.frame(), [key(SHIFT, true)]);
    device.report(DisplayEvent::Lost);
    assert_eq!(vmm.frame(), [key(SHIFT, false)]);
}

#[test]
fn a_pause_lets_go_and_a_reboot_forgets() {
    let device = Device::start();
    let mut vmm = Vmm::start(&device, InputKind::Keyboard, 64);
    press(&device, A, true);
    assert_eq!(vmm.frame(), [key(A, true)]);
    let bases = vmm.stop();
    press(&device, A, false);
    press(&device, SHIFT, true);
    assert_eq!(vmm.event_by_now(), None);
    vmm.start_driver(bases);
    assert_eq!(vmm.frame(), [key(A, false)]);
    press(&device, SHIFT, false);
    press(&device, A, true);
    assert_eq!(vmm.frame(), [key(A, true)]);
    vmm.reboot();
    press(&device, A, false);
    press(&device, SHIFT, true);
    assert_eq!(vmm.frame(), [key(SHIFT, true)]);
}

#[test]
fn a_vmm_that_comes_anew_finds_nothing_pressed() {
    let mut device = Device::start();
    let mut vmm = Vmm::start(&device, InputKind::Keyboard, 4);
    press(&device, A, true);
    assert_eq!(vmm.frame(), [key(A, true)]);
    drop(vmm);
    let mut vmm = Vmm::start(&device, InputKind::Keyboard, 4);
    press(&device, A, false);
    press(&device, A, true);
    assert_eq!(vmm.frame(), [key(A, true)]);
    assert_eq!(stats(&mut device, InputKind::Keyboard).frames, 2);
}

#[test]
fn a_second_vmm_waits_for_the_first_one_s_end() {
    let device = Device::start();
    let mut first = Vmm::start(&device, InputKind::Keyboard, 4);
    let path = device.input_socket(InputKind::Keyboard);
    let waiting = UnixStream::connect(&path).unwrap();
    press(&device, A, true);
    assert_eq!(first.frame(), [key(A, true)]);
    drop(waiting);
    drop(first);
    let mut next = Vmm::start(&device, InputKind::Keyboard, 4);
    press(&device, SHIFT, true);
    assert_eq!(next.frame(), [key(SHIFT, true)]);
}

#[test]
fn lights_reach_the_display() {
    let device = Device::start();
    let mut vmm = Vmm::start(&device, InputKind::Keyboard, 4);
    device.asked();
    vmm.say(Event {
        kind: EV_LED,
        code: 1,
        value: 1,
    });
    let lit = Leds {
        caps_lock: true,
        ..Leds::default()
    };
    assert!(device.asked().contains(&Call::SetLeds(lit)));
    // Nonsense is heard, and nothing comes of it.
    vmm.say(Event {
        kind: 0xffff,
        code: 0xffff,
        value: -1,
    });
    let asked = device.asked();
    assert!(
        !asked.iter().any(|call| matches!(call, Call::SetLeds(_))),
        "{asked:?}"
    );
}

#[test]
fn the_chord_asks_the_display_to_hold_the_hands() {
    let mut device = Device::start();
    let _vmm = Vmm::start(&device, InputKind::Keyboard, 4);
    report(&device, HostInput::KeyboardEnter(SCREEN));
    // Keys that come at once with the keyboard would be held from before.
    device.stats();
    let (ctrl, alt, f11) = (29, 56, 87);
    for (code, pressed) in [(ctrl, true), (alt, true), (alt, false), (ctrl, false)] {
        press(&device, code, pressed);
    }
    let grab = Grab {
        pointer: true,
        shortcuts: true,
    };
    // Whatever was reported has been carried out when this is answered.
    device.stats();
    let asked = device.asked();
    assert!(asked.contains(&Call::SetGrab(grab)), "{asked:?}");
    for (code, pressed) in [(ctrl, true), (alt, true), (alt, false), (ctrl, false)] {
        press(&device, code, pressed);
    }
    press(&device, f11, true);
    device.stats();
    let asked = device.asked();
    assert!(asked.contains(&Call::SetGrab(Grab::default())), "{asked:?}");
    assert!(asked.contains(&Call::ToggleFullscreen(SCREEN)), "{asked:?}");
}

#[test]
fn what_the_control_socket_types_reaches_the_guest() {
    let mut device = Device::start();
    let mut vmm = Vmm::start(&device, InputKind::Keyboard, 4);
    let text = InputAction::Chords(vec![vec![SHIFT, A], vec![A]]);
    device.ask(&DeviceRequest::Input(text));
    for (code, pressed) in [
        (SHIFT, true),
        (A, true),
        (A, false),
        (SHIFT, false),
        (A, true),
        (A, false),
    ] {
        assert_eq!(vmm.frame(), [key(code, pressed)]);
    }
    let answer = |error| DeviceEvent::Answer {
        to: Asked::Input,
        error,
    };
    assert_eq!(device.next_status(), answer(None));
    let nowhere = InputAction::PointerTo {
        scanout: 7,
        x: 0,
        y: 0,
    };
    device.ask(&DeviceRequest::Input(nowhere));
    let DeviceEvent::Answer {
        error: Some(error), ..
    } = device.next_status()
    else {
        panic!("it is done");
    };
    assert!(error.contains("scanout 7"), "{error}");
}

#[test]
fn a_driver_that_breaks_its_ring_breaks_nobody_else_s() {
    let device = Device::start();
    let mut broken = Vmm::start(&device, InputKind::Keyboard, 4);
    let mut whole = Vmm::start(&device, InputKind::Mouse, 4);
    // More chains than there are descriptors.
    broken.rings[0].set_avail_index(4711);
    broken.kicks[0].write(1).unwrap();
    press(&device, A, true);
    report(&device, HostInput::RelativeMotion { dx: 4.0, dy: 0.0 });
    report(&device, HostInput::PointerFrame);
    assert_eq!(whole.frame().len(), 1);
    // It is served again once the guest has set it up anew; what was pressed meanwhile was not.
    broken.reboot();
    press(&device, SHIFT, true);
    assert_eq!(broken.frame(), [key(A, false)]);
    assert_eq!(broken.frame(), [key(SHIFT, true)]);
}
