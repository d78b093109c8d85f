//! A VMM with a guest in it: an independent implementation of the front-end (crate `vhost`), a
//! driver's rings, and the message orders that were seen on the wire.

use std::{
    io::{IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
};

use protocols::virtio_gpu::{Command, Header, Response};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use vhost::{
    VhostBackend, VhostUserMemoryRegionInfo, VringConfigData,
    vhost_user::{
        Frontend, VhostUserFrontend, VhostUserProtocolFeatures,
        message::{VhostUserConfigFlags, VhostUserHeaderFlag},
    },
};
use vmm_sys_util::{
    epoll::{ControlOperation, Epoll, EpollEvent, EventSet},
    eventfd::{EFD_NONBLOCK, EventFd},
};

use super::fixture::{Device, PATIENCE};
use crate::vhost_user::testing::{DriverRing, Ram, WRITE};

const RAM: u64 = 1 << 20;
const RINGS: [u64; 2] = [0x1000, 0x4000];
const RING_SIZE: u16 = 64;
/// Where a chain's request is, and 1024 bytes further its answer; one such place for each head.
const BUFFERS: u64 = 0x2_0000;
const ANSWER: u64 = 1024;
const BUFFER: u64 = 4096;

/// What the guest's driver takes of the offered features.
const DRIVER: u64 = 1 << 32 | 1 << 29 | 1 << 28 | 1 << 1 | 1 << 3;

/// A VMM and its guest.
pub struct Vmm {
    /// The guest's memory.
    pub ram: Ram,
    /// The driver's rings: control, cursor.
    pub rings: [DriverRing; 2],
    front: Frontend,
    socket: UnixStream,
    user: u64,
    kicks: [EventFd; 2],
    calls: [EventFd; 2],
    called: Epoll,
    channel: Option<UnixStream>,
    gpu_socket: Option<UnixStream>,
}

fn event() -> EventFd {
    EventFd::new(EFD_NONBLOCK).unwrap()
}

impl Vmm {
    /// Connects, with guest memory from address 0 at some other address of the VMM.
    pub fn connect(device: &Device) -> Self {
        Self::connect_at(device, 0, 0x7f00_0000_0000)
    }

    /// Connects with guest memory at these addresses of the guest and of the VMM.
    pub fn connect_at(device: &Device, guest: u64, user: u64) -> Self {
        Self::over(UnixStream::connect(&device.socket).unwrap(), guest, user)
    }

    /// As [`Vmm::connect_at`], over a connection that is there.
    pub fn over(socket: UnixStream, guest: u64, user: u64) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let front = Frontend::from_stream(socket.try_clone().unwrap(), 2);
        let ram = Ram::new(guest, RAM);
        let rings = RINGS.map(|place| DriverRing::new(&ram, guest + place, RING_SIZE));
        let (kicks, calls) = ([event(), event()], [event(), event()]);
        let called = Epoll::new().unwrap();
        for call in &calls {
            let fd = call.as_raw_fd();
            let interest = EpollEvent::new(EventSet::IN, fd.try_into().unwrap());
            called.ctl(ControlOperation::Add, fd, interest).unwrap();
        }
        Self {
            ram,
            rings,
            front,
            socket,
            user,
            kicks,
            calls,
            called,
            channel: None,
            gpu_socket: None,
        }
    }

    /// Starts a driver as QEMU's generic device does, with a channel for requests of the device.
    pub fn start_generic(&mut self) {
        if self.channel.is_none() {
            self.negotiate(
                VhostUserProtocolFeatures::MQ
                    | VhostUserProtocolFeatures::REPLY_ACK
                    | VhostUserProtocolFeatures::CONFIG
                    | VhostUserProtocolFeatures::BACKEND_REQ
                    | VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS,
            );
            self.front.set_features(DRIVER | 1 << 30).unwrap();
            assert!(self.front.get_max_mem_slots().unwrap() >= 8);
            self.front.add_mem_region(&self.region()).unwrap();
        } else {
            self.front.set_features(DRIVER | 1 << 30).unwrap();
        }
        self.fresh_rings();
        (0..2).for_each(|index| self.start_ring(index, 0));
        self.enable(true);
    }

    /// Starts a driver as QEMU 11.1's `vhost-user-gpu-pci` does for EDK2, which sets up the
    /// control ring only.
    pub fn start_qemu_gpu(&mut self, bases: [u16; 2]) {
        let first = self.channel.is_none();
        if first {
            self.negotiate(VhostUserProtocolFeatures::from_bits_retain(
                0x40_ffff & !(1 << 14),
            ));
            assert_eq!(self.config(8), 2);
        }
        self.front.set_features(1 << 30).unwrap();
        self.front.reset_device().unwrap();
        self.fresh_rings();
        self.go_on_qemu_gpu_with(bases, first);
    }

    /// Goes on after [`Vmm::pause`] as `vhost-user-gpu-pci` does: memory is not sent again.
    pub fn go_on_qemu_gpu(&mut self, bases: [u16; 2]) {
        self.go_on_qemu_gpu_with(bases, false);
    }

    fn go_on_qemu_gpu_with(&mut self, bases: [u16; 2], memory: bool) {
        self.set_gpu_socket();
        self.set_calls();
        // What QEMU offers its guests without asking: also 24, 27 and 40.
        let unasked = 1 << 24 | 1 << 27 | 1 << 40;
        self.front.set_features(DRIVER | unasked | 1 << 30).unwrap();
        if memory {
            self.front.add_mem_region(&self.region()).unwrap();
        }
        self.start_ring(0, bases[0]);
        self.enable(true);
        self.set_calls();
    }

    /// Pauses the guest; returns where the control ring stopped.
    pub fn pause(&mut self) -> u16 {
        self.enable(false);
        u16::try_from(self.front.get_vring_base(0).unwrap()).unwrap()
    }

    /// Starts a driver as User Mode Linux does.
    pub fn start_uml(&mut self) {
        self.negotiate(
            VhostUserProtocolFeatures::MQ
                | VhostUserProtocolFeatures::REPLY_ACK
                | VhostUserProtocolFeatures::BACKEND_REQ
                | VhostUserProtocolFeatures::CONFIG,
        );
        self.front.set_features(DRIVER | 1 << 30).unwrap();
        self.share_memory();
        (0..2).for_each(|index| self.start_ring(index, 0));
        self.enable(true);
    }

    /// Unloads and loads the driver as User Mode Linux does: nothing is stopped.
    pub fn probe_again_uml(&mut self) {
        self.enable(false);
        self.front.get_features().unwrap();
        self.front.set_features(DRIVER | 1 << 30).unwrap();
        self.fresh_rings();
        (0..2).for_each(|index| self.start_ring(index, 0));
        self.enable(true);
    }

    fn negotiate(&mut self, wanted: VhostUserProtocolFeatures) {
        self.front.set_owner().unwrap();
        let features = self.front.get_features().unwrap();
        assert_ne!(features & 1 << 30, 0);
        // Acknowledged before the driver is there, so that the crate lets protocol features pass.
        self.front.set_features(features & (1 << 30)).unwrap();
        let offered = self.front.get_protocol_features().unwrap();
        self.front.set_protocol_features(wanted & offered).unwrap();
        self.front.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        assert_eq!(self.front.get_queue_num().unwrap(), 2);
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        self.front.set_backend_request_fd(&theirs).unwrap();
        self.channel = Some(ours);
    }

    fn region(&self) -> VhostUserMemoryRegionInfo {
        VhostUserMemoryRegionInfo {
            guest_phys_addr: self.ram.start,
            memory_size: self.ram.len,
            userspace_addr: self.user,
            mmap_offset: 0,
            mmap_handle: self.ram.file.as_raw_fd(),
        }
    }

    /// Sends the whole memory table, again.
    pub fn share_memory(&mut self) {
        self.front.set_mem_table(&[self.region()]).unwrap();
    }

    fn fresh_rings(&mut self) {
        self.rings =
            RINGS.map(|place| DriverRing::new(&self.ram, self.ram.start + place, RING_SIZE));
    }

    fn start_ring(&mut self, index: usize, base: u16) {
        let ring = &self.rings[index];
        let to_user = |guest: u64| guest - self.ram.start + self.user;
        let addresses = VringConfigData {
            queue_max_size: RING_SIZE,
            queue_size: RING_SIZE,
            flags: 0,
            desc_table_addr: to_user(ring.table_address()),
            used_ring_addr: to_user(ring.used_address()),
            avail_ring_addr: to_user(ring.avail_address()),
            log_addr: None,
        };
        self.front.set_vring_num(index, RING_SIZE).unwrap();
        self.front.set_vring_base(index, base).unwrap();
        self.front.set_vring_addr(index, &addresses).unwrap();
        self.front
            .set_vring_call(index, &self.calls[index])
            .unwrap();
        self.front
            .set_vring_kick(index, &self.kicks[index])
            .unwrap();
    }

    fn set_calls(&mut self) {
        for (index, call) in self.calls.iter().enumerate() {
            self.front.set_vring_call(index, call).unwrap();
        }
    }

    fn enable(&mut self, on: bool) {
        (0..2).for_each(|index| self.front.set_vring_enable(index, on).unwrap());
    }

    /// `GPU_SET_SOCKET`, which the crate's front-end doesn't know; the old socket is closed first.
    fn set_gpu_socket(&mut self) {
        self.gpu_socket = None;
        let (ours, theirs) = UnixStream::pair().unwrap();
        let message: Vec<u8> = [33_u32, 1, 0]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [theirs.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        let flags = SendFlags::empty();
        sendmsg(&self.socket, &[IoSlice::new(&message)], &mut control, flags).unwrap();
        self.gpu_socket = Some(ours);
    }

    /// Writes raw bytes to the device's socket.
    pub fn say(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// Reads raw bytes from the device's socket.
    pub fn hear(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next message of the device on its own channel.
    pub fn channel_message(&mut self) -> [u8; 12] {
        let mut message = [0; 12];
        self.channel
            .as_mut()
            .unwrap()
            .read_exact(&mut message)
            .unwrap();
        message
    }

    /// A word of the configuration space.
    pub fn config(&mut self, offset: u32) -> u32 {
        let flags = VhostUserConfigFlags::WRITABLE;
        let (_, bytes) = self.front.get_config(offset, 4, flags, &[0; 4]).unwrap();
        u32::from_ne_bytes(bytes.try_into().unwrap())
    }

    /// Writes a word of the configuration space.
    pub fn set_config(&mut self, offset: u32, value: u32) {
        let flags = VhostUserConfigFlags::WRITABLE;
        self.front
            .set_config(offset, flags, &value.to_ne_bytes())
            .unwrap();
    }

    /// Kicks a ring.
    pub fn kick(&self, index: usize) {
        self.kicks[index].write(1).unwrap();
    }

    /// Sends a command on the control ring without waiting for its answer.
    pub fn submit(&mut self, header: Header, command: &Command) {
        let mut bytes = Vec::new();
        command.encode(&header, &mut bytes);
        // The head decides where the buffers are, so it is asked for first.
        let ring = &mut self.rings[0];
        let head = ring.next_head();
        let place = self.ram.start + BUFFERS + BUFFER * u64::from(head / 2);
        self.ram.write(place, &bytes);
        let len = u32::try_from(bytes.len()).unwrap();
        let chain = ring.chain(&[(place, len, 0), (place + ANSWER, 3072, WRITE)]);
        assert_eq!(chain, head);
        ring.offer(head);
        self.kick(0);
    }

    /// Sends a command on the control ring and returns its answer.
    pub fn command(&mut self, header: Header, command: &Command) -> Response {
        self.submit(header, command);
        self.wait_for_answer().1
    }

    /// The next answer on the control ring.
    pub fn wait_for_answer(&mut self) -> (Header, Response) {
        let used = self.wait_for_used(0);
        self.answer(used)
    }

    /// The next answer on the control ring, if there is one by now.
    pub fn answer_is_due(&mut self) -> Option<(Header, Response)> {
        let used = self.rings[0].take_used()?;
        Some(self.answer(used))
    }

    fn answer(&self, (head, len): (u32, u32)) -> (Header, Response) {
        let place = self.ram.start + BUFFERS + BUFFER * u64::from(head / 2) + ANSWER;
        Response::decode(&self.ram.read(place, usize::try_from(len).unwrap())).unwrap()
    }

    /// Sends a command on the cursor ring; returns the length of the answer.
    pub fn cursor_command(&mut self, command: &Command) -> u32 {
        let mut bytes = Vec::new();
        command.encode(&Header::default(), &mut bytes);
        let place = self.ram.start + 0x6_0000;
        self.ram.write(place, &bytes);
        let head = self.rings[1].chain(&[(place, u32::try_from(bytes.len()).unwrap(), 0)]);
        self.rings[1].offer(head);
        self.kick(1);
        self.wait_for_used(1).1
    }

    /// Waits until the device has answered something on a ring, and has called for it.
    pub fn wait_for_used(&mut self, index: usize) -> (u32, u32) {
        let timeout = i32::try_from(PATIENCE.as_millis()).unwrap();
        loop {
            self.rings[index].want_call();
            if let Some(used) = self.rings[index].take_used() {
                return used;
            }
            let mut events = [EpollEvent::default(); 2];
            if self.called.wait(timeout, &mut events).unwrap() == 0 {
                panic!("the device does not answer");
            }
            for call in &self.calls {
                let _ = call.read();
            }
        }
    }
}
