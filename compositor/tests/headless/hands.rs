//! Hands for tests: an input back-end whose devices do what a test says.

use std::path::PathBuf;

use compositor::state::State;
use smithay::backend::input::{
    AbsolutePositionEvent, Axis, AxisRelativeDirection, AxisSource, ButtonState, Device,
    DeviceCapability, Event, GestureBeginEvent, GestureEndEvent, GestureHoldBeginEvent,
    GestureHoldEndEvent, GesturePinchBeginEvent, GesturePinchEndEvent, GesturePinchUpdateEvent,
    GestureSwipeBeginEvent, GestureSwipeEndEvent, GestureSwipeUpdateEvent, InputBackend,
    InputEvent, KeyState, KeyboardKeyEvent, Keycode, PointerAxisEvent, PointerButtonEvent,
    PointerMotionAbsoluteEvent, PointerMotionEvent, ProximityState, TabletToolAxisEvent,
    TabletToolButtonEvent, TabletToolCapabilities, TabletToolDescriptor, TabletToolEvent,
    TabletToolProximityEvent, TabletToolTipEvent, TabletToolTipState, TabletToolType,
    TouchCancelEvent, TouchDownEvent, TouchEvent, TouchFrameEvent, TouchMotionEvent, TouchSlot,
    TouchUpEvent, UnusedEvent,
};

/// Key codes as in `linux/input-event-codes.h`.
pub mod keys {
    pub const ESC: u32 = 1;
    pub const TAB: u32 = 15;
    pub const LEFT_CTRL: u32 = 29;
    pub const A: u32 = 30;
    pub const LEFT_SHIFT: u32 = 42;
    pub const LEFT_ALT: u32 = 56;
    pub const CAPS_LOCK: u32 = 58;
    pub const F2: u32 = 60;
    pub const LEFT_META: u32 = 125;
    pub const BTN_LEFT: u32 = 0x110;
    pub const BTN_RIGHT: u32 = 0x111;
    pub const BTN_STYLUS: u32 = 0x14b;
}

/// The back-end.
#[derive(Debug)]
pub struct Hands;

/// A device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gadget {
    pub name: &'static str,
    pub is: &'static [Can],
}

/// What a device can do; smithay's own type has no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Can {
    Type,
    Point,
    Touch,
    Draw,
    Gesture,
}

pub const KEYBOARD: Gadget = Gadget {
    name: "keyboard",
    is: &[Can::Type],
};
pub const MOUSE: Gadget = Gadget {
    name: "mouse",
    is: &[Can::Point],
};
pub const TOUCHPAD: Gadget = Gadget {
    name: "touchpad",
    is: &[Can::Point, Can::Gesture],
};
pub const TOUCH_SCREEN: Gadget = Gadget {
    name: "touch screen",
    is: &[Can::Touch],
};
pub const TABLET: Gadget = Gadget {
    name: "tablet",
    is: &[Can::Draw],
};

impl Device for Gadget {
    fn id(&self) -> String {
        self.name.to_owned()
    }

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn has_capability(&self, capability: DeviceCapability) -> bool {
        let can = match capability {
            DeviceCapability::Keyboard => Can::Type,
            DeviceCapability::Pointer => Can::Point,
            DeviceCapability::Touch => Can::Touch,
            DeviceCapability::TabletTool => Can::Draw,
            DeviceCapability::Gesture => Can::Gesture,
            _ => return false,
        };
        self.is.contains(&can)
    }

    fn usb_id(&self) -> Option<(u32, u32)> {
        None
    }

    fn syspath(&self) -> Option<PathBuf> {
        None
    }
}

/// Something that a device does. One type for all: each kind of event looks at its own fields.
#[derive(Debug, Clone)]
pub struct Deed {
    pub device: Gadget,
    /// Microseconds.
    pub time: u64,
    /// A key or a button.
    pub code: u32,
    pub pressed: bool,
    /// How many keyboards hold the key.
    pub count: u32,
    /// A position, from 0 to 1 across and down the device.
    pub at: (f64, f64),
    pub delta: (f64, f64),
    pub unaccelerated: (f64, f64),
    /// Across and down.
    pub scroll: [Option<f64>; 2],
    pub units: [Option<f64>; 2],
    pub source: AxisSource,
    pub inverted: bool,
    pub slot: u32,
    /// Of a pen: it is near, or its tip is down.
    pub near: bool,
    pub pressure: Option<f64>,
    pub tilt: Option<(f64, f64)>,
    pub fingers: u32,
    pub scale: f64,
    pub rotation: f64,
    pub cancelled: bool,
}

impl Deed {
    pub fn of(device: Gadget) -> Self {
        Self {
            device,
            time: 5_000,
            code: 0,
            pressed: false,
            count: 0,
            at: (0.0, 0.0),
            delta: (0.0, 0.0),
            unaccelerated: (0.0, 0.0),
            scroll: [None; 2],
            units: [None; 2],
            source: AxisSource::Wheel,
            inverted: false,
            slot: 0,
            near: true,
            pressure: None,
            tilt: None,
            fingers: 0,
            scale: 1.0,
            rotation: 0.0,
            cancelled: false,
        }
    }
}

