//! What each scanout shows: SET_SCANOUT, SET_SCANOUT_BLOB, and switching off.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocols::{
    ipc::PresentPath,
    virtio_gpu::{ErrorCode, Format, Rect},
};
use tracing::debug;

use super::{
    Context, Gpu, cursor::Cursor, later, pacing::Pacing, resources::Kind, shadow::Shadow,
    stats::Counters, step::Step, three_d::Drawing,
};
use crate::{
    display::{BufferId, FrameId, PixelLayout, Refused, ScanoutId},
    renderer::{
        Ticket,
        pixels::{
            region::Region,
            slots::{MAX_SIDE, Slots},
        },
    },
};

/// The smallest picture that a scanout shows, in pixels; QEMU draws the same line.
const MIN_SIDE: u32 = 16;

/// How long a window stays after the guest has switched its scanout off. Drivers switch off before
/// every mode set: Linux sends SET_SCANOUT with resource 0, Windows destroys the shown resource. A
/// window that closed and opened each time would lose its place and the keyboard.
pub(super) const DISABLE_SETTLES: Duration = Duration::from_millis(500);

/// The most frames of a scanout whose fate the host has not told. Hosts take one at a time and show
/// it a refresh later; beyond this they have lost count.
const MAX_IN_FLIGHT: usize = 8;

/// A virtual monitor.
#[derive(Debug)]
pub(super) struct Scanout {
    pub(super) id: ScanoutId,
    /// What the guest wants it to show.
    pub(super) wanted: Option<Shown>,
    /// What it shows: `wanted`, except while that is being drawn.
    pub(super) shown: Option<Shown>,
    /// Pictures that were flushed and are not there yet, oldest first.
    pub(super) drawing: VecDeque<Drawing>,
    pub(super) pacing: Pacing,
    /// What changed since the last frame that was handed over, in the resource's pixels.
    pub(super) damage: Region,
    /// The newest flush that touched it.
    pub(super) newest: Ticket,
    /// When the newest flush of what it shows now came; `None` until the guest has drawn that.
    pub(super) flushed_at: Option<Instant>,
    /// Frames that the host has, oldest first.
    pub(super) in_flight: VecDeque<InFlight>,
    /// Buffers that the host was given, and has not released, of what the guest draws into.
    pub(super) lent: Vec<BufferId>,
    /// The copy of a blob that can't be shown in place.
    pub(super) shadow: Option<Shadow>,
    /// What the host shows from the guest's own pages; `None` where it has memory of ours.
    pub(super) in_place: Option<Shown>,
    /// Whether the host shows anything of it; also after the driver that showed it has gone.
    pub(super) has_window: bool,
    /// When its window goes.
    pub(super) disable_at: Option<Instant>,
    pub(super) cursor: Cursor,
    pub(super) counters: Counters,
    /// Why its frames don't go the best way.
    pub(super) reason: Option<Refused>,
    /// Whether the guest keeps step with the screen when its memory is on a plane.
    pub(super) step: Step,
    /// The refresh period of the output that it is on, zero if unknown.
    pub(super) refresh: Duration,
}

/// What the guest wants a scanout to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) resource: u32,
    /// The part that is shown, in pixels.
    pub(super) source: Rect,
    /// How a blob is to be read.
    pub(super) blob: Option<PixelLayout>,
}

/// A frame that the host has.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) frame: FrameId,
    pub(super) buffer: BufferId,
    pub(super) way: Way,
    /// The newest flush in it, and when that came.
    pub(super) newest: Ticket,
    pub(super) flushed_at: Option<Instant>,
}

/// How a frame's pixels reach the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    DmaBuf,
    Shared,
    Copied,
}

impl Scanout {
    pub(super) fn new(id: ScanoutId) -> Self {
        Self {
            id,
            wanted: None,
            shown: None,
            drawing: VecDeque::new(),
            pacing: Pacing::default(),
            damage: Region::default(),
            newest: Ticket(0),
            flushed_at: None,
            in_flight: VecDeque::new(),
            lent: Vec::new(),
            shadow: None,
            in_place: None,
            has_window: false,
            disable_at: None,
            cursor: Cursor::default(),
            counters: Counters::default(),
            reason: None,
            step: Step::default(),
            refresh: Duration::ZERO,
        }
    }

