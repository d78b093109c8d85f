//! The pointer: where it is, and what is under it.

use smithay::{
    backend::input::{
        AbsolutePositionEvent as _, Axis, AxisSource, ButtonState, Device as _, Event as _,
        InputBackend, PointerAxisEvent as _, PointerButtonEvent as _, PointerMotionEvent as _,
    },
    input::pointer::{
        AxisFrame, ButtonEvent, CursorImageStatus, Focus, MotionEvent, PointerHandle,
        RelativeMotionEvent,
    },
    reexports::wayland_server::{Resource as _, protocol::wl_surface::WlSurface},
    utils::{IsAlive as _, Logical, Point, SERIAL_COUNTER},
};

use super::{Woke, denied::Denied, hold::Hold, millis, target::Target};
use crate::{
    backend::{OutputId, now},
    state::State,
};

/// How far a wheel scrolls in one step of its own, in the pixels that clients count in. Every
/// compositor has this number, after libinput's 15 degrees.
const PIXELS_PER_STEP: f64 = 15.0;

/// Units of high-resolution scrolling per step of a wheel.
const UNITS_PER_STEP: f64 = 120.0;

/// What is known of the pointer.
#[derive(Debug, Default)]
pub(super) struct Pointer {
    /// Where it is; `None` until there was a monitor for it.
    pub(super) at: Option<Point<f64, Logical>>,
    /// A device really moved it. A remote control that claims to be a mouse does not.
    pub(super) moved: bool,
    /// A device did something with it, so that windows know of it.
    in_use: bool,
    /// What the window under it wants it to look like, if that has said so.
    pub(super) image: Option<CursorImageStatus>,
    pub(super) image_changed: bool,
    /// The monitors that show it.
    pub(super) on: Vec<OutputId>,
    /// Who may not hold it, because somebody took it back.
    pub(super) denied: Denied,
    /// A window that has it locked, and where in itself that draws it.
    pub(super) hint: Option<(WlSurface, Point<f64, Logical>)>,
    /// What was told last where it is, and where that had its corner then.
    told: Option<Target>,
    /// Buttons that a window knows as pressed.
    pressed: Vec<u32>,
    /// That window.
    pressed_in: Option<WlSurface>,
    /// Pressed buttons that no window was told about.
    kept: Vec<u32>,
    /// The last position of a device that has positions.
    absolute: Option<Point<f64, Logical>>,
}

impl State {
    /// A mouse was moved by so much.
    pub(super) fn motion<B: InputBackend>(&mut self, event: &B::PointerMotionEvent) {
        let motion = RelativeMotionEvent {
            delta: event.delta(),
            delta_unaccel: event.delta_unaccel(),
            utime: event.time(),
        };
        self.moved_by(&motion, None);
    }

    /// A device that has positions is at one: a tablet of a virtual machine's console, say.
    pub(super) fn absolute_motion<B: InputBackend>(
        &mut self,
        event: &B::PointerMotionAbsoluteEvent,
    ) {
        let Some(area) = self.area_of(&event.device().name(), super::device::Reach::Everything)
        else {
            return;
        };
        let within = event.position_transformed(area.size.to_i32_round());
        let to = self.layout().nearest(area.loc + within);
        let before = self.input.pointer.absolute.replace(to);
        // A window that has the pointer locked knows steps only.
        let delta = to - before.unwrap_or_else(|| self.pointer_at());
        let motion = RelativeMotionEvent {
            delta,
            delta_unaccel: delta,
            utime: event.time(),
        };
        self.moved_by(&motion, Some(to));
    }

    /// The pointer was moved by so much, or to a point.
    fn moved_by(&mut self, motion: &RelativeMotionEvent, to: Option<Point<f64, Logical>>) {
        let Some(pointer) = self.protocols.seat.get_pointer() else {
            return;
        };
        self.input.pointer.in_use = true;
        let from = self.pointer_at();
        let time = u32::try_from(motion.utime / 1000 % (1 << 32)).unwrap_or_default();
        let focus = self.target_at(from);
        pointer.relative_motion(self, focus, motion);
        match self.constrained(&pointer, from, to.unwrap_or(from + motion.delta)) {
            Some(to) => {
                let to = self.layout().moved(from, to);
                self.input.pointer.moved |= to != from;
                self.put_pointer(&pointer, to, time);
            }
            None => pointer.frame(self),
        }
    }

