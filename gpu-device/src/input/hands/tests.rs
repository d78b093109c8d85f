use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use protocols::{
    ipc::Press,
    virtio_gpu::Rect,
    virtio_input::{Answer, Bitmap, ConfigSelect, EV_ABS, EV_KEY, EV_LED, EV_REL, Selection},
};

use super::*;
use crate::input::{Description, PenTool, Position, codes::*, frame::event};

const SCREEN: ScanoutId = ScanoutId(0);
const A: u16 = 30;
const SHIFT: u16 = 42;

/// A guest's evdev: what it takes for pressed, and whether what it is told makes sense.
#[derive(Debug, Default)]
struct Evdev {
    keys: BTreeSet<u16>,
    values: BTreeMap<u16, i32>,
    slots: BTreeMap<i32, i32>,
    slot: i32,
    /// Keys that the frame in the making is about.
    frame: BTreeSet<u16>,
    frames: usize,
    open: bool,
}

impl Evdev {
    fn take(&mut self, event: Event) {
        self.open = event != Event::SYN;
        match event.kind {
            EV_KEY => {
                assert!(self.frame.insert(event.code), "twice in a frame: {event:?}");
                match event.value {
                    1 => assert!(self.keys.insert(event.code), "pressed twice: {event:?}"),
                    0 => drop(self.keys.remove(&event.code)),
                    other => panic!("no value of a key: {other}"),
                }
            }
            EV_ABS if event.code == ABS_MT_SLOT => self.slot = event.value,
            EV_ABS if event.code == ABS_MT_TRACKING_ID && event.value == NO_TOUCH => {
                self.slots.remove(&self.slot);
            }
            EV_ABS if event.code == ABS_MT_TRACKING_ID => {
                let before = self.slots.insert(self.slot, event.value);
                assert_eq!(before, None, "a touch began in a slot that was taken");
            }
            EV_ABS if event.code > ABS_MT_SLOT => {
                assert!(
                    self.slots.contains_key(&self.slot),
                    "of no touch: {event:?}"
                );
            }
            EV_ABS => drop(self.values.insert(event.code, event.value)),
            EV_REL => assert_ne!(event.value, 0),
            _ => {
                assert_eq!(event, Event::SYN);
                self.frame.clear();
                self.frames += 1;
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.keys.is_empty() && self.slots.is_empty() && !self.open
    }
}

/// The hands, and a guest for each device.
struct Fixture {
    hands: Hands,
    guests: BTreeMap<InputKind, Evdev>,
    codes: BTreeMap<(InputKind, u16), Bitmap>,
    now: Instant,
}

impl Fixture {
    fn new() -> Self {
        Self::with(HandsOptions::default())
    }

    fn with(options: HandsOptions) -> Self {
        let mut hands = Hands::new(InputKind::ALL, options);
        let rect = Rect {
            x: 0,
            y: 0,
            width: 640,
            height: 480,
        };
        hands.set_layout(Layout::new([(SCREEN, rect)]));
        let mut fixture = Self {
            hands,
            guests: BTreeMap::new(),
            codes: BTreeMap::new(),
            now: Instant::now(),
        };
        for kind in InputKind::ALL {
            fixture.guests.insert(kind, Evdev::default());
            fixture.hands.set_works(kind, true, fixture.now);
            for event in [EV_KEY, EV_REL, EV_ABS] {
                let selection = Selection {
                    select: ConfigSelect::EvBits.into(),
                    subsel: event.try_into().unwrap(),
                };
                let description = Description::of(kind);
                if let Answer::Bits(bits) = description.answer(selection) {
                    fixture.codes.insert((kind, event), bits.clone());
                }
            }
        }
        // That its pointer follows.
        fixture.hands.take_wishes();
        fixture
    }

    fn see(&mut self, event: HostInput) {
        self.now += Duration::from_millis(1);
        self.hands.input(event, self.now);
    }

    /// The guest takes up to so many events of a device.
    fn take(&mut self, kind: InputKind, most: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < most
            && let Some(event) = self.hands.backlog(kind)
        {
            if event != Event::SYN {
                let offered = self.codes.get(&(kind, event.kind));
                assert!(
                    offered.is_some_and(|codes| codes.contains(event.code)),
                    "{event:?}"
                );
            }
            self.guests.get_mut(&kind).unwrap().take(event);
            self.hands.delivered(kind, self.now);
            events.push(event);
        }
        events
    }

    fn new_driver(&mut self, kind: InputKind) {
        self.hands.driver_is_new(kind);
        self.guests.insert(kind, Evdev::default());
    }

    fn take_all(&mut self) {
        for kind in InputKind::ALL {
            self.take(kind, usize::MAX);
        }
    }

    fn guest(&self, kind: InputKind) -> &Evdev {
        &self.guests[&kind]
    }

    fn key(&mut self, code: u16, pressed: bool) {
        self.see(HostInput::Key { code, pressed });
    }

    fn click(&mut self, pressed: bool) {
        let code = BTN_LEFT;
        self.see(HostInput::Button { code, pressed });
        self.see(HostInput::PointerFrame);
    }

    fn stats(&self, kind: InputKind) -> HandStats {
        let stats = self.hands.stats();
        stats
            .into_iter()
            .find(|hand| hand.device == kind.word())
            .unwrap()
    }
}

fn at(x: f64, y: f64) -> Position {
    Position {
        scanout: SCREEN,
        x,
        y,
    }
}

#[test]
fn a_key_that_is_held_is_released_when_the_focus_goes() {
    let mut fixture = Fixture::new();
    fixture.see(HostInput::KeyboardEnter(SCREEN));
    fixture.key(SHIFT, true);
    fixture.key(A, true);
    fixture.take_all();
    assert_eq!(
        fixture.guest(InputKind::Keyboard).keys,
        BTreeSet::from([A, SHIFT])
    );
    fixture.see(HostInput::KeyboardLeave);
    fixture.take_all();
    assert!(fixture.guest(InputKind::Keyboard).is_idle());
    // The host has nothing more to say about them.
    fixture.key(A, false);
    assert_eq!(fixture.take(InputKind::Keyboard, 9), []);
}

#[test]
fn everything_that_is_held_goes_with_what_held_it() {
    let mut fixture = Fixture::new();
    fixture.see(HostInput::PointerEnter(at(5.0, 5.0)));
    fixture.click(true);
    fixture.see(HostInput::TouchDown {
        id: 1,
        at: at(1.0, 1.0),
    });
    fixture.see(HostInput::TouchFrame);
    fixture.see(HostInput::PenEnter {
        tool: PenTool::Pen,
        at: at(2.0, 2.0),
    });
    fixture.see(HostInput::PenTip(true));
    fixture.see(HostInput::PenFrame);
    fixture.take_all();
    for kind in [InputKind::Pointer, InputKind::Touch, InputKind::Pen] {
        assert!(!fixture.guest(kind).is_idle(), "{kind}");
    }
    fixture.see(HostInput::PointerLeave);
    fixture.see(HostInput::TouchCancel);
    fixture.see(HostInput::PenLeave);
    fixture.take_all();
    for kind in InputKind::ALL {
        assert!(fixture.guest(kind).is_idle(), "{kind}");
    }
}

#[test]
fn places_are_the_pointer_s_and_steps_the_mouse_s() {
    let mut fixture = Fixture::new();
    fixture.see(HostInput::PointerMotion(at(320.0, 240.0)));
    fixture.see(HostInput::PointerFrame);
    let wanted = [
        event(EV_ABS, ABS_X, 16_384),
        event(EV_ABS, ABS_Y, 16_384),
        Event::SYN,
    ];
    assert_eq!(fixture.take(InputKind::Pointer, 9), wanted);
    fixture.see(HostInput::PointerLocked(true));
    fixture.see(HostInput::RelativeMotion { dx: 2.5, dy: 0.0 });
    fixture.see(HostInput::PointerFrame);
    fixture.click(true);
    let wanted = [
        event(EV_REL, REL_X, 2),
        Event::SYN,
        event(EV_KEY, BTN_LEFT, 1),
        Event::SYN,
    ];
    assert_eq!(fixture.take(InputKind::Mouse, 9), wanted);
    // The host unlocks it in the middle of a shot.
    fixture.see(HostInput::PointerLocked(false));
    fixture.take_all();
    assert!(fixture.guest(InputKind::Mouse).is_idle());
    fixture.click(true);
    fixture.take_all();
    assert!(!fixture.guest(InputKind::Pointer).is_idle());
}

#[test]
fn a_place_on_a_screen_that_is_off_is_none() {
    let mut fixture = Fixture::new();
    let off = Position {
        scanout: ScanoutId(3),
        x: 1.0,
        y: 1.0,
    };
    fixture.see(HostInput::PointerMotion(off));
    fixture.see(HostInput::PointerFrame);
    fixture.see(HostInput::TouchDown { id: 1, at: off });
    fixture.see(HostInput::TouchFrame);
    fixture.see(HostInput::PenEnter {
        tool: PenTool::Pen,
        at: off,
    });
    fixture.see(HostInput::PenFrame);
    for kind in InputKind::ALL {
        assert_eq!(fixture.take(kind, 9), []);
    }
}

#[test]
fn the_chord_and_the_full_screen_key_become_wishes() {
    let mut fixture = Fixture::new();
    fixture.see(HostInput::KeyboardEnter(SCREEN));
    assert_eq!(fixture.hands.take_wishes(), Wishes::default());
    let f11 = 87;
    fixture.key(f11, true);
    fixture.key(f11, false);
    assert_eq!(fixture.take(InputKind::Keyboard, 9), []);
    assert_eq!(fixture.hands.take_wishes().fullscreen, [SCREEN]);
    for (code, pressed) in [(29, true), (56, true), (56, false), (29, false)] {
        fixture.key(code, pressed);
    }
    let grab = Grab {
        pointer: true,
        shortcuts: true,
    };
    assert_eq!(fixture.hands.take_wishes().grab, Some(grab));
    assert_eq!(fixture.hands.take_wishes(), Wishes::default());
    assert_eq!(fixture.take(InputKind::Keyboard, 99).len(), 8);
}

#[test]
fn the_display_knows_whether_the_guests_pointer_follows() {
    let mut fixture = Fixture::new();
    let mut told = |works: bool| {
        let now = fixture.now;
        fixture.hands.set_works(InputKind::Pointer, works, now);
        fixture.hands.take_wishes().follows
    };
    assert_eq!(told(true), None, "it has been told");
    assert_eq!(told(false), Some(false));
    assert_eq!(told(true), Some(true));
    fixture.hands.host_is_new();
    assert_eq!(fixture.hands.take_wishes().follows, Some(true));
}

#[test]
fn lights_go_to_the_display_and_locks_to_the_guest() {
    let mut fixture = Fixture::new();
    let now = fixture.now;
    let numbers = event(EV_LED, LED_NUML, 1);
    fixture.hands.status(InputKind::Keyboard, numbers, now);
    fixture
        .hands
        .status(InputKind::Mouse, event(EV_LED, LED_CAPSL, 1), now);
    let lit = Leds {
        num_lock: true,
        ..Leds::default()
    };
    assert_eq!(fixture.hands.take_wishes().leds, Some(lit));
    fixture.see(HostInput::KeyboardEnter(SCREEN));
    fixture.see(HostInput::Locks(Leds::default()));
    let wanted = [
        event(EV_KEY, KEY_NUMLOCK, 1),
        Event::SYN,
        event(EV_KEY, KEY_NUMLOCK, 0),
        Event::SYN,
    ];
    assert_eq!(fixture.take(InputKind::Keyboard, 9), wanted);
}

#[test]
fn a_guest_that_is_paused_finds_everything_let_go() {
    let mut fixture = Fixture::new();
    fixture.key(A, true);
    fixture.take_all();
    // It is paused before it has taken this one, which is old when it goes on.
    fixture.key(KEY_CAPSLOCK, true);
    fixture
        .hands
        .set_works(InputKind::Keyboard, false, fixture.now);
    fixture.key(A, false);
    fixture.key(SHIFT, true);
    assert_eq!(fixture.hands.backlog(InputKind::Keyboard), None);
    fixture
        .hands
        .set_works(InputKind::Keyboard, true, fixture.now);
    fixture.key(SHIFT, false);
    let wanted = [
        event(EV_KEY, A, 0),
        event(EV_KEY, KEY_CAPSLOCK, 0),
        Event::SYN,
    ];
    assert_eq!(fixture.take(InputKind::Keyboard, 9), wanted);
}

#[test]
fn a_driver_that_comes_anew_gets_nothing_old() {
    let mut fixture = Fixture::new();
    fixture.key(A, true);
    fixture.take(InputKind::Keyboard, 1);
    fixture
        .hands
        .set_works(InputKind::Keyboard, false, fixture.now);
    fixture.new_driver(InputKind::Keyboard);
    fixture
        .hands
        .set_works(InputKind::Keyboard, true, fixture.now);
    fixture.key(A, false);
    assert_eq!(fixture.take(InputKind::Keyboard, 9), []);
    fixture.key(A, true);
    assert_eq!(
        fixture.take(InputKind::Keyboard, 9),
        [event(EV_KEY, A, 1), Event::SYN]
    );
}

#[test]
fn a_guest_that_takes_nothing_costs_bounded_memory_and_ends_with_nothing_pressed() {
    let mut fixture = Fixture::new();
    for round in 0..20_000 {
        let pressed = round % 2 == 0;
        fixture.key(A, pressed);
        fixture.see(HostInput::PointerMotion(at(round.into(), 0.0)));
        fixture.click(pressed);
        fixture.see(HostInput::TouchDown {
            id: round,
            at: at(1.0, 1.0),
        });
        fixture.see(HostInput::TouchUp { id: round });
        fixture.see(HostInput::TouchFrame);
    }
    fixture.key(SHIFT, true);
    fixture.see(HostInput::KeyboardLeave);
    fixture.see(HostInput::PointerLeave);
    assert!(fixture.stats(InputKind::Keyboard).frames_dropped > 1000);
    for kind in [InputKind::Keyboard, InputKind::Pointer, InputKind::Touch] {
        assert!(fixture.take(kind, usize::MAX).len() < 10_000);
        assert!(fixture.guest(kind).is_idle(), "{kind}");
    }
}

#[test]
fn what_is_typed_on_the_control_socket_is_the_guest_s() {
    let mut fixture = Fixture::new();
    fixture.see(HostInput::KeyboardEnter(SCREEN));
    let chords = vec![vec![29, 56], vec![87]];
    fixture.hands.inject(&InputAction::Chords(chords)).unwrap();
    fixture.hands.expire(fixture.now);
    assert_eq!(fixture.take(InputKind::Keyboard, 99).len(), 8);
    let due = fixture.hands.next_deadline(fixture.now).unwrap();
    assert!(due > fixture.now);
    fixture.hands.expire(due);
    assert_eq!(fixture.take(InputKind::Keyboard, 99).len(), 4);
    assert_eq!(fixture.hands.next_deadline(due), None);
    assert_eq!(fixture.hands.take_wishes(), Wishes::default());
}

#[test]
fn a_click_on_the_control_socket_reaches_the_guest() {
    let mut fixture = Fixture::new();
    for action in [
        InputAction::PointerTo {
            scanout: 0,
            x: 64,
            y: 48,
        },
        InputAction::Button {
            code: BTN_LEFT,
            action: Press::Click,
        },
    ] {
        fixture.hands.inject(&action).unwrap();
    }
    fixture.hands.expire(fixture.now);
    assert_eq!(fixture.take(InputKind::Pointer, 99).len(), 7);
    assert_eq!(fixture.guest(InputKind::Pointer).values[&ABS_X], 3277);
    let off = InputAction::PointerTo {
        scanout: 1,
        x: 0,
        y: 0,
    };
    assert_eq!(fixture.hands.inject(&off), Err(Refusal::Scanout(1)));
}

#[test]
fn frames_and_their_latency_are_counted() {
    let mut fixture = Fixture::new();
    fixture.key(A, true);
    fixture.now += Duration::from_millis(2);
    fixture.take_all();
    let stats = fixture.stats(InputKind::Keyboard);
    assert!(stats.connected);
    assert_eq!((stats.frames, stats.frames_dropped), (1, 0));
    let p50 = stats.latency_p50_us.unwrap();
    assert!((2000..2100).contains(&p50), "{p50}");
    assert_eq!(fixture.stats(InputKind::Mouse).latency_p99_us, None);
}

/// Something that happens to hands or to their guest.
#[derive(Debug, Clone)]
enum Step {
    Host(HostInput),
    Take(InputKind, usize),
    Works(InputKind, bool),
    New(InputKind),
    Pointer(bool),
    Light(u16, bool),
    Wait,
}

fn place() -> impl Strategy<Value = Position> {
    let usual = (0..700_i32, 0..500_i32).prop_map(|(x, y)| at(x.into(), y.into()));
    let odd = prop::sample::select(vec![
        at(f64::NAN, 0.0),
        at(f64::INFINITY, f64::NEG_INFINITY),
        at(-1e300, 1e300),
    ]);
    prop_oneof![9 => usual, 1 => odd]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -50.0..50.0, 1 => any::<f64>()]
}

fn code(usual: Vec<u16>) -> impl Strategy<Value = u16> {
    prop_oneof![9 => prop::sample::select(usual), 1 => any::<u16>()]
}

fn host_input() -> impl Strategy<Value = HostInput> {
    let keyboard = prop_oneof![
        1 => Just(HostInput::KeyboardEnter(SCREEN)),
        1 => Just(HostInput::KeyboardLeave),
        6 => (code(vec![A, SHIFT, 29, 56, 87, KEY_CAPSLOCK]), any::<bool>())
            .prop_map(|(code, pressed)| HostInput::Key { code, pressed }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(caps_lock, num_lock)| {
            HostInput::Locks(Leds { caps_lock, num_lock, scroll_lock: false })
        }),
    ];
    let pointer = prop_oneof![
        1 => place().prop_map(HostInput::PointerEnter),
        1 => Just(HostInput::PointerLeave),
        4 => place().prop_map(HostInput::PointerMotion),
        2 => (number(), number()).prop_map(|(dx, dy)| HostInput::RelativeMotion { dx, dy }),
        4 => (code(vec![0x110, 0x111, 0x117]), any::<bool>())
            .prop_map(|(code, pressed)| HostInput::Button { code, pressed }),
        2 => (any::<i32>(), -200..200_i32)
            .prop_map(|(horizontal, vertical)| HostInput::Scroll { horizontal, vertical }),
        4 => Just(HostInput::PointerFrame),
        1 => any::<bool>().prop_map(HostInput::PointerLocked),
    ];
    let touch = prop_oneof![
        4 => (0..13_i32, place()).prop_map(|(id, at)| HostInput::TouchDown { id, at }),
        4 => (0..13_i32, place()).prop_map(|(id, at)| HostInput::TouchMotion { id, at }),
        4 => (0..13_i32).prop_map(|id| HostInput::TouchUp { id }),
        1 => Just(HostInput::TouchCancel),
        4 => Just(HostInput::TouchFrame),
    ];
    let tool = prop::sample::select(vec![PenTool::Pen, PenTool::Eraser, PenTool::Airbrush]);
    let pen = prop_oneof![
        2 => (tool, place()).prop_map(|(tool, at)| HostInput::PenEnter { tool, at }),
        1 => Just(HostInput::PenLeave),
        3 => place().prop_map(HostInput::PenMotion),
        3 => any::<bool>().prop_map(HostInput::PenTip),
        2 => any::<u16>().prop_map(HostInput::PenPressure),
        1 => any::<u16>().prop_map(HostInput::PenDistance),
        1 => (number(), number()).prop_map(|(x, y)| HostInput::PenTilt { x, y }),
        2 => (code(vec![0x149, 0x14b, 0x14c]), any::<bool>())
            .prop_map(|(code, pressed)| HostInput::PenButton { code, pressed }),
        4 => Just(HostInput::PenFrame),
    ];
    let full = any::<bool>().prop_map(|on| HostInput::Fullscreen {
        scanout: SCREEN,
        on,
    });
    prop_oneof![6 => keyboard, 8 => pointer, 8 => touch, 8 => pen, 1 => full]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop::sample::select(InputKind::ALL.to_vec());
    let step = prop_oneof![
        40 => host_input().prop_map(Step::Host),
        8 => (kind.clone(), 1..9_usize).prop_map(|(kind, most)| Step::Take(kind, most)),
        1 => (kind.clone(), any::<bool>()).prop_map(|(kind, works)| Step::Works(kind, works)),
        1 => kind.prop_map(Step::New),
        1 => any::<bool>().prop_map(Step::Pointer),
        1 => (0..4_u16, any::<bool>()).prop_map(|(light, on)| Step::Light(light, on)),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 0..150)
}

fn play(fixture: &mut Fixture, step: Step) {
    let now = fixture.now;
    match step {
        Step::Host(event) => fixture.see(event),
        Step::Take(kind, most) => drop(fixture.take(kind, most)),
        Step::Works(kind, works) => fixture.hands.set_works(kind, works, now),
        Step::New(kind) => fixture.new_driver(kind),
        Step::Pointer(seen) => fixture.hands.guest_pointer(seen),
        Step::Light(light, on) => {
            let light = event(EV_LED, light, on.into());
            fixture.hands.status(InputKind::Keyboard, light, now);
        }
        Step::Wait => fixture.now += Duration::from_millis(600),
    }
}

proptest! {
    /// Whatever a host does, and however a guest takes it: frames are well-formed, and when the
    /// user's hands are gone nothing is pressed.
    #[test]
    fn nothing_sticks(steps in steps()) {
        let mut fixture = Fixture::new();
        for step in steps {
            play(&mut fixture, step);
        }
        for kind in InputKind::ALL {
            fixture.hands.set_works(kind, true, fixture.now);
        }
        for gone in [
            HostInput::KeyboardLeave,
            HostInput::PointerLeave,
            HostInput::TouchCancel,
            HostInput::PenLeave,
        ] {
            fixture.see(gone);
        }
        fixture.take_all();
        for kind in InputKind::ALL {
            prop_assert!(fixture.guest(kind).is_idle(), "{} {:?}", kind, fixture.guest(kind));
        }
        let grab = fixture.hands.policy.wanted();
        prop_assert_eq!(grab, Grab::default());
    }
}