/// A test's own hands.
pub trait WithHands {
    fn does(&mut self, event: InputEvent<Hands>);

    fn plug(&mut self, device: Gadget) {
        self.does(InputEvent::DeviceAdded { device });
    }

    fn unplug(&mut self, device: Gadget) {
        self.does(InputEvent::DeviceRemoved { device });
    }

    fn key(&mut self, code: u32, pressed: bool) {
        let event = Deed {
            code,
            pressed,
            count: u32::from(pressed),
            ..Deed::of(KEYBOARD)
        };
        self.does(InputEvent::Keyboard { event });
    }

    /// Presses keys one after another and lets go of them in the opposite order.
    fn chord(&mut self, codes: &[u32]) {
        for code in codes {
            self.key(*code, true);
        }
        for code in codes.iter().rev() {
            self.key(*code, false);
        }
    }

    fn move_by(&mut self, x: f64, y: f64) {
        let event = Deed {
            delta: (x, y),
            unaccelerated: (x / 2.0, y / 2.0),
            ..Deed::of(MOUSE)
        };
        self.does(InputEvent::PointerMotion { event });
    }

    fn move_to(&mut self, x: f64, y: f64) {
        let event = Deed {
            at: (x, y),
            ..Deed::of(MOUSE)
        };
        self.does(InputEvent::PointerMotionAbsolute { event });
    }

    fn button(&mut self, code: u32, pressed: bool) {
        let event = Deed {
            code,
            pressed,
            ..Deed::of(MOUSE)
        };
        self.does(InputEvent::PointerButton { event });
    }

    fn click(&mut self, code: u32) {
        self.button(code, true);
        self.button(code, false);
    }
}

impl WithHands for State {
    fn does(&mut self, event: InputEvent<Hands>) {
        self.handle_input(event);
    }
}

impl Event<Hands> for Deed {
    fn time(&self) -> u64 {
        self.time
    }

    fn device(&self) -> Gadget {
        self.device
    }
}

impl KeyboardKeyEvent<Hands> for Deed {
    fn key_code(&self) -> Keycode {
        Keycode::new(self.code + 8)
    }

    fn state(&self) -> KeyState {
        if self.pressed {
            KeyState::Pressed
        } else {
            KeyState::Released
        }
    }

    fn count(&self) -> u32 {
        self.count
    }
}

fn button_state(pressed: bool) -> ButtonState {
    if pressed {
        ButtonState::Pressed
    } else {
        ButtonState::Released
    }
}

impl PointerButtonEvent<Hands> for Deed {
    fn button_code(&self) -> u32 {
        self.code
    }

    fn state(&self) -> ButtonState {
        button_state(self.pressed)
    }
}

impl PointerMotionEvent<Hands> for Deed {
    fn delta_x(&self) -> f64 {
        self.delta.0
    }

    fn delta_y(&self) -> f64 {
        self.delta.1
    }

    fn delta_x_unaccel(&self) -> f64 {
        self.unaccelerated.0
    }

    fn delta_y_unaccel(&self) -> f64 {
        self.unaccelerated.1
    }
}

fn axis_index(axis: Axis) -> usize {
    match axis {
        Axis::Horizontal => 0,
        Axis::Vertical => 1,
    }
}

impl PointerAxisEvent<Hands> for Deed {
    fn amount(&self, axis: Axis) -> Option<f64> {
        self.scroll[axis_index(axis)]
    }

    fn amount_v120(&self, axis: Axis) -> Option<f64> {
        self.units[axis_index(axis)]
    }

    fn source(&self) -> AxisSource {
        self.source
    }

    fn relative_direction(&self, _: Axis) -> AxisRelativeDirection {
        if self.inverted {
            AxisRelativeDirection::Inverted
        } else {
            AxisRelativeDirection::Identical
        }
    }
}

impl AbsolutePositionEvent<Hands> for Deed {
    fn x(&self) -> f64 {
        self.at.0
    }

    fn y(&self) -> f64 {
        self.at.1
    }

    fn x_transformed(&self, width: i32) -> f64 {
        self.at.0 * f64::from(width)
    }

    fn y_transformed(&self, height: i32) -> f64 {
        self.at.1 * f64::from(height)
    }
}

impl TouchEvent<Hands> for Deed {
    fn slot(&self) -> TouchSlot {
        Some(self.slot).into()
    }
}

impl GestureBeginEvent<Hands> for Deed {
    fn fingers(&self) -> u32 {
        self.fingers
    }
}

impl GestureEndEvent<Hands> for Deed {
    fn cancelled(&self) -> bool {
        self.cancelled
    }
}

impl GestureSwipeUpdateEvent<Hands> for Deed {
    fn delta_x(&self) -> f64 {
        self.delta.0
    }

