//! What the device offers to the front-end: virtio feature bits and vhost-user protocol features.
//!
//! The bits of virtio-gpu itself come from [`crate::gpu::offered`], which the core derives from
//! what it implements; the bits here are the transport's. Nothing else in the crate names one.

use protocols::virtio_gpu::F_RESOURCE_BLOB;
use vhost::vhost_user::message::VhostUserProtocolFeatures;
use virtio_bindings::{
    virtio_config::{
        VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_NOTIFY_ON_EMPTY, VIRTIO_F_RING_PACKED,
        VIRTIO_F_RING_RESET, VIRTIO_F_VERSION_1,
    },
    virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC},
};

/// `VHOST_USER_F_PROTOCOL_FEATURES`: a bit between front-end and back-end that no guest sees.
const PROTOCOL_FEATURES: u32 = 30;

/// `VHOST_F_LOG_ALL`: comes and goes with a migration while the driver stays the same.
const LOG_ALL: u32 = 26;

/// The transport's bits. QEMU's `vhost-user-gpu-pci` lets the guest negotiate its own transport
/// defaults without asking whether the back-end offers them, so each of those is offered.
pub const TRANSPORT: u64 = 1 << VIRTIO_F_NOTIFY_ON_EMPTY
    | 1 << VIRTIO_RING_F_INDIRECT_DESC
    | 1 << VIRTIO_RING_F_EVENT_IDX
    | 1 << PROTOCOL_FEATURES
    | 1 << VIRTIO_F_VERSION_1
    | 1 << VIRTIO_F_RING_RESET;

/// Bits that change what ring memory means. A driver that uses one unasked can't be served:
/// packed rings have another layout, and with `ACCESS_PLATFORM` addresses are not guest-physical.
const IMPOSSIBLE: u64 = 1 << VIRTIO_F_RING_PACKED | 1 << VIRTIO_F_ACCESS_PLATFORM;

/// The vhost-user protocol features.
///
/// `SHMEM` and what it needs only with a window: a front-end that takes it asks for the regions, and
/// QEMU gives its virtual machine another PCI resource.
///
/// Left out on purpose: `INBAND_NOTIFICATIONS` (User Mode Linux would send kicks as messages),
/// `INFLIGHT_SHMFD` and `STATUS`, which this device does not implement.
pub fn protocol(window: bool) -> VhostUserProtocolFeatures {
    let memory = match window {
        true => VhostUserProtocolFeatures::SHMEM | VhostUserProtocolFeatures::BACKEND_SEND_FD,
        false => VhostUserProtocolFeatures::empty(),
    };
    memory
        | VhostUserProtocolFeatures::MQ
        | VhostUserProtocolFeatures::REPLY_ACK
        | VhostUserProtocolFeatures::BACKEND_REQ
        | VhostUserProtocolFeatures::CONFIG
        | VhostUserProtocolFeatures::RESET_DEVICE
        | VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS
}

/// Virtio features as the front-end acknowledged them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acked(u64);

impl Acked {
    /// Judges an acknowledgement. Unknown bits are kept: front-ends pass on bits of their own.
    ///
    /// # Errors
    /// The bits that make the rings unreadable for this device.
    pub fn new(bits: u64) -> Result<Self, u64> {
        match bits & IMPOSSIBLE {
            0 => Ok(Self(bits)),
            impossible => Err(impossible),
        }
    }

    /// All bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// What the guest's driver chose, without what the front-end adds for itself.
    pub fn driver(self) -> u64 {
        self.0 & !(1 << PROTOCOL_FEATURES | 1 << LOG_ALL)
    }

    /// Whether the driver shows its own memory (`RESOURCE_BLOB`).
    pub fn blobs(self) -> bool {
        self.0 & (1 << F_RESOURCE_BLOB) != 0
    }

    /// Whether rings start out disabled, to be enabled by `SET_VRING_ENABLE`.
    pub fn enables_rings_by_message(self) -> bool {
        self.0 & (1 << PROTOCOL_FEATURES) != 0
    }

    /// Whether kicks and calls are suppressed by index instead of by flag.
    pub fn event_idx(self) -> bool {
        self.0 & (1 << VIRTIO_RING_F_EVENT_IDX) != 0
    }

    /// Whether a drained ring is worth a call even if the driver asked for none.
    pub fn notify_on_empty(self) -> bool {
        self.0 & (1 << VIRTIO_F_NOTIFY_ON_EMPTY) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_bits_are_tolerated_and_impossible_ones_refused() {
        let legacy_any_layout = 1 << 27;
        assert!(Acked::new(TRANSPORT | legacy_any_layout).is_ok());
        assert_eq!(Acked::new(1 << 32 | 1 << 34), Err(1 << 34));
        assert_eq!(Acked::new(1 << 33), Err(1 << 33));
    }

    #[test]
    fn what_the_front_end_adds_is_not_the_drivers_choice() {
        let paused = Acked::new(1 << 32 | 1 << 29).unwrap();
        let migrating = Acked::new(1 << 32 | 1 << 30 | 1 << 29 | 1 << 26).unwrap();
        assert_eq!(paused.driver(), migrating.driver());
        assert!(migrating.enables_rings_by_message());
        assert!(!paused.enables_rings_by_message());
    }

    #[test]
    fn features_that_would_not_work_are_not_offered() {
        for absent in [
            VhostUserProtocolFeatures::INBAND_NOTIFICATIONS,
            VhostUserProtocolFeatures::INFLIGHT_SHMFD,
            VhostUserProtocolFeatures::STATUS,
            VhostUserProtocolFeatures::GET_VRING_BASE_INFLIGHT,
            VhostUserProtocolFeatures::GPA_ADDRESSES,
        ] {
            assert!(!protocol(true).intersects(absent), "{absent:?}");
        }
        assert!(!protocol(false).intersects(VhostUserProtocolFeatures::SHMEM));
        assert!(protocol(true).contains(VhostUserProtocolFeatures::SHMEM));
        assert_eq!(TRANSPORT & IMPOSSIBLE, 0);
    }
}
