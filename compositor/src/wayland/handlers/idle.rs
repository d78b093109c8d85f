//! `zwp_idle_inhibit_manager_v1`, and `ext_idle_notifier_v1`.
//!
//! smithay has the second one, too, with a timer per notification in a loop that carries nothing
//! but its state. Ours carries more, and has one timer for everybody.

use std::time::Duration;

use smithay::{
    delegate_idle_inhibit,
    reexports::{
        wayland_protocols::ext::idle_notify::v1::server::{
            ext_idle_notification_v1::{self, ExtIdleNotificationV1},
            ext_idle_notifier_v1::{self, ExtIdleNotifierV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New,
            backend::{ClientId, GlobalId},
            protocol::wl_surface::WlSurface,
        },
    },
    wayland::idle_inhibit::IdleInhibitHandler,
};

use crate::{input::Heeds, state::State};

impl IdleInhibitHandler for State {
    fn inhibit(&mut self, surface: WlSurface) {
        self.inhibit_idle(surface);
    }

    fn uninhibit(&mut self, surface: WlSurface) {
        self.uninhibit_idle(&surface);
    }
}

delegate_idle_inhibit!(State);

/// The newest version that is spoken.
const NOTIFIER_VERSION: u32 = 2;

/// Offers `ext_idle_notifier_v1`.
pub fn idle_notifier_global(display: &DisplayHandle) -> GlobalId {
    display.create_global::<State, ExtIdleNotifierV1, _>(NOTIFIER_VERSION, ())
}

impl GlobalDispatch<ExtIdleNotifierV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        resource: New<ExtIdleNotifierV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        data_init.init(resource, ());
    }
}

impl Dispatch<ExtIdleNotifierV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &ExtIdleNotifierV1,
        request: ext_idle_notifier_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        let (id, timeout, heeds) = match request {
            ext_idle_notifier_v1::Request::GetIdleNotification { id, timeout, .. } => {
                (id, timeout, Heeds::HandsAndWindows)
            }
            ext_idle_notifier_v1::Request::GetInputIdleNotification { id, timeout, .. } => {
                (id, timeout, Heeds::Hands)
            }
            _ => return,
        };
        let notification = data_init.init(id, ());
        let after = Duration::from_millis(timeout.into());
        state.watch_idle(notification, after, heeds);
    }
}

impl Dispatch<ExtIdleNotificationV1, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ExtIdleNotificationV1,
        _: ext_idle_notification_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }

    fn destroyed(state: &mut Self, _: ClientId, resource: &ExtIdleNotificationV1, (): &()) {
        state.unwatch_idle(resource);
    }
}
