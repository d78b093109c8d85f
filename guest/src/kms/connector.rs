//! Which monitors there are, asked for as Linux does at its start and after an event.

use protocols::{
    edid::{Edid, Mode},
    virtio_gpu::{Command, DisplayMode, EVENT_DISPLAY, F_EDID, Response},
};

use crate::driver::{Driver, DriverError};

/// A virtual monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// The scanout's number.
    pub scanout: u32,
    /// Whether a monitor is plugged in.
    pub enabled: bool,
    /// Wanted size in pixels, from the display info.
    pub size: (u32, u32),
    /// The EDID, if the device has that feature and one for this monitor.
    pub edid: Option<Vec<u8>>,
}

impl Connector {
    /// The EDID's preferred mode.
    #[must_use]
    pub fn preferred_mode(&self) -> Option<Mode> {
        Some(Edid::decode(self.edid.as_deref()?).ok()?.preferred)
    }

    /// Whether Linux keeps the EDID's preferred mode (`virtio_gpu_conn_mode_valid`): it must come
    /// near the size in the display info.
    #[must_use]
    pub fn edid_mode_is_valid(&self) -> bool {
        const TOLERANCE: u32 = 16;
        let near = |mode: u32, wanted: u32| mode <= wanted && mode + TOLERANCE > wanted;
        self.preferred_mode().is_none_or(|mode| {
            let exempt = (mode.width, mode.height) == (1024, 768);
            exempt || near(mode.width, self.size.0) && near(mode.height, self.size.1)
        })
    }
}

/// Asks for all EDIDs and the display info, in Linux's order, and waits for the latter only.
///
/// # Errors
/// The device refuses the display info or does not answer.
pub fn probe(driver: &mut Driver) -> Result<Vec<Connector>, DriverError> {
    let scanouts = driver.config()?.num_scanouts.min(16);
    let mut edids = Vec::new();
    if driver.has(F_EDID) {
        for scanout in 0..scanouts {
            edids.push(driver.submit(&Command::GetEdid { scanout }, false)?);
        }
    }
    let modes = driver.display_info()?;
    let mut connectors = Vec::new();
    for (scanout, mode) in (0..scanouts).zip(modes) {
        let edid = match edids.get(connectors.len()) {
            // The EDIDs were asked for first, and Linux counts on it that they come first.
            Some(&ticket) => driver.try_take(ticket)?.ok_or(DriverError::BadAnswer {
                command: "GetDisplayInfo".to_owned(),
                what: "an answer before the EDIDs' that were asked for earlier".to_owned(),
            })?,
            None => {
                connectors.push(connector(scanout, mode, None));
                continue;
            }
        };
        let edid = match edid.response()? {
            Response::OkEdid(edid) => Some(edid),
            _ => None,
        };
        connectors.push(connector(scanout, mode, edid));
    }
    Ok(connectors)
}

/// What Linux does when the device announces a change: reads the events, asks for everything
/// again, clears the events. Returns `None` if the event was not about monitors.
///
/// # Errors
/// The device refuses the display info or does not answer.
pub fn reprobe(driver: &mut Driver) -> Result<Option<Vec<Connector>>, DriverError> {
    let events = driver.config()?.events_read & EVENT_DISPLAY;
    let connectors = if events == 0 {
        None
    } else {
        Some(probe(driver)?)
    };
    driver.clear_events(events)?;
    Ok(connectors)
}

fn connector(scanout: u32, mode: DisplayMode, edid: Option<Vec<u8>>) -> Connector {
    let size = (mode.rect.width, mode.rect.height);
    Connector {
        scanout,
        enabled: mode.enabled,
        size,
        edid,
    }
}
