//! The guest's drawing tablet: which tool is near it, and what that does.

use std::collections::BTreeSet;

use protocols::virtio_input::{EV_ABS, Event};

use super::{
    Frame, PenTool,
    codes::{
        ABS_DISTANCE, ABS_PRESSURE, ABS_TILT_X, ABS_TILT_Y, ABS_X, ABS_Y, BTN_TOOL_AIRBRUSH,
        BTN_TOOL_BRUSH, BTN_TOOL_PEN, BTN_TOOL_PENCIL, BTN_TOOL_RUBBER, BTN_TOUCH, PEN_BUTTONS,
    },
    frame::{event, key},
    layout::whole,
};

/// The largest tilt in degrees.
const UPRIGHT: f64 = 90.0;

/// What is told of a tip that touches and does not feel how hard. libinput takes a tip without
/// pressure for one that does not touch.
const NO_FEELING: i32 = 0x7fff;

/// The axes, in the order in which they are told.
const AXES: [u16; 6] = [
    ABS_X,
    ABS_Y,
    ABS_PRESSURE,
    ABS_DISTANCE,
    ABS_TILT_X,
    ABS_TILT_Y,
];

/// A tool near the tablet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Near {
    /// `BTN_TOOL_*`.
    tool: u16,
    tip: bool,
    /// In the order of [`AXES`].
    values: [i32; AXES.len()],
    /// Whether the host tells how hard the tip is pressed.
    feels: bool,
    buttons: BTreeSet<u16>,
}

/// The tablet.
#[derive(Debug, Default)]
pub(super) struct Pen {
    now: Option<Near>,
    /// What the guest knows.
    told: Option<Near>,
    /// The tip and the buttons that have changed since the last frame.
    changed: BTreeSet<u16>,
}

impl Pen {
    /// A tool comes near. Returns a frame that had to end before.
    pub(super) fn enter(&mut self, tool: PenTool, place: (i32, i32)) -> Vec<Frame> {
        let before = self.leave();
        let (x, y) = place;
        self.now = Some(Near {
            tool: code(tool),
            tip: false,
            values: [x, y, 0, 0, 0, 0],
            feels: false,
            buttons: BTreeSet::new(),
        });
        before
    }

    /// The tool is away; that is told at once.
    pub(super) fn leave(&mut self) -> Vec<Frame> {
        let last = self.frame();
        self.now = None;
        last.into_iter().chain(self.frame()).collect()
    }

    /// The tool moves.
    pub(super) fn motion(&mut self, (x, y): (i32, i32)) {
        self.set(ABS_X, x);
        self.set(ABS_Y, y);
    }

    /// The tip touches, or does not. Returns a frame that had to end before.
    pub(super) fn tip(&mut self, down: bool) -> Option<Frame> {
        if self.now.as_ref()?.tip == down {
            return None;
        }
        let before = self.make_room_for(BTN_TOUCH);
        self.now.as_mut()?.tip = down;
        before
    }

    /// How hard the tip is pressed.
    pub(super) fn pressure(&mut self, pressure: u16) {
        self.set(ABS_PRESSURE, pressure.into());
        if let Some(near) = &mut self.now {
            near.feels |= pressure > 0;
        }
    }

    /// How far the tool is.
    pub(super) fn distance(&mut self, distance: u16) {
        self.set(ABS_DISTANCE, distance.into());
    }

    /// How far the tool leans, in degrees.
    pub(super) fn tilt(&mut self, x: f64, y: f64) {
        for (axis, tilt) in [(ABS_TILT_X, x), (ABS_TILT_Y, y)] {
            self.set(axis, whole(tilt.clamp(-UPRIGHT, UPRIGHT).round()));
        }
    }

    /// A button of the tool goes down, or up. Returns a frame that had to end before.
    pub(super) fn button(&mut self, code: u16, pressed: bool) -> Option<Frame> {
        if !PEN_BUTTONS.contains(&code) || self.now.as_ref()?.buttons.contains(&code) == pressed {
            return None;
        }
        let before = self.make_room_for(code);
        let buttons = &mut self.now.as_mut()?.buttons;
        match pressed {
            true => buttons.insert(code),
            false => buttons.remove(&code),
        };
        before
    }

