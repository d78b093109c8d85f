//! From `lucarne run` to the first frame of a Linux guest, in a session that is the benchmark's own Wayland server.

use std::{
    fs,
    path::Path,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::SIZE;
use crate::{
    backend::now,
    bench::{
        peer::{child::Child, lucarne, qemu::Installation},
        plan::{Plan, RealMachine},
        report::model::Quantity,
        run::{Bench, Measure, Readings},
        stopwatch::{Manner, Stopwatch, What},
        subject::{Shown, Wanted},
    },
};

/// What the case is called.
const CASE: &str = "lucarne run, a Linux guest in QEMU";

/// Its subject.
const LUCARNE: &str = "lucarne";

/// How long a boot may take, on a busy machine without KVM.
const PATIENCE: Duration = Duration::from_secs(60);

/// A boot without KVM, for the estimate.
const BOOT: Duration = Duration::from_secs(5);

/// Between two looks at whether the program still runs.
const LOOK: Duration = Duration::from_millis(200);

/// About how long it takes.
pub(super) fn takes(plan: &Plan) -> Duration {
    match plan.machine {
        Some(_) if plan.wants(CASE) => plan.time(1, 1, Duration::ZERO, BOOT),
        _ => Duration::ZERO,
    }
}

/// Starts a guest as a user does.
pub(super) fn run(bench: &mut Bench<'_>) {
    if !bench.plan().wants(CASE) {
        return;
    }
    let Some(guest) = &bench.plan().machine else {
        return bench.skip(
            CASE,
            "it needs a guest that draws by itself: name one with --kernel and --initrd",
        );
    };
    if let Err(lack) = Installation::find() {
        return bench.skip(CASE, &lack.to_string());
    }
    let folder = bench.folder().join("run");
    let mut measure = |readings: &mut Readings| {
        fs::create_dir_all(&folder)
            .with_context(|| format!("Could not make {}. Check that folder", folder.display()))?;
        let took = first_frame(guest, &folder);
        // The next start finds nothing of this one. What stays goes with the benchmark's own folder.
        let _ = fs::remove_dir_all(&folder);
        readings.value(Quantity::FirstFrame, took?.as_secs_f64() * 1e3);
        Ok(())
    };
    let mut measures: [(&str, &mut Measure<'_>); 1] = [(LUCARNE, &mut measure)];
    bench.allow(PATIENCE);
    bench.contest(CASE, &mut measures);
    bench.allow(Bench::PATIENCE);
}

fn first_frame(guest: &RealMachine, folder: &Path) -> anyhow::Result<Duration> {
    let wanted = Wanted {
        shown_by: Shown::Stopwatch(Manner::default()),
        ..Wanted::one(SIZE)
    };
    // Outlives the program, which would end without its session.
    let session = Stopwatch::start(folder, &wanted)?;
    let mut command = lucarne::program(folder)?;
    command
        .env("WAYLAND_DISPLAY", session.display())
        .args(["run", "--name", "bench", "--memory", "512M", "--kernel"])
        .arg(&guest.kernel)
        .arg("--initrd")
        .arg(&guest.initrd)
        .args(["--append", "quiet"])
        .args(["--mode", &format!("{}x{}", SIZE.0, SIZE.1)]);
    let began = now();
    let mut program = Child::start("run", command, folder)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match session.arrivals().recv_timeout(LOOK) {
            Ok(arrival) if arrival.what == What::Window && arrival.buffer == Some(SIZE) => {
                return Ok(arrival.at.saturating_sub(began));
            }
            Ok(_) => continue,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("The session has ended"),
        }
        if let Some(why) = program.died() {
            bail!(why);
        }
        if Instant::now() >= deadline {
            bail!("No frame came within {PATIENCE:?}{}", program.last_words());
        }
    }
}
