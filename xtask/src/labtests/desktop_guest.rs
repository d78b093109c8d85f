//! A desktop in a guest, used from the host: a click starts a terminal, and what is typed is carried out there.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{Bench, Place, compositor::Compositor, picture::Picture, uml, until};
use crate::report;

const MODE: &str = "800x600";

/// From the guest's start to its desktop. Two seconds on an idle machine.
const BOOT: Duration = Duration::from_secs(40);

/// From a click to a window; from a key to its letter.
const SOON: Duration = Duration::from_secs(20);

/// Where the panel has its only button.
const BUTTON: (i32, i32) = (22, 16);

/// The height of the panel.
const PANEL: usize = 32;

/// The desktop's colour.
const BACKGROUND: [u8; 3] = [0x20, 0x40, 0x60];

/// What is typed: letters of both cases, figures and signs, on and above the keys.
const TEXT: &str = "The Quick brown fox, 0123456789: {}[]()<>#%&*-_=+;?/|~";

/// A guest's program: weston on the guest's own screen, with a panel that has one button.
const DESKTOP: &str = r#"
export SYSTEMD_IGNORE_CHROOT=1 XDG_RUNTIME_DIR=/run/user LC_ALL=C.UTF-8
mkdir -p /run/udev
mkdir -m 700 $XDG_RUNTIME_DIR
/usr/lib/systemd/systemd-udevd >/lab/udev.log 2>&1 &
while [ ! -e /run/udev/control ]; do sleep 0.02; done
for subsystem in input drm; do
    udevadm trigger --action=add --subsystem-match=$subsystem
done
udevadm settle
SEATD_VTBOUND=0 seatd >/lab/seatd.log 2>&1 &
while [ ! -e /run/seatd.sock ]; do sleep 0.02; done
cat >/tmp/weston.ini <<END
[core]
idle-time=0
[shell]
locking=false
animation=none
startup-animation=none
close-animation=none
clock-format=none
background-color=0xff204060
[launcher]
icon=/usr/share/weston/terminal.png
path=/tmp/terminal
END
cat >/tmp/terminal <<END
#!/bin/sh
exec foot --override=cursor.blink=no --window-size-pixels=500x300 sh -c 'touch /lab/started; exec sh'
END
chmod +x /tmp/terminal
for card in /sys/class/drm/card?; do
    case $(readlink -f $card/device/driver) in */virtio_gpu) break ;; esac
done
LIBSEAT_BACKEND=seatd weston --backend=drm --drm-device=${card##*/} --renderer=pixman \
    --config=/tmp/weston.ini >/lab/weston.log 2>&1 &
while [ ! -e /lab/done ]; do sleep 0.05; done
"#;

/// Runs it.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", DESKTOP)?;
    let compositor = uml::start(bench, place, &folder, &[MODE])?;
    let message = |arguments: &[&str]| {
        report::output(
            Command::new(&bench.lucarne)
                .arg("msg")
                .args(arguments)
                .env("LUCARNE_SOCKET", compositor.socket()),
        )
    };
    let words = || {
        format!(
            "The guest's weston said:\n{}",
            report::tail(&folder.file("weston.log"), 10)
        )
    };
    until(BOOT, || {
        let Ok(picture) = compositor.guest_picture("guest", 0) else {
            return Ok(None);
        };
        let ready = picture.at(400, 300) == BACKGROUND && picture.at(22, 16) != BACKGROUND;
        Ok((ready && has_button(&picture)).then_some(()))
    })
    .context("Waiting for the guest's desktop")
    .with_context(words)?;

    let (x, y) = BUTTON;
    let dark = button(&compositor.guest_picture("guest", 0)?);
    message(&["pointer", "move", &x.to_string(), &y.to_string()])?;
    // The panel is there to be seen before it listens to a pointer, and a click before that is lost. It brightens the
    // button under one.
    until(SOON, || {
        let picture = compositor.guest_picture("guest", 0)?;
        Ok((button(&picture) != dark).then_some(()))
    })
    .context("After the pointer was moved over the panel's button")
    .with_context(words)?;
    message(&["pointer", "click"])?;
    folder
        .wait_for("started", SOON)
        .context("After a click on the panel's button")
        .with_context(words)?;
    let before = settled(&compositor)?;
    ensure!(
        changed(&before, BACKGROUND) > 400 * 250,
        "After a click on the panel's button there is no terminal"
    );
    before.write_png(&place.folder.join("terminal.png"))?;
    message(&["type", &format!("echo '{TEXT}' >/lab/typed\n")])?;
    let typed = until(SOON, || {
        let text = fs::read_to_string(folder.file("typed")).unwrap_or_default();
        Ok(text.ends_with('\n').then_some(text))
    })
    .context("After a command was typed")
    .with_context(words)?;
    ensure!(
        typed.trim_end() == TEXT,
        "The guest understood {typed:?} where {TEXT:?} was typed"
    );
    let after = settled(&compositor)?;
    after.write_png(&place.folder.join("typed.png"))?;
    let letters = before.pixels.iter().zip(&after.pixels);
    let letters = letters.filter(|(before, after)| before != after).count();
    ensure!(
        (200..10_000).contains(&letters),
        "A typed command changed {letters} pixels: it should have been some letters \
         (see terminal.png and typed.png in {})",
        place.folder.display()
    );
    uml::end(compositor, &folder)?;
    Ok(format!("{letters} pixels of letters"))
}

/// The panel where its button is.
fn button(picture: &Picture) -> Picture {
    picture.crop(0, 0, 44, PANEL)
}

/// Whether the panel has more than one colour there.
fn has_button(picture: &Picture) -> bool {
    button(picture).colours(3) == 3
}

/// How many pixels below the panel are not of a colour.
fn changed(picture: &Picture, colour: [u8; 3]) -> usize {
    let below = picture.pixels.iter().skip(PANEL * picture.width);
    below.filter(|pixel| **pixel != colour).count()
}

/// A picture that stays for a while.
fn settled(compositor: &Compositor) -> Result<Picture> {
    let mut last = compositor.guest_picture("guest", 0)?;
    let mut same = 0;
    until(SOON, || {
        let now = compositor.guest_picture("guest", 0)?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        Ok((same == 20).then_some(()))
    })
    .context("Waiting for a picture that stays")?;
    Ok(last)
}
