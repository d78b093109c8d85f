//! `lucarne validate`

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;
use config::Config;

use super::settings::ConfigFile;

/// Check a configuration file, or print the commented default one.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne validate
  lucarne validate ./lucarne.toml
  lucarne validate --print-default > ~/.config/lucarne/config.toml")]
pub(super) struct Validate {
    /// The file [default: $XDG_CONFIG_HOME/lucarne/config.toml]
    file: Option<PathBuf>,
    /// Print the commented default file instead
    #[arg(long, conflicts_with = "file")]
    print_default: bool,
}

impl Validate {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout();
        if self.print_default {
            out.write_all(config::DEFAULT.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        let path = ConfigFile::named(self.file).path().context(
            "Could not find the configuration file: HOME is not set. Name the file: `lucarne \
             validate FILE`",
        )?;
        let config = Config::load(&path)?;
        let guests = config.guests.len();
        let guests = if guests == 1 {
            "1 guest".to_owned()
        } else {
            format!("{guests} guests")
        };
        writeln!(out, "{}: no mistakes, {guests}", path.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
