use std::os::unix::net::UnixStream;

use protocols::virtio_gpu::{EVENT_DISPLAY, F_EDID};
use rustix::event::{EventfdFlags, eventfd};

use super::*;
use crate::vhost_user::{
    config_space::ConfigSpace,
    dialect::Dialect,
    testing::{DriverRing, Ram},
};

const USER: u64 = 0x7f00_0000_0000;
const FEATURES: u64 = 1 << 30 | 1 << 32;

/// A handler and the guest memory that its front-end shares, at another user address.
struct Fixture {
    handler: Handler<ConfigSpace>,
    ram: Ram,
    drivers: [DriverRing; 2],
}

impl Fixture {
    fn new() -> Self {
        let ram = Ram::new(0, 1 << 20);
        let drivers = [
            DriverRing::new(&ram, 0x1000, 16),
            DriverRing::new(&ram, 0x4000, 16),
        ];
        let mut handler = Handler::new(ConfigSpace::new(1)).unwrap();
        handler
            .set_protocol_features(features::protocol(true).bits())
            .unwrap();
        handler
            .add_mem_region(&Self::region(), ram.file.try_clone().unwrap(), None)
            .unwrap();
        handler.take_changes();
        Self {
            handler,
            ram,
            drivers,
        }
    }

    fn region() -> VhostUserSingleMemoryRegion {
        VhostUserSingleMemoryRegion::new(0, 1 << 20, USER, 0)
    }

    /// What a front-end sends when a driver starts or goes on.
    fn start(&mut self, bases: [u32; 2]) {
        self.handler.set_features(FEATURES).unwrap();
        for (index, base) in (0_u8..).zip(bases) {
            self.start_ring(index, base);
        }
        self.enable(true);
    }

    fn start_ring(&mut self, index: u8, base: u32) {
        let ring = &self.drivers[usize::from(index)];
        let (table, used, avail) = (
            USER + ring.table_address(),
            USER + ring.used_address(),
            USER + ring.avail_address(),
        );
        let kick = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let handler = &mut self.handler;
        handler.set_vring_num(index.into(), 16).unwrap();
        handler.set_vring_base(index.into(), base).unwrap();
        let flags = VhostUserVringAddrFlags::empty();
        handler
            .set_vring_addr(index.into(), flags, table, used, avail, 0)
            .unwrap();
        handler.set_vring_kick(index, Some(kick.into())).unwrap();
    }

    fn enable(&mut self, on: bool) {
        for index in 0..2 {
            self.handler.set_vring_enable(index, on).unwrap();
        }
    }

    /// The driver sends one command on the control ring.
    fn command(&mut self) {
        let head = self.drivers[0].chain(&[(0x8000, 24, 0)]);
        self.drivers[0].offer(head);
        let mut scratch = super::super::commands::Scratch::default();
        self.handler.rings[0].look_at_it();
        self.handler.rings[0].serve(&self.ram.map, &mut scratch, &mut |_, _| {
            crate::gpu::Reply::Now(protocols::virtio_gpu::Response::OkNodata)
        });
    }

    fn stop(&mut self) -> [u32; 2] {
        self.enable(false);
        [0, 1].map(|index| self.handler.get_vring_base(index).unwrap().num)
    }

    fn was_reset(&mut self) -> bool {
        self.handler.take_changes().reset
    }
}

#[test]
fn a_pause_is_no_reset() {
    let mut fixture = Fixture::new();
    fixture.start([0, 0]);
    fixture.command();
    let bases = fixture.stop();
    assert_eq!(bases, [1, 0]);
    assert!(!fixture.handler.runs());
    fixture.start(bases);
    assert!(fixture.handler.runs());
    assert!(!fixture.was_reset());
}

#[test]
fn a_reset_that_looks_like_a_pause_shows_in_the_next_base() {
    let mut fixture = Fixture::new();
    fixture.start([0, 0]);
    fixture.command();
    fixture.stop();
    assert!(!fixture.was_reset());
    fixture.start([0, 0]);
    assert!(fixture.was_reset());
}

#[test]
fn user_mode_linux_probes_again_without_stopping() {
    let mut fixture = Fixture::new();
    fixture.start([0, 0]);
    fixture.command();
    fixture.enable(false);
    fixture.start([0, 0]);
    assert!(fixture.was_reset());
    fixture.command();
    assert!(!fixture.was_reset());
}

