//! Several guests, several monitors, and windows over guests.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    desk::{self, Desk, FIRST, Kiosk, PREFERRED},
    devices::{Device, key},
    orders::{self, Painter},
    pointer::on,
    vkms::{Planes, Vkms},
    writeback,
};
use crate::{
    labtests::{picture::Picture, until},
    report,
};

const SMALL: (u32, u32) = (320, 240);
const MIDDLE: (u32, u32) = (640, 480);

/// Two guests on two monitors, a third one switched in, a small one over another, one in the middle of a
/// larger monitor, and an ordinary window.
pub fn run(desk: &Desk) -> Result<String> {
    let mut keyboard = Device::keyboard()?;
    switch(desk, &mut keyboard)?;
    small(desk)?;
    middle(desk)?;
    window(desk, &mut keyboard)
}

fn switch(desk: &Desk, keyboard: &mut Device) -> Result<()> {
    let size = PREFERRED;
    let card = Vkms::new("switch", 2, Planes::MANY)?;
    let (first, a) = desk.guest("a", 1, "outputs = [\"Virtual-1\"]")?;
    let (second, b) = desk.guest("b", 1, "outputs = [\"Virtual-2\"]")?;
    let (third, c) = desk.guest("c", 1, "outputs = [\"Virtual-1\"]")?;
    let kiosk = desk.kiosk(&format!("{first}{second}{third}"), &["a", "b", "c"])?;
    for (number, painter) in (1..).zip([&a, &b, &c]) {
        kiosk.offers(painter, 0, size)?;
        painter.screen(0, size)?;
        painter.show(0, number)?;
    }
    let shows = |pipe: u32, picture: u32| -> Result<()> {
        kiosk.expect_planes(&card, "one guest on the monitor's plane", |planes| {
            desk::fills(&on(planes, pipe), size)
        })?;
        kiosk.expect_picture(&card, pipe, &orders::picture(picture, size))
    };
    for (guest, picture) in [("a", 1), ("c", 3), ("a", 1)] {
        focus(desk, &kiosk, guest)?;
        shows(0, picture).with_context(|| format!("After `lucarne msg focus {guest}`"))?;
        shows(1, 2).context("The other monitor meanwhile")?;
    }
    // From a to b to c, with the keys; b is on its own monitor all the time.
    for _ in 0..2 {
        keyboard.press(&[key::LEFT_META, key::TAB])?;
    }
    shows(0, 3).context("After Super+Tab, twice")?;
    // A guest that is not to be seen is answered nevertheless, and seen later.
    a.show(0, 9)?;
    focus(desk, &kiosk, "a")?;
    shows(0, 9).context("What a hidden guest has drawn")?;
    kiosk.compositor.quit()
}

/// As a person at a terminal does.
fn focus(desk: &Desk, kiosk: &Kiosk, guest: &str) -> Result<()> {
    report::output(
        Command::new(&desk.files.lucarne)
            .args(["msg", "focus", guest])
            .env("LUCARNE_SOCKET", kiosk.compositor.socket()),
    )?;
    Ok(())
}

/// A guest that is smaller and above another: on an overlay plane.
fn small(desk: &Desk) -> Result<()> {
    let card = Vkms::new("small", 1, Planes::MANY)?;
    let (first, large) = desk.guest("large", 1, "")?;
    let (second, small) = desk.guest("small", 1, "position = [100, 60]")?;
    let kiosk = desk.kiosk(&format!("{first}{second}"), &["large", "small"])?;
    prepare(&kiosk, &large, PREFERRED)?;
    small.screen(0, SMALL)?;
    small.show(0, 2)?;
    kiosk.expect_planes(&card, "both guests on planes", |planes| {
        planes.len() == 2
            && planes.iter().any(|plane| plane.is_guests(PREFERRED))
            && planes
                .iter()
                .any(|plane| plane.is_guests(SMALL) && plane.shown == (SMALL.0, SMALL.1, 100, 60))
    })?;
    let expected = orders::picture(1, PREFERRED).with(&orders::picture(2, SMALL), 100, 60);
    kiosk.expect_picture(&card, 0, &expected)?;
    kiosk.compositor.quit()
}

