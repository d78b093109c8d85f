//! The front-end's requests: what it says about features, memory and rings, and what it gets
//! back.
//!
//! Holds the state of one connection. What a request means for the device process as a whole
//! (a reset, another memory, other kicks to listen to) is noted down in [`Changes`] and carried
//! out by [`crate::device`] after the request. Knows nothing of sockets, of the loop or of the
//! display.

use std::{fmt, fs::File, io, sync::Arc};

use protocols::virtio_gpu::SHM_ID_HOST_VISIBLE;
use vhost::vhost_user::{
    Backend, Error, GpuBackend, Result, VhostUserBackendReqHandlerMut,
    message::{
        VhostTransferStateDirection, VhostTransferStatePhase, VhostUserConfigFlags,
        VhostUserInflight, VhostUserLog, VhostUserMemoryRegion, VhostUserProtocolFeatures,
        VhostUserShMemConfig, VhostUserSharedMsg, VhostUserSingleMemoryRegion,
        VhostUserVringAddrFlags, VhostUserVringState,
    },
};

use super::{
    channel::Channel,
    device_type::DeviceType,
    dialect::Evidence,
    features::{self, Acked},
    memory_table::{MAX_SLOTS, MemoryTable},
    passed::Passed,
    queue::Broken,
    rings::Ring,
};

/// Where a region would be mapped, were the guest migrated to this device; never, here.
type RegionBase = u64;

/// What the device process has to do after a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// The driver is gone or another one comes: drop everything that the guest made.
    pub reset: bool,
    /// The guest's memory is mapped otherwise.
    pub memory: bool,
    /// Kick descriptors came or went.
    pub kicks: bool,
}

/// One front-end's view of a device of type `T`.
pub struct Handler<T: DeviceType> {
    /// In the order of their numbers.
    pub rings: [Ring<T::Chains>; 2],
    /// The guest's memory.
    pub memory: MemoryTable,
    /// The configuration space.
    pub config: T,
    /// Where configuration changes are announced, and host memory is offered.
    pub channel: Option<Channel>,
    /// What the VMM has been given to show to the guest, by whichever of the guest's devices: it
    /// announces to all of them what it has mapped.
    pub passed: Passed,
    /// The configuration has changed and the front-end doesn't know yet.
    pub config_changed: bool,
    /// How the front-end behaves.
    pub evidence: Evidence,
    changes: Changes,
    acked: Acked,
    /// QEMU expects the other end of this socket to stay open; nothing is ever said on it.
    gpu_socket: Option<GpuBackend>,
}

impl<T: DeviceType> Handler<T> {
    /// A device with this configuration space, seen by a front-end that has said nothing yet.
    ///
    /// # Errors
    /// None in practice, see [`Ring::new`].
    pub fn new(config: T) -> std::result::Result<Self, Broken> {
        let [first, second] = T::RINGS;
        Ok(Self {
            rings: [Ring::new(first)?, Ring::new(second)?],
            memory: MemoryTable::default(),
            config,
            channel: None,
            passed: Passed::default(),
            config_changed: false,
            evidence: Evidence::default(),
            changes: Changes::default(),
            acked: Acked::default(),
            gpu_socket: None,
        })
    }

    /// What is to be done, once.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Whether the front-end has started any ring: a guest's driver is at work.
    pub fn runs(&self) -> bool {
        self.rings.iter().any(Ring::runs)
    }

    /// Tells the front-end of a changed configuration, as soon as there is a driver that could be
    /// told: nothing may be sent while the guest is paused.
    pub fn announce_config(&mut self) {
        if !self.config_changed || !self.runs() {
            return;
        }
        if !self.evidence.abilities().resize {
            self.config_changed = false;
        } else if let Some(channel) = &self.channel {
            self.config_changed = !channel.config_changed();
        }
    }

    /// The channel for [`super::window`], where the front-end has a window for host memory.
    pub fn window_channel(&self) -> Option<&Channel> {
        let channel = self.channel.as_ref();
        channel.filter(|_| self.evidence.abilities().host_visible)
    }

    /// Whether what is announced as memory of the guest is what we gave to the front-end.
    fn is_ours(&self, file: &File) -> bool {
        self.passed.has(file)
    }

    fn ring(&mut self, index: u32) -> Result<&mut Ring<T::Chains>> {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        self.rings
            .get_mut(place)
            .ok_or_else(|| refuse(format_args!("there is no ring {index}")))
    }

    /// Another driver took over, or the old one starts anew.
    fn new_driver(&mut self) {
        self.rings.iter_mut().for_each(Ring::reset);
        self.config.reset();
        self.config_changed = false;
        self.changes.reset = true;
    }

