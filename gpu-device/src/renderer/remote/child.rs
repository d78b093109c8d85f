//! The process that draws.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::super::choice::Start;

/// How long a process may take until it says what it can do: a driver starts.
const GREETING: Duration = Duration::from_secs(10);

/// How long it may take for one order.
const PATIENCE: Duration = Duration::from_secs(10);

/// Another patience in milliseconds, for tests that do not want to wait as long.
const PATIENCE_VARIABLE: &str = "LUCARNE_RENDERER_PATIENCE_MS";

/// How long the end of a process that was killed is waited for where it has to be.
const END: Duration = Duration::from_secs(1);

/// What leads to the rest of the user's session: a renderer that a guest has taken over is not to be
/// shown the way.
const SESSION: &[&str] = &[
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "LISTEN_FDS",
    "LUCARNE_SOCKET",
    "NOTIFY_SOCKET",
    "SSH_AUTH_SOCK",
    "WAYLAND_DISPLAY",
    "WAYLAND_SOCKET",
    "XAUTHORITY",
];

/// How the process that draws is started.
#[derive(Debug, Clone)]
pub struct Spawn {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables of its environment, besides those of this process.
    pub environment: Vec<(OsString, OsString)>,
    /// How long it may take until it says what it can do, before it is killed.
    pub greeting: Duration,
    /// How long it may take for one order.
    pub patience: Duration,
}

impl Spawn {
    /// This program itself, as `lucarne render`.
    pub fn this_program(start: &Start) -> Self {
        let mut arguments = vec![OsString::from("render")];
        if start.virgl {
            arguments.push("--virgl".into());
        }
        if start.venus {
            arguments.push("--venus".into());
        }
        if let Some(node) = &start.node {
            arguments.push("--node".into());
            arguments.push(node.into());
        }
        // Guests' shaders have no business in the user's cache, which lies on the disk and is shared with
        // all that the user's other programs draw.
        let mut environment = vec![("MESA_SHADER_CACHE_DISABLE".into(), "true".into())];
        if start.node.is_none() {
            // Without it Mesa takes a graphics card where there is one.
            environment.push(("LIBGL_ALWAYS_SOFTWARE".into(), "1".into()));
        }
        let patience = std::env::var(PATIENCE_VARIABLE).ok();
        let patience = patience.and_then(|text| text.parse().ok());
        Self {
            // Also after the program was replaced by another version.
            program: "/proc/self/exe".into(),
            arguments,
            environment,
            greeting: GREETING,
            patience: patience.map_or(PATIENCE, Duration::from_millis),
        }
    }

    /// How long a process waits at most after those before it have died at once.
    pub(super) fn longest_rest(&self) -> Duration {
        self.patience.checked_div(10).unwrap_or_default()
    }
}

/// A process, until it is dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    /// Readable once it has ended.
    pidfd: OwnedFd,
}

impl Child {
    /// Starts it with `socket` as its standard input. It gets no other descriptor, but for the log:
    /// all of ours are closed on exec.
    pub(super) fn start(spawn: &Spawn, socket: OwnedFd) -> io::Result<Self> {
        let mut command = Command::new(&spawn.program);
        command
            .arg0("lucarne")
            .args(&spawn.arguments)
            .envs(spawn.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null());
        for name in SESSION {
            command.env_remove(name);
        }
        let mut process = command.spawn()?;
        match pidfd(&process) {
            Ok(pidfd) => Ok(Self { process, pidfd }),
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(error)
            }
        }
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(describe(status)),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Has the kernel end it, which takes a moment.
    pub(super) fn kill(&mut self) {
        // Fails only where it has ended.
        let _ = self.process.kill();
    }
}

impl Drop for Child {
    /// Leaves no zombie, unless the kernel can't end the process soon.
    fn drop(&mut self) {
        self.kill();
        if self.ended().is_none() {
            let mut ends = [PollFd::new(&self.pidfd, PollFlags::IN)];
            let _ = poll(&mut ends, Timespec::try_from(END).ok().as_ref());
            self.ended();
        }
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// It has not been waited for, so the number can't have been given to another process.
fn pidfd(process: &std::process::Child) -> io::Result<OwnedFd> {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}
