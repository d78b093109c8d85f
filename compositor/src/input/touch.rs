//! Fingers on touch screens.

use std::collections::HashMap;

use smithay::{
    backend::input::{
        AbsolutePositionEvent, Device as _, Event as _, InputBackend, TouchEvent as _, TouchSlot,
    },
    input::touch::{DownEvent, MotionEvent, UpEvent},
    utils::{Logical, Point, SERIAL_COUNTER},
};

use super::{device::Reach, millis, target::Target};
use crate::{backend::now, state::State};

/// The fingers that are down.
#[derive(Debug, Default)]
pub(super) struct Touches {
    /// Where each is, as smithay was told.
    down: HashMap<TouchSlot, Point<f64, Logical>>,
    /// What the first one came down on: all go there until the last one is up.
    on: Option<Target>,
}

impl State {
    /// A finger came down.
    pub(super) fn touch_down<B: InputBackend>(&mut self, event: &B::TouchDownEvent) {
        let Some(touch) = self.protocols.seat.get_touch() else {
            return;
        };
        let Some(at) = self.point_of::<B, _>(event, Reach::OneMonitor) else {
            return;
        };
        self.hide_pointer();
        if self.input.touches.down.is_empty() {
            self.input.touches.on = self.target_at(at);
            if let Some((surface, _)) = self.input.touches.on.clone() {
                self.focus_window_of(&surface);
            }
        }
        let location = self.as_seen_by_touched(at);
        self.input.touches.down.insert(event.slot(), location);
        let focus = self.input.touches.on.clone();
        touch.down(
            self,
            focus,
            &DownEvent {
                slot: event.slot(),
                location,
                serial: SERIAL_COUNTER.next_serial(),
                time: event.time_msec(),
            },
        );
    }

    /// A finger moved.
    pub(super) fn touch_motion<B: InputBackend>(&mut self, event: &B::TouchMotionEvent) {
        let slot = event.slot();
        let Some(touch) = self.protocols.seat.get_touch() else {
            return;
        };
        let Some(at) = self.point_of::<B, _>(event, Reach::OneMonitor) else {
            return;
        };
        let location = self.as_seen_by_touched(at);
        let Some(known) = self.input.touches.down.get_mut(&slot) else {
            return;
        };
        *known = location;
        let focus = self.target_at(at);
        touch.motion(
            self,
            focus,
            &MotionEvent {
                slot,
                location,
                time: event.time_msec(),
            },
        );
    }

    /// A finger went up.
    pub(super) fn touch_up<B: InputBackend>(&mut self, event: &B::TouchUpEvent) {
        if self.input.touches.down.remove(&event.slot()).is_none() {
            return;
        }
        if let Some(touch) = self.protocols.seat.get_touch() {
            touch.up(
                self,
                &UpEvent {
                    slot: event.slot(),
                    serial: SERIAL_COUNTER.next_serial(),
                    time: event.time_msec(),
                },
            );
        }
    }

    /// What fingers did since the last frame belongs together.
    pub(super) fn touch_frame(&mut self) {
        if let Some(touch) = self.protocols.seat.get_touch() {
            touch.frame(self);
        }
    }

    /// What fingers did was not meant: a palm, or the seat goes away under them.
    pub(super) fn cancel_touches(&mut self) {
        let down = std::mem::take(&mut self.input.touches.down);
        let Some(touch) = self.protocols.seat.get_touch() else {
            return;
        };
        if down.is_empty() {
            return;
        }
        // smithay 0.7 cancels only those fingers that did something since the last frame.
        let time = millis(now());
        for (slot, location) in down {
            let event = MotionEvent {
                slot,
                location,
                time,
            };
            touch.motion(self, None, &event);
        }
        touch.cancel(self);
    }

    /// smithay keeps the corner that the touched surface had when the first finger came down. In a
    /// picture that is scaled that corner depends on the point that is looked from, so points are
    /// told as if it had stayed.
    fn as_seen_by_touched(&self, at: Point<f64, Logical>) -> Point<f64, Logical> {
        let Some((surface, corner)) = &self.input.touches.on else {
            return at;
        };
        match self.corner_of(surface, at) {
            Some(now) => at - now + *corner,
            None => at,
        }
    }

    /// Where in the layout a device that has positions is.
    pub(super) fn point_of<B: InputBackend, E: AbsolutePositionEvent<B>>(
        &self,
        event: &E,
        reach: Reach,
    ) -> Option<Point<f64, Logical>> {
        let area = self.area_of(&event.device().name(), reach)?;
        let within = event.position_transformed(area.size.to_i32_round());
        Some(self.layout().nearest(area.loc + within))
    }
}
