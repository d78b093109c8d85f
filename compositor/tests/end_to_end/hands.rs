//! The whole way of what hands do: a request on the control socket, the device process, a driver's rings; and
//! the way back of a keyboard's lights.
//!
//! Guests' drivers are read to the last event: what is not expected is a failure as well.

use guest::{frontend::Dialect, input::InputDriver, virtqueue::Segment};
use protocols::{
    ipc::{HandStats, InputAction, Press, Request, TouchPoint},
    virtio_input::{EV_ABS, EV_KEY, EV_LED, EV_REL, EVENT_QUEUE, Event, STATUS_QUEUE},
};

use super::rig::{Rig, Setup};

const KEY_A: u16 = 30;
const KEY_B: u16 = 48;
const KEY_LEFTCTRL: u16 = 29;
const BTN_LEFT: u16 = 0x110;
const REL_X: u16 = 0;
const REL_Y: u16 = 1;
const REL_WHEEL: u16 = 8;
const REL_WHEEL_HI_RES: u16 = 0x0b;
const ABS_X: u16 = 0;
const ABS_Y: u16 = 1;
const ABS_MT_SLOT: u16 = 0x2f;
const ABS_MT_TRACKING_ID: u16 = 0x39;
const LED_CAPSL: u16 = 1;

/// What the virtual machine manager of a guest is like to an input device: QEMU's short queues, long ones, and the
/// shortest there are.
const MANAGERS: [(Dialect, u16); 4] = [
    (Dialect::QemuGeneric, 4),
    (Dialect::Uml, 256),
    (Dialect::Crosvm, 64),
    (Dialect::QemuGeneric, 1),
];

fn rig() -> Rig {
    Setup::new(&["640x480"]).guest("g", &["640x480"]).start()
}

fn event(kind: u16, code: u16, value: i32) -> Event {
    Event { kind, code, value }
}

fn key(code: u16, pressed: bool) -> Vec<Event> {
    vec![event(EV_KEY, code, pressed.into())]
}

#[track_caller]
fn act(rig: &Rig, action: InputAction) {
    rig.done(&Request::Input {
        guest: "g".to_owned(),
        action,
    });
}

#[track_caller]
fn press(rig: &Rig, code: u16, pressed: bool) {
    act(rig, InputAction::Key { code, pressed });
}

#[track_caller]
fn expect(driver: &mut InputDriver, wanted: &[Vec<Event>]) {
    for frame in wanted {
        assert_eq!(driver.frame().unwrap(), *frame);
    }
    assert_eq!(driver.try_frame().unwrap(), None);
}

/// What the counters say of a device.
fn stats(rig: &Rig, device: &str) -> HandStats {
    rig.wait_for("the device's counters", |rig| {
        let hands = rig.device_stats("g")?.hands;
        hands.into_iter().find(|hand| hand.device == device)
    })
}

#[test]
fn keys_arrive_one_by_one_in_their_order() {
    let rig = rig();
    for (dialect, size) in MANAGERS {
        let mut keyboard = rig.hand("g", "keyboard", dialect, size);
        act(
            &rig,
            InputAction::Chords(vec![vec![KEY_LEFTCTRL, KEY_A], vec![KEY_B]]),
        );
        let wanted = [
            (KEY_LEFTCTRL, true),
            (KEY_A, true),
            (KEY_A, false),
            (KEY_LEFTCTRL, false),
            (KEY_B, true),
            (KEY_B, false),
        ];
        expect(
            &mut keyboard,
            &wanted.map(|(code, pressed)| key(code, pressed)),
        );
    }
}

#[test]
fn a_text_arrives_whole_through_the_shortest_queue() {
    let rig = rig();
    let mut keyboard = rig.hand("g", "keyboard", Dialect::QemuGeneric, 1);
    let text: Vec<u16> = (0..200).map(|number| 16 + number % 10).collect();
    act(
        &rig,
        InputAction::Chords(text.iter().map(|code| vec![*code]).collect()),
    );
    for code in text {
        assert_eq!(keyboard.frame().unwrap(), key(code, true));
        assert_eq!(keyboard.frame().unwrap(), key(code, false));
    }
    let stats = stats(&rig, "keyboard");
    assert_eq!((stats.frames, stats.frames_dropped), (400, 0));
}

