//! Monitors and cards that come and go: what has to change, and the order in which it does.

use smithay::reexports::drm::control::{Device as _, Mode, crtc};
use tracing::warn;

use super::{
    card::Card,
    connectors::{self, Found, Monitor},
    modes::{Timing, choose, same_signal},
    options::{KmsOptions, OutputRule},
    pairing::{Candidate, pair},
};
use crate::backend::OutputId;

/// A monitor that is to be driven.
#[derive(Debug, Clone)]
pub struct NewScreen {
    /// The monitor.
    pub monitor: Monitor,
    /// What drives it.
    pub crtc: crtc::Handle,
    /// In this mode.
    pub mode: Mode,
    /// As the user wants it.
    pub rule: OutputRule,
}

/// What has to change on a card, in this order.
#[derive(Debug, Default)]
pub struct Plan {
    /// Monitors that are gone, or others now.
    pub gone: Vec<OutputId>,
    /// Monitors that have another mode.
    pub changed: Vec<(OutputId, Mode)>,
    /// Monitors that are new.
    pub new: Vec<NewScreen>,
    /// There is a monitor that does not say yet what it can show.
    pub unready: bool,
}

/// The connector's cable lost its signal; only setting the mode anew brings it back.
const LINK_BAD: u64 = 1;

/// Compares a card's screens with the monitors on it.
///
/// # Errors
/// The card does not answer.
pub fn plan(card: &Card, options: &KmsOptions) -> std::io::Result<Plan> {
    let Found { monitors, unready } = connectors::scan(&card.device)?;
    let wanted: Vec<(Monitor, OutputRule)> = monitors
        .into_iter()
        .map(|monitor| {
            let rule = options.rule(&monitor.name, &monitor.identity);
            (monitor, rule)
        })
        .filter(|(_, rule)| !rule.off)
        .collect();
    let mut plan = Plan {
        unready,
        ..Plan::default()
    };
    let mut kept = Vec::new();
    for screen in &card.screens {
        let monitor = wanted
            .iter()
            .find(|(monitor, _)| monitor.connector == screen.connector);
        let link = connectors::value(&card.device, screen.connector, "link-status");
        match monitor {
            Some((monitor, rule))
                if monitor.identity == screen.identity && link != Some(LINK_BAD) =>
            {
                kept.push(screen.connector);
                let chosen = mode(monitor, rule, Some(&screen.mode));
                let chosen = chosen.map(|chosen| chosen.mode);
                if let Some(mode) = chosen.filter(|mode| !same_signal(mode, &screen.mode)) {
                    plan.changed.push((screen.id, mode));
                }
            }
            _ => plan.gone.push(screen.id),
        }
    }
    let new: Vec<_> = wanted
        .into_iter()
        .filter(|(monitor, _)| !kept.contains(&monitor.connector))
        .collect();
    let busy: Vec<crtc::Handle> = card
        .screens
        .iter()
        .filter(|screen| kept.contains(&screen.connector))
        .map(|screen| screen.crtc)
        .collect();
    plan.new = pair_up(card, new, &busy);
    Ok(plan)
}

fn pair_up(card: &Card, new: Vec<(Monitor, OutputRule)>, busy: &[crtc::Handle]) -> Vec<NewScreen> {
    let candidates: Vec<Candidate> = new
        .iter()
        .map(|(monitor, _)| Candidate {
            possible: monitor
                .possible
                .iter()
                .filter(|crtc| !busy.contains(crtc))
                .map(|crtc| u32::from(*crtc))
                .collect(),
            current: monitor.current.map(u32::from),
        })
        .collect();
    let pairs = pair(&candidates);
    let mut screens = Vec::new();
    for ((monitor, rule), number) in new.into_iter().zip(pairs) {
        let crtcs = monitor.possible.iter();
        let crtc = crtcs.copied().find(|crtc| Some(u32::from(*crtc)) == number);
        let Some(crtc) = crtc else {
            warn!(
                "{} stays dark: the card can't drive so many monitors at once",
                monitor.name
            );
            continue;
        };
        let shown = card.device.get_crtc(crtc).ok().and_then(|crtc| crtc.mode());
        let current = shown.filter(|_| monitor.current == Some(crtc));
        if let Some(Chosen { mode, instead }) = mode(&monitor, &rule, current.as_ref()) {
            // Said once, when the monitor appears.
            if let Some(instead) = instead {
                warn!("{}", instead);
            }
            screens.push(NewScreen {
                monitor,
                crtc,
                mode,
                rule,
            });
        }
    }
    screens
}

/// The mode for a monitor.
struct Chosen {
    mode: Mode,
    /// What to tell the user where it is not the one that was asked for.
    instead: Option<String>,
}

/// Chooses a mode. The one that the monitor shows already is given back as it is, if it is chosen:
/// the kernel may call it by another name.
fn mode(monitor: &Monitor, rule: &OutputRule, shown: Option<&Mode>) -> Option<Chosen> {
    let timings: Vec<Timing> = monitor.modes.iter().map(Timing::of).collect();
    let current = shown.and_then(|shown| {
        let mut modes = monitor.modes.iter();
        modes.position(|mode| same_signal(mode, shown))
    });
    let choice = choose(&timings, rule.mode.as_ref(), current)?;
    let instead = rule.mode.filter(|_| !choice.exact).map(|wanted| {
        let known: Vec<String> = timings.iter().map(Timing::to_string).collect();
        format!(
            "{} has no mode {wanted}; using {}. It has {}",
            monitor.name,
            timings[choice.index],
            known.join(", ")
        )
    });
    let mode = match shown.filter(|_| current == Some(choice.index)) {
        Some(shown) => *shown,
        None => monitor.modes[choice.index],
    };
    Some(Chosen { mode, instead })
}
