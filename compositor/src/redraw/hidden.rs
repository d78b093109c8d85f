//! Surfaces that nobody sees.

use std::time::Duration;

use smithay::{
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    wayland::compositor::{SurfaceAttributes, with_states},
};

use super::millis;

/// How often the frame callbacks of surfaces that are covered or off the output are answered.
///
/// Seldom, for nobody sees what their clients would draw; but a picture can be taken of a covered
/// guest too, and a device hands its newest frame over only after a frame callback.
const PULSE: Duration = Duration::from_secs(1);

/// The surfaces of an output that wait for a frame callback and are not to be seen.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    surfaces: Vec<WlSurface>,
    next: Option<Duration>,
}

impl Hidden {
    /// The output was composed, and these surfaces are not to be seen.
    pub(super) fn replace(&mut self, surfaces: Vec<WlSurface>, now: Duration) {
        self.surfaces = surfaces;
        if self.surfaces.is_empty() {
            self.next = None;
        } else {
            self.next.get_or_insert(now.saturating_add(PULSE));
        }
    }

    /// When [`Hidden::answer`] has something to do; `None` while there is nothing.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.next
    }

    /// Answers what is due.
    pub(super) fn answer(&mut self, now: Duration) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.next = None;
        for surface in self.surfaces.drain(..) {
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