    fn memory_changed(&mut self) {
        for ring in &mut self.rings {
            ring.memory_changed(self.memory.map());
        }
        self.evidence.identity_mapped = self.memory.is_identity_mapped();
        self.changes.memory = true;
    }

    fn disable_rings(&mut self) {
        self.rings
            .iter_mut()
            .for_each(|ring| ring.set_enabled(false));
    }
}

impl<T: DeviceType> fmt::Debug for Handler<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("rings", &self.rings)
            .field("evidence", &self.evidence)
            .finish_non_exhaustive()
    }
}

/// An error that is answered where the front-end wants an answer, and else only logged.
/// [`super::session`] knows by the variant that the connection can go on.
fn refuse(reason: impl fmt::Display) -> Error {
    Error::ReqHandlerError(io::Error::other(reason.to_string()))
}

/// The same for what is to be expected of a well-behaved front-end, and worth no warning.
fn decline(reason: &str) -> Error {
    Error::ReqHandlerError(io::Error::new(io::ErrorKind::Unsupported, reason))
}

impl<T: DeviceType> VhostUserBackendReqHandlerMut for Handler<T> {
    fn set_owner(&mut self) -> Result<()> {
        Ok(())
    }

    fn reset_owner(&mut self) -> Result<()> {
        // Deprecated; the one meaning that all front-ends agree on.
        self.disable_rings();
        Ok(())
    }

    fn reset_device(&mut self) -> Result<()> {
        self.disable_rings();
        self.new_driver();
        Ok(())
    }

    fn get_features(&mut self) -> Result<u64> {
        Ok(self.config.features() | features::TRANSPORT)
    }

    fn set_features(&mut self, features: u64) -> Result<()> {
        let acked = Acked::new(features).map_err(|bits| {
            refuse(format_args!(
                "feature bits {bits:#x} change what ring memory means; turn off packed rings and \
                 the IOMMU for this device"
            ))
        })?;
        let before = self.acked.driver();
        if before != 0 && before != acked.driver() && !self.runs() {
            self.new_driver();
        }
        self.acked = acked;
        self.evidence.blobs = acked.blobs();
        for ring in &mut self.rings {
            ring.set_features(acked);
            if !acked.enables_rings_by_message() {
                ring.set_enabled(true);
            }
        }
        Ok(())
    }

    fn set_mem_table(
        &mut self,
        regions: &[VhostUserMemoryRegion],
        files: Vec<File>,
        _postcopy: Option<bool>,
    ) -> Result<Option<Vec<RegionBase>>> {
        let (mut ram, mut ram_files) = (Vec::new(), Vec::new());
        for (region, file) in regions.iter().zip(files) {
            if !self.is_ours(&file) {
                ram.push(*region);
                ram_files.push(file);
            }
        }
        self.memory.replace(&ram, ram_files).map_err(refuse)?;
        self.memory_changed();
        Ok(None)
    }

    fn set_vring_num(&mut self, index: u32, size: u32) -> Result<()> {
        self.ring(index)?.set_size(size).map_err(refuse)
    }

    fn set_vring_addr(
        &mut self,
        index: u32,
        _flags: VhostUserVringAddrFlags,
        table: u64,
        used: u64,
        avail: u64,
        _log: u64,
    ) -> Result<()> {
        let mut guest = [table, avail, used];
        for address in &mut guest {
            *address = self.memory.guest_address(*address).ok_or_else(|| {
                refuse(format_args!(
                    "ring {index} lies at {address:#x}, outside of the memory"
                ))
            })?;
        }
        let map = Arc::clone(self.memory.map());
        self.ring(index)?.set_addresses(&map, guest).map_err(refuse)
    }

    fn set_vring_base(&mut self, index: u32, base: u32) -> Result<()> {
        let base = u16::try_from(base).map_err(refuse)?;
        // A single ring can be reset while the other one runs; that is no new driver.
        let alone = !self.runs();
        if self.ring(index)?.set_base(base) && alone {
            self.new_driver();
        }
        Ok(())
    }

    fn get_vring_base(&mut self, index: u32) -> Result<VhostUserVringState> {
        let map = Arc::clone(self.memory.map());
        // This request is answered with data, so an error could not be.
        let ring = self.ring(index).map_err(|_| Error::InvalidParam)?;
        let base = ring.stop(&map);
        self.changes.kicks = true;
        Ok(VhostUserVringState::new(index, base.into()))
    }

    fn set_vring_kick(&mut self, index: u8, fd: Option<File>) -> Result<()> {
        if fd.is_none() {
            return Err(refuse(
                "rings without a descriptor for kicks would have to be polled",
            ));
        }
        self.ring(index.into())?.set_kick(fd);
        self.changes.kicks = true;
        Ok(())
    }

