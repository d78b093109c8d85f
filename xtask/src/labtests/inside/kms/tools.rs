//! The tools of these tests, held against each other before they judge anything else.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{
    buffers::Buffer,
    card::Card,
    crc::{self, Crcs},
    desk::{self, Desk},
    devices::{Device, key},
    orders,
    seat::{Seatd, Session},
    state,
    vkms::{Planes, Vkms},
    writeback,
};

/// A picture of this program's own memory on a plane: the kernel's state, its checksum, the writeback
/// connector and the memory all tell the same.
pub fn run(desk: &Desk) -> Result<String> {
    let vkms = Vkms::new("tools", 1, Planes::MANY)?;
    let size = (1024, 768);
    let picture = orders::picture(7, size);
    let buffer = Buffer::new(size.0, size.1)?;
    buffer.draw(&picture)?;
    {
        let mut card = Card::open(&vkms.node)?;
        let head = card.head()?;
        let framebuffer = card.import(&buffer)?;
        let mode = head.mode(size.0, size.1)?;
        card.light(&head, mode, framebuffer)?;
        let planes = state::planes(&vkms.debugfs)?;
        let [plane] = planes.as_slice() else {
            anyhow::bail!("One plane is to be in use: {planes:?}");
        };
        ensure!(
            plane.imported
                && plane.size == size
                && plane.format == "XR24"
                && plane.shown == (size.0, size.1, 0, 0),
            "The kernel's state is {plane:?}"
        );
        ensure!(vkms.framebuffers()? >= 1, "debugfs lists no framebuffer");
        let mut crcs = Crcs::open(&vkms.debugfs, head.pipe)?;
        let expected = crc::of_picture(&picture);
        let seen = crcs.next()?;
        ensure!(
            seen.crc == expected,
            "The checksum is {:#x}, expected {expected:#x}",
            seen.crc
        );
        // What is written into the memory is seen at once: nothing was copied.
        let other = orders::picture(8, size);
        buffer.draw(&other)?;
        let expected = crc::of_picture(&other);
        crcs.wait_for(expected)
            .context("After the memory has another picture")?;
        buffer.draw(&picture)?;
        drop(crcs);
        let seen = writeback::capture_with(&mut card)?;
        if let Some(difference) = seen.difference(&picture) {
            anyhow::bail!("Through the writeback connector: {difference}");
        }
    }
    let rate = desk::flipper(&vkms.node, size, 2, 5)?;
    let small = desk::flipper(&vkms.node, (640, 480), 1, 5)?;
    vkms.plug(0, false)?;
    ensure!(
        Card::open(&vkms.node)?.head().is_err(),
        "An unplugged monitor is still there"
    );
    vkms.plug(0, true)?;
    devices()?;
    sessions(desk)?;
    Ok(format!(
        "bare program: {:.1} % of vblanks with two buffers of 1024x768, {:.1} % with one of 640x480",
        100.0 * rate.share(),
        100.0 * small.share()
    ))
}

fn devices() -> Result<()> {
    let mut keyboard = Device::keyboard()?;
    let mut mouse = Device::mouse()?;
    let mut screen = Device::touch_screen(1024, 768)?;
    keyboard.press(&[key::A])?;
    mouse.travel(1, 1)?;
    screen.tap(10, 10)?;
    let moves = mouse.wander(125, Duration::from_secs(1))?;
    ensure!(
        (110..=126).contains(&moves),
        "The mouse moved {moves} times a second"
    );
    Ok(())
}

fn sessions(desk: &Desk) -> Result<()> {
    let _seatd = Seatd::start(&desk.folder.join("seatd.log"))?;
    let mut first = Session::open()?;
    first.wait_until_active()?;
    let mut second = Session::open()?;
    first.switch_to(2)?;
    second.wait_until_active()?;
    second.switch_to(1)?;
    first.wait_until_active()
}
