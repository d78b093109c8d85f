//! Real input devices on sway: what they do in the guest's window arrives in the guest.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::{
    Desk, FIRST, SOON, appear, follow,
    hosts::{Host, Session},
};
use crate::labtests::{
    inside::{
        hands::{self, BTN_LEFT, EV_REL, Guest, REL_X, REL_Y, stroke},
        kms::{
            devices::{Device, key},
            orders,
            seat::Seatd,
            udev::Udev,
        },
    },
    until,
};

const MONITOR: (u32, u32) = (1024, 768);

/// The pen's surface, in hundredths of a millimetre.
const TABLET: (i32, i32) = (20_480, 15_360);

/// Keys, a click, a wheel, fingers and a pen; and a chord that another window's focus cuts in two.
pub fn run(desk: &Desk) -> Result<String> {
    let _udev = Udev::start(&desk.folder.join("udev.log"))?;
    let _seatd = Seatd::start(&desk.folder.join("seatd.log"))?;
    let mut keyboard = Device::keyboard()?;
    let mut mouse = Device::mouse()?;
    let mut screen = Device::touch_screen(i32::try_from(MONITOR.0)?, i32::try_from(MONITOR.1)?)?;
    let mut pen = Device::pen(TABLET.0, TABLET.1)?;
    let session = Session::start(Host::SwayWithHands, &desk.folder, MONITOR)?;
    let (config, painter) = orders::guest_with_hands("guest", &["640x480"], "")?;
    let lucarne = desk.lucarne(&session, &config, "guest")?;
    let size = appear(&painter, MONITOR.0)?;
    follow(desk, &session, &lucarne, &painter, size, 1)?;
    let mut guest = Guest::of(&painter, size);

    session.sway("seat seat0 cursor set 300 200")?;
    guest.expect_pointer((300, 200))?;
    session.sway("seat seat0 cursor set 301 767")?;
    guest.expect_pointer((301, 767))?;
    hands::wheel(&mut guest, &mut mouse)?;
    hands::chord(&mut guest, &mut keyboard)?;
    hands::ten_fingers(&mut guest, &mut screen)?;
    hands::pen(&mut guest, &mut pen)?;

    let _other = session.start_client("foot", &["sleep", "1000"])?;
    until(FIRST, || Ok((session.windows()?.len() == 2).then_some(())))
        .context("Waiting for another window")?;
    session.sway("[app_id=\"lucarne.*\"] focus")?;
    hands::cut_chord(
        &mut guest,
        &mut keyboard,
        |_| session.sway("[app_id=\"foot\"] focus"),
        |_| session.sway("[app_id=\"lucarne.*\"] focus"),
    )
    .context("A chord that is cut in two")?;
    let stats = lucarne.device_stats("guest")?;
    let note: Vec<String> = stats
        .hands
        .iter()
        .map(|hand| format!("{} {}", hand.frames, hand.device))
        .collect();
    shortcuts(desk, &session, &mut guest, &mut keyboard)?;
    lucarne.quit()?;
    locked(desk, &session, &mut keyboard, &mut mouse)?;
    Ok(note.join(", "))
}

/// A shortcut of sway's stays sway's, until the user has asked for all keys by the chord; after it once more it is
/// sway's again.
fn shortcuts(
    desk: &Desk,
    session: &Session,
    guest: &mut Guest<'_>,
    keyboard: &mut Device,
) -> Result<()> {
    let file = desk.folder.join("shortcut");
    session.sway(&format!("bindsym Mod1+x exec touch {}", file.display()))?;
    for guests in [false, true, false] {
        let _ = fs::remove_file(&file);
        keyboard.press(&[key::LEFT_ALT, key::X])?;
        if guests {
            guest.wait("keyboard", "the shortcut", |frames| {
                frames.contains(&stroke(key::X, true)).then_some(())
            })?;
            ensure!(
                !file.exists(),
                "A shortcut that was the guest's was sway's as well"
            );
        } else {
            until(SOON, || Ok(file.exists().then_some(())))
                .context("Waiting for sway's shortcut")?;
        }
        title(session, guests)?;
        keyboard.press(&[key::LEFT_CTRL, key::LEFT_ALT])?;
        title(session, !guests)?;
    }
    Ok(())
}

/// A guest whose mouse tells how far it moved: a click locks it in the window, the chord lets it go.
fn locked(desk: &Desk, session: &Session, keyboard: &mut Device, mouse: &mut Device) -> Result<()> {
    session.sway("[app_id=\"foot\"] kill")?;
    until(SOON, || Ok(session.windows()?.is_empty().then_some(())))
        .context("Waiting until nothing is left of before")?;
    let (config, painter) =
        orders::guest_with_hands("locked", &["640x480"], "pointer = \"relative\"")?;
    let lucarne = desk.lucarne(session, &config, "locked")?;
    let size = appear(&painter, MONITOR.0)?;
    painter.screen(0, size)?;
    painter.show(0, 1)?;
    let mut guest = Guest::of(&painter, size);
    until(SOON, || {
        let windows = session.windows()?;
        Ok(windows.iter().any(|window| window.focused).then_some(()))
    })
    .context("Waiting until the window has the keyboard")?;
    session.sway("seat seat0 cursor set 300 200")?;
    mouse.press(&[BTN_LEFT])?;
    title(session, true)?;
    // A pointer that was not locked would be stopped by the monitor's edge. Not more at once than an event device
    // keeps for a slow reader.
    for _ in 0..15 {
        mouse.travel(200, -60)?;
    }
    guest
        .wait("mouse", "a long way", |frames| {
            let sum = |axis: u16| -> i32 {
                let events = frames.iter().flatten();
                events
                    .filter(|event| (event.0, event.1) == (EV_REL, axis))
                    .map(|event| event.2)
                    .sum()
            };
            (sum(REL_X) == 3000 && sum(REL_Y) == -900).then_some(())
        })
        .context("With the pointer locked")?;
    keyboard.press(&[key::LEFT_CTRL, key::LEFT_ALT])?;
    title(session, false)?;
    guest.wait("keyboard", "the chord's own keys", |frames| {
        (frames.len() == 4).then_some(())
    })?;
    mouse.travel(5, 5)?;
    hands::chord(&mut guest, keyboard).context("After the chord")?;
    guest.nothing("mouse")?;
    lucarne.quit()
}

/// The window's title says whether the guest holds the user's hands.
fn title(session: &Session, holds: bool) -> Result<()> {
    let mut last = Vec::new();
    until(SOON, || {
        last = session.windows()?;
        let mut guests = last
            .iter()
            .filter(|window| window.app_id.starts_with("lucarne"));
        Ok(guests
            .any(|window| window.title.contains("releases") == holds)
            .then_some(()))
    })
    .with_context(|| format!("Waiting for a title that says so ({holds}): {last:?}"))
}
