//! `lucarne-guest-v1`: what a guest's device and we say to each other.
//!
//! What the device says about a window is kept with the window's surface, for whoever draws it or
//! has a pointer over it: [`scanout_of`], [`cursor_of`]. What we say about monitors is in
//! `monitor`; the rest follows from each request, in `scanout` and `cursor`. Where windows are and
//! which monitor is whose is not decided here.

mod cursor;
mod monitor;
mod scanout;

use std::sync::{Mutex, MutexGuard, PoisonError};

use protocols::{
    virtio_gpu::MAX_SCANOUTS,
    wayland::server::lucarne_guest_manager_v1::{self, Leds, LucarneGuestManagerV1},
};
use smithay::{
    input::keyboard::LedState,
    reexports::wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
        backend::ClientId, protocol::wl_surface::WlSurface,
    },
    utils::{Logical, Point},
};
use tracing::debug;

use crate::{state::State, wayland::ClientState};

pub use cursor::CursorMode;
use scanout::Scanouts;

/// The pointer that a guest has drawn on one of its scanouts.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestCursor {
    /// Its image, one pixel of the buffer for one pixel of the scanout.
    pub surface: WlSurface,
    /// Which pixel of the image points, counted from its top left corner. It belongs to the image
    /// that the surface shows now.
    pub hotspot: Point<i32, Logical>,
    /// The pixel of the scanout that it points at, counted from the top left corner of what the
    /// window shows, before any scaling. It may be outside.
    pub position: Point<i32, Logical>,
    /// Who moves it.
    pub mode: CursorMode,
    /// Whether the guest shows it, and there is an image.
    pub visible: bool,
}

impl GuestCursor {
    /// The pixel of the scanout that the image's top left corner is on.
    #[must_use]
    pub fn corner(&self) -> Point<i32, Logical> {
        let less = |at: i32, hot: i32| at.saturating_sub(hot);
        Point::from((
            less(self.position.x, self.hotspot.x),
            less(self.position.y, self.hotspot.y),
        ))
    }
}

/// The pointer of the guest whose scanout a toplevel's surface shows; `None` for other surfaces,
/// and for guests whose pointer is part of their window.
#[must_use]
pub fn cursor_of(toplevel: &WlSurface) -> Option<GuestCursor> {
    cursor::of_scanout(&scanout::of_window(toplevel)?)
}

/// The number of the scanout that a toplevel's surface shows, if its device said so here.
#[must_use]
pub fn scanout_of(toplevel: &WlSurface) -> Option<u8> {
    scanout::number(&scanout::of_window(toplevel)?)
}

impl State {
    /// The pointer that a guest has drawn on one of its scanouts; `None` if it is part of the
    /// window, or there is no window.
    #[must_use]
    pub fn guest_cursor(&self, guest: &str, scanout: u8) -> Option<GuestCursor> {
        cursor_of(self.windows.scanout(guest, scanout)?.wl_surface())
    }
}

/// All objects of the protocol that something is told to.
#[derive(Debug, Default)]
pub struct Guests {
    scanouts: Scanouts,
}

impl Guests {
    /// Offers the protocol to guests' devices.
    pub(crate) fn new(display: &DisplayHandle) -> Self {
        display.create_global::<State, LucarneGuestManagerV1, ()>(1, ());
        Self::default()
    }
}

/// The guest whose device a client is.
fn guest_of(client: &Client) -> Option<&str> {
    client.get_data::<ClientState>()?.guest()
}

/// Locks what nothing that panics holds.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GlobalDispatch<LucarneGuestManagerV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        client: &Client,
        new: New<LucarneGuestManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, guest_of(client).unwrap_or_default().to_owned());
    }

    fn can_view(client: Client, (): &()) -> bool {
        guest_of(&client).is_some()
    }
}

/// The data is the guest's name.
impl Dispatch<LucarneGuestManagerV1, String> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        manager: &LucarneGuestManagerV1,
        request: lucarne_guest_manager_v1::Request,
        guest: &String,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        use lucarne_guest_manager_v1::{Error, Request};
        match request {
            Request::GetScanout {
                id,
                guest: told,
                number,
            } => {
                if told != *guest {
                    debug!("The device of guest {guest:?} takes it for {told:?}");
                }
                let known = u8::try_from(number).ok();
                let known = known.filter(|number| usize::from(*number) < MAX_SCANOUTS);
                let Some(number) = known else {
                    let text = format!("there is no scanout {number}");
                    return manager.post_error(Error::ScanoutNumber, text);
                };
                if state.has_scanout(manager, number) {
                    let text = format!("scanout {number} has an object already");
                    return manager.post_error(Error::ScanoutTaken, text);
                }
                state.add_scanout(id, guest, number, init);
            }
            Request::SetLeds { leds } => state.set_guest_leds(guest, Some(lights(leds.into()))),
            Request::Destroy => {}
            _ => {}
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, _: &LucarneGuestManagerV1, guest: &String) {
        state.set_guest_leds(guest, None);
    }
}

/// Bits that mean nothing are ignored.
fn lights(bits: u32) -> LedState {
    let leds = Leds::from_bits_truncate(bits);
    LedState {
        caps: Some(leds.contains(Leds::CapsLock)),
        num: Some(leds.contains(Leds::NumLock)),
        scroll: Some(leds.contains(Leds::ScrollLock)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lights_that_exist_are_lit() {
        let lit = lights(0xffff_fff3);
        assert_eq!(lit.caps, Some(true));
        assert_eq!(lit.num, Some(true));
        assert_eq!(lit.scroll, Some(false));
    }
}
