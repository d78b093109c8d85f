//! The configuration file, and the options that stand above it.

use std::path::PathBuf;

use clap::Args;
use config::{Config, MemorySize, Mode};

/// Which configuration file is read.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// The configuration file [default: $XDG_CONFIG_HOME/lucarne/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    pub(super) fn named(config: Option<PathBuf>) -> Self {
        Self { config }
    }

    /// The file that is meant; `None` where there is no place for one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.config.clone().or_else(Config::default_path)
    }

    /// Reads it. A file that nobody named need not exist.
    pub(super) fn load(&self) -> Result<Config, config::Error> {
        match self.path() {
            Some(path) if self.config.is_some() || path.exists() => Config::load(&path),
            _ => Ok(Config::default()),
        }
    }
}

/// A guest's screens.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Screens {
    /// How many virtual monitors the guest has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    scanouts: Option<u8>,
    /// The mode of a virtual monitor; given again for the next one, the last one holds for the
    /// rest
    #[arg(long, value_name = "WxH[@HZ]")]
    mode: Vec<Mode>,
}

impl Screens {
    /// The modes; `None` where no option was given.
    pub(super) fn modes(&self) -> anyhow::Result<Option<Vec<Mode>>> {
        if self.scanouts.is_none() && self.mode.is_empty() {
            return Ok(None);
        }
        let count = self.scanouts.map_or(self.mode.len(), usize::from);
        anyhow::ensure!(
            self.mode.len() <= count && count <= config::guest::MAX_SCANOUTS,
            "Could not use {} modes for {count} virtual monitors. Give each monitor one mode at \
             most, and the guest at most {} monitors",
            self.mode.len(),
            config::guest::MAX_SCANOUTS
        );
        let default = config::Guest::default().scanouts[0];
        let last = self.mode.last().copied().unwrap_or(default);
        let mut modes = self.mode.clone();
        modes.resize(count, last);
        Ok(Some(modes))
    }
}

/// What a guest is given.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Machine {
    /// RAM, like 512M or 2G
    #[arg(long, value_name = "SIZE")]
    memory: Option<MemorySize>,
    /// Virtual CPUs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=255))]
    cpus: Option<u32>,
    #[command(flatten)]
    screens: Screens,
}

impl Machine {
    pub(super) fn apply(&self, guest: &mut config::Guest) -> anyhow::Result<()> {
        guest.memory = self.memory.unwrap_or(guest.memory);
        guest.cpus = self.cpus.unwrap_or(guest.cpus);
        if let Some(modes) = self.screens.modes()? {
            guest.scanouts = modes;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(scanouts: Option<u8>, mode: &[&str]) -> anyhow::Result<Option<Vec<String>>> {
        let mode = mode.iter().map(|mode| mode.parse().unwrap()).collect();
        let modes = Screens { scanouts, mode }.modes()?;
        Ok(modes.map(|modes| modes.iter().map(Mode::to_string).collect()))
    }

    #[test]
    fn the_last_mode_holds_for_the_rest() {
        let expected = ["640x480@60", "800x600@75", "800x600@75"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(
            modes(Some(3), &["640x480", "800x600@75"]).unwrap(),
            Some(expected)
        );
    }

    #[test]
    fn modes_alone_say_how_many() {
        assert_eq!(
            modes(None, &["640x480", "800x600"]).unwrap().unwrap().len(),
            2
        );
        assert_eq!(
            modes(Some(2), &[]).unwrap().unwrap(),
            ["1280x800@60", "1280x800@60"]
        );
        assert_eq!(modes(None, &[]).unwrap(), None);
    }

    #[test]
    fn more_modes_than_monitors_are_refused() {
        assert!(modes(Some(1), &["640x480", "800x600"]).is_err());
        assert!(modes(None, &["640x480"; 17]).is_err());
    }
}
