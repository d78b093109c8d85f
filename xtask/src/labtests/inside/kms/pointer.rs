//! Pointers on cursor planes: the guest's own, and the kiosk's where no guest draws one.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    desk::{Desk, Kiosk, PREFERRED, SOON},
    devices::Device,
    orders::{self, Order, Outcome, Painter},
    state::{self, Plane},
    vkms::{Planes, Vkms},
};
use crate::labtests::{picture::Picture, until};

/// A hand that moves the pointer by as many pixels as steps.
const FLAT: &str = "[input.mouse]\naccel_profile = \"flat\"\naccel_speed = 0.0\n";

/// From a movement of the mouse to one of the pointer.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often a pointer is moved in a second, and for how long.
const MOVES: u32 = 500;
const TIME: Duration = Duration::from_secs(4);

/// The guest's pointer, and the kiosk's.
pub fn run(desk: &Desk) -> Result<String> {
    let guests = guests(desk).context("The guest's pointer")?;
    let own = own(desk).context("The kiosk's own pointer")?;
    Ok(format!(
        "{guests} moves of the guest's pointer and {own} of the kiosk's without a flip"
    ))
}

/// Its image, its place, over each edge, on the second monitor, hidden; and 500 moves a second that do not touch
/// the guest's plane.
fn guests(desk: &Desk) -> Result<u32> {
    let card = Vkms::new("guests", 2, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 2, "")?;
    let kiosk = desk.kiosk(&guest, &["guest"])?;
    let size = PREFERRED;
    for scanout in 0..2 {
        kiosk.offers(&painter, scanout, size)?;
        painter.screen(scanout, size)?;
        painter.show(scanout, scanout)?;
    }
    let nobody =
        |planes: &[Plane]| planes.len() == 2 && planes.iter().all(|plane| plane.is_guests(size));
    kiosk.expect_planes(&card, "two screens without a pointer", nobody)?;
    point(&painter, 0, 0, (100, 80))?;
    for (image, at) in [
        (0, (100, 80)),
        (0, (-20, 300)),
        (0, (1000, 740)),
        (1, (1000, 740)),
        (1, (512, -31)),
    ] {
        if image == 0 {
            let (x, y) = at;
            painter.order(&Order::Move { scanout: 0, x, y })?;
        } else {
            point(&painter, 0, image, at)?;
        }
        expect(&kiosk, &card, 0, image, at)
            .with_context(|| format!("The image {image} at {at:?}"))?;
    }
    point(&painter, 1, 0, (3, 700))?;
    expect(&kiosk, &card, 1, 0, (3, 700)).context("On the second monitor")?;
    expect(&kiosk, &card, 0, 1, (512, -31)).context("On the first one meanwhile")?;
    painter.order(&Order::HidePointer { scanout: 1 })?;

    let moves = untouched(&kiosk, &card, "guest", || {
        let (x, y) = (200, 100);
        let millis = u64::try_from(TIME.as_millis())?;
        match painter.order(&Order::Race {
            scanout: 0,
            x,
            y,
            rate: MOVES,
            millis,
        })? {
            Outcome::Raced { moves } => Ok(moves),
            other => bail!("Moving the pointer: the guest says {other:?}"),
        }
    })?;
    expect(&kiosk, &card, 0, 1, (200, 100)).context("After many moves")?;
    painter.order(&Order::HidePointer { scanout: 0 })?;
    kiosk.expect_planes(&card, "no pointer after the guest has hidden it", nobody)?;
    for pipe in 0..2 {
        kiosk.expect_picture(&card, pipe, &orders::picture(pipe, size))?;
    }
    kiosk.compositor.quit()?;
    Ok(moves)
}

/// Gives the pointer of a screen an image and a place for its top left corner.
pub fn point(painter: &Painter, scanout: u32, image: u32, (x, y): (i32, i32)) -> Result<()> {
    painter.order(&Order::Pointer {
        scanout,
        image,
        x,
        y,
    })?;
    Ok(())
}

/// Waits until the guest's pointer is at a place of a monitor, on a plane of its own, over the guest.
fn expect(kiosk: &Kiosk, card: &Vkms, pipe: u32, image: u32, place: (i32, i32)) -> Result<()> {
    let size = PREFERRED;
    let cursor = card.cursor_plane(pipe);
    kiosk.expect_planes(card, "the pointer on the cursor plane", |planes| {
        let here = on(planes, pipe);
        let guest = here.iter().any(|plane| plane.is_guests(size));
        let pointer = here
            .iter()
            .any(|plane| plane.name == cursor && (plane.shown.2, plane.shown.3) == place);
        here.len() == 2 && guest && pointer
    })?;
    let expected = pointed(&orders::picture(pipe, size), image, place);
    kiosk.expect_picture(card, pipe, &expected)
}

/// The planes of one CRTC.
pub fn on(planes: &[Plane], pipe: u32) -> Vec<Plane> {
    let name = format!("crtc-{pipe}");
    let here = planes.iter().filter(|plane| plane.crtc == name);
    here.cloned().collect()
}