    fn put_pointer(&mut self, pointer: &PointerHandle<Self>, to: Point<f64, Logical>, time: u32) {
        let from = self.input.pointer.at.replace(to);
        self.tell_pointer(pointer, to, time);
        self.point_at_window(to);
        if from != Some(to) {
            self.redraw_pointer();
        }
    }

    /// Tells windows where the pointer is.
    fn tell_pointer(&mut self, pointer: &PointerHandle<Self>, at: Point<f64, Logical>, time: u32) {
        let target = self.target_at(at);
        let before = pointer.current_focus();
        let serial = SERIAL_COUNTER.next_serial();
        let event = MotionEvent {
            location: at,
            serial,
            time,
        };
        pointer.motion(self, target, &event);
        pointer.frame(self);
        let focus = pointer.current_focus();
        self.input.pointer.told = focus
            .clone()
            .and_then(|surface| Some((surface.clone(), self.corner_of(&surface, at)?)));
        if focus != before {
            // The client that is entered says what it wants to see; another one's choice is not
            // to stay until then, or for ever if it says nothing.
            if !same_client(before.as_ref(), focus.as_ref()) {
                self.reset_pointer_image();
            }
        }
    }

    /// Where the pointer is: in the middle of the first monitor until it was moved.
    pub(super) fn pointer_at(&mut self) -> Point<f64, Logical> {
        let layout = self.layout();
        let pointer = &mut self.input.pointer;
        if pointer.at.is_none() {
            pointer.at = layout.first().map(|monitor| monitor.at((0.5, 0.5).into()));
        }
        layout.nearest(pointer.at.unwrap_or_default())
    }

    /// Hands do something else than to point: the pointer is not seen until it is moved again.
    pub(super) fn hide_pointer(&mut self) {
        if std::mem::take(&mut self.input.pointer.moved) {
            let at = self.pointer_at();
            self.point_at_window(at);
            self.redraw_pointer();
        }
    }

    /// Windows came, went or moved under a pointer that stays where it is.
    pub(super) fn refresh_pointer(&mut self) {
        if !self.input.pointer.in_use {
            return;
        }
        let Some(pointer) = self.protocols.seat.get_pointer() else {
            return;
        };
        let is_gone = |surface: &WlSurface| !surface.alive();
        if self.input.pointer.pressed_in.as_ref().is_some_and(is_gone) {
            self.forget_pressed(&pointer);
        }
        let at = self.pointer_at();
        let is_told = || {
            let target = self.target_at(at);
            let surface = target.as_ref().map(|(surface, _)| surface);
            surface == pointer.current_focus().as_ref() && target == self.input.pointer.told
        };
        // A pressed button keeps it where it is.
        if self.input.pointer.at == Some(at) && (pointer.is_grabbed() || is_told()) {
            return;
        }
        self.put_pointer(&pointer, at, millis(now()));
    }

    /// A button was pressed or released.
    pub(super) fn button<B: InputBackend>(&mut self, event: &B::PointerButtonEvent, woke: Woke) {
        let (button, time) = (event.button_code(), event.time_msec());
        match event.state() {
            ButtonState::Pressed if woke == Woke::Screens => self.input.pointer.kept.push(button),
            ButtonState::Pressed => self.press(button, time),
            ButtonState::Released => {
                let kept = &mut self.input.pointer.kept;
                if let Some(index) = kept.iter().position(|other| *other == button) {
                    kept.swap_remove(index);
                } else {
                    self.release(button, time);
                }
            }
        }
    }