#[test]
fn a_single_ring_can_be_reset_while_the_other_runs() {
    let mut fixture = Fixture::new();
    fixture.start([0, 0]);
    fixture.command();
    fixture.handler.get_vring_base(0).unwrap();
    fixture.start_ring(0, 0);
    assert!(!fixture.was_reset());
}

#[test]
fn other_features_mean_another_driver() {
    let mut fixture = Fixture::new();
    fixture.start([0, 0]);
    // The log bit of a migration is not the driver's.
    fixture.handler.set_features(FEATURES | 1 << 26).unwrap();
    fixture.stop();
    fixture.handler.set_features(FEATURES).unwrap();
    assert!(!fixture.was_reset());
    fixture
        .handler
        .set_features(FEATURES | 1 << F_EDID)
        .unwrap();
    assert!(fixture.was_reset());
}

#[test]
fn a_device_reset_stops_the_rings() {
    let mut fixture = Fixture::new();
    fixture.start([0, 0]);
    fixture.handler.reset_device().unwrap();
    assert!(fixture.was_reset());
    assert!(!fixture.handler.runs());
    fixture.start([0, 0]);
    assert!(fixture.handler.runs());
    assert!(!fixture.was_reset());
}

#[test]
fn without_protocol_features_rings_start_enabled() {
    let mut fixture = Fixture::new();
    fixture.handler.set_features(1 << 32).unwrap();
    fixture.start_ring(0, 0);
    assert!(fixture.handler.rings[0].runs());
}

#[test]
fn refused_requests_leave_the_connection_usable() {
    let mut fixture = Fixture::new();
    let flags = VhostUserVringAddrFlags::empty();
    let handler = &mut fixture.handler;
    let refused = [
        handler.set_features(1 << 34),
        handler.set_vring_num(0, 3),
        handler.set_vring_num(0, 65536),
        handler.set_vring_num(2, 16),
        handler.set_vring_base(0, 65536),
        handler.set_vring_addr(0, flags, USER - 16, USER, USER, 0),
        handler.set_vring_enable(7, true),
        handler.set_vring_kick(9, None),
        handler
            .add_mem_region(
                &Fixture::region(),
                fixture.ram.file.try_clone().unwrap(),
                None,
            )
            .map(drop),
    ];
    for outcome in refused {
        assert!(
            matches!(outcome, Err(Error::ReqHandlerError(_))),
            "{outcome:?}"
        );
    }
    // A request that is answered with data can't be refused: the connection ends.
    assert!(matches!(
        handler.get_vring_base(2),
        Err(Error::InvalidParam)
    ));
}

#[test]
fn memory_may_go_and_come_back_under_running_rings() {
    let mut fixture = Fixture::new();
    fixture.start([0, 0]);
    fixture
        .handler
        .remove_mem_region(&Fixture::region())
        .unwrap();
    assert!(!fixture.handler.runs());
    let file = fixture.ram.file.try_clone().unwrap();
    fixture
        .handler
        .add_mem_region(&Fixture::region(), file, None)
        .unwrap();
    assert!(fixture.handler.runs());
    let changes = fixture.handler.take_changes();
    assert!(changes.memory && !changes.reset);
}

