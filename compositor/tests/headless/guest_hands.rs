//! Hands on the compositor's own seat, by way of a device's window, as a guest's drivers see them.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use gpu_device::{
    WaylandSource,
    display::{
        BufferId, Display as _, DisplayEvent, Frame, FrameId, PixelLayout, PixelMemory, ScanoutId,
        wayland::WaylandDisplay,
    },
    input::{Hands, HandsOptions, InputKind, Layout},
};
use protocols::{
    virtio_gpu::{Format, Rect},
    virtio_input::{EV_ABS, EV_KEY, EV_LED, EV_REL, Event},
};

use crate::{
    client::sealed_memfd,
    fixture::Fixture,
    hands::{Deed, MOUSE, TABLET, TOUCH_SCREEN, WithHands as _, keys},
};

const SCREEN: ScanoutId = ScanoutId(0);

/// The guest's screen is the output's size, so that its pixels are the output's.
const SIZE: (u32, u32) = (256, 192);

/// A guest's absolute axes have 32 768 units.
const UNIT: (i32, i32) = (32_768 / 256, 32_768 / 192);

/// A guest whose window has the focus, and its input devices.
struct Guest {
    fixture: Fixture,
    display: WaylandDisplay,
    hands: Hands,
    presented: bool,
}

impl Guest {
    fn new() -> Self {
        let mut fixture = Fixture::new();
        let source = WaylandSource::Socket(fixture.guest_connection("a"));
        let connecting = thread::spawn(|| WaylandDisplay::connect(source, "a", 1));
        fixture.wait_until("the device is connected", |_| connecting.is_finished());
        let mut hands = Hands::new(InputKind::ALL, HandsOptions::default());
        let screen = Rect::from_size(SIZE.0, SIZE.1);
        hands.set_layout(Layout::new([(SCREEN, screen)]));
        for kind in InputKind::ALL {
            hands.set_works(kind, true, Instant::now());
        }
        let mut guest = Self {
            fixture,
            display: connecting.join().unwrap().unwrap(),
            hands,
            presented: false,
        };
        guest.show();
        guest
    }

    /// Shows a black picture, and waits until it is to be seen.
    fn show(&mut self) {
        let (width, height) = SIZE;
        let size = width * height * 4;
        let layout = PixelLayout {
            width,
            height,
            stride: width * 4,
            offset: 0,
            format: Format::Bgrx8888,
        };
        let memory = PixelMemory::Shm {
            fd: Arc::new(sealed_memfd(size as usize).into()),
            size: size.into(),
        };
        self.display.import(BufferId(1), layout, memory).unwrap();
        let frame = Frame {
            id: FrameId(1),
            buffer: BufferId(1),
            source: Rect::from_size(width, height),
            damage: vec![Rect::from_size(width, height)],
        };
        self.display.present(SCREEN, frame);
        self.wait_until("the picture is shown", |guest| guest.presented);
    }

    /// Takes in what the compositor has said.
    fn hear(&mut self) {
        self.display.flush().unwrap();
        self.display.dispatch().unwrap();
        for event in self.display.take_events() {
            match event {
                DisplayEvent::Input(input) => self.hands.input(input, Instant::now()),
                DisplayEvent::Presented { .. } => self.presented = true,
                _ => {}
            }
        }
        if let Some(leds) = self.hands.take_wishes().leds {
            self.display.set_leds(leds);
        }
        self.display.flush().unwrap();
    }

    fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < give_up, "waited too long until {what}");
            self.hear();
            self.fixture.run_for(Duration::from_millis(2));
        }
    }

    /// Lets the device ask for what the compositor has just got.
    fn settle(&mut self) {
        let end = Instant::now() + Duration::from_millis(50);
        self.wait_until("a moment is over", |_| Instant::now() > end);
    }

    /// What the driver of a device finds in its ring.
    fn take(&mut self, kind: InputKind) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.hands.backlog(kind) {
            self.hands.delivered(kind, Instant::now());
            events.push(event);
        }
        events
    }

    /// Waits for the events of a device, and for no others.
    #[track_caller]
    fn expect(&mut self, kind: InputKind, wanted: &[Event]) {
        let mut seen = Vec::new();
        self.wait_until(&format!("{wanted:?}"), |guest| {
            seen.extend(guest.take(kind));
            seen.len() >= wanted.len()
        });
        assert_eq!(seen, wanted);
        for other in InputKind::ALL {
            assert_eq!(self.take(other), [], "{other}");
        }
    }
}

fn event(kind: u16, code: u16, value: i32) -> Event {
    Event { kind, code, value }
}

fn stroke(code: u32, pressed: bool) -> [Event; 2] {
    let code = u16::try_from(code).unwrap();
    [event(EV_KEY, code, pressed.into()), Event::SYN]
}

fn place(x: i32, y: i32) -> [Event; 2] {
    let up = |at: i32, all: i32| (at * 32_768 + all - 1) / all;
    [event(EV_ABS, 0, up(x, 256)), event(EV_ABS, 1, up(y, 192))]
}

#[test]
fn keys_arrive_one_by_one() {
    let mut guest = Guest::new();
    guest.fixture.state().chord(&[keys::LEFT_CTRL, keys::A]);
    let wanted = [
        stroke(keys::LEFT_CTRL, true),
        stroke(keys::A, true),
        stroke(keys::A, false),
        stroke(keys::LEFT_CTRL, false),
    ];
    guest.expect(InputKind::Keyboard, &wanted.concat());
}

