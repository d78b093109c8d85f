//! Packages of Debian testing on a machine that runs something else: an apt with its own lists and
//! its own state, which leaves the machine's apt alone and needs no root rights.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::report;

/// The Debian release that the lab is made of. (The name of "testing" until it is released.)
pub const SUITE: &str = "forky";

/// Where the user says which mirror of Debian to use.
const MIRROR_ENV: &str = "LUCARNE_DEBIAN_MIRROR";

const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// The line of sources.list that names the lab's release.
///
/// # Errors
///
/// When the keys that sign Debian's archive are not installed.
pub fn source_line() -> Result<String> {
    let keyring = KEYRINGS
        .iter()
        .find(|path| Path::new(path).exists())
        .context(
            "Looking for the keys of Debian's archive: install the package debian-archive-keyring",
        )?;
    Ok(format!(
        "deb [signed-by={keyring}] {} {SUITE} main",
        mirror()?
    ))
}

/// The mirror that the user names, else the one that the machine's own apt uses.
fn mirror() -> Result<String> {
    if let Ok(named) = std::env::var(MIRROR_ENV) {
        return Ok(named);
    }
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(folder) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(folder.flatten().map(|entry| entry.path()));
    }
    files
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|text| mirror_in(&text))
        .with_context(|| {
            format!(
                "Looking for a mirror of Debian, of which the lab is made: this machine's apt names \
                 none. Set {MIRROR_ENV} to the address of one"
            )
        })
}

/// The first address in `sources` (of either format) that is a mirror of Debian itself.
fn mirror_in(sources: &str) -> Option<String> {
    sources
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.contains("://") && word.ends_with("/debian"))
        .map(str::to_owned)
}

/// An apt of its own below a folder.
pub struct Apt {
    config: PathBuf,
    log: PathBuf,
}

impl Apt {
    /// Makes it in the (new) folder `place` and reads the lists.
    ///
    /// # Errors
    ///
    /// When apt is missing or the mirror cannot be read.
    pub fn new(place: &Path, log: &Path) -> Result<Self> {
        for folder in [
            "etc/apt/sources.list.d",
            "etc/apt/preferences.d",
            "etc/apt/apt.conf.d",
            "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/lib/dpkg",
        ] {
            fs::create_dir_all(place.join(folder))?;
        }
        fs::write(place.join("var/lib/dpkg/status"), "")?;
        fs::write(place.join("etc/apt/sources.list"), source_line()?)?;
        let config = place.join("apt.conf");
        // A frozen mirror's release file may have expired; its signature is still checked.
        fs::write(
            &config,
            format!(
                "Dir \"{0}\";\nDir::State::status \"{0}/var/lib/dpkg/status\";\n\
                 Acquire::Check-Valid-Until \"false\";\nAcquire::Languages \"none\";\n\
                 APT::Architecture \"amd64\";\nAPT::Architectures \"amd64\";\nAPT::Sandbox::User \"root\";\n",
                place.display()
            ),
        )?;
        let apt = Self {
            config,
            log: log.to_owned(),
        };
        report::run_logged(apt.command("apt-get").arg("update"), log).with_context(|| {
            format!("Reading the package lists of Debian; {MIRROR_ENV} names another mirror")
        })?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C");
        command
    }

    /// The packages that `package` depends on.
    ///
    /// # Errors
    ///
    /// When there is no such package.
    pub fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let text = report::output(self.command("apt-cache").args(["depends", package]))?;
        let names: Vec<String> = text
            .lines()
            .filter_map(|line| {
                line.trim()
                    .trim_start_matches('|')
                    .strip_prefix("Depends: ")
            })
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            bail!(
                "Looking up the package {package} of Debian {SUITE}: it has no dependencies, so it is not what the lab expects"
            );
        }
        Ok(names)
    }

    /// Downloads `package` and unpacks it below `place`.
    ///
    /// # Errors
    ///
    /// When the download or the unpacking fails.
    pub fn unpack(&self, package: &str, place: &Path) -> Result<()> {
        self.unpack_without(package, place, &[])
    }

    /// The same without the files that one of the patterns `without` fits.
    ///
    /// # Errors
    ///
    /// When the download or the unpacking fails.
    pub fn unpack_without(&self, package: &str, place: &Path, without: &[&str]) -> Result<()> {
        let download = place.with_extension("deb.d");
        fs::create_dir_all(&download)?;
        report::run_logged(
            self.command("apt-get")
                .args(["download", package])
                .current_dir(&download),
            &self.log,
        )?;
        let archive = fs::read_dir(&download)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("Looking for the downloaded package {package}"))?;
        fs::create_dir_all(place)?;
        let mut files = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(archive)
            .stdout(Stdio::piped())
            .spawn()
            .context("Starting dpkg-deb")?;
        let unpacked = Command::new("tar")
            .args(["--extract", "--no-same-owner", "--directory"])
            .arg(place)
            .args(without.iter().map(|pattern| format!("--exclude={pattern}")))
            .stdin(files.stdout.take().context("Reading from dpkg-deb")?)
            .status()
            .context("Starting tar")?;
        let read = files.wait()?;
        if !unpacked.success() || !read.success() {
            bail!("Unpacking {package}: dpkg-deb ended with {read}, tar with {unpacked}");
        }
        fs::remove_dir_all(&download)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::mirror_in;

    #[test]
    fn the_mirror_is_found_in_both_formats() {
        let deb822 = "Types: deb\nURIs: http://mirror.example/debian\nSuites: stable\n";
        assert_eq!(
            mirror_in(deb822).as_deref(),
            Some("http://mirror.example/debian")
        );
        let one_line = "# deb http://old.example/debian x\ndeb [arch=amd64] https://m.example/debian/ stable main\n";
        assert_eq!(
            mirror_in(one_line).as_deref(),
            Some("https://m.example/debian")
        );
    }

    #[test]
    fn other_archives_are_no_mirror() {
        assert_eq!(
            mirror_in("deb http://security.example/debian-security stable main"),
            None
        );
        assert_eq!(
            mirror_in("URIs: http://archive.ubuntu.example/ubuntu"),
            None
        );
    }
}