    /// Shows something else from the next flush on.
    pub(super) fn show(&mut self, shown: Shown) {
        self.disable_at = None;
        if self.shown == Some(shown) {
            return;
        }
        self.stop();
        self.shown = Some(shown);
        self.damage_all();
    }

    /// All of the picture has to be shown anew.
    pub(super) fn damage_all(&mut self) {
        let Some(shown) = self.shown else { return };
        self.damage.clear();
        self.damage.add(shown.source);
        if let Some(shadow) = &mut self.shadow {
            shadow.lacks_all();
        }
    }

    /// Shows nothing new any more. The last picture stays; see [`DISABLE_SETTLES`].
    pub(super) fn stop(&mut self) {
        if self.pacing.is_waiting() {
            self.counters.missed = self.counters.missed.saturating_add(1);
        }
        self.pacing.rebound();
        self.shown = None;
        self.damage.clear();
        self.flushed_at = None;
    }

    /// The host is gone, with its window and the frames that it had.
    pub(super) fn host_gone(&mut self) {
        self.in_flight.clear();
        self.lent.clear();
        self.in_place = None;
        self.has_window = false;
        self.disable_at = None;
        self.counters.path = PresentPath::Nothing;
        self.reason = None;
        match self.pacing.is_waiting() {
            // Now for the next host.
            true => self.pacing.starved(),
            false => self.pacing.dropped(),
        }
    }

    /// Notes a frame that the host now has.
    pub(super) fn push_in_flight(&mut self, frame: InFlight) {
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(frame);
    }

    /// Takes a frame that the host reports on, and drops all before it.
    pub(super) fn take_in_flight(&mut self, frame: FrameId) -> Option<InFlight> {
        let position = self
            .in_flight
            .iter()
            .position(|known| known.frame == frame)?;
        self.in_flight.drain(..=position).next_back()
    }
}

/// Where the image of SET_SCANOUT_BLOB lies in its blob.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlobImage {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) format: u32,
    pub(super) stride: u32,
    pub(super) offset: u32,
}

impl BlobImage {
    /// The layout, checked against the blob's size.
    fn layout(&self, blob_size: u64) -> Result<PixelLayout, ErrorCode> {
        let wrong = ErrorCode::InvalidParameter;
        let format = Format::try_from(self.format).map_err(|_| wrong)?;
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&self.width) || !sides.contains(&self.height) {
            return Err(wrong);
        }
        // No sum can overflow: both sides are small, and a stride is a u32.
        let row = u64::from(self.width).saturating_mul(format.bytes_per_pixel().into());
        let rows_before_last = u64::from(self.height).saturating_sub(1);
        let before_last = u64::from(self.stride).saturating_mul(rows_before_last);
        let end = u64::from(self.offset)
            .saturating_add(before_last)
            .saturating_add(row);
        if u64::from(self.stride) < row || end > blob_size {
            return Err(wrong);
        }
        Ok(PixelLayout {
            width: self.width,
            height: self.height,
            stride: self.stride,
            offset: self.offset,
            // A monitor has nothing behind it.
            format: format.opaque(),
        })
    }
}

impl Gpu {
    /// The number of a scanout that exists.
    pub(super) fn scanout_index(&self, id: u32) -> Result<usize, ErrorCode> {
        let index = usize::try_from(id)
            .ok()
            .filter(|index| *index < self.scanouts.len());
        index.ok_or(ErrorCode::InvalidScanoutId)
    }

