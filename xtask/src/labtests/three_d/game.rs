//! A game: the Quake III engine with OpenArena's data plays the beginning of a recorded match, as fast as it can, on a
//! guest's desktop and on one of this machine. (The desktop is weston's both times: without one, the library SDL wants
//! a kind of framebuffer that Linux's driver does not have.)

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{Gpu, Machine, session::Session, start};
use crate::{
    lab,
    labtests::{Bench, GuestFolder, Place, compositor::Compositor, picture::Picture, until},
    report,
};

/// From the guest's start to the match. The game reads 400 MB of data, and the CPU makes its textures.
const BEGUN: Duration = Duration::from_secs(120);

/// From there to its end.
const PLAYED: Duration = Duration::from_secs(300);

const SOON: Duration = Duration::from_secs(10);

/// How many bytes of the recording are played: 758 frames of 3389.
const BYTES: u32 = 250_000;

/// What happens in the recording's first frames, as the game tells it.
const EVENT: &str = "does a back flip into the lava";

/// Plays it. `$programs` is where the game's data is, `$home` where it may write.
const PLAY: &str = r#"
mkdir -p $home/baseoa/demos
data=$programs/usr/share/games/openarena/baseoa
busybox unzip -p $data/pak6-patch088.pk3 demos/demo088-test1.dm_71 | head -c $bytes >$home/baseoa/demos/short.dm_71
SDL_AUDIODRIVER=dummy SDL_VIDEODRIVER=wayland WAYLAND_DISPLAY=wayland-1 \
    /usr/lib/ioquake3/ioquake3 +set com_basegame baseoa +set fs_basepath $programs/usr/lib/openarena \
    +set com_homepath . +set fs_homepath $home +set com_legacyprotocol 71 +set com_protocol 71 +set cl_motd 0 \
    +set ttycon 0 +set s_initsound 0 +set com_hunkmegs 512 +set com_maxfps 0 +set r_fullscreen 1 +set r_mode 3 \
    +set r_swapInterval 0 +set cl_renderer opengl1 +set timedemo 1 +demo short +set nextdemo quit </dev/null
"#;

/// The desktop of a guest.
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
LIBSEAT_BACKEND=seatd weston --backend=drm --renderer=gl --shell=kiosk-shell.so --no-config --idle-time=0 \
    --socket=wayland-1 >/lab/weston.log 2>&1 &
while [ ! -e $XDG_RUNTIME_DIR/wayland-1 ]; do sleep 0.05; done
"#;

/// Plays it in the guest, looks at it, and plays it natively.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let programs = lab::ensure_programs()?;
    let folder = place.guest(
        "guest",
        &format!(
            "{DESKTOP}\nprograms=/host{}\nhome=/tmp/game\nbytes={BYTES}\n{PLAY}",
            programs.display()
        ),
    )?;
    let compositor = start(
        bench,
        place,
        &[Machine {
            name: "guest",
            folder: &folder,
            gpu: Gpu::Virgl,
        }],
    )?;
    watch(&compositor, &folder, place)?;
    folder.wait_for_end(PLAYED)?;
    let printed = folder.printed();
    ensure!(
        printed.contains("GL_RENDERER: virgl"),
        "The game is to be drawn by virgl:\n{}",
        report::tail(&folder.file("run.log"), 40)
    );
    let guest = rate(&printed)?;
    compositor.quit()?;
    let native = natively(bench, place, &programs)?;
    Ok(format!(
        "{} frames, {:.1} frames/s of {:.1} natively: {:.2}",
        guest.frames,
        guest.rate,
        native.rate,
        guest.rate / native.rate
    ))
}

/// Waits until the match is on the screen, and goes on.
fn watch(compositor: &Compositor, folder: &GuestFolder, place: &Place) -> Result<()> {
    let words = || {
        format!(
            "The game said:\n{}and weston:\n{}",
            report::tail(&folder.file("run.log"), 12),
            report::tail(&folder.file("weston.log"), 6)
        )
    };
    until(BEGUN, || Ok(folder.printed().contains(EVENT).then_some(())))
        .context("Waiting for the match to begin")
        .with_context(words)?;
    let first = until(SOON, || Ok(scene(compositor)))
        .context("Waiting for the match on the guest's screen")
        .with_context(words)?;
    let second = until(SOON, || {
        Ok(scene(compositor).filter(|second| changed(&first, second) > 0.2))
    })
    .context("Waiting for the match to go on, on the guest's screen")
    .with_context(words)?;
    first.write_png(&place.folder.join("match-1.png"))?;
    second.write_png(&place.folder.join("match-2.png"))
}

/// What the screen shows, if it can be a match: no menu, console or blank screen has that many colours.
fn scene(compositor: &Compositor) -> Option<Picture> {
    let picture = compositor.guest_picture("guest", 0).ok()?;
    (picture.colours(3000) == 3000).then_some(picture)
}

/// Which part of the pixels is different.
fn changed(one: &Picture, other: &Picture) -> f64 {
    let pairs = one.pixels.iter().zip(&other.pixels);
    let different = pairs.filter(|(one, other)| one != other).count();
    let part = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    part(different) / part(one.pixels.len().max(1))
}

fn natively(bench: &Bench, place: &Place, programs: &Path) -> Result<Rate> {
    let session = Session::start(bench, place)?;
    let home = place.folder.join("native");
    fs::create_dir_all(&home)?;
    let printed = report::output(
        session
            .command(bench, "/bin/sh")
            .arg("-c")
            .arg(format!("{{ {PLAY}\n}} 2>&1"))
            .env("programs", programs)
            .env("home", &home)
            .env("bytes", BYTES.to_string()),
    )?;
    fs::write(place.folder.join("native.log"), &printed)?;
    rate(&printed)
}

/// What the game says at the end of a match.
#[derive(Debug)]
struct Rate {
    frames: u32,
    rate: f64,
}

/// "162 frames 47.7 seconds 3.4 fps 110.0/294.4/1483.0/35.7 ms"
fn rate(printed: &str) -> Result<Rate> {
    printed
        .lines()
        .find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let place = words.iter().position(|word| *word == "frames")?;
            match words.get(place.checked_sub(1)?..)? {
                [frames, "frames", _, "seconds", rate, "fps", ..] => Some(Rate {
                    frames: frames.parse().ok()?,
                    rate: rate.parse().ok()?,
                }),
                _ => None,
            }
        })
        .with_context(|| format!("Looking for the game's rate in what it printed:\n{printed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_the_game_says() -> Result<()> {
        let said = "a\ntty]    162 frames 47.7 seconds 3.4 fps 110.0/294.4/1483.0/35.7 ms\nb";
        let rate = rate(said)?;
        assert_eq!(rate.frames, 162);
        assert!((rate.rate - 3.4).abs() < 1e-9);
        assert!(super::rate("3 frames of 5").is_err());
        Ok(())
    }
}
