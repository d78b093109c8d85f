//! What the compositor does when the seat or a card says something.

use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use smithay::backend::{
    drm::{DrmEvent, DrmEventMetadata, DrmEventTime},
    udev::UdevEvent,
};
use tracing::{error, info, warn};

use super::{
    Kms,
    screen::Screen,
    session::{Seat, SessionEvent},
    sources::CardId,
};
use crate::{
    backend::{Backend, OutputId},
    state::State,
};

impl State {
    pub(super) fn kms_mut(&mut self) -> Option<&mut Kms> {
        match &mut self.backend {
            Backend::Kms(kms) => Some(kms),
            Backend::Headless(_) | Backend::Nested(_) => None,
        }
    }

    /// The seat that lends screens and input devices; `None` without one.
    #[must_use]
    pub fn seat(&self) -> Option<Seat> {
        match &self.backend {
            Backend::Kms(kms) => Some(kms.seat.clone()),
            Backend::Headless(_) | Backend::Nested(_) => None,
        }
    }

    /// Something happened to the seat.
    pub(super) fn session_event(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Leaving => {
                info!("Leaving the screens to another session");
                self.leave_the_seat();
                if let Some(seat) = self.seat() {
                    seat.let_go();
                }
            }
            SessionEvent::Active => self.take_the_seat(),
            SessionEvent::Lost => {
                error!("The seat manager has ended: there are no screens and no input devices");
                self.leave_the_seat();
                if let Some(kms) = self.kms_mut()
                    && let Some(console) = &kms.console
                {
                    console.give_back();
                }
                // As if told to: guests are stopped. That it is a failure [`Seat::still_exists`]
                // tells at the end, so that a service manager starts us again.
                if let Err(error) = kill_process(getpid(), Signal::TERM) {
                    error!("Could not end: {error}");
                }
            }
        }
        self.settle();
    }

    fn leave_the_seat(&mut self) {
        self.pause_input();
        self.pause();
        if let Some(kms) = self.kms_mut() {
            for card in kms.cards.values_mut() {
                card.pause();
            }
        }
    }

    fn take_the_seat(&mut self) {
        info!("The screens are ours again");
        let Some(kms) = self.kms_mut() else {
            return;
        };
        for card in kms.cards.values_mut() {
            card.resume();
        }
        let dark = kms.dark;
        for (device_id, path) in std::mem::take(&mut kms.unopened) {
            self.udev_event(UdevEvent::Added { device_id, path });
        }
        // Monitors may have come and gone meanwhile.
        self.look_for_monitors();
        match dark {
            true => self.darken(),
            false => self.resume(),
        }
        self.resume_input();
    }

    /// Switches to another virtual console. Without consoles nothing happens.
    pub fn switch_console(&mut self, number: i32) {
        if let Some(kms) = self.kms_mut()
            && let Err(error) = kms.seat.switch_to(number)
        {
            warn!("{error}");
        }
    }

    /// Switches all monitors off, or on again.
    pub fn blank(&mut self, dark: bool) {
        let Some(kms) = self.kms_mut().filter(|kms| kms.dark != dark) else {
            return;
        };
        kms.dark = dark;
        if !kms.seat.is_active() {
            return;
        }
        match dark {
            true => self.darken(),
            false => self.resume(),
        }
        self.settle();
    }

    fn darken(&mut self) {
        self.pause();
        if let Some(kms) = self.kms_mut() {
            kms.screens_mut().for_each(Screen::darken);
        }
    }

    /// A card tells of a vblank, or of trouble.
    pub(super) fn card_event(
        &mut self,
        card: CardId,
        event: DrmEvent,
        details: Option<&DrmEventMetadata>,
    ) {
        let Some(card) = self.kms_mut().and_then(|kms| kms.cards.get_mut(&card)) else {
            return;
        };
        match event {
            DrmEvent::VBlank(crtc) => {
                let mut screens = card.screens.iter_mut();
                let screen = screens.find(|screen| screen.crtc == crtc);
                let counted = details.map(|details| details.sequence);
                let vblank = screen.and_then(|screen| Some((screen.id, screen.vblank(counted)?)));
                if let Some((output, sequence)) = vblank {
                    self.flipped(output, time_of(details), sequence);
                }
            }
            DrmEvent::Error(error) => warn!("{}: {error}", card.path.display()),
        }
        self.settle();
    }

    /// What an output did not show may work now.
    pub(super) fn try_again(&mut self, output: OutputId) {
        self.queue_redraw(output);
        self.settle();
    }
}

/// When a vblank was; zero where the driver does not tell, or tells it on a clock that jumps.
fn time_of(details: Option<&DrmEventMetadata>) -> Duration {
    match details.map(|details| details.time) {
        Some(DrmEventTime::Monotonic(time)) => time,
        Some(DrmEventTime::Realtime(_)) | None => Duration::ZERO,
    }
}
