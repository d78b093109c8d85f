//! The guest's two pointing devices: one that says where it is, and one that says how far it moved.
//!
//! The user has one hand for both. Where it is goes to the [pointer](InputKind::Pointer), how far it
//! moved to the [mouse](InputKind::Mouse), buttons and wheel to the one that moved last; a button
//! goes up where it went down.

use std::collections::BTreeSet;

use protocols::virtio_input::{EV_ABS, EV_REL, Event};

use super::{
    Frame, InputKind,
    codes::{
        ABS_X, ABS_Y, MOUSE_BUTTONS, REL_HWHEEL, REL_HWHEEL_HI_RES, REL_WHEEL, REL_WHEEL_HI_RES,
        REL_X, REL_Y,
    },
    frame::{event, key},
    layout::whole,
};

/// A notch of a wheel in high resolution.
const NOTCH: i32 = 120;

/// The most notches that are taken at once: more than a finger turns between two frames, and few
/// enough for every sum.
const MAX_SCROLL: i32 = 100 * NOTCH;

/// The most that a mouse moves at once, in its units, likewise.
const MAX_STEP: f64 = 32_767.0;

/// One of the two.
#[derive(Debug)]
struct Device {
    kind: InputKind,
    /// Whether the guest's driver is there.
    works: bool,
    /// Buttons that the guest takes for pressed, with those of the frame in the making.
    pressed: BTreeSet<u16>,
    /// Whole notches are counted apart from the finer steps.
    wheels: [Wheel; 2],
    /// The frame in the making: a place, or a sum of steps, and buttons.
    place: Option<(i32, i32)>,
    step: (f64, f64),
    clicks: Vec<Event>,
    scroll: [i32; 2],
}

/// One wheel.
#[derive(Debug, Default, Clone, Copy)]
struct Wheel {
    /// Below a notch.
    rest: i32,
}

/// Both, and the frame of what happens at once.
#[derive(Debug)]
pub(super) struct Pointers {
    pointer: Device,
    mouse: Device,
    /// Whether the mouse moved last.
    mouse_in_use: bool,
}

/// Frames of one of the two.
pub(super) type Frames = Vec<(InputKind, Frame)>;

impl Default for Pointers {
    fn default() -> Self {
        Self {
            pointer: Device::new(InputKind::Pointer),
            mouse: Device::new(InputKind::Mouse),
            mouse_in_use: false,
        }
    }
}

impl Pointers {
    /// The driver of one of them comes or goes.
    pub(super) fn set_works(&mut self, kind: InputKind, works: bool) {
        if let Some(device) = self.device(kind) {
            device.works = works;
        }
    }

    /// The pointer is somewhere, in the units of the device.
    pub(super) fn place(&mut self, place: (i32, i32)) {
        if self.pointer.works {
            self.pointer.place = Some(place);
            self.mouse_in_use = false;
        }
    }

    /// The mouse moves.
    pub(super) fn step(&mut self, dx: f64, dy: f64) {
        if self.mouse.works {
            let (x, y) = self.mouse.step;
            self.mouse.step = (sum(x, dx), sum(y, dy));
            self.mouse_in_use = true;
        }
    }

    /// The hand is on the mouse from here on, or on the pointer.
    pub(super) fn use_mouse(&mut self, on: bool) {
        self.mouse_in_use = on;
    }

    /// A button goes down, or up. Returns frames that had to end before.
    pub(super) fn button(&mut self, code: u16, pressed: bool) -> Frames {
        if !MOUSE_BUTTONS.contains(&code) {
            return Vec::new();
        }
        let holds = |device: &Device| device.pressed.contains(&code);
        let device = match pressed {
            true if holds(&self.pointer) || holds(&self.mouse) => None,
            true => self.in_use(),
            false if holds(&self.pointer) => Some(&mut self.pointer),
            false if holds(&self.mouse) => Some(&mut self.mouse),
            false => None,
        };
        let Some(device) = device else {
            return Vec::new();
        };
        let kind = device.kind;
        let before = device.make_room_for(code);
        device.click(code, pressed);
        before.into_iter().map(|frame| (kind, frame)).collect()
    }

    /// A wheel turns, in 1/120 of a notch to the right and down.
    pub(super) fn scroll(&mut self, horizontal: i32, vertical: i32) {
        if let Some(device) = self.in_use() {
            let [x, y] = &mut device.scroll;
            for (sum, turn) in [(x, horizontal), (y, vertical)] {
                *sum = sum.saturating_add(turn).clamp(-MAX_SCROLL, MAX_SCROLL);
            }
        }
    }

    /// All of it happened at once.
    pub(super) fn frame(&mut self) -> Frames {
        [&mut self.pointer, &mut self.mouse]
            .into_iter()
            .filter_map(|device| Some((device.kind, device.frame()?)))
            .collect()
    }