/// A picture with a pointer's image over it.
pub fn pointed(picture: &Picture, image: u32, (left, top): (i32, i32)) -> Picture {
    Picture::from_fn(picture.width, picture.height, |x, y| {
        let inside = |at: usize, start: i32| {
            usize::try_from(i64::try_from(at).ok()? - i64::from(start))
                .ok()
                .filter(|at| *at < orders::POINTER)
        };
        inside(x, left)
            .zip(inside(y, top))
            .and_then(|(x, y)| orders::pointer(image, x, y))
            .unwrap_or_else(|| picture.at(x, y))
    })
}

/// Moves a pointer fast, and looks at the other plane before and after.
fn untouched(
    kiosk: &Kiosk,
    card: &Vkms,
    what: &str,
    moving: impl FnOnce() -> Result<u32>,
) -> Result<u32> {
    let primary = || -> Result<Plane> {
        let cursor = card.cursor_plane(0);
        let planes = on(&state::planes(&card.debugfs)?, 0);
        planes
            .iter()
            .find(|plane| plane.name != cursor)
            .cloned()
            .with_context(|| format!("The {what} is on no plane any more: {planes:?}"))
    };
    let counted = || -> Result<_> { Ok((primary()?, frames(kiosk)?)) };
    let before = counted()?;
    let moves = moving()?;
    let after = counted()?;
    ensure!(
        f64::from(moves) > 0.8 * f64::from(MOVES) * TIME.as_secs_f64(),
        "The pointer moved only {moves} times"
    );
    ensure!(
        before.0 == after.0,
        "The plane of the {what} has changed: {before:?}, then {after:?}"
    );
    ensure!(
        before.1 == after.1,
        "Frames were composited because a pointer moved: {before:?}, then {after:?}"
    );
    Ok(moves)
}

/// How many frames were composited on the first output.
fn frames(kiosk: &Kiosk) -> Result<u64> {
    let output = kiosk.outputs()?.into_iter().next();
    Ok(output.context("The kiosk has no output")?.frames.composited)
}

/// Over a guest that shows nothing yet: no pointer before a mouse was really moved; then one that follows it, from
/// one monitor to the other.
fn own(desk: &Desk) -> Result<u32> {
    let card = Vkms::new("own", 2, Planes::MANY)?;
    let (guest, painter) = desk.guest("guest", 2, "")?;
    let kiosk = desk.kiosk(&format!("{FLAT}{guest}"), &["guest"])?;
    kiosk.offers(&painter, 1, PREFERRED)?;
    let place = |planes: &[Plane], pipe: u32| {
        let name = card.cursor_plane(pipe);
        let plane = planes.iter().find(|plane| plane.name == name)?;
        Some((plane.shown.2, plane.shown.3))
    };
    let nowhere = |planes: &[Plane]| {
        let pictures = (0..2).all(|pipe| on(planes, pipe).len() == 1);
        pictures && (0..2).all(|pipe| place(planes, pipe).is_none())
    };
    kiosk.expect_planes(&card, "a picture on each monitor and no pointer", nowhere)?;
    let mut mouse = Device::mouse()?;
    kiosk.expect_planes(&card, "no pointer because there is a mouse", nowhere)?;
    // The kiosk opens the mouse in its own time, and what was moved before is lost.
    until(SOON, || {
        mouse.travel(-5000, -5000)?;
        mouse.travel(300, 200)?;
        let seen = until(PATIENCE, || {
            let planes = state::planes(&card.debugfs)?;
            let at = place(&planes, 0).unwrap_or_default();
            Ok((at.0 > 0 && at.1 > 0).then_some(()))
        });
        Ok(seen.ok())
    })
    .with_context(|| format!("Moving the mouse. The kiosk says {:#?}", kiosk.outputs()))?;
    let planes = kiosk.expect_planes(&card, "a pointer on the first monitor", |planes| {
        place(planes, 0).is_some() && place(planes, 1).is_none()
    })?;
    let first = place(&planes, 0).context("The pointer is gone again")?;
    // The image's corner is near the point that points.
    ensure!(
        (300 - 64..=300).contains(&first.0) && (200 - 64..=200).contains(&first.1),
        "The pointer at 300, 200 has its image at {first:?}"
    );
    mouse.travel(40, -30)?;
    let wanted = Some((first.0 + 40, first.1 - 30));
    kiosk.expect_planes(&card, "a pointer that follows the mouse", |planes| {
        place(planes, 0) == wanted
    })?;
    let moves = untouched(&kiosk, &card, "kiosk", || mouse.wander(MOVES, TIME))?;
    mouse.travel(1024, 0)?;
    // That monitor may have nothing else to show, and then the pointer need not be on the cursor's plane.
    kiosk.expect_planes(&card, "the pointer on the second monitor", |planes| {
        let second = on(planes, 1);
        place(planes, 0).is_none() && second.iter().any(|plane| plane.size != PREFERRED)
    })?;
    kiosk.compositor.quit()?;
    Ok(moves)
}
