//! The life of the rings and of the guest's memory at the device: start, pause, go on, reset,
//! memory hot-plug. The order of the messages is that of the [`super::Dialect`].

use std::{
    fs::File,
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
};

use vhost::vhost_user::message::{
    FrontendReq, VhostUserMemory, VhostUserMemoryRegion, VhostUserProtocolFeatures as Protocol,
    VhostUserSingleMemoryRegion, VhostUserVringAddr, VhostUserVringAddrFlags, VhostUserVringState,
};
use vm_memory::ByteValued;

use super::{
    Frontend, FrontendError, PROTOCOL_FEATURES_BIT, QUEUES, State,
    dialect::{Reset, UserAddresses},
    io_at,
};
use crate::{ram::Ram, virtqueue::Virtqueue};

/// `VIRTIO_CONFIG_S_FEATURES_OK`, the only status that QEMU tells a device.
const STATUS_FEATURES_OK: u64 = 8;

/// A region of guest memory that the device has.
#[derive(Debug)]
pub(super) struct KnownRegion {
    start: u64,
    size: u64,
    user_address: u64,
    file_offset: u64,
    file: File,
}

impl KnownRegion {
    fn single(&self) -> VhostUserSingleMemoryRegion {
        VhostUserSingleMemoryRegion::new(self.start, self.size, self.user_address, self.file_offset)
    }
}

impl Frontend {
    /// The driver is ready: hands features, memory and queues to the device and starts them at
    /// index 0.
    ///
    /// # Errors
    /// The device refuses, or memory lies outside of `ram`.
    pub fn start(
        &mut self,
        features: u64,
        ram: &Ram,
        queues: [&Virtqueue; QUEUES],
    ) -> Result<(), FrontendError> {
        self.features = features & self.offered_features();
        self.open_display_socket()?;
        self.send_features()?;
        self.update_memory(ram)?;
        self.start_rings(queues, [0; QUEUES])
    }