/// A guest that does not follow the monitor, unscaled in its middle.
fn middle(desk: &Desk) -> Result<()> {
    let card = Vkms::new("middle", 1, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 1, "fit = \"none\"")?;
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    kiosk.offers(&painter, 0, PREFERRED)?;
    painter.screen(0, MIDDLE)?;
    painter.show(0, 5)?;
    let (left, top) = ((PREFERRED.0 - MIDDLE.0) / 2, (PREFERRED.1 - MIDDLE.1) / 2);
    let place = (
        MIDDLE.0,
        MIDDLE.1,
        i32::try_from(left)?,
        i32::try_from(top)?,
    );
    kiosk.expect_planes(&card, "the guest on a plane in the middle", |planes| {
        planes
            .iter()
            .any(|plane| plane.is_guests(MIDDLE) && plane.shown == place)
    })?;
    let (width, height) = (usize::try_from(PREFERRED.0)?, usize::try_from(PREFERRED.1)?);
    let black = Picture::from_fn(width, height, |_, _| [0; 3]);
    let expected = black.with(&orders::picture(5, MIDDLE), left.into(), top.into());
    kiosk.expect_picture(&card, 0, &expected)?;
    kiosk.compositor.quit()
}

fn prepare(kiosk: &Kiosk, painter: &Painter, size: (u32, u32)) -> Result<()> {
    kiosk.offers(painter, 0, size)?;
    painter.screen(0, size)?;
    painter.show(0, 1)
}

/// A terminal over a guest. What it looks like is not known before, so three accounts of the screen are held
/// against each other: what is read back from the CRTC, the kiosk's own screenshot, and around the terminal
/// the guest's memory.
fn window(desk: &Desk, keyboard: &mut Device) -> Result<String> {
    let card = Vkms::new("window", 1, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 1, "")?;
    let mut kiosk = desk.kiosk(&guest, &["guest"])?;
    prepare(&kiosk, &painter, PREFERRED)?;
    kiosk.expect_planes(&card, "the guest's memory on a plane", |planes| {
        desk::fills(planes, PREFERRED)
    })?;
    let bare = orders::picture(1, PREFERRED);
    let mut foot = Client::start(
        &kiosk,
        "foot",
        &[
            "--override=cursor.blink=no",
            "--window-size-pixels=400x300",
            "sleep",
            "1000",
        ],
        &desk.folder,
    )?;
    let name = first_output(&kiosk)?;
    let mut last = bare.clone();
    let shown = until(FIRST, || {
        let picture = kiosk.compositor.output_picture(&name)?;
        let still = picture == last && picture != bare;
        last = picture.clone();
        Ok(still.then_some(picture))
    })
    .context("Waiting for the terminal over the guest")?;
    let seen = kiosk.away(keyboard, || writeback::capture(&card.node))?;
    if let Some(difference) = seen.difference(&shown) {
        bail!("What is on the CRTC is not what the kiosk's screenshot has: {difference}");
    }
    let covered = (0..seen.pixels.len())
        .filter(|place| seen.pixels.get(*place) != bare.pixels.get(*place))
        .count();
    ensure!(
        (400 * 300 / 2..=600 * 500).contains(&covered),
        "A terminal of about 400x300 covers {covered} pixels"
    );
    let reason = format!("{:?}", kiosk.outputs()?);
    foot.end()?;
    kiosk.expect_planes(&card, "the guest alone on its plane again", |planes| {
        desk::fills(planes, PREFERRED)
    })?;
    kiosk.expect_picture(&card, 0, &bare)?;
    kiosk.compositor.quit()?;
    let _ = reason;
    Ok(format!("a terminal covers {covered} pixels"))
}

/// The name of the kiosk's first output.
pub fn first_output(kiosk: &Kiosk) -> Result<String> {
    kiosk
        .outputs()?
        .into_iter()
        .next()
        .map(|output| output.name)
        .context("The kiosk has no output")
}

/// An ordinary Wayland program.
pub struct Client(Child);

impl Client {
    /// Starts one on the kiosk; what it prints is appended to `clients.log` in `folder`.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(
        kiosk: &Kiosk,
        program: &str,
        arguments: &[&str],
        folder: &std::path::Path,
    ) -> Result<Self> {
        let (runtime, display) = kiosk.compositor.wayland()?;
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("clients.log"))?;
        let child = Command::new(program)
            .args(arguments)
            .env("XDG_RUNTIME_DIR", runtime)
            .env("WAYLAND_DISPLAY", display)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("Starting {program}"))?;
        Ok(Self(child))
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// When it has ended already.
    pub fn end(&mut self) -> Result<()> {
        ensure!(self.0.try_wait()?.is_none(), "It has ended already");
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
