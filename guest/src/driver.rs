//! The guest kernel's half: a virtio-gpu driver that sends commands and judges the answers.
//!
//! Owns the guest's memory, both queues and the requests that are under way. It knows how a
//! command travels, not what one does with a screen: that is [`crate::kms`]'s and
//! [`crate::habit`]'s.
//!
//! A request can be waited for ([`Driver::call`], [`Driver::order`]), picked up later
//! ([`Driver::submit`], [`Driver::wait`]) or left alone as Linux leaves most of them
//! ([`Driver::tell`], [`Driver::take_failures`]). A [`Volley`] of them, prepared once, can be sent again
//! and again.

mod answer;
mod commands;
mod error;
mod request;
mod three_d;
mod traffic;
mod volley;

use std::{collections::HashMap, path::Path, time::Duration};

use protocols::virtio_gpu::{
    Config, F_BLOB_ALIGNMENT, F_CONTEXT_INIT, F_EDID, F_RESOURCE_BLOB, F_RESOURCE_UUID, F_VIRGL,
};

pub(crate) use self::commands::scanout_blob;
use self::request::Request;
pub use self::{
    answer::Completion,
    commands::BlobImage,
    error::DriverError,
    request::ChainShape,
    three_d::{CapsetInfo, Piece, Texture, Timeline},
    volley::Volley,
};
use crate::{
    frontend::{Dialect, Frontend, QUEUES},
    ram::{Ram, RamOptions},
    virtqueue::{RingFeatures, Virtqueue},
};

/// `VIRTIO_F_INDIRECT_DESC` as a mask.
pub const INDIRECT_DESC: u64 = 1 << 28;
/// `VIRTIO_F_EVENT_IDX` as a mask.
pub const EVENT_IDX: u64 = 1 << 29;
/// `VIRTIO_F_VERSION_1` as a mask.
pub const VERSION_1: u64 = 1 << 32;

/// The features that Linux's driver takes, without those of 3D.
pub const LINUX_FEATURES: u64 = INDIRECT_DESC
    | EVENT_IDX
    | VERSION_1
    | 1 << F_EDID
    | 1 << F_RESOURCE_UUID
    | 1 << F_RESOURCE_BLOB
    | 1 << F_BLOB_ALIGNMENT;

/// The features that Linux's driver takes where there is 3D.
pub const LINUX_FEATURES_3D: u64 = LINUX_FEATURES | 1 << F_VIRGL | 1 << F_CONTEXT_INIT;

/// What a [`Driver`] is like.
#[derive(Debug, Clone, Copy)]
pub struct DriverOptions {
    /// The VMM it runs in.
    pub dialect: Dialect,
    /// The guest's memory.
    pub ram: RamOptions,
    /// How long to wait for the device to appear, and for an answer.
    pub timeout: Duration,
    /// The features to take where they are offered, as a mask.
    pub features: u64,
    /// How commands are laid out in a queue.
    pub shape: ChainShape,
    /// Entries of the two queues, instead of what the VMM has.
    pub queue_sizes: Option<[u16; QUEUES]>,
}

impl Default for DriverOptions {
    /// Linux in QEMU's generic device, with Linux's patience of 5 seconds.
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            ram: RamOptions::default(),
            timeout: Duration::from_secs(5),
            features: LINUX_FEATURES,
            shape: ChainShape::LINUX,
            queue_sizes: None,
        }
    }
}

/// Names a request that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// A virtio-gpu driver with its machine.
#[derive(Debug)]
pub struct Driver {
    frontend: Frontend,
    ram: Ram,
    queues: [Virtqueue; QUEUES],
    options: DriverOptions,
    /// Requests that the device has, by queue and head.
    under_way: HashMap<(usize, u16), Request>,
    /// What the device answered and somebody will ask for.
    finished: HashMap<Ticket, Completion>,
    /// What went wrong with requests that nobody waits for.
    failures: Vec<DriverError>,
    last_ticket: u64,
    last_fence: u64,
    last_resource: u32,
    last_context: u32,
    display_changed: bool,
    gone: bool,
}

impl Driver {
    /// Connects to the device at `socket`, gives it memory and queues, and starts it.
    ///
    /// # Errors
    /// There is no device, or it does not do what vhost-user asks of it.
    pub fn connect(socket: &Path, options: &DriverOptions) -> Result<Self, DriverError> {
        let frontend = Frontend::connect(socket, options.dialect, options.timeout)?;
        Self::start(frontend, options)
    }

