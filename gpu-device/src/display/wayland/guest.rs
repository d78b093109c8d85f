//! What our own compositor says and hears that others don't: `lucarne-guest-v1`.
//!
//! Each scanout has an object from the start, before its window: the guest asks for its monitors'
//! EDIDs when it boots, long before it draws. On other compositors there is none of this; windows
//! are tagged then (`window`), refresh rates come from `outputs`, and the pointer is a
//! sub-surface (`cursor`).

use protocols::wayland::client::{
    lucarne_guest_cursor_v1::LucarneGuestCursorV1,
    lucarne_guest_manager_v1::{Leds as Lights, LucarneGuestManagerV1},
    lucarne_guest_scanout_v1::{self, Extent, LucarneGuestScanoutV1},
};
use wayland_client::{
    Connection, Dispatch, QueueHandle, WEnum, delegate_noop, protocol::wl_surface::WlSurface,
};

use super::{State, window::Owner};
use crate::{
    display::{DisplayEvent, Monitor, ScanoutId},
    input::Leds,
};

/// A scanout as our compositor knows it.
#[derive(Debug)]
pub(super) struct Link {
    proxy: LucarneGuestScanoutV1,
    /// What the compositor has said about its monitor; complete with the next "that is all".
    incoming: Monitor,
    /// It has said that there is none, likewise.
    unplugged: bool,
}

impl Link {
    /// `guest` is a name that fits into a Wayland message.
    pub(super) fn new(
        manager: &LucarneGuestManagerV1,
        guest: &str,
        scanout: ScanoutId,
        handle: &QueueHandle<State>,
    ) -> Self {
        let (name, number) = (guest.to_owned(), scanout.0.into());
        Self {
            proxy: manager.get_scanout(name, number, handle, Owner(scanout)),
            incoming: Monitor::default(),
            unplugged: false,
        }
    }

    /// Says that a window shows the scanout.
    pub(super) fn set_window(&self, surface: &WlSurface) {
        self.proxy.set_window(surface);
    }

    /// Makes a surface the image of the guest's pointer.
    pub(super) fn cursor(
        &self,
        surface: &WlSurface,
        handle: &QueueHandle<State>,
    ) -> LucarneGuestCursorV1 {
        self.proxy.get_cursor(surface, handle, ())
    }
}

impl State {
    /// See [`Display::set_leds`](crate::display::Display::set_leds). Other hosts' keyboards show what
    /// those hosts' own layouts say.
    pub(super) fn set_leds(&mut self, leds: Leds) {
        let Some(manager) = &self.globals.guests else {
            return;
        };
        let lights = [
            (leds.caps_lock, Lights::CapsLock),
            (leds.num_lock, Lights::NumLock),
            (leds.scroll_lock, Lights::ScrollLock),
        ];
        let lit = lights.into_iter().filter(|(is_lit, _)| *is_lit);
        manager.set_leds(lit.map(|(_, light)| light).collect());
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.proxy.destroy();
    }
}

impl Dispatch<LucarneGuestScanoutV1, Owner> for State {
    fn event(
        state: &mut Self,
        _: &LucarneGuestScanoutV1,
        event: lucarne_guest_scanout_v1::Event,
        Owner(scanout): &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use lucarne_guest_scanout_v1::Event;
        let record = state.scanouts.get_mut(scanout);
        let Some(link) = record.and_then(|record| record.link.as_mut()) else {
            return;
        };
        let incoming = &mut link.incoming;
        match event {
            Event::Monitor {
                make,
                model,
                serial,
                width_mm,
                height_mm,
            } => {
                (incoming.make, incoming.model, incoming.serial) = (make, model, serial);
                (incoming.width_mm, incoming.height_mm) = (width_mm, height_mm);
            }
            Event::Mode {
                width,
                height,
                refresh,
                extent,
            } => {
                (incoming.width, incoming.height) = (width, height);
                incoming.millihertz = refresh;
                incoming.filled = extent == WEnum::Value(Extent::Whole);
            }
            Event::Unplugged => link.unplugged = true,
            Event::Done => {
                let event = match std::mem::take(&mut link.unplugged) {
                    true => DisplayEvent::Unplugged(*scanout),
                    false => DisplayEvent::Monitor {
                        scanout: *scanout,
                        monitor: link.incoming.clone(),
                    },
                };
                state.events.push_back(event);
            }
            _ => {}
        }
    }
}

// Objects that never say anything.
delegate_noop!(State: ignore LucarneGuestManagerV1);
delegate_noop!(State: ignore LucarneGuestCursorV1);
