//! The frame under way: whose surfaces are in it, and what their clients are owed.

use std::{collections::HashSet, time::Duration};

use smithay::{
    backend::renderer::sync::SyncPoint,
    desktop::utils::{
        SurfacePresentationFeedback, surface_presentation_feedback_flags_from_states,
    },
    output::Output,
    reexports::{
        wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::Kind,
        wayland_server::protocol::{wl_callback::WlCallback, wl_surface::WlSurface},
    },
    wayland::{compositor::SurfaceAttributes, presentation::Refresh},
};

use super::{Hidden, Source, Vblank, awaited::Awaited, millis};
use crate::{
    render::{Composed, Layer},
    wayland::{CLOCK_ID, prefer_scale},
};

/// What is owed to the clients whose surfaces are in a composed picture, due at its vblank.
///
/// Both kinds are taken from the surfaces when the picture is composed, so that a commit between
/// composing and the vblank gets its answers with the picture that shows it. If its frame
/// callback were answered at once, the client would hand over a third frame, and the second would
/// never be seen.
///
/// Frame callbacks wait for the vblank too. A guest's flip is done then, and not before it gets a
/// frame buffer back; and composing is late in the refresh, which leaves nearly all of the next
/// one to the client. Answering right after composing would only make clients with three buffers
/// run a frame ahead.
///
/// Buffers need no such care here: what is copied is released when the next one replaces it, and
/// what a plane shows is kept by the back-end until the flip that replaces it.
#[derive(Debug, Default)]
pub struct ComposedFrame {
    callbacks: Vec<WlCallback>,
    feedback: Vec<SurfacePresentationFeedback>,
    /// Whose next frame is to be in the next picture.
    awaited: Awaited<WlSurface>,
    /// Reached when the picture is complete.
    sync: SyncPoint,
    present: Present,
}

/// The surfaces on an output, as their clients were told.
#[derive(Debug, Default)]
struct Present {
    surfaces: Vec<WlSurface>,
    /// Those of the scene that is looked at.
    found: Vec<WlSurface>,
    /// The output's scale, as they were told.
    scale: f64,
}

impl ComposedFrame {
    /// Takes what the surfaces that are to be seen in a composed scene asked for. The others
    /// are told nothing about vblanks; how their guests go on is the business of their devices.
    pub(super) fn collect(
        &mut self,
        scene: &[Layer],
        composed: &Composed,
        output: &Output,
        hidden: &mut Hidden,
        now: Duration,
    ) {
        self.awaited.compose();
        for layer in scene {
            layer.for_each_surface(|surface, states| {
                self.present.found.push(surface.clone());
                if !composed.states.element_was_presented(surface) {
                    hidden.add(surface, states, now);
                    return;
                }
                let mut attributes = states.cached_state.get::<SurfaceAttributes>();
                let callbacks = &mut attributes.current().frame_callbacks;
                if !callbacks.is_empty() {
                    self.awaited.ask(surface.clone());
                }
                self.callbacks.append(callbacks);
                let flags =
                    surface_presentation_feedback_flags_from_states(surface, &composed.states);
                let feedback = SurfacePresentationFeedback::from_states(states, flags);
                self.feedback.extend(feedback);
            });
        }
        self.present.update(output, hidden, now);
        self.sync = composed.sync.clone();
    }

    /// Whether the picture is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.sync.is_reached()
    }

    /// The picture has become visible. Whether some clients are waited for, which were told so.
    pub(super) fn presented(&mut self, output: &Output, refresh: Refresh, vblank: Vblank) -> bool {
        let flags = match vblank.source {
            Source::Timer => Kind::Vsync,
            Source::Display => Kind::Vsync | Kind::HwClock | Kind::HwCompletion,
            Source::DisplayWithoutClock => Kind::Vsync | Kind::HwCompletion,
        };
        let Vblank { sequence, at, .. } = vblank;
        for mut feedback in self.feedback.drain(..) {
            feedback.presented(output, CLOCK_ID, at, refresh, sequence, flags);
        }
        self.answer(at);
        self.awaited.tell()
    }

    /// A surface has committed. Whether it was the last one that was waited for.
    pub(super) fn arrived(&mut self, surface: &WlSurface) -> bool {
        self.awaited.arrived(surface)
    }

    /// Nobody knows whether the picture ever became visible, or will. Clients go on without it.
    pub(crate) fn give_up(&mut self, now: Duration) {
        // Dropped feedback says so to its client.
        self.feedback.clear();
        self.awaited.compose();
        self.answer(now);
    }

    /// The output goes: no surface is on it any more.
    pub(crate) fn leave_all(&mut self, output: &Output, hidden: &mut Hidden, now: Duration) {
        self.give_up(now);
        self.present.found.clear();
        self.present.update(output, hidden, now);
    }

    fn answer(&mut self, now: Duration) {
        for callback in self.callbacks.drain(..) {
            callback.done(millis(now));
        }
    }
}

impl Present {
    /// The surfaces that were found are those on the output now. Clients are told what changed.
    fn update(&mut self, output: &Output, hidden: &mut Hidden, now: Duration) {
        let scale = output.current_scale().fractional_scale();
        let is_rescaled = std::mem::replace(&mut self.scale, scale) != scale;
        if self.found != self.surfaces {
            let before: HashSet<&WlSurface> = self.surfaces.iter().collect();
            let after: HashSet<&WlSurface> = self.found.iter().collect();
            for surface in before.difference(&after) {
                output.leave(surface);
                hidden.add_surface(surface, now);
            }
            for surface in after.difference(&before) {
                output.enter(surface);
                prefer_scale(surface, scale);
            }
            std::mem::swap(&mut self.surfaces, &mut self.found);
        }
        self.found.clear();
        if is_rescaled {
            for surface in &self.surfaces {
                prefer_scale(surface, scale);
            }
        }
    }
}
