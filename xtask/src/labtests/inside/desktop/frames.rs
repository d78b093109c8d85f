//! Frame after frame in somebody else's session: each is told as shown, whatever else the window does meanwhile.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{
    Desk, appear, follow,
    hosts::{Host, Session},
};
use crate::labtests::inside::kms::orders::{self, Order};

/// Larger than what the guest begins with, so that its window is known to have got its size.
const MONITOR: (u32, u32) = (800, 600);

/// How long frames are counted.
const TIME: Duration = Duration::from_secs(3);

/// A guest that draws, first with nothing else, then while its pointer moves sixty times a second. That pointer is a
/// surface of its own over the window, which has to be committed for each of its places.
pub fn run(desk: &Desk) -> Result<String> {
    let mut notes = Vec::new();
    for host in [Host::Sway, Host::Weston] {
        let session = Session::start(host, &desk.folder, MONITOR)?;
        let (config, painter) = orders::guest("guest", &["640x480"], "")?;
        let lucarne = desk.lucarne(&session, &config, "guest")?;
        let size = appear(&painter, MONITOR.0 - 100)?;
        follow(desk, &session, &lucarne, &painter, size, 1)?;
        painter.order(&Order::Pointer {
            scanout: 0,
            image: 1,
            x: 400,
            y: 310,
        })?;
        for moves in [0, 60] {
            let before = lucarne.stats("guest", 0)?;
            let pace = painter.alternate(0, TIME, 2, moves)?;
            let after = lucarne.stats("guest", 0)?;
            let shown = after.frames_presented - before.frames_presented;
            let missed = after.frames_missed - before.frames_missed;
            let note = format!(
                "{host:?} with {} moves: {shown} frames shown, {missed} missed",
                pace.moves
            );
            ensure!(
                missed * 10 <= shown,
                "More than one in ten frames was not told as shown: {note}"
            );
            notes.push(note);
        }
        lucarne.quit()?;
        session.kill().context("Ending the session")?;
    }
    Ok(notes.join("; "))
}
