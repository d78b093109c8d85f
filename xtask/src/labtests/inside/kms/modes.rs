//! On a card whose monitor has an EDID and another preferred mode now and then.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use protocols::edid::Edid;

use super::{
    card,
    desk::{Desk, FIRST, SOON},
    state,
};
use crate::labtests::{MODES, until};

/// The guest is told of each new mode, and by the name of the real monitor; what it shows then fills the monitor.
/// The program out there sees the picture.
pub fn run(desk: &Desk) -> Result<String> {
    let node = card::nodes(|device| device.starts_with("virtio"))?
        .into_iter()
        .next()
        .context("This machine is to have a card of virtio_gpu")?;
    let debugfs = card::debugfs(&node)?;
    let (guest, painter) = desk.guest("guest", 1, "")?;
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    let mut planes = Vec::new();
    for (number, size) in (0..).zip(MODES) {
        if number > 0 {
            let file = desk.folder.join(format!("resized{number}"));
            until(FIRST, || Ok(file.exists().then_some(())))
                .context("Waiting for another mode of the monitor")?;
        }
        kiosk.offers(&painter, 0, size)?;
        let (_, _, edid) = painter.monitor(0)?;
        same_monitor(&node, &edid, size)?;
        painter.screen(0, size)?;
        painter.show(0, number)?;
        let output = kiosk
            .outputs()?
            .into_iter()
            .next()
            .context("The kiosk has no output")?;
        ensure!(
            (output.width, output.height) == size,
            "The output is {}x{} while the monitor prefers {size:?}",
            output.width,
            output.height
        );
        planes = state::planes(&debugfs)?;
        fs::write(desk.folder.join(format!("shown{number}")), "")?;
    }
    let done = desk.folder.join("done");
    until(FIRST, || Ok(done.exists().then_some(())))?;
    kiosk.compositor.quit()?;
    let imported = planes.iter().any(|plane| plane.imported);
    Ok(format!(
        "{} modes; the guest's memory is {} virtio_gpu's plane",
        MODES.len(),
        if imported { "on" } else { "not on" }
    ))
}

/// The guest's EDID has the real one's name and prefers the same mode.
fn same_monitor(node: &Path, guests: &[u8], size: (u32, u32)) -> Result<()> {
    let name = node.file_name().unwrap_or_default().to_string_lossy();
    let real = until(SOON, || {
        let bytes = fs::read(format!("/sys/class/drm/{name}-Virtual-1/edid"))?;
        Ok(Edid::decode(&bytes).ok())
    })
    .context("Reading the monitor's EDID")?;
    let guests = Edid::decode(guests).context("Reading the guest's EDID")?;
    ensure!(
        guests.name == real.name,
        "The monitor is called {:?}, and in the guest {:?}",
        real.name,
        guests.name
    );
    ensure!(
        (guests.preferred.width, guests.preferred.height) == size,
        "The guest's monitor prefers {:?}, the real one {size:?}",
        guests.preferred
    );
    Ok(())
}
