//! When what was committed counts as shown.
//!
//! ```text
//!                commit                    the next refresh, or at once
//!   (nothing) ───────────▶ waiting ─────────────────────────────────────▶ shown
//!                           │   ▲
//!                           └───┘ commit: what it replaces is discarded
//! ```
//!
//! A buffer is released when another one takes its place: nothing reads it here.

use std::{sync::Mutex, time::Duration};

use smithay::{
    output::{Mode, Output, PhysicalProperties, Scale, Subpixel},
    reexports::{
        wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::Kind,
        wayland_server::{
            DisplayHandle, Resource as _,
            protocol::{wl_buffer::WlBuffer, wl_surface::WlSurface},
        },
    },
    utils::Transform,
    wayland::{
        compositor::{BufferAssignment, SurfaceAttributes, SurfaceData, with_states},
        presentation::{PresentationFeedbackCachedState, Refresh},
    },
};

use super::{
    Presented, Presents, What,
    handlers::what,
    server::{Setup, State},
};
use crate::backend::now;

/// The monitor that there is not.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) output: Output,
    presents: Presents,
    period: Duration,
    /// When the first refresh was.
    began: Duration,
    /// Surfaces with something new.
    waiting: Vec<WlSurface>,
    /// How many refreshes there were.
    count: u64,
}

/// The buffer that a surface shows; kept with the surface.
#[derive(Debug, Default)]
struct Held(Mutex<Option<WlBuffer>>);

impl Screen {
    pub(super) fn new(setup: &Setup, display: &DisplayHandle) -> Self {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let hertz = setup.hertz.max(1);
        let physical = PhysicalProperties {
            size: (600, 340).into(),
            subpixel: Subpixel::None,
            make: "LUC".to_owned(),
            model: "Stopwatch".to_owned(),
        };
        let output = Output::new("STOPWATCH-1".to_owned(), physical);
        let mode = Mode {
            size: (number(setup.size.0), number(setup.size.1)).into(),
            refresh: number(hertz.saturating_mul(1000)),
        };
        output.change_current_state(
            Some(mode),
            Some(Transform::Normal),
            Some(Scale::Integer(1)),
            Some((0, 0).into()),
        );
        output.set_preferred(mode);
        output.create_global::<State>(display);
        Self {
            output,
            presents: setup.manner.presents,
            period: Duration::from_secs(1) / hertz,
            began: now(),
            waiting: Vec::new(),
            count: 0,
        }
    }

    /// How long nothing is due; `None` until something is committed.
    pub(super) fn sleep(&self, now: Duration) -> Option<Duration> {
        if self.waiting.is_empty() {
            return None;
        }
        Some(self.due(now).saturating_sub(now))
    }

    /// The first refresh that was not yet, or that is due.
    fn due(&self, now: Duration) -> Duration {
        match self.presents {
            Presents::AtOnce => now,
            Presents::AtRefresh => self.began + self.period * self.next(),
        }
    }

    /// The number of the refresh that shows what waits.
    fn next(&self) -> u32 {
        u32::try_from(self.count.saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// Something new is on a surface.
    pub(super) fn add(&mut self, surface: &WlSurface, now: Duration) {
        if self.waiting.is_empty() {
            // The refreshes that nothing waited for were not counted.
            let passed = now.saturating_sub(self.began).as_nanos() / self.period.as_nanos().max(1);
            self.count = self.count.max(u64::try_from(passed).unwrap_or(u64::MAX));
        }
        if !self.waiting.contains(surface) {
            self.waiting.push(surface.clone());
        }
    }
}

impl State {
    /// Shows what waits, if it is time to.
    pub(super) fn refresh(&mut self) {
        let now = now();
        if self.screen.waiting.is_empty() {
            return;
        }
        let due = self.screen.due(now);
        if due > now {
            return;
        }
        self.screen.count += 1;
        for surface in std::mem::take(&mut self.screen.waiting) {
            if surface.is_alive() {
                self.show(&surface, due);
            }
        }
    }

    fn show(&mut self, surface: &WlSurface, at: Duration) {
        let screen = &self.screen;
        let refresh = match screen.presents {
            Presents::AtOnce => Refresh::Unknown,
            Presents::AtRefresh => Refresh::fixed(screen.period),
        };
        let time = u32::try_from(at.as_millis() & u128::from(u32::MAX)).unwrap_or_default();
        let is_new = with_states(surface, |states| {
            let mut attributes = states.cached_state.get::<SurfaceAttributes>();
            for callback in attributes.current().frame_callbacks.drain(..) {
                callback.done(time);
            }
            let mut feedback = states.cached_state.get::<PresentationFeedbackCachedState>();
            let callbacks = std::mem::take(&mut feedback.current().callbacks);
            let is_new = !callbacks.is_empty();
            for callback in callbacks {
                callback.presented(&screen.output, at, refresh, screen.count, Kind::Vsync);
            }
            is_new
        });
        if is_new && what(surface) == What::Window {
            let guest = Self::guest_of(surface);
            // Fails where nobody listens any more.
            let _ = self.reports.presented.send(Presented { at, guest });
        }
    }
}

/// Takes what a commit attached, and releases what was there before. Returns whether something is
/// attached now.
pub(super) fn replace_buffer(states: &SurfaceData) -> bool {
    let mut attributes = states.cached_state.get::<SurfaceAttributes>();
    let assigned = attributes.current().buffer.take();
    states.data_map.insert_if_missing_threadsafe(Held::default);
    let Some(Ok(mut held)) = states.data_map.get::<Held>().map(|held| held.0.lock()) else {
        return false;
    };
    let before = match assigned {
        None => None,
        Some(BufferAssignment::Removed) => held.take(),
        Some(BufferAssignment::NewBuffer(buffer)) => held.replace(buffer),
    };
    if let Some(before) = before {
        before.release();
    }
    held.is_some()
}
