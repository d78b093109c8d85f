//! `lucarne msg scanout`

use clap::{Args, Subcommand};
use protocols::ipc::Request;

use super::{Ask, guest::OfGuest};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne msg scanout add 1 1920x1080
  lucarne msg scanout resize --guest debian 0 2560x1440
  lucarne msg scanout remove 1")]
pub(super) struct Scanout {
    #[command(flatten)]
    guest: OfGuest,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Plug a virtual monitor in
    Add(Monitor),
    /// Give one another size
    Resize(Monitor),
    /// Pull one out
    Remove {
        /// Which one, from 0
        #[arg(value_name = "N")]
        scanout: u8,
    },
}

#[derive(Debug, Args)]
struct Monitor {
    /// Which one, from 0
    #[arg(value_name = "N")]
    scanout: u8,
    /// Its size in pixels
    #[arg(value_name = "WxH")]
    size: config::Mode,
}

impl Scanout {
    pub(super) fn request(self, ask: Ask<'_>) -> anyhow::Result<Request> {
        let (scanout, size) = match self.what {
            What::Add(Monitor { scanout, size }) | What::Resize(Monitor { scanout, size }) => {
                (scanout, Some((size.width, size.height)))
            }
            What::Remove { scanout } => (scanout, None),
        };
        Ok(Request::Scanout {
            guest: self.guest.name(ask)?,
            scanout,
            size,
        })
    }
}
