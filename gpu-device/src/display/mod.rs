//! Where a guest's frames go: the seam between the device and whatever shows its pictures.
//!
//! [`Display`] is what the core of the device ([`crate::gpu`]) asks for; [`DisplayEvent`] is what
//! comes back. Two implementations exist: [`wayland`] is the product, [`recording`] notes down
//! every call for tests. This file knows neither virtqueues nor Wayland.
//!
//! The life of one buffer and one frame:
//!
//! ```text
//! import(buffer) ──▶ present(frame, buffer) ──▶ Ready      the next frame may be handed over
//!       │                     │
//!       ▼                     ├─▶ Presented | Discarded    the guest's page flip is done
//! ImportRefused               └─▶ Released                 the memory may be written again
//! ```
//!
//! `Presented` and `Released` are two clocks. A buffer on a KMS plane is released only by the
//! *next* flip, so answering the guest's flush at the release would halve its frame rate. When
//! exactly the core takes the page flip for done is in `gpu::flushes::when_to_answer`.

mod lacking;
pub mod recording;
pub mod wayland;

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use protocols::virtio_gpu::{Format, Rect};
use thiserror::Error;

pub use self::lacking::Lacking;
use crate::input::{Grab, HostInput, Leds};

/// The number of a virtual monitor of the guest, below [`protocols::virtio_gpu::MAX_SCANOUTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScanoutId(pub u8);

/// Names one piece of pixel memory for as long as the display knows it; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferId(pub u64);

/// Names one frame of one scanout: what a single call of [`Display::present`] hands over.
/// Counts up per device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u64);

/// How pixels lie in memory. All sizes were checked against the memory's length by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PixelLayout {
    /// Width in pixels.
    pub width: u32,
    /// Height in rows.
    pub height: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
    /// Bytes from the start of the memory to the first pixel.
    pub offset: u32,
    /// The pixels' byte order. A scanout is opaque: an alpha channel is ignored.
    pub format: Format,
}

/// The memory behind a buffer, as the host can be given it.
#[derive(Debug, Clone)]
pub enum PixelMemory {
    /// A linear dma-buf; the guest's own pages, or a resource's host storage.
    DmaBuf(Arc<OwnedFd>),
    /// What the host's graphics card has drawn; its layout is in the image, and the buffer's is that
    /// of its first plane.
    Image(Arc<Image>),
    /// A memfd sealed against shrinking, of `size` bytes.
    Shm {
        /// The memfd.
        fd: Arc<OwnedFd>,
        /// Its length in bytes.
        size: u64,
    },
}

/// A picture in memory of the host's graphics card, as the card's driver shares it.
#[derive(Debug)]
pub struct Image {
    /// Width in pixels.
    pub width: u32,
    /// Height in rows.
    pub height: u32,
    /// DRM's code of its pixels.
    pub fourcc: u32,
    /// DRM's code of how its planes are laid out.
    pub modifier: u64,
    /// Whether the first row in memory is the lowest one of the picture.
    pub bottom_up: bool,
    /// Up to four; not those of a display, but those of a pixel format.
    pub planes: Vec<ImagePlane>,
}

/// One of the memories that an [`Image`] is made of.
#[derive(Debug)]
pub struct ImagePlane {
    /// A dma-buf.
    pub fd: OwnedFd,
    /// Bytes from its start to the first pixel.
    pub offset: u32,
    /// Bytes from one row to the next, as far as the modifier has rows.
    pub stride: u32,
}

/// One frame for one scanout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number.
    pub id: FrameId,
    /// The buffer it shows; imported before.
    pub buffer: BufferId,
    /// The part of the buffer that is the scanout, in the buffer's pixels. Its size is the size
    /// of the picture.
    pub source: Rect,
    /// What changed since the scanout's previous frame, in the *buffer's* pixels, clipped to
    /// `source` and merged. Never empty.
    pub damage: Vec<Rect>,
}

/// A pointer image: straight copy of the guest's cursor resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorImage {
    /// Width in pixels, at most [`protocols::virtio_gpu::CURSOR_SIZE`].
    pub width: u32,
    /// Height in pixels, at most [`protocols::virtio_gpu::CURSOR_SIZE`].
    pub height: u32,
    /// The pixel that points, from the left edge.
    pub hot_x: u32,
    /// The pixel that points, from the top edge.
    pub hot_y: u32,
    /// `width * height` pixels, DRM ARGB8888 (bytes B, G, R, A), premultiplied, rows without gaps.
    pub pixels: Vec<u8>,
}

