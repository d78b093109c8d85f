//! What the host's compositor offers, and the objects that everything else is made with.
//!
//! Owns the choice of versions and which protocols are needed and which only make things better.

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
        fractional_scale::v1::client::wp_fractional_scale_manager_v1::WpFractionalScaleManagerV1,
        linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1,
        presentation_time::client::wp_presentation::WpPresentation,
        viewporter::client::{wp_viewport::WpViewport, wp_viewporter::WpViewporter},
    },
    xdg::{
        decoration::zv1::client::zxdg_decoration_manager_v1::ZxdgDecorationManagerV1,
        shell::client::xdg_wm_base::{self, XdgWmBase},
        toplevel_icon::v1::client::{
            xdg_toplevel_icon_manager_v1::XdgToplevelIconManagerV1,
            xdg_toplevel_icon_v1::XdgToplevelIconV1,
        },
        toplevel_tag::v1::client::xdg_toplevel_tag_manager_v1::XdgToplevelTagManagerV1,
    },
};

use super::{
    State,
    connection::{ConnectError, RoundTrip},
    hints::HintGlobals,
    seat::HandGlobals,
};

use crate::display::Lacking;

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
    /// Scales between whole ones.
    pub(super) scales: Option<WpFractionalScaleManagerV1>,
    /// Pictures for windows in lists of them.
    pub(super) icons: Option<XdgToplevelIconManagerV1>,
    /// What a host may want to know in full screen.
    pub(super) hints: HintGlobals,
    /// What hands need beyond seats.
    pub(super) hands: HandGlobals,
}

/// What the registry listed.
#[derive(Debug, Default)]
pub(super) struct Offer {
    globals: Vec<(u32, String, u32)>,
}

impl Offer {
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
            scales: binder.wanted(1, 1),
            icons: binder.wanted(1, 1),
            hints: HintGlobals::bind(&binder),
            hands: HandGlobals::bind(&binder),
        })
    }
}

impl Globals {
    /// What windows have to do without.
    pub(super) fn lacking_for_windows(&self) -> impl Iterator<Item = Lacking> {
        // Our own compositor counts a guest's windows in pixels.
        let scales = self.scales.is_some() || self.guests.is_some();
        let list = [
            (self.viewporter.is_some(), Lacking::Scaling),
            (scales, Lacking::FractionalScale),
            (self.presentation.is_some(), Lacking::Presentation),
            (self.hints.can_inhibit_idle(), Lacking::IdleInhibit),
        ];
        let lacking = list.into_iter().filter(|(is_there, _)| !is_there);
        lacking.map(|(_, lacking)| lacking)
    }
}

pub(super) struct Binder<'a> {
    offer: &'a Offer,
    registry: &'a WlRegistry,
    handle: &'a QueueHandle<State>,
}

impl Binder<'_> {
    pub(super) fn wanted<I>(&self, least: u32, most: u32) -> Option<I>
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
// The sizes that it likes: the icon has a name only.
delegate_noop!(State: ignore XdgToplevelIconManagerV1);
delegate_noop!(State: ignore XdgToplevelIconV1);
