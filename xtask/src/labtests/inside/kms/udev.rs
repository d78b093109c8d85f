//! The daemon that tells libinput and the compositor of devices, as on every Linux machine.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{labtests::until, report};

const DAEMON: &str = "/usr/lib/systemd/systemd-udevd";

/// A running udevd that has seen all devices.
pub struct Udev(Child);

impl Udev {
    /// Starts it and waits until it has seen what there is.
    ///
    /// # Errors
    ///
    /// When it does not start; its words are in `log`.
    pub fn start(log: &Path) -> Result<Self> {
        fs::create_dir_all("/run/udev")?;
        let output = File::options().create(true).append(true).open(log)?;
        let child = Command::new(DAEMON)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("Starting {DAEMON}"))?;
        let udev = Self(child);
        until(Duration::from_secs(10), || {
            Ok(Path::new("/run/udev/control").exists().then_some(()))
        })
        .context("Waiting for udevd")?;
        // Of what this machine has, these matter; all of it takes seconds here.
        for subsystem in ["input", "drm"] {
            report::output(udevadm().args([
                "trigger",
                "--action=add",
                "--subsystem-match",
                subsystem,
            ]))?;
        }
        settle()?;
        Ok(udev)
    }
}

impl Drop for Udev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until every event so far has been dealt with.
///
/// # Errors
///
/// When that takes too long.
pub fn settle() -> Result<()> {
    report::output(udevadm().args(["settle", "--timeout=20"]))?;
    Ok(())
}

/// In a machine whose root is not the tests' own it would do nothing and say that all is well.
fn udevadm() -> Command {
    let mut command = Command::new("udevadm");
    command.env("SYSTEMD_IGNORE_CHROOT", "1");
    command
}