#[test]
fn host_memory_that_is_announced_as_the_guests_is_not_taken_for_it() {
    let mut fixture = Fixture::new();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    // Another of the guest's devices has given it away.
    let channel = Channel::new(ours.into());
    fixture.handler.passed = channel.passed.clone();
    fixture.start([0, 0]);
    fixture.handler.take_changes();
    let blob = Ram::new(0, 1 << 16).file;
    let place = VhostUserSingleMemoryRegion::new(0xe000_0000, 1 << 16, USER - (1 << 16), 0);
    let identity = channel.passed.add(&blob).unwrap();

    let announced = blob.try_clone().unwrap();
    let declined = fixture.handler.add_mem_region(&place, announced, None);
    assert!(matches!(declined, Err(Error::ReqHandlerError(_))));
    assert!(!fixture.was_reset());
    // In a pause it is borne with, and forgotten once it is taken away.
    fixture.stop();
    fixture.handler.take_changes();
    let handler = &mut fixture.handler;
    handler
        .add_mem_region(&place, blob.try_clone().unwrap(), None)
        .unwrap();
    assert!(!handler.take_changes().memory);
    assert!(handler.memory.guest_address(USER - 1).is_none());
    handler.remove_mem_region(&place).unwrap();
    assert!(!handler.take_changes().memory);
    assert!(handler.remove_mem_region(&place).is_err());

    let ram = fixture.ram.file.try_clone().unwrap();
    handler
        .set_mem_table(
            &[*Fixture::region(), *place],
            vec![ram, blob.try_clone().unwrap()],
            None,
        )
        .unwrap();
    assert!(handler.take_changes().memory);
    assert_eq!(handler.memory.guest_address(USER), Some(0));
    assert!(handler.memory.guest_address(USER - 1).is_none());

    channel.passed.forget(identity);
    handler.add_mem_region(&place, blob, None).unwrap();
    assert!(
        handler.take_changes().memory,
        "any other file is the guest's"
    );
}

#[test]
fn without_a_window_nothing_of_shared_memory_is_offered() {
    let mut handler = Handler::new(ConfigSpace::new(1)).unwrap();
    let offered = handler.get_protocol_features().unwrap();
    assert!(!offered.contains(VhostUserProtocolFeatures::SHMEM));
    assert_eq!(handler.get_shmem_config().unwrap().nregions, 0);
    assert!(!handler.evidence.regions);
}

#[test]
fn a_window_is_the_region_of_its_number_and_exists_for_those_who_asked() {
    let mut handler = Handler::new(ConfigSpace::new(1).with_window(1 << 28)).unwrap();
    let offered = handler.get_protocol_features().unwrap();
    assert!(offered.contains(VhostUserProtocolFeatures::SHMEM));
    handler.set_protocol_features(offered.bits()).unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    handler.channel = Some(Channel::new(ours.into()));
    handler.evidence.channel = true;
    assert!(
        handler.window_channel().is_none(),
        "QEMU's vhost-user-gpu-pci goes so far"
    );

    let regions = handler.get_shmem_config().unwrap();
    assert_eq!(regions.nregions, 1);
    assert_eq!(regions.memory_sizes[..3], [0, 1 << 28, 0]);
    assert!(handler.window_channel().is_some());
}

#[test]
fn a_configuration_change_waits_for_a_driver() {
    let mut fixture = Fixture::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let heard = || {
        let mut message = [0; 64];
        io::Read::read(&mut &theirs, &mut message).unwrap_or(0)
    };
    fixture.handler.channel = Some(Channel::new(ours.into()));
    fixture.handler.evidence.channel = true;
    fixture.handler.config.raise_display_event();
    fixture.handler.config_changed = true;
    fixture.handler.announce_config();
    assert_eq!(heard(), 0);

    fixture.start([0, 0]);
    fixture.handler.announce_config();
    assert_eq!(heard(), 12);
    fixture.handler.announce_config();
    assert_eq!(heard(), 0);

    // The driver clears what changed again meanwhile: it is told once more.
    let flags = VhostUserConfigFlags::empty();
    fixture
        .handler
        .set_config(4, &EVENT_DISPLAY.to_le_bytes(), flags)
        .unwrap();
    fixture.handler.announce_config();
    assert_eq!(heard(), 12);
}

#[test]
fn the_gpu_socket_marks_a_front_end_that_takes_no_configuration_change() {
    let mut fixture = Fixture::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    fixture.handler.channel = Some(Channel::new(ours.into()));
    fixture.handler.evidence.channel = true;
    for _ in 0..2 {
        let (gpu, _theirs) = UnixStream::pair().unwrap();
        fixture
            .handler
            .set_gpu_socket(GpuBackend::from_stream(gpu))
            .unwrap();
    }
    assert_eq!(
        fixture.handler.evidence.dialect(),
        Dialect::QemuVhostUserGpu
    );
    fixture.start([0, 0]);
    fixture.handler.config_changed = true;
    fixture.handler.announce_config();
    theirs.set_nonblocking(true).unwrap();
    assert!(io::Read::read(&mut &theirs, &mut [0; 12]).is_err());
}
