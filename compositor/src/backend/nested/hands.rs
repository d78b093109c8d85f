//! What hands do in the window, as devices would tell it.
//!
//! smithay's winit back-end has one device for everything, which claims to be a touch screen
//! wherever it is; counts all pressed keys where how many keyboards hold *this* key is meant;
//! divides heights by widths; and never ends a touch frame. So its events are taken apart and told
//! anew, by two devices: one of keys and a pointer, and a touch screen from the first finger on.

use std::path::PathBuf;

use smithay::{
    backend::{
        input::{
            AbsolutePositionEvent, Axis, AxisRelativeDirection, AxisSource, ButtonState, Device,
            DeviceCapability, Event, InputBackend, InputEvent, KeyState, KeyboardKeyEvent, Keycode,
            PointerAxisEvent, PointerButtonEvent, PointerMotionAbsoluteEvent, TouchCancelEvent,
            TouchDownEvent, TouchEvent, TouchFrameEvent, TouchMotionEvent, TouchSlot, TouchUpEvent,
            UnusedEvent,
        },
        winit::{
            WinitInput, WinitKeyboardInputEvent, WinitMouseInputEvent, WinitMouseMovedEvent,
            WinitMouseWheelEvent, WinitTouchCancelledEvent, WinitTouchEndedEvent,
            WinitTouchMovedEvent, WinitTouchStartedEvent,
        },
    },
    utils::{Physical, Size},
};

/// The back-end.
#[derive(Debug)]
pub(super) struct Hands;

/// A device of the window's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum WindowDevice {
    /// The host's keyboard and pointer.
    Desk,
    /// The host's touch screen.
    Touch,
}

impl Device for WindowDevice {
    fn id(&self) -> String {
        self.name()
    }

    fn name(&self) -> String {
        match self {
            Self::Desk => "window".to_owned(),
            Self::Touch => "window touch".to_owned(),
        }
    }

    fn has_capability(&self, capability: DeviceCapability) -> bool {
        match self {
            Self::Desk => matches!(
                capability,
                DeviceCapability::Keyboard | DeviceCapability::Pointer
            ),
            Self::Touch => capability == DeviceCapability::Touch,
        }
    }

    fn usb_id(&self) -> Option<(u32, u32)> {
        None
    }

    fn syspath(&self) -> Option<PathBuf> {
        None
    }
}

/// An event of smithay's in a window of this size.
#[derive(Debug, Clone)]
pub(super) struct In<E> {
    event: E,
    window: Size<f64, Physical>,
}

/// The end of what fingers did at once.
#[derive(Debug, Clone)]
pub(super) struct FrameEnd {
    time: u64,
}

/// What an event of smithay's is in the words of this room's devices, and what has to follow it.
/// `None` for what says nothing.
pub(super) fn told(
    event: InputEvent<WinitInput>,
    window: Size<i32, Physical>,
) -> Option<(InputEvent<Hands>, Option<InputEvent<Hands>>)> {
    let window = window.to_f64();
    let frame_end = |time: u64| {
        let event = FrameEnd { time };
        Some(InputEvent::TouchFrame { event })
    };
    let told = match event {
        InputEvent::Keyboard { event } => {
            let event = In { event, window };
            (InputEvent::Keyboard { event }, None)
        }
        InputEvent::PointerMotionAbsolute { event } => {
            let event = In { event, window };
            (InputEvent::PointerMotionAbsolute { event }, None)
        }
        InputEvent::PointerButton { event } => {
            let event = In { event, window };
            (InputEvent::PointerButton { event }, None)
        }
        InputEvent::PointerAxis { event } => {
            let event = In { event, window };
            (InputEvent::PointerAxis { event }, None)
        }
        InputEvent::TouchDown { event } => {
            let end = frame_end(event.time());
            let event = In { event, window };
            (InputEvent::TouchDown { event }, end)
        }
        InputEvent::TouchMotion { event } => {
            let end = frame_end(event.time());
            let event = In { event, window };
            (InputEvent::TouchMotion { event }, end)
        }
        InputEvent::TouchUp { event } => {
            let end = frame_end(event.time());
            let event = In { event, window };
            (InputEvent::TouchUp { event }, end)
        }
        InputEvent::TouchCancel { event } => {
            let event = In { event, window };
            (InputEvent::TouchCancel { event }, None)
        }
        // Its one device, and what it has no events for.
        _ => return None,
    };
    Some(told)
}

impl InputBackend for Hands {
    type Device = WindowDevice;
    type KeyboardKeyEvent = In<WinitKeyboardInputEvent>;
    type PointerAxisEvent = In<WinitMouseWheelEvent>;
    type PointerButtonEvent = In<WinitMouseInputEvent>;
    type PointerMotionEvent = UnusedEvent;
    type PointerMotionAbsoluteEvent = In<WinitMouseMovedEvent>;
    type GestureSwipeBeginEvent = UnusedEvent;
    type GestureSwipeUpdateEvent = UnusedEvent;
    type GestureSwipeEndEvent = UnusedEvent;
    type GesturePinchBeginEvent = UnusedEvent;
    type GesturePinchUpdateEvent = UnusedEvent;
    type GesturePinchEndEvent = UnusedEvent;
    type GestureHoldBeginEvent = UnusedEvent;
    type GestureHoldEndEvent = UnusedEvent;
    type TouchDownEvent = In<WinitTouchStartedEvent>;
    type TouchUpEvent = In<WinitTouchEndedEvent>;
    type TouchMotionEvent = In<WinitTouchMovedEvent>;
    type TouchCancelEvent = In<WinitTouchCancelledEvent>;
    type TouchFrameEvent = FrameEnd;
    type TabletToolAxisEvent = UnusedEvent;
    type TabletToolProximityEvent = UnusedEvent;
    type TabletToolTipEvent = UnusedEvent;
    type TabletToolButtonEvent = UnusedEvent;
    type SwitchToggleEvent = UnusedEvent;
    type SpecialEvent = UnusedEvent;
}

