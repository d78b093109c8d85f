//! A display for tests: notes down every call and keeps the memory, so that a test can look at
//! what the host would see. It reports nothing by itself; the test decides what happens when.

use std::collections::HashMap;

use super::{BufferId, CursorUpdate, Display, Frame, PixelLayout, PixelMemory, Refused, ScanoutId};
use crate::input::{Grab, Leds};

/// One call of [`Display`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// [`Display::import`], also where it was refused.
    Import {
        /// The buffer.
        buffer: BufferId,
        /// Its layout.
        layout: PixelLayout,
        /// Whether the memory came as a dma-buf; as shared memory otherwise.
        dma_buf: bool,
    },
    /// [`Display::forget`].
    Forget(BufferId),
    /// [`Display::present`].
    Present(ScanoutId, Frame),
    /// [`Display::disable`].
    Disable(ScanoutId),
    /// [`Display::cursor`].
    Cursor(ScanoutId, CursorUpdate),
    /// [`Display::set_grab`].
    SetGrab(Grab),
    /// [`Display::set_pointer_follows`].
    SetPointerFollows(bool),
    /// [`Display::set_leds`].
    SetLeds(Leds),
    /// [`Display::toggle_fullscreen`].
    ToggleFullscreen(ScanoutId),
}

/// Notes down what it is asked for.
#[derive(Debug, Default)]
pub struct RecordingDisplay {
    /// All calls since the last [`RecordingDisplay::take_calls`], oldest first.
    pub calls: Vec<Call>,
    /// What to answer to an import of a dma-buf: `None` takes it.
    pub refuse_dma_bufs: Option<Refused>,
    /// The buffers that were imported and not forgotten.
    pub buffers: HashMap<BufferId, (PixelLayout, PixelMemory)>,
}

impl RecordingDisplay {
    /// A display that takes everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The calls since the last time, oldest first.
    pub fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }

    /// The frames among the calls since the last time, which are forgotten.
    pub fn take_frames(&mut self) -> Vec<(ScanoutId, Frame)> {
        let frames = self.calls.drain(..).filter_map(|call| match call {
            Call::Present(scanout, frame) => Some((scanout, frame)),
            _ => None,
        });
        frames.collect()
    }
}

impl Display for RecordingDisplay {
    fn import(
        &mut self,
        buffer: BufferId,
        layout: PixelLayout,
        memory: PixelMemory,
    ) -> Result<(), Refused> {
        let dma_buf = !matches!(memory, PixelMemory::Shm { .. });
        self.calls.push(Call::Import {
            buffer,
            layout,
            dma_buf,
        });
        if let Some(refused) = self.refuse_dma_bufs
            && dma_buf
        {
            return Err(refused);
        }
        self.buffers.insert(buffer, (layout, memory));
        Ok(())
    }

    fn forget(&mut self, buffer: BufferId) {
        self.calls.push(Call::Forget(buffer));
        self.buffers.remove(&buffer);
    }

    fn present(&mut self, scanout: ScanoutId, frame: Frame) {
        self.calls.push(Call::Present(scanout, frame));
    }

    fn disable(&mut self, scanout: ScanoutId) {
        self.calls.push(Call::Disable(scanout));
    }

    fn cursor(&mut self, scanout: ScanoutId, update: CursorUpdate) {
        self.calls.push(Call::Cursor(scanout, update));
    }

    fn set_grab(&mut self, grab: Grab) {
        self.calls.push(Call::SetGrab(grab));
    }

    fn set_pointer_follows(&mut self, follows: bool) {
        self.calls.push(Call::SetPointerFollows(follows));
    }

    fn set_leds(&mut self, leds: Leds) {
        self.calls.push(Call::SetLeds(leds));
    }

    fn toggle_fullscreen(&mut self, scanout: ScanoutId) {
        self.calls.push(Call::ToggleFullscreen(scanout));
    }
}