#[test]
fn a_place_is_on_the_pointer_and_a_step_on_the_mouse() {
    let rig = rig();
    for (dialect, size) in MANAGERS {
        let mut pointer = rig.hand("g", "pointer", dialect, size);
        let mut mouse = rig.hand("g", "mouse", dialect, size);
        act(
            &rig,
            InputAction::PointerTo {
                scanout: 0,
                x: 320,
                y: 120,
            },
        );
        let place = vec![event(EV_ABS, ABS_X, 16_384), event(EV_ABS, ABS_Y, 8_192)];
        expect(&mut pointer, &[place]);
        let click = InputAction::Button {
            code: BTN_LEFT,
            action: Press::Click,
        };
        act(&rig, click.clone());
        expect(&mut pointer, &[key(BTN_LEFT, true), key(BTN_LEFT, false)]);
        act(&rig, InputAction::PointerBy { dx: -4, dy: 9 });
        let step = vec![event(EV_REL, REL_X, -4), event(EV_REL, REL_Y, 9)];
        expect(&mut mouse, &[step]);
        // The hand is on the mouse now.
        act(&rig, click);
        expect(&mut mouse, &[key(BTN_LEFT, true), key(BTN_LEFT, false)]);
        for vertical in [40, 40, 40] {
            act(
                &rig,
                InputAction::Scroll {
                    horizontal: 0,
                    vertical,
                },
            );
        }
        let third = vec![event(EV_REL, REL_WHEEL_HI_RES, -40)];
        let last = vec![third[0], event(EV_REL, REL_WHEEL, -1)];
        expect(&mut mouse, &[third.clone(), third, last]);
        assert_eq!(pointer.try_frame().unwrap(), None);
    }
}

#[test]
fn ten_fingers_land_at_once_and_leave_at_once() {
    let rig = rig();
    for (dialect, size) in MANAGERS {
        let mut touch = rig.hand("g", "touch", dialect, size);
        for down in [true, false] {
            let fingers = (0..10).map(|finger| TouchPoint {
                finger,
                scanout: 0,
                x: 10 * i32::from(finger),
                y: 5,
                down,
            });
            act(&rig, InputAction::Touch(fingers.collect()));
            let frame = touch.frame().unwrap();
            let of = |code: u16| -> Vec<i32> {
                let events = frame.iter().filter(|event| event.code == code);
                events.map(|event| event.value).collect()
            };
            assert_eq!(of(ABS_MT_SLOT), (0..10).collect::<Vec<_>>());
            let touches = of(ABS_MT_TRACKING_ID);
            assert_eq!(touches.len(), 10);
            assert!(touches.iter().all(|touch| (*touch >= 0) == down));
            assert_eq!(touch.try_frame().unwrap(), None);
        }
        assert!(touch.down().is_empty());
    }
}

#[test]
fn lights_come_back_and_are_in_the_counters() {
    let rig = rig();
    for (dialect, size) in MANAGERS {
        let mut keyboard = rig.hand("g", "keyboard", dialect, size);
        assert!(keyboard.identity().has(EV_LED, LED_CAPSL));
        for on in [true, false] {
            keyboard.set_led(LED_CAPSL, on).unwrap();
            rig.wait_for("the light", |rig| {
                let lit = stats(rig, "keyboard").lights == ["caps"];
                (lit == on).then_some(())
            });
        }
    }
}

