//! `lucarne bench-null`: the device that `lucarne bench` finds the floor of all others with.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use protocols::edid;

use super::log::{self, Filter};
use crate::bench::peer::{Monitor, null::device};

/// Be a graphics device that answers every command and does nothing.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct BenchNull {
    /// Where the VMM connects
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The monitor that the guest is told of
    #[arg(long, value_name = "WIDTHxHEIGHT[@HZ]")]
    mode: config::Mode,
}

impl BenchNull {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        log::start(&Filter::new(&config::Log::default()));
        let mode = edid::Mode {
            width: self.mode.width,
            height: self.mode.height,
            millihertz: self.mode.millihertz,
        };
        device::run(&self.socket, Monitor { mode })?;
        Ok(ExitCode::SUCCESS)
    }
}
