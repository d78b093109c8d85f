//! A device's side of `lucarne-guest-v1`.

use protocols::wayland::client::{
    lucarne_guest_cursor_v1::LucarneGuestCursorV1,
    lucarne_guest_manager_v1::LucarneGuestManagerV1,
    lucarne_guest_scanout_v1::{self, Extent, LucarneGuestScanoutV1},
};
use wayland_client::{
    Connection, Dispatch, QueueHandle, WEnum, delegate_noop, protocol::wl_surface::WlSurface,
};

use super::{Client, Seen};

/// What a device was told about a scanout's monitor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced {
    pub scanout: u32,
    pub make: String,
    pub model: String,
    pub serial: String,
    pub millimetres: (u32, u32),
    pub pixels: (u32, u32),
    pub millihertz: u32,
    pub whole: bool,
    pub unplugged: bool,
}

/// The announcements so far, and the one that is not complete.
#[derive(Debug, Default)]
pub struct Announcements {
    pub all: Vec<Announced>,
    incoming: Announced,
}

impl Client {
    /// The object of a scanout, as a device makes it when it starts.
    pub fn guest_scanout(&self, number: u32) -> LucarneGuestScanoutV1 {
        self.bind::<LucarneGuestManagerV1>().get_scanout(
            "a".to_owned(),
            number,
            &self.handle(),
            number,
        )
    }

    /// A pointer, and its surface.
    pub fn guest_cursor(
        &self,
        scanout: &LucarneGuestScanoutV1,
    ) -> (WlSurface, LucarneGuestCursorV1) {
        let surface = self.surface();
        let cursor = scanout.get_cursor(&surface, &self.handle(), ());
        (surface, cursor)
    }
}

impl Dispatch<LucarneGuestScanoutV1, u32> for Seen {
    fn event(
        seen: &mut Self,
        _: &LucarneGuestScanoutV1,
        event: lucarne_guest_scanout_v1::Event,
        scanout: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use lucarne_guest_scanout_v1::Event;
        let incoming = &mut seen.announcements.incoming;
        incoming.scanout = *scanout;
        match event {
            Event::Monitor {
                make,
                model,
                serial,
                width_mm,
                height_mm,
            } => {
                (incoming.make, incoming.model, incoming.serial) = (make, model, serial);
                incoming.millimetres = (width_mm, height_mm);
            }
            Event::Mode {
                width,
                height,
                refresh,
                extent,
            } => {
                incoming.pixels = (width, height);
                incoming.millihertz = refresh;
                incoming.whole = extent == WEnum::Value(Extent::Whole);
            }
            Event::Unplugged => incoming.unplugged = true,
            Event::Done => {
                let complete = std::mem::take(incoming);
                seen.announcements.all.push(complete);
            }
            _ => {}
        }
    }
}

delegate_noop!(Seen: LucarneGuestManagerV1);
delegate_noop!(Seen: LucarneGuestCursorV1);
