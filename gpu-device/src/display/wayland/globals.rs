//! What the host's compositor offers, and the objects that everything else is made with.
//!
//! Owns the choice of versions and which protocols are needed and which only make things better.

use std::time::Instant;

use protocols::wayland::client::lucarne_guest_manager_v1::LucarneGuestManagerV1;
use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, delegate_noop,
    protocol::{
        wl_callback::{self, WlCallback},
        wl_compositor::WlCompositor,
        wl_region::WlRegion,
        wl_registry::{self, WlRegistry},
        wl_shm::WlShm,
        wl_shm_pool::WlShmPool,
        wl_subcompositor::WlSubcompositor,
        wl_subsurface::WlSubsurface,
    },
};
use wayland_protocols::{
    wp::{
        linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1,
        presentation_time::client::wp_presentation::WpPresentation,
        viewporter::client::{wp_viewport::WpViewport, wp_viewporter::WpViewporter},
    },
    xdg::{
        decoration::zv1::client::{
            zxdg_decoration_manager_v1::ZxdgDecorationManagerV1,
            zxdg_toplevel_decoration_v1::ZxdgToplevelDecorationV1,
        },
        shell::client::xdg_wm_base::{self, XdgWmBase},
        toplevel_tag::v1::client::xdg_toplevel_tag_manager_v1::XdgToplevelTagManagerV1,
    },
};

use super::{
    State,
    connection::{ConnectError, Link, RoundTrip},
};

/// The compositor's factories. The optional ones are absent where it does not have them.
#[derive(Debug)]
pub(super) struct Globals {
    pub(super) compositor: WlCompositor,
    pub(super) subcompositor: WlSubcompositor,
    pub(super) shm: WlShm,
    pub(super) shell: XdgWmBase,
    /// Scaling, and showing a part of a buffer.
    pub(super) viewporter: Option<WpViewporter>,
    /// When a frame became light.
    pub(super) presentation: Option<WpPresentation>,
    /// Frames without a copy.
    pub(super) dmabuf: Option<ZwpLinuxDmabufV1>,
    /// Window borders drawn by the compositor.
    pub(super) decorations: Option<ZxdgDecorationManagerV1>,
    /// How the compositor knows which scanout a window is.
    pub(super) tags: Option<XdgToplevelTagManagerV1>,
    /// All that our own compositor and we say to each other.
    pub(super) guests: Option<LucarneGuestManagerV1>,
}

/// What the registry listed.
#[derive(Debug, Default)]
pub(super) struct Offer {
    globals: Vec<(u32, String, u32)>,
}

impl Offer {
    /// Asks the compositor for its list.
    pub(super) fn ask(connection: &Connection, until: Instant) -> Result<Self, ConnectError> {
        let mut link = Link::new(connection);
        let mut offer = Self::default();
        // A registry of its own, so that what comes later can rely on the globals being there.
        connection.display().get_registry(&link.handle(), ());
        link.round_trip(&mut offer, until)?;
        Ok(offer)
    }

    fn find(&self, interface: &str, least: u32) -> Option<(u32, u32)> {
        self.globals
            .iter()
            .find(|(_, name, version)| name == interface && *version >= least)
            .map(|(number, _, version)| (*number, *version))
    }
}

impl Globals {
    /// Binds what the compositor offers through `registry`.
    ///
    /// # Errors
    /// A protocol that Lucarne can't do without is not there.
    pub(super) fn bind(
        offer: &Offer,
        registry: &WlRegistry,
        handle: &QueueHandle<State>,
    ) -> Result<Self, ConnectError> {
        let binder = Binder {
            offer,
            registry,
            handle,
        };
        Ok(Self {
            // Version 4 brought damage in buffer pixels.
            compositor: binder.needed(4, 6)?,
            subcompositor: binder.needed(1, 1)?,
            shm: binder.needed(1, 1)?,
            shell: binder.needed(1, 6)?,
            viewporter: binder.wanted(1, 1),
            presentation: binder.wanted(1, 2),
            // Version 3 brought modifiers: without them nothing says that memory is linear.
            // Version 6 changes what a tranche promises.
            dmabuf: binder.wanted(3, 5),
            decorations: binder.wanted(1, 1),
            tags: binder.wanted(1, 1),
            guests: binder.wanted(1, 1),
        })
    }
}

struct Binder<'a> {
    offer: &'a Offer,
    registry: &'a WlRegistry,
    handle: &'a QueueHandle<State>,
}

impl Binder<'_> {
    fn wanted<I>(&self, least: u32, most: u32) -> Option<I>
    where
        I: Proxy + 'static,
        State: Dispatch<I, ()>,
    {
        let (number, version) = self.offer.find(I::interface().name, least)?;
        Some(
            self.registry
                .bind(number, version.min(most), self.handle, ()),
        )
    }

    fn needed<I>(&self, least: u32, most: u32) -> Result<I, ConnectError>
    where
        I: Proxy + 'static,
        State: Dispatch<I, ()>,
    {
        self.wanted(least, most).ok_or(ConnectError::Missing {
            interface: I::interface().name,
            version: least,
        })
    }
}

impl Dispatch<WlRegistry, ()> for Offer {
    fn event(
        offer: &mut Self,
        _: &WlRegistry,
        event: wl_registry::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_registry::Event::Global {
            name,
            interface,
            version,
        } = event
        {
            offer.globals.push((name, interface, version));
        }
    }
}

impl Dispatch<WlCallback, RoundTrip> for Offer {
    fn event(
        _: &mut Self,
        _: &WlCallback,
        event: wl_callback::Event,
        trip: &RoundTrip,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_callback::Event::Done { .. } = event {
            trip.finish();
        }
    }
}

impl Dispatch<WlCallback, RoundTrip> for State {
    fn event(
        _: &mut Self,
        _: &WlCallback,
        event: wl_callback::Event,
        trip: &RoundTrip,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_callback::Event::Done { .. } = event {
            trip.finish();
        }
    }
}

impl Dispatch<XdgWmBase, ()> for State {
    fn event(
        _: &mut Self,
        shell: &XdgWmBase,
        event: xdg_wm_base::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            shell.pong(serial);
        }
    }
}

// Objects that never say anything, or nothing that matters here.
delegate_noop!(State: ignore WlCompositor);
delegate_noop!(State: ignore WlRegion);
delegate_noop!(State: ignore WlShmPool);
delegate_noop!(State: ignore WlSubcompositor);
delegate_noop!(State: ignore WlSubsurface);
delegate_noop!(State: ignore WpViewporter);
delegate_noop!(State: ignore WpViewport);
delegate_noop!(State: ignore XdgToplevelTagManagerV1);
delegate_noop!(State: ignore ZxdgDecorationManagerV1);
// The mode that the compositor chose: where it leaves borders to its clients, there are none.
delegate_noop!(State: ignore ZxdgToplevelDecorationV1);
