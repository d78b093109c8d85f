//! Guests as windows of somebody else's session: weston and sway without a screen, on the lab's own host, with
//! their own ways to move windows and to take pictures.

mod frames;
mod hands;
mod hosts;
mod nested_window;
mod restarted;
mod scanouts;
mod sway;
mod weston;

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use protocols::ipc::PresentPath;

use self::hosts::Session;
use super::{
    Files,
    kms::orders::{self, Painter},
};
use crate::{
    labtests::{compositor::Compositor, picture::Picture, until},
    report,
};

/// From what is done to what is seen.
const SOON: Duration = Duration::from_secs(10);

/// From a guest's start to its first picture.
const FIRST: Duration = Duration::from_secs(30);

/// The tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Test {
    /// A window of weston
    Weston,
    /// A window of sway
    Sway,
    /// The host's compositor is killed and comes back
    Restarted,
    /// Keyboards, mice and pens of the host
    Hands,
    /// Monitors that come and go
    Scanouts,
    /// Frame after frame
    Frames,
    /// `lucarne nested` as a window of sway
    NestedOnWayland,
    /// `lucarne nested` as a window of an X server
    NestedOnX11,
}

impl Test {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

/// Runs one; its last line of output is what is worth knowing about it.
///
/// # Errors
///
/// When it fails.
pub fn run(test: Test, files: Files) -> Result<()> {
    let desk = Desk {
        folder: PathBuf::from("/lab"),
        files,
    };
    let note = match test {
        Test::Weston => weston::run(&desk)?,
        Test::Sway => sway::run(&desk)?,
        Test::Restarted => restarted::run(&desk)?,
        Test::Hands => hands::run(&desk)?,
        Test::Scanouts => scanouts::run(&desk)?,
        Test::Frames => frames::run(&desk)?,
        Test::NestedOnWayland => nested_window::wayland(&desk)?,
        Test::NestedOnX11 => nested_window::x11(&desk)?,
    };
    report::say(note);
    Ok(())
}

/// Where the tests have their files.
struct Desk {
    folder: PathBuf,
    files: Files,
}

impl Desk {
    /// `lucarne run` in a session, with the guest `name` of `config`.
    fn lucarne(&self, session: &Session, config: &str, name: &str) -> Result<Compositor> {
        Compositor::run(
            Command::new(&self.files.lucarne)
                .arg("run")
                .env("WAYLAND_DISPLAY", session.display()),
            &self.folder.join("run"),
            &self.folder.join("lucarne.log"),
            config,
            &[name],
        )
    }

    /// The guest's picture is in the session's own screenshot, pixel for pixel; where.
    fn expect(
        &self,
        session: &Session,
        wanted: &Picture,
        limit: Duration,
    ) -> Result<(usize, usize)> {
        let mut last = None;
        until(limit, || {
            let seen = session.screenshot()?;
            let place = seen.find(wanted);
            last = Some(seen);
            Ok(place)
        })
        .or_else(|error| {
            wanted.write_png(&self.folder.join("expected.png"))?;
            if let Some(seen) = last {
                seen.write_png(&self.folder.join("seen.png"))?;
            }
            bail!(
                "Looking for the guest's picture of {}x{} in the session's screenshot: {error:#} \
                 (see expected.png and seen.png in the test's folder)",
                wanted.width,
                wanted.height
            )
        })
    }
}

/// The guest follows its window to another size: it is offered it, uses it, and its picture is seen.
fn follow(
    desk: &Desk,
    session: &Session,
    lucarne: &Compositor,
    painter: &Painter,
    size: (u32, u32),
    picture: u32,
) -> Result<(usize, usize)> {
    painter
        .is_offered(0, size, SOON)
        .context("The window has another size")?;
    painter.screen(0, size)?;
    painter.show(0, picture)?;
    let place = desk.expect(session, &orders::picture(picture, size), SOON)?;
    // The host tells of a frame after it has shown it.
    until(SOON, || {
        let stats = lucarne.stats("guest", 0)?;
        let shown = stats.path != PresentPath::Nothing;
        Ok((shown && (stats.width, stats.height) == size).then_some(()))
    })
    .with_context(|| {
        format!(
            "Waiting for the counters of a screen of {size:?}: they are {:?}",
            lucarne.stats("guest", 0)
        )
    })?;
    Ok(place)
}

/// The guest draws its first picture in the size that it is configured for; only then there is a window, which the
/// host gives a size of its own. That size.
fn appear(painter: &Painter, at_least: u32) -> Result<(u32, u32)> {
    const CONFIGURED: (u32, u32) = (640, 480);
    painter.is_offered(0, CONFIGURED, FIRST)?;
    painter.screen(0, CONFIGURED)?;
    painter.show(0, 0)?;
    until(FIRST, || {
        let (_, size, _) = painter.monitor(0)?;
        Ok((size.0 >= at_least).then_some(size))
    })
    .with_context(|| format!("Waiting until the window is {at_least} wide at least"))
}