    /// SET_SCANOUT.
    pub(super) fn set_scanout(
        &mut self,
        rect: Rect,
        scanout: u32,
        resource_id: u32,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let index = self.scanout_index(scanout)?;
        if resource_id == 0 {
            self.switch_off(index, context);
            return Ok(());
        }
        let resource = self.resources.get_mut(resource_id)?;
        let shown = Shown {
            resource: resource_id,
            source: rect,
            blob: None,
        };
        if let Kind::Host(host) = &resource.kind {
            let (width, height) = host.size().ok_or(ErrorCode::InvalidParameter)?;
            check_source(&rect, &Rect::from_size(width, height))?;
            self.want(index, shown);
            return Ok(());
        }
        if !resource.is_attached() {
            return Err(ErrorCode::Unspec);
        }
        let Kind::Picture(picture) = &mut resource.kind else {
            return Err(ErrorCode::InvalidParameter);
        };
        check_source(&rect, &picture.picture.whole())?;
        if picture.picture.slots().is_none() {
            let (width, height) = picture.picture.size();
            let before = picture.picture.bytes();
            let more = Slots::initial_bytes(width, height).saturating_sub(before);
            self.quota.take_bytes(more)?;
            match picture.picture.share() {
                Ok(copied) => picture.copied = picture.copied.saturating_add(copied),
                Err(error) => {
                    debug!(resource_id, %error, "no memory to show a resource");
                    self.quota.give_bytes(more);
                    return Err(ErrorCode::OutOfMemory);
                }
            }
        }
        self.show(index, shown, context);
        Ok(())
    }

    /// SET_SCANOUT_BLOB.
    pub(super) fn set_scanout_blob(
        &mut self,
        rect: Rect,
        scanout: u32,
        resource_id: u32,
        image: BlobImage,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let index = self.scanout_index(scanout)?;
        if resource_id == 0 {
            self.switch_off(index, context);
            return Ok(());
        }
        let resource = self.resources.get(resource_id)?;
        let (size, is_host) = match &resource.kind {
            Kind::Host(host) => (host.blob_size(), true),
            _ if !resource.is_attached() => return Err(ErrorCode::Unspec),
            Kind::Blob(blob) => (Some(blob.size), false),
            Kind::Picture(_) => (None, false),
        };
        let layout = image.layout(size.ok_or(ErrorCode::InvalidParameter)?)?;
        check_source(&rect, &Rect::from_size(layout.width, layout.height))?;
        let shown = Shown {
            resource: resource_id,
            source: rect,
            blob: Some(layout),
        };
        match is_host {
            true => self.want(index, shown),
            false => self.show(index, shown, context),
        }
        Ok(())
    }

    /// A scanout is to show what the renderer holds, once that is drawn.
    fn want(&mut self, index: usize, shown: Shown) {
        if let Some(scanout) = self.scanouts.get_mut(index) {
            scanout.wanted = Some(shown);
            scanout.disable_at = None;
        }
    }

    fn show(&mut self, index: usize, shown: Shown, context: &mut Context<'_>) {
        self.stop_drawing(index, None, context);
        if let Some(scanout) = self.scanouts.get_mut(index) {
            scanout.wanted = Some(shown);
            scanout.show(shown);
        }
        self.make_resident(shown.resource, context);
    }

    /// The guest has switched a scanout off.
    fn switch_off(&mut self, index: usize, context: &mut Context<'_>) {
        self.stop_drawing(index, None, context);
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        scanout.wanted = None;
        scanout.stop();
        if scanout.has_window && scanout.disable_at.is_none() {
            scanout.disable_at = Some(later(context.now, DISABLE_SETTLES));
        }
        self.flushes.stop_waiting_for(index);
    }

    /// A resource is about to go: nothing shows it any more.
    pub(super) fn stop_showing(&mut self, resource_id: u32, context: &mut Context<'_>) {
        let is_it = |shown: Shown| shown.resource == resource_id;
        for index in 0..self.scanouts.len() {
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            if scanout.wanted.is_some_and(is_it) {
                self.switch_off(index, context);
                continue;
            }
            if scanout.shown.is_some_and(is_it) {
                scanout.stop();
                self.flushes.stop_waiting_for(index);
            }
            self.stop_drawing(index, Some(resource_id), context);
        }
    }

    /// Whether a scanout shows a resource, or will.
    pub(super) fn shows(&self, index: usize, resource_id: u32) -> bool {
        let Some(scanout) = self.scanouts.get(index) else {
            return false;
        };
        let shown = [scanout.wanted, scanout.shown].into_iter().flatten();
        let drawn = scanout.drawing.iter().map(|drawing| drawing.shown);
        shown.chain(drawn).any(|it| it.resource == resource_id)
    }

