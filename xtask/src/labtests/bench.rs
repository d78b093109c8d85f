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
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use self::figures::Report;
use super::{
    Bench, Place,
    host::Machine,
    inside::kms::{
        Test,
        bench::{FILE, LOG, REPETITIONS},
    },
    three_d,
};
use crate::{lab::Lab, report};

/// How thorough a run is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Short,
    Full,
}

/// How thorough a run is, and how often it does everything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub length: Length,
    /// 1 or more.
    pub repetitions: u32,
}

impl Extent {
    /// As few repetitions as show how much figures vary, where nobody wants more: all of it takes a while.
    const FULL: u32 = 3;

    /// A test's.
    const TEST: Self = Self {
        length: Length::Short,
        repetitions: 1,
    };

    /// By whether it is to be short, and how often somebody wants it.
    pub fn of(short: bool, repetitions: Option<u32>) -> Self {
        let (length, usual) = match short {
            true => (Length::Short, Self::TEST.repetitions),
            false => (Length::Full, Self::FULL),
        };
        Self {
            length,
            repetitions: repetitions.unwrap_or(usual),
        }
    }

    /// How long something takes of which all repetitions take as long as one; `once` besides.
    fn time(self, once: u64, each: u64) -> Duration {
        Duration::from_secs(once + each * u64::from(self.repetitions))
    }
}

