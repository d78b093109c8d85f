//! Whether a device hands over the pictures that its guest draws: a peer is measured that does the work.

use std::{
    env,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{self, Command},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use guest::{
    driver::{Driver, DriverOptions},
    kms::{Fencing, Screen, ScreenOptions},
    pattern,
};
use protocols::virtio_gpu::{Format, Rect};

use super::devices::{Devices, Frames};
use crate::bench::subject::{Lack, Subject as _, Wanted};

const SIZE: (u32, u32) = (320, 200);

/// A part of the picture that changes later.
const PART: Rect = Rect {
    x: 33,
    y: 21,
    width: 100,
    height: 50,
};

/// How long a device may take over each command. The first one makes a renderer start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a pixel that are seen; the fourth is never looked at.
const COLOURS: usize = 3;

/// What is known of a device's pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// They are those of the guest.
    Right,
    /// They stay in the device's graphics card, where they can't be looked at.
    Unseen,
    /// It shows none, for a reason.
    None(String),
}

impl Proof {
    /// What is to be said behind the device's name and version.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Right => String::new(),
            Self::Unseen => ", whose pictures stay in the graphics card".to_owned(),
            Self::None(why) => format!(", which shows no picture here: {why}"),
        }
    }
}

/// Starts a device, draws, and looks at what arrives.
///
/// # Errors
/// Something else arrives than was drawn.
pub(super) fn of(name: &str, command: impl Fn(&Path) -> Command) -> Result<Proof, Lack> {
    match shown(name, command) {
        Ok((_, None)) => Ok(Proof::Unseen),
        Ok((drawn, Some(shown))) if same(&drawn, &shown) => Ok(Proof::Right),
        Ok(_) => Err(Lack(format!(
            "{name} hands over other pictures than its guest draws"
        ))),
        Err(error) => Ok(Proof::None(format!("{error:#}"))),
    }
}

/// What a guest drew, and what arrived of it.
fn shown(
    name: &str,
    command: impl Fn(&Path) -> Command,
) -> anyhow::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let folder = Folder::new()?;
    let wanted = Wanted::one(SIZE);
    let mut devices = Devices::start(name, Frames::Vmm, &wanted, &folder.0, command)?;
    let options = DriverOptions {
        timeout: PATIENCE,
        ..DriverOptions::default()
    };
    let mut driver = devices.connect(0, &options)?;
    let drawn = draw(&mut driver)?;
    drop(driver);
    // One whose frames are dma-bufs waits for each to be taken.
    let updates = devices.arrivals().map_or(0, |all| all.try_iter().count());
    let picture = devices.finish()?;
    let Some((width, height, pixels)) = picture else {
        ensure!(updates > 0, "nothing arrives");
        return Ok((drawn, None));
    };
    ensure!(
        (width, height) == SIZE,
        "it shows {width}x{height} pixels instead of {SIZE:?}"
    );
    Ok((drawn, Some(pixels)))
}

/// A folder for a device's socket and log, which is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = env::temp_dir().join(format!("lucarne-proof-{}", process::id()));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("could not make the folder {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("Could not remove {}: {error}", self.0.display());
        }
    }
}

/// Flips twice, changes a part, and returns the picture.
fn draw(driver: &mut Driver) -> anyhow::Result<Vec<u8>> {
    let options = ScreenOptions {
        fencing: Fencing::Always,
        ..ScreenOptions::default()
    };
    let image = |frame| pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, frame);
    let mut screen = Screen::new(driver, 0, SIZE, options)?;
    for frame in [1, 2] {
        let flushed = screen.flip(driver, &image(frame))?.context("no fence")?;
        driver.wait(flushed, PATIENCE)?.done()?;
    }
    let last = image(3);
    let flushed = screen.update(driver, &last, PART)?.context("no fence")?;
    driver.wait(flushed, PATIENCE)?.done()?;
    if let Some(failure) = driver.take_failures().into_iter().next() {
        return Err(failure.into());
    }
    Ok(mixed(image(2), &last))
}

/// The picture `below` with the changed part of `above`.
fn mixed(mut below: Vec<u8>, above: &[u8]) -> Vec<u8> {
    let stride = 4 * usize::try_from(SIZE.0).unwrap_or(0);
    let bytes = |pixels: u32| 4 * usize::try_from(pixels).unwrap_or(0);
    let (left, right) = (bytes(PART.x), bytes(PART.x + PART.width));
    let rows = below
        .chunks_exact_mut(stride)
        .zip(above.chunks_exact(stride));
    for ((below, above), y) in rows.zip(0..) {
        let inside = (PART.y..PART.y + PART.height).contains(&y);
        if inside
            && let (Some(below), Some(above)) = (below.get_mut(left..right), above.get(left..right))
        {
            below.copy_from_slice(above);
        }
    }
    below
}

/// Whether two pictures have the same colours.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .chunks_exact(4)
            .zip(other.chunks_exact(4))
            .all(|(one, other)| one.get(..COLOURS) == other.get(..COLOURS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_colour_is_another_picture_and_a_changed_rest_is_not() {
        assert!(same(&[1, 2, 3, 4], &[1, 2, 3, 9]));
        assert!(!same(&[1, 2, 3, 4], &[1, 2, 9, 4]));
        assert!(!same(&[1, 2, 3, 4], &[1, 2, 3, 4, 1, 2, 3, 4]));
    }

    #[test]
    fn a_program_that_is_no_device_shows_nothing_and_says_why() {
        let command = |_: &Path| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "echo no card; exit 1"]);
            command
        };
        let Ok(Proof::None(why)) = of("sh", command) else {
            panic!("it has shown something");
        };
        assert!(
            why.contains("exit status 1") && why.contains("no card"),
            "{why}"
        );
    }

    #[test]
    fn the_part_that_changes_is_where_it_is_said_to_be() {
        let image = |frame| pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, frame);
        let (below, above) = (image(2), image(3));
        let mixed = mixed(below.clone(), &above);
        let pixel = |image: &[u8], x: u32, y: u32| {
            let at = usize::try_from(4 * (y * SIZE.0 + x)).unwrap();
            image[at..at + 4].to_vec()
        };
        for (x, y, from) in [
            (PART.x, PART.y, &above),
            (PART.x + PART.width - 1, PART.y + PART.height - 1, &above),
            (PART.x - 1, PART.y, &below),
            (PART.x, PART.y + PART.height, &below),
        ] {
            assert_eq!(pixel(&mixed, x, y), pixel(from, x, y));
        }
    }
}
