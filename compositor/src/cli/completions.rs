//! `lucarne completions`

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne completions bash > ~/.local/share/bash-completion/completions/lucarne
  lucarne completions fish > ~/.config/fish/completions/lucarne.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        // Made in memory first: the generator panics where it can't write.
        let mut script = Vec::new();
        generate(
            self.shell,
            &mut super::Cli::command(),
            "lucarne",
            &mut script,
        );
        io::stdout().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}
