//! `[log]`: what is logged.

use serde::Deserialize;

/// The keys of `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least important messages to be shown.
    pub level: Level,
    /// Finer directives in the language of `RUST_LOG`, like `compositor=debug`; they win over
    /// `level`.
    pub filter: Option<String>,
}

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A defect of this program, survived.
    Error,
    /// Bad but possible: a guest, a user or hardware did something wrong.
    Warn,
    /// What a user would want to know.
    #[default]
    Info,
    /// For finding the cause of something.
    Debug,
    /// Every step.
    Trace,
}

impl Level {
    /// The level's name, as written in the file and in `RUST_LOG`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