    /// All of it happened at once.
    pub(super) fn frame(&mut self) -> Option<Frame> {
        self.changed.clear();
        let told = std::mem::replace(&mut self.told, self.now.clone());
        let mut events = Vec::new();
        match (&told, &self.now) {
            (None, Some(now)) => {
                events.push(key(now.tool, true));
                differences(&now.untouched(), now, true, &mut events);
            }
            (Some(told), Some(now)) if told.tool == now.tool => {
                differences(told, now, false, &mut events);
            }
            (Some(told), _) => {
                differences(told, &told.untouched(), false, &mut events);
                events.push(key(told.tool, false));
                // Another tool comes near in a frame of its own.
                self.told = None;
            }
            (None, None) => {}
        }
        Frame::new(events)
    }

    /// The tool is away, whatever the guest knows of it.
    pub(super) fn let_go(&mut self) -> Option<Frame> {
        let known = self.told.take();
        *self = Self::default();
        known.and_then(|_| Self::end_all())
    }

    /// The end of everything that a guest could know of.
    pub(super) fn end_all() -> Option<Frame> {
        let tools = [
            BTN_TOOL_PEN,
            BTN_TOOL_RUBBER,
            BTN_TOOL_BRUSH,
            BTN_TOOL_PENCIL,
            BTN_TOOL_AIRBRUSH,
        ];
        let up = [BTN_TOUCH].into_iter().chain(PEN_BUTTONS).chain(tools);
        let no_pressure = event(EV_ABS, ABS_PRESSURE, 0);
        let events = [no_pressure]
            .into_iter()
            .chain(up.map(|code| key(code, false)));
        Frame::new(events.collect())
    }

    fn set(&mut self, axis: u16, value: i32) {
        let Some(near) = &mut self.now else { return };
        for (known, place) in AXES.iter().zip(&mut near.values) {
            if *known == axis {
                *place = value;
            }
        }
    }

    /// A guest sees the end of a frame only: what goes down and up needs two.
    fn make_room_for(&mut self, code: u16) -> Option<Frame> {
        let before = match self.changed.contains(&code) {
            true => self.frame(),
            false => None,
        };
        self.changed.insert(code);
        before
    }
}

impl Near {
    /// The same tool, doing nothing.
    fn untouched(&self) -> Self {
        Self {
            tip: false,
            feels: false,
            buttons: BTreeSet::new(),
            ..self.clone()
        }
    }

    /// The values of the axes as they are told: only a tip that touches is pressed.
    fn told_values(&self) -> impl Iterator<Item = (u16, i32)> {
        AXES.into_iter().zip(self.values).map(|(axis, value)| {
            let value = match axis {
                ABS_PRESSURE if !self.tip => 0,
                ABS_PRESSURE if !self.feels => NO_FEELING,
                _ => value,
            };
            (axis, value)
        })
    }
}

/// Tells what has changed; all axes where `whole`.
fn differences(told: &Near, now: &Near, whole: bool, events: &mut Vec<Event>) {
    for ((axis, new), (_, old)) in now.told_values().zip(told.told_values()) {
        if whole || new != old {
            events.push(event(EV_ABS, axis, new));
        }
    }
    if told.tip != now.tip {
        events.push(key(BTN_TOUCH, now.tip));
    }
    for code in PEN_BUTTONS {
        let pressed = now.buttons.contains(&code);
        if told.buttons.contains(&code) != pressed {
            events.push(key(code, pressed));
        }
    }
}

