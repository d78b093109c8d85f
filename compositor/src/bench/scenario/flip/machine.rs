//! A real guest in QEMU that flips by itself: its graphics are Lucarne's, or QEMU's own with a viewer.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::bench::{
    measure::cpu::Usage,
    peer::{
        self,
        lucarne::gpu_socket,
        qemu::{BusViewer, Installation, Machine, QemuShown, Screen, VncViewer},
    },
    plan::{PeerKind, Plan, RealMachine},
    report::model::Quantity,
    run::{Bench, Measure, Readings},
    subject::{Role, Subject, Wanted},
};

const SIZE: (u32, u32) = (1280, 800);

/// The monitor's refresh rate: what QEMU's own device tells guests.
const HERTZ: u32 = 75;

/// What the case is called.
const CASE: &str = "1280x800 real guest";

/// From the guest's first flip on, until the work of its start is over.
const SETTLE: Duration = Duration::from_secs(1);

/// From QEMU's start to the guest's first flip, for the estimate.
const BOOT: Duration = Duration::from_secs(6);

/// How long a boot and what is measured may take, on a busy machine without KVM.
const PATIENCE: Duration = Duration::from_secs(90);

/// About how long all of it takes.
pub(super) fn takes(plan: &Plan) -> Duration {
    if plan.machine.is_none() || !plan.wants(CASE) {
        return Duration::ZERO;
    }
    let shown = |kind: &&PeerKind| matches!(kind, PeerKind::QemuDbus | PeerKind::QemuVnc);
    let peers = plan.peers.iter().filter(shown).count();
    plan.time(1 + peers, 1, Duration::ZERO, BOOT + SETTLE + turn(plan))
}

/// Measures the same guest, booted anew in each turn, with each way to show it.
pub(super) fn run(bench: &mut Bench<'_>) {
    if !bench.plan().wants(CASE) {
        return;
    }
    let Some(guest) = &bench.plan().machine else {
        return bench.skip(
            CASE,
            "it needs a guest that flips by itself: name one with --kernel and --initrd",
        );
    };
    let qemu = match Installation::find() {
        Ok(qemu) => qemu,
        Err(lack) => return bench.skip(CASE, &lack.to_string()),
    };
    let contest = Contest {
        qemu,
        guest,
        folder: bench.folder(),
        length: turn(bench.plan()),
    };
    let names: Vec<&str> = bench.peers().iter().map(|peer| peer.name()).collect();
    let mut lucarne = |readings: &mut Readings| contest.lucarne(readings);
    let mut vnc = |readings: &mut Readings| contest.vnc(readings);
    let mut bus = |readings: &mut Readings| contest.bus(readings);
    let mut contestants: Vec<(&str, &mut Measure<'_>)> = vec![("lucarne", &mut lucarne)];
    let (by_vnc, by_bus) = (QemuShown::Vnc.name(), QemuShown::Bus.name());
    if names.contains(&by_bus) {
        contestants.push((by_bus, &mut bus));
    }
    if names.contains(&by_vnc) {
        contestants.push((by_vnc, &mut vnc));
    }
    bench.allow(PATIENCE);
    bench.contest(CASE, &mut contestants);
    bench.allow(Bench::PATIENCE);
}

fn turn(plan: &Plan) -> Duration {
    plan.pick(Duration::from_secs(2), Duration::from_secs(5))
}

/// What all of them are measured with.
struct Contest<'a> {
    qemu: Installation,
    guest: &'a RealMachine,
    folder: &'a Path,
    length: Duration,
}

/// What has arrived at the far end, and processor time of processes other than QEMU's.
struct Seen {
    frames: u64,
    device: Duration,
    compositor: Duration,
}

impl Seen {
    /// What QEMU shows by itself.
    fn by_qemu(frames: u64) -> Self {
        Self {
            frames,
            device: Duration::ZERO,
            compositor: Duration::ZERO,
        }
    }
}

impl Contest<'_> {
    fn lucarne(&self, readings: &mut Readings) -> anyhow::Result<()> {
        let folder = self.new_folder()?;
        let wanted = Wanted {
            hertz: HERTZ,
            ..Wanted::one(SIZE)
        };
        let mut lucarne = peer::lucarne().start(&wanted, &folder)?;
        let screen = gpu_socket(&folder, 0);
        let machine = self.boot(Screen::Device(&screen), &folder)?;
        let start = Usage::of(&lucarne.processes())?;
        let look = || {
            let spent = Usage::of(&lucarne.processes())?.since(&start);
            Ok(Seen {
                frames: shown(lucarne.as_mut())?,
                device: spent.role(Role::Device).cpu,
                compositor: spent.role(Role::Compositor).cpu,
            })
        };
        self.measure(&machine, look, readings)
    }

    fn vnc(&self, readings: &mut Readings) -> anyhow::Result<()> {
        let folder = self.new_folder()?;
        let server = folder.join("vnc");
        let machine = self.boot(Screen::Vnc(&server), &folder)?;
        let viewer = VncViewer::start(&server)?;
        self.measure(&machine, || Ok(Seen::by_qemu(viewer.frames())), readings)
    }

    fn bus(&self, readings: &mut Readings) -> anyhow::Result<()> {
        let machine = self.boot(Screen::Bus, &self.new_folder()?)?;
        let viewer = BusViewer::start(&machine)?;
        self.measure(&machine, || Ok(Seen::by_qemu(viewer.frames())), readings)
    }

    fn boot(&self, screen: Screen<'_>, folder: &Path) -> anyhow::Result<Machine> {
        self.qemu.start(self.guest, screen, SIZE, folder)
    }

    /// A folder for a turn: what the last one left there is gone.
    fn new_folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join("machine");
        let made = match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir(&folder),
        };
        made.with_context(|| format!("Could not make {}. Check that folder", folder.display()))?;
        Ok(folder)
    }

    /// Measures a machine whose guest flips. `look` says what has arrived, and what others than QEMU have
    /// done for it.
    fn measure(
        &self,
        machine: &Machine,
        mut look: impl FnMut() -> anyhow::Result<Seen>,
        readings: &mut Readings,
    ) -> anyhow::Result<()> {
        let mut see = || -> anyhow::Result<(Seen, Duration, Instant)> {
            Ok((look()?, machine.cpu()?, Instant::now()))
        };
        thread::sleep(SETTLE);
        let (before, qemu_before, from) = see()?;
        thread::sleep(self.length);
        let (after, qemu_after, to) = see()?;
        let took = (to - from).as_secs_f64();
        let frames = after.frames.saturating_sub(before.frames);
        ensure!(frames > 0, "No frame arrived in {took:.1} s");
        let frames = f64::from(u32::try_from(frames)?);
        let seconds =
            |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64();
        let device = seconds(before.device, after.device);
        let compositor = seconds(before.compositor, after.compositor);
        let all = seconds(qemu_before, qemu_after) + device + compositor;
        readings.value(Quantity::FramesPerSecond, frames / took);
        readings.value(Quantity::CpuPerFrame, 1e6 * all / frames);
        readings.value(Quantity::Cpu, 100.0 * all / took);
        // What QEMU shows itself is done by threads that do everything.
        if device > 0.0 {
            readings.value(Quantity::DeviceCpuPerFrame, 1e6 * device / frames);
            readings.value(Quantity::CompositorCpuPerFrame, 1e6 * compositor / frames);
        }
        Ok(())
    }
}

/// The frames of the guest that Lucarne has shown.
fn shown(lucarne: &mut dyn Subject) -> anyhow::Result<u64> {
    let counters = lucarne.counters(0)?;
    Ok(counters.context("Nobody counts the frames")?.presented)
}
