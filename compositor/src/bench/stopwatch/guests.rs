//! `lucarne-guest-v1`, as far as a device needs it to think that it is on our own compositor: a
//! monitor for each scanout, and a pointer that moves without commits.

use protocols::wayland::server::{
    lucarne_guest_cursor_v1::{self, LucarneGuestCursorV1},
    lucarne_guest_manager_v1::{self, LucarneGuestManagerV1},
    lucarne_guest_scanout_v1::{self, Extent, LucarneGuestScanoutV1},
};
use smithay::{
    reexports::wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource as _,
        backend::ClientId, protocol::wl_surface::WlSurface,
    },
    wayland::compositor::give_role,
};

use super::{Arrival, What, server::State, wire::Opcode};

/// The role of the surface that is a guest's pointer.
pub(super) const POINTER_ROLE: &str = "lucarne_guest_cursor_v1";

/// The number of `lucarne_guest_cursor_v1.move_to`.
const MOVE_TO: Opcode = 2;

/// Offers the protocol.
pub(super) fn announce(display: &DisplayHandle) {
    display.create_global::<State, LucarneGuestManagerV1, ()>(1, ());
}

impl GlobalDispatch<LucarneGuestManagerV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        new: New<LucarneGuestManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ());
    }
}

impl Dispatch<LucarneGuestManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &LucarneGuestManagerV1,
        request: lucarne_guest_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let lucarne_guest_manager_v1::Request::GetScanout { id, number, .. } = request {
            let scanout = init.init(id, ());
            let (width, height) = state.setup.size;
            let (make, model) = ("LUC".to_owned(), "Stopwatch".to_owned());
            scanout.monitor(make, model, number.to_string(), 600, 340);
            let millihertz = state.setup.hertz.saturating_mul(1000);
            scanout.mode(width, height, millihertz, Extent::Whole);
            scanout.done();
        }
    }
}

impl Dispatch<LucarneGuestScanoutV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        scanout: &LucarneGuestScanoutV1,
        request: lucarne_guest_scanout_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        use lucarne_guest_scanout_v1::{Error, Request};
        if let Request::GetCursor { id, surface } = request {
            if give_role(&surface, POINTER_ROLE).is_err() {
                scanout.post_error(Error::Role, "the surface has another role");
            }
            let cursor = init.init(id, surface.clone());
            let number = cursor.id().protocol_id();
            state.wire_of(&surface, |wire| wire.await_from(number, MOVE_TO));
        }
    }
}

/// The data is the pointer's surface.
impl Dispatch<LucarneGuestCursorV1, WlSurface> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &LucarneGuestCursorV1,
        request: lucarne_guest_cursor_v1::Request,
        surface: &WlSurface,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if let lucarne_guest_cursor_v1::Request::MoveTo { .. } = request {
            let at = state.came(surface);
            // Fails where nobody listens any more.
            let _ = state.reports.arrivals.send(Arrival {
                at,
                guest: Self::guest_of(surface),
                what: What::PointerMove,
                buffer: None,
                damage: 0,
            });
        }
    }

    fn destroyed(
        state: &mut Self,
        _: ClientId,
        cursor: &LucarneGuestCursorV1,
        surface: &WlSurface,
    ) {
        let number = cursor.id().protocol_id();
        state.wire_of(surface, |wire| wire.forget(number));
    }
}
