//! A window as the desktop knows it.

use super::screens::Slot;
use crate::backend::OutputId;

/// Names a window; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub(super) u64);

/// Whose window it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A guest's device.
    Guest {
        /// The guest's name.
        name: String,
        /// Which of its virtual monitors; `None` until its device has said so.
        scanout: Option<u8>,
    },
    /// Any other client.
    Client,
}

/// Where a window is. Guests are shown pixel for pixel or fitted to the monitor's pixels, so
/// theirs are counted in pixels of the monitor; ordinary clients' in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Its output.
    pub output: OutputId,
    /// The left edge from that of the output.
    pub x: i32,
    /// The top edge from that of the output.
    pub y: i32,
    /// How much larger than itself it is shown, to the right and down.
    pub scale: (f64, f64),
}

/// A window on the desktop.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    pub(super) id: WindowId,
    pub(super) owner: Owner,
    /// Width and height, counted like its place.
    pub(super) size: (i32, i32),
    pub(super) place: Option<Place>,
    pub(super) layer: Layer,
    /// Grows from window to window within a layer, and when one is raised.
    pub(super) order: u64,
    /// The monitor that it appeared on, for clients'.
    pub(super) wish: Option<Slot>,
    /// Whether it covers its monitor, for clients'.
    pub(super) fullscreen: bool,
    /// Whether what it shows is from before its guest was last said not to run.
    pub(super) outlived: bool,
}

/// What decides which window covers which, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// It is a monitor of the guest of this rank.
    Guest(usize),
    /// It is a picture in picture, of the guest of this rank.
    Picture(usize),
    /// Cascaded, in this step of the cascade.
    Cascade(usize),
}

impl Layer {
    /// The rank of the guest whose monitor it is.
    pub(super) fn guest(self) -> Option<usize> {
        match self {
            Self::Guest(rank) | Self::Picture(rank) => Some(rank),
            Self::Cascade(_) => None,
        }
    }

    /// Grows from the lowest to the highest.
    pub(super) fn height(self) -> (u8, usize) {
        match self {
            Self::Guest(rank) => (0, rank),
            Self::Picture(rank) => (1, rank),
            Self::Cascade(_) => (2, 0),
        }
    }
}

impl Window {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> WindowId {
        self.id
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Where it is; `None` while it is on no monitor: because another guest has it, because the
    /// guest has more monitors than there are, because all are unplugged, or because the guest does
    /// not run.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Whether it shows a virtual monitor of a guest, and is counted in pixels of the monitor.
    #[must_use]
    pub fn is_scanout(&self) -> bool {
        self.layer.guest().is_some()
    }

    /// Whether it is a client's that covers its monitor.
    #[must_use]
    pub fn is_fullscreen(&self) -> bool {
        self.fullscreen
    }
}
