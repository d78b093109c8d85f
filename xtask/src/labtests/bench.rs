//! `lucarne bench` where it needs the lab: with the real peers, with a real guest, and on planes.
//!
//! Whether it is fast enough is not asked here: that all of it is measured, and that what was measured can be.

mod figures;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use self::figures::Report;
use super::{
    Bench, Place,
    host::Machine,
    inside::kms::{Test, bench::FILE},
    three_d,
};
use crate::{lab::Lab, report};

/// How thorough a run is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Short,
    Full,
}

impl Length {
    /// By whether it is to be short.
    pub fn of(short: bool) -> Self {
        match short {
            true => Self::Short,
            false => Self::Full,
        }
    }
}

/// `lucarne bench`, which finds the lab's peers and its guest for QEMU.
///
/// # Errors
///
/// When one of them cannot be made.
pub fn command(bench: &Bench, length: Length) -> Result<Command> {
    let mut command = Command::new(&bench.lucarne);
    command.arg("bench");
    if length == Length::Short {
        command.arg("--short");
    }
    command
        .arg("--kernel")
        .arg(&bench.lab.vmlinuz)
        .arg("--initrd")
        .arg(bench.lab.flips()?)
        .env("LUCARNE_BENCH_PEERS", bench.lab.ensure_peers()?)
        .env("PATH", path(&bench.lab)?);
    Ok(command)
}

/// Where programs are looked for: the lab's QEMU before this machine's.
fn path(lab: &Lab) -> Result<OsString> {
    let own = env::var_os("PATH").unwrap_or_default();
    let programs = lab.qemu.parent().map(Path::to_owned).into_iter();
    Ok(env::join_paths(programs.chain(env::split_paths(&own)))?)
}

/// The same commands and frames for the real alternatives. Each is measured, or the report says why it is not.
pub fn peers(bench: &Bench, place: &Place) -> Result<String> {
    let file = place.folder.join("report.json");
    let mut command = command(bench, Length::Short)?;
    command
        .args(["commands", "flip", "transfer", "--repetitions", "1"])
        .args([
            "--against",
            "vhost-user-gpu",
            "--against",
            "vhost-device-gpu",
        ])
        .arg("--json")
        .arg(&file);
    report::run_logged(&mut command, &place.log)?;
    let report = Report::read(&file)?;
    let mut words = Vec::new();
    for (scenario, quantity) in [
        ("commands", "commands_per_second"),
        ("flip", "cpu_per_frame"),
        ("transfer", "throughput"),
    ] {
        let ours = report.expect(scenario, "lucarne", quantity)?;
        let qemu = report.expect(scenario, "vhost-user-gpu", quantity)?;
        let rust_vmm = report.account(scenario, "vhost-device-gpu", quantity)?;
        words.push(format!(
            "{scenario}: {ours:.0} {quantity}, vhost-user-gpu {qemu:.0}, vhost-device-gpu {rust_vmm}"
        ));
    }
    Ok(words.join("; "))
}

/// QEMU's own device with a real guest that flips.
pub fn qemu(bench: &Bench, place: &Place) -> Result<String> {
    let file = place.folder.join("report.json");
    let mut command = command(bench, Length::Short)?;
    command
        .args(["flip", "--repetitions", "1", "--against", "qemu-vnc"])
        .arg("--json")
        .arg(&file);
    report::run_logged(&mut command, &place.log)?;
    let report = Report::read(&file)?;
    let frames = |subject| -> Result<f64> {
        let found = report.subject("flip", "real guest", subject)?;
        found.median("frames_per_second")
    };
    Ok(format!(
        "{:.0} frames a second, qemu-vnc {:.0}",
        frames("lucarne")?,
        frames("qemu-vnc")?
    ))
}

