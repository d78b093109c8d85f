//! Anything in any order: windows, monitors and the seat come and go under hands that do not stop.

use std::collections::BTreeSet;

use compositor::{backend::Monitor, render::RendererChoice};
use proptest::prelude::*;
use smithay::{backend::input::InputEvent, output::Mode};
use wayland_client::protocol::wl_seat::WlSeat;

use super::RED;
use crate::{
    fixture::{ClientId, Fixture},
    hands::{Deed, MOUSE, TABLET, TOUCH_SCREEN, WithHands as _, keys},
};

#[derive(Debug, Clone)]
enum Op {
    Key(u32, bool),
    Button(u32, bool),
    Scroll,
    MoveBy(f64, f64),
    MoveTo(f64, f64),
    Touch(u32, f64, f64),
    Slide(u32, f64, f64),
    Lift(u32),
    Palm,
    Near(bool),
    Draw(f64, f64),
    Tip(bool),
    Stylus(bool),
    Leave,
    Return,
    Window,
    Guest(u8),
    Kill(prop::sample::Index),
    Plug(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let key = prop::sample::select(vec![
        keys::A,
        keys::TAB,
        keys::ESC,
        keys::F2,
        keys::LEFT_CTRL,
        keys::LEFT_ALT,
        keys::LEFT_META,
        keys::LEFT_SHIFT,
    ]);
    let button = prop::sample::select(vec![keys::BTN_LEFT, keys::BTN_RIGHT]);
    let part = || (-0.1..1.1f64, -0.1..1.1f64);
    prop_oneof![
        6 => (key, any::<bool>()).prop_map(|(key, down)| Op::Key(key, down)),
        3 => (button, any::<bool>()).prop_map(|(button, down)| Op::Button(button, down)),
        1 => Just(Op::Scroll),
        3 => (-300.0..300.0f64, -300.0..300.0f64).prop_map(|(x, y)| Op::MoveBy(x, y)),
        2 => part().prop_map(|(x, y)| Op::MoveTo(x, y)),
        3 => (0..3u32, part()).prop_map(|(slot, (x, y))| Op::Touch(slot, x, y)),
        2 => (0..3u32, part()).prop_map(|(slot, (x, y))| Op::Slide(slot, x, y)),
        2 => (0..3u32).prop_map(Op::Lift),
        1 => Just(Op::Palm),
        1 => any::<bool>().prop_map(Op::Near),
        2 => part().prop_map(|(x, y)| Op::Draw(x, y)),
        2 => any::<bool>().prop_map(Op::Tip),
        1 => any::<bool>().prop_map(Op::Stylus),
        1 => Just(Op::Leave),
        2 => Just(Op::Return),
        2 => Just(Op::Window),
        1 => (0..3u8).prop_map(Op::Guest),
        1 => any::<prop::sample::Index>().prop_map(Op::Kill),
        1 => any::<bool>().prop_map(Op::Plug),
    ]
}

fn monitor(name: &str, width: i32, height: i32) -> Monitor {
    let mode = Mode {
        size: (width, height).into(),
        refresh: 240_000,
    };
    Monitor::new(name, mode)
}

struct Storm {
    fixture: Fixture,
    clients: Vec<ClientId>,
    both_monitors: bool,
    here: bool,
    /// Fingers that are down, as a screen would tell them.
    fingers: BTreeSet<u32>,
    near: bool,
}

impl Storm {
    fn new() -> Self {
        let monitors = vec![monitor("left", 200, 150), monitor("right", 100, 80)];
        let mut fixture = Fixture::kiosk(RendererChoice::Pixman, monitors);
        let state = fixture.state();
        state.use_shortcuts(true);
        state.plug(TOUCH_SCREEN);
        state.plug(TABLET);
        Self {
            fixture,
            clients: Vec::new(),
            both_monitors: true,
            here: true,
            fingers: BTreeSet::new(),
            near: false,
        }
    }

    fn listen(&mut self, id: ClientId, scanout: Option<u8>) {
        let client = self.fixture.client(id);
        let window = match scanout {
            Some(scanout) => client.scanout(scanout),
            None => client.window(),
        };
        client.listen();
        client.bind::<WlSeat>().get_touch(&client.handle(), ());
        self.fixture.round_trip(id);
        let client = self.fixture.client(id);
        let buffer = client.plain_buffer((120, 90), RED);
        client.present(&window.surface, &buffer);
        self.fixture.round_trip(id);
        self.clients.push(id);
    }