#[test]
fn a_key_that_is_down_when_its_driver_goes_is_not_down_for_the_next_one() {
    let rig = rig();
    for (dialect, size) in MANAGERS {
        let mut keyboard = rig.hand("g", "keyboard", dialect, size);
        press(&rig, KEY_A, true);
        expect(&mut keyboard, &[key(KEY_A, true)]);
        drop(keyboard);
        rig.wait_for("the driver's end", |rig| {
            (!stats(rig, "keyboard").connected).then_some(())
        });
        let mut keyboard = rig.hand("g", "keyboard", dialect, size);
        act(&rig, InputAction::Chords(vec![vec![KEY_B]]));
        expect(&mut keyboard, &[key(KEY_B, true), key(KEY_B, false)]);
        // The hand lets go of what nobody holds.
        press(&rig, KEY_A, false);
        act(&rig, InputAction::Chords(vec![vec![KEY_B]]));
        expect(&mut keyboard, &[key(KEY_B, true), key(KEY_B, false)]);
    }
}

#[test]
fn a_guest_that_wakes_up_finds_no_key_down() {
    let rig = rig();
    for (dialect, size) in MANAGERS {
        let mut keyboard = rig.hand("g", "keyboard", dialect, size);
        press(&rig, KEY_A, true);
        expect(&mut keyboard, &[key(KEY_A, true)]);
        keyboard.restart().unwrap();
        act(&rig, InputAction::Chords(vec![vec![KEY_B]]));
        // Whether the device lets go of the key or has forgotten it, it is up.
        let mut frames = Vec::new();
        while frames.last() != Some(&key(KEY_B, false)) {
            frames.push(keyboard.frame().unwrap());
        }
        assert!(
            !frames.contains(&key(KEY_A, true)),
            "{dialect:?}: {frames:?}"
        );
        assert!(keyboard.down().is_empty());
    }
}

#[test]
fn what_is_held_while_the_machine_is_paused_is_let_go() {
    let rig = rig();
    for (dialect, size) in [(Dialect::QemuGeneric, 4), (Dialect::Crosvm, 64)] {
        let mut keyboard = rig.hand("g", "keyboard", dialect, size);
        press(&rig, KEY_A, true);
        expect(&mut keyboard, &[key(KEY_A, true)]);
        keyboard.pause().unwrap();
        press(&rig, KEY_A, false);
        press(&rig, KEY_B, true);
        press(&rig, KEY_B, false);
        keyboard.resume().unwrap();
        act(&rig, InputAction::Chords(vec![vec![KEY_LEFTCTRL]]));
        while keyboard.frame().unwrap() != key(KEY_LEFTCTRL, false) {}
        assert!(keyboard.down().is_empty(), "{dialect:?}");
    }
}

#[test]
fn a_guest_that_takes_nothing_loses_whole_frames_and_no_release() {
    let rig = rig();
    let mut pointer = rig.hand("g", "pointer", Dialect::QemuGeneric, 4);
    pointer.hold(true).unwrap();
    for step in 0..3_000 {
        let x = step % 640;
        act(
            &rig,
            InputAction::PointerTo {
                scanout: 0,
                x,
                y: 1,
            },
        );
        if step % 100 == 0 {
            act(
                &rig,
                InputAction::Button {
                    code: BTN_LEFT,
                    action: Press::Click,
                },
            );
        }
    }
    pointer.hold(false).unwrap();
    act(
        &rig,
        InputAction::PointerTo {
            scanout: 0,
            x: 320,
            y: 240,
        },
    );
    let is_last = |frame: &[Event]| {
        frame.contains(&event(EV_ABS, ABS_X, 16_384))
            && frame.contains(&event(EV_ABS, ABS_Y, 16_384))
    };
    let mut frames = vec![pointer.frame().unwrap()];
    while !frames.last().is_some_and(|frame| is_last(frame)) {
        frames.push(pointer.frame().unwrap());
    }
    assert!(pointer.down().is_empty());
    // Places of before were overtaken by later ones.
    assert!(frames.len() < 1_000, "{} frames", frames.len());
    for frame in &frames {
        let clicks = frame.iter().filter(|event| event.kind == EV_KEY).count();
        assert!(clicks <= 1 && !frame.is_empty(), "{frame:?}");
    }
}

