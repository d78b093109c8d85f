//! `lucarne bench` in this machine, for what no other one has: a graphics card that nobody uses, and udmabuf.

use std::{fs::File, process::Command};

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
const LOG: &str = "bench.log";

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

/// Frames that are in guest memory and stay there, beside the devices of this machine's own tree.
///
/// # Errors
///
/// When nothing is measured.
pub fn blobs(desk: &Desk, arguments: &[&str]) -> Result<String> {
    let wanted = ["flip", "damage", "idle", "--against", "all"];
    run(desk, &wanted, arguments)
}

fn run(desk: &Desk, wanted: &[&str], arguments: &[&str]) -> Result<String> {
    let log = desk.folder.join(LOG);
    let output = File::create(&log)?;
    let status = Command::new(&desk.files.lucarne)
        .arg("bench")
        .args(wanted)
        .args(arguments)
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