    fn happens(&mut self, op: Op) {
        let finger = |slot, x, y| Deed {
            slot,
            at: (x, y),
            ..Deed::of(TOUCH_SCREEN)
        };
        let pen = |x, y, pressed| Deed {
            at: (x, y),
            pressed,
            code: keys::BTN_STYLUS,
            ..Deed::of(TABLET)
        };
        let state = self.fixture.state();
        match op {
            // Devices of a seat that is somebody else's are silent.
            Op::Leave => {
                self.here = false;
                self.fingers.clear();
                self.near = false;
                state.pause_input();
            }
            Op::Return => {
                self.here = true;
                state.resume_input();
            }
            Op::Window => {
                let id = self.fixture.add_client();
                self.listen(id, None);
            }
            Op::Guest(number) => {
                let id = self.fixture.add_guest(&format!("guest{number}"));
                self.listen(id, Some(0));
            }
            Op::Kill(which) => {
                if !self.clients.is_empty() {
                    let index = which.index(self.clients.len());
                    let id = self.clients.swap_remove(index);
                    self.fixture.kill(id);
                }
            }
            Op::Plug(plug) if plug != self.both_monitors => {
                self.both_monitors = plug;
                if plug {
                    self.fixture.plug(monitor("right", 100, 80));
                } else {
                    self.fixture.unplug("right");
                }
            }
            Op::Plug(_) => {}
            _ if !self.here => {}
            Op::Key(code, pressed) => state.key(code, pressed),
            Op::Button(code, pressed) => state.button(code, pressed),
            Op::Scroll => state.does(InputEvent::PointerAxis {
                event: Deed {
                    units: [None, Some(120.0)],
                    ..Deed::of(MOUSE)
                },
            }),
            Op::MoveBy(x, y) => state.move_by(x, y),
            Op::MoveTo(x, y) => state.move_to(x, y),
            Op::Touch(slot, x, y) => {
                if self.fingers.insert(slot) {
                    let event = finger(slot, x, y);
                    state.does(InputEvent::TouchDown { event });
                }
            }
            Op::Slide(slot, x, y) => {
                if self.fingers.contains(&slot) {
                    let event = finger(slot, x, y);
                    state.does(InputEvent::TouchMotion { event });
                }
            }
            Op::Lift(slot) => {
                if self.fingers.remove(&slot) {
                    let event = finger(slot, 0.0, 0.0);
                    state.does(InputEvent::TouchUp { event });
                    let event = finger(slot, 0.0, 0.0);
                    state.does(InputEvent::TouchFrame { event });
                }
            }
            Op::Palm => {
                self.fingers.clear();
                let event = finger(0, 0.0, 0.0);
                state.does(InputEvent::TouchCancel { event });
            }
            Op::Near(near) => {
                if near != self.near {
                    self.near = near;
                    let event = Deed {
                        near,
                        ..pen(0.3, 0.3, false)
                    };
                    state.does(InputEvent::TabletToolProximity { event });
                }
            }
            Op::Draw(x, y) => {
                let event = pen(x, y, false);
                state.does(InputEvent::TabletToolAxis { event });
            }
            Op::Tip(pressed) => {
                let event = pen(0.3, 0.3, pressed);
                state.does(InputEvent::TabletToolTip { event });
            }
            Op::Stylus(pressed) => {
                let event = pen(0.3, 0.3, pressed);
                state.does(InputEvent::TabletToolButton { event });
            }
        }
    }
}

/// Goes through what a client heard: everything that ends has begun, and at the end nothing is
/// left.
fn check(heard: &[String]) -> Result<(), TestCaseError> {
    let mut held = BTreeSet::new();
    let mut inside = BTreeSet::new();
    for line in heard {
        let words: Vec<&str> = line.split(' ').collect();
        let begins = |set: &mut BTreeSet<String>, what: &str| {
            prop_assert!(set.insert(what.to_owned()), "{what} twice in {heard:?}");
            Ok(())
        };
        let ends = |set: &mut BTreeSet<String>, what: &str| {
            prop_assert!(set.remove(what), "{what} ends unbegun in {heard:?}");
            Ok(())
        };
        match words.as_slice() {
            ["keyboard", "enter", rest @ ..] => {
                begins(&mut inside, "keyboard")?;
                for key in rest.join(" ").trim_matches(['[', ']']).split(", ") {
                    if !key.is_empty() {
                        held.insert(format!("key {key}"));
                    }
                }
            }
            ["keyboard", "leave"] => {
                ends(&mut inside, "keyboard")?;
                held.retain(|what: &String| !what.starts_with("key"));
            }
            ["key", key, "down"] => begins(&mut held, &format!("key {key}"))?,
            ["key", key, "up"] => ends(&mut held, &format!("key {key}"))?,
            ["button", button, "down"] => begins(&mut held, &format!("button {button}"))?,
            ["button", button, "up"] => ends(&mut held, &format!("button {button}"))?,
            ["enter", ..] => begins(&mut inside, "pointer")?,
            ["leave"] => ends(&mut inside, "pointer")?,
            ["motion", ..] => prop_assert!(inside.contains("pointer"), "{heard:?}"),
            ["touch", id, "down", ..] => begins(&mut held, &format!("touch {id}"))?,
            ["touch", id, "up"] => ends(&mut held, &format!("touch {id}"))?,
            ["touch", id, "motion", ..] => {
                prop_assert!(held.contains(&format!("touch {id}")), "{heard:?}");
            }
            ["touch", "cancel"] => held.retain(|what: &String| !what.starts_with("touch")),
            ["tool", "near"] => begins(&mut inside, "tool")?,
            ["tool", "away"] => ends(&mut inside, "tool")?,
            ["tool", "down"] => begins(&mut held, "tip")?,
            ["tool", "up"] => ends(&mut held, "tip")?,
            ["tool", "button", button, "down"] => begins(&mut held, &format!("tool {button}"))?,
            ["tool", "button", button, "up"] => ends(&mut held, &format!("tool {button}"))?,
            _ => {}
        }
    }
    prop_assert!(held.is_empty(), "{held:?} are held after {heard:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_begins_in_a_window_ends_there(ops in prop::collection::vec(op(), 1..70)) {
        let mut storm = Storm::new();
        for op in ops {
            storm.happens(op);
        }
        storm.fixture.state().pause_input();
        for id in storm.clients.clone() {
            storm.fixture.round_trip(id);
            let client = storm.fixture.client(id);
            prop_assert!(client.protocol_error().is_none());
            let heard = client.heard();
            check(&heard)?;
        }
    }
}