#[test]
fn a_chord_that_is_cut_in_two_leaves_no_key_down() {
    let mut guest = Guest::new();
    guest.fixture.state().key(keys::LEFT_SHIFT, true);
    guest.fixture.state().key(keys::A, true);
    let down = [stroke(keys::LEFT_SHIFT, true), stroke(keys::A, true)];
    guest.expect(InputKind::Keyboard, &down.concat());
    // Another guest gets the keyboard.
    let other = guest.fixture.add_guest("b");
    let window = guest.fixture.client(other).scanout(0);
    guest.fixture.round_trip(other);
    let buffer = guest.fixture.client(other).plain_buffer((40, 30), [0; 4]);
    guest
        .fixture
        .client(other)
        .present(&window.surface, &buffer);
    guest.fixture.round_trip(other);
    guest.fixture.state().focus_guest("b").unwrap();
    let mut up = Vec::new();
    guest.wait_until("both keys are up", |guest| {
        up.extend(guest.take(InputKind::Keyboard));
        up.ends_with(&[Event::SYN])
    });
    for code in [keys::LEFT_SHIFT, keys::A] {
        assert!(up.contains(&stroke(code, false)[0]), "{up:?}");
    }
    guest.fixture.state().key(keys::A, false);
    guest.fixture.state().key(keys::LEFT_SHIFT, false);
    // The focus is the guest's again; what follows is all that it hears.
    guest.fixture.state().focus_guest("a").unwrap();
    guest.fixture.state().chord(&[keys::F2]);
    let wanted = [stroke(keys::F2, true), stroke(keys::F2, false)];
    guest.expect(InputKind::Keyboard, &wanted.concat());
}

#[test]
fn the_pointer_is_where_it_is_and_its_wheel_turns_by_parts_of_a_notch() {
    let mut guest = Guest::new();
    let (x, y) = (100.0 / f64::from(SIZE.0), 60.0 / f64::from(SIZE.1));
    guest.fixture.state().move_to(x, y);
    let at = [&place(100, 60)[..], &[Event::SYN]].concat();
    guest.expect(InputKind::Pointer, &at);
    guest.fixture.state().click(keys::BTN_RIGHT);
    let wanted = [
        stroke(keys::BTN_RIGHT, true),
        stroke(keys::BTN_RIGHT, false),
    ];
    guest.expect(InputKind::Pointer, &wanted.concat());
    let turn = Deed {
        scroll: [None, Some(5.0)],
        units: [None, Some(40.0)],
        ..Deed::of(MOUSE)
    };
    guest
        .fixture
        .state()
        .does(smithay::backend::input::InputEvent::PointerAxis { event: turn });
    guest.expect(InputKind::Pointer, &[event(EV_REL, 0x0b, -40), Event::SYN]);
}

#[test]
fn a_finger_is_told_once_for_all_who_ask() {
    use smithay::backend::input::InputEvent;
    let mut guest = Guest::new();
    guest.fixture.state().plug(TOUCH_SCREEN);
    guest.settle();
    let touch = Deed {
        at: (0.5, 0.5),
        slot: 3,
        ..Deed::of(TOUCH_SCREEN)
    };
    let state = guest.fixture.state();
    state.does(InputEvent::TouchDown {
        event: touch.clone(),
    });
    state.does(InputEvent::TouchFrame {
        event: touch.clone(),
    });
    let mut seen = Vec::new();
    guest.wait_until("a finger", |guest| {
        seen.extend(guest.take(InputKind::Touch));
        seen.contains(&Event::SYN)
    });
    for wanted in [
        event(EV_ABS, 0x35, 128 * UNIT.0),
        event(EV_KEY, 0x14a, 1),
        event(EV_ABS, 0, 128 * UNIT.0),
    ] {
        assert!(seen.contains(&wanted), "{seen:?}");
    }
    let state = guest.fixture.state();
    state.does(InputEvent::TouchUp {
        event: touch.clone(),
    });
    state.does(InputEvent::TouchFrame { event: touch });
    let mut seen = Vec::new();
    guest.wait_until("no finger", |guest| {
        seen.extend(guest.take(InputKind::Touch));
        seen.contains(&Event::SYN)
    });
    assert!(seen.contains(&event(EV_ABS, 0x39, -1)), "{seen:?}");
}

#[test]
fn a_pens_pressure_and_tilt_are_told() {
    use smithay::backend::input::InputEvent;
    let mut guest = Guest::new();
    guest.fixture.state().plug(TABLET);
    guest.settle();
    let pen = Deed {
        at: (0.25, 0.5),
        pressed: true,
        pressure: Some(0.5),
        tilt: Some((30.0, -20.0)),
        ..Deed::of(TABLET)
    };
    let state = guest.fixture.state();
    state.does(InputEvent::TabletToolProximity { event: pen.clone() });
    state.does(InputEvent::TabletToolTip { event: pen.clone() });
    state.does(InputEvent::TabletToolAxis { event: pen });
    let mut seen = Vec::new();
    let wanted = [
        event(EV_KEY, 0x140, 1),
        event(EV_KEY, 0x14a, 1),
        event(EV_ABS, 0x1a, 30),
        event(EV_ABS, 0x1b, -20),
    ];
    guest.wait_until("a pen", |guest| {
        seen.extend(guest.take(InputKind::Pen));
        wanted.iter().all(|event| seen.contains(event))
    });
    let pressure = seen.iter().rfind(|event| event.code == 0x18).unwrap();
    assert!((32_000..34_000).contains(&pressure.value), "{seen:?}");
}

#[test]
fn the_guests_lights_are_the_keyboards() {
    let mut guest = Guest::new();
    for on in [true, false] {
        let caps = event(EV_LED, 1, on.into());
        guest
            .hands
            .status(InputKind::Keyboard, caps, Instant::now());
        guest.wait_until("the light", |guest| {
            guest.fixture.state().leds().caps == Some(on)
        });
    }
}