#[test]
fn buffers_that_no_event_fits_into_cost_the_guest_nothing_but_themselves() {
    let rig = rig();
    let mut good = rig.hand("g", "mouse", Dialect::QemuGeneric, 4);
    let mut evil = rig.hand("g", "keyboard", Dialect::QemuGeneric, 64);
    evil.hold(true).unwrap();
    let page = evil.ram_mut().allocate(4096).unwrap().address;
    let segment = |address, length, writable| Segment {
        address,
        length,
        writable,
    };
    let chains = [
        vec![segment(page, 8, false)],
        vec![segment(page, 3, true)],
        vec![segment(page, 0, true)],
        vec![segment(1 << 40, 8, true)],
        vec![segment(u64::MAX - 3, 8, true)],
        vec![segment(page, 3, true), segment(page + 3, 5, true)],
        vec![segment(page, u32::MAX, true)],
    ];
    for _ in 0..50 {
        let queue = evil.queue_mut(EVENT_QUEUE).unwrap();
        for chain in &chains {
            // What does not fit any more is not needed.
            let _ = queue.push(chain, None);
        }
        evil.frontend_mut().kick(0).unwrap();
        act(&rig, InputAction::Chords(vec![vec![KEY_A]]));
    }
    let status = evil.queue_mut(STATUS_QUEUE).unwrap();
    for chain in [
        vec![segment(page, 3, false)],
        vec![segment(page, 8, true)],
        vec![segment(1 << 40, 8, false)],
        vec![segment(page, 4000, false)],
    ] {
        status.push(&chain, None).unwrap();
    }
    evil.frontend_mut().kick(1).unwrap();

    act(&rig, InputAction::PointerBy { dx: 1, dy: 0 });
    assert_eq!(good.frame().unwrap(), [event(EV_REL, REL_X, 1)]);
    drop(evil);
    let mut better = rig.hand("g", "keyboard", Dialect::QemuGeneric, 4);
    act(&rig, InputAction::Chords(vec![vec![KEY_B]]));
    expect(&mut better, &[key(KEY_B, true), key(KEY_B, false)]);
}

#[test]
fn a_ring_that_is_nonsense_stops_its_own_device_only() {
    let rig = rig();
    let mut good = rig.hand("g", "mouse", Dialect::QemuGeneric, 4);
    let mut evil = rig.hand("g", "keyboard", Dialect::QemuGeneric, 8);
    let mut raw = evil.queue_mut(EVENT_QUEUE).unwrap().raw();
    for head in [0xffff, 9, 8] {
        raw.publish(head).unwrap();
    }
    raw.set_available_index(0x8000).unwrap();
    evil.frontend_mut().kick(0).unwrap();
    for _ in 0..20 {
        act(&rig, InputAction::Chords(vec![vec![KEY_A]]));
    }
    act(&rig, InputAction::PointerBy { dx: 1, dy: 0 });
    assert_eq!(good.frame().unwrap(), [event(EV_REL, REL_X, 1)]);
    drop(evil);
    let mut better = rig.hand("g", "keyboard", Dialect::QemuGeneric, 4);
    act(&rig, InputAction::Chords(vec![vec![KEY_B]]));
    while better.frame().unwrap() != key(KEY_B, false) {}
    assert!(better.down().is_empty());
}

#[test]
fn what_a_guest_has_not_is_refused_with_a_reason() {
    let rig = rig();
    let refused = |action: InputAction| {
        let request = Request::Input {
            guest: "g".to_owned(),
            action,
        };
        rig.refused(&request).text
    };
    let away = InputAction::PointerTo {
        scanout: 9,
        x: 0,
        y: 0,
    };
    let nothing = InputAction::Key {
        code: 0x7fff,
        pressed: true,
    };
    let finger = TouchPoint {
        finger: 10,
        scanout: 0,
        x: 0,
        y: 0,
        down: true,
    };
    for (action, word) in [
        (away, "scanout 9"),
        (nothing, "32767"),
        (InputAction::Touch(vec![finger]), "finger 10"),
    ] {
        let text = refused(action);
        assert!(
            text.starts_with("Could not") && text.contains(word),
            "{text}"
        );
    }
}