    fn delta_y(&self) -> f64 {
        self.delta.1
    }
}

impl GesturePinchUpdateEvent<Hands> for Deed {
    fn delta_x(&self) -> f64 {
        self.delta.0
    }

    fn delta_y(&self) -> f64 {
        self.delta.1
    }

    fn scale(&self) -> f64 {
        self.scale
    }

    fn rotation(&self) -> f64 {
        self.rotation
    }
}

impl TabletToolEvent<Hands> for Deed {
    fn tool(&self) -> TabletToolDescriptor {
        TabletToolDescriptor {
            tool_type: TabletToolType::Pen,
            hardware_serial: 7,
            hardware_id_wacom: 0,
            capabilities: TabletToolCapabilities::PRESSURE | TabletToolCapabilities::TILT,
        }
    }

    fn delta_x(&self) -> f64 {
        self.delta.0
    }

    fn delta_y(&self) -> f64 {
        self.delta.1
    }

    fn distance(&self) -> f64 {
        0.0
    }

    fn distance_has_changed(&self) -> bool {
        false
    }

    fn pressure(&self) -> f64 {
        self.pressure.unwrap_or_default()
    }

    fn pressure_has_changed(&self) -> bool {
        self.pressure.is_some()
    }

    fn slider_position(&self) -> f64 {
        0.0
    }

    fn slider_has_changed(&self) -> bool {
        false
    }

    fn tilt_x(&self) -> f64 {
        self.tilt.unwrap_or_default().0
    }

    fn tilt_x_has_changed(&self) -> bool {
        self.tilt.is_some()
    }

    fn tilt_y(&self) -> f64 {
        self.tilt.unwrap_or_default().1
    }

    fn tilt_y_has_changed(&self) -> bool {
        self.tilt.is_some()
    }

    fn rotation(&self) -> f64 {
        0.0
    }

    fn rotation_has_changed(&self) -> bool {
        false
    }

    fn wheel_delta(&self) -> f64 {
        0.0
    }

    fn wheel_delta_discrete(&self) -> i32 {
        0
    }

    fn wheel_has_changed(&self) -> bool {
        false
    }
}

impl TabletToolProximityEvent<Hands> for Deed {
    fn state(&self) -> ProximityState {
        if self.near {
            ProximityState::In
        } else {
            ProximityState::Out
        }
    }
}

impl TabletToolTipEvent<Hands> for Deed {
    fn tip_state(&self) -> TabletToolTipState {
        if self.pressed {
            TabletToolTipState::Down
        } else {
            TabletToolTipState::Up
        }
    }
}

impl TabletToolButtonEvent<Hands> for Deed {
    fn button(&self) -> u32 {
        self.code
    }

    fn seat_button_count(&self) -> u32 {
        self.count
    }

    fn button_state(&self) -> ButtonState {
        button_state(self.pressed)
    }
}

impl PointerMotionAbsoluteEvent<Hands> for Deed {}
impl TouchDownEvent<Hands> for Deed {}
impl TouchUpEvent<Hands> for Deed {}
impl TouchMotionEvent<Hands> for Deed {}
impl TouchCancelEvent<Hands> for Deed {}
impl TouchFrameEvent<Hands> for Deed {}
impl TabletToolAxisEvent<Hands> for Deed {}
impl GestureSwipeBeginEvent<Hands> for Deed {}
impl GestureSwipeEndEvent<Hands> for Deed {}
impl GesturePinchBeginEvent<Hands> for Deed {}
impl GesturePinchEndEvent<Hands> for Deed {}
impl GestureHoldBeginEvent<Hands> for Deed {}
impl GestureHoldEndEvent<Hands> for Deed {}

impl InputBackend for Hands {
    type Device = Gadget;
    type KeyboardKeyEvent = Deed;
    type PointerAxisEvent = Deed;
    type PointerButtonEvent = Deed;
    type PointerMotionEvent = Deed;
    type PointerMotionAbsoluteEvent = Deed;
    type GestureSwipeBeginEvent = Deed;
    type GestureSwipeUpdateEvent = Deed;
    type GestureSwipeEndEvent = Deed;
    type GesturePinchBeginEvent = Deed;
    type GesturePinchUpdateEvent = Deed;
    type GesturePinchEndEvent = Deed;
    type GestureHoldBeginEvent = Deed;
    type GestureHoldEndEvent = Deed;
    type TouchDownEvent = Deed;
    type TouchUpEvent = Deed;
    type TouchMotionEvent = Deed;
    type TouchCancelEvent = Deed;
    type TouchFrameEvent = Deed;
    type TabletToolAxisEvent = Deed;
    type TabletToolProximityEvent = Deed;
    type TabletToolTipEvent = Deed;
    type TabletToolButtonEvent = Deed;
    type SwitchToggleEvent = UnusedEvent;
    type SpecialEvent = UnusedEvent;
}
