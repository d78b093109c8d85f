//! The devices of a seat, through libinput.

use std::fmt;

use calloop::LoopHandle;
use config::input::{AccelProfile, ClickMethod, Device as Settings, ScrollMethod};
use smithay::{
    backend::{
        input::{Device as _, InputEvent},
        libinput::{LibinputInputBackend, LibinputSessionInterface},
        session::Session,
    },
    input::keyboard::LedState,
    reexports::input::{
        self as libinput, AccelProfile as Profile, Device, DeviceCapability, DeviceConfigResult,
        Event, Led, ScrollMethod as Scroll, SendEventsMode,
        event::{DeviceEvent, EventTrait as _},
    },
};
use thiserror::Error;
use tracing::{debug, info, warn};

use super::device::kind;
use crate::state::{HasState, State};

/// Why no devices can be listened to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// libinput does not take the seat.
    #[error(
        "Could not listen to the input devices of the seat {0:?}. Check that udev runs and that the \
         seat is yours: `loginctl seat-status`"
    )]
    Seat(String),
    /// The event loop does not take libinput.
    #[error("Could not wait for input devices: {0}. Close some programs and try again")]
    Loop(String),
}

/// libinput, and its devices.
pub(super) struct Libinput {
    context: libinput::Libinput,
    keyboards: Vec<Device>,
    /// What their lights show.
    leds: Led,
}

impl fmt::Debug for Libinput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Libinput")
            .field("keyboards", &self.keyboards.len())
            .field("leds", &self.leds)
            .finish_non_exhaustive()
    }
}

impl Libinput {
    /// Opens the devices of a session's seat, and has a loop bring their events to
    /// [`State::handle_input`](crate::state::State::handle_input). Devices that are plugged in
    /// later come by themselves.
    ///
    /// # Errors
    /// There is no such seat, or no more file descriptors.
    pub(super) fn open<D: HasState>(
        session: impl Session + 'static,
        handle: &LoopHandle<'static, D>,
    ) -> Result<Self, OpenError> {
        let seat = session.seat();
        let interface = LibinputSessionInterface::from(session);
        let mut context = libinput::Libinput::new_with_udev(interface);
        context
            .udev_assign_seat(&seat)
            .map_err(|()| OpenError::Seat(seat))?;
        handle
            .insert_source(
                LibinputInputBackend::new(context.clone()),
                |mut event, (), data: &mut D| {
                    let state = data.state();
                    match &mut event {
                        InputEvent::DeviceAdded { device } => state.plugged_in(device),
                        InputEvent::DeviceRemoved { device } => state.unplugged(device),
                        _ => {}
                    }
                    state.handle_input(event);
                },
            )
            .map_err(|error| OpenError::Loop(error.error.to_string()))?;
        Ok(Self {
            context,
            keyboards: Vec::new(),
            leds: Led::empty(),
        })
    }

    pub(super) fn suspend(&mut self) {
        self.context.suspend();
    }

    pub(super) fn resume(&mut self) {
        if self.context.resume().is_err() {
            warn!(
                "Could not open the input devices again. Plug them out and in, or switch to \
                 another terminal and back"
            );
        }
    }

    pub(super) fn set_leds(&mut self, leds: LedState) {
        let leds = Led::from(leds);
        if leds != self.leds {
            self.leds = leds;
            for keyboard in &mut self.keyboards {
                keyboard.led_update(leds);
            }
        }
    }
}

impl State {
    /// Sees to devices that came and went because the seat did. libinput has them queued, and does
    /// not wake the loop up for that. What else is queued then was done to devices that are gone.
    pub(super) fn devices_changed(&mut self) {
        let Some(libinput) = &self.input.libinput else {
            return;
        };
        for event in libinput.context.clone() {
            match event {
                Event::Device(DeviceEvent::Added(event)) => {
                    let mut device = event.device();
                    self.plugged_in(&mut device);
                    self.handle_input::<LibinputInputBackend>(InputEvent::DeviceAdded { device });
                }
                Event::Device(DeviceEvent::Removed(event)) => {
                    let device = event.device();
                    self.unplugged(&device);
                    self.handle_input::<LibinputInputBackend>(InputEvent::DeviceRemoved { device });
                }
                _ => {}
            }
        }
    }

