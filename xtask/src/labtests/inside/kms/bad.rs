//! What goes wrong before there is a picture: a message that helps, or a way around it.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    card::Card,
    desk::{self, Desk, PREFERRED, SOON},
    orders,
    seat::Seatd,
    sixty::mode,
    vkms::{Planes, Vkms},
};
use crate::labtests::until;

/// How long the kiosk may take to say that it cannot start.
const LIMIT: Duration = Duration::from_secs(20);

/// No seat, no card, a card that somebody else has, no monitor, a mode that there is not.
pub fn run(desk: &Desk) -> Result<String> {
    no_seat(desk).context("Without a seat")?;
    no_card(desk).context("Without a card")?;
    busy(desk).context("With a card that somebody else has")?;
    wrong_card(desk).context("With the wrong card in the configuration")?;
    no_monitor(desk).context("Without a monitor")?;
    no_mode(desk).context("With a mode that the monitor lacks")?;
    Ok("6 cases".to_owned())
}

/// Starts the kiosk, which is to end with a message that has all of these words.
fn refused(desk: &Desk, config: &str, words: &[&str]) -> Result<()> {
    let folder = desk.folder.join("refused");
    fs::create_dir_all(&folder)?;
    let file = folder.join("lucarne.toml");
    fs::write(&file, config)?;
    let log = folder.join("log");
    let output = fs::File::create(&log)?;
    let mut child = Command::new(&desk.files.lucarne)
        .arg("kiosk")
        .arg("--config")
        .arg(&file)
        .envs(Seatd::ENVIRONMENT)
        .env("XDG_RUNTIME_DIR", std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("It did not end; it said:\n{}", fs::read_to_string(&log)?);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = fs::read_to_string(&log)?;
    ensure!(!status.success(), "It ended as if all was well:\n{text}");
    ensure!(!text.contains("panicked"), "It panicked:\n{text}");
    for word in words {
        ensure!(
            text.to_lowercase().contains(&word.to_lowercase()),
            "It did not say {word:?}:\n{text}"
        );
    }
    Ok(())
}

fn no_seat(desk: &Desk) -> Result<()> {
    refused(desk, "", &["seat"])
}

fn no_card(desk: &Desk) -> Result<()> {
    let _seatd = Seatd::start(&desk.folder.join("seatd.log"))?;
    ensure!(
        !std::path::Path::new("/dev/dri").exists(),
        "This machine is to be one without a graphics card"
    );
    refused(desk, "", &["graphics card", "/dev/dri"])
}

fn busy(desk: &Desk) -> Result<()> {
    let vkms = Vkms::new("busy", 1, Planes::MANY)?;
    // Whoever opens a card first is its master; the kiosk is to say who that is.
    let _card = Card::open(&vkms.node)?;
    let _seatd = Seatd::start(&desk.folder.join("seatd.log"))?;
    let node = vkms.node.display().to_string();
    let own = fs::read_to_string("/proc/self/comm")?;
    refused(desk, "", &[&node, own.trim()])
}

fn wrong_card(desk: &Desk) -> Result<()> {
    let vkms = Vkms::new("wrong", 1, Planes::MANY)?;
    let _seatd = Seatd::start(&desk.folder.join("seatd.log"))?;
    let node = vkms.node.display().to_string();
    refused(
        desk,
        "[kms]\ndevice = \"/dev/dri/card77\"\n",
        &["/dev/dri/card77", &node],
    )
}

/// It waits for one, says so, and uses it when it comes.
fn no_monitor(desk: &Desk) -> Result<()> {
    let vkms = Vkms::new("dark", 1, Planes::MANY)?;
    vkms.plug(0, false)?;
    let (guest, painter) = desk.guest("guest", 1, "")?;
    let start = fs::metadata(&desk.log)
        .map(|log| log.len())
        .unwrap_or_default();
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    says(desk, start, "monitor")?;
    vkms.plug(0, true)?;
    kiosk.offers(&painter, 0, PREFERRED)?;
    painter.screen(0, PREFERRED)?;
    painter.show(0, 1)?;
    kiosk.expect_planes(&vkms, "the guest on the monitor that has come", |planes| {
        desk::fills(planes, PREFERRED)
    })?;
    kiosk.expect_picture(&vkms, 0, &orders::picture(1, PREFERRED))?;
    kiosk.compositor.quit()
}

/// It takes the nearest one and says so.
fn no_mode(desk: &Desk) -> Result<()> {
    let vkms = Vkms::new("mode", 1, Planes::MANY)?;
    let start = fs::metadata(&desk.log)
        .map(|log| log.len())
        .unwrap_or_default();
    let kiosk = desk.kiosk(&mode((801, 603)), &[])?;
    says(desk, start, "801x603")?;
    let output = kiosk
        .outputs()?
        .into_iter()
        .next()
        .context("The kiosk has no output")?;
    ensure!(
        (output.width, output.height) == (800, 600),
        "The nearest mode to 801x603 is 800x600, not {}x{}",
        output.width,
        output.height
    );
    kiosk.expect_planes(&vkms, "a picture in that mode", |planes| {
        planes
            .iter()
            .any(|plane| (plane.shown.0, plane.shown.1) == (800, 600))
    })?;
    kiosk.compositor.quit()
}

/// Waits for a word in what the kiosk says from a place of its log on.
fn says(desk: &Desk, start: u64, word: &str) -> Result<()> {
    until(SOON, || {
        let log = fs::read(&desk.log)?;
        let text = log.get(usize::try_from(start)?..).unwrap_or_default();
        Ok(String::from_utf8_lossy(text).contains(word).then_some(()))
    })
    .with_context(|| format!("Waiting until the kiosk says {word:?}"))
}
