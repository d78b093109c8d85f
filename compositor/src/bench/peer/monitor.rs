//! The monitor that a guest is told of where the benchmark is its VMM.

use protocols::{
    edid::{Edid, Mode, PhysicalSize},
    virtio_gpu::{DisplayMode, MAX_SCANOUTS, Rect},
};

use crate::bench::subject::Wanted;

/// One monitor; the other places are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monitor {
    /// Its only mode.
    pub mode: Mode,
}

impl Monitor {
    /// The monitor of each guest in a case.
    #[must_use]
    pub fn of(wanted: &Wanted) -> Self {
        let (width, height) = wanted.size;
        let millihertz = wanted.hertz.saturating_mul(1000);
        Self {
            mode: Mode {
                width,
                height,
                millihertz,
            },
        }
    }

    /// What answers GET_DISPLAY_INFO.
    #[must_use]
    pub fn display_info(self) -> [DisplayMode; MAX_SCANOUTS] {
        let mut modes = [DisplayMode::default(); MAX_SCANOUTS];
        if let Some(first) = modes.first_mut() {
            first.rect = Rect::from_size(self.mode.width, self.mode.height);
            first.enabled = true;
        }
        modes
    }

    /// Its EDID.
    ///
    /// # Errors
    /// No monitor is that large or that fast.
    pub fn edid(self) -> anyhow::Result<Vec<u8>> {
        let edid = Edid {
            manufacturer: *b"LUC",
            product: 1,
            serial: 1,
            serial_text: String::new(),
            name: "bench".to_owned(),
            size: PhysicalSize::at_dpi(self.mode.width, self.mode.height, 96),
            preferred: self.mode,
        };
        Ok(edid.encode()?)
    }
}
