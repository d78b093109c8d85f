//! Other people's programs: where they are, and what they say about themselves.

use std::{
    env,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    bench::subject::Lack,
    guests::{process::Process, vmm::qemu::Installed},
};

/// A folder that is looked into first: one with programs that are not installed.
pub const FOLDER_ENV: &str = "LUCARNE_BENCH_PEERS";

/// Where distributions put QEMU's helpers, which are not for users and in no `$PATH`.
const HELPERS: [&str; 4] = [
    "/usr/lib/qemu",
    "/usr/libexec",
    "/usr/libexec/qemu",
    "/usr/lib",
];

/// How long a program may take to say something about itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks for a program.
///
/// # Errors
/// There is none; `get` says how to get it.
pub(super) fn find(name: &str, get: &str) -> Result<PathBuf, Lack> {
    let named = env::var_os(FOLDER_ENV).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = named
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(HELPERS.map(PathBuf::from))
        // Where `cargo install` puts programs.
        .chain(env::home_dir().map(|home| home.join(".cargo/bin")));
    let mut programs = folders.map(|folder| folder.join(name));
    programs.find(|program| program.is_file()).ok_or_else(|| {
        Lack(format!(
            "There is no program {name}. {get}, or name its folder in {FOLDER_ENV}"
        ))
    })
}

/// The version of the QEMU that a helper is part of: of the one beside it, or of the one in `$PATH` where the
/// helper lies where distributions put it. `None` where there is none, which says nothing about the helper.
pub(super) fn version_of_qemu(helper: &Path) -> Option<String> {
    let name = Installed::default_program();
    let folder = helper.parent()?;
    let program = match HELPERS.iter().any(|helpers| folder == Path::new(helpers)) {
        true => find(&name.to_string_lossy(), "").ok()?,
        false => folder.join(name),
    };
    let installed = program.is_file().then(|| Installed::find(&program))?;
    Some(format!("QEMU {}", installed.ok()?.version))
}

/// What a program prints; empty where it can't be started, says nothing or takes too long.
pub(super) fn says(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    let Ok(mut started) = Process::start(command, &[]) else {
        return String::new();
    };
    let deadline = Instant::now() + PATIENCE;
    let mut text = Vec::new();
    // Ends with the pipe, or when the time is over; the process ends with this function.
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(
            &mut [PollFd::new(&started.output, PollFlags::IN)],
            Some(&left),
        ) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => break,
        }
        match started.output.read_to_end(&mut text) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
