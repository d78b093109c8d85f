//! What hands do: keys and places for the first window that shows something.

use smithay::{
    backend::input::KeyState,
    input::{keyboard::FilterResult, pointer::MotionEvent},
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::SERIAL_COUNTER,
};

use super::{Order, server::State};
use crate::backend::now;

/// What evdev's codes are less than xkb's.
const XKB_OFFSET: u32 = 8;

impl State {
    /// Puts the hands onto the first window that shows something.
    pub(super) fn focus_first(&mut self, window: &WlSurface) {
        if self.focus.is_some() {
            return;
        }
        self.focus = Some(window.clone());
        if let Some(keyboard) = self.seat.get_keyboard() {
            keyboard.set_focus(self, Some(window.clone()), SERIAL_COUNTER.next_serial());
        }
        self.point(1.0, 1.0);
    }

    /// Does what it is told; the server ends by it, or the time is reported.
    pub(super) fn carry_out(&mut self, order: Order) {
        if order == Order::End {
            self.over = true;
            return;
        }
        if self.focus.is_none() {
            return;
        }
        let sent = now();
        match order {
            Order::Key { code, pressed } => self.key(code, pressed),
            Order::Point { x, y } => self.point(x, y),
            Order::End => {}
        }
        self.flush();
        // Fails where nobody listens any more.
        let _ = self.reports.sent.send(sent);
    }

    fn key(&mut self, code: u32, pressed: bool) {
        let Some(keyboard) = self.seat.get_keyboard() else {
            return;
        };
        let key_state = match pressed {
            true => KeyState::Pressed,
            false => KeyState::Released,
        };
        let (serial, time) = (SERIAL_COUNTER.next_serial(), milliseconds());
        keyboard.input::<(), _>(
            self,
            (code + XKB_OFFSET).into(),
            key_state,
            serial,
            time,
            |_, _, _| FilterResult::Forward,
        );
    }

    fn point(&mut self, x: f64, y: f64) {
        let Some(pointer) = self.seat.get_pointer() else {
            return;
        };
        let event = MotionEvent {
            location: (x, y).into(),
            serial: SERIAL_COUNTER.next_serial(),
            time: milliseconds(),
        };
        let focus = self.focus.clone().map(|window| (window, (0.0, 0.0).into()));
        pointer.motion(self, focus, &event);
        pointer.frame(self);
    }
}

/// Now, as Wayland's input events count it.
fn milliseconds() -> u32 {
    u32::try_from(now().as_millis() & u128::from(u32::MAX)).unwrap_or_default()
}
