//! A pressed button holds the pointer on the window in which it was pressed.
//!
//! smithay's own grab takes the window's corner to stay where it was at the press. A guest's
//! picture that is stretched has no such corner: what a step of the pointer means inside of it
//! depends on its scale. So this one asks for each motion anew.

use smithay::{
    input::pointer::{
        AxisFrame, ButtonEvent, GestureHoldBeginEvent, GestureHoldEndEvent, GesturePinchBeginEvent,
        GesturePinchEndEvent, GesturePinchUpdateEvent, GestureSwipeBeginEvent,
        GestureSwipeEndEvent, GestureSwipeUpdateEvent, GrabStartData, MotionEvent, PointerGrab,
        PointerInnerHandle, RelativeMotionEvent,
    },
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point},
};

use crate::state::State;

/// A surface and its corner, as smithay wants a focus.
type Focus = Option<(WlSurface, Point<f64, Logical>)>;

/// The hold, from the first pressed button to the last released one.
pub(super) struct Hold {
    start: GrabStartData<State>,
}

impl Hold {
    /// Holds the pointer on `focus`.
    pub(super) fn new(focus: Focus, button: u32, location: Point<f64, Logical>) -> Self {
        Self {
            start: GrabStartData {
                focus,
                button,
                location,
            },
        }
    }
}

/// A method of the trait that only passes on.
macro_rules! pass_on {
    ($($method:ident($event:ty)),* $(,)?) => {
        $(fn $method(
            &mut self,
            state: &mut State,
            handle: &mut PointerInnerHandle<'_, State>,
            event: $event,
        ) {
            handle.$method(state, event);
        })*
    };
}

impl PointerGrab<State> for Hold {
    fn motion(
        &mut self,
        state: &mut State,
        handle: &mut PointerInnerHandle<'_, State>,
        _: Focus,
        event: &MotionEvent,
    ) {
        let focus = self.start.focus.clone().map(|(surface, corner)| {
            let now = state.corner_of(&surface, event.location);
            (surface, now.unwrap_or(corner))
        });
        handle.motion(state, focus, event);
    }

    fn relative_motion(
        &mut self,
        state: &mut State,
        handle: &mut PointerInnerHandle<'_, State>,
        focus: Focus,
        event: &RelativeMotionEvent,
    ) {
        handle.relative_motion(state, focus, event);
    }

    fn button(
        &mut self,
        state: &mut State,
        handle: &mut PointerInnerHandle<'_, State>,
        event: &ButtonEvent,
    ) {
        handle.button(state, event);
        if handle.current_pressed().is_empty() {
            handle.unset_grab(self, state, event.serial, event.time, false);
        }
    }

    fn frame(&mut self, state: &mut State, handle: &mut PointerInnerHandle<'_, State>) {
        handle.frame(state);
    }

    pass_on!(
        axis(AxisFrame),
        gesture_swipe_begin(&GestureSwipeBeginEvent),
        gesture_swipe_update(&GestureSwipeUpdateEvent),
        gesture_swipe_end(&GestureSwipeEndEvent),
        gesture_pinch_begin(&GesturePinchBeginEvent),
        gesture_pinch_update(&GesturePinchUpdateEvent),
        gesture_pinch_end(&GesturePinchEndEvent),
        gesture_hold_begin(&GestureHoldBeginEvent),
        gesture_hold_end(&GestureHoldEndEvent),
    );

    fn start_data(&self) -> &GrabStartData<State> {
        &self.start
    }

    fn unset(&mut self, _: &mut State) {}
}
