//! A QEMU of this machine, as it describes itself.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    super::find_program,
    Dialect, Error,
    sound::{self, Player},
};

/// A version; patch levels make no difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A QEMU program and what it says it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its file.
    pub program: PathBuf,
    /// Its version.
    pub version: Version,
    /// Those of the devices that depend on how it was built.
    pub devices: BTreeSet<String>,
    /// Its ways of playing sound.
    pub audio_drivers: BTreeSet<String>,
    /// Whether it was built with user-mode networking.
    pub has_user_network: bool,
}

impl Installed {
    /// QEMU's name for the architecture of this machine.
    #[must_use]
    pub fn default_program() -> PathBuf {
        let architecture = match std::env::consts::ARCH {
            "x86" => "i386",
            other => other,
        };
        format!("qemu-system-{architecture}").into()
    }

    /// Finds a QEMU and asks it. Takes some tenths of a second.
    ///
    /// # Errors
    /// Where there is none or it does not answer.
    pub fn find(program: &Path) -> Result<Self, Error> {
        let file = find_program(program).ok_or_else(|| Error::Missing(program.to_owned()))?;
        let version = ask(&file, &["--version"])?;
        // Each by itself: for a list of all devices QEMU loads all of its modules, and dies of one
        // that is broken.
        let devices = Dialect::ALL
            .into_iter()
            .map(Dialect::device)
            .chain([sound::HDA, sound::VIRTIO])
            // For one that it does not have it prints nothing, and ends well.
            .filter(|device| {
                ask(&file, &["-device", &format!("{device},help")])
                    .is_ok_and(|text| !text.trim().is_empty())
            });
        let audio_drivers = ask(&file, &["-audiodev", "help"]).unwrap_or_default();
        // A QEMU too old for this question has user-mode networking.
        let has_user_network = ask(&file, &["-netdev", "help"])
            .map_or(true, |text| text.lines().any(|line| line.trim() == "user"));
        Ok(Self {
            version: parse_version(&version).ok_or_else(|| Error::Silent {
                program: file.clone(),
                problem: format!("it says {:?}", version.lines().next().unwrap_or_default()),
            })?,
            devices: devices.map(str::to_owned).collect(),
            audio_drivers: audio_drivers
                .lines()
                .map(|line| line.trim().to_owned())
                .collect(),
            has_user_network,
            program: file,
        })
    }

    /// Whether it has a device of this name.
    #[must_use]
    pub fn has_device(&self, name: &str) -> bool {
        self.devices.contains(name)
    }

    /// Whether it can play sound there.
    #[must_use]
    pub(super) fn plays_on(&self, player: Player) -> bool {
        self.audio_drivers.contains(player.driver())
    }

    /// The architecture that it emulates, from its name. A program without one in its name, like
    /// `qemu-kvm` or `kvm`, is for this machine's.
    pub(super) fn architecture(&self) -> Result<&'static str, Error> {
        const KNOWN: [&str; 5] = ["x86_64", "i386", "aarch64", "riscv64", "loongarch64"];
        let name = self
            .program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let wanted = match name.strip_prefix("qemu-system-") {
            Some(architecture) => architecture,
            None => std::env::consts::ARCH,
        };
        KNOWN
            .into_iter()
            .find(|known| *known == wanted)
            .ok_or_else(|| Error::UnknownMachine(self.program.clone()))
    }
}

fn ask(program: &Path, arguments: &[&str]) -> Result<String, Error> {
    let silent = |problem: String| Error::Silent {
        program: program.to_owned(),
        problem,
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| silent(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said
            .lines()
            .last()
            .unwrap_or("it says nothing")
            .trim()
            .to_owned();
        return Err(silent(last));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `QEMU emulator version 10.0.2 (Debian …)`.
fn parse_version(text: &str) -> Option<Version> {
    let (_, rest) = text.split_once("version ")?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    Some(Version {
        major: number()?,
        minor: number()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let version = |text| parse_version(text).map(|version| version.to_string());
        let text = "QEMU emulator version 11.1.2 (Debian 1:11.1.2+ds-1)\nCopyright";
        assert_eq!(version(text).as_deref(), Some("11.1"));
        assert_eq!(
            version("QEMU emulator version 9.0.50").as_deref(),
            Some("9.0")
        );
        assert_eq!(version("bash, version next"), None);
    }

    #[test]
    fn ten_is_newer_than_nine() {
        let [nine, ten] = [(9, 2), (10, 0)].map(|(major, minor)| Version { major, minor });
        assert!(ten > nine);
    }
}