/// glmark2 in a guest against the same natively, as a report of its own.
///
/// # Errors
///
/// When a scene is not drawn.
pub fn glmark(bench: &Bench, place: &Place, length: Length) -> Result<PathBuf> {
    let most = match length {
        Length::Short => 3,
        Length::Full => usize::MAX,
    };
    let scenes = three_d::glmark_off_screen(bench, place, most)?;
    let rates = |time: fn(&three_d::Scene) -> f64| -> Vec<f64> {
        scenes.iter().map(|scene| 1000.0 / time(scene)).collect()
    };
    let (guest, native) = (rates(|scene| scene.guest), rates(|scene| scene.native));
    let ratios: Vec<f64> = scenes.iter().map(three_d::Scene::ratio).collect();
    let (width, height) = three_d::SIZE;
    let subject = |name: &str, values: Value| {
        json!({
            "subject": name, "failure": null, "skipped": null, "values": values, "times": {}, "series": {},
            "disturbed": [],
        })
    };
    let report = json!({
        "lucarne": "", "began": "", "seconds": 0.0, "length": "full", "repetitions": 1, "machine": [],
        "targets": [],
        "subjects": [],
        "scenarios": [{
            "scenario": "gl",
            "about": "",
            "skipped": [],
            "cases": [{
                "case": format!("{width}x{height} glmark2 off-screen, a value for each of {} scenes", scenes.len()),
                "setting": null,
                "subjects": [
                    subject("lucarne, a Linux guest", json!({"frames_per_second": guest, "of_native": ratios})),
                    subject("native", json!({"frames_per_second": native})),
                ],
            }],
        }],
    });
    let file = place.folder.join("report.json");
    fs::write(&file, serde_json::to_string(&report)?)?;
    Ok(file)
}

/// The kiosk beside a bare program, in the machine with vkms.
pub fn planes(bench: &Bench, place: &Place) -> Result<String> {
    let report = Report::read(&on_planes(bench, place, Length::Short)?)?;
    let lucarne = report.subject("planes", "blob", "lucarne")?;
    for copied in lucarne.values("bytes_copied_per_frame")? {
        ensure!(
            copied == 0.0,
            "{copied} bytes are copied for a frame on a plane"
        );
    }
    // That it is on the plane, and that nothing is composited, the scenario finds out by itself.
    let composited = report.subject("planes", "blob", "lucarne, composited")?;
    let refused = report.subject("planes", "arrangements", "bare program")?;
    Ok(format!(
        "{:.3} of the bare program's refreshes; {:.0} µs of CPU for a frame, {:.0} composited; a refusal takes \
         {:.0} µs",
        lucarne.median("of_bare")?,
        lucarne.median("cpu_per_frame")?,
        composited.median("cpu_per_frame")?,
        refused.median_time("refused_arrangement")?,
    ))
}

/// Frames in guest memory on a host that can show it as it is: nothing is copied.
pub fn blobs(bench: &Bench, place: &Place) -> Result<String> {
    let report = Report::read(&with_blobs(bench, place, Length::Short)?)?;
    let mut words = Vec::new();
    for case in report.cases("flip")? {
        // Those at rest take the time of a commit, and are shown by what counts no bytes.
        if !case.contains("blob") || case.contains("at rest") {
            continue;
        }
        let lucarne = report.subject("flip", case, "lucarne")?;
        for copied in lucarne.values("bytes_copied_per_frame")? {
            ensure!(
                copied == 0.0,
                "{copied} bytes are copied for a frame of {case}"
            );
        }
        words.push(format!(
            "{case}: {:.0} µs of CPU",
            lucarne.median("cpu_per_frame")?
        ));
    }
    ensure!(!words.is_empty(), "There is no case with blobs");
    Ok(format!("nothing copied; {}", words.join(", ")))
}

/// Runs `lucarne bench planes` in the machine with vkms; the file with its report.
///
/// # Errors
///
/// When it measures nothing, or takes too long.
pub fn on_planes(bench: &Bench, place: &Place, length: Length) -> Result<PathBuf> {
    let (test, minutes) = match length {
        Length::Short => (Test::PlanesShort, 3),
        Length::Full => (Test::PlanesFull, 15),
    };
    machine(bench, place, test, "", minutes)
}

/// Runs what needs udmabuf in the machine that has it; the file with its report.
///
/// # Errors
///
/// As [`on_planes`].
pub fn with_blobs(bench: &Bench, place: &Place, length: Length) -> Result<PathBuf> {
    let (test, minutes) = match length {
        Length::Short => (Test::BlobsShort, 5),
        Length::Full => (Test::BlobsFull, 60),
    };
    // QEMU's device takes its memory from the first graphics card that it finds, but may not from these.
    machine(bench, place, test, "rm -r /dev/dri\n", minutes)
}

fn machine(
    bench: &Bench,
    place: &Place,
    test: Test,
    before: &str,
    minutes: u64,
) -> Result<PathBuf> {
    let machine = Machine {
        program: &["kms", &test.name()],
        before: &format!("{before}export LIBGL_ALWAYS_SOFTWARE=1\n"),
        // The last one counts: pictures of 8K, for several devices at once.
        kernel: &["vkms.create_default_dev=0", "mem=6G"],
        limit: Duration::from_secs(60 * minutes),
        urgent: true,
    };
    machine.run(bench, place)?;
    Ok(place.folder.join("machine").join(FILE))
}