    /// All buttons of one of them go up: those that are pressed, and those that may be.
    pub(super) fn let_go(&mut self, kind: InputKind, may_be: &BTreeSet<u16>) -> Option<Frame> {
        self.device(kind)?.let_go(may_be)
    }

    fn device(&mut self, kind: InputKind) -> Option<&mut Device> {
        [&mut self.pointer, &mut self.mouse]
            .into_iter()
            .find(|device| device.kind == kind)
    }

    /// The one that buttons and wheel are for; the other one where the guest has no driver for it.
    fn in_use(&mut self) -> Option<&mut Device> {
        let mut order = [&mut self.pointer, &mut self.mouse];
        if self.mouse_in_use {
            order.reverse();
        }
        order.into_iter().find(|device| device.works)
    }
}

impl Device {
    fn new(kind: InputKind) -> Self {
        Self {
            kind,
            works: false,
            pressed: BTreeSet::new(),
            wheels: [Wheel::default(); 2],
            place: None,
            step: (0.0, 0.0),
            clicks: Vec::new(),
            scroll: [0; 2],
        }
    }

    /// A guest sees the end of a frame only: a button that goes down and up needs two.
    fn make_room_for(&mut self, code: u16) -> Option<Frame> {
        let taken = self.clicks.iter().any(|click| click.code == code);
        taken.then(|| self.frame())?
    }

    fn click(&mut self, code: u16, pressed: bool) {
        match pressed {
            true => self.pressed.insert(code),
            false => self.pressed.remove(&code),
        };
        self.clicks.push(key(code, pressed));
    }

    fn frame(&mut self) -> Option<Frame> {
        let mut events = Vec::new();
        if let Some((x, y)) = self.place.take() {
            events.extend([event(EV_ABS, ABS_X, x), event(EV_ABS, ABS_Y, y)]);
        }
        for (code, sum) in [(REL_X, &mut self.step.0), (REL_Y, &mut self.step.1)] {
            let step = whole(*sum);
            if step != 0 {
                *sum -= f64::from(step);
                events.push(event(EV_REL, code, step));
            }
        }
        events.append(&mut self.clicks);
        let [horizontal, vertical] = std::mem::take(&mut self.scroll);
        let [to_right, up] = &mut self.wheels;
        to_right.turn(horizontal, [REL_HWHEEL_HI_RES, REL_HWHEEL], &mut events);
        // evdev counts a wheel that is turned away from the user, Wayland one that scrolls down.
        up.turn(
            vertical.saturating_neg(),
            [REL_WHEEL_HI_RES, REL_WHEEL],
            &mut events,
        );
        Frame::new(events)
    }

    fn let_go(&mut self, may_be: &BTreeSet<u16>) -> Option<Frame> {
        let pressed = std::mem::take(&mut self.pressed);
        // One that goes up in the frame in the making is down for the guest.
        let clicked = self.clicks.iter().map(|click| click.code);
        let up: BTreeSet<u16> = pressed.union(may_be).copied().chain(clicked).collect();
        // What else was to be told never happened.
        *self = Self {
            works: self.works,
            ..Self::new(self.kind)
        };
        Frame::new(up.into_iter().map(|code| key(code, false)).collect())
    }
}

impl Wheel {
    /// Each turn is told as it is, and each whole notch besides. A wheel that turns back begins at
    /// 0: what was left in the other direction is nothing that the hand did now.
    fn turn(&mut self, turn: i32, [fine, notches]: [u16; 2], events: &mut Vec<Event>) {
        if turn == 0 {
            return;
        }
        if self.rest.signum() != turn.signum() {
            self.rest = 0;
        }
        events.push(event(EV_REL, fine, turn));
        self.rest = self.rest.saturating_add(turn);
        let whole = self.rest.checked_div(NOTCH).unwrap_or(0);
        self.rest = self.rest.checked_rem(NOTCH).unwrap_or(0);
        if whole != 0 {
            events.push(event(EV_REL, notches, whole));
        }
    }
}

/// Adds a step that a host may have made up.
fn sum(so_far: f64, step: f64) -> f64 {
    if step.is_nan() {
        return so_far;
    }
    (so_far + step).clamp(-MAX_STEP, MAX_STEP)
}

#[cfg(test)]
mod tests {
    use super::{super::codes::BTN_LEFT, *};

    fn pointers() -> Pointers {
        let mut pointers = Pointers::default();
        pointers.set_works(InputKind::Pointer, true);
        pointers.set_works(InputKind::Mouse, true);
        pointers
    }

