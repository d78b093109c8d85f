//! What the user means by closing windows.

use serde::Deserialize;

/// What closing a guest's last window means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnClose {
    /// The guest shuts down: its power button is pressed. Where it has none, or when its last
    /// window is closed again within half a minute, it ends at once.
    #[default]
    Shutdown,
    /// The guest runs on without windows, until `lucarne attach`.
    Detach,
    /// The guest ends at once.
    Kill,
}
