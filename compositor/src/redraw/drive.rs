//! Doing what the redraw state machines say: composing outputs, and telling clients at the vblank.

use std::time::Duration;

use smithay::{
    backend::renderer::sync::SyncPoint,
    desktop::utils::SurfacePresentationFeedback,
    output::Output,
    reexports::{
        wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::Kind,
        wayland_server::protocol::wl_callback::WlCallback,
    },
    wayland::{compositor::SurfaceAttributes, presentation::Refresh},
};
use tracing::{error, trace};

use super::{Due, FrameClock, hidden::Hidden, millis};
use crate::{
    backend::{HostOutput, now},
    render::{Composed, Layer},
    state::State,
    wayland::CLOCK_ID,
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
/// Buffers need no such care here: composing copies, so a buffer is released when the next one
/// replaces it.
#[derive(Debug, Default)]
pub struct ComposedFrame {
    callbacks: Vec<WlCallback>,
    feedback: Vec<SurfacePresentationFeedback>,
    /// Reached when the picture is complete.
    sync: SyncPoint,
    hidden: Hidden,
}

impl ComposedFrame {
    /// Takes what the surfaces that are to be seen in a composed scene asked for. The others
    /// are told nothing about vblanks; how their guests go on is the business of their devices.
    fn collect(&mut self, scene: &[Layer], composed: &Composed, output: &Output) {
        let mut hidden = Vec::new();
        for layer in scene {
            layer.for_each_surface(|surface, states| {
                output.enter(surface);
                let mut attributes = states.cached_state.get::<SurfaceAttributes>();
                let callbacks = &mut attributes.current().frame_callbacks;
                if composed.states.element_was_presented(surface) {
                    self.callbacks.append(callbacks);
                    // No flags: a picture that was copied is not zero-copy.
                    let feedback = SurfacePresentationFeedback::from_states(states, Kind::empty());
                    self.feedback.extend(feedback);
                } else if !callbacks.is_empty() {
                    hidden.push(surface.clone());
                }
            });
        }
        self.hidden.replace(hidden, now());
        self.sync = composed.sync.clone();
    }

    /// The picture has become visible.
    fn presented(&mut self, output: &Output, clock: &FrameClock, sequence: u64, at: Duration) {
        let refresh = Refresh::Fixed(clock.period());
        for mut feedback in self.feedback.drain(..) {
            feedback.presented(output, CLOCK_ID, at, refresh, sequence, Kind::Vsync);
        }
        for callback in self.callbacks.drain(..) {
            callback.done(millis(at));
        }
    }
}

impl State {
    /// Something on an output changed.
    pub(crate) fn queue_redraw(&mut self, output: usize) {
        if let Some(output) = self.outputs.get_mut(output) {
            output.redraw.queue(now());
        }
    }

    /// The back-end calls this when the time that an output's redraw waits for has come.
    pub fn output_woke(&mut self, index: usize) {
        while let Some(output) = self.outputs.get_mut(index) {
            match output.redraw.due(now()) {
                Some(Due::Compose) => self.compose(index),
                Some(Due::Vblank { sequence, at }) => output.vblank(sequence, at),
                None => {
                    output.frame.hidden.answer(now());
                    break;
                }
            }
        }
        self.backend.woke(index);
        self.settle();
    }

    fn compose(&mut self, index: usize) {
        let started = now();
        let drawn = self.draw(index);
        let Some(output) = self.outputs.get_mut(index) else {
            return;
        };
        match drawn {
            Ok((scene, composed)) => output.collect(&scene, &composed),
            Err(error) => error!("Output {}: {error}", output.name()),
        }
        let finished = now();
        output.redraw.composed(started, finished);
        trace!(output = output.name(), took = ?finished.saturating_sub(started), "Composed");
    }
}

impl HostOutput {
    /// When [`State::output_woke`] has to be called next; `None` while nothing is to be done.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let redraw = self.redraw.deadline();
        redraw.into_iter().chain(self.frame.hidden.deadline()).min()
    }

    fn collect(&mut self, scene: &[Layer], composed: &Composed) {
        self.frame.collect(scene, composed, &self.output);
    }

    fn vblank(&mut self, sequence: u64, at: Duration) {
        if !self.frame.sync.is_reached() {
            self.redraw.missed_vblank(now());
            return;
        }
        self.frame
            .presented(&self.output, self.redraw.clock(), sequence, at);
    }
}
