//! A guest in user space with many screens: on each that is on it draws one frame after the other, all in the
//! screen's own colour, so that a pixel tells whose it is.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use guest::{
    driver::{Driver, DriverOptions},
    kms::{self, Screen, ScreenOptions},
};

/// Between two frames.
const PAUSE: Duration = Duration::from_millis(30);

/// The screens that have a colour.
pub const MOST: u32 = 6;

/// The darkest frame, and how much brighter the next one is.
const DARKEST: u8 = 80;
const STEP: u32 = 25;

/// How many different frames there are.
const FRAMES: u32 = 7;

/// A screen's colour in a frame: which of red, green and blue there are is the screen's, how bright they are is the
/// frame's.
fn colour(scanout: u32, frame: u32) -> [u8; 3] {
    let bits = scanout % MOST + 1;
    let brighter = u8::try_from(frame % FRAMES * STEP).unwrap_or_default();
    [0, 1, 2].map(|channel| {
        if bits >> channel & 1 == 1 {
            DARKEST.saturating_add(brighter)
        } else {
            0
        }
    })
}

/// The screen whose colour that is, if it is any's.
pub fn owner(pixel: [u8; 3]) -> Option<u32> {
    let screens = (0..MOST).flat_map(|scanout| (0..FRAMES).map(move |frame| (scanout, frame)));
    screens
        .into_iter()
        .find(|(scanout, frame)| colour(*scanout, *frame) == pixel)
        .map(|(scanout, _)| scanout)
}

/// Draws until the device has gone.
///
/// # Errors
///
/// When the device refuses something or has gone.
pub fn run(socket: &Path) -> Result<()> {
    let mut driver = Driver::connect(socket, &DriverOptions::default())
        .with_context(|| format!("Driving the device at {}", socket.display()))?;
    let mut screens = BTreeMap::new();
    let connectors = kms::probe(&mut driver)?;
    follow(&mut driver, &mut screens, &connectors)?;
    for frame in 0.. {
        if let Some(connectors) = kms::reprobe(&mut driver)? {
            follow(&mut driver, &mut screens, &connectors)?;
        }
        for (scanout, screen) in &mut screens {
            let (width, height) = screen.size();
            let [red, green, blue] = colour(*scanout, frame);
            let pixels = usize::try_from(width * height)?;
            let image = [blue, green, red, 0].repeat(pixels);
            let ticket = screen.flip(&mut driver, &image)?;
            screen.wait(&mut driver, ticket)?;
        }
        driver.poll(PAUSE)?;
    }
    Ok(())
}

/// Has a screen for each connector with a monitor, in that monitor's size, and none for others.
fn follow(
    driver: &mut Driver,
    screens: &mut BTreeMap<u32, Screen>,
    connectors: &[kms::Connector],
) -> Result<()> {
    for connector in connectors {
        let fits = screens
            .get(&connector.scanout)
            .map(|screen| connector.enabled && screen.size() == connector.size);
        if fits != Some(true)
            && let Some(old) = screens.remove(&connector.scanout)
        {
            old.destroy(driver)?;
        }
        if connector.enabled && fits != Some(true) {
            let options = ScreenOptions::default();
            let screen = Screen::new(driver, connector.scanout, connector.size, options)?;
            screens.insert(connector.scanout, screen);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_screens_have_a_colour_in_common() {
        for scanout in 0..MOST {
            for frame in 0..FRAMES {
                assert_eq!(owner(colour(scanout, frame)), Some(scanout));
            }
        }
        assert_eq!(owner([0; 3]), None);
    }
}
