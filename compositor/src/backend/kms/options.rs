//! What the user wants of cards and monitors. Pure.

use std::path::PathBuf;

use smithay::utils::Transform;

use super::{identity::Identity, modes::WantedMode};
use crate::render::RendererChoice;

/// What the KMS back-end is to be like.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KmsOptions {
    /// The card that draws, as `/dev/dri/card1`; chosen by the firmware's choice if `None`.
    pub device: Option<PathBuf>,
    /// What draws.
    pub renderer: RendererChoice,
    /// What is wanted of monitors. The first rule that fits a monitor holds for it.
    pub outputs: Vec<OutputRule>,
}

/// What is wanted of one monitor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OutputRule {
    /// Which monitor.
    pub monitor: Which,
    /// Its mode; the monitor's favourite if `None`.
    pub mode: Option<WantedMode>,
    /// Where its top left corner is, in logical pixels; right of the others if `None`.
    pub position: Option<(i32, i32)>,
    /// Pixels per logical pixel of ordinary clients; 1 if `None`.
    pub scale: Option<f64>,
    /// How the picture is turned against the monitor's own.
    pub transform: Transform,
    /// Keep it dark.
    pub off: bool,
    /// Let it refresh when there is something to show, where it can.
    pub vrr: bool,
}

/// Describes monitors: every field that is set has to be the monitor's. One with no field set is
/// no monitor at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Which {
    /// The connector's name, as `DP-1`.
    pub name: Option<String>,
    /// Three letters, as `DEL`.
    pub make: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The serial number.
    pub serial: Option<String>,
}

impl Which {
    /// Whether a monitor is meant.
    #[must_use]
    pub fn is(&self, connector: &str, identity: &Identity) -> bool {
        let fields = [
            (&self.name, connector),
            (&self.make, &identity.make),
            (&self.model, &identity.model),
            (&self.serial, &identity.serial),
        ];
        fields.iter().any(|(wanted, _)| wanted.is_some())
            && fields.iter().all(|(wanted, has)| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| wanted.eq_ignore_ascii_case(has))
            })
    }
}

impl KmsOptions {
    /// The rule for a monitor; one that wants nothing where there is none.
    #[must_use]
    pub fn rule(&self, connector: &str, identity: &Identity) -> OutputRule {
        let mut rules = self.outputs.iter();
        rules
            .find(|rule| rule.monitor.is(connector, identity))
            .cloned()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dell() -> Identity {
        Identity {
            make: "DEL".to_owned(),
            model: "U2720Q".to_owned(),
            serial: "ABC".to_owned(),
        }
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_monitor_is_found_by_its_connector_or_by_what_it_is() {
        let connector = Which {
            name: text("dp-1"),
            ..Which::default()
        };
        assert!(connector.is("DP-1", &Identity::default()));
        assert!(!connector.is("DP-2", &dell()));
        let maker = Which {
            make: text("DEL"),
            serial: text("ABC"),
            ..Which::default()
        };
        assert!(maker.is("HDMI-A-1", &dell()));
        assert!(!maker.is("HDMI-A-1", &Identity::default()));
    }

    #[test]
    fn every_field_has_to_be_right() {
        let both = Which {
            name: text("DP-1"),
            model: text("U2720Q"),
            ..Which::default()
        };
        assert!(both.is("DP-1", &dell()));
        assert!(!both.is("DP-2", &dell()));
        assert!(!both.is("DP-1", &Identity::default()));
        assert!(!Which::default().is("DP-1", &dell()));
    }

    #[test]
    fn the_first_rule_that_fits_holds() {
        let rule = |model: &str, scale| OutputRule {
            monitor: Which {
                model: text(model),
                ..Which::default()
            },
            scale: Some(scale),
            ..OutputRule::default()
        };
        let options = KmsOptions {
            outputs: vec![rule("X", 1.5), rule("U2720Q", 2.0), rule("U2720Q", 3.0)],
            ..KmsOptions::default()
        };
        assert_eq!(options.rule("DP-1", &dell()).scale, Some(2.0));
        assert_eq!(
            options.rule("DP-1", &Identity::default()),
            OutputRule::default()
        );
    }
}