fn code(tool: PenTool) -> u16 {
    match tool {
        PenTool::Pen => BTN_TOOL_PEN,
        PenTool::Eraser => BTN_TOOL_RUBBER,
        PenTool::Brush => BTN_TOOL_BRUSH,
        PenTool::Pencil => BTN_TOOL_PENCIL,
        PenTool::Airbrush => BTN_TOOL_AIRBRUSH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BTN_STYLUS: u16 = 0x14b;

    fn abs(code: u16, value: i32) -> Event {
        event(EV_ABS, code, value)
    }

    fn told(frame: Option<Frame>) -> Vec<Event> {
        let frame = frame.unwrap();
        let (end, events) = frame.events().split_last().unwrap();
        assert_eq!(*end, Event::SYN);
        events.to_vec()
    }

    /// A pen near the tablet, told.
    fn near() -> Pen {
        let mut pen = Pen::default();
        assert!(pen.enter(PenTool::Pen, (10, 20)).is_empty());
        pen.distance(300);
        pen.tilt(12.4, -100.0);
        assert_eq!(
            told(pen.frame()),
            [
                key(BTN_TOOL_PEN, true),
                abs(ABS_X, 10),
                abs(ABS_Y, 20),
                abs(ABS_PRESSURE, 0),
                abs(ABS_DISTANCE, 300),
                abs(ABS_TILT_X, 12),
                abs(ABS_TILT_Y, -90),
            ]
        );
        pen
    }

    #[test]
    fn only_what_changes_is_told() {
        let mut pen = near();
        pen.motion((10, 21));
        pen.pressure(4000);
        assert_eq!(told(pen.frame()), [abs(ABS_Y, 21)]);
        pen.tip(true);
        pen.button(BTN_STYLUS, true);
        let wanted = [
            abs(ABS_PRESSURE, 4000),
            key(BTN_TOUCH, true),
            key(BTN_STYLUS, true),
        ];
        assert_eq!(told(pen.frame()), wanted);
        assert_eq!(pen.frame(), None);
    }

    #[test]
    fn a_tip_that_feels_nothing_is_pressed_all_the_same() {
        let mut pen = near();
        pen.tip(true);
        let wanted = [abs(ABS_PRESSURE, NO_FEELING), key(BTN_TOUCH, true)];
        assert_eq!(told(pen.frame()), wanted);
        pen.tip(false);
        assert_eq!(
            told(pen.frame()),
            [abs(ABS_PRESSURE, 0), key(BTN_TOUCH, false)]
        );
    }

    #[test]
    fn a_pen_that_goes_lets_go_of_everything() {
        let mut pen = near();
        pen.pressure(9);
        pen.tip(true);
        pen.button(BTN_STYLUS, true);
        pen.frame();
        let frames = pen.leave();
        let wanted = [
            abs(ABS_PRESSURE, 0),
            key(BTN_TOUCH, false),
            key(BTN_STYLUS, false),
            key(BTN_TOOL_PEN, false),
        ];
        assert_eq!(
            frames.into_iter().map(Some).map(told).collect::<Vec<_>>(),
            [wanted]
        );
        assert!(pen.leave().is_empty());
    }

    #[test]
    fn a_pen_that_is_turned_goes_before_the_eraser_comes() {
        let mut pen = near();
        let frames = pen.enter(PenTool::Eraser, (1, 1));
        assert_eq!(
            frames.into_iter().map(Some).map(told).collect::<Vec<_>>(),
            [[key(BTN_TOOL_PEN, false)]]
        );
        assert_eq!(told(pen.frame())[0], key(BTN_TOOL_RUBBER, true));
    }

    #[test]
    fn a_dot_within_a_frame_is_seen() {
        let mut pen = near();
        assert_eq!(pen.tip(true), None);
        let before = told(pen.tip(false));
        assert!(before.contains(&key(BTN_TOUCH, true)));
        assert!(told(pen.frame()).contains(&key(BTN_TOUCH, false)));
    }

    #[test]
    fn a_pen_that_is_away_does_nothing() {
        let mut pen = Pen::default();
        pen.motion((1, 1));
        pen.pressure(1);
        assert_eq!((pen.tip(true), pen.button(BTN_STYLUS, true)), (None, None));
        assert_eq!(pen.frame(), None);
        assert_eq!(pen.let_go(), None);
    }

    #[test]
    fn unknown_buttons_are_ignored() {
        let mut pen = near();
        pen.button(0x110, true);
        assert_eq!(pen.frame(), None);
    }
}
