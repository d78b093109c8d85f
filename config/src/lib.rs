//! Lucarne's configuration file: its types, its defaults, and what is said about mistakes.
//!
//! One TOML file with the sections `[guest.NAME]` ([`guest`]), `[[output]]` ([`output`]), `[kms]`
//! ([`kms`]), `[kiosk]` ([`kiosk`]), `[input]` ([`input`]), `[keys]` ([`keys`]) and `[log]`
//! ([`log`]). [`Config::load`] reads it, [`Problems`] is every mistake in it with its line and
//! column. This crate reads nothing but that file: whether a disk image exists or a program can be
//! started is for those to say who use them.
//!
//! ```
//! let config = config::Config::parse(
//!     r#"
//!     [guest.debian]
//!     disk = "debian.qcow2"
//!     scanouts = ["1280x800", "1920x1080@60"]
//!     "#,
//! )?;
//! assert_eq!(config.guests["debian"].scanouts[1].width, 1920);
//! # Ok::<(), config::Problems>(())
//! ```

pub mod guest;
pub mod input;
pub mod keys;
pub mod kiosk;
pub mod kms;
pub mod log;
mod memory;
mod mode;
pub mod output;
mod parse;
mod problem;

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

pub use crate::{
    guest::Guest,
    input::Input,
    keys::Keys,
    kiosk::Kiosk,
    kms::Kms,
    log::Log,
    memory::{MemorySize, ParseMemoryError},
    mode::{Mode, ParseModeError, WantedMode},
    output::Output,
    parse::{Mistake, nearest},
    problem::{Problem, Problems},
};

/// The commented default file, as it is printed for a user to begin with. A test holds that it
/// means the same as [`Config::default`].
pub const DEFAULT: &str = include_str!("../default.toml");

/// Larger than any file a person writes; keeps a wrong path (a disk image) from being read whole.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// How the compositor draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Renderer {
    /// GLES where there is a GPU, Pixman otherwise.
    #[default]
    Auto,
    /// OpenGL ES through EGL.
    Gles,
    /// On the CPU.
    Pixman,
}

/// A whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How the compositor draws.
    pub renderer: Renderer,
    /// Virtual machines by name. See [`guest::check_name`] for what a name looks like.
    pub guests: BTreeMap<String, Guest>,
    /// Monitors: of the headless compositor, and what is wanted of real ones; at least one.
    pub outputs: Vec<Output>,
    /// Graphics cards.
    pub kms: Kms,
    /// How the kiosk begins and ends.
    pub kiosk: Kiosk,
    /// Keyboards, pointers, touch screens and tablets.
    pub input: Input,
    /// The keys that guests' windows keep to themselves.
    pub keys: Keys,
    /// What is logged.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            renderer: Renderer::default(),
            guests: BTreeMap::new(),
            outputs: vec![Output::default()],
            kms: Kms::default(),
            kiosk: Kiosk::default(),
            input: Input::default(),
            keys: Keys::default(),
            log: Log::default(),
        }
    }
}

/// Why a configuration file was not taken.
#[derive(Debug, Error)]
pub enum Error {
    /// The file can't be read.
    #[error(
        "Could not read the configuration file {}: {source}. Check the path given to --config",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Invalid(#[from] Problems),
}

impl Config {
    /// Reads a configuration from text. Relative paths in it are left as they are.
    ///
    /// # Errors
    /// All mistakes found, in the order of the text.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        parse::config(text)
    }

    /// Reads a configuration file. Paths in it that begin with `~/` are taken from `$HOME`, other
    /// relative ones from the file's folder.
    ///
    /// # Errors
    /// [`Error::Read`] where the file can't be read, [`Error::Invalid`] for what is wrong in it.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config = Self::parse(&text).map_err(|problems| problems.in_file(path))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let home = env::var_os("HOME").map(PathBuf::from);
        for guest in config.guests.values_mut() {
            guest.resolve_paths(folder, home.as_deref());
        }
        Ok(config)
    }

    /// Where the file is looked for when the user names none:
    /// `$XDG_CONFIG_HOME/lucarne/config.toml`, `~/.config/lucarne/config.toml` without that
    /// variable, `None` without `$HOME` too.
    #[must_use]
    pub fn default_path() -> Option<PathBuf> {
        let absolute = |name: &str| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        absolute("XDG_CONFIG_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".config")))
            .map(|folder| folder.join("lucarne/config.toml"))
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it has more than 4 MiB, this is no configuration file",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
