//! An unmodified Linux driver on this machine: User Mode Linux guests.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use protocols::ipc::{GuestState, Request, ScanoutStats};

use super::{
    Bench, GuestFolder, Place,
    compositor::Compositor,
    inside::CURSOR,
    list,
    picture::{Picture, smpte},
    quoted, until,
};
use crate::{lab::Lab, paths};

/// From the start of a guest to its first picture. Half a second on an idle machine.
const BOOT: Duration = Duration::from_secs(20);

/// From what a guest does to what is seen.
const SOON: Duration = Duration::from_secs(5);

/// For how many samples of a second each a rate has to hold.
const HELD: usize = 5;

/// For how long that is waited for, on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(40);

/// How many boots in a row must succeed.
const BOOTS: u32 = 100;

/// A guest's program that shows libdrm's pattern on all its screens until the file `done` is there.
/// `$options` are more of modetest's. Looking for the file starts no process each time: in a guest of a guest that costs
/// a frame.
pub const SHOW_PATTERN: &str = r#"
connectors=$(modetest -M virtio_gpu -c | awk '/^[0-9]/ { print $1 }')
settings=
for connector in $connectors; do settings="$settings -s $connector:#0"; done
mkfifo /run/never
bash -c 'exec 3<>/run/never; until [ -e /lab/done ]; do read -t 0.5 -u 3; done' |
    modetest -M virtio_gpu $settings $options
"#;

/// The section of the configuration for the guest `name`, of so many processors.
pub fn section(
    lab: &Lab,
    name: &str,
    folder: &GuestFolder,
    cpus: u32,
    scanouts: &[&str],
) -> String {
    let mut arguments = lab.uml_root();
    arguments.push(format!("lab={}", folder.0.display()));
    // Lucarne says so for several processors only. It is also the faster way for one.
    arguments.push("seccomp=on".to_owned());
    let scanouts: Vec<String> = scanouts.iter().map(|mode| (*mode).to_owned()).collect();
    format!(
        "[guest.{name}]\nkernel = {}\nmemory = \"256M\"\ncpus = {cpus}\nscanouts = {}\nrestart = \"never\"\n\
         vmm = {{ kind = \"uml\", arguments = {} }}\n",
        quoted(&lab.uml.display().to_string()),
        list(&scanouts),
        list(&arguments),
    )
}

/// Starts a guest with these screens, each on an output of its size.
///
/// # Errors
///
/// When lucarne does not start.
pub fn start(
    bench: &Bench,
    place: &Place,
    folder: &GuestFolder,
    scanouts: &[&str],
) -> Result<Compositor> {
    let config = section(&bench.lab, "guest", folder, 2, scanouts);
    Compositor::start(
        &bench.lucarne,
        &place.folder.join("host"),
        &place.log,
        &config,
        scanouts,
        &[],
    )
}

/// Tells the guest to end, waits for it, and ends the compositor.
///
/// # Errors
///
/// When the guest's program failed, or somebody does not end.
pub fn end(compositor: Compositor, folder: &GuestFolder) -> Result<()> {
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    until(SOON, || {
        let guest = compositor.guest("guest")?;
        Ok((guest.state != GuestState::Running).then_some(()))
    })
    .context("Waiting for the guest to power itself off")?;
    compositor.quit()
}

/// modetest's pattern, in the guest's own pixels and on the output that the screen fills.
pub fn pattern_on_one_screen(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", SHOW_PATTERN)?;
    let compositor = start(bench, place, &folder, &["1280x800@60"])?;
    let expected = smpte(1280, 800);
    let started = Instant::now();
    compositor.expect_picture("guest", 0, &expected, BOOT)?;
    let took = started.elapsed();
    for output in compositor.outputs()? {
        compositor.expect_output(&output, &expected, SOON)?;
    }
    let stats = compositor.stats("guest", 0)?;
    ensure!(
        (stats.width, stats.height) == (1280, 800),
        "The counters say that the screen is {}x{}",
        stats.width,
        stats.height
    );
    message(bench, &compositor, place)?;
    let note = format!(
        "boot to picture {:.1} s, {}",
        took.as_secs_f64(),
        way(&stats)
    );
    end(compositor, &folder)?;
    Ok(note)
}

/// `lucarne msg`, as people and scripts use it, agrees with what was asked directly.
fn message(bench: &Bench, compositor: &Compositor, place: &Place) -> Result<()> {
    let file = place.folder.join("msg.png");
    let run = |arguments: &[&str]| {
        crate::report::output(
            std::process::Command::new(&bench.lucarne)
                .arg("msg")
                .args(arguments)
                .env("LUCARNE_SOCKET", compositor.socket()),
        )
    };
    run(&[
        "screenshot",
        "--guest",
        "guest",
        &file.display().to_string(),
    ])?;
    if let Some(difference) = Picture::read_png(&file)?.difference(&smpte(1280, 800)) {
        bail!("Saving a screenshot with `lucarne msg`: {difference}");
    }
    let stats: serde_json::Value = serde_json::from_str(&run(&["--json", "stats"])?)
        .context("Reading what `lucarne msg --json stats` prints")?;
    ensure!(
        stats.to_string().contains("frames_flushed"),
        "`lucarne msg --json stats` has no counters: {stats}"
    );
    Ok(())
}

