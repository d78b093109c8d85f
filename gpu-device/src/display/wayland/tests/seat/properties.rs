//! Whatever a host says, the guest hears what hands could do, and in the end they hold nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use wayland_protocols::wp::tablet::zv2::server::zwp_tablet_tool_v2::{
    ButtonState as PenButton, Type,
};

use super::{super::requests::seat::Pen, *};

/// Something that a host says. The first number is the seat's, or the pen's.
#[derive(Debug, Clone)]
enum Op {
    Focus(usize, usize, Vec<u32>),
    Unfocus(usize),
    Key(usize, u32, bool),
    Point(usize, usize),
    Unpoint(usize),
    Motion(usize),
    Button(usize, u32, bool),
    Scroll(usize, i32),
    Frame(usize),
    Down(usize, usize, i32),
    Touch(usize, i32),
    Up(usize, i32),
    TouchFrame(usize),
    Cancel(usize),
    Near(usize, usize),
    Away(usize),
    Draw(usize),
    Tip(usize, bool),
    PenButton(usize, bool),
    PenFrame(usize),
    Has(usize, u32),
    Lock(bool),
    Grab(bool, bool),
    CloseWindow,
}

fn op() -> impl Strategy<Value = Op> {
    let seat = || 0..2_usize;
    let window = || 0..3_usize;
    let code = || prop_oneof![28..32_u32, Just(0), Just(0x300)];
    let id = || 0..3;
    prop_oneof![
        (seat(), window(), proptest::collection::vec(code(), 0..3))
            .prop_map(|(seat, window, keys)| Op::Focus(seat, window, keys)),
        seat().prop_map(Op::Unfocus),
        (seat(), code(), any::<bool>()).prop_map(|(seat, code, on)| Op::Key(seat, code, on)),
        (seat(), window()).prop_map(|(seat, window)| Op::Point(seat, window)),
        seat().prop_map(Op::Unpoint),
        seat().prop_map(Op::Motion),
        (seat(), code(), any::<bool>()).prop_map(|(seat, code, on)| Op::Button(seat, code, on)),
        (seat(), any::<i32>()).prop_map(|(seat, units)| Op::Scroll(seat, units)),
        seat().prop_map(Op::Frame),
        (seat(), window(), id()).prop_map(|(seat, window, id)| Op::Down(seat, window, id)),
        (seat(), id()).prop_map(|(seat, id)| Op::Touch(seat, id)),
        (seat(), id()).prop_map(|(seat, id)| Op::Up(seat, id)),
        seat().prop_map(Op::TouchFrame),
        seat().prop_map(Op::Cancel),
        (seat(), window()).prop_map(|(pen, window)| Op::Near(pen, window)),
        seat().prop_map(Op::Away),
        seat().prop_map(Op::Draw),
        (seat(), any::<bool>()).prop_map(|(pen, down)| Op::Tip(pen, down)),
        (seat(), any::<bool>()).prop_map(|(pen, on)| Op::PenButton(pen, on)),
        seat().prop_map(Op::PenFrame),
        (seat(), 0..8_u32).prop_map(|(seat, has)| Op::Has(seat, has)),
        any::<bool>().prop_map(Op::Lock),
        any::<(bool, bool)>().prop_map(|(pointer, shortcuts)| Op::Grab(pointer, shortcuts)),
        Just(Op::CloseWindow),
    ]
}

/// What a guest takes for true.
#[derive(Debug, Default)]
struct Guest {
    focus: bool,
    keys: BTreeSet<u16>,
    over: bool,
    locked: bool,
    buttons: BTreeSet<u16>,
    pointer_open: bool,
    fingers: BTreeMap<i32, ScanoutId>,
    touch_open: bool,
    near: Option<ScanoutId>,
    tip: bool,
    pen_buttons: BTreeSet<u16>,
    pen_open: bool,
}

