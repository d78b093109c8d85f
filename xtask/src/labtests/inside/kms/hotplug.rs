//! Monitors that are pulled out and plugged in.

use std::{
    fs, process, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::{
    desk::{self, Desk, Kiosk, PREFERRED, SOON},
    orders::{self, Painter},
    state,
    vkms::{Planes, Vkms},
};
use crate::{labtests::until, report};

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
    let storm = storm(desk, &kiosk, &card, &painter).context("In a storm")?;
    none_at_all(&kiosk, &card, &painter)?;
    kiosk.compositor.quit()?;
    drop(card);
    cards(desk).context("With a card that comes and goes")?;
    Ok(format!("{ROUNDS} rounds; {after:?}; {storm}"))
}

/// A card comes, shows a guest's second screen, and is pulled out under it, some times; the first screen on the
/// card that stays goes on.
fn cards(desk: &Desk) -> Result<()> {
    const TIMES: u32 = 5;
    let stays = Vkms::new("stays", 1, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 2, "")?;
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    kiosk.offers(&painter, 0, PREFERRED)?;
    painter.screen(0, PREFERRED)?;
    let mut files = 0;
    for number in 0..TIMES {
        let comes = Vkms::new("comes", 1, Planes::MANY)?;
        kiosk.offers(&painter, 1, PREFERRED)?;
        painter.screen(1, PREFERRED)?;
        painter.show(1, number)?;
        kiosk.expect_planes(
            &comes,
            "the second screen on the card that came",
            |planes| desk::fills(planes, PREFERRED),
        )?;
        kiosk.expect_picture(&comes, 0, &orders::picture(number, PREFERRED))?;
        pull_out(&kiosk, comes, &painter)?;
        until(SOON, || {
            let (enabled, _, _) = painter.monitor(1)?;
            Ok((!enabled && kiosk.outputs()?.len() == 1).then_some(()))
        })
        .with_context(|| format!("Waiting until card {number} is known to be gone"))?;
        painter.show(0, 10 + number)?;
        kiosk.expect_planes(&stays, "the first screen", |planes| {
            desk::fills(planes, PREFERRED)
        })?;
        kiosk.expect_picture(&stays, 0, &orders::picture(10 + number, PREFERRED))?;
        let now = desk::open_files(kiosk.compositor.pid())?;
        if number == 1 {
            files = now;
        }
        ensure!(
            number < 2 || now <= files,
            "Card {number} left open files: {files}, then {now}"
        );
    }
    kiosk.compositor.quit()
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

/// Ends the second card while frame after frame is shown on it.
fn pull_out(kiosk: &Kiosk, card: Vkms, painter: &Painter) -> Result<()> {
    const TIME: Duration = Duration::from_secs(1);
    const FRAMES: u64 = 10;
    let shown = || -> Result<u64> {
        let outputs = kiosk.outputs()?;
        let second = outputs.last().context("There is no output")?;
        Ok(second.frames.direct)
    };
    thread::scope(|scope| {
        let before = shown()?;
        let frames = scope.spawn(|| painter.alternate(1, TIME, 2, 0));
        until(SOON, || Ok((shown()? >= before + FRAMES).then_some(())))
            .context("Waiting for frames")?;
        drop(card);
        // A guest without a monitor is answered as well.
        let pace = frames.join().map_err(|_| anyhow!("It panicked"))??;
        ensure!(pace.frames > 0, "No frame was seen");
        Ok(())
    })
}

/// The second monitor goes and comes without a pause, as a dock tells of it: it is looked at now and then, and
/// what is there in the end is shown.
fn storm(desk: &Desk, kiosk: &Kiosk, card: &Vkms, painter: &Painter) -> Result<String> {
    const TIMES: u32 = 25;
    // Between two looks, as the compositor promises, and some for the first and the last.
    const AT_LEAST: Duration = Duration::from_millis(60);
    const MORE: u128 = 3;
    let start = fs::metadata(&desk.log)?.len();
    let began = Instant::now();
    for _ in 0..TIMES {
        card.plug(1, false)?;
        card.plug(1, true)?;
    }
    let took = began.elapsed();
    until(SOON, || {
        // The guest may yet hear that its monitor was gone, and then has to begin anew.
        painter.screen(1, PREFERRED)?;
        painter.show(1, 2)?;
        let planes = state::planes(&card.debugfs)?;
        let shown = planes.iter().filter(|plane| plane.is_guests(PREFERRED));
        Ok((shown.count() == 2).then_some(()))
    })?;
    both(kiosk, card)?;
    let log = fs::read(&desk.log)?;
    let said = log.get(usize::try_from(start)?..).unwrap_or_default();
    let gone = String::from_utf8_lossy(said)
        .matches("was unplugged")
        .count();
    let most = took.as_millis() / AT_LEAST.as_millis() + MORE;
    ensure!(
        u128::try_from(gone)? <= most,
        "In {took:?} the monitor was gone {gone} times"
    );
    Ok(format!(
        "{TIMES} times in {}: gone {gone} times",
        report::seconds(took)
    ))
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
