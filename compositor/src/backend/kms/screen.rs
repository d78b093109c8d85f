//! One monitor that is driven: its pictures, its flips, and what it does when they fail.

use std::{collections::HashMap, time::Duration};

use smithay::{
    backend::{
        allocator::{Format, Fourcc, Modifier, format::get_opaque},
        drm::{DrmSurface, Planes as DrmPlanes},
    },
    reexports::drm::control::{Device as _, Mode, connector, crtc},
    utils::{Physical, Size, Transform},
    wayland::dmabuf::DmabufFeedback,
};
use tracing::{debug, error, info, warn};

use super::{
    candidates::fills,
    connectors,
    hotplug::NewScreen,
    identity::Identity,
    picture::Picture,
    planes::KeptOff,
    reasons::Abilities,
    record::{Made, Record},
};
use crate::{
    backend::OutputId,
    render::{
        Composed, Layer, RenderError, Renderer, Shown, Work,
        scanout::{Candidate, Pixels},
    },
};

/// The first wait after a frame that failed.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// The longest one.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// A monitor and the CRTC that drives it.
#[derive(Debug)]
pub struct Screen {
    /// Its output.
    pub id: OutputId,
    /// Its connector's name.
    pub name: String,
    /// Who the monitor is.
    pub identity: Identity,
    /// Its connector.
    pub connector: connector::Handle,
    /// What drives it.
    pub crtc: crtc::Handle,
    /// Its mode.
    pub mode: Mode,
    /// What clients are told about buffers for it.
    pub feedback: Option<DmabufFeedback>,
    picture: Picture,
    transform: Transform,
    /// What became of its frames.
    pub record: Record,
    abilities: Abilities,
    /// The formats that some plane has, without modifiers.
    codes: Vec<Fourcc>,
    vrr: bool,
    /// A flip was asked for and has not happened.
    in_flight: bool,
    /// The number of the last vblank.
    vblanks: u64,
    /// How long to wait after the next failure.
    retry: Duration,
    /// After a failure, nothing is tried before this.
    retry_at: Option<Duration>,
    /// When the next frame is wanted though nothing changes, if it is.
    wanted_at: Option<Duration>,
}

/// What else has to be known of a new screen.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Whether its refresh rate varies.
    pub vrr: bool,
    /// Whether there is GBM: smithay makes the pictures of pointers with it.
    pub has_gbm: bool,
}

/// A composed frame, and when another one is wanted though nothing changes.
#[derive(Debug)]
pub struct Frame {
    /// For the redraw state machine.
    pub composed: Result<Composed, RenderError>,
    /// When to try again.
    pub again: Option<Duration>,
}

impl Screen {
    /// A screen that shows nothing yet.
    #[must_use]
    pub fn new(id: OutputId, new: &NewScreen, picture: Picture, about: About) -> Self {
        let About { vrr, has_gbm } = about;
        let monitor = &new.monitor;
        let surface = picture.surface();
        let atomic = !surface.is_legacy();
        let overlays = surface.planes().overlay.len();
        let mut screen = Self {
            codes: Vec::new(),
            id,
            name: monitor.name.clone(),
            identity: monitor.identity.clone(),
            connector: monitor.connector,
            crtc: surface.crtc(),
            mode: surface.pending_mode(),
            feedback: None,
            abilities: Abilities {
                overlays: if atomic { overlays } else { 0 },
                cursor: atomic && has_gbm && !surface.planes().cursor.is_empty(),
                atomic,
            },
            picture,
            transform: new.rule.transform,
            record: Record::default(),
            vrr,
            in_flight: false,
            vblanks: 0,
            retry: FIRST_RETRY,
            retry_at: None,
            wanted_at: None,
        };
        screen.codes = screen.formats().iter().map(|format| format.code).collect();
        screen
    }

    /// Whether the refresh rate varies.
    #[must_use]
    pub fn vrr(&self) -> bool {
        self.vrr
    }

    /// Whether its pictures are drawn by its card's GPU.
    #[must_use]
    pub fn is_drawn_by_gpu(&self) -> bool {
        matches!(self.picture, Picture::Gbm(_))
    }

    /// Changes the mode with the next frame.
    ///
    /// # Errors
    /// The driver's; the mode is the old one then.
    pub fn use_mode(&mut self, mode: Mode) -> Result<(), String> {
        self.picture.use_mode(mode, self.transform)?;
        self.mode = mode;
        self.record.forget_refusals();
        Ok(())
    }

