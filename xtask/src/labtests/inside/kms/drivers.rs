//! Cards that can do less: the right picture all the same, and a reason with a name.

use std::os::unix::fs::symlink;

use anyhow::{Context as _, Result, ensure};
use protocols::virtio_gpu::Format;

use super::{
    desk::{self, Desk, Kiosk, PREFERRED},
    orders::{self, Order, Painter},
    pointer::{point, pointed},
    vkms::{Planes, Vkms},
};
use crate::labtests::inside::Memory;

/// One plane only, a driver without atomic mode setting, a format that planes refuse.
pub fn run(desk: &Desk) -> Result<String> {
    let one = one_plane(desk).context("A card with a primary plane and nothing else")?;
    let legacy = legacy(desk).context("A driver without atomic mode setting")?;
    let format = format(desk).context("A format that no plane takes")?;
    Ok(format!(
        "one plane, with a pointer: {one}; legacy: {legacy}; format: {format}"
    ))
}

fn prepare(kiosk: &Kiosk, painter: &Painter) -> Result<()> {
    kiosk.offers(painter, 0, PREFERRED)?;
    painter.screen(0, PREFERRED)?;
    painter.show(0, 1)
}

/// Why the kiosk's first output is composited, in its own words.
fn reason(kiosk: &Kiosk) -> Result<Option<String>> {
    let output = kiosk.outputs()?.into_iter().next();
    Ok(output
        .context("The kiosk has no output")?
        .composited
        .map(|reason| reason.code))
}

fn one_plane(desk: &Desk) -> Result<String> {
    let card = Vkms::new("one", 1, Planes::ONE)?;
    let (guest, painter) = desk.guest("guest", 1, "")?;
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    prepare(&kiosk, &painter)?;
    let direct = || -> Result<()> {
        kiosk.expect_planes(&card, "the guest's memory on the only plane", |planes| {
            desk::fills(planes, PREFERRED)
        })?;
        Ok(())
    };
    direct()?;
    point(&painter, 0, 0, (400, 300))?;
    let expected = pointed(&orders::picture(1, PREFERRED), 0, (400, 300));
    kiosk.expect_picture(&card, 0, &expected)?;
    kiosk.expect_planes(
        &card,
        "a composed picture",
        |planes| matches!(planes, [plane] if !plane.imported),
    )?;
    let why = reason(&kiosk)?.context("The kiosk does not say why it composes")?;
    painter.order(&Order::HidePointer { scanout: 0 })?;
    direct()?;
    kiosk.expect_picture(&card, 0, &orders::picture(1, PREFERRED))?;
    ensure!(
        reason(&kiosk)?.is_none(),
        "The guest is on the plane, but the kiosk says that it composes"
    );
    kiosk.compositor.quit()?;
    Ok(why)
}

/// The kernel offers no atomic mode setting to a program whose name begins with an X (`drm_ioctl.c`): a real
/// refusal by a driver that otherwise works.
fn legacy(desk: &Desk) -> Result<String> {
    let program = std::env::temp_dir().join("Xlucarne");
    let _ = std::fs::remove_file(&program);
    symlink(&desk.files.lucarne, &program)?;
    let card = Vkms::new("legacy", 1, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 1, "")?;
    let kiosk = desk.kiosk_as(&program, &guest, &["guest"])?;
    prepare(&kiosk, &painter)?;
    kiosk.expect_picture(&card, 0, &orders::picture(1, PREFERRED))?;
    for picture in 2..10 {
        painter.show(0, picture)?;
    }
    kiosk.expect_picture(&card, 0, &orders::picture(9, PREFERRED))?;
    let stats = kiosk.compositor.stats("guest", 0)?;
    ensure!(
        stats.frames_presented >= 9,
        "Only {} frames of 9 were shown",
        stats.frames_presented
    );
    let why = reason(&kiosk)?;
    let planes = kiosk.expect_planes(&card, "something on the screen", |planes| {
        !planes.is_empty()
    })?;
    ensure!(
        why.is_some() || planes.iter().any(|plane| plane.is_guests(PREFERRED)),
        "The guest is on no plane, and the kiosk does not say why: {planes:?}"
    );
    // The pointer, too, goes the old way.
    point(&painter, 0, 1, (200, 100))?;
    let expected = pointed(&orders::picture(9, PREFERRED), 1, (200, 100));
    kiosk.expect_picture(&card, 0, &expected)?;
    kiosk.compositor.quit()?;
    Ok(why.unwrap_or_else(|| "the guest's memory on the plane".to_owned()))
}

/// Bytes X, R, G, B: virtio-gpu has them, vkms' planes do not.
fn format(desk: &Desk) -> Result<String> {
    let card = Vkms::new("format", 1, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 1, "")?;
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    kiosk.offers(&painter, 0, PREFERRED)?;
    painter.order(&Order::Screen {
        scanout: 0,
        size: PREFERRED,
        buffers: 2,
        memory: Memory::Blob,
        format: Format::Xrgb8888.into(),
    })?;
    painter.show(0, 1)?;
    kiosk.expect_picture(&card, 0, &orders::picture(1, PREFERRED))?;
    painter.show(0, 2)?;
    kiosk.expect_picture(&card, 0, &orders::picture(2, PREFERRED))?;
    let why = reason(&kiosk)?.context("The kiosk does not say why it composes")?;
    ensure!(why.contains("format"), "The reason is {why}");
    kiosk.compositor.quit()?;
    Ok(why)
}
