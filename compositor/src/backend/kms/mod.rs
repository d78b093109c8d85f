//! Real monitors: kernel mode setting on a bare console.
//!
//! - `session`: the seat, which lends screens and input devices; `start` takes it, and finds
//!   cards and a renderer.
//! - `card`: a graphics card, and `holder` who else has it; `connectors` what is plugged into
//!   it, `looks` when that is looked at, `hotplug` what changes there, `pairing` and `modes` what drives a monitor and how,
//!   `identity` and `options` what the user wants of it.
//! - `screen`: a monitor that is driven, by smithay's compositor for planes (`picture`).
//!   `planes` remembers what planes refused, `reasons` names why something is composited;
//!   both are pure, `record` and `candidates` lead to them.
//! - `exporter`, `gbm`: clients' memory as framebuffers; `framebuffers` knows whose they are.
//! - `feedback`, `report`: what clients and users are told about planes.
//! - `state`, `plugged`: what happens to the compositor when one of these says something, or comes
//!   or goes; `sources` brings it from the event loop.
//!
//! This room knows elements of a scene, not windows or guests.

mod candidates;
mod card;
mod connectors;
mod console;
mod error;
mod exporter;
mod feedback;
mod framebuffers;
mod gbm;
mod holder;
mod hotplug;
mod identity;
mod looks;
mod modes;
mod options;
mod pairing;
mod picture;
mod planes;
mod plugged;
mod reasons;
mod record;
mod report;
mod screen;
mod session;
mod sources;
mod start;
mod state;

use std::{collections::BTreeMap, path::PathBuf};

use smithay::{
    backend::drm::DrmDeviceFd,
    utils::{Physical, Size},
    wayland::dmabuf::DmabufFeedback,
};
use tracing::error;

pub use error::KmsError;
pub(crate) use holder::{holders, is_master};
pub use identity::Identity;
pub use modes::{Timing, WantedMode};
pub use options::{KmsOptions, OutputRule, Which};
pub use planes::PlaneKind;
pub use reasons::Reason;
pub use record::Owner;
pub use report::{PlaneOwner, PlaneReport};
pub use session::{Seat, SeatError};
pub use start::StartError;

use card::Card;
use console::Console;
use screen::{Frame, Screen};
use sources::{CardId, Sources};

use super::{OutputId, now};
use crate::render::{Composed, Layer, RenderError, Renderer, RendererChoice};

/// The back-end for real monitors.
#[derive(Debug)]
pub struct Kms {
    seat: Seat,
    /// What was in front when the seat was taken.
    console: Option<Console>,
    cards: BTreeMap<CardId, Card>,
    /// Cards that were plugged in while the seat was somebody else's, or could not be opened.
    unopened: BTreeMap<CardId, PathBuf>,
    /// The card whose GPU draws, if one does, and whose picture is the console's.
    primary: CardId,
    options: KmsOptions,
    sources: Sources,
    /// Draws for cards whose GPU does not, where the other renderer is a GPU's.
    pixman: Option<Renderer>,
    /// Monitors are switched off until somebody moves.
    dark: bool,
}

impl Kms {
    /// The seat, for input devices and other consoles.
    #[must_use]
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Whether screens may be used now.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.seat.is_active() && !self.dark
    }

    /// The descriptor of the card that draws.
    #[must_use]
    pub fn device(&self) -> Option<&DrmDeviceFd> {
        let card = self.cards.get(&self.primary)?;
        Some(card.device.device_fd())
    }

    /// Prepares the next picture of an output, and asks for the flip to it.
    ///
    /// # Errors
    /// The renderer's or the driver's. It is tried again by and by.
    pub fn compose(
        &mut self,
        output: OutputId,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Composed, RenderError> {
        let Self {
            cards,
            pixman,
            sources,
            ..
        } = self;
        let found = cards.values_mut().find_map(|card| {
            let mut screens = card.screens.iter_mut();
            let screen = screens.find(|screen| screen.id == output)?;
            Some((screen, &card.framebuffers))
        });
        let Some((screen, framebuffers)) = found else {
            return Err(RenderError::no_output());
        };
        let renderer = match (screen.is_drawn_by_gpu(), renderer) {
            (false, Renderer::Gles(_)) => cpu(pixman)?,
            (_, renderer) => renderer,
        };
        let now = now();
        let Frame { composed, again } = screen.compose(renderer, size, scene, now);
        screen.record.forget_buffers(framebuffers);
        if let Some(again) = again {
            sources.redraw_in(again.saturating_sub(now), output);
        }
        if composed.is_ok()
            && let Some(feedback) = &screen.feedback
        {
            for layer in scene {
                layer.for_each_surface(|_, surface| feedback::tell(surface, feedback));
            }
        }
        composed
    }

    fn screen(&self, output: OutputId) -> Option<(&Card, &Screen)> {
        self.cards.values().find_map(|card| {
            let mut screens = card.screens.iter();
            Some((card, screens.find(|screen| screen.id == output)?))
        })
    }

    fn screens_mut(&mut self) -> impl Iterator<Item = &mut Screen> {
        self.cards.values_mut().flat_map(|card| &mut card.screens)
    }

    /// What is on the planes of an output, the lowest first.
    #[must_use]
    pub fn planes(&self, output: OutputId) -> Vec<PlaneReport> {
        let screen = self.screen(output);
        screen
            .map(|(card, screen)| report::planes(screen, &card.framebuffers))
            .unwrap_or_default()
    }

    /// Why things in the last picture of an output were composited, front to back.
    #[must_use]
    pub fn reasons(&self, output: OutputId) -> &[Reason] {
        self.screen(output)
            .map(|(_, screen)| screen.record.reasons())
            .unwrap_or_default()
    }

    /// What clients are told about buffers for an output.
    #[must_use]
    pub fn feedback(&self, output: OutputId) -> Option<&DmabufFeedback> {
        let (_, screen) = self.screen(output)?;
        screen.feedback.as_ref()
    }

    /// Whether an output's refresh rate varies.
    #[must_use]
    pub fn vrr(&self, output: OutputId) -> bool {
        self.screen(output).is_some_and(|(_, screen)| screen.vrr())
    }
}

/// The renderer for cards whose GPU does not draw.
fn cpu(pixman: &mut Option<Renderer>) -> Result<&mut Renderer, RenderError> {
    if pixman.is_none() {
        match Renderer::open(RendererChoice::Pixman) {
            Ok(renderer) => *pixman = Some(renderer),
            Err(error) => error!("{error}"),
        }
    }
    pixman.as_mut().ok_or_else(RenderError::no_output)
}

impl Drop for Kms {
    fn drop(&mut self) {
        for (_, mut card) in std::mem::take(&mut self.cards) {
            if let Some(events) = card.events.take() {
                self.sources.forget(events);
            }
            card.give_back(&self.seat);
        }
    }
}
