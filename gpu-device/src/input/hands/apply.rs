//! From one thing that hands did to what the devices make of it.

use std::time::Instant;

use super::Hands;
use crate::input::{HostInput, InputKind, Position};

impl Hands {
    /// Carries an event out.
    pub(super) fn apply(&mut self, event: HostInput, now: Instant) {
        use InputKind::{Keyboard, Mouse, Pen, Pointer, Touch};
        match event {
            HostInput::KeyboardEnter(_) => self.locks.enter(),
            HostInput::KeyboardLeave => {
                self.locks.leave();
                self.release(Keyboard, now);
            }
            HostInput::Key { code, pressed } if self.works(Keyboard) => {
                let frame = self.keyboard.key(code, pressed);
                self.send(Keyboard, frame, now);
            }
            HostInput::Locks(locks) => {
                let taps = self.locks.host(locks);
                self.tap(&taps, now);
            }
            HostInput::PointerLeave => {
                self.release(Pointer, now);
                self.release(Mouse, now);
            }
            HostInput::PointerLocked(locked) => {
                self.pointers.use_mouse(locked);
                if !locked {
                    self.release(Mouse, now);
                }
            }
            HostInput::PointerEnter(_)
            | HostInput::PointerMotion(_)
            | HostInput::RelativeMotion { .. }
            | HostInput::Button { .. }
            | HostInput::Scroll { .. }
            | HostInput::PointerFrame => self.point(event, now),
            HostInput::TouchDown { .. }
            | HostInput::TouchMotion { .. }
            | HostInput::TouchUp { .. }
            | HostInput::TouchCancel
            | HostInput::TouchFrame
                if self.works(Touch) =>
            {
                self.finger(event, now);
            }
            HostInput::PenEnter { .. }
            | HostInput::PenLeave
            | HostInput::PenMotion(_)
            | HostInput::PenTip(_)
            | HostInput::PenPressure(_)
            | HostInput::PenDistance(_)
            | HostInput::PenTilt { .. }
            | HostInput::PenButton { .. }
            | HostInput::PenFrame
                if self.works(Pen) =>
            {
                self.draw(event, now);
            }
            // What a device has no driver for never happened; full screen is the policy's.
            _ => {}
        }
    }

    fn point(&mut self, event: HostInput, now: Instant) {
        let frames = match event {
            HostInput::PointerEnter(at) | HostInput::PointerMotion(at) => {
                if let Some(place) = self.layout.place(at) {
                    self.pointers.place(place);
                }
                Vec::new()
            }
            HostInput::RelativeMotion { dx, dy } => {
                self.pointers.step(dx, dy);
                Vec::new()
            }
            HostInput::Button { code, pressed } => self.pointers.button(code, pressed),
            HostInput::Scroll {
                horizontal,
                vertical,
            } => {
                self.pointers.scroll(horizontal, vertical);
                Vec::new()
            }
            HostInput::PointerFrame => self.pointers.frame(),
            _ => Vec::new(),
        };
        for (kind, frame) in frames {
            self.send(kind, Some(frame), now);
        }
    }

    fn finger(&mut self, event: HostInput, now: Instant) {
        let place = |at: Position| self.layout.place(at);
        let frames = match event {
            HostInput::TouchDown { id, at } => place(at)
                .and_then(|place| self.touch.down(id, place))
                .into_iter()
                .collect(),
            HostInput::TouchMotion { id, at } => place(at)
                .and_then(|place| self.touch.motion(id, place))
                .into_iter()
                .collect(),
            HostInput::TouchUp { id } => self.touch.up(id).into_iter().collect(),
            HostInput::TouchCancel => self.touch.cancel(),
            HostInput::TouchFrame => self.touch.frame().into_iter().collect(),
            _ => Vec::new(),
        };
        self.send_all(InputKind::Touch, frames, now);
    }

    fn draw(&mut self, event: HostInput, now: Instant) {
        let frames = match event {
            HostInput::PenEnter { tool, at } => match self.layout.place(at) {
                Some(place) => self.pen.enter(tool, place),
                None => Vec::new(),
            },
            HostInput::PenLeave => self.pen.leave(),
            HostInput::PenMotion(at) => {
                if let Some(place) = self.layout.place(at) {
                    self.pen.motion(place);
                }
                Vec::new()
            }
            HostInput::PenTip(down) => self.pen.tip(down).into_iter().collect(),
            HostInput::PenPressure(pressure) => {
                self.pen.pressure(pressure);
                Vec::new()
            }
            HostInput::PenDistance(distance) => {
                self.pen.distance(distance);
                Vec::new()
            }
            HostInput::PenTilt { x, y } => {
                self.pen.tilt(x, y);
                Vec::new()
            }
            HostInput::PenButton { code, pressed } => {
                self.pen.button(code, pressed).into_iter().collect()
            }
            HostInput::PenFrame => self.pen.frame().into_iter().collect(),
            _ => Vec::new(),
        };
        self.send_all(InputKind::Pen, frames, now);
    }

    /// Taps keys that are not held anyway.
    pub(super) fn tap(&mut self, codes: &[u16], now: Instant) {
        for code in codes {
            if !self.works(InputKind::Keyboard) || self.keyboard.is_pressed(*code) {
                continue;
            }
            for pressed in [true, false] {
                let frame = self.keyboard.key(*code, pressed);
                self.send(InputKind::Keyboard, frame, now);
            }
        }
    }
}
