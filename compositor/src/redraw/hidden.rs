//! Surfaces that nobody sees.

use std::{collections::HashSet, time::Duration};

use smithay::{
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    wayland::compositor::{SurfaceAttributes, SurfaceData, with_states},
};

use super::millis;

/// How often the frame callbacks of surfaces that are covered or on no output are answered.
///
/// Seldom, for nobody sees what their clients would draw; but a picture can be taken of a covered
/// guest too, and a device hands its newest frame over only after a frame callback.
const PULSE: Duration = Duration::from_secs(1);

/// The surfaces that wait for a frame callback and are not to be seen. One that comes to be seen
/// meanwhile gets its answer from the frame that shows it, and is found without a question here.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    surfaces: HashSet<WlSurface>,
    next: Option<Duration>,
}

impl Hidden {
    /// A surface is not to be seen now.
    pub(crate) fn add_surface(&mut self, surface: &WlSurface, now: Duration) {
        if surface.is_alive() {
            with_states(surface, |states| self.add(surface, states, now));
        }
    }

    /// A surface with this state is not to be seen now.
    pub(crate) fn add(&mut self, surface: &WlSurface, states: &SurfaceData, now: Duration) {
        let mut attributes = states.cached_state.get::<SurfaceAttributes>();
        if attributes.current().frame_callbacks.is_empty() || self.surfaces.contains(surface) {
            return;
        }
        self.surfaces.insert(surface.clone());
        self.next.get_or_insert(now.saturating_add(PULSE));
    }

    /// When [`Hidden::answer`] has something to do; `None` while there is nothing.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.next
    }

    /// Answers what is due.
    pub(crate) fn answer(&mut self, now: Duration) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.next = None;
        for surface in self.surfaces.drain() {
            if !surface.is_alive() {
                continue;
            }
            with_states(&surface, |states| {
                let mut attributes = states.cached_state.get::<SurfaceAttributes>();
                for callback in attributes.current().frame_callbacks.drain(..) {
                    callback.done(millis(now));
                }
            });
        }
    }
}
