//! What the compositor does when cards and monitors come and go.

use smithay::{
    backend::udev::UdevEvent, output::Mode as ClientMode, reexports::drm::control::Mode,
};
use tracing::{error, info, warn};

use super::{
    KmsError,
    card::Card,
    feedback::feedback,
    hotplug::{NewScreen, plan},
    looks::Due,
    modes::Timing,
    picture::Picture,
    screen::{About, Screen},
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
                    Err(error) => {
                        warn!("Going on without {}: {error}", path.display());
                        // Whoever has it may let go, and a card without screens never gets any.
                        if !matches!(error, KmsError::NoScreens { .. }) {
                            kms.unopened.insert(device_id, path);
                        }
                    }
                }
            }
            UdevEvent::Changed { device_id } => self.card_changed(device_id),
            UdevEvent::Removed { device_id } => {
                if let Some(kms) = self.kms_mut() {
                    kms.unopened.remove(&device_id);
                }
                self.card_removed(device_id);
            }
        }
        self.settle();
    }

    /// Something changed on a card: a monitor came or went, or its cable has trouble.
    fn card_changed(&mut self, id: CardId) {
        // Nothing may be asked of cards that somebody else has; we look when we return.
        let Some(kms) = self.kms_mut().filter(|kms| kms.seat.is_active()) else {
            return;
        };
        if let Some(path) = kms.unopened.remove(&id) {
            self.udev_event(UdevEvent::Added {
                device_id: id,
                path,
            });
            return;
        }
        if let Some(card) = kms.cards.get_mut(&id)
            && let Some(wait) = card.looks.heard(now())
        {
            kms.sources.look_in(wait, id);
        }
    }

    /// A timer went off that was set to look at a card.
    pub(super) fn look_is_due(&mut self, id: CardId) {
        let Some(kms) = self.kms_mut() else {
            return;
        };
        let Some(card) = kms.cards.get_mut(&id) else {
            return;
        };
        match card.looks.went_off(now()) {
            Due::Look if kms.seat.is_active() => self.look_for_monitors_on(id),
            Due::Wait(wait) => kms.sources.look_in(wait, id),
            Due::Look | Due::Nothing => {}
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
        let complete = self.use_monitors_on(id);
        if let Some(kms) = self.kms_mut()
            && let Some(card) = kms.cards.get_mut(&id)
            && let Some(wait) = card.looks.looked(now(), complete)
        {
            kms.sources.look_in(wait, id);
        }
    }

    /// Uses what is plugged into a card now. Whether all of it could be used.
    fn use_monitors_on(&mut self, id: CardId) -> bool {
        let Some(kms) = self.kms_mut() else {
            return true;
        };
        let Some(card) = kms.cards.get(&id) else {
            return true;
        };
        let plan = match plan(card, &kms.options) {
            Ok(plan) => plan,
            Err(error) => {
                warn!(
                    "Could not look for monitors on {}: {error}",
                    card.path.display()
                );
                return false;
            }
        };
        let mut complete = !plan.unready;
        for output in plan.gone {
            self.monitor_gone(id, output);
        }
        for (output, mode) in plan.changed {
            complete &= self.monitor_changed(id, output, mode);
        }
        // What stands in the way of new monitors has to go first.
        if let Some(card) = self.kms_mut().and_then(|kms| kms.cards.get(&id)) {
            let wanted: Vec<_> = plan.new.iter().map(|new| new.crtc).collect();
            card.switch_off_the_rest(&wanted);
        }
        for new in plan.new {
            if let Err(error) = self.monitor_new(id, &new) {
                error!("{error}");
                complete = false;
            }
        }
        if self
            .kms_mut()
            .is_some_and(|kms| kms.screens_mut().next().is_none())
        {
            info!("No monitor is connected; waiting for one");
        }
        complete
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

    /// Whether the monitor shows its new mode from now on.
    fn monitor_changed(&mut self, card: CardId, output: OutputId, mode: Mode) -> bool {
        let card = self.kms_mut().and_then(|kms| kms.cards.get_mut(&card));
        let screen = card.and_then(|card| {
            let mut screens = card.screens.iter_mut();
            screens.find(|screen| screen.id == output)
        });
        let Some(screen) = screen else {
            return true;
        };
        if let Err(error) = screen.use_mode(mode) {
            warn!("{} keeps its mode: {error}", screen.name);
            return false;
        }
        let change = Change {
            mode: Some(client_mode(&mode)),
            ..Change::default()
        };
        self.change_output(output, &change);
        self.queue_redraw(output);
        true
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
