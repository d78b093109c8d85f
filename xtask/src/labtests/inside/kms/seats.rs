//! The seat goes and comes back or is gone for good, and processes die.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use protocols::ipc::GuestState;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    card::Card,
    desk::{self, Desk, FIRST, Kiosk, PREFERRED, SOON},
    devices::{Device, key},
    orders::{self, Painter},
    vkms::{Planes, Vkms},
};
use crate::labtests::until;

/// How often the seat goes and comes.
const ROUNDS: u32 = 20;

/// Away and back again without the guest's doing anything; then the guest's processes die, and the kiosk.
pub fn run(desk: &Desk) -> Result<String> {
    let card = Vkms::new("seats", 1, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 1, "restart = \"always\"")?;
    let mut kiosk = desk.kiosk(&guest, &["guest"])?;
    let mut keyboard = Device::keyboard()?;
    show(&kiosk, &card, &painter, 1)?;
    away(&mut kiosk, &card, &painter, &mut keyboard)?;
    for who in [Who::Device, Who::Vmm] {
        killed(&kiosk, &card, &painter, who).with_context(|| format!("{who:?} was killed"))?;
    }
    died(kiosk, &card)?;
    // The seat and the card are free for the next one.
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    show(&kiosk, &card, &painter, 3)?;
    manager_died(desk, kiosk).context("The seat manager was killed")?;
    // As on a machine without any keyboard layout.
    let mut program = Command::new(&desk.files.lucarne);
    for name in ["XKB_CONFIG_ROOT", "XKB_CONFIG_EXTRA_PATH", "HOME"] {
        program.env(name, "/nowhere");
    }
    let mut kiosk = desk.kiosk_by(&mut program, &guest, &["guest"])?;
    show(&kiosk, &card, &painter, 4)?;
    kiosk
        .away(&mut keyboard, || Ok(()))
        .context("Without keyboard layouts")?;
    on_plane(&kiosk, &card, 4)?;
    kiosk.compositor.quit()?;
    Ok(format!("{ROUNDS} times away and back"))
}

fn show(kiosk: &Kiosk, card: &Vkms, painter: &Painter, picture: u32) -> Result<()> {
    kiosk.offers(painter, 0, PREFERRED)?;
    painter.screen(0, PREFERRED)?;
    painter.show(0, picture)?;
    on_plane(kiosk, card, picture)
}

fn on_plane(kiosk: &Kiosk, card: &Vkms, picture: u32) -> Result<()> {
    kiosk.expect_planes(card, "the guest's memory on a plane", |planes| {
        desk::fills(planes, PREFERRED)
    })?;
    kiosk.expect_picture(card, 0, &orders::picture(picture, PREFERRED))
}

fn away(kiosk: &mut Kiosk, card: &Vkms, painter: &Painter, keyboard: &mut Device) -> Result<()> {
    let mut files = 0;
    for round in 0..ROUNDS {
        kiosk
            .away(keyboard, || {
                // Somebody else has the card meanwhile, and leaves another picture on it.
                let mut other = Card::open(&card.node)?;
                let head = other.head()?;
                let (_, framebuffer) = other.dumb(PREFERRED.0, PREFERRED.1)?;
                let mode = head.mode(PREFERRED.0, PREFERRED.1)?;
                other.light(&head, mode, framebuffer)?;
                // A guest that draws is answered although nobody sees it.
                painter.show(0, 100 + round)?;
                Ok(())
            })
            .with_context(|| format!("Round {round}"))?;
        on_plane(kiosk, card, 100 + round).with_context(|| format!("Back in round {round}"))?;
        let now = desk::open_files(kiosk.compositor.pid())?;
        // Input devices are opened anew after each round, from the first on.
        if round == 1 {
            files = now;
        }
        ensure!(
            round < 2 || now <= files,
            "Round {round} left open files: {files}, then {now}"
        );
    }
    // The keys that led away were let go while nobody listened: they must not be stuck. With a stuck
    // Ctrl+Alt, F2 alone would lead away again.
    keyboard.press(&[key::F2])?;
    painter.show(0, 2)?;
    on_plane(kiosk, card, 2)?;
    ensure!(
        !kiosk.is_away()?,
        "F2 alone has led away: Ctrl and Alt are stuck"
    );
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Device,
    Vmm,
}

/// One of the guest's processes dies without a word: meanwhile there is a picture that says so, and then the
/// guest's.
fn killed(kiosk: &Kiosk, card: &Vkms, painter: &Painter, who: Who) -> Result<()> {
    let name = kiosk
        .outputs()?
        .into_iter()
        .next()
        .map(|output| output.name)
        .context("The kiosk has no output")?;
    let before = kiosk.compositor.output_picture(&name)?;
    let guest = kiosk.compositor.guest("guest")?;
    let pid = match who {
        Who::Device => guest.device_pid,
        Who::Vmm => guest.vmm_pid,
    }
    .context("The guest has no such process")?;
    let pid = Pid::from_raw(i32::try_from(pid)?).context("This is no process")?;
    kill_process(pid, Signal::KILL)?;
    until(SOON, || {
        let picture = kiosk.compositor.output_picture(&name)?;
        Ok((picture != before && picture.colours(2) == 2).then_some(()))
    })
    .context("Waiting for a picture that says what has happened")?;
    until(FIRST, || {
        let guest = kiosk.compositor.guest("guest")?;
        Ok((guest.state == GuestState::Running).then_some(()))
    })
    .context("Waiting until the guest runs again")?;
    show(kiosk, card, painter, 50)
}

/// The seat manager dies: the kiosk stops its guests and ends with a failure, after which a service manager
/// starts it again.
fn manager_died(desk: &Desk, kiosk: Kiosk) -> Result<()> {
    let start = fs::metadata(&desk.log)?.len();
    let vmm = kiosk.compositor.guest("guest")?.vmm_pid;
    let vmm = vmm.context("The guest has no VMM")?;
    let status = kiosk.lose_the_seat().ended()?;
    let log = fs::read(&desk.log)?;
    let said = log.get(usize::try_from(start)?..).unwrap_or_default();
    let said = String::from_utf8_lossy(said);
    ensure!(status.code() == Some(1), "It ended with {status}:\n{said}");
    for words in [
        "Could not keep seat0",
        "logind or seatd",
        "start it",
        "The guest is off",
    ] {
        ensure!(said.contains(words), "It did not say {words:?}:\n{said}");
    }
    ensure!(!said.contains("panicked"), "It panicked:\n{said}");
    ensure!(
        !Path::new(&format!("/proc/{vmm}")).exists(),
        "It left the guest's VMM:\n{said}"
    );
    Ok(())
}

/// The kiosk dies: the card is anybody's at once.
fn died(kiosk: Kiosk, card: &Vkms) -> Result<()> {
    let Kiosk { compositor, .. } = kiosk;
    compositor.kill()?;
    until(SOON, || {
        let mut other = Card::open(&card.node)?;
        let head = other.head()?;
        let (_, framebuffer) = other.dumb(PREFERRED.0, PREFERRED.1)?;
        let mode = head.mode(PREFERRED.0, PREFERRED.1)?;
        Ok(other.light(&head, mode, framebuffer).ok())
    })
    .context("Waiting until the card is free after the kiosk was killed")
}
