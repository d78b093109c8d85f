//! Which devices there are, and which monitor each belongs to.

use std::collections::HashMap;

use config::input::Kind;
use smithay::{
    backend::input::{Device, DeviceCapability},
    utils::{Logical, Rectangle},
    wayland::tablet_manager::TabletDescriptor,
};

use crate::state::State;

/// The devices of the seat.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// By their ids.
    known: HashMap<String, Known>,
    /// The seat is somebody else's for a while. Its devices go and come back, which is no news for
    /// windows.
    pub(super) away: bool,
}

#[derive(Debug)]
struct Known {
    name: String,
    is_touch: bool,
    is_tablet: bool,
}

/// What a device's positions mean without a word about it in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All monitors together.
    Everything,
    /// The one that it is built into: that of a laptop, or the first.
    OneMonitor,
}

/// What kind of device it is, as far as settings tell devices apart.
pub(super) fn kind<D: Device>(device: &D) -> Kind {
    if device.has_capability(DeviceCapability::TabletTool) {
        Kind::Tablet
    } else if device.has_capability(DeviceCapability::Touch) {
        Kind::Touch
    } else if device.has_capability(DeviceCapability::Gesture) {
        Kind::Touchpad
    } else {
        Kind::Mouse
    }
}

impl State {
    /// A device was plugged in.
    pub(super) fn device_added<D: Device>(&mut self, device: &D) {
        let known = Known {
            name: device.name(),
            is_touch: device.has_capability(DeviceCapability::Touch),
            is_tablet: device.has_capability(DeviceCapability::TabletTool),
        };
        if known.is_touch && self.protocols.seat.get_touch().is_none() {
            self.protocols.seat.add_touch();
        }
        if known.is_tablet {
            self.add_tablet(&TabletDescriptor::from(device));
        }
        self.input.devices.known.insert(device.id(), known);
    }

    /// A device was unplugged.
    pub(super) fn device_removed<D: Device>(&mut self, device: &D) {
        let Some(known) = self.input.devices.known.remove(&device.id()) else {
            return;
        };
        if known.is_tablet {
            self.remove_tablet(&TabletDescriptor::from(device));
        }
        // A device that is still in the machine was taken away with the whole seat. Some seat
        // managers do that before they tell.
        let is_there = device.syspath().is_some_and(|path| path.exists());
        if known.is_touch && !is_there && !self.input.devices.away {
            self.forget_touch();
        }
    }

    /// Windows need not listen to touch screens if there is none.
    pub(super) fn forget_touch(&mut self) {
        let known = &self.input.devices.known;
        if !known.values().any(|device| device.is_touch) {
            self.cancel_touches();
            self.protocols.seat.remove_touch();
        }
    }

    /// The part of the layout that the positions of a device with this name mean.
    pub(super) fn area_of(&self, name: &str, reach: Reach) -> Option<Rectangle<f64, Logical>> {
        let layout = self.layout();
        let known = &self.input.devices.known;
        let device = known.values().find(|device| device.name == name);
        let kind = match device {
            Some(device) if device.is_tablet => Kind::Tablet,
            Some(device) if device.is_touch => Kind::Touch,
            _ => Kind::Mouse,
        };
        let settings = self.input.settings.for_device(name, kind);
        let mapped = settings
            .map_to_output
            .and_then(|output| layout.monitor(self.outputs.named(&output)?).copied());
        let monitor = match (mapped, reach) {
            (Some(monitor), _) => Some(monitor),
            (None, Reach::Everything) => return layout.bounds(),
            (None, Reach::OneMonitor) => self.built_in(&layout).or(layout.first().copied()),
        };
        monitor.map(|monitor| monitor.area)
    }

    /// The monitor that is built into the machine.
    fn built_in(&self, layout: &super::layout::Layout) -> Option<super::layout::Monitor> {
        let (id, _) = self.outputs.iter().find(|(_, output)| {
            let name = output.name();
            ["eDP-", "LVDS-", "DSI-"]
                .iter()
                .any(|connector| name.starts_with(connector))
        })?;
        layout.monitor(id).copied()
    }
}