    fn set_vring_call(&mut self, index: u8, fd: Option<File>) -> Result<()> {
        self.ring(index.into())?.set_call(fd);
        Ok(())
    }

    fn set_vring_err(&mut self, index: u8, fd: Option<File>) -> Result<()> {
        self.ring(index.into())?.set_error(fd);
        Ok(())
    }

    fn get_protocol_features(&mut self) -> Result<VhostUserProtocolFeatures> {
        Ok(features::protocol(self.config.window() > 0))
    }

    fn set_protocol_features(&mut self, features: u64) -> Result<()> {
        self.evidence.protocol = features;
        Ok(())
    }

    fn get_queue_num(&mut self) -> Result<u64> {
        Ok(2)
    }

    fn set_vring_enable(&mut self, index: u32, enable: bool) -> Result<()> {
        self.ring(index)?.set_enabled(enable);
        Ok(())
    }

    fn get_config(
        &mut self,
        offset: u32,
        size: u32,
        _flags: VhostUserConfigFlags,
    ) -> Result<Vec<u8>> {
        Ok(self.config.read(offset, size))
    }

    fn set_config(&mut self, offset: u32, bytes: &[u8], _: VhostUserConfigFlags) -> Result<()> {
        self.config_changed |= self.config.write(offset, bytes);
        Ok(())
    }

    fn set_backend_req_fd(&mut self, _backend: Backend) {
        // The crate can't send what this device has to say there, or waits for the answer; the
        // session gave us a channel of our own when it saw the descriptor pass.
        self.evidence.channel = self.channel.is_some();
    }

    fn set_gpu_socket(&mut self, socket: GpuBackend) -> Result<()> {
        self.evidence.gpu_socket = true;
        self.gpu_socket = Some(socket);
        Ok(())
    }

    fn get_shared_object(&mut self, _: VhostUserSharedMsg) -> Result<File> {
        Err(refuse("no objects are shared"))
    }

    fn get_inflight_fd(&mut self, _: &VhostUserInflight) -> Result<(VhostUserInflight, File)> {
        Err(Error::InvalidOperation(
            "in-flight descriptors are not recorded",
        ))
    }

    fn set_inflight_fd(&mut self, _: &VhostUserInflight, _: File) -> Result<()> {
        Err(refuse("in-flight descriptors are not recorded"))
    }

    fn get_max_mem_slots(&mut self) -> Result<u64> {
        Ok(MAX_SLOTS)
    }

    fn add_mem_region(
        &mut self,
        region: &VhostUserSingleMemoryRegion,
        file: File,
        _postcopy: Option<bool>,
    ) -> Result<Option<RegionBase>> {
        if self.is_ours(&file) {
            // QEMU 11.1 crashes at the start of the next driver if the guest is reset while we have
            // accepted any of these; a refusal costs it a line in its log. When a machine goes on
            // after a pause it would not start the device over one.
            if self.runs() {
                return Err(decline("host memory in the window is not the guest's RAM"));
            }
            self.memory.pass_over(region);
            return Ok(None);
        }
        self.memory.add(region, file).map_err(refuse)?;
        self.memory_changed();
        Ok(None)
    }

    fn remove_mem_region(&mut self, region: &VhostUserSingleMemoryRegion) -> Result<()> {
        if self.memory.remove(region).map_err(refuse)? {
            self.memory_changed();
        }
        Ok(())
    }

    fn set_device_state_fd(
        &mut self,
        _: VhostTransferStateDirection,
        _: VhostTransferStatePhase,
        _: File,
    ) -> Result<Option<File>> {
        Err(refuse("the device's state can't be migrated"))
    }

    fn check_device_state(&mut self) -> Result<()> {
        Err(refuse("the device's state can't be migrated"))
    }

    fn get_shmem_config(&mut self) -> Result<VhostUserShMemConfig> {
        let bytes = self.config.window();
        if bytes == 0 {
            return Ok(VhostUserShMemConfig::default());
        }
        self.evidence.regions = true;
        // One region, in the place of its number.
        let mut sizes = [0; 2];
        if let Some(size) = sizes.get_mut(usize::from(SHM_ID_HOST_VISIBLE)) {
            *size = bytes;
        }
        Ok(VhostUserShMemConfig::new(1, &sizes))
    }

    fn set_log_base(&mut self, _: &VhostUserLog, _: File) -> Result<()> {
        Err(refuse("the device does not log the memory that it writes"))
    }
}

#[cfg(test)]
mod tests;
