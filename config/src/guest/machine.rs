//! What a guest's machine has beside its screens: sound and a network.

use serde::Deserialize;

/// Where QEMU plays a guest's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sound {
    /// PipeWire, or else PulseAudio, where the user's session has it and this QEMU can use it; else
    /// nowhere.
    #[default]
    Auto,
    /// The guest has no sound card.
    None,
    /// `PipeWire`; QEMU 8.1 or newer.
    PipeWire,
    /// `PulseAudio`, or what speaks its protocol.
    Pulse,
}

/// How a guest reaches a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Through QEMU's own connections, as any program of the user. Nobody can connect to the
    /// guest.
    #[default]
    User,
    /// The guest has no network card.
    None,
}
