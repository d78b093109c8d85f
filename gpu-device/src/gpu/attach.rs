//! A guest that outlives what shows it.
//!
//! While no host is there the guest runs on: nothing is imported or copied, and its flushes are
//! answered at the even rate of hidden scanouts. The next host is given what the guest shows then,
//! whole, without waiting for the guest to draw.

use super::{Context, Gpu, imports::Owner, resources::Kind};

impl Gpu {
    /// The host is gone, and with it all that it knew: names of buffers, frames, windows, and what
    /// it refused. Modes and pointers stay as they are.
    ///
    /// A picture that only the host kept, of a guest whose driver has gone, is lost.
    pub fn host_gone(&mut self) {
        self.attached = false;
        for owner in self.imports.host_gone() {
            if let Owner::Kept(bytes) = owner {
                self.quota.give_bytes(bytes);
            }
        }
        for resource in self.resources.iter_mut() {
            match &mut resource.kind {
                Kind::Blob(blob) => blob.views.clear(),
                Kind::Host(host) => host.views.clear(),
                Kind::Picture(picture) => {
                    if let Some(slots) = picture.picture.slots_mut() {
                        slots.host_gone();
                    }
                }
            }
        }
        for scanout in &mut self.scanouts {
            if let Some(mut shadow) = scanout.shadow.take() {
                self.three_d.unused.extend(shadow.slots.take_lent());
                self.quota.give_bytes(shadow.slots.bytes());
            }
            scanout.host_gone();
        }
    }

    /// There is a host that has been told nothing yet: shows it what the guest shows.
    pub fn host_is_there(&mut self, context: &mut Context<'_>) {
        self.attached = true;
        self.take_back_lent(context);
        self.modes.another_host();
        for index in 0..self.scanouts.len() {
            if self.is_dark(index) {
                continue;
            }
            self.show_again(index, context);
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            if let Some(frame) = scanout.in_flight.back_mut() {
                // How long nobody was there is not how long a frame takes.
                frame.flushed_at = None;
            }
            if let Some(update) = scanout.cursor.again() {
                context.display.cursor(scanout.id, update);
            }
        }
    }
}