/// `lucarne bench`, which finds the lab's peers and its guest for QEMU.
///
/// # Errors
///
/// When one of them cannot be made.
pub fn command(bench: &Bench, extent: Extent) -> Result<Command> {
    let mut command = Command::new(&bench.lucarne);
    command.arg("bench");
    if extent.length == Length::Short {
        command.arg("--short");
    }
    command
        .arg("--repetitions")
        .arg(extent.repetitions.to_string())
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
    let mut command = command(bench, Extent::TEST)?;
    command
        .args(["commands", "flip", "transfer"])
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
    let mut command = command(bench, Extent::TEST)?;
    command
        .args(["flip", "--against", "qemu-vnc"])
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
pub fn glmark(bench: &Bench, place: &Place, extent: Extent) -> Result<PathBuf> {
    let most = match extent.length {
        Length::Short => 3,
        Length::Full => usize::MAX,
    };
    let began = Instant::now();
    let scenes = three_d::glmark_off_screen(bench, place, most)?;
    let all_of = |of: fn(&three_d::Scene) -> f64| -> Vec<f64> { scenes.iter().map(of).collect() };
    let guest = all_of(three_d::Scene::guest);
    let native = all_of(three_d::Scene::native);
    let ratios = all_of(three_d::Scene::ratio);
    let (width, height) = three_d::SIZE;
    let subject = |name: &str, values: Value| {
        json!({
            "subject": name, "failure": null, "skipped": null, "values": values, "times": {}, "series": {},
            "disturbed": [],
        })
    };
    let case = |name: String, guest: Vec<f64>, native: Vec<f64>, ratios: Vec<f64>| {
        json!({
            "case": name,
            "setting": null,
            "subjects": [
                subject("lucarne, a Linux guest", json!({"frames_per_second": guest, "of_native": ratios})),
                subject("native", json!({"frames_per_second": native})),
            ],
        })
    };
    let all = format!(
        "{width}x{height} glmark2 off-screen, the middle of {} scenes",
        scenes.len()
    );
    let each = scenes.iter().map(|scene| {
        let name = format!("{width}x{height} glmark2 off-screen, {}", scene.name);
        let (guest, native) = (vec![scene.guest()], vec![scene.native()]);
        case(name, guest, native, vec![scene.ratio()])
    });
    let each: Vec<Value> = each.collect();
    let cases: Vec<Value> = std::iter::once(case(all, guest, native, ratios))
        .chain(each)
        .collect();
    let report = json!({
        "lucarne": "", "began": "", "seconds": began.elapsed().as_secs_f64(), "length": "full",
        "repetitions": 1, "machine": [],
        "targets": [],
        "subjects": [],
        "scenarios": [{
            "scenario": "gl",
            "about": "",
            "skipped": [],
            "cases": cases,
        }],
    });
    let file = place.folder.join("report.json");
    fs::write(&file, serde_json::to_string(&report)?)?;
    Ok(file)
}

/// The kiosk beside a bare program, in the machine with vkms.
pub fn planes(bench: &Bench, place: &Place) -> Result<String> {
    let report = Report::read(&on_planes(bench, place, Extent::TEST)?)?;
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
    let report = Report::read(&with_blobs(bench, place, Extent::TEST)?)?;
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
pub fn on_planes(bench: &Bench, place: &Place, extent: Extent) -> Result<PathBuf> {
    let test = match extent.length {
        Length::Short => Test::PlanesShort,
        Length::Full => Test::PlanesFull,
    };
    machine(bench, place, test, "", extent, planes_take(extent))
}

/// About how long [`on_planes`] takes.
pub fn planes_take(extent: Extent) -> Duration {
    match extent.length {
        Length::Short => extent.time(15, 30),
        Length::Full => extent.time(15, 45),
    }
}

/// Runs what needs udmabuf in the machine that has it; the file with its report.
///
/// # Errors
///
/// As [`on_planes`].
pub fn with_blobs(bench: &Bench, place: &Place, extent: Extent) -> Result<PathBuf> {
    let test = match extent.length {
        Length::Short => Test::BlobsShort,
        Length::Full => Test::BlobsFull,
    };
    // QEMU's device takes its memory from the first graphics card that it finds, but may not from these.
    let before = "rm -r /dev/dri\n";
    machine(bench, place, test, before, extent, blobs_take(extent))
}

/// About how long [`with_blobs`] takes.
pub fn blobs_take(extent: Extent) -> Duration {
    match extent.length {
        Length::Short => extent.time(30, 15),
        Length::Full => extent.time(60, 75),
    }
}

/// About how long [`glmark`] takes.
pub fn glmark_takes(extent: Extent) -> Duration {
    Duration::from_secs(match extent.length {
        Length::Short => 30,
        Length::Full => 240,
    })
}

/// How much longer than it should a machine may take: others may be at work here.
const PATIENCE: u32 = 4;

/// How often a machine's progress is told.
const HEARTBEAT: Duration = Duration::from_secs(30);

fn machine(
    bench: &Bench,
    place: &Place,
    test: Test,
    before: &str,
    extent: Extent,
    takes: Duration,
) -> Result<PathBuf> {
    let repetitions = extent.repetitions;
    let machine = Machine {
        program: &["kms", &test.name()],
        before: &format!(
            "{before}export LIBGL_ALWAYS_SOFTWARE=1\nexport {REPETITIONS}={repetitions}\n"
        ),
        kernel: &[
            "vkms.create_default_dev=0",
            // The last one counts: pictures of 8K, for several devices at once.
            "mem=6G",
            // As `lucarne doctor` would have it for pictures of that size, whose pieces are many.
            "udmabuf.size_limit_mb=512",
            "udmabuf.list_limit=16384",
        ],
        limit: PATIENCE * takes,
        urgent: true,
    };
    let folder = place.folder.join("machine");
    while_watching(&folder.join(LOG), || machine.run(bench, place))?;
    Ok(folder.join(FILE))
}

/// Does something that writes to a log, and tells its last line now and then.
fn while_watching<T>(log: &Path, work: impl FnOnce() -> T) -> T {
    let (done, wait) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let began = Instant::now();
            while wait.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                let last = report::tail(log, 1);
                let line: String = last.trim().chars().take(100).collect();
                report::say(format!(
                    "         … {} s: {line}",
                    began.elapsed().as_secs()
                ));
            }
        });
        let result = work();
        drop(done);
        result
    })
}