/// Three screens of one wide framebuffer: each shows its own part.
pub fn pattern_on_three_screens(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", SHOW_PATTERN)?;
    let modes = ["800x600@60", "800x600@60", "800x600@60"];
    let compositor = start(bench, place, &folder, &modes)?;
    // With several screens modetest makes one framebuffer of them, side by side.
    let whole = smpte(2400, 600);
    let outputs = compositor.outputs()?;
    ensure!(outputs.len() == 3, "There are {} outputs", outputs.len());
    for (number, output) in outputs.iter().enumerate() {
        let part = whole.crop(number * 800, 0, 800, 600);
        compositor.expect_picture("guest", u8::try_from(number)?, &part, BOOT)?;
        compositor.expect_output(output, &part, SOON)?;
    }
    end(compositor, &folder)?;
    Ok(String::new())
}

/// Page flips are paced by the host: 60 a second, counted by the guest and by the device.
pub fn page_flips(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", &format!("options=-v\n{SHOW_PATTERN}"))?;
    let compositor = start(bench, place, &folder, &["1280x800@60"])?;
    let started = Instant::now();
    // What the device had counted when the guest printed a rate, from the first to the last.
    let mut counted: Vec<(Instant, ScanoutStats)> = Vec::new();
    let good = |rate: f64| (59.0..=61.0).contains(&rate);
    let (first, last) = loop {
        until(BOOT, || {
            Ok((rates(&folder).len() > counted.len()).then_some(()))
        })
        .with_context(|| {
            format!(
                "Waiting for page flips; the guest said {}",
                folder.printed()
            )
        })?;
        counted.push((Instant::now(), compositor.stats("guest", 0)?));
        let known = counted.len();
        let held = rates(&folder)
            .iter()
            .take(known)
            .rev()
            .take_while(|rate| good(**rate))
            .count();
        // The device's counters at both ends of the samples that the guest counted.
        if held >= HELD
            && let Some(before) = known.checked_sub(HELD + 1)
            && let (Some(first), Some(last)) = (counted.get(before), counted.last())
        {
            break (first.clone(), last.clone());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "The guest never held 59 to 61 flips a second for {HELD} seconds: {:?}",
            rates(&folder)
        );
    };
    let seconds = (last.0 - first.0).as_secs_f64();
    let rate = |frames: fn(&ScanoutStats) -> u64| -> Result<f64> {
        let frames = u32::try_from(frames(&last.1).saturating_sub(frames(&first.1)))?;
        Ok(f64::from(frames) / seconds)
    };
    let flushed = rate(|stats| stats.frames_flushed)?;
    let presented = rate(|stats| stats.frames_presented)?;
    ensure!(
        good(flushed) && good(presented),
        "The guest counted 59 to 61 flips a second, the device {flushed:.2} flushed and {presented:.2} presented"
    );
    let note = format!(
        "{presented:.1} presented a second, flush to present {} µs in the middle, {} µs for 99 in 100, {}",
        last.1.flush_to_present_p50_us.unwrap_or_default(),
        last.1.flush_to_present_p99_us.unwrap_or_default(),
        way(&last.1)
    );
    end(compositor, &folder)?;
    Ok(note)
}

/// The rates that modetest has printed so far, in flips a second.
pub fn rates(folder: &GuestFolder) -> Vec<f64> {
    folder
        .printed()
        .lines()
        .filter_map(|line| {
            line.strip_prefix("freq: ")?
                .strip_suffix("Hz")?
                .parse()
                .ok()
        })
        .collect()
}

/// The guest's pointer: its image, its place, off an edge, and gone.
pub fn cursor(bench: &Bench, place: &Place) -> Result<String> {
    let program = paths::xtask().canonicalize()?;
    let folder = place.guest(
        "guest",
        &format!(
            "exec /host{} inside cursor\n",
            quoted(&program.display().to_string())
        ),
    )?;
    let compositor = start(bench, place, &folder, &["1024x768@60"])?;
    let outputs = compositor.outputs()?;
    let output = outputs.first().context("Looking for an output")?;
    for (number, step) in CURSOR.iter().enumerate() {
        folder.signal(&format!("step{number}"))?;
        compositor
            .expect_output(
                output,
                &step.expected(1024, 768),
                if number == 0 { BOOT } else { SOON },
            )
            .with_context(|| {
                format!(
                    "Step {number} of the pointer's way; the guest said {}",
                    folder.printed()
                )
            })?;
        let seen = compositor
            .stats("guest", 0)?
            .cursor
            .context("Reading the pointer from the counters")?;
        ensure!(
            seen.visible == step.visible
                && (!step.visible
                    || (seen.x, seen.y, seen.hot_x, seen.hot_y) == (step.x, step.y, 3, 5)),
            "Step {number} of the pointer's way: the counters say {seen:?}, expected {step:?}"
        );
    }
    end(compositor, &folder)?;
    Ok(format!("{} places", CURSOR.len()))
}

