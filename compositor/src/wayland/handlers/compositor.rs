//! `wl_compositor`, `wl_subcompositor`: commits.

use calloop::Interest;
use smithay::{
    backend::{
        allocator::dmabuf::{Dmabuf, DmabufBlocker, DmabufSource},
        renderer::utils::on_commit_buffer_handler,
    },
    desktop::{PopupKind, find_popup_root_surface, utils::with_surfaces_surface_tree},
    reexports::wayland_server::{
        Client, Resource, delegate_dispatch, delegate_global_dispatch,
        protocol::{
            wl_callback::WlCallback, wl_compositor::WlCompositor, wl_region::WlRegion,
            wl_subcompositor::WlSubcompositor, wl_subsurface::WlSubsurface, wl_surface::WlSurface,
        },
    },
    wayland::{
        compositor::{
            Blocker, BufferAssignment, CompositorClientState, CompositorHandler, CompositorState,
            RegionUserData, SubsurfaceCachedState, SubsurfaceUserData, SurfaceAttributes,
            SurfaceUserData, add_blocker, add_pre_commit_hook, get_children, get_parent,
            is_sync_subsurface, with_states,
        },
        dmabuf::get_dmabuf,
    },
};
use tracing::debug;

use crate::{
    backend::{OutputId, now},
    state::State,
    wayland::{ClientState, clients::Ready},
};

use super::drm_syncobj::acquire_blocker;

impl CompositorHandler for State {
    fn compositor_state(&mut self) -> &mut CompositorState {
        &mut self.protocols.compositor
    }

    #[expect(
        clippy::expect_used,
        reason = "the trait has no way to say no, and clients are only ever added with this data"
    )]
    fn client_compositor_state<'a>(&self, client: &'a Client) -> &'a CompositorClientState {
        &client
            .get_data::<ClientState>()
            .expect("Clients::insert gives every client its state")
            .compositor
    }

    fn new_surface(&mut self, surface: &WlSurface) {
        add_pre_commit_hook::<Self, _>(surface, |state, _, surface| {
            state.hold_back_until_rendered(surface);
        });
    }

    fn commit(&mut self, surface: &WlSurface) {
        move_subsurfaces(surface);
        on_commit_buffer_handler::<Self>(surface);
        self.windows.popups.commit(surface);
        self.surface_arrived(surface);
        if is_sync_subsurface(surface) {
            return;
        }
        let mut root = surface.clone();
        while let Some(parent) = get_parent(&root) {
            root = parent;
        }
        self.configure_first(&root);
        if root == *surface && self.windows.toplevel(surface).is_some() {
            self.windows.committed(surface);
        }
        // Windows without an output are seen to when everything is settled.
        if let Some(output) = self.windows.output(&self.toplevel_of(root.clone())) {
            self.surface_changed(output, &root);
        } else {
            self.pointer_committed(surface);
        }
    }

    fn destroyed(&mut self, _: &WlSurface) {
        // A subsurface goes at once, without a commit of its parent, and where it was is not known
        // any more.
        self.queue_redraw_all();
    }
}

impl State {
    /// Something about a surface or its subsurfaces on an output is different.
    pub(crate) fn surface_changed(&mut self, output: OutputId, root: &WlSurface) {
        if self.paused {
            let now = now();
            with_surfaces_surface_tree(root, |surface, states| {
                self.hidden.add(surface, states, now);
            });
        } else {
            self.queue_redraw(output);
        }
    }

    /// Holds a commit back whose dma-buf the client's GPU is still drawing. Whoever reads it, a
    /// GPU or the CPU, would have to wait, and every other client with it.
    fn hold_back_until_rendered(&mut self, surface: &WlSurface) {
        if let Some((blocker, source)) = acquire_blocker(surface) {
            // The client says itself when it is done, which counts instead of what its memory says.
            self.hold_back(surface, blocker, Ready::Point(source));
            return;
        }
        let Some(dmabuf) = with_states(surface, |states| {
            let mut attributes = states.cached_state.get::<SurfaceAttributes>();
            match &attributes.pending().buffer {
                Some(BufferAssignment::NewBuffer(buffer)) => get_dmabuf(buffer).cloned().ok(),
                _ => None,
            }
        }) else {
            return;
        };
        let Some((blocker, source)) = blocker(&dmabuf) else {
            return;
        };
        self.hold_back(surface, blocker, Ready::Memory(source));
    }

    fn hold_back(&self, surface: &WlSurface, blocker: impl Blocker + Send + 'static, until: Ready) {
        if let Some(client) = surface.client()
            && self.clients.when_ready(until, client)
        {
            add_blocker(surface, blocker);
        }
    }

    /// The toplevel that a menu belongs to; other surfaces as they are.
    pub(crate) fn toplevel_of(&self, root: WlSurface) -> WlSurface {
        let popup = self.windows.popups.find_popup(&root);
        popup
            .and_then(|popup| find_popup_root_surface(&popup).ok())
            .unwrap_or(root)
    }

    /// Answers a window's first commit, which has no buffer, with its first size.
    fn configure_first(&mut self, root: &WlSurface) {
        if self.windows.toplevel(root).is_some() {
            self.windows.configure_first(root);
        } else if let Some(PopupKind::Xdg(popup)) = self.windows.popups.find_popup(root)
            && !popup.is_initial_configure_sent()
            && let Err(error) = popup.send_configure()
        {
            debug!("Could not configure a menu: {error}");
        }
    }
}

/// Puts a surface's subsurfaces where its commit says. smithay 0.7 leaves one that commits by
/// itself where it is until its own next commit; a guest's pointer would never move.
fn move_subsurfaces(parent: &WlSurface) {
    for child in get_children(parent) {
        if is_sync_subsurface(&child) {
            continue;
        }
        with_states(&child, |states| {
            let mut position = states.cached_state.get::<SubsurfaceCachedState>();
            let location = position.pending().location;
            position.current().location = location;
        });
    }
}

fn blocker(dmabuf: &Dmabuf) -> Option<(DmabufBlocker, DmabufSource)> {
    // An error says that there is nothing to wait for, as for memory that no GPU draws.
    dmabuf.generate_blocker(Interest::READ).ok()
}

// What `delegate_compositor!` says, but for requests to `wl_subcompositor`.
delegate_global_dispatch!(State: [WlCompositor: ()] => CompositorState);
delegate_global_dispatch!(State: [WlSubcompositor: ()] => CompositorState);
delegate_dispatch!(State: [WlCompositor: ()] => CompositorState);
delegate_dispatch!(State: [WlSurface: SurfaceUserData] => CompositorState);
delegate_dispatch!(State: [WlRegion: RegionUserData] => CompositorState);
delegate_dispatch!(State: [WlCallback: ()] => CompositorState);
delegate_dispatch!(State: [WlSubsurface: SubsurfaceUserData] => CompositorState);
