//! What the guest's hands need to know of its screens.

use protocols::virtio_gpu::Rect;

use super::Gpu;
use crate::display::ScanoutId;

impl Gpu {
    /// Where the guest's screens are, side by side as GET_DISPLAY_INFO offers them, each as large as
    /// what it shows: a guest that shows anything else than it was offered places its screens by
    /// that.
    pub fn screens(&self) -> Vec<(ScanoutId, Rect)> {
        let mut x = 0_u32;
        let offered = self.modes.display_info();
        let there = self.scanouts.iter().zip(offered);
        let there = there.filter(|(_, offered)| offered.enabled);
        there
            .map(|(scanout, offered)| {
                let shown = scanout.shown.map(|shown| shown.source);
                let size = shown.unwrap_or(offered.rect);
                let rect = Rect {
                    x,
                    y: 0,
                    width: size.width,
                    height: size.height,
                };
                x = x.saturating_add(size.width);
                (scanout.id, rect)
            })
            .collect()
    }

    /// Whether the guest shows its pointer on any of its screens.
    pub fn shows_pointer(&self) -> bool {
        let mut cursors = self.scanouts.iter().map(|scanout| scanout.cursor.state());
        cursors.any(|cursor| cursor.is_some_and(|cursor| cursor.visible))
    }
}
