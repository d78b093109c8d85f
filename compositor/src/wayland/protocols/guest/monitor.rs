//! What guests' devices are told about the monitors that their scanouts are on.

use protocols::wayland::server::lucarne_guest_scanout_v1::{Extent, LucarneGuestScanoutV1};
use smithay::{reexports::wayland_server::Resource, utils::Transform};

use super::scanout::Scanout;
use crate::{backend::HostOutput, state::State};

/// All that is told in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Announcement {
    /// The scanout is on this monitor.
    On(Monitor),
    /// There is none for it.
    Unplugged,
}

/// What a device is told of a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Monitor {
    make: String,
    model: String,
    serial: String,
    /// Millimetres, as the picture is turned.
    millimetres: (u32, u32),
    /// Pixels, as the picture is turned.
    pixels: (u32, u32),
    millihertz: u32,
    extent: Extent,
}

impl Monitor {
    fn new(output: &HostOutput, extent: Extent) -> Self {
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        let monitor = output.monitor();
        let (width, height) = monitor.millimetres;
        let on_its_side = matches!(
            monitor.transform,
            Transform::_90 | Transform::_270 | Transform::Flipped90 | Transform::Flipped270
        );
        let millimetres = match on_its_side {
            true => (number(height), number(width)),
            false => (number(width), number(height)),
        };
        let pixels = output.size();
        Self {
            make: text(&monitor.make),
            model: text(&monitor.model),
            serial: text(&monitor.serial),
            millimetres,
            pixels: (number(pixels.w), number(pixels.h)),
            millihertz: output.millihertz(),
            extent,
        }
    }

    fn send(self, scanout: &LucarneGuestScanoutV1) {
        let (width, height) = self.millimetres;
        scanout.monitor(self.make, self.model, self.serial, width, height);
        let (width, height) = self.pixels;
        scanout.mode(width, height, self.millihertz, self.extent);
    }
}

impl Announcement {
    fn send(self, scanout: &LucarneGuestScanoutV1) {
        match self {
            Self::On(monitor) => monitor.send(scanout),
            Self::Unplugged => scanout.unplugged(),
        }
        scanout.done();
    }
}

/// Texts come from monitors and configurations; a zero byte can't travel in a Wayland string, and
/// nothing in an EDID is nearly as long as a Wayland message.
fn text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

impl State {
    /// Tells devices about the monitors of their scanouts, as far as these have changed. Cheap
    /// where nothing has, so that it is called after everything that may have changed something.
    pub(crate) fn announce_monitors(&mut self) {
        for scanout in self.protocols.guests.scanouts.iter() {
            self.announce_monitor(scanout);
        }
    }

    pub(super) fn announce_monitor(&self, scanout: &LucarneGuestScanoutV1) {
        let Some(data) = scanout.data::<Scanout>() else {
            return;
        };
        let announcement = match self.output_of(data) {
            Some(output) => {
                let extent = match self.windows.desktop.fills_monitors(&data.guest) {
                    true => Extent::Whole,
                    false => Extent::Part,
                };
                Announcement::On(Monitor::new(output, extent))
            }
            None => Announcement::Unplugged,
        };
        if data.is_news(&announcement) {
            announcement.send(scanout);
        }
    }

    /// The output that a scanout is on, to be seen or hidden by another guest. While it has no window,
    /// the one that a window would be on.
    fn output_of(&self, scanout: &Scanout) -> Option<&HostOutput> {
        let window = scanout.window();
        let seen_on = window.and_then(|window| self.windows.output(&window));
        let output = seen_on.or_else(|| {
            let desktop = &self.windows.desktop;
            desktop.output_of_scanout(&scanout.guest, scanout.number)
        });
        self.outputs.get(output?)
    }
}