    fn press(&mut self, button: u32, time: u32) {
        let Some(pointer) = self.protocols.seat.get_pointer() else {
            return;
        };
        if self.input.pointer.pressed.contains(&button) {
            return;
        }
        self.input.pointer.in_use = true;
        self.refresh_pointer();
        self.input.pointer.pressed.push(button);
        let serial = SERIAL_COUNTER.next_serial();
        if !pointer.is_grabbed() {
            let at = self.pointer_at();
            let focus = self.target_at(at);
            if let Some((surface, _)) = &focus {
                self.focus_window_of(surface);
                self.input.pointer.denied.allow(surface);
            }
            let surface = focus.as_ref().map(|(surface, _)| surface.clone());
            self.input.pointer.pressed_in = surface;
            pointer.set_grab(self, Hold::new(focus, button, at), serial, Focus::Keep);
        }
        let event = ButtonEvent {
            serial,
            time,
            button,
            state: ButtonState::Pressed,
        };
        pointer.button(self, &event);
        pointer.frame(self);
    }

    fn release(&mut self, button: u32, time: u32) {
        let pressed = &mut self.input.pointer.pressed;
        let Some(index) = pressed.iter().position(|other| *other == button) else {
            return;
        };
        pressed.swap_remove(index);
        let Some(pointer) = self.protocols.seat.get_pointer() else {
            return;
        };
        let event = ButtonEvent {
            serial: SERIAL_COUNTER.next_serial(),
            time,
            button,
            state: ButtonState::Released,
        };
        pointer.button(self, &event);
        pointer.frame(self);
        self.refresh_pointer();
    }

    /// The window is gone in which buttons were pressed. Nobody else is to hear that they are
    /// released.
    fn forget_pressed(&mut self, pointer: &PointerHandle<Self>) {
        self.input.pointer.pressed_in = None;
        let pressed = std::mem::take(&mut self.input.pointer.pressed);
        let (serial, time) = (SERIAL_COUNTER.next_serial(), millis(now()));
        let event = MotionEvent {
            location: self.pointer_at(),
            serial,
            time,
        };
        pointer.motion(self, None, &event);
        for button in &pressed {
            let event = ButtonEvent {
                serial,
                time,
                button: *button,
                state: ButtonState::Released,
            };
            pointer.button(self, &event);
        }
        self.input.pointer.kept.extend(pressed);
        self.input.pointer.told = None;
    }

    /// Lets go of all buttons, as if the hands had.
    pub(super) fn release_buttons(&mut self) {
        self.input.pointer.kept.clear();
        for button in self.input.pointer.pressed.clone() {
            self.release(button, millis(now()));
        }
    }

    /// A wheel was turned, or fingers scroll.
    pub(super) fn axis<B: InputBackend>(&mut self, event: &B::PointerAxisEvent) {
        let Some(pointer) = self.protocols.seat.get_pointer() else {
            return;
        };
        self.input.pointer.in_use = true;
        self.refresh_pointer();
        let source = event.source();
        let mut frame = AxisFrame::new(event.time_msec()).source(source);
        for axis in [Axis::Horizontal, Axis::Vertical] {
            let units = event.amount_v120(axis);
            let in_pixels = |units: f64| units * PIXELS_PER_STEP / UNITS_PER_STEP;
            let Some(amount) = event.amount(axis).or(units.map(in_pixels)) else {
                continue;
            };
            if amount == 0.0 {
                // So a touchpad says that the fingers are gone.
                if source == AxisSource::Finger {
                    frame = frame.stop(axis);
                }
                continue;
            }
            frame = frame
                .relative_direction(axis, event.relative_direction(axis))
                .value(axis, amount);
            if let Some(units) = units {
                frame = frame.v120(axis, whole(units));
            }
        }
        pointer.axis(self, frame);
        pointer.frame(self);
    }
}

fn same_client(one: Option<&WlSurface>, other: Option<&WlSurface>) -> bool {
    one.zip(other)
        .is_some_and(|(one, other)| one.id().same_client_as(&other.id()))
}

/// The nearest whole number, of those that can be told.
fn whole(number: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` gives the nearest number that there is, and 0 for what is none"
    )]
    let whole = number.round() as i32;
    whole
}
