//! Hands: what the compositor says of them is reported once, and nothing stays pressed.

mod cursor;
mod grab;
mod hostile;
mod keyboard;
mod pointer;
mod properties;
mod tablet;
mod touch;

use wayland_server::protocol::{
    wl_keyboard::KeyState,
    wl_pointer::{Axis, AxisSource, ButtonState},
    wl_seat::Capability,
};

use super::{
    requests::{seat::HandOffer, windows::WindowOffer},
    *,
};
use crate::{
    display::Lacking,
    input::{Grab, HostInput, Leds, PenTool, Position},
};

/// Codes of evdev.
const KEY_A: u32 = 30;
const KEY_LEFTCTRL: u32 = 29;
const KEY_LEFTALT: u32 = 56;
const BTN_LEFT: u32 = 0x110;
const BTN_SIDE: u32 = 0x113;

const EVERYTHING: Capability = Capability::Keyboard
    .union(Capability::Pointer)
    .union(Capability::Touch);

fn with_hands(hands: HandOffer) -> Offer {
    Offer {
        hands,
        ..Offer::default()
    }
}

fn at(x: f64, y: f64) -> Position {
    on(SCREEN, x, y)
}

fn on(scanout: ScanoutId, x: f64, y: f64) -> Position {
    Position { scanout, x, y }
}

fn key(code: u32, pressed: bool) -> HostInput {
    let code = code.try_into().unwrap();
    HostInput::Key { code, pressed }
}

fn button(code: u32, pressed: bool) -> HostInput {
    let code = code.try_into().unwrap();
    HostInput::Button { code, pressed }
}

impl Scene {
    /// A window on a compositor with a seat that has everything, of the newest version.
    fn seated() -> Self {
        Self::seated_with(HandOffer::ALL, 10)
    }

    fn seated_with(hands: HandOffer, version: u32) -> Self {
        let mut scene = Self::running_with(with_hands(hands));
        scene.plug_seat(version, EVERYTHING);
        scene
    }

    /// Plugs in a further seat.
    fn plug_seat(&mut self, version: u32, capabilities: Capability) {
        self.host.plug_seat(version);
        self.pump();
        let seat = self.host.desk.hands.seats.len() - 1;
        self.host.has(seat, capabilities);
        self.forget_past();
    }

    /// A second window, `window 1`, of another scanout.
    fn open_other(&mut self) {
        self.import_shm(B);
        self.present_on(OTHER_SCREEN, B);
        self.pump();
        self.host.configure(1, (0, 0), &[]);
        self.pump();
        self.forget_past();
    }

    /// What hands did since the last time, and nothing else.
    fn hands(&mut self) -> Vec<HostInput> {
        let events = self.events();
        let hand = |event| match event {
            DisplayEvent::Input(input) => Some(input),
            _ => None,
        };
        events.into_iter().filter_map(hand).collect()
    }

    fn grab(&mut self, pointer: bool, shortcuts: bool) {
        self.display.set_grab(Grab { pointer, shortcuts });
    }
}

#[test]
fn each_event_is_reported_exactly_once() {
    let mut scene = Scene::seated();
    let host = &scene.host;
    host.focus(0, &[]);
    host.keyboard().key(2, 0, KEY_A, KeyState::Pressed);
    host.keyboard().key(3, 0, KEY_A, KeyState::Released);
    host.point(4, 0, 1.0, 2.0);
    host.pointer().motion(0, 3.0, 4.0);
    host.pointer().frame();
    host.pointer().button(5, 0, BTN_SIDE, ButtonState::Pressed);
    host.pointer().frame();
    let surface = host.wl_surface(0);
    host.touch().down(6, 0, surface, 7, 5.0, 6.0);
    host.touch().frame();
    scene.pump();
    let events: Vec<_> = scene.display.take_events().collect();
    let expected = [
        HostInput::KeyboardEnter(SCREEN),
        key(KEY_A, true),
        key(KEY_A, false),
        HostInput::PointerEnter(at(1.0, 2.0)),
        HostInput::PointerFrame,
        HostInput::PointerMotion(at(3.0, 4.0)),
        HostInput::PointerFrame,
        button(BTN_SIDE, true),
        HostInput::PointerFrame,
        HostInput::TouchDown {
            id: 0,
            at: at(5.0, 6.0),
        },
        HostInput::TouchFrame,
    ];
    assert_eq!(events, expected.map(DisplayEvent::Input));
    assert_eq!(scene.events(), []);
}

