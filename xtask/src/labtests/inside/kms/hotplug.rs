//! Monitors that are pulled out and plugged in.

use std::{fs, process};

use anyhow::{Context as _, Result};

use super::{
    desk::{self, Desk, Kiosk, PREFERRED, SOON},
    orders::{self, Painter},
    vkms::{Planes, Vkms},
};
use crate::labtests::until;

/// How often the second monitor comes and goes.
const ROUNDS: u32 = 200;

/// How often before anything is counted: caches fill.
const WARM: u32 = 5;

/// The second monitor of a guest, many times. The guest is told each time; nothing is left behind of files and
/// framebuffers. In the end the first one too, so that for a while there is none at all.
pub fn run(desk: &Desk) -> Result<String> {
    let card = Vkms::new("hotplug", 2, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 2, "")?;
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    for scanout in 0..2 {
        kiosk.offers(&painter, scanout, PREFERRED)?;
        painter.screen(scanout, PREFERRED)?;
        painter.show(scanout, scanout + 1)?;
    }
    both(&kiosk, &card)?;
    for _ in 0..WARM {
        round(&kiosk, &card, &painter)?;
    }
    let before = Count::take(&kiosk, &card)?;
    for number in 0..ROUNDS {
        round(&kiosk, &card, &painter).with_context(|| format!("Round {number}"))?;
    }
    // What the last round needs may still be there for a moment.
    let mut after = Count::take(&kiosk, &card)?;
    until(SOON, || {
        after = Count::take(&kiosk, &card)?;
        Ok(after.is_no_more_than(&before).then_some(()))
    })
    .with_context(|| {
        format!("After {ROUNDS} rounds there is more than before: {before:?}, then {after:?}")
    })?;
    both(&kiosk, &card)?;
    none_at_all(&kiosk, &card, &painter)?;
    kiosk.compositor.quit()?;
    Ok(format!("{ROUNDS} rounds; {after:?}"))
}

/// Both monitors show their screens.
fn both(kiosk: &Kiosk, card: &Vkms) -> Result<()> {
    kiosk.expect_planes(card, "both screens on planes", |planes| {
        planes.len() == 2 && planes.iter().all(|plane| plane.is_guests(PREFERRED))
    })?;
    for pipe in 0..2 {
        kiosk.expect_picture(card, pipe, &orders::picture(pipe + 1, PREFERRED))?;
    }
    Ok(())
}

fn round(kiosk: &Kiosk, card: &Vkms, painter: &Painter) -> Result<()> {
    card.plug(1, false)?;
    let mut last = None;
    until(SOON, || {
        let (enabled, _, _) = painter.monitor(1)?;
        let outputs = kiosk.outputs()?.len();
        last = Some((enabled, outputs));
        Ok((!enabled && outputs == 1).then_some(()))
    })
    .with_context(|| {
        format!(
            "Waiting until the guest knows that its monitor is gone: enabled, outputs: {last:?}"
        )
    })?;
    kiosk.expect_planes(card, "the first monitor alone", |planes| {
        desk::fills(planes, PREFERRED)
    })?;
    card.plug(1, true)?;
    kiosk.offers(painter, 1, PREFERRED)?;
    // As a Linux guest does whose monitor is back.
    painter.screen(1, PREFERRED)?;
    painter.show(1, 2)?;
    kiosk.expect_planes(card, "both monitors", |planes| {
        planes.len() == 2 && planes.iter().all(|plane| plane.is_guests(PREFERRED))
    })?;
    Ok(())
}

fn none_at_all(kiosk: &Kiosk, card: &Vkms, painter: &Painter) -> Result<()> {
    card.plug(1, false)?;
    card.plug(0, false)?;
    until(SOON, || Ok(kiosk.outputs()?.is_empty().then_some(())))
        .context("Waiting until there is no output")?;
    card.plug(0, true)?;
    kiosk.offers(painter, 0, PREFERRED)?;
    painter.screen(0, PREFERRED)?;
    painter.show(0, 7)?;
    kiosk.expect_planes(card, "the first monitor after there was none", |planes| {
        desk::fills(planes, PREFERRED)
    })?;
    kiosk.expect_picture(card, 0, &orders::picture(7, PREFERRED))
}

/// What a round may leave behind.
#[derive(Debug)]
struct Count {
    files: usize,
    device_files: usize,
    framebuffers: usize,
    /// Whole megabytes of the kiosk's memory.
    megabytes: usize,
}

impl Count {
    fn take(kiosk: &Kiosk, card: &Vkms) -> Result<Self> {
        let device = kiosk
            .compositor
            .guest("guest")?
            .device_pid
            .context("The guest has no device")?;
        Ok(Self {
            files: desk::open_files(kiosk.compositor.pid())?,
            device_files: desk::open_files(device)?,
            framebuffers: card.framebuffers()?,
            megabytes: resident(kiosk.compositor.pid())?,
        })
    }

    fn is_no_more_than(&self, before: &Self) -> bool {
        const MEGABYTES: usize = 24;
        self.files <= before.files
            && self.device_files <= before.device_files
            && self.framebuffers <= before.framebuffers
            && self.megabytes <= before.megabytes + MEGABYTES
    }
}

fn resident(pid: u32) -> Result<usize> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages: usize = text
        .split_whitespace()
        .nth(1)
        .with_context(|| format!("Process {}: reading {text:?}", process::id()))?
        .parse()?;
    Ok(pages * 4096 / 1_000_000)
}
