//! The guest kernel's driver of an input device: it asks what the device can do, gives it buffers
//! for events, and takes whole frames out of them.
//!
//! Owns the guest's memory and both queues of one device. It does what Linux's `virtio_input.c`
//! does, in that order, and keeps the little that evdev keeps: which keys are down. What an event
//! means is not its business.

mod error;
mod identity;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    path::Path,
    time::{Duration, Instant},
};

use protocols::virtio_input::{
    CONFIG_SIZE, EV_KEY, EV_LED, EV_SYN, EVENT_QUEUE, EVENT_SIZE, Event, STATUS_QUEUE, SYN_REPORT,
};

pub use self::{error::InputError, identity::Identity};
use crate::{
    driver::{EVENT_IDX, INDIRECT_DESC, VERSION_1},
    frontend::{Dialect, Frontend, QUEUES},
    ram::{Block, Ram, RamOptions},
    virtqueue::{RingFeatures, Segment, Virtqueue},
};

/// The most event buffers that Linux gives a device, however long the queue is.
const LINUX_BUFFERS: u16 = 64;

/// Bytes of an event, as lengths of buffers are counted.
const EVENT_LENGTH: u32 = 8;

const EVENTS: usize = EVENT_QUEUE as usize;
const STATUS: usize = STATUS_QUEUE as usize;

/// What an [`InputDriver`] is like.
#[derive(Debug, Clone, Copy)]
pub struct InputOptions {
    /// The VMM it runs in; QEMU has its input devices from the same base as its generic one.
    pub dialect: Dialect,
    /// The guest's memory.
    pub ram: RamOptions,
    /// How long to wait for the device to appear, and for an answer.
    pub timeout: Duration,
    /// Entries of both queues; Linux gives the device as many buffers, up to 64.
    pub queue_size: u16,
}

impl Default for InputOptions {
    /// Linux in QEMU, whose queues have 4 entries.
    fn default() -> Self {
        Self {
            dialect: Dialect::QemuGeneric,
            ram: RamOptions {
                size: 1 << 20,
                ..RamOptions::default()
            },
            timeout: Duration::from_secs(5),
            queue_size: 4,
        }
    }
}

/// A virtio-input driver with its machine.
#[derive(Debug)]
pub struct InputDriver {
    frontend: Frontend,
    ram: Ram,
    queues: [Virtqueue; QUEUES],
    options: InputOptions,
    identity: Identity,
    /// Where events go to, one after the other.
    buffers: Block,
    /// Where status events lie until the device has taken them.
    outgoing: Block,
    /// The place in `buffers` of each chain that the device has.
    posted: HashMap<u16, u16>,
    /// Places that the device has not got back.
    kept: Vec<u16>,
    holds: bool,
    /// Events of a frame that is not whole yet.
    partial: Vec<Event>,
    frames: VecDeque<Vec<Event>>,
    down: BTreeSet<u16>,
    gone: bool,
}

impl InputDriver {
    /// Connects to the device at `socket`, asks what it is, and gives it buffers.
    ///
    /// # Errors
    /// There is no device, or it does not do what vhost-user and virtio-input ask of it.
    pub fn connect(socket: &Path, options: &InputOptions) -> Result<Self, InputError> {
        let frontend = Frontend::connect(socket, options.dialect, options.timeout)?;
        Self::start(frontend, options)
    }

