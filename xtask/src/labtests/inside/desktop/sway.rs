//! A guest's window in sway, whose own commands resize it.

use anyhow::{Context as _, Result, ensure};

use super::{
    Desk, SOON, appear, follow,
    hosts::{Host, Session, Window},
};
use crate::labtests::{inside::kms::orders, uml, until};

const MONITOR: (u32, u32) = (1024, 768);

/// The window is as large as sway makes it, the guest follows, and grim sees the guest's own pixels.
pub fn run(desk: &Desk) -> Result<String> {
    let session = Session::start(Host::Sway, &desk.folder, MONITOR)?;
    let (config, painter) = orders::guest("guest", &["640x480"], "")?;
    let lucarne = desk.lucarne(&session, &config, "guest")?;
    appear(&painter, MONITOR.0)?;
    for (number, (command, size)) in [
        // The only window has all of the monitor.
        ("nop", MONITOR),
        ("floating enable, resize set 640 400", (640, 400)),
        ("resize set 896 700, move position 100 30", (896, 700)),
        ("fullscreen enable", MONITOR),
        ("fullscreen disable", (896, 700)),
    ]
    .into_iter()
    .enumerate()
    {
        session.sway(&format!("[app_id=\".*\"] {command}"))?;
        let place = follow(
            desk,
            &session,
            &lucarne,
            &painter,
            size,
            u32::try_from(number)? + 1,
        )
        .with_context(|| format!("After swaymsg {command}"))?;
        let window = window(&session, size)?;
        ensure!(
            (window.place.0, window.place.1) == place,
            "The picture is at {place:?}, but sway has the window at {:?}",
            window.place
        );
        ensure!(
            window.title.contains("guest"),
            "The window's title {:?} does not name the guest",
            window.title
        );
    }
    let note = uml::way(&lucarne.stats("guest", 0)?);
    lucarne.quit()?;
    until(SOON, || Ok(session.windows()?.is_empty().then_some(())))
        .context("Waiting until the window is gone")?;
    Ok(note)
}

/// The guest's window, once sway says that it has a size.
fn window(session: &Session, size: (u32, u32)) -> Result<Window> {
    let (width, height) = (usize::try_from(size.0)?, usize::try_from(size.1)?);
    let mut last = Vec::new();
    until(SOON, || {
        last = session.windows()?;
        Ok(last
            .iter()
            .find(|window| (window.place.2, window.place.3) == (width, height))
            .cloned())
    })
    .with_context(|| format!("Looking for a window of {size:?}: sway has {last:?}"))
}
