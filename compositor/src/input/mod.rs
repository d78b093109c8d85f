//! Hands: keyboards, pointers, touch screens and tablets, and what becomes of what they do.
//!
//! [`State::handle_input`] takes events of any back-end of smithay's; `libinput` is the one of
//! real devices, a window in another session has its own, and so have tests. From there an event goes to the kiosk's own
//! `shortcuts`, or to the window under the pointer, the finger or the keyboard's focus. What no
//! window decides is decided here: where the pointer is (`layout`) and whether it is shown, and
//! whether anybody is there at all (`idle`).
//!
//! This room knows windows as surfaces at points. It must not know guests' devices, nor how a
//! picture gets on a monitor.

mod actions;
mod constraints;
mod denied;
mod device;
mod gestures;
mod hold;
mod idle;
mod image;
mod keyboard;
mod layout;
mod leds;
mod libinput;
mod pointer;
mod shortcuts;
mod sleep;
mod tablet;
mod target;
mod touch;

use std::time::Duration;

use calloop::LoopHandle;
use config::input::Input as Settings;
use smithay::backend::{
    input::{InputBackend, InputEvent, KeyState, KeyboardKeyEvent as _},
    session::Session,
};

pub(crate) use idle::Heeds;
use libinput::Libinput;
pub use libinput::OpenError;

use crate::state::{HasState, State};

/// What is known of hands.
#[derive(Debug)]
pub struct Input {
    settings: Settings,
    /// Whether the kiosk's own keys are taken from the keyboard.
    shortcuts: bool,
    keys: keyboard::Keys,
    pointer: pointer::Pointer,
    touches: touch::Touches,
    tools: tablet::Tools,
    devices: device::Devices,
    leds: leds::Leds,
    sleep: sleep::Sleep,
    libinput: Option<Libinput>,
}

/// What an event did to the screens before anybody else heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woke {
    /// They were lit.
    Nothing,
    /// They were dark; the event has done its work.
    Screens,
}

/// A time as events have it: milliseconds that wrap around.
fn millis(time: Duration) -> u32 {
    (time.as_millis() & u128::from(u32::MAX))
        .try_into()
        .unwrap_or_default()
}

impl Input {
    /// No devices yet, and default settings.
    pub(crate) fn new<D: HasState>(handle: &LoopHandle<'static, D>) -> Self {
        Self {
            settings: Settings::default(),
            shortcuts: false,
            keys: keyboard::Keys::default(),
            pointer: pointer::Pointer::default(),
            touches: touch::Touches::default(),
            tools: tablet::Tools::default(),
            devices: device::Devices::default(),
            leds: leds::Leds::default(),
            sleep: sleep::Sleep::new(handle),
            libinput: None,
        }
    }
}

impl State {
    /// Takes settings over: of the keyboard at once, of other devices when they are plugged in.
    pub fn set_input(&mut self, settings: Settings) {
        self.set_keyboard(&settings.keyboard);
        self.input.settings = settings;
    }

    /// Whether the kiosk's own keys are taken from the keyboard, and where they are not, reach
    /// windows like any others.
    pub fn use_shortcuts(&mut self, on: bool) {
        self.input.shortcuts = on;
    }

    /// Takes input as a kiosk does: from the devices of a session's seat, and with keys of its own.
    ///
    /// # Errors
    /// There is no such seat, or no more file descriptors.
    pub fn take_input<D: HasState>(
        &mut self,
        settings: Settings,
        session: impl Session + 'static,
        handle: &LoopHandle<'static, D>,
    ) -> Result<(), OpenError> {
        self.set_input(settings);
        self.use_shortcuts(true);
        self.input.libinput = Some(Libinput::open(session, handle)?);
        self.devices_changed();
        Ok(())
    }

    /// Something was done to a device, or a device came or went.
    pub fn handle_input<B: InputBackend>(&mut self, event: InputEvent<B>) {
        let woke = if is_activity(&event) {
            self.touched()
        } else {
            Woke::Nothing
        };
        match event {
            InputEvent::DeviceAdded { device } => self.device_added(&device),
            InputEvent::DeviceRemoved { device } => self.device_removed(&device),
            InputEvent::Keyboard { event } => self.key::<B>(&event, woke),
            InputEvent::PointerButton { event } => self.button::<B>(&event, woke),
            InputEvent::TouchUp { event } => self.touch_up::<B>(&event),
            InputEvent::TouchCancel { .. } => self.cancel_touches(),
            InputEvent::TouchFrame { .. } => self.touch_frame(),
            InputEvent::TabletToolProximity { event } => self.tool_proximity::<B>(&event),
            InputEvent::TabletToolTip { event } => self.tool_tip::<B>(&event, woke),
            InputEvent::TabletToolButton { event } => self.tool_button::<B>(&event, woke),
            // The rest does no harm if it is lost, and must not reach a window when nobody could
            // see where it goes.
            _ if woke == Woke::Screens => {}
            InputEvent::PointerMotion { event } => self.motion::<B>(&event),
            InputEvent::PointerMotionAbsolute { event } => self.absolute_motion::<B>(&event),
            InputEvent::PointerAxis { event } => self.axis::<B>(&event),
            InputEvent::TouchDown { event } => self.touch_down::<B>(&event),
            InputEvent::TouchMotion { event } => self.touch_motion::<B>(&event),
            InputEvent::TabletToolAxis { event } => self.tool_axis::<B>(&event),
            InputEvent::SwitchToggle { .. } | InputEvent::Special(_) => {}
            gesture => self.gesture(gesture),
        }
        self.settle();
    }

    /// Does what follows for hands from windows that came, went, moved or got the keyboard.
    pub(crate) fn settle_input(&mut self) {
        self.refresh_pointer();
        self.settle_constraint();
        self.settle_pointer_image();
        self.update_leds();
    }

    /// The seat goes to somebody else: devices are given up, and everything that is held is let
    /// go of, as far as windows are told. Whatever is still held when the seat comes back is not
    /// heard of until it is pressed anew.
    pub fn pause_input(&mut self) {
        self.input.devices.away = true;
        if let Some(libinput) = &mut self.input.libinput {
            libinput.suspend();
            self.devices_changed();
        }
        self.let_go();
        self.remove_tools();
    }

    /// Keys, buttons and fingers go to somebody else: what is held is let go of, and whatever is
    /// still held when they come back is not heard of until it is pressed anew.
    pub fn let_go(&mut self) {
        self.end_switching();
        self.release_keys();
        self.release_buttons();
        self.cancel_touches();
    }

    /// The seat has come back.
    pub fn resume_input(&mut self) {
        self.input.devices.away = false;
        if let Some(libinput) = &mut self.input.libinput {
            libinput.resume();
            self.devices_changed();
        }
        self.forget_touch();
        self.touched();
    }
}

/// Whether an event is a sign of life. To let go of something is none: what was pressed was.
fn is_activity<B: InputBackend>(event: &InputEvent<B>) -> bool {
    match event {
        InputEvent::DeviceAdded { .. }
        | InputEvent::DeviceRemoved { .. }
        | InputEvent::SwitchToggle { .. }
        | InputEvent::TouchUp { .. }
        | InputEvent::TouchCancel { .. }
        | InputEvent::TouchFrame { .. }
        | InputEvent::Special(_) => false,
        InputEvent::Keyboard { event } => event.state() == KeyState::Pressed,
        _ => true,
    }
}
