//! `lucarne msg screenshot`

use std::{env, path::PathBuf};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use protocols::ipc::{Answer, Request, ScreenshotTarget};

use super::Ask;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("target").args(["guest", "output"])))]
pub(super) struct Screenshot {
    /// A guest's virtual monitor, in its own pixels
    #[arg(long)]
    guest: Option<String>,
    /// Which of its virtual monitors, from 0
    #[arg(long, requires = "guest", value_name = "N")]
    scanout: Option<u8>,
    /// An output, with everything on it [default: the first one]
    #[arg(long)]
    output: Option<String>,
    /// The file
    #[arg(value_name = "FILE.png")]
    file: PathBuf,
}

impl Screenshot {
    /// The outputs are asked for only where the first one is meant.
    pub(super) fn request(self, ask: Ask<'_>) -> anyhow::Result<Request> {
        let target = match (self.guest, self.output) {
            (Some(name), _) => ScreenshotTarget::Guest {
                name,
                scanout: self.scanout.unwrap_or(0),
            },
            (None, Some(name)) => ScreenshotTarget::Output { name },
            (None, None) => match ask(&Request::Outputs)? {
                Answer::Outputs(outputs) => ScreenshotTarget::Output {
                    name: outputs
                        .into_iter()
                        .next()
                        .context("There is no output")?
                        .name,
                },
                other => anyhow::bail!("Could not understand the answer {other:?}"),
            },
        };
        // The server has another working directory.
        let path = env::current_dir()
            .context("Could not find the working directory. Give an absolute path")?
            .join(self.file);
        Ok(Request::Screenshot { target, path })
    }
}