/// What changed about a scanout's pointer. Positions are those of the image's top left corner,
/// as Linux's `virtgpu_plane.c` sends them; they may be negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorUpdate {
    /// A new image, at a position.
    Image {
        /// The image.
        image: CursorImage,
        /// Left edge in scanout pixels.
        x: i32,
        /// Top edge in scanout pixels.
        y: i32,
    },
    /// The same image somewhere else.
    Move {
        /// Left edge in scanout pixels.
        x: i32,
        /// Top edge in scanout pixels.
        y: i32,
    },
    /// No pointer.
    Hide,
}

/// The host's monitor that a scanout is on. Texts are empty and numbers 0 where it does not say;
/// nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Monitor {
    /// Who made it; three capital letters are its PNP id.
    pub make: String,
    /// What it is.
    pub model: String,
    /// Which one it is: the text printed on it, or a number in decimal digits.
    pub serial: String,
    /// Width of its picture in millimetres.
    pub width_mm: u32,
    /// Height of its picture in millimetres.
    pub height_mm: u32,
    /// Width of its picture in pixels.
    pub width: u32,
    /// Height of its picture in pixels.
    pub height: u32,
    /// How often it refreshes, in millihertz: 60 Hz is 60 000.
    pub millihertz: u32,
    /// Whether the scanout covers all of it, so that the guest had best take its monitor for this
    /// one. Otherwise the scanout is a window on it, and only the refresh rate matters.
    pub filled: bool,
}

/// Why memory can't be shown the better way. Reaches logs, statistics and the benchmark, so
/// that a step down the ladder always has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Refused {
    /// The user asked for shared memory.
    #[error("turned off by the user")]
    TurnedOff,
    /// `/dev/udmabuf` can't be opened.
    #[error("/dev/udmabuf is missing or not accessible")]
    NoUdmabuf,
    /// The guest's RAM is not a memfd, or one that can't be sealed against shrinking.
    #[error("guest memory is not a sealable memfd")]
    NotSealable,
    /// The guest's pages don't start or end on page boundaries.
    #[error("guest memory is not page-aligned")]
    Unaligned,
    /// More bytes or list entries than the udmabuf module allows.
    #[error("larger than udmabuf's size_limit_mb or list_limit")]
    UdmabufLimit,
    /// The kernel refused the dma-buf for another reason.
    #[error("the kernel refused to make a dma-buf")]
    UdmabufFailed,
    /// The host's compositor has no linux-dmabuf protocol.
    #[error("the compositor does not take dma-bufs")]
    NoLinuxDmabuf,
    /// The host's compositor does not take this format linearly.
    #[error("the compositor does not take this pixel format as a linear dma-buf")]
    FormatNotOffered,
    /// The host's compositor tried the import and failed.
    #[error("the compositor failed to import the dma-buf")]
    ImportFailed,
    /// The host's compositor took the dma-buf, but draws it instead of putting it on a plane.
    #[error("the compositor draws the dma-buf instead of putting it on a plane")]
    NotOnPlane,
    /// The host's compositor puts the dma-buf on a plane, where it must not be drawn into, and that
    /// makes this guest miss every second refresh.
    #[error("the guest's page flips are out of step with the monitor")]
    OutOfStep,
    /// What the 3D renderer draws can't be shared as a dma-buf.
    #[error("the host's graphics driver does not share what it draws as a dma-buf")]
    NotExported,
    /// The 3D renderer has died, and with it what it drew.
    #[error("the 3D renderer has ended")]
    RendererLost,
}

impl Refused {
    /// The reason's name for programs: stable, in snake case.
    pub fn code(self) -> &'static str {
        match self {
            Self::TurnedOff => "turned_off",
            Self::NoUdmabuf => "no_udmabuf",
            Self::NotSealable => "not_sealable",
            Self::Unaligned => "unaligned",
            Self::UdmabufLimit => "udmabuf_limit",
            Self::UdmabufFailed => "udmabuf_failed",
            Self::NoLinuxDmabuf => "no_linux_dmabuf",
            Self::FormatNotOffered => "format_not_offered",
            Self::ImportFailed => "import_failed",
            Self::NotOnPlane => "not_on_plane",
            Self::OutOfStep => "out_of_step",
            Self::NotExported => "not_exported",
            Self::RendererLost => "renderer_lost",
        }
    }
}