    /// The events of a frame without its end, and whose they are.
    fn told(frames: Frames) -> Vec<(InputKind, Vec<Event>)> {
        let strip = |(kind, frame): (InputKind, Frame)| {
            let (end, events) = frame.events().split_last().unwrap();
            assert_eq!(*end, Event::SYN);
            (kind, events.to_vec())
        };
        frames.into_iter().map(strip).collect()
    }

    fn wheel(pointers: &mut Pointers, vertical: i32) -> Vec<(u16, i32)> {
        pointers.scroll(0, vertical);
        let frames = told(pointers.frame());
        let events = frames.into_iter().flat_map(|(_, events)| events);
        events.map(|event| (event.code, event.value)).collect()
    }

    #[test]
    fn what_happens_at_once_is_one_frame() {
        let mut pointers = pointers();
        pointers.place((10, 20));
        assert!(pointers.button(BTN_LEFT, true).is_empty());
        pointers.scroll(-120, 0);
        let wanted = vec![
            event(EV_ABS, ABS_X, 10),
            event(EV_ABS, ABS_Y, 20),
            key(BTN_LEFT, true),
            event(EV_REL, REL_HWHEEL_HI_RES, -120),
            event(EV_REL, REL_HWHEEL, -1),
        ];
        assert_eq!(told(pointers.frame()), [(InputKind::Pointer, wanted)]);
        assert_eq!(told(pointers.frame()), []);
    }

    #[test]
    fn buttons_belong_to_what_moved_last_and_go_up_where_they_went_down() {
        let mut pointers = pointers();
        pointers.step(3.0, 0.0);
        pointers.button(BTN_LEFT, true);
        let wanted = vec![event(EV_REL, REL_X, 3), key(BTN_LEFT, true)];
        assert_eq!(told(pointers.frame()), [(InputKind::Mouse, wanted)]);
        pointers.place((1, 1));
        pointers.button(BTN_LEFT, false);
        let frames = told(pointers.frame());
        assert_eq!(frames[1], (InputKind::Mouse, vec![key(BTN_LEFT, false)]));
    }

    #[test]
    fn a_guest_with_one_device_gets_its_buttons_there() {
        let mut pointers = Pointers::default();
        pointers.set_works(InputKind::Mouse, true);
        pointers.place((1, 1));
        pointers.button(BTN_LEFT, true);
        let wanted = vec![key(BTN_LEFT, true)];
        assert_eq!(told(pointers.frame()), [(InputKind::Mouse, wanted)]);
    }

    #[test]
    fn a_click_within_a_frame_is_seen() {
        let mut pointers = pointers();
        pointers.button(BTN_LEFT, true);
        let before = told(pointers.button(BTN_LEFT, false));
        assert_eq!(before, [(InputKind::Pointer, vec![key(BTN_LEFT, true)])]);
        let after = told(pointers.frame());
        assert_eq!(after, [(InputKind::Pointer, vec![key(BTN_LEFT, false)])]);
    }

    #[test]
    fn small_steps_add_up() {
        let mut pointers = pointers();
        let mut moved = 0;
        for _ in 0..10 {
            pointers.step(-0.25, 0.0);
            for (_, events) in told(pointers.frame()) {
                moved += events.iter().map(|event| event.value).sum::<i32>();
            }
        }
        assert_eq!(moved, -2);
    }

    #[test]
    fn no_step_is_too_large() {
        let mut pointers = pointers();
        pointers.step(f64::INFINITY, f64::NAN);
        pointers.step(f64::MAX, -1.0);
        let wanted = vec![event(EV_REL, REL_X, 32_767), event(EV_REL, REL_Y, -1)];
        assert_eq!(told(pointers.frame()), [(InputKind::Mouse, wanted)]);
    }

    #[test]
    fn a_fine_wheel_makes_a_notch_of_120() {
        let mut pointers = pointers();
        assert_eq!(wheel(&mut pointers, 50), [(REL_WHEEL_HI_RES, -50)]);
        assert_eq!(
            wheel(&mut pointers, 80),
            [(REL_WHEEL_HI_RES, -80), (REL_WHEEL, -1)]
        );
        // 10 are left, and forgotten as the wheel turns back.
        assert_eq!(wheel(&mut pointers, -115), [(REL_WHEEL_HI_RES, 115)]);
        assert_eq!(
            wheel(&mut pointers, -5),
            [(REL_WHEEL_HI_RES, 5), (REL_WHEEL, 1)]
        );
        let far = wheel(&mut pointers, i32::MIN);
        assert_eq!(far, [(REL_WHEEL_HI_RES, 12_000), (REL_WHEEL, 100)]);
    }

    #[test]
    fn a_mouse_has_eight_buttons() {
        let mut pointers = pointers();
        for code in [0, 0x10f, 0x118, u16::MAX] {
            pointers.button(code, true);
        }
        assert_eq!(told(pointers.frame()), []);
    }
}
