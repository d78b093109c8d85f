//! `lucarne man`: manual pages, for packages.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

/// Write the manual pages into a folder.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct Man {
    /// The folder, which is made if need be
    folder: PathBuf,
}

impl Man {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let folder = &self.folder;
        let context = || {
            format!(
                "Could not write manual pages to {}. Check that you may write there",
                folder.display()
            )
        };
        fs::create_dir_all(folder).with_context(context)?;
        clap_mangen::generate_to(super::Cli::command(), folder).with_context(context)?;
        Ok(ExitCode::SUCCESS)
    }
}
