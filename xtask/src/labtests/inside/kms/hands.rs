//! Real input devices on the kiosk: what they do arrives in the guest, and its lights come back.

use anyhow::{Context as _, Result};

use super::{
    desk::{Desk, PREFERRED},
    devices::{CAPS_LIGHT, Device, key},
    orders::{self, Order},
    vkms::{Planes, Vkms},
};
use crate::labtests::inside::hands::{self, Guest};

/// The pen's surface, in hundredths of a millimetre.
const TABLET: (i32, i32) = (20_480, 15_360);

/// Keys, a click, a wheel, fingers, a pen, a light; and a chord that is cut in two by a switch to another session.
pub fn run(desk: &Desk) -> Result<String> {
    let _card = Vkms::new("hands", 1, Planes::MANY)?;
    let mut keyboard = Device::keyboard()?;
    let mut mouse = Device::mouse()?;
    let mut screen =
        Device::touch_screen(i32::try_from(PREFERRED.0)?, i32::try_from(PREFERRED.1)?)?;
    let mut pen = Device::pen(TABLET.0, TABLET.1)?;
    let (config, painter) = orders::guest_with_hands("guest", &["1024x768"], "")?;
    let mut kiosk = desk.kiosk(&config, &["guest"])?;
    kiosk.offers(&painter, 0, PREFERRED)?;
    painter.screen(0, PREFERRED)?;
    painter.show(0, 1)?;
    let mut guest = Guest::of(&painter, PREFERRED);

    // From the corner, so that the place is known however fast the mouse was taken to be.
    mouse.travel(-5000, -5000)?;
    mouse.travel(-5000, -5000)?;
    guest.expect_pointer((0, 0))?;
    hands::wheel(&mut guest, &mut mouse)?;
    hands::chord(&mut guest, &mut keyboard)?;
    hands::ten_fingers(&mut guest, &mut screen)?;
    hands::pen(&mut guest, &mut pen)?;
    for on in [true, false] {
        painter.order(&Order::Light {
            code: CAPS_LIGHT,
            on,
        })?;
        keyboard
            .wait_for_light(CAPS_LIGHT, on)
            .context("The guest's light on the host's keyboard")?;
    }
    let other = std::cell::RefCell::new(kiosk.session());
    hands::cut_chord(
        &mut guest,
        &mut keyboard,
        |keyboard| {
            keyboard.press(&[key::LEFT_CTRL, key::LEFT_ALT, key::F2])?;
            other.borrow_mut().wait_until_active()
        },
        |_| other.borrow_mut().switch_to(1),
    )
    .context("A chord that is cut in two")?;
    let stats = kiosk.compositor.device_stats("guest")?;
    let note: Vec<String> = stats
        .hands
        .iter()
        .map(|hand| format!("{} {}", hand.frames, hand.device))
        .collect();
    kiosk.compositor.quit()?;
    Ok(note.join(", "))
}
