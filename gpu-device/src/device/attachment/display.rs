//! What the core asks of the host, passed on while there is one.

use super::Attachment;
use crate::{
    device::HostDisplay,
    display::{
        BufferId, CursorUpdate, Display, Frame, PixelLayout, PixelMemory, Refused, ScanoutId,
    },
    input::{Grab, Leds},
};

impl<D: HostDisplay + 'static> Display for Attachment<D> {
    fn import(
        &mut self,
        buffer: BufferId,
        layout: PixelLayout,
        memory: PixelMemory,
    ) -> Result<(), Refused> {
        match self.shown() {
            Some(display) => display.import(buffer, layout, memory),
            None => Ok(()),
        }
    }

    fn forget(&mut self, buffer: BufferId) {
        if let Some(display) = self.shown() {
            display.forget(buffer);
        }
    }

    fn present(&mut self, scanout: ScanoutId, frame: Frame) {
        self.has_frame = true;
        if let Some(display) = self.shown() {
            display.present(scanout, frame);
        }
    }

    fn disable(&mut self, scanout: ScanoutId) {
        if let Some(display) = self.shown() {
            display.disable(scanout);
        }
    }

    fn cursor(&mut self, scanout: ScanoutId, update: CursorUpdate) {
        if let Some(display) = self.shown() {
            display.cursor(scanout, update);
        }
    }

    fn set_grab(&mut self, grab: Grab) {
        if let Some(display) = self.shown() {
            display.set_grab(grab);
        }
    }

    fn set_pointer_follows(&mut self, follows: bool) {
        if let Some(display) = self.shown() {
            display.set_pointer_follows(follows);
        }
    }

    fn set_leds(&mut self, leds: Leds) {
        if let Some(display) = self.shown() {
            display.set_leds(leds);
        }
    }

    fn toggle_fullscreen(&mut self, scanout: ScanoutId) {
        if let Some(display) = self.shown() {
            display.toggle_fullscreen(scanout);
        }
    }
}