    /// As [`Driver::connect`], with a connection that is there already.
    ///
    /// # Errors
    /// The device does not do what vhost-user asks of it.
    pub fn start(frontend: Frontend, options: &DriverOptions) -> Result<Self, DriverError> {
        let mut ram = Ram::new(&options.ram)?;
        let features = frontend.offered_features() & options.features;
        let ring = RingFeatures {
            event_idx: features & EVENT_IDX != 0,
        };
        let [control, cursor] = options
            .queue_sizes
            .unwrap_or_else(|| options.dialect.queue_sizes());
        let queues = [
            Virtqueue::new(&mut ram, control, ring)?,
            Virtqueue::new(&mut ram, cursor, ring)?,
        ];
        let mut driver = Self {
            frontend,
            ram,
            queues,
            options: *options,
            under_way: HashMap::new(),
            finished: HashMap::new(),
            failures: Vec::new(),
            last_ticket: 0,
            last_fence: 0,
            last_resource: 0,
            last_context: 0,
            display_changed: false,
            gone: false,
        };
        driver.start_device()?;
        Ok(driver)
    }

    fn start_device(&mut self) -> Result<(), DriverError> {
        let [control, cursor] = &self.queues;
        self.frontend
            .start(self.options.features, &self.ram, [control, cursor])?;
        Ok(())
    }

    /// The features that driver and device agreed on, as a mask.
    #[must_use]
    pub fn features(&self) -> u64 {
        self.frontend.features()
    }

    /// Whether a feature was agreed on; `bit` is its number, such as [`F_RESOURCE_BLOB`].
    #[must_use]
    pub fn has(&self, bit: u32) -> bool {
        self.features() >> bit & 1 != 0
    }

    /// The guest's memory.
    #[must_use]
    pub fn ram(&self) -> &Ram {
        &self.ram
    }

    /// The guest's memory, to allocate from, plug and unplug.
    pub fn ram_mut(&mut self) -> &mut Ram {
        &mut self.ram
    }

    /// The connection to the device.
    #[must_use]
    pub fn frontend(&self) -> &Frontend {
        &self.frontend
    }

    /// The connection to the device, for what the driver does not do by itself.
    pub fn frontend_mut(&mut self) -> &mut Frontend {
        &mut self.frontend
    }

    /// The options that the driver was made with.
    #[must_use]
    pub fn options(&self) -> &DriverOptions {
        &self.options
    }

    /// Changes how the following commands are laid out in a queue.
    pub fn set_shape(&mut self, shape: ChainShape) {
        self.options.shape = shape;
    }

    /// A queue's tables, for scripts that misbehave; `None` if there is no such queue.
    pub fn queue_mut(&mut self, queue: u16) -> Option<&mut Virtqueue> {
        self.queues.get_mut(usize::from(queue))
    }

    /// Tells the device of memory that was plugged or unplugged.
    ///
    /// # Errors
    /// The device refuses.
    pub fn update_memory(&mut self) -> Result<(), DriverError> {
        Ok(self.frontend.update_memory(&self.ram)?)
    }

    /// The VMM stops the machine, as for a snapshot.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn pause(&mut self) -> Result<(), DriverError> {
        Ok(self.frontend.pause()?)
    }

    /// The VMM lets the machine go on.
    ///
    /// # Errors
    /// The device refuses.
    pub fn resume(&mut self) -> Result<(), DriverError> {
        let [control, cursor] = &self.queues;
        Ok(self.frontend.resume([control, cursor])?)
    }

    /// Resets the device and starts it anew, as a reboot of the guest does. All requests under way
    /// are dropped; memory of resources stays allocated.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn reboot(&mut self) -> Result<(), DriverError> {
        self.reset()?;
        self.start_device()
    }

    /// Resets the device and leaves it alone.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn reset(&mut self) -> Result<(), DriverError> {
        self.frontend.reset()?;
        for queue in &mut self.queues {
            queue.clear()?;
        }
        for (_, request) in self.under_way.drain() {
            request.free(&mut self.ram);
        }
        self.finished.clear();
        self.last_resource = 0;
        self.last_context = 0;
        Ok(())
    }

    /// The device's configuration space.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn config(&mut self) -> Result<Config, DriverError> {
        Ok(self.frontend.read_config()?)
    }

    /// Clears events, as a driver does once it has dealt with them.
    ///
    /// # Errors
    /// The device does not take it.
    pub fn clear_events(&mut self, events: u32) -> Result<(), DriverError> {
        let offset = usize::try_from(Config::EVENTS_CLEAR_OFFSET).unwrap_or(4);
        Ok(self
            .frontend
            .write_config_bytes(offset, &events.to_le_bytes())?)
    }

    /// Whether the device has announced a change since the last call.
    pub fn take_display_changed(&mut self) -> bool {
        std::mem::take(&mut self.display_changed)
    }

    /// The errors of requests that nobody waited for, oldest first.
    pub fn take_failures(&mut self) -> Vec<DriverError> {
        std::mem::take(&mut self.failures)
    }

    /// A resource id that was not used since the last reset; Linux never uses one twice.
    pub fn new_resource_id(&mut self) -> u32 {
        self.last_resource += 1;
        self.last_resource
    }

    /// Requests that the device has not answered.
    #[must_use]
    pub fn requests_under_way(&self) -> usize {
        self.under_way.len()
    }
}

#[cfg(test)]
mod tests;
