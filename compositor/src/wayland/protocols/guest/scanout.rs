//! A guest's virtual monitor, and the window that shows it.

use std::sync::Mutex;

use protocols::wayland::server::{
    lucarne_guest_cursor_v1::LucarneGuestCursorV1,
    lucarne_guest_manager_v1::LucarneGuestManagerV1,
    lucarne_guest_scanout_v1::{self, Extent, LucarneGuestScanoutV1},
};
use smithay::{
    reexports::wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, New, Resource, Weak, backend::ClientId,
        protocol::wl_surface::WlSurface,
    },
    wayland::{
        compositor::{get_role, with_states},
        shell::xdg::XDG_TOPLEVEL_ROLE,
    },
};

use super::{cursor, lock, monitor::Announcement};
use crate::{backend::HostOutput, state::State};

/// The objects of all guests' scanouts.
#[derive(Debug, Default)]
pub(super) struct Scanouts(Vec<LucarneGuestScanoutV1>);

impl Scanouts {
    pub(super) fn iter(&self) -> impl Iterator<Item = &LucarneGuestScanoutV1> {
        self.0.iter()
    }
}

/// What is known of a scanout; the data of its object.
#[derive(Debug)]
pub struct Scanout {
    pub(super) guest: String,
    pub(super) number: u8,
    ties: Mutex<Ties>,
}

#[derive(Debug, Default)]
struct Ties {
    window: Option<Weak<WlSurface>>,
    cursor: Option<LucarneGuestCursorV1>,
    told: Option<Announcement>,
}

/// With a toplevel's surface: its scanout.
#[derive(Debug, Default)]
struct ScanoutOf(Mutex<Option<Weak<LucarneGuestScanoutV1>>>);

impl Scanout {
    /// The surface of its window.
    pub(super) fn window(&self) -> Option<WlSurface> {
        let window = lock(&self.ties).window.clone();
        window.and_then(|window| window.upgrade().ok())
    }

    pub(super) fn cursor(&self) -> Option<LucarneGuestCursorV1> {
        let cursor = lock(&self.ties).cursor.clone();
        cursor.filter(Resource::is_alive)
    }

    /// Whether it was told last that it is on this output, or on none.
    pub(super) fn was_told(&self, on: Option<(&HostOutput, Extent)>) -> bool {
        let ties = lock(&self.ties);
        ties.told.as_ref().is_some_and(|told| told.says(on))
    }

    /// Notes down what it is told about its monitor.
    pub(super) fn note_told(&self, announcement: Announcement) {
        lock(&self.ties).told = Some(announcement);
    }
}

/// The scanout that a toplevel's surface shows.
pub(super) fn of_window(toplevel: &WlSurface) -> Option<LucarneGuestScanoutV1> {
    let scanout = with_states(toplevel, |states| {
        let tie = states.data_map.get::<ScanoutOf>()?;
        lock(&tie.0).clone()
    })?;
    // A scanout can have been given another window since.
    let scanout = scanout.upgrade().ok()?;
    let window = scanout.data::<Scanout>()?.window();
    (window.as_ref() == Some(toplevel)).then_some(scanout)
}

pub(super) fn number(scanout: &LucarneGuestScanoutV1) -> Option<u8> {
    Some(scanout.data::<Scanout>()?.number)
}

impl State {
    /// Whether a device has an object for a scanout.
    pub(super) fn has_scanout(&self, manager: &LucarneGuestManagerV1, number: u8) -> bool {
        let mut scanouts = self.protocols.guests.scanouts.iter();
        scanouts.any(|scanout| {
            scanout.id().same_client_as(&manager.id()) && self::number(scanout) == Some(number)
        })
    }

    /// Makes the object for a scanout. Its monitor is announced when this turn of the loop is done.
    pub(super) fn add_scanout(
        &mut self,
        new: New<LucarneGuestScanoutV1>,
        guest: &str,
        number: u8,
        init: &mut DataInit<'_, Self>,
    ) {
        let scanout = Scanout {
            guest: guest.to_owned(),
            number,
            ties: Mutex::default(),
        };
        let scanout = init.init(new, scanout);
        self.announce_monitor(&scanout);
        self.protocols.guests.scanouts.0.push(scanout);
    }

    fn tie_window(&mut self, scanout: &LucarneGuestScanoutV1, data: &Scanout, window: &WlSurface) {
        with_states(window, |states| {
            states
                .data_map
                .insert_if_missing_threadsafe(ScanoutOf::default);
            if let Some(tie) = states.data_map.get::<ScanoutOf>() {
                *lock(&tie.0) = Some(scanout.downgrade());
            }
        });
        let before = data.window();
        lock(&data.ties).window = Some(window.downgrade());
        self.windows.set_scanout(window, data.number);
        for window in before.iter().chain([window]) {
            self.redraw_window(window);
        }
    }

    /// Draws the output anew that a toplevel's surface is on.
    pub(super) fn redraw_window(&mut self, toplevel: &WlSurface) {
        if let Some(output) = self.windows.output(toplevel) {
            self.queue_redraw(output);
        }
    }

    /// Draws the output anew that a scanout is on.
    pub(super) fn redraw_scanout(&mut self, scanout: &Weak<LucarneGuestScanoutV1>) {
        let scanout = scanout.upgrade().ok();
        let window = scanout.and_then(|scanout| scanout.data::<Scanout>()?.window());
        if let Some(window) = window {
            self.redraw_window(&window);
        }
    }
}

impl Dispatch<LucarneGuestScanoutV1, Scanout> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        scanout: &LucarneGuestScanoutV1,
        request: lucarne_guest_scanout_v1::Request,
        data: &Scanout,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        use lucarne_guest_scanout_v1::{Error, Request};
        match request {
            Request::SetWindow { surface } => {
                if get_role(&surface) != Some(XDG_TOPLEVEL_ROLE) {
                    return scanout.post_error(Error::Role, "the surface is no xdg_toplevel");
                }
                state.tie_window(scanout, data, &surface);
            }
            Request::GetCursor { id, surface } => {
                if data.cursor().is_some() {
                    let text = "the scanout has a cursor already";
                    return scanout.post_error(Error::CursorExists, text);
                }
                match cursor::make(id, surface, scanout, init) {
                    Some(cursor) => lock(&data.ties).cursor = Some(cursor),
                    None => scanout.post_error(Error::Role, "the surface has another role"),
                }
            }
            _ => {}
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, scanout: &LucarneGuestScanoutV1, data: &Scanout) {
        let scanouts = &mut state.protocols.guests.scanouts.0;
        scanouts.retain(|known| known != scanout);
        // With it goes its pointer.
        if let Some(window) = data.window() {
            state.redraw_window(&window);
        }
    }
}
