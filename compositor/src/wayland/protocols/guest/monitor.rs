//! What guests' devices are told about the monitors that their scanouts are on.

use protocols::wayland::server::lucarne_guest_scanout_v1::{Extent, LucarneGuestScanoutV1};
use smithay::{reexports::wayland_server::Resource, utils::Transform};

use super::scanout::Scanout;
use crate::{
    backend::{self, HostOutput},
    state::State,
};

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
        let monitor = output.monitor();
        Self {
            make: text(&monitor.make).collect(),
            model: text(&monitor.model).collect(),
            serial: text(&monitor.serial).collect(),
            millimetres: millimetres(monitor),
            pixels: pixels(output),
            millihertz: output.millihertz(),
            extent,
        }
    }

    /// Whether it is what would be told of an output now.
    fn is_of(&self, output: &HostOutput, extent: Extent) -> bool {
        let monitor = output.monitor();
        let texts = [
            (&self.make, &monitor.make),
            (&self.model, &monitor.model),
            (&self.serial, &monitor.serial),
        ];
        self.extent == extent
            && self.millihertz == output.millihertz()
            && self.pixels == pixels(output)
            && self.millimetres == millimetres(monitor)
            && texts.iter().all(|(told, now)| text(now).eq(told.chars()))
    }

    fn send(self, scanout: &LucarneGuestScanoutV1) {
        let (width, height) = self.millimetres;
        scanout.monitor(self.make, self.model, self.serial, width, height);
        let (width, height) = self.pixels;
        scanout.mode(width, height, self.millihertz, self.extent);
    }
}

impl Announcement {
    /// Whether it says where a scanout is now.
    pub(super) fn says(&self, on: Option<(&HostOutput, Extent)>) -> bool {
        match (self, on) {
            (Self::On(monitor), Some((output, extent))) => monitor.is_of(output, extent),
            (Self::Unplugged, None) => true,
            (Self::On(_), None) | (Self::Unplugged, Some(_)) => false,
        }
    }

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
fn text(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_control()).take(200)
}

fn pixels(output: &HostOutput) -> (u32, u32) {
    let size = output.size();
    (number(size.w), number(size.h))
}

fn millimetres(monitor: &backend::Monitor) -> (u32, u32) {
    let (width, height) = monitor.millimetres;
    match monitor.transform {
        Transform::_90 | Transform::_270 | Transform::Flipped90 | Transform::Flipped270 => {
            (number(height), number(width))
        }
        _ => (number(width), number(height)),
    }
}

fn number(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
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
        let extent = match self.windows.desktop.fills_monitors(&data.guest) {
            true => Extent::Whole,
            false => Extent::Part,
        };
        let on = self.output_of(data).map(|output| (output, extent));
        if data.was_told(on) {
            return;
        }
        let announcement = match on {
            Some((output, extent)) => Announcement::On(Monitor::new(output, extent)),
            None => Announcement::Unplugged,
        };
        data.note_told(announcement.clone());
        announcement.send(scanout);
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
