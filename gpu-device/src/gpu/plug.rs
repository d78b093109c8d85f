//! Monitors that come and go while the guest runs, as the user wants it.
//!
//! A scanout without a monitor is *dark*: the guest may still draw on it until it has noticed, or
//! for ever, and is answered at the rate of a hidden window. Nothing of that is imported, copied or
//! shown.

use thiserror::Error;

use super::{Context, Gpu, Mode, modes::SIDES};
use crate::display::ScanoutId;

/// Why a monitor can't be plugged in, out, or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlugError {
    /// There is no such connector.
    #[error(
        "Could not use scanout {scanout}: the guest has {connectors}, counted from 0. Raise \
         max_scanouts and start it again"
    )]
    NoSuchScanout {
        /// Its number.
        scanout: u8,
        /// How many there are.
        connectors: usize,
    },
    /// No guest takes this size.
    #[error(
        "Could not give a monitor {width}x{height} pixels. Choose a width and a height from {min} \
         to {max}", min = SIDES.start(), max = SIDES.end()
    )]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The guest would never learn of it.
    #[error(
        "Could not change the guest's monitors while it runs: this VMM can't tell it. With QEMU \
         use device = \"generic\""
    )]
    CantTell,
}

impl Gpu {
    /// Plugs a monitor of this size in, in pixels, or gives one another size; `None` plugs it out.
    /// The window of one that is plugged out goes at once. Afterwards ask
    /// [`Gpu::display_changed`].
    ///
    /// # Errors
    /// See [`PlugError`]; nothing has changed then.
    pub fn plug(
        &mut self,
        scanout: ScanoutId,
        size: Option<(u32, u32)>,
        context: &mut Context<'_>,
    ) -> Result<(), PlugError> {
        let index = usize::from(scanout.0);
        let before = self.modes.get(index).ok_or(PlugError::NoSuchScanout {
            scanout: scanout.0,
            connectors: self.modes.len(),
        })?;
        if let Some((width, height)) = size
            && !(is_side(width) && is_side(height))
        {
            return Err(PlugError::Size { width, height });
        }
        if !self.modes.tells_changes() {
            return Err(PlugError::CantTell);
        }
        let Some((width, height)) = size else {
            self.modes.remove(index);
            self.flushes.stop_waiting_for(index);
            self.close_window(index, context);
            return Ok(());
        };
        let mode = Mode {
            width,
            height,
            ..before
        };
        self.modes.set(index, mode);
        if self.is_dark(index) {
            self.modes.plug(index);
            self.hidden.remove(index);
            self.show_again(index, context);
        }
        Ok(())
    }

    /// Whether a scanout has no monitor because the user wants none.
    pub(super) fn is_dark(&self, index: usize) -> bool {
        self.modes.is_removed(index)
    }

    /// Whether there is a host to show a scanout, and the user wants it to be shown.
    pub(super) fn can_be_seen(&self, index: usize) -> bool {
        self.attached && !self.is_dark(index)
    }
}

fn is_side(side: u32) -> bool {
    SIDES.contains(&side)
}