    fn plugged_in(&mut self, device: &mut Device) {
        let settings = self.input.settings.for_device(device.name(), kind(device));
        apply(device, &settings);
        if let Some(libinput) = &mut self.input.libinput
            && device.has_capability(DeviceCapability::Keyboard)
        {
            // It may come from another terminal, with that one's lights.
            device.led_update(libinput.leds);
            libinput.keyboards.push(device.clone());
        }
        info!("Input device {:?} ({})", device.name(), device.sysname());
    }

    fn unplugged(&mut self, device: &Device) {
        if let Some(libinput) = &mut self.input.libinput {
            libinput.keyboards.retain(|other| other != device);
        }
        debug!("Input device {:?} is gone", device.id());
    }
}

/// Has a device behave as the settings want it. What it can't do, it leaves.
fn apply(device: &mut Device, settings: &Settings) {
    let name = device.name().to_owned();
    let check = |key: &str, result: DeviceConfigResult| {
        if let Err(error) = result {
            debug!("{name:?} does not take {key}: {error:?}");
        }
    };
    if let Some(enabled) = settings.enabled {
        let mode = if enabled {
            SendEventsMode::ENABLED
        } else {
            SendEventsMode::DISABLED
        };
        check("enabled", device.config_send_events_set_mode(mode));
    }
    if let Some(on) = settings.tap {
        check("tap", device.config_tap_set_enabled(on));
    }
    if let Some(on) = settings.tap_drag {
        check("tap_drag", device.config_tap_set_drag_enabled(on));
    }
    if let Some(on) = settings.natural_scroll {
        check(
            "natural_scroll",
            device.config_scroll_set_natural_scroll_enabled(on),
        );
    }
    if let Some(on) = settings.left_handed {
        check("left_handed", device.config_left_handed_set(on));
    }
    if let Some(on) = settings.middle_emulation {
        check(
            "middle_emulation",
            device.config_middle_emulation_set_enabled(on),
        );
    }
    if let Some(on) = settings.disable_while_typing {
        check("disable_while_typing", device.config_dwt_set_enabled(on));
    }
    apply_speed(device, settings, &check);
    apply_methods(device, settings, &check);
    if let Some(matrix) = settings.calibration {
        check("calibration", device.config_calibration_set_matrix(matrix));
    }
}

fn apply_speed(
    device: &mut Device,
    settings: &Settings,
    check: &impl Fn(&str, DeviceConfigResult),
) {
    if let Some(speed) = settings.accel_speed {
        check("accel_speed", device.config_accel_set_speed(speed));
    }
    if let Some(profile) = settings.accel_profile {
        let profile = match profile {
            AccelProfile::Flat => Profile::Flat,
            AccelProfile::Adaptive => Profile::Adaptive,
        };
        check("accel_profile", device.config_accel_set_profile(profile));
    }
}

fn apply_methods(
    device: &mut Device,
    settings: &Settings,
    check: &impl Fn(&str, DeviceConfigResult),
) {
    if let Some(method) = settings.scroll_method {
        let method = match method {
            ScrollMethod::None => Scroll::NoScroll,
            ScrollMethod::TwoFinger => Scroll::TwoFinger,
            ScrollMethod::Edge => Scroll::Edge,
            ScrollMethod::OnButtonDown => Scroll::OnButtonDown,
        };
        check("scroll_method", device.config_scroll_set_method(method));
    }
    if let Some(button) = settings.scroll_button {
        check("scroll_button", device.config_scroll_set_button(button));
    }
    if let Some(method) = settings.click_method {
        let method = match method {
            ClickMethod::ButtonAreas => libinput::ClickMethod::ButtonAreas,
            ClickMethod::Clickfinger => libinput::ClickMethod::Clickfinger,
        };
        check("click_method", device.config_click_set_method(method));
    }
}
