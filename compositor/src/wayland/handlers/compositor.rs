//! `wl_compositor`, `wl_subcompositor`: commits.

use calloop::Interest;
use smithay::{
    backend::{
        allocator::dmabuf::{Dmabuf, DmabufBlocker, DmabufSource},
        renderer::utils::on_commit_buffer_handler,
    },
    delegate_compositor,
    desktop::{PopupKind, find_popup_root_surface, utils::with_surfaces_surface_tree},
    reexports::wayland_server::{Client, Resource, protocol::wl_surface::WlSurface},
    wayland::{
        compositor::{
            BufferAssignment, CompositorClientState, CompositorHandler, CompositorState,
            SubsurfaceCachedState, SurfaceAttributes, add_blocker, add_pre_commit_hook,
            get_children, get_parent, is_sync_subsurface, with_states,
        },
        dmabuf::get_dmabuf,
    },
};
use tracing::debug;

use crate::{state::State, wayland::ClientState};

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
        if is_sync_subsurface(surface) {
            return;
        }
        let mut root = surface.clone();
        while let Some(parent) = get_parent(&root) {
            root = parent;
        }
        self.configure_first(&root);
        if root == *surface && self.windows.toplevel(surface).is_some() {
            let before = self.windows.output(surface);
            let output = self.windows.committed(surface);
            self.window_changed(surface, before, output);
        } else if let Some(output) = self.windows.output(&self.toplevel_of(root)) {
            self.queue_redraw(output);
        }
    }

    fn destroyed(&mut self, _: &WlSurface) {
        // A subsurface goes at once, without a commit of its parent, and where it was is not known
        // any more.
        for output in 0..self.outputs.len() {
            self.queue_redraw(output);
        }
    }
}

impl State {
    /// A window that was on one output is now on another, or on none, or shows something else.
    pub(super) fn window_changed(
        &mut self,
        surface: &WlSurface,
        before: Option<usize>,
        after: Option<usize>,
    ) {
        if before != after
            && let Some(left) = before.and_then(|index| self.outputs.get(index))
        {
            with_surfaces_surface_tree(surface, |surface, _| left.output.leave(surface));
        }
        for output in [before, after].into_iter().flatten() {
            self.queue_redraw(output);
        }
    }

    /// Holds a commit back whose dma-buf the client's GPU is still drawing. Whoever reads it, a
    /// GPU or the CPU, would have to wait, and every other client with it.
    fn hold_back_until_rendered(&mut self, surface: &WlSurface) {
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
        if let Some(client) = surface.client()
            && self.clients.when_ready(source, client)
        {
            add_blocker(surface, blocker);
        }
    }

    /// The toplevel that a menu belongs to; other surfaces as they are.
    fn toplevel_of(&self, root: WlSurface) -> WlSurface {
        let popup = self.windows.popups.find_popup(&root);
        popup
            .and_then(|popup| find_popup_root_surface(&popup).ok())
            .unwrap_or(root)
    }

    /// Answers a window's first commit, which has no buffer, with its first size.
    fn configure_first(&mut self, root: &WlSurface) {
        if let Some(toplevel) = self.windows.toplevel(root) {
            if !toplevel.is_initial_configure_sent() {
                let bounds = self.first_bounds(root);
                toplevel.with_pending_state(|state| state.bounds = Some(bounds));
                toplevel.send_configure();
            }
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

delegate_compositor!(State);