    /// The VMM stops the machine. The guest, its memory and its resources stay as they are.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn pause(&mut self) -> Result<(), FrontendError> {
        let bases = self.stop_rings()?;
        self.close_display_socket();
        self.state = State::Paused { bases };
        Ok(())
    }

    /// The VMM lets the machine go on after [`Frontend::pause`].
    ///
    /// # Errors
    /// The device refuses.
    pub fn resume(&mut self, queues: [&Virtqueue; QUEUES]) -> Result<(), FrontendError> {
        let State::Paused { bases } = self.state else {
            return Ok(());
        };
        self.open_display_socket()?;
        self.send_features()?;
        self.start_rings(queues, bases)
    }

    /// The guest resets the device, as when it boots again. [`Frontend::start`] may follow.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn reset(&mut self) -> Result<(), FrontendError> {
        match self.dialect.reset() {
            Reset::DisabledOnly => {
                for index in (0..QUEUES).rev() {
                    self.set_ring(FrontendReq::SET_VRING_ENABLE, index, 0)?;
                }
                self.channel.ask_u64(FrontendReq::GET_FEATURES)?;
            }
            Reset::LooksLikePause => {
                self.stop_rings()?;
            }
            Reset::Announced => {
                self.stop_rings()?;
                self.close_display_socket();
                if self.protocol.contains(Protocol::RESET_DEVICE) {
                    self.set(FrontendReq::RESET_DEVICE, &[], &[])?;
                    self.set(FrontendReq::RESET_DEVICE, &[], &[])?;
                }
            }
        }
        if self.dialect.empties_window() {
            self.window.clear();
        }
        self.state = State::Reset;
        self.features = 0;
        Ok(())
    }

    /// Tells the device which memory there is now: only the differences where it can take them
    /// one by one, else all of it.
    ///
    /// # Errors
    /// The device refuses.
    pub fn update_memory(&mut self, ram: &Ram) -> Result<(), FrontendError> {
        let now = self.regions_of(ram)?;
        let before = std::mem::take(&mut self.regions);
        if self.protocol.contains(Protocol::CONFIGURE_MEM_SLOTS) {
            for gone in before.iter().filter(|old| !has(&now, old)) {
                self.set_acknowledged(FrontendReq::REM_MEM_REG, gone.single().as_slice(), &[])?;
            }
            for new in now.iter().filter(|new| !has(&before, new)) {
                self.set_acknowledged(
                    FrontendReq::ADD_MEM_REG,
                    new.single().as_slice(),
                    &[new.file.as_fd()],
                )?;
            }
        } else {
            self.set_memory_table(&now)?;
        }
        self.regions = now;
        Ok(())
    }

    fn set_memory_table(&self, regions: &[KnownRegion]) -> Result<(), FrontendError> {
        let count = u32::try_from(regions.len()).unwrap_or(u32::MAX);
        let mut payload = VhostUserMemory::new(count).as_slice().to_vec();
        for region in regions {
            let region = VhostUserMemoryRegion::new(
                region.start,
                region.size,
                region.user_address,
                region.file_offset,
            );
            payload.extend_from_slice(region.as_slice());
        }
        let files: Vec<_> = regions.iter().map(|region| region.file.as_fd()).collect();
        self.set_acknowledged(FrontendReq::SET_MEM_TABLE, &payload, &files)
    }

    fn regions_of(&self, ram: &Ram) -> Result<Vec<KnownRegion>, FrontendError> {
        let known = |region: crate::ram::Region<'_>| {
            Ok(KnownRegion {
                start: region.start,
                size: region.size,
                user_address: match self.dialect.user_addresses() {
                    UserAddresses::Mapped => region.mapped_at,
                    UserAddresses::Physical => region.start,
                },
                file_offset: region.file_offset,
                file: io_at("the memory's file", region.file.try_clone())?,
            })
        };
        ram.regions().into_iter().map(known).collect()
    }

    fn open_display_socket(&mut self) -> Result<(), FrontendError> {
        if !self.dialect.has_display_socket() {
            return Ok(());
        }
        let (ours, theirs) = io_at("GPU_SET_SOCKET", UnixStream::pair())?;
        self.channel
            .send(FrontendReq::GPU_SET_SOCKET, &[], &[theirs.as_fd()])?;
        if let Some(display) = &self.display {
            let end = io_at("the display socket", ours.try_clone())?;
            // A display that has gone reads nothing, like none.
            let _ = display.send(end);
        }
        self.display_socket = Some(ours);
        self.send_calls()
    }

    /// Whoever plays the display has a descriptor of its own for the same socket.
    fn close_display_socket(&mut self) {
        if let Some(socket) = self.display_socket.take() {
            // One that the device has closed already is no less closed.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn send_features(&self) -> Result<(), FrontendError> {
        let features = self.features | PROTOCOL_FEATURES_BIT;
        self.set(FrontendReq::SET_FEATURES, &features.to_ne_bytes(), &[])?;
        if self.protocol.contains(Protocol::STATUS) {
            let status = self.channel.ask_u64(FrontendReq::GET_STATUS)? | STATUS_FEATURES_OK;
            self.set(FrontendReq::SET_STATUS, &status.to_ne_bytes(), &[])?;
        }
        Ok(())
    }

    fn start_rings(
        &mut self,
        queues: [&Virtqueue; QUEUES],
        bases: [u16; QUEUES],
    ) -> Result<(), FrontendError> {
        if self.dialect.calls_by_pipe() {
            self.send_calls()?;
        }
        for (index, (queue, base)) in queues.into_iter().zip(bases).enumerate() {
            self.set_ring(FrontendReq::SET_VRING_NUM, index, queue.size())?;
            self.set_ring(FrontendReq::SET_VRING_BASE, index, base)?;
            let addresses = self.ring_addresses(index, queue)?;
            self.set(FrontendReq::SET_VRING_ADDR, addresses.as_slice(), &[])?;
            self.send_kick(index)?;
        }
        for index in 0..QUEUES {
            self.set_ring(FrontendReq::SET_VRING_ENABLE, index, 1)?;
        }
        if !self.dialect.calls_by_pipe() {
            self.send_calls()?;
        }
        self.state = State::Running;
        Ok(())
    }

    /// Stops the rings; returns where the device will go on.
    fn stop_rings(&self) -> Result<[u16; QUEUES], FrontendError> {
        let mut bases = [0; QUEUES];
        if self.state != State::Running {
            return Ok(bases);
        }
        for index in 0..QUEUES {
            self.set_ring(FrontendReq::SET_VRING_ENABLE, index, 0)?;
        }
        for (index, base) in bases.iter_mut().enumerate() {
            *base = self.ring_base(index)?;
        }
        self.send_calls()?;
        Ok(bases)
    }

    fn ring_base(&self, index: usize) -> Result<u16, FrontendError> {
        let request = FrontendReq::GET_VRING_BASE;
        let reply = self.channel.ask(request, ring_state(index, 0).as_slice())?;
        match reply.as_slice() {
            [i0, _, _, _, b0, b1, 0, 0] if usize::from(*i0) == index => {
                Ok(u16::from_ne_bytes([*b0, *b1]))
            }
            _ => Err(FrontendError::WrongReply {
                request: format!("{request:?}"),
                what: format!("{reply:?}"),
            }),
        }
    }

    fn ring_addresses(
        &self,
        index: usize,
        queue: &Virtqueue,
    ) -> Result<VhostUserVringAddr, FrontendError> {
        Ok(VhostUserVringAddr::new(
            queue_number(index),
            VhostUserVringAddrFlags::empty(),
            self.user_address(queue.descriptor_table())?,
            self.user_address(queue.used_ring())?,
            self.user_address(queue.available_ring())?,
            0,
        ))
    }

    /// Where the device was told that a guest-physical address is.
    fn user_address(&self, address: u64) -> Result<u64, FrontendError> {
        self.regions
            .iter()
            .find_map(|region| {
                let offset = address.checked_sub(region.start)?;
                (offset < region.size).then_some(region.user_address + offset)
            })
            .ok_or(FrontendError::UnknownAddress { address })
    }

    fn set_ring(
        &self,
        request: FrontendReq,
        index: usize,
        number: u16,
    ) -> Result<(), FrontendError> {
        self.set(request, ring_state(index, number).as_slice(), &[])
    }

    fn send_kick(&self, index: usize) -> Result<(), FrontendError> {
        let Some(kick) = self.kicks.get(index) else {
            return Ok(());
        };
        let number = u64::from(queue_number(index)).to_ne_bytes();
        self.set(FrontendReq::SET_VRING_KICK, &number, &[kick.as_fd()])
    }

    pub(super) fn send_calls(&self) -> Result<(), FrontendError> {
        for (index, call) in self.calls.iter().enumerate() {
            let number = u64::from(queue_number(index)).to_ne_bytes();
            self.set(FrontendReq::SET_VRING_CALL, &number, &[call.for_device()])?;
        }
        Ok(())
    }
}

fn has(regions: &[KnownRegion], wanted: &KnownRegion) -> bool {
    regions.iter().any(|region| {
        (region.start, region.size, region.user_address)
            == (wanted.start, wanted.size, wanted.user_address)
    })
}

fn ring_state(index: usize, number: u16) -> VhostUserVringState {
    VhostUserVringState::new(queue_number(index), number.into())
}

fn queue_number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