    /// The formats of clients' buffers that some plane shows without drawing.
    #[must_use]
    pub fn formats(&self) -> Vec<Format> {
        let surface = self.picture.surface();
        let overlays = surface.planes().overlay.iter();
        let overlays = overlays.filter(|_| self.abilities.atomic);
        let mut formats: Vec<Format> = Vec::new();
        for plane in overlays.chain([surface.plane_info()]) {
            // Cards without modifiers list none, and take linear memory.
            let named = plane.formats.iter().map(|format| Format {
                modifier: match format.modifier {
                    Modifier::Invalid => Modifier::Linear,
                    named => named,
                },
                ..*format
            });
            for format in named {
                if !formats.contains(&format) {
                    formats.push(format);
                }
            }
        }
        formats
    }

    /// Prepares a frame and asks for the flip to it.
    pub fn compose(
        &mut self,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
        now: Duration,
    ) -> Frame {
        if self.in_flight {
            // Whoever waited for it has given up.
            warn!("{}: the driver never told that a flip was done", self.name);
            self.recover();
        }
        if self.retry_at.is_some_and(|at| now < at) {
            // Clients ask for frames all the time. A driver that is out of order is not to be
            // reset at their rate, and the try is due already.
            return Frame {
                composed: Ok(Composed::nothing()),
                again: None,
            };
        }
        match self.try_compose(renderer, size, scene, now) {
            Ok(composed) => {
                self.retry = FIRST_RETRY;
                self.retry_at = None;
                Frame {
                    again: self.want(&composed, now),
                    composed: Ok(composed.0),
                }
            }
            Err(error) => {
                self.recover();
                let again = now + self.retry;
                self.retry = (self.retry * 2).min(LONGEST_RETRY);
                self.retry_at = Some(again);
                self.wanted_at = Some(again);
                Frame {
                    composed: Err(error),
                    again: Some(again),
                }
            }
        }
    }

    /// Returns the frame, and whether the mode was set with it.
    fn try_compose(
        &mut self,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
        now: Duration,
    ) -> Result<(Composed, bool), RenderError> {
        // smithay asks the driver about planes without allowing it to set the mode: while that has
        // to be set, everything would be refused, and be remembered as such.
        let sets_mode = self.picture.surface().commit_pending();
        let mut kept_off = HashMap::new();
        let (record, codes) = (&self.record, &self.codes);
        let picks = self.abilities.atomic;
        let upright = self.transform == Transform::Normal;
        let mut may_scan_out = |candidate: &Candidate| {
            if sets_mode {
                return false;
            }
            let shows = picks || upright && fills(candidate, size);
            if !shows {
                return false;
            }
            if !has_format(codes, candidate) {
                kept_off.insert(candidate.id.clone(), KeptOff::Format);
                return false;
            }
            let verdict = record.may_try(candidate, size, now);
            if let Err(reason) = verdict {
                kept_off.insert(candidate.id.clone(), reason);
            }
            verdict.is_ok()
        };
        let scanned = self.picture.prepare(renderer, scene, &mut may_scan_out)?;
        let flipped = match scanned.unchanged {
            true => Ok(()),
            false => self.picture.flip(),
        };
        if sets_mode {
            self.record.forget_refusals();
        } else {
            let made = Made {
                scene,
                scanned: &scanned,
                kept_off: &kept_off,
                size,
                failed: flipped.is_err(),
            };
            self.record.learn(&made, self.abilities, now);
        }
        flipped.map_err(|error| RenderError::new("flip to a picture", error))?;
        self.in_flight = !scanned.unchanged;
        let composed = Composed {
            work: match (scanned.unchanged, scanned.composited) {
                (true, _) => Work::None,
                (false, false) => Work::Direct,
                (false, true) => Work::Drawn,
            },
            states: scanned.states,
            sync: scanned.sync,
            shown: match scanned.unchanged {
                true => Shown::AtVblank,
                false => Shown::Flip,
            },
        };
        Ok((composed, sets_mode))
    }

    /// When a frame is wanted though nothing changes: something may go back to its plane then.
    /// `None` if that was answered already.
    fn want(&mut self, composed: &(Composed, bool), now: Duration) -> Option<Duration> {
        if composed.1 {
            // Planes were not tried yet.
            return Some(now);
        }
        let next = self.record.next_try(now)?;
        if self.wanted_at.is_some_and(|at| at > now && at <= next) {
            return None;
        }
        self.wanted_at = Some(next);
        Some(next)
    }

