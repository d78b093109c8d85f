//! The log: to standard error, so that standard output stays for answers.

use std::{
    env,
    io::{self, IsTerminal as _},
};

use tracing_subscriber::EnvFilter;

use crate::service::journal;

/// What is logged, in the language of `RUST_LOG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter(String);

/// The variable that wins over all others, and by which device processes log what we log.
pub(super) const LOG_ENV: &str = "LUCARNE_LOG";

impl Filter {
    /// From the environment, else from the configuration.
    pub(super) fn new(log: &config::Log) -> Self {
        let from_environment = [LOG_ENV, "RUST_LOG"]
            .into_iter()
            .filter_map(|name| env::var(name).ok())
            .find(|filter| !filter.trim().is_empty());
        Self(from_environment.unwrap_or_else(|| {
            // smithay tells of every client and every format, and calls it an error where one of
            // several ways to EGL does not exist, or where a seat manager gives up a card itself;
            // libseat, where one of several seat managers does not run; calloop tells of sources
            // that were removed while they had something to say; winit, of X servers without a
            // desktop's settings.
            let level = log.level.as_str();
            let quiet = "smithay=error,smithay::backend::egl=off,\
                         smithay::backend::drm::device::fd=off,libseat=off,calloop=error,\
                         winit=error";
            match &log.filter {
                Some(filter) => format!("{level},{quiet},{filter}"),
                None => format!("{level},{quiet}"),
            }
        }))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Starts the log of a process. Directives that can't be read are ignored but for a warning.
pub(super) fn start(filter: &Filter) {
    let use_colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter.as_str()))
        .with_writer(io::stderr)
        // What can't be written it would print to standard error, and panic where that is what fails: on
        // a full disk no guest must end for its log.
        .log_internal_errors(false);
    if journal::is_standard_error() {
        log.with_ansi(false).event_format(journal::Lines).init();
        journal::take_panics();
    } else {
        log.with_ansi(use_colour).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_s_filter_comes_last_and_wins() {
        let log = config::Log {
            level: config::log::Level::Warn,
            filter: Some("gpu_device=trace".to_owned()),
        };
        // The tests' own environment may set either variable.
        if env::var_os(LOG_ENV).is_none() && env::var_os("RUST_LOG").is_none() {
            let filter = Filter::new(&log);
            assert_eq!(
                filter.as_str(),
                "warn,smithay=error,smithay::backend::egl=off,\
                 smithay::backend::drm::device::fd=off,libseat=off,calloop=error,winit=error,\
                 gpu_device=trace"
            );
        }
    }
}
