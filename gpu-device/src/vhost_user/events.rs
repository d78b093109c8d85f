//! The rings of a virtio-input device: events go to the guest, and what it says of lights comes
//! back.
//!
//! A guest offers chains of eight bytes, and a chain is taken out of the event ring when there is an
//! event for it. A ring may be shorter than a frame (QEMU's has four entries): then the frame goes
//! in pieces, in order, as the guest offers chains again.

use protocols::virtio_input::{EVENT_SIZE, Event};
use vm_memory::GuestMemoryMmap;

use super::rings::{CHAINS_PER_TURN, Ring};

/// A ring of events.
pub type EventRing = Ring<()>;

/// Where events for the guest come from.
pub trait Events {
    /// The next one, if any.
    fn next(&self) -> Option<Event>;

    /// It is in the guest's ring.
    fn delivered(&mut self);
}

impl EventRing {
    /// Hands events to the guest, as many as it has offered chains for.
    pub fn deliver(&mut self, memory: &GuestMemoryMmap, events: &mut dyn Events) {
        let idle = events.next().is_none();
        if idle && !self.is_kicked() {
            return;
        }
        self.take_notice();
        let mut left = false;
        self.use_queue(memory, |queue, ()| {
            // Chains are looked for when there is an event; kicks for them would wake us for nothing.
            queue.pause_kicks()?;
            let mut unread = Vec::new();
            for _ in 0..CHAINS_PER_TURN {
                let Some(event) = events.next() else {
                    return Ok(());
                };
                match queue.pop(&mut unread, 0)? {
                    Some(chain) => {
                        let written = queue.complete(&chain, &event.encode())?;
                        // A chain without room for an event is the guest's loss, the event is not.
                        if usize::try_from(written).is_ok_and(|written| written == EVENT_SIZE) {
                            events.delivered();
                        }
                    }
                    None if !queue.resume_kicks()? => return Ok(()),
                    None => queue.pause_kicks()?,
                }
            }
            left = true;
            Ok(())
        });
        if left {
            self.look_at_it();
        }
    }

    /// Hears what the guest says, up to a bound; [`Ring::is_kicked`] tells whether there is more.
    pub fn hear(&mut self, memory: &GuestMemoryMmap, hear: &mut dyn FnMut(Event)) {
        let mut bytes = Vec::with_capacity(EVENT_SIZE);
        self.serve_chains(memory, &mut bytes, EVENT_SIZE, |queue, (), chain, bytes| {
            if let Some(event) = Event::decode(bytes).filter(|_| chain.readable) {
                hear(event);
            }
            queue.complete(&chain, &[]).map(drop)
        });
    }
}

#[cfg(test)]
mod tests;