impl Guest {
    fn hear(&mut self, input: HostInput) {
        use HostInput as In;
        match input {
            In::KeyboardEnter(_) => self.focus = true,
            In::KeyboardLeave => {
                assert!(std::mem::take(&mut self.focus));
                self.keys.clear();
            }
            In::Key { code, pressed } => {
                assert!(self.focus || !pressed);
                assert!(flip(&mut self.keys, code, pressed));
            }
            In::Locks(_) => assert!(self.focus),
            In::PointerEnter(_) => (self.over, self.pointer_open) = (true, true),
            In::PointerLeave => {
                assert!(std::mem::take(&mut self.over));
                assert!(self.buttons.is_empty());
                self.pointer_open = true;
            }
            In::PointerMotion(_) | In::Scroll { .. } => {
                assert!(self.over);
                self.pointer_open = true;
            }
            In::RelativeMotion { .. } => {
                assert!(self.locked);
                self.pointer_open = true;
            }
            In::Button { code, pressed } => {
                assert!(self.over || !pressed);
                assert!(flip(&mut self.buttons, code, pressed));
                self.pointer_open = true;
            }
            In::PointerFrame => assert!(std::mem::take(&mut self.pointer_open)),
            In::PointerLocked(locked) => {
                assert!(!locked || !self.locked);
                self.locked = locked;
            }
            In::TouchDown { id, at } => {
                assert!(self.fingers.insert(id, at.scanout).is_none());
                self.touch_open = true;
            }
            In::TouchMotion { id, .. } => {
                assert!(self.fingers.contains_key(&id));
                self.touch_open = true;
            }
            In::TouchUp { id } => {
                assert!(self.fingers.remove(&id).is_some());
                self.touch_open = true;
            }
            In::TouchCancel => {
                self.fingers.clear();
                self.touch_open = true;
            }
            In::TouchFrame => assert!(std::mem::take(&mut self.touch_open)),
            In::PenEnter { at, .. } => {
                assert!(self.near.replace(at.scanout).is_none());
                self.pen_open = true;
            }
            In::PenLeave => {
                assert!(self.near.take().is_some());
                assert!(!self.tip && self.pen_buttons.is_empty());
                self.pen_open = true;
            }
            In::PenTip(tip) => {
                assert!(self.near.is_some());
                assert_ne!(std::mem::replace(&mut self.tip, tip), tip);
                self.pen_open = true;
            }
            In::PenButton { code, pressed } => {
                assert!(self.near.is_some());
                assert!(flip(&mut self.pen_buttons, code, pressed));
                self.pen_open = true;
            }
            In::PenMotion(_) | In::PenPressure(_) | In::PenDistance(_) | In::PenTilt { .. } => {
                assert!(self.near.is_some());
                self.pen_open = true;
            }
            In::PenFrame => assert!(std::mem::take(&mut self.pen_open)),
            In::Fullscreen { .. } => {}
        }
    }

    /// Whether a pen or a finger is in a window.
    fn is_in(&self, scanout: ScanoutId) -> bool {
        self.near == Some(scanout) || self.fingers.values().any(|on| *on == scanout)
    }

    fn holds_nothing(&self) -> bool {
        let pressed = [&self.keys, &self.buttons, &self.pen_buttons];
        pressed.into_iter().all(BTreeSet::is_empty)
            && self.fingers.is_empty()
            && self.near.is_none()
            && !(self.focus || self.over || self.locked || self.tip)
            && !(self.pointer_open || self.touch_open || self.pen_open)
    }
}

/// Whether that is a change.
fn flip(pressed: &mut BTreeSet<u16>, code: u16, on: bool) -> bool {
    match on {
        true => pressed.insert(code),
        false => pressed.remove(&code),
    }
}