#[test]
fn a_seat_is_asked_for_the_devices_that_it_has_and_no_others() {
    let mut scene = Scene::running();
    scene.host.plug_seat(7);
    assert_eq!(scene.log(), ["seat of version 7"]);
    scene.host.has(0, Capability::Pointer);
    assert_eq!(scene.log(), ["pointer"]);
    scene.host.has(0, EVERYTHING);
    assert_eq!(scene.log(), ["keyboard", "touch screen"]);
    scene.host.has(0, Capability::Keyboard);
    assert_eq!(scene.log(), ["pointer released", "touch screen released"]);
    scene.host.unplug_seat(0);
    assert_eq!(scene.log(), ["keyboard released", "seat released"]);
}

#[test]
fn nothing_is_released_that_old_seats_can_not_release() {
    for (version, released) in [
        (1, &[][..]),
        (
            4,
            &[
                "pointer released",
                "keyboard released",
                "touch screen released",
            ][..],
        ),
    ] {
        let mut scene = Scene::seated_with(HandOffer::default(), version);
        scene.host.unplug_seat(0);
        let mut log = scene.log();
        log.sort_unstable();
        let mut released = released.to_vec();
        released.sort_unstable();
        assert_eq!(log, released, "version {version}");
    }
}

#[test]
fn a_seat_that_is_there_from_the_start_is_heard() {
    let (mut host, socket) = Host::new(Offer::default());
    host.plug_seat(5);
    let source = WaylandSource::Socket(socket);
    let (host, display) = host.serve_while(|| WaylandDisplay::connect(source, "guest", 1));
    let mut scene = Scene {
        host,
        display: display.unwrap(),
        frames: 0,
    };
    scene.pump();
    scene.host.has(0, Capability::Keyboard);
    assert_eq!(scene.log(), ["seat of version 5", "keyboard"]);
}

#[test]
fn everything_is_let_go_of_when_the_seat_goes() {
    let mut scene = Scene::seated();
    let host = &scene.host;
    host.focus(0, &[KEY_A]);
    host.point(1, 0, 1.0, 1.0);
    host.pointer().button(2, 0, BTN_LEFT, ButtonState::Pressed);
    host.pointer().frame();
    let surface = host.wl_surface(0);
    host.touch().down(3, 0, surface, 0, 1.0, 1.0);
    host.touch().frame();
    scene.hands();
    scene.host.unplug_seat(0);
    assert_eq!(
        scene.hands(),
        [
            HostInput::KeyboardLeave,
            button(BTN_LEFT, false),
            HostInput::PointerLeave,
            HostInput::PointerFrame,
            HostInput::TouchUp { id: 0 },
            HostInput::TouchFrame,
        ]
    );
}

#[test]
fn everything_is_let_go_of_before_the_hosts_end_is_reported() {
    let mut scene = Scene::seated();
    scene.host.focus(0, &[KEY_A]);
    scene.host.point(1, 0, 1.0, 1.0);
    scene.forget_past();
    drop(scene.host);
    assert!(scene.display.dispatch().is_err());
    let events: Vec<_> = scene.display.take_events().collect();
    assert_eq!(
        events,
        [
            DisplayEvent::Input(HostInput::KeyboardLeave),
            DisplayEvent::Input(HostInput::PointerLeave),
            DisplayEvent::Input(HostInput::PointerFrame),
            DisplayEvent::Lost,
        ]
    );
}

