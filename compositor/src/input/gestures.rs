//! Swipes, pinches and holds of a touchpad, for `zwp_pointer_gestures_v1`.

use smithay::{
    backend::input::{
        Event as _, GestureBeginEvent as _, GestureEndEvent as _, GesturePinchUpdateEvent as _,
        GestureSwipeUpdateEvent as _, InputBackend, InputEvent,
    },
    input::pointer::{
        GestureHoldBeginEvent, GestureHoldEndEvent, GesturePinchBeginEvent, GesturePinchEndEvent,
        GesturePinchUpdateEvent, GestureSwipeBeginEvent, GestureSwipeEndEvent,
        GestureSwipeUpdateEvent,
    },
    utils::SERIAL_COUNTER,
};

use crate::state::State;

impl State {
    /// Tells the window under the pointer about a gesture. Other events do nothing here.
    pub(super) fn gesture<B: InputBackend>(&mut self, event: InputEvent<B>) {
        let Some(pointer) = self.protocols.seat.get_pointer() else {
            return;
        };
        let serial = SERIAL_COUNTER.next_serial();
        match event {
            InputEvent::GestureSwipeBegin { event } => pointer.gesture_swipe_begin(
                self,
                &GestureSwipeBeginEvent {
                    serial,
                    time: event.time_msec(),
                    fingers: event.fingers(),
                },
            ),
            InputEvent::GestureSwipeUpdate { event } => pointer.gesture_swipe_update(
                self,
                &GestureSwipeUpdateEvent {
                    time: event.time_msec(),
                    delta: event.delta(),
                },
            ),
            InputEvent::GestureSwipeEnd { event } => pointer.gesture_swipe_end(
                self,
                &GestureSwipeEndEvent {
                    serial,
                    time: event.time_msec(),
                    cancelled: event.cancelled(),
                },
            ),
            InputEvent::GesturePinchBegin { event } => pointer.gesture_pinch_begin(
                self,
                &GesturePinchBeginEvent {
                    serial,
                    time: event.time_msec(),
                    fingers: event.fingers(),
                },
            ),
            InputEvent::GesturePinchUpdate { event } => pointer.gesture_pinch_update(
                self,
                &GesturePinchUpdateEvent {
                    time: event.time_msec(),
                    delta: event.delta(),
                    scale: event.scale(),
                    rotation: event.rotation(),
                },
            ),
            InputEvent::GesturePinchEnd { event } => pointer.gesture_pinch_end(
                self,
                &GesturePinchEndEvent {
                    serial,
                    time: event.time_msec(),
                    cancelled: event.cancelled(),
                },
            ),
            InputEvent::GestureHoldBegin { event } => pointer.gesture_hold_begin(
                self,
                &GestureHoldBeginEvent {
                    serial,
                    time: event.time_msec(),
                    fingers: event.fingers(),
                },
            ),
            InputEvent::GestureHoldEnd { event } => pointer.gesture_hold_end(
                self,
                &GestureHoldEndEvent {
                    serial,
                    time: event.time_msec(),
                    cancelled: event.cancelled(),
                },
            ),
            _ => {}
        }
    }
}
