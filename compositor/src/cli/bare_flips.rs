//! `lucarne bare-flips`: what `lucarne bench planes` holds the kiosk against.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use crate::bench::scenario::planes::bare::Bare;

/// Flip two dma-bufs on the first monitor of a card, and print how that went as JSON.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct BareFlips {
    /// The card's device node
    #[arg(value_name = "CARD")]
    card: PathBuf,
    /// For how many milliseconds
    #[arg(value_name = "MILLIS")]
    millis: u64,
}

impl BareFlips {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let bare = Bare {
            card: self.card,
            time: Duration::from_millis(self.millis),
        };
        writeln!(io::stdout(), "{}", serde_json::to_string(&bare.run()?)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
