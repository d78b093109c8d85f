//! `lucarne bench` in this machine, for what no other one has: a graphics card that nobody uses, and udmabuf.

use std::{env, fs::File, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{
    desk::Desk,
    seat::Seatd,
    vkms::{Planes, Vkms},
};
use crate::report;

/// The report, in the test's folder.
pub const FILE: &str = "report.json";

/// What the benchmark says on its way, there.
pub const LOG: &str = "bench.log";

/// The variable that says how often everything is measured.
pub const REPETITIONS: &str = "LAB_REPETITIONS";

/// What this machine is called in reports that have parts of several.
const PLACE: &str = "User Mode Linux";

/// The kiosk beside a bare program.
///
/// # Errors
///
/// When nothing is measured.
pub fn planes(desk: &Desk, arguments: &[&str]) -> Result<String> {
    let _card = Vkms::new("bench", 1, Planes::MANY)?;
    let _seatd = Seatd::start(&desk.folder.join("seatd.log"))?;
    run(desk, &["planes"], arguments)
}

/// Frames that are in guest memory and stay there, beside QEMU's device of this machine's own tree. What needs no
/// udmabuf is measured elsewhere, where system calls cost what they cost.
///
/// # Errors
///
/// When nothing is measured.
pub fn blobs(desk: &Desk, arguments: &[&str]) -> Result<String> {
    let wanted = ["flip", "damage", "--against", "vhost-user-gpu"];
    let cases = BLOBS.iter().flat_map(|case| ["--case", case]);
    let wanted: Vec<&str> = wanted.into_iter().chain(cases).collect();
    run(desk, &wanted, arguments)
}

/// Cases of frames that stay in guest memory.
const BLOBS: [&str; 3] = ["blob, free-running", "blob, 60 Hz", ", blob"];

fn run(desk: &Desk, wanted: &[&str], arguments: &[&str]) -> Result<String> {
    let log = desk.folder.join(LOG);
    let output = File::create(&log)?;
    let mut command = Command::new(&desk.files.lucarne);
    command
        .args(["bench", "--place", PLACE])
        .args(wanted)
        .args(arguments);
    if let Some(repetitions) = env::var_os(REPETITIONS) {
        command.arg("--repetitions").arg(repetitions);
    }
    let status = command
        .arg("--json")
        .arg(desk.folder.join(FILE))
        .envs(Seatd::ENVIRONMENT)
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .context("Starting lucarne bench")?;
    ensure!(
        status.success(),
        "lucarne bench ended ({status}) and said:\n{}",
        report::tail(&log, 30)
    );
    Ok(wanted.join(" "))
}