    /// As [`InputDriver::connect`], with a connection that is there already.
    ///
    /// # Errors
    /// As there.
    pub fn start(frontend: Frontend, options: &InputOptions) -> Result<Self, InputError> {
        let mut frontend = frontend.with_config_size(CONFIG_SIZE);
        let identity = Identity::read(&mut frontend)?;
        let mut ram = Ram::new(&options.ram)?;
        let ring = RingFeatures {
            event_idx: frontend.offered_features() & EVENT_IDX != 0,
        };
        let queues = [
            Virtqueue::new(&mut ram, options.queue_size, ring)?,
            Virtqueue::new(&mut ram, options.queue_size, ring)?,
        ];
        let room = u64::from(options.queue_size) * u64::from(EVENT_LENGTH);
        let (buffers, outgoing) = (ram.allocate(room)?, ram.allocate(room)?);
        let mut driver = Self {
            frontend,
            ram,
            queues,
            options: *options,
            identity,
            buffers,
            outgoing,
            posted: HashMap::new(),
            kept: Vec::new(),
            holds: false,
            partial: Vec::new(),
            frames: VecDeque::new(),
            down: BTreeSet::new(),
            gone: false,
        };
        driver.start_device()?;
        Ok(driver)
    }

    fn start_device(&mut self) -> Result<(), InputError> {
        let [events, status] = &self.queues;
        let features = VERSION_1 | INDIRECT_DESC | EVENT_IDX;
        self.frontend.start(features, &self.ram, [events, status])?;
        self.kept = (0..self.options.queue_size.min(LINUX_BUFFERS)).collect();
        self.post()
    }

    /// What the device says that it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The keys and buttons that are down, by what has arrived.
    #[must_use]
    pub fn down(&self) -> &BTreeSet<u16> {
        &self.down
    }

    /// The connection to the device, for what the driver does not do by itself.
    pub fn frontend_mut(&mut self) -> &mut Frontend {
        &mut self.frontend
    }

    /// The guest's memory, to allocate from.
    pub fn ram_mut(&mut self) -> &mut Ram {
        &mut self.ram
    }

    /// A queue's tables, for scripts that misbehave; `None` if there is no such queue.
    pub fn queue_mut(&mut self, queue: u16) -> Option<&mut Virtqueue> {
        self.queues.get_mut(usize::from(queue))
    }

    /// The next frame, without the event that ends it. Waits for it as long as the options say.
    ///
    /// # Errors
    /// None comes, or what comes is no event.
    pub fn frame(&mut self) -> Result<Vec<Event>, InputError> {
        let deadline = Instant::now() + self.options.timeout;
        loop {
            self.reap()?;
            if let Some(frame) = self.frames.pop_front() {
                return Ok(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(InputError::Timeout {
                    what: "frame of events",
                    after: self.options.timeout,
                });
            }
            self.wait(left)?;
        }
    }

    /// A frame that has arrived already.
    ///
    /// # Errors
    /// What arrived is no event.
    pub fn try_frame(&mut self) -> Result<Option<Vec<Event>>, InputError> {
        self.reap()?;
        Ok(self.frames.pop_front())
    }

    /// Whether buffers with events are kept, as by a guest that is busy: the device gets none
    /// back until this is over.
    ///
    /// # Errors
    /// The queue's memory is gone.
    pub fn hold(&mut self, holds: bool) -> Result<(), InputError> {
        self.holds = holds;
        self.reap()?;
        self.post()
    }

    /// Switches a light of the keyboard, `LED_*`, and waits until the device has heard of it.
    ///
    /// # Errors
    /// The device does not take it in time.
    pub fn set_led(&mut self, code: u16, on: bool) -> Result<(), InputError> {
        self.send_status(Event {
            kind: EV_LED,
            code,
            value: on.into(),
        })
    }

    /// Sends an event of any kind to the device, and waits until it was taken.
    ///
    /// # Errors
    /// The device does not take it in time.
    pub fn send_status(&mut self, event: Event) -> Result<(), InputError> {
        let address = self.outgoing.address;
        self.ram.write(address, &event.encode())?;
        let segment = Segment {
            address,
            length: EVENT_LENGTH,
            writable: false,
        };
        if let Some(queue) = self.queues.get_mut(STATUS) {
            queue.push(&[segment], None)?;
        }
        self.kick(STATUS)?;
        let deadline = Instant::now() + self.options.timeout;
        loop {
            self.reap()?;
            let taken = |queue: &Virtqueue| queue.in_flight() == 0;
            if self.queues.get(STATUS).is_none_or(taken) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(InputError::Timeout {
                    what: "word that a status was taken",
                    after: self.options.timeout,
                });
            }
            self.wait(left)?;
        }
    }