#[test]
fn everything_is_let_go_of_when_the_window_goes() {
    let mut scene = Scene::seated();
    let host = &scene.host;
    host.focus(0, &[KEY_A]);
    host.point(1, 0, 1.0, 1.0);
    host.pointer().button(2, 0, BTN_LEFT, ButtonState::Pressed);
    host.pointer().frame();
    let surface = host.wl_surface(0);
    host.touch().down(3, 0, surface, 0, 1.0, 1.0);
    host.touch().frame();
    scene.hands();
    scene.display.disable(SCREEN);
    assert_eq!(
        scene.hands(),
        [
            HostInput::KeyboardLeave,
            button(BTN_LEFT, false),
            HostInput::PointerLeave,
            HostInput::PointerFrame,
            HostInput::TouchUp { id: 0 },
            HostInput::TouchFrame,
        ]
    );
    // The host has not heard of it yet.
    scene.host.pointer().motion(0, 2.0, 2.0);
    scene.host.pointer().frame();
    scene.host.keyboard().key(4, 0, KEY_A, KeyState::Released);
    scene.host.touch().motion(0, 0, 2.0, 2.0);
    scene.host.touch().frame();
    assert_eq!(scene.hands(), []);
}

#[test]
fn two_seats_are_one_pair_of_hands() {
    let mut scene = Scene::seated();
    scene.host.focus(0, &[]);
    scene.host.keyboard().key(2, 0, KEY_A, KeyState::Pressed);
    scene.host.point(3, 0, 1.0, 1.0);
    scene.plug_seat(8, EVERYTHING);
    scene.host.focus(0, &[KEY_A, KEY_LEFTALT]);
    scene.host.point(3, 0, 2.0, 2.0);
    assert_eq!(
        scene.hands(),
        [
            HostInput::KeyboardEnter(SCREEN),
            key(KEY_LEFTALT, true),
            HostInput::PointerEnter(at(2.0, 2.0)),
            HostInput::PointerFrame,
        ]
    );
    let first = scene.host.desk.hands.keyboards[0].clone();
    first.key(4, 0, KEY_A, KeyState::Released);
    assert_eq!(scene.hands(), [], "the other seat still holds it");
    scene.host.unplug_seat(1);
    assert_eq!(scene.hands(), [key(KEY_LEFTALT, false), key(KEY_A, false)]);
    scene.host.unplug_seat(0);
    assert_eq!(
        scene.hands(),
        [
            HostInput::KeyboardLeave,
            HostInput::PointerLeave,
            HostInput::PointerFrame,
        ]
    );
}

#[test]
fn what_a_host_lacks_has_names() {
    let mut scene = Scene::running();
    let codes = |scene: &Scene| {
        let lacking = scene.display.lacking();
        let codes: Vec<_> = lacking.into_iter().map(Lacking::code).collect();
        codes.join(" ")
    };
    assert_eq!(
        codes(&scene),
        "no_seat no_pointer_lock no_shortcuts_inhibit no_tablets no_cursor_shape no_leds \
         no_fractional_scale no_idle_inhibit"
    );
    scene.plug_seat(1, EVERYTHING);
    assert!(!codes(&scene).contains("no_seat"));
    let everything = Offer {
        guests: true,
        windows: WindowOffer {
            hints: true,
            ..WindowOffer::default()
        },
        ..with_hands(HandOffer::ALL)
    };
    let mut scene = Scene::running_with(everything);
    scene.plug_seat(9, EVERYTHING);
    assert_eq!(codes(&scene), "");
}

#[test]
fn lights_are_for_our_own_compositor_only() {
    let leds = Leds {
        caps_lock: true,
        num_lock: false,
        scroll_lock: true,
    };
    let mut scene = Scene::running();
    scene.display.set_leds(leds);
    assert_eq!(scene.log(), [""; 0]);
    let ours = Offer {
        guests: true,
        ..Offer::default()
    };
    let mut scene = Scene::running_with(ours);
    scene.display.set_leds(leds);
    assert_eq!(scene.log(), ["lights Ok(Leds(CapsLock | ScrollLock))"]);
    scene.display.set_leds(Leds::default());
    assert_eq!(scene.log(), ["lights Ok(Leds(0x0))"]);
}