/// The device of each kind of event.
macro_rules! from_device {
    ($device:ident: $($event:ty),* $(,)?) => {
        $(impl Event<Hands> for In<$event> {
            fn time(&self) -> u64 {
                self.event.time()
            }

            fn device(&self) -> WindowDevice {
                WindowDevice::$device
            }
        })*
    };
}

from_device!(
    Desk: WinitKeyboardInputEvent,
    WinitMouseWheelEvent,
    WinitMouseInputEvent,
    WinitMouseMovedEvent,
);
from_device!(
    Touch: WinitTouchStartedEvent,
    WinitTouchMovedEvent,
    WinitTouchEndedEvent,
    WinitTouchCancelledEvent,
);

impl Event<Hands> for FrameEnd {
    fn time(&self) -> u64 {
        self.time
    }

    fn device(&self) -> WindowDevice {
        WindowDevice::Touch
    }
}

impl TouchFrameEvent<Hands> for FrameEnd {}

impl KeyboardKeyEvent<Hands> for In<WinitKeyboardInputEvent> {
    fn key_code(&self) -> Keycode {
        self.event.key_code()
    }

    fn state(&self) -> KeyState {
        self.event.state()
    }

    fn count(&self) -> u32 {
        // The host tells a key once, however many of its keyboards hold it.
        u32::from(self.state() == KeyState::Pressed)
    }
}

impl PointerButtonEvent<Hands> for In<WinitMouseInputEvent> {
    fn button_code(&self) -> u32 {
        self.event.button_code()
    }

    fn state(&self) -> ButtonState {
        self.event.state()
    }
}

impl PointerAxisEvent<Hands> for In<WinitMouseWheelEvent> {
    fn amount(&self, axis: Axis) -> Option<f64> {
        self.event.amount(axis)
    }

    fn amount_v120(&self, axis: Axis) -> Option<f64> {
        self.event.amount_v120(axis)
    }

    fn source(&self) -> AxisSource {
        self.event.source()
    }

    fn relative_direction(&self, axis: Axis) -> AxisRelativeDirection {
        self.event.relative_direction(axis)
    }
}

/// Where in a window of this length something is that is at this pixel of it, in a picture of that
/// length.
fn scaled(pixel: f64, window: f64, picture: i32) -> f64 {
    (pixel / window.max(1.0)).clamp(0.0, 1.0) * f64::from(picture)
}

macro_rules! at_a_pixel {
    ($($event:ty),* $(,)?) => {
        $(impl AbsolutePositionEvent<Hands> for In<$event> {
            fn x(&self) -> f64 {
                self.event.x()
            }

            fn y(&self) -> f64 {
                self.event.y()
            }

            fn x_transformed(&self, width: i32) -> f64 {
                scaled(self.x(), self.window.w, width)
            }

            fn y_transformed(&self, height: i32) -> f64 {
                scaled(self.y(), self.window.h, height)
            }
        })*
    };
}

at_a_pixel!(
    WinitMouseMovedEvent,
    WinitTouchStartedEvent,
    WinitTouchMovedEvent
);

impl PointerMotionAbsoluteEvent<Hands> for In<WinitMouseMovedEvent> {}

macro_rules! of_a_finger {
    ($($event:ty),* $(,)?) => {
        $(impl TouchEvent<Hands> for In<$event> {
            fn slot(&self) -> TouchSlot {
                self.event.slot()
            }
        })*
    };
}

of_a_finger!(
    WinitTouchStartedEvent,
    WinitTouchMovedEvent,
    WinitTouchEndedEvent,
    WinitTouchCancelledEvent,
);

impl TouchDownEvent<Hands> for In<WinitTouchStartedEvent> {}
impl TouchMotionEvent<Hands> for In<WinitTouchMovedEvent> {}
impl TouchUpEvent<Hands> for In<WinitTouchEndedEvent> {}
impl TouchCancelEvent<Hands> for In<WinitTouchCancelledEvent> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_of_the_window_is_a_point_of_the_picture() {
        assert_eq!(scaled(400.0, 800.0, 1600), 800.0);
        assert_eq!(scaled(-3.0, 800.0, 1600), 0.0, "dragged out of the window");
        assert_eq!(scaled(900.0, 800.0, 1600), 1600.0);
        assert_eq!(scaled(0.0, 0.0, 1600), 0.0);
    }

    #[test]
    fn a_touch_screen_is_a_device_of_its_own() {
        assert!(WindowDevice::Touch.has_capability(DeviceCapability::Touch));
        assert!(!WindowDevice::Desk.has_capability(DeviceCapability::Touch));
        assert_ne!(WindowDevice::Touch.id(), WindowDevice::Desk.id());
    }
}