    /// The VMM stops the machine, as for a snapshot.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn pause(&mut self) -> Result<(), InputError> {
        Ok(self.frontend.pause()?)
    }

    /// The VMM lets the machine go on.
    ///
    /// # Errors
    /// The device refuses.
    pub fn resume(&mut self) -> Result<(), InputError> {
        let [events, status] = &self.queues;
        Ok(self.frontend.resume([events, status])?)
    }

    /// Resets the device and starts it anew with empty rings, as Linux does when the guest wakes
    /// up. What had arrived is forgotten, and so are the keys that were down.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn restart(&mut self) -> Result<(), InputError> {
        self.frontend.reset()?;
        for queue in &mut self.queues {
            queue.clear()?;
        }
        self.posted.clear();
        self.partial.clear();
        self.frames.clear();
        self.down.clear();
        self.start_device()
    }

    /// Gives the device the buffers that it does not have.
    fn post(&mut self) -> Result<(), InputError> {
        if self.holds {
            return Ok(());
        }
        let Some(queue) = self.queues.get_mut(EVENTS) else {
            return Ok(());
        };
        for place in self.kept.drain(..) {
            let segment = Segment {
                address: self.buffers.address + u64::from(place) * u64::from(EVENT_LENGTH),
                length: EVENT_LENGTH,
                writable: true,
            };
            let head = queue.push(&[segment], None)?;
            self.posted.insert(head, place);
        }
        self.kick(EVENTS)
    }

    fn kick(&mut self, index: usize) -> Result<(), InputError> {
        if let Some(queue) = self.queues.get_mut(index)
            && queue.needs_kick()?
        {
            self.frontend.kick(index)?;
        }
        Ok(())
    }

    /// Waits until the device does something.
    fn wait(&mut self, timeout: Duration) -> Result<(), InputError> {
        let mut news = false;
        for queue in &mut self.queues {
            news |= queue.ask_for_call()?;
        }
        if self.gone && !news {
            return Err(InputError::Gone);
        }
        let timeout = if news { Duration::ZERO } else { timeout };
        let activity = self.frontend.wait(timeout)?;
        self.gone |= activity.hung_up;
        Ok(())
    }

    /// Takes what the device has finished, and gives its buffers back.
    fn reap(&mut self) -> Result<(), InputError> {
        while let Some(used) = match self.queues.get_mut(EVENTS) {
            Some(queue) => queue.pop_used()?,
            None => None,
        } {
            let Some(place) = self.posted.remove(&used.head) else {
                continue;
            };
            self.kept.push(place);
            if used.length != EVENT_LENGTH {
                return Err(InputError::BadEvent {
                    length: used.length,
                });
            }
            let mut bytes = [0; EVENT_SIZE];
            let address = self.buffers.address + u64::from(place) * u64::from(EVENT_LENGTH);
            self.ram.read(address, &mut bytes)?;
            self.take(Event::decode(&bytes).unwrap_or_default());
        }
        if let Some(queue) = self.queues.get_mut(STATUS) {
            while queue.pop_used()?.is_some() {}
        }
        self.post()
    }

    fn take(&mut self, event: Event) {
        match (event.kind, event.code, event.value) {
            (EV_SYN, SYN_REPORT, _) => self.frames.push_back(std::mem::take(&mut self.partial)),
            (kind, code, value) => {
                if kind == EV_KEY && value == 0 {
                    self.down.remove(&code);
                } else if kind == EV_KEY {
                    self.down.insert(code);
                }
                self.partial.push(event);
            }
        }
    }
}

#[cfg(test)]
mod tests;
