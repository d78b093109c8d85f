//! `wp_linux_drm_syncobj_manager_v1`: clients say by which point of a timeline a buffer may be
//! read, and at which point they want to know that it is free again.
//!
//! Offered only where the card can tell of such a point through a descriptor: a commit waits for
//! its point without anybody else waiting, see [`State::hold_back_until_rendered`]. smithay tells
//! of the other one when nothing reads the buffer any more, planes included.

use smithay::{
    backend::drm::DrmDeviceFd,
    delegate_drm_syncobj,
    reexports::wayland_server::{DisplayHandle, protocol::wl_surface::WlSurface},
    wayland::{
        compositor::with_states,
        drm_syncobj::{
            DrmSyncPointBlocker, DrmSyncPointSource, DrmSyncobjCachedState, DrmSyncobjHandler,
            DrmSyncobjState, supports_syncobj_eventfd,
        },
    },
};
use tracing::debug;

use crate::state::State;

impl DrmSyncobjHandler for State {
    fn drm_syncobj_state(&mut self) -> Option<&mut DrmSyncobjState> {
        self.protocols.syncobj.as_mut()
    }
}

/// The global, if the card can do what it promises.
pub(crate) fn syncobj_global(
    display: &DisplayHandle,
    card: &DrmDeviceFd,
) -> Option<DrmSyncobjState> {
    if !supports_syncobj_eventfd(card) {
        debug!("No explicit synchronisation: the card's driver has no timelines to wait for");
        return None;
    }
    Some(DrmSyncobjState::new::<State>(display, card.clone()))
}

/// What a surface's next commit waits for, if its client named a point.
pub(super) fn acquire_blocker(
    surface: &WlSurface,
) -> Option<(DrmSyncPointBlocker, DrmSyncPointSource)> {
    let point = with_states(surface, |states| {
        let mut cached = states.cached_state.get::<DrmSyncobjCachedState>();
        cached.pending().acquire_point.clone()
    })?;
    match point.generate_blocker() {
        Ok(waiting) => Some(waiting),
        Err(error) => {
            debug!("A commit does not wait for its buffer: {error}");
            None
        }
    }
}

delegate_drm_syncobj!(State);
