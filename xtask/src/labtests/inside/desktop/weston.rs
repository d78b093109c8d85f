//! A guest's window in weston, whose shell puts windows beside each other: another window halves it.

use anyhow::{Context as _, Result, ensure};

use super::{
    Desk, SOON, appear, follow,
    hosts::{Host, Session},
};
use crate::labtests::{inside::kms::orders, uml, until};

const MONITOR: (u32, u32) = (1024, 640);

/// The window is as large as weston makes it, the guest follows, and weston's own screenshots have the guest's
/// own pixels. With OpenGL they are read out of the guest's memory.
pub fn run(desk: &Desk) -> Result<String> {
    let session = Session::start(Host::Weston, &desk.folder, MONITOR)?;
    let (config, painter) = orders::guest("guest", &["640x480"], "")?;
    let lucarne = desk.lucarne(&session, &config, "guest")?;
    // With or without a frame around it, whichever this weston wants.
    let whole = appear(&painter, MONITOR.0 - 100)?;
    let frame = (MONITOR.0 - whole.0, MONITOR.1 - whole.1);
    let half = (MONITOR.0 / 2 - frame.0, whole.1);
    let place = follow(desk, &session, &lucarne, &painter, whole, 1)?;
    {
        let _other = session.start_client("weston-simple-shm", &[])?;
        follow(desk, &session, &lucarne, &painter, half, 2).context("Beside another window")?;
    }
    ensure!(
        follow(desk, &session, &lucarne, &painter, whole, 3).context("Alone again")? == place,
        "The window has come back to another place"
    );
    let stats = lucarne.stats("guest", 0)?;
    let note = format!("{}, {} bytes copied", uml::way(&stats), stats.bytes_copied);
    ensure!(
        stats.bytes_copied == 0,
        "Nothing of the guest's memory is to be copied: {note}"
    );
    lucarne.quit()?;
    until(SOON, || {
        let gone = session.screenshot()?.find(&orders::picture(3, whole));
        Ok(gone.is_none().then_some(()))
    })
    .context("Waiting until the window is gone")?;
    Ok(note)
}