    /// Closes the windows of scanouts that stayed off.
    pub(super) fn close_windows(&mut self, context: &mut Context<'_>) {
        for index in 0..self.scanouts.len() {
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            if scanout
                .disable_at
                .take_if(|when| *when <= context.now)
                .is_some()
            {
                self.close_window(index, context);
            }
        }
    }

    /// Closes a scanout's window.
    pub(super) fn close_window(&mut self, index: usize, context: &mut Context<'_>) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        scanout.disable_at = None;
        context.display.disable(scanout.id);
        // The host says nothing more about frames of a window that is gone.
        scanout.in_flight.clear();
        scanout.pacing.dropped();
        scanout.in_place = None;
        scanout.has_window = false;
        self.drop_shadow(index, context);
    }
}

/// The part of a picture that a scanout shows must lie inside it and be a picture at all.
fn check_source(source: &Rect, whole: &Rect) -> Result<(), ErrorCode> {
    if source.width < MIN_SIDE || source.height < MIN_SIDE || !whole.contains(source) {
        return Err(ErrorCode::InvalidParameter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: BlobImage = BlobImage {
        width: 64,
        height: 32,
        format: 1,
        stride: 256,
        offset: 4096,
    };
    const SIZE: u64 = 4096 + 256 * 32;

    #[test]
    fn a_blobs_image_must_fit_the_blob() {
        let layout = IMAGE.layout(SIZE).unwrap();
        assert_eq!(layout.format, Format::Bgrx8888);
        assert_eq!((layout.stride, layout.offset), (256, 4096));
        assert_eq!(IMAGE.layout(SIZE - 1), Err(ErrorCode::InvalidParameter));
        // The last row may end with its pixels.
        let padded = BlobImage {
            stride: 512,
            ..IMAGE
        };
        assert!(padded.layout(4096 + 512 * 31 + 256).is_ok());
        assert!(padded.layout(4096 + 512 * 31 + 255).is_err());
    }

    #[test]
    fn impossible_images_are_refused() {
        for wrong in [
            BlobImage { stride: 0, ..IMAGE },
            BlobImage { stride: 1, ..IMAGE },
            BlobImage {
                stride: 255,
                ..IMAGE
            },
            BlobImage {
                stride: u32::MAX,
                ..IMAGE
            },
            BlobImage {
                stride: 1 << 31,
                ..IMAGE
            },
            BlobImage {
                offset: u32::MAX,
                ..IMAGE
            },
            BlobImage {
                offset: 1 << 31,
                ..IMAGE
            },
            BlobImage { width: 0, ..IMAGE },
            BlobImage { height: 0, ..IMAGE },
            BlobImage {
                width: u32::MAX,
                stride: u32::MAX,
                ..IMAGE
            },
            BlobImage {
                height: u32::MAX,
                ..IMAGE
            },
            BlobImage {
                width: 0x4000_0001,
                stride: 4,
                ..IMAGE
            },
            BlobImage { format: 0, ..IMAGE },
            BlobImage { format: 5, ..IMAGE },
            BlobImage {
                format: u32::MAX,
                ..IMAGE
            },
        ] {
            assert_eq!(
                wrong.layout(SIZE),
                Err(ErrorCode::InvalidParameter),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn the_source_must_be_inside_and_not_tiny() {
        let whole = Rect::from_size(640, 480);
        let rect = |x, y, width, height| Rect {
            x,
            y,
            width,
            height,
        };
        assert_eq!(check_source(&whole, &whole), Ok(()));
        assert_eq!(check_source(&rect(624, 464, 16, 16), &whole), Ok(()));
        for wrong in [
            rect(625, 464, 16, 16),
            rect(0, 0, 15, 16),
            rect(0, 0, 16, 15),
            rect(0, 0, 641, 480),
            rect(u32::MAX, 0, 16, 16),
            rect(u32::MAX - 15, 0, 16, 16),
            rect(16, 0, u32::MAX, 16),
            rect(0, 0, 0, 0),
        ] {
            assert_eq!(
                check_source(&wrong, &whole),
                Err(ErrorCode::InvalidParameter),
                "{wrong:?}"
            );
        }
    }
}