impl Scene {
    fn play(&mut self, op: &Op, pens: &[Pen]) {
        let host = &self.host;
        let hands = &host.desk.hands;
        // Some of these the client has given back, which is what a slow host does not know yet.
        let keyboard = |seat: usize| &hands.keyboards[seat % hands.keyboards.len()];
        let pointer = |seat: usize| &hands.pointers[seat % hands.pointers.len()];
        let touch = |seat: usize| &hands.touches[seat % hands.touches.len()];
        let surface = |window: usize| host.wl_surface(window % host.desk.surfaces.len());
        match *op {
            Op::Focus(seat, window, ref keys) => {
                let keys = keys.iter().flat_map(|key| key.to_ne_bytes()).collect();
                keyboard(seat).enter(1, surface(window), keys);
            }
            Op::Unfocus(seat) => keyboard(seat).leave(1, surface(0)),
            Op::Key(seat, code, true) => keyboard(seat).key(1, 0, code, KeyState::Pressed),
            Op::Key(seat, code, false) => keyboard(seat).key(1, 0, code, KeyState::Released),
            Op::Point(seat, window) => pointer(seat).enter(1, surface(window), 1.0, 1.0),
            Op::Unpoint(seat) => pointer(seat).leave(1, surface(0)),
            Op::Motion(seat) => {
                pointer(seat).motion(0, 3.0, 4.0);
                if let Some(relative) = hands.relatives.last() {
                    relative.relative_motion(0, 0, 1.0, 1.0, 1.0, 1.0);
                }
            }
            Op::Button(seat, code, true) => {
                pointer(seat).button(1, 0, code, ButtonState::Pressed);
            }
            Op::Button(seat, code, false) => {
                pointer(seat).button(1, 0, code, ButtonState::Released);
            }
            Op::Scroll(seat, units) => pointer(seat).axis_value120(Axis::VerticalScroll, units),
            Op::Frame(seat) => pointer(seat).frame(),
            Op::Down(seat, window, id) => touch(seat).down(1, 0, surface(window), id, 1.0, 1.0),
            Op::Touch(seat, id) => touch(seat).motion(0, id, 2.0, 2.0),
            Op::Up(seat, id) => touch(seat).up(1, 0, id),
            Op::TouchFrame(seat) => touch(seat).frame(),
            Op::Cancel(seat) => touch(seat).cancel(),
            Op::Near(pen, window) => {
                let Pen { tool, tablet } = &pens[pen];
                tool.proximity_in(1, tablet, surface(window));
            }
            Op::Away(pen) => pens[pen].tool.proximity_out(),
            Op::Draw(pen) => pens[pen].tool.motion(1.0, 1.0),
            Op::Tip(pen, true) => pens[pen].tool.down(1),
            Op::Tip(pen, false) => pens[pen].tool.up(),
            Op::PenButton(pen, true) => pens[pen].tool.button(1, 0x14b, PenButton::Pressed),
            Op::PenButton(pen, false) => pens[pen].tool.button(1, 0x14b, PenButton::Released),
            Op::PenFrame(pen) => pens[pen].tool.frame(0),
            Op::Has(seat, has) => {
                let has = Capability::from_bits_truncate(has);
                hands.seats[seat].capabilities(has);
            }
            Op::Lock(on) => {
                if let Some(lock) = hands.locks.last() {
                    match on {
                        true => lock.locked(),
                        false => lock.unlocked(),
                    }
                }
            }
            Op::Grab(pointer, shortcuts) => self.grab(pointer, shortcuts),
            Op::CloseWindow => {
                self.display.disable(OTHER_SCREEN);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_guest_hears_what_hands_can_do_and_nothing_is_held_in_the_end(
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        let mut scene = Scene::seated();
        scene.plug_seat(6, EVERYTHING);
        scene.open_other();
        let pens = [Type::Pen, Type::Eraser].map(|kind| scene.host.plug_pen(kind));
        scene.forget_past();
        let mut guest = Guest::default();
        let mut closed = false;
        for op in &ops {
            scene.play(op, &pens);
            if let Op::Grab(false, _) = op {
                // That this lets go is not reported.
                guest.locked = false;
            }
            for input in scene.hands() {
                guest.hear(input);
            }
            closed |= matches!(op, Op::CloseWindow);
            prop_assert!(!closed || !guest.is_in(OTHER_SCREEN), "{guest:?}");
        }
        scene.grab(false, false);
        guest.locked = false;
        for _ in 0..2 {
            scene.host.unplug_seat(0);
        }
        for input in scene.hands() {
            guest.hear(input);
        }
        prop_assert!(guest.holds_nothing(), "{guest:?}");
    }
}