/// A window with another size: the guest sees another preferred mode, and uses it.
pub fn resize(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", FOLLOW_MODE)?;
    let compositor = start(bench, place, &folder, &["1024x768@60"])?;
    compositor.expect_picture("guest", 0, &smpte(1024, 768), BOOT)?;
    let mut modes = BTreeSet::new();
    for (width, height) in [(1600u16, 900u16), (800, 600), (1366, 768)] {
        compositor.ask(&Request::Resize {
            guest: "guest".to_owned(),
            scanout: 0,
            width: width.into(),
            height: height.into(),
        })?;
        let expected = smpte(width.into(), height.into());
        compositor
            .expect_picture("guest", 0, &expected, SOON)
            .with_context(|| format!("The guest said {}", folder.printed()))?;
        let stats = compositor.stats("guest", 0)?;
        modes.insert((stats.width, stats.height));
    }
    ensure!(
        modes.len() == 3,
        "The counters know only the modes {modes:?}"
    );
    end(compositor, &folder)?;
    Ok(String::new())
}

/// Shows the pattern in the preferred mode, again whenever the monitor's EDID changes. (The kernel asks for a
/// monitor's modes only for the program that owns the screen, so the old one has to end first.)
pub const FOLLOW_MODE: &str = r##"
for monitor in /sys/class/drm/card*-Virtual-*; do
    case $(readlink -f "$monitor"/device/device/virtio*/driver) in */virtio_gpu) break ;; esac
done
while [ ! -e /lab/done ]; do
    edid=$(cksum <"$monitor/edid")
    while [ ! -e /lab/done ] && [ "$(cksum <"$monitor/edid")" = "$edid" ]; do sleep 0.1; done |
        modetest -M virtio_gpu -s "$(modetest -M virtio_gpu -c | awk '/^[0-9]/ { print $1; exit }'):#0"
done
"##;

/// Many machines one after the other on the same device. Every other one has another mode, so that
/// what an earlier one left is not taken for a picture.
pub fn boots(bench: &Bench, place: &Place) -> Result<String> {
    const MODES: [(usize, usize); 2] = [(1024, 768), (800, 600)];
    let folder = place.guest("guest", BOOT_PROGRAM)?;
    let expected = MODES.map(|(width, height)| smpte(width, height));
    let mode = |boot: u32| usize::from(boot % 2 == 1);
    std::fs::write(folder.file("mode"), "1024x768\n")?;
    let compositor = start(bench, place, &folder, &["1024x768@60"])?;
    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    for boot in 0..BOOTS {
        let begun = Instant::now();
        if boot > 0 {
            let (width, height) = MODES[mode(boot)];
            std::fs::write(folder.file("mode"), format!("{width}x{height}\n"))?;
            compositor.ask(&Request::Restart {
                guest: "guest".to_owned(),
            })?;
        }
        compositor
            .expect_picture("guest", 0, &expected[mode(boot)], BOOT)
            .with_context(|| {
                format!(
                    "Boot {} of {BOOTS}; the guest is {:?} and said {}",
                    boot + 1,
                    compositor
                        .guest("guest")
                        .map(|guest| (guest.state, guest.last_output)),
                    folder.printed()
                )
            })?;
        slowest = slowest.max(begun.elapsed());
    }
    let all = started.elapsed();
    end(compositor, &folder)?;
    Ok(format!(
        "{:.2} s each, the slowest {:.2} s",
        all.as_secs_f64() / f64::from(BOOTS),
        slowest.as_secs_f64()
    ))
}

/// Shows the pattern in the mode that the file `mode` names.
const BOOT_PROGRAM: &str = r#"
connector=$(modetest -M virtio_gpu -c | awk '/^[0-9]/ { print $1; exit }')
while [ ! -e /lab/done ]; do sleep 0.05; done | modetest -M virtio_gpu -s "$connector:$(cat /lab/mode)"
"#;

/// How frames went, in words.
pub fn way(stats: &ScanoutStats) -> String {
    let reason = stats
        .reason
        .as_ref()
        .map(|reason| format!(": {}", reason.code))
        .unwrap_or_default();
    format!("{:?}{reason}", stats.path)
}
