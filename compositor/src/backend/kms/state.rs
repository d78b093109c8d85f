//! What the compositor does when seat, cards and monitors say something.

use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use smithay::{
    backend::{
        drm::{DrmEvent, DrmEventMetadata, DrmEventTime},
        udev::UdevEvent,
    },
    output::Mode as ClientMode,
    reexports::drm::control::Mode,
};
use tracing::{error, info, warn};

use super::{
    Kms, KmsError,
    card::Card,
    feedback::feedback,
    hotplug::{NewScreen, plan},
    modes::Timing,
    picture::Picture,
    screen::{About, Screen},
    session::{Seat, SessionEvent},
    sources::CardId,
    start::is_card_of,
};
use crate::{
    backend::{Backend, Change, HostOutput, Monitor, OutputId, now},
    render::{Renderer, RendererChoice},
    state::State,
    wayland::dmabuf_offer,
};

impl State {
    fn kms_mut(&mut self) -> Option<&mut Kms> {
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
                error!("The seat manager is gone, and with it every screen and input device");
                self.leave_the_seat();
                if let Some(kms) = self.kms_mut()
                    && let Some(console) = &kms.console
                {
                    console.give_back();
                }
                // As if told to: guests are stopped, and a service manager starts us again.
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

    /// A card or a monitor was plugged in or unplugged.
    pub(super) fn udev_event(&mut self, event: UdevEvent) {
        match event {
            UdevEvent::Added { device_id, path } => {
                let Some(kms) = self.kms_mut() else {
                    return;
                };
                if kms.cards.contains_key(&device_id) || !is_card_of(kms.seat.name(), &path) {
                    return;
                }
                if !kms.seat.is_active() {
                    // The seat manager opens nothing for us now.
                    kms.unopened.insert(device_id, path);
                    return;
                }
                let added = Card::open(&kms.seat, &path)
                    .and_then(|(card, events)| kms.add(device_id, card, events));
                match added {
                    Ok(()) => self.look_for_monitors_on(device_id),
                    Err(error) => warn!("Going on without {}: {error}", path.display()),
                }
            }
            UdevEvent::Changed { device_id } => {
                // Nothing may be asked of cards that somebody else has; we look when we return.
                if self.kms_mut().is_some_and(|kms| kms.seat.is_active()) {
                    self.look_for_monitors_on(device_id);
                }
            }
            UdevEvent::Removed { device_id } => {
                if let Some(kms) = self.kms_mut() {
                    kms.unopened.remove(&device_id);
                }
                self.card_removed(device_id);
            }
        }
        self.settle();
    }

    fn card_removed(&mut self, id: CardId) {
        let Some(kms) = self.kms_mut() else {
            return;
        };
        let Some(mut card) = kms.cards.remove(&id) else {
            return;
        };
        warn!("{} was unplugged", card.path.display());
        if let Some(events) = card.events.take() {
            kms.sources.forget(events);
        }
        let outputs: Vec<OutputId> = card.screens.iter().map(|screen| screen.id).collect();
        let drew = card.draws;
        card.lost(&kms.seat);
        for output in outputs {
            self.remove_output(output);
        }
        if drew {
            self.draw_with_the_cpu();
        }
    }

    /// The GPU that drew is gone.
    fn draw_with_the_cpu(&mut self) {
        match Renderer::open(RendererChoice::Pixman) {
            Ok(renderer) => {
                self.renderer = renderer;
                self.queue_redraw_all();
            }
            Err(error) => error!("{error}"),
        }
    }

    /// Looks at all connectors, and makes outputs of what is plugged in.
    pub fn look_for_monitors(&mut self) {
        let Some(kms) = self.kms_mut() else {
            return;
        };
        let cards: Vec<CardId> = kms.cards.keys().copied().collect();
        for card in cards {
            self.look_for_monitors_on(card);
        }
    }

    fn look_for_monitors_on(&mut self, id: CardId) {
        let Some(kms) = self.kms_mut() else {
            return;
        };
        let Some(card) = kms.cards.get(&id) else {
            return;
        };
        let plan = match plan(card, &kms.options) {
            Ok(plan) => plan,
            Err(error) => {
                warn!(
                    "Could not look for monitors on {}: {error}",
                    card.path.display()
                );
                return;
            }
        };
        for output in plan.gone {
            self.monitor_gone(id, output);
        }
        for (output, mode) in plan.changed {
            self.monitor_changed(id, output, mode);
        }
        // What stands in the way of new monitors has to go first.
        if let Some(card) = self.kms_mut().and_then(|kms| kms.cards.get(&id)) {
            let wanted: Vec<_> = plan.new.iter().map(|new| new.crtc).collect();
            card.switch_off_the_rest(&wanted);
        }
        for new in plan.new {
            if let Err(error) = self.monitor_new(id, &new) {
                error!("{error}");
            }
        }
        if self
            .kms_mut()
            .is_some_and(|kms| kms.screens_mut().next().is_none())
        {
            info!("No monitor is connected; waiting for one");
        }
    }

    fn monitor_gone(&mut self, card: CardId, output: OutputId) {
        // The output first: clients let go of it while it is still there.
        self.remove_output(output);
        let card = self.kms_mut().and_then(|kms| kms.cards.get_mut(&card));
        if let Some(card) = card
            && let Some(index) = card.screens.iter().position(|screen| screen.id == output)
        {
            let screen = card.screens.swap_remove(index);
            info!("{} was unplugged", screen.name);
        }
    }

    fn monitor_changed(&mut self, card: CardId, output: OutputId, mode: Mode) {
        let card = self.kms_mut().and_then(|kms| kms.cards.get_mut(&card));
        let screen = card.and_then(|card| {
            let mut screens = card.screens.iter_mut();
            screens.find(|screen| screen.id == output)
        });
        let Some(screen) = screen else {
            return;
        };
        if let Err(error) = screen.use_mode(mode) {
            warn!("{} keeps its mode: {error}", screen.name);
            return;
        }
        let change = Change {
            mode: Some(client_mode(&mode)),
            ..Change::default()
        };
        self.change_output(output, &change);
        self.queue_redraw(output);
    }

    fn monitor_new(&mut self, id: CardId, new: &NewScreen) -> Result<(), KmsError> {
        let Self {
            backend: Backend::Kms(kms),
            renderer,
            ..
        } = self
        else {
            return Ok(());
        };
        let Some(card) = kms.cards.get_mut(&id) else {
            return Ok(());
        };
        let mut picture = Picture::open(card, new, renderer)?;
        let vrr = new.rule.vrr && picture.vary_the_rate(new);
        let device = card.device.device_id();
        let has_gbm = card.gbm.is_some();
        let file = card.path.file_name().unwrap_or_default();
        let suffix = format!("@{}", file.display());
        let mut monitor = describe(new, vrr);
        if self.outputs.named(&monitor.name).is_some() {
            // Each card counts its connectors by itself, and names are for all.
            monitor.name.push_str(&suffix);
        }
        let output = self.add_output(HostOutput::new(monitor, now()));
        let mut screen = Screen::new(output, new, picture, About { vrr, has_gbm });
        let main = dmabuf_offer(&mut self.renderer);
        screen.feedback = feedback((main.0, &main.1), (device, &screen.formats()));
        if let Some(card) = self.kms_mut().and_then(|kms| kms.cards.get_mut(&id)) {
            card.screens.push(screen);
        }
        self.queue_redraw(output);
        Ok(())
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

fn client_mode(mode: &Mode) -> ClientMode {
    let timing = Timing::of(mode);
    ClientMode {
        size: (i32::from(timing.width), i32::from(timing.height)).into(),
        refresh: i32::try_from(timing.millihertz).unwrap_or(i32::MAX),
    }
}

/// A new monitor, as the rest of the program knows monitors.
fn describe(new: &NewScreen, vrr: bool) -> Monitor {
    let NewScreen {
        monitor,
        mode,
        rule,
        ..
    } = new;
    let preferred = monitor.modes.iter().find(|mode| Timing::of(mode).preferred);
    Monitor {
        make: monitor.identity.make.clone(),
        model: monitor.identity.model.clone(),
        serial: monitor.identity.serial.clone(),
        millimetres: monitor.size,
        subpixel: monitor.subpixel,
        modes: monitor.modes.iter().map(client_mode).collect(),
        preferred: preferred.map(client_mode),
        transform: rule.transform,
        scale: rule.scale.unwrap_or(1.0),
        position: rule.position,
        vrr,
        ..Monitor::new(monitor.name.clone(), client_mode(mode))
    }
}