    /// A vblank of the CRTC, by the card's count. Returns its number if it is that of the flip that
    /// was asked for.
    pub fn vblank(&mut self, counted: Option<u32>) -> Option<u64> {
        if !std::mem::take(&mut self.in_flight) {
            return None;
        }
        if let Err(error) = self.picture.flipped() {
            warn!("{}: {error}", self.name);
        }
        self.vblanks = continued(self.vblanks, counted);
        Some(self.vblanks)
    }

    /// Begins anew with whatever state the CRTC is in. Whether the driver plays along.
    fn recover(&mut self) -> bool {
        self.pause();
        match self.picture.start_over() {
            Ok(()) => true,
            Err(error) => {
                debug!("{}: could not start over: {error}", self.name);
                false
            }
        }
    }

    /// The flip under way is of no interest any more. Else the next frame would wait for it.
    pub fn pause(&mut self) {
        self.in_flight = false;
        if let Err(error) = self.picture.flipped() {
            debug!("{}: {error}", self.name);
        }
    }

    /// The seat is back. Whether the driver plays along.
    pub fn resume(&mut self) -> bool {
        self.record.forget_refusals();
        self.retry = FIRST_RETRY;
        self.retry_at = None;
        self.recover()
    }

    /// Switches the monitor off until the next frame.
    pub fn darken(&mut self) {
        // Also where the driver refuses, nobody waits for a flip any more.
        self.pause();
        match self.picture.darken() {
            Ok(()) => info!("{} is dark now", self.name),
            Err(error) => error!("Could not switch {} off: {error}", self.name),
        }
    }

    /// Takes away what lies over the primary plane, which is all that the console knows of.
    pub fn clear_upper_planes(&self) {
        let surface = self.picture.surface();
        let DrmPlanes {
            overlay, cursor, ..
        } = surface.planes();
        for plane in overlay.iter().chain(cursor) {
            let shows = surface.get_plane(plane.handle);
            if shows.is_ok_and(|shows| shows.crtc() == Some(self.crtc))
                && let Err(error) = surface.clear_plane(plane.handle)
            {
                debug!("{}: {error}", self.name);
            }
        }
    }

    /// smithay's surface.
    #[must_use]
    pub fn surface(&self) -> &DrmSurface {
        self.picture.surface()
    }
}

/// Goes on counting vblanks where the card begins anew after 32 bits, or does not count.
fn continued(last: u64, counted: Option<u32>) -> u64 {
    let low = u32::try_from(last & u64::from(u32::MAX)).unwrap_or_default();
    let passed = match counted {
        Some(counted) if last == 0 => counted,
        Some(counted) => counted.wrapping_sub(low),
        None => 1,
    };
    // Backwards: the card has lost count.
    let passed = if passed > u32::MAX / 2 { 1 } else { passed };
    last.saturating_add(u64::from(passed.max(1)))
}

impl Drop for Screen {
    fn drop(&mut self) {
        let surface = self.picture.surface();
        if !surface.is_active() || surface.is_legacy() {
            return;
        }
        // smithay makes a blob for each surface's mode and leaves it to the kernel, which keeps it
        // as long as the card is open. It may go while the CRTC shows it: that has its own hold.
        if let Some(blob) = connectors::value(surface, self.crtc, "MODE_ID")
            && blob != 0
            && let Err(error) = surface.destroy_property_blob(blob)
        {
            debug!("{}: {error}", self.name);
        }
    }
}

/// Whether some plane has an element's format, or the same without alpha, as smithay asks for it.
/// Pointers are copied.
fn has_format(codes: &[Fourcc], candidate: &Candidate) -> bool {
    let Pixels::Dmabuf(format) = candidate.pixels else {
        return true;
    };
    let opaque = get_opaque(format.code).unwrap_or(format.code);
    candidate.pointer || codes.contains(&format.code) || codes.contains(&opaque)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vblanks_are_counted_beyond_the_cards_32_bits() {
        assert_eq!(continued(0, Some(7)), 7);
        assert_eq!(continued(7, Some(9)), 9);
        let last = u64::from(u32::MAX);
        assert_eq!(continued(last, Some(1)), last + 2);
    }

    #[test]
    fn a_card_that_does_not_count_or_loses_count_is_counted_for() {
        assert_eq!(continued(7, None), 8);
        assert_eq!(continued(7, Some(7)), 8);
        assert_eq!(continued(1000, Some(3)), 1001);
    }
}
