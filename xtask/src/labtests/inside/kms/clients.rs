//! Ordinary Wayland programs on the kiosk.

use std::{
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    desk::{Desk, FIRST, Kiosk},
    monitors::{Client, first_output},
    vkms::{Planes, Vkms},
    writeback,
};
use crate::labtests::{inside::kms::devices::Device, picture::Picture, until};

/// A refresh, in microseconds, as vkms has it.
const REFRESH: std::ops::RangeInclusive<u32> = 16_600..=16_750;

/// A terminal and a program that draws with OpenGL show up on the monitor; one that asks for presentation times
/// learns the refresh rate.
pub fn run(desk: &Desk) -> Result<String> {
    let mut keyboard = Device::keyboard()?;
    let card = Vkms::new("clients", 1, Planes::MANY)?;
    let mut kiosk = desk.kiosk("", &[])?;
    let empty = kiosk.compositor.output_picture(&first_output(&kiosk)?)?;
    typing(desk, &kiosk, &empty, &mut keyboard).context("Before the seat was ever away")?;
    // The machine's only render node is vgem's, which makes no buffers.
    let node = format!("--drm-render-node={}", card.node.display());
    for (program, arguments) in [
        ("foot", &["sleep", "1000"][..]),
        ("weston-simple-dmabuf-egl", &[node.as_str()][..]),
    ] {
        let mut client = Client::start(&kiosk, program, arguments, &desk.folder)?;
        appears(&kiosk, &empty).with_context(|| format!("Waiting for {program}"))?;
        let seen = kiosk.away(&mut keyboard, || writeback::capture(&card.node))?;
        ensure!(
            changed(&seen, &empty) > 10_000,
            "{program} is not to be seen on the CRTC"
        );
        client.end().with_context(|| format!("Ending {program}"))?;
        until(FIRST, || {
            let picture = kiosk.compositor.output_picture(&first_output(&kiosk)?)?;
            Ok((picture == empty).then_some(()))
        })
        .with_context(|| format!("Waiting until {program} is gone"))?;
    }
    typing(desk, &kiosk, &empty, &mut keyboard).context("After the seat was away")?;
    let refresh = presentation(&kiosk)?;
    kiosk.compositor.quit()?;
    Ok(format!("refresh {refresh} µs"))
}

fn changed(one: &Picture, other: &Picture) -> usize {
    let pairs = one.pixels.iter().zip(&other.pixels);
    pairs.filter(|(one, other)| one != other).count()
}

fn appears(kiosk: &Kiosk, empty: &Picture) -> Result<()> {
    until(FIRST, || {
        let picture = kiosk.compositor.output_picture(&first_output(kiosk)?)?;
        Ok((changed(&picture, empty) > 10_000).then_some(()))
    })
}

/// What is typed on a keyboard arrives in a terminal, and its shell does it.
fn typing(desk: &Desk, kiosk: &Kiosk, empty: &Picture, keyboard: &mut Device) -> Result<()> {
    let file = std::env::temp_dir().join("typed");
    let ready = std::env::temp_dir().join("ready");
    for old in [&file, &ready] {
        let _ = std::fs::remove_file(old);
    }
    let script = format!("touch {}; read line; $line", ready.display());
    let mut foot = Client::start(kiosk, "foot", &["sh", "-c", &script], &desk.folder)?;
    until(FIRST, || Ok(ready.exists().then_some(())))
        .context("Waiting for the terminal's shell")?;
    // The shell is there before its window.
    appears(kiosk, empty)?;
    keyboard.type_text(&format!("touch {}\n", file.display()))?;
    until(FIRST, || Ok(file.exists().then_some(())))
        .context("Waiting until a command that was typed is carried out")?;
    // It has ended by itself.
    let _ = foot.end();
    Ok(())
}

/// The time from one presentation to the next, as weston-presentation-shm measures it.
fn presentation(kiosk: &Kiosk) -> Result<u32> {
    let (runtime, display) = kiosk.compositor.wayland()?;
    let child = Command::new("weston-presentation-shm")
        .args(["-f"])
        .env("XDG_RUNTIME_DIR", runtime)
        .env("WAYLAND_DISPLAY", display)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("Starting weston-presentation-shm")?;
    thread::sleep(Duration::from_secs(3));
    // It prints what it has kept when it is asked to end.
    let pid = Pid::from_raw(i32::try_from(child.id())?).context("This is no process")?;
    kill_process(pid, Signal::INT)?;
    let text = String::from_utf8(child.wait_with_output()?.stdout)?;
    // "    57: f2c  1 ms, c2p 15 ms, f2p 16 ms, p2p 16666 us, t2p   -102, [sce_], seq 4711"
    let mut all: Vec<u32> = text
        .lines()
        .filter(|line| line.contains("[sce"))
        .filter_map(|line| {
            let (_, rest) = line.split_once("p2p")?;
            rest.split_whitespace().next()?.parse().ok()
        })
        .collect();
    all.sort_unstable();
    let middle = *all.get(all.len() / 2).with_context(|| {
        format!(
            "weston-presentation-shm has seen nothing at a vblank by the hardware's clock:\n{text}"
        )
    })?;
    ensure!(
        REFRESH.contains(&middle),
        "weston-presentation-shm says that a refresh takes {middle} µs:\n{text}"
    );
    Ok(middle)
}
