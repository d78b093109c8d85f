//! Cards of vkms with chosen planes and monitors, made through configfs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::card;
use crate::{labtests::until, report};

const CONFIGFS: &str = "/sys/kernel/config";

/// For a node to appear, or to go.
const LIMIT: Duration = Duration::from_secs(10);

/// What a card has for each of its monitors.
#[derive(Debug, Clone, Copy)]
pub struct Planes {
    pub overlays: u32,
    pub cursor: bool,
}

impl Planes {
    /// As a desktop's graphics card has them.
    pub const MANY: Self = Self {
        overlays: 3,
        cursor: true,
    };

    /// Only a primary plane.
    pub const ONE: Self = Self {
        overlays: 0,
        cursor: false,
    };
}

/// A card that this program made. It goes when this goes.
pub struct Vkms {
    name: String,
    folder: PathBuf,
    /// Its node.
    pub node: PathBuf,
    /// Its folder in debugfs.
    pub debugfs: PathBuf,
    planes: Planes,
}

impl Vkms {
    /// A card with `monitors` monitors, all of them plugged in, each with a CRTC and planes of its own and
    /// with a writeback connector.
    ///
    /// # Errors
    ///
    /// When the kernel refuses something.
    pub fn new(name: &str, monitors: u32, planes: Planes) -> Result<Self> {
        mount()?;
        let folder = Path::new(CONFIGFS).join("vkms").join(name);
        fs::create_dir(&folder).with_context(|| format!("Making the card {}", folder.display()))?;
        let part = |kind: &str, name: &str| -> Result<PathBuf> {
            let part = folder.join(kind).join(name);
            fs::create_dir(&part).with_context(|| format!("Making {}", part.display()))?;
            Ok(part)
        };
        let link = |from: &Path, attribute: &str, to: &Path| -> Result<()> {
            let name = to.file_name().context("A path without a name")?;
            std::os::unix::fs::symlink(to, from.join(attribute).join(name))
                .with_context(|| format!("Linking {} to {}", from.display(), to.display()))
        };
        for monitor in 0..monitors {
            let crtc = part("crtcs", &format!("crtc{monitor}"))?;
            fs::write(crtc.join("writeback"), "1")?;
            // 0 overlay, 1 primary, 2 cursor.
            let kinds = [1]
                .into_iter()
                .chain((0..planes.overlays).map(|_| 0))
                .chain(planes.cursor.then_some(2));
            for (number, kind) in kinds.enumerate() {
                let plane = part("planes", &format!("plane{monitor}-{number}"))?;
                fs::write(plane.join("type"), format!("{kind}"))?;
                link(&plane, "possible_crtcs", &crtc)?;
            }
            let encoder = part("encoders", &format!("encoder{monitor}"))?;
            link(&encoder, "possible_crtcs", &crtc)?;
            let connector = part("connectors", &format!("connector{monitor}"))?;
            link(&connector, "possible_encoders", &encoder)?;
        }
        fs::write(folder.join("enabled"), "1").context("Enabling a card")?;
        let node = until(LIMIT, || {
            let nodes = card::nodes(|device| device == name)?;
            Ok(nodes.into_iter().next().filter(|node| node.exists()))
        })
        .with_context(|| format!("Waiting for the node of the card {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            debugfs: card::debugfs(&node)?,
            folder,
            node,
            planes,
        })
    }

    /// The kernel's name of a CRTC's cursor plane, which is the last one made for it.
    pub fn cursor_plane(&self, pipe: u32) -> String {
        let each = 1 + self.planes.overlays + u32::from(self.planes.cursor);
        format!("plane-{}", (pipe + 1) * each - 1)
    }

    /// Plugs a monitor in, or pulls it out; the kernel tells everybody who listens.
    ///
    /// # Errors
    ///
    /// When there is no such monitor.
    pub fn plug(&self, monitor: u32, connected: bool) -> Result<()> {
        let status = if connected { "1" } else { "2" };
        let file = self
            .folder
            .join(format!("connectors/connector{monitor}/status"));
        fs::write(&file, status).with_context(|| format!("Writing {status} to {}", file.display()))
    }

    /// The framebuffers that the kernel has for this card.
    ///
    /// # Errors
    ///
    /// When debugfs cannot be read.
    pub fn framebuffers(&self) -> Result<usize> {
        let list = fs::read_to_string(self.debugfs.join("framebuffer"))?;
        Ok(list
            .lines()
            .filter(|line| line.starts_with("framebuffer["))
            .count())
    }

    /// What it is made of, in the order in which configfs lets it go.
    fn take_apart(&self) -> Result<()> {
        fs::write(self.folder.join("enabled"), "0")?;
        let list = |kind: &str| -> Vec<PathBuf> {
            fs::read_dir(self.folder.join(kind))
                .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
                .unwrap_or_default()
        };
        for (kind, links) in [
            ("connectors", "possible_encoders"),
            ("encoders", "possible_crtcs"),
            ("planes", "possible_crtcs"),
        ] {
            for part in list(kind) {
                if !part.is_dir() {
                    continue;
                }
                for link in fs::read_dir(part.join(links))?.flatten() {
                    fs::remove_file(link.path())?;
                }
                fs::remove_dir(part)?;
            }
        }
        for crtc in list("crtcs") {
            fs::remove_dir(crtc)?;
        }
        fs::remove_dir(&self.folder)?;
        Ok(())
    }
}

impl Drop for Vkms {
    fn drop(&mut self) {
        if let Err(error) = self.take_apart() {
            report::say(format!("Taking the card {} apart: {error:#}", self.name));
        }
    }
}

fn mount() -> Result<()> {
    if Path::new(CONFIGFS).join("vkms").is_dir() {
        return Ok(());
    }
    report::output(Command::new("mount").args(["-t", "configfs", "config", CONFIGFS]))
        .context("Mounting configfs")?;
    Ok(())
}