/// What the display reports, in the order in which it happened.
#[derive(Debug, Clone, PartialEq)]
pub enum DisplayEvent {
    /// The host has taken this scanout's last frame; a further one would not be wasted.
    Ready(ScanoutId),
    /// A frame became light.
    Presented {
        /// The scanout.
        scanout: ScanoutId,
        /// The frame.
        frame: FrameId,
        /// When, on the clock `CLOCK_MONOTONIC`. `None` where the host only tells that it has
        /// drawn the frame (no `wp_presentation`).
        at: Option<Duration>,
        /// The host's refresh period, zero if unknown.
        refresh: Duration,
        /// Whether the host put the buffer on a plane without drawing it.
        zero_copy: bool,
    },
    /// A frame was replaced before it was shown, or the surface is not visible.
    Discarded {
        /// The scanout.
        scanout: ScanoutId,
        /// The frame.
        frame: FrameId,
    },
    /// The host no longer reads this buffer. Sent once for each frame that was presented from
    /// it, at the latest when the buffer is forgotten.
    Released(BufferId),
    /// The import that [`Display::import`] began has failed; frames that name the buffer are
    /// dropped without further events. Import something else and present again.
    ImportRefused(BufferId, Refused),
    /// The host takes memory that it did not take before: what was refused is worth another try.
    FormatsChanged,
    /// The user or the host gave a scanout another size.
    Resized {
        /// The scanout.
        scanout: ScanoutId,
        /// Wanted width in pixels.
        width: u32,
        /// Wanted height in pixels.
        height: u32,
        /// How many of these pixels there are to an inch, as far as the user sees it: 96 where the
        /// host shows things in their usual size, 192 where it shows them twice as large.
        dpi: u32,
    },
    /// The refresh rate of the output that a scanout is on, in millihertz.
    RefreshChanged {
        /// The scanout.
        scanout: ScanoutId,
        /// Millihertz: 60 Hz is 60 000.
        millihertz: u32,
    },
    /// The monitor that a scanout is on, or will be on, became known or is another one now. Replaces
    /// what [`DisplayEvent::Resized`] and [`DisplayEvent::RefreshChanged`] said before.
    Monitor {
        /// The scanout.
        scanout: ScanoutId,
        /// Its monitor.
        monitor: Monitor,
    },
    /// There is no monitor for a scanout (any more): nobody can see it until
    /// [`DisplayEvent::Monitor`] comes. Frames may be presented all the same.
    Unplugged(ScanoutId),
    /// The user closed a scanout's window.
    CloseRequested(ScanoutId),
    /// Hands did something.
    Input(HostInput),
    /// The connection to the host's compositor is gone; nothing can be shown any more.
    Lost,
}

/// Something that shows scanouts. Calls never block and never wait for the host.
pub trait Display {
    /// Makes memory known to the host under a new name. Import once, present many.
    ///
    /// # Errors
    /// What the host is already known not to take. A host's late refusal comes as
    /// [`DisplayEvent::ImportRefused`]. Shared memory is never refused.
    fn import(
        &mut self,
        buffer: BufferId,
        layout: PixelLayout,
        memory: PixelMemory,
    ) -> Result<(), Refused>;

    /// Drops a buffer's name. What is on the screen stays there until something replaces it. Also
    /// called for a buffer whose import was refused late.
    fn forget(&mut self, buffer: BufferId);

    /// Hands over a frame; the scanout's window appears with its first one.
    fn present(&mut self, scanout: ScanoutId, frame: Frame);

    /// The guest switched a scanout off: its window goes.
    fn disable(&mut self, scanout: ScanoutId);

    /// Changes a scanout's pointer.
    fn cursor(&mut self, scanout: ScanoutId, update: CursorUpdate);

    /// Holds the user's hands in the window that has them, or lets go. What came of it is reported
    /// by [`HostInput::PointerLocked`].
    fn set_grab(&mut self, grab: Grab);

    /// Whether the guest's pointer follows the host's, because its absolute pointer is at work, or
    /// goes its own way. Where it follows, the guest's image is shown in place of the host's
    /// pointer, which is where the guest's is only a few frames later. It does not until this says
    /// so.
    fn set_pointer_follows(&mut self, follows: bool);

    /// The guest switched lights of its keyboard on or off.
    fn set_leds(&mut self, leds: Leds);

    /// Makes a scanout's window as large as its monitor, or lets it be a window again. What came of
    /// it is reported by [`HostInput::Fullscreen`].
    fn toggle_fullscreen(&mut self, scanout: ScanoutId);
}
