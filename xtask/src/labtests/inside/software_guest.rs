//! A guest in user space whose program is known to the last write: a picture, another one in the same
//! memory, and a third one of which only a part is new.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use guest::{
    driver::{BlobImage, Driver, DriverOptions},
    ram::Backing,
};
use protocols::virtio_gpu::{Format, Rect};

use super::Memory;
use crate::{
    labtests::{picture::Picture, until},
    report,
};

/// Its screen.
pub const SIZE: (u16, u16) = (640, 480);

/// Where the last picture differs from the one before.
pub const PART: (usize, usize, usize, usize) = (100, 50, 200, 120);

/// What is to be seen after the step `number`.
pub fn expected(number: u8) -> Picture {
    let low = |value: usize| u8::try_from(value & 0xff).unwrap_or_default();
    let (left, top, width, height) = PART;
    Picture::from_fn(SIZE.0.into(), SIZE.1.into(), |x, y| match number {
        0 => [low(x), low(y), 17],
        2 if (left..left + width).contains(&x) && (top..top + height).contains(&y) => {
            [255, 0, low(x + y)]
        }
        _ => [low(y), 80, low(x)],
    })
}

/// The number of steps.
pub const STEPS: u8 = 3;

/// Shows them, one for each file `stepN` in `folder`.
///
/// # Errors
///
/// When the device refuses something.
pub fn run(socket: &Path, folder: &Path, memory: Memory) -> Result<()> {
    let mut driver = Driver::connect(socket, &DriverOptions::default())
        .with_context(|| format!("Driving the device at {}", socket.display()))?;
    let whole = Rect {
        x: 0,
        y: 0,
        width: SIZE.0.into(),
        height: SIZE.1.into(),
    };
    let bytes = u64::from(SIZE.0) * u64::from(SIZE.1) * 4;
    let backing = driver.ram_mut().allocate_backing(bytes)?;
    let resource = driver.new_resource_id();
    match memory {
        Memory::Blob => driver.create_blob(resource, bytes, &backing)?,
        Memory::TwoDimensional => {
            driver.create_2d(resource, Format::Bgrx8888, whole.width, whole.height)?;
            driver.attach_backing(resource, &backing.entries)?;
        }
    }
    for step in 0..STEPS {
        wait(folder, &format!("step{step}"))?;
        draw(&driver, &backing, &expected(step))?;
        let rect = if step == 2 { part() } else { whole };
        if memory == Memory::TwoDimensional {
            let offset = u64::from(rect.y) * u64::from(whole.width) * 4 + u64::from(rect.x) * 4;
            driver.transfer(resource, rect, offset)?;
        }
        if step == 0 {
            match memory {
                Memory::Blob => driver.set_scanout_blob(
                    0,
                    resource,
                    whole,
                    BlobImage::dense(whole.width, whole.height, Format::Bgrx8888),
                )?,
                Memory::TwoDimensional => driver.set_scanout(0, resource, whole)?,
            }
        }
        driver.flush(resource, rect)?;
        report::say(format!("step {step}"));
    }
    wait(folder, "done")
}

/// [`PART`] as a rectangle.
pub fn part() -> Rect {
    let number = |value: usize| u32::try_from(value).unwrap_or_default();
    let (left, top, width, height) = PART;
    Rect {
        x: number(left),
        y: number(top),
        width: number(width),
        height: number(height),
    }
}

fn draw(driver: &Driver, backing: &Backing, picture: &Picture) -> Result<()> {
    driver.ram().write_backing(backing, 0, &picture.to_xrgb())?;
    Ok(())
}

/// Waits for a file in `folder`.
///
/// # Errors
///
/// When it does not come in time.
pub fn wait(folder: &Path, file: &str) -> Result<()> {
    until(Duration::from_secs(60), || {
        Ok(folder.join(file).exists().then_some(()))
    })
    .with_context(|| format!("Waiting for the file {file}"))
}
