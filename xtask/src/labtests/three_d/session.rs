//! A session of this machine for native programs, without a screen.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{SIZE, in_tree};
use crate::labtests::{Bench, Place, until};

const SOON: Duration = Duration::from_secs(20);

/// A session for native programs: weston without a screen.
pub struct Session {
    weston: Child,
    runtime: PathBuf,
}

/// Where it listens.
const DISPLAY: &str = "wayland-1";

impl Session {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(bench: &Bench, place: &Place) -> Result<Self> {
        // Sockets have short paths; the test's folder may not.
        let runtime = std::env::temp_dir().join(format!("l3{:x}", std::process::id()));
        fs::create_dir_all(&runtime)?;
        let log = File::options().create(true).append(true).open(&place.log)?;
        let mut command = in_tree(&bench.lab, Path::new("/usr/bin/weston"));
        command
            .args([
                "--no-config",
                "--backend=headless",
                "--renderer=gl",
                "--shell=kiosk-shell.so",
                "--idle-time=0",
            ])
            .arg(format!("--width={}", SIZE.0))
            .arg(format!("--height={}", SIZE.1))
            .arg(format!("--socket={DISPLAY}"));
        let weston = set(&mut command, &runtime)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("Starting weston")?;
        let session = Self { weston, runtime };
        let socket = session.runtime.join(DISPLAY);
        until(SOON, || Ok(socket.exists().then_some(()))).context("Waiting for weston")?;
        Ok(session)
    }

    /// A command for a program of the tree, shown in the session.
    pub fn command(&self, bench: &Bench, program: &str) -> Command {
        let mut command = in_tree(&bench.lab, Path::new(program));
        set(&mut command, &self.runtime).env("WAYLAND_DISPLAY", DISPLAY);
        command
    }
}

fn set<'a>(command: &'a mut Command, runtime: &Path) -> &'a mut Command {
    command
        .env("XDG_RUNTIME_DIR", runtime)
        .env("HOME", runtime)
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("DISPLAY")
        .stdin(Stdio::null())
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.weston.kill();
        let _ = self.weston.wait();
        let _ = fs::remove_dir_all(&self.runtime);
    }
}
