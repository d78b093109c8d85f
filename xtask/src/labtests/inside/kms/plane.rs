//! A guest whose framebuffer has the monitor's size: the display controller reads its memory.

use anyhow::{Result, bail, ensure};
use protocols::ipc::PresentPath;

use super::{
    desk::{self, Desk, Kiosk, PREFERRED, SOON},
    devices::Device,
    orders::{self, Order, Painter},
    vkms::{Planes, Vkms},
    writeback,
};
use crate::labtests::{uml, until};

/// With each renderer, since what is not drawn must not depend on who would draw it.
///
/// The picture is read back through the writeback connector while the seat is another session's: only the
/// card's master may ask for it, and the kiosk's last frame stays on the planes when it loses the seat.
/// While it has the seat the same is seen by checksums of the CRTC.
pub fn run(desk: &Desk) -> Result<String> {
    let mut keyboard = Device::keyboard()?;
    let mut note = String::new();
    for renderer in ["pixman", "gles"] {
        let card = Vkms::new("plane", 1, Planes::MANY)?;
        let (guest, painter) = desk.guest("guest", 1, "")?;
        let config = format!("renderer = {renderer:?}\n{guest}");
        let mut kiosk = desk.kiosk(&config, &["guest"])?;
        note = show(&mut kiosk, &card, &painter, &mut keyboard)?;
        kiosk.compositor.quit()?;
    }
    Ok(note)
}

fn show(
    kiosk: &mut Kiosk,
    card: &Vkms,
    painter: &Painter,
    keyboard: &mut Device,
) -> Result<String> {
    let size = PREFERRED;
    kiosk.offers(painter, 0, size)?;
    painter.screen(0, size)?;
    painter.show(0, 1)?;
    let planes = kiosk.expect_planes(card, "the guest's memory on a plane", |planes| {
        desk::fills(planes, size)
    })?;
    kiosk.expect_picture(card, 0, &orders::picture(1, size))?;

    // What the guest writes is seen without a word: nobody copies it, nobody draws it.
    let before = kiosk.compositor.stats("guest", 0)?;
    painter.order(&Order::Poke {
        scanout: 0,
        picture: 2,
    })?;
    kiosk.expect_picture(card, 0, &orders::picture(2, size))?;
    let after = kiosk.compositor.stats("guest", 0)?;
    ensure!(
        before.frames_presented == after.frames_presented,
        "The guest said nothing, but a frame was presented"
    );

    for picture in 3..20 {
        painter.show(0, picture)?;
    }
    let stats = until(SOON, || {
        let stats = kiosk.compositor.stats("guest", 0)?;
        Ok((stats.frames_presented == stats.frames_flushed).then_some(stats))
    })?;
    ensure!(
        stats.bytes_copied == 0 && stats.path == PresentPath::DmabufPlane && stats.reason.is_none(),
        "Frames are to go to the plane with nothing copied: {stats:?}"
    );
    let expected = orders::picture(19, size);
    kiosk.expect_picture(card, 0, &expected)?;
    let seen = kiosk.away(keyboard, || writeback::capture(&card.node))?;
    if let Some(difference) = seen.difference(&expected) {
        bail!("Through the writeback connector: {difference}");
    }
    painter.show(0, 20)?;
    kiosk.expect_picture(card, 0, &orders::picture(20, size))?;
    let plane = planes.first().map(|plane| plane.name.clone());
    Ok(format!(
        "{}, {} bytes copied, {}",
        plane.unwrap_or_default(),
        stats.bytes_copied,
        uml::way(&stats)
    ))
}
