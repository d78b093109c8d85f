//! How VMMs differ as vhost-user front-ends. Data only; [`super::Frontend`] acts on it.
//!
//! Seen with QEMU 11.1 and read in crosvm (2026) and Linux's `arch/um/drivers/virtio_uml.c`.

use vhost::vhost_user::message::VhostUserProtocolFeatures as Protocol;

/// The VMM that the software guest pretends to run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// QEMU's `vhost-user-gpu-pci`: a display socket comes first, resets are announced, events
    /// from the device are refused, blobs are never offered to the guest.
    QemuGpu,
    /// QEMU's generic device (`vhost-user-test-device-pci,virtio-id=16`): the device's features
    /// and events reach the guest; a reset looks like a pause.
    #[default]
    QemuGeneric,
    /// crosvm: very long rings, no indirect descriptors, all memory in one message.
    Crosvm,
    /// User Mode Linux: everything is acknowledged, calls come through a pipe, rings are never
    /// read back.
    Uml,
}

/// How the device learns that its driver went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    /// Rings are stopped and read back, then RESET_DEVICE is sent, twice.
    Announced,
    /// Rings are stopped and read back.
    LooksLikePause,
    /// Rings are disabled, in reverse order, and features are asked for again.
    DisabledOnly,
}

/// Where the device is told that memory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserAddresses {
    /// At the addresses where this process has mapped it.
    Mapped,
    /// At the guest-physical addresses.
    Physical,
}

impl Dialect {
    /// All dialects, for tests that go through them.
    pub const ALL: [Self; 4] = [Self::QemuGpu, Self::QemuGeneric, Self::Crosvm, Self::Uml];

    /// Entries of the control queue and of the cursor queue.
    #[must_use]
    pub const fn queue_sizes(self) -> [u16; 2] {
        match self {
            Self::QemuGpu => [64, 16],
            Self::QemuGeneric | Self::Uml => [256, 256],
            Self::Crosvm => [32768, 32768],
        }
    }

    /// Whether an event of the device (a new size of the window) reaches the guest.
    #[must_use]
    pub const fn forwards_events(self) -> bool {
        !matches!(self, Self::QemuGpu)
    }

    /// Which of the device's virtio features the VMM lets through to the guest.
    pub(super) const fn feature_filter(self) -> u64 {
        match self {
            // VIRGL, EDID and RESOURCE_UUID; everything about blobs is missing.
            Self::QemuGpu => !(1 << 3 | 1 << 4 | 1 << 5),
            Self::QemuGeneric | Self::Uml => !0,
            // Device-specific bits, VERSION_1 and EVENT_IDX.
            Self::Crosvm => 0x00ff_ffff | 1 << 32 | 1 << 29,
        }
    }

    /// Which protocol features the VMM takes if they are offered.
    pub(super) fn protocol_features(self) -> Protocol {
        let common = Protocol::MQ | Protocol::REPLY_ACK | Protocol::BACKEND_REQ | Protocol::CONFIG;
        let slots = Protocol::BACKEND_SEND_FD | Protocol::CONFIGURE_MEM_SLOTS | Protocol::STATUS;
        match self {
            Self::QemuGpu => common | slots | Protocol::RESET_DEVICE | Protocol::SHMEM,
            Self::QemuGeneric => common | slots | Protocol::SHMEM,
            Self::Crosvm => common | Protocol::DEVICE_STATE | Protocol::SHMEM,
            Self::Uml => common,
        }
    }

    /// Whether the guest gets a window for host memory, and the device is asked how large it is to be.
    /// QEMU's `vhost-user-gpu-pci` acknowledges that it could, and goes no further.
    #[must_use]
    pub const fn has_window(self) -> bool {
        matches!(self, Self::QemuGeneric | Self::Crosvm)
    }

    /// Whether a reset of the device empties that window.
    pub(super) const fn empties_window(self) -> bool {
        !matches!(self, Self::Crosvm)
    }

    pub(super) const fn has_display_socket(self) -> bool {
        matches!(self, Self::QemuGpu)
    }

    pub(super) const fn acknowledges_everything(self) -> bool {
        matches!(self, Self::Uml)
    }

    pub(super) const fn calls_by_pipe(self) -> bool {
        matches!(self, Self::Uml)
    }

    /// Whether the VMM has a copy of the configuration space: the guest's access to one field
    /// reaches the device as one to everything.
    pub(super) const fn knows_config_size(self) -> bool {
        matches!(self, Self::QemuGpu | Self::QemuGeneric)
    }

    /// Whether reads of the configuration space always start at its beginning.
    pub(super) const fn reads_config_from_start(self) -> bool {
        !matches!(self, Self::Crosvm)
    }

    pub(super) const fn reset(self) -> Reset {
        match self {
            Self::QemuGpu => Reset::Announced,
            Self::QemuGeneric | Self::Crosvm => Reset::LooksLikePause,
            Self::Uml => Reset::DisabledOnly,
        }
    }

    pub(super) const fn user_addresses(self) -> UserAddresses {
        match self {
            Self::Uml => UserAddresses::Physical,
            _ => UserAddresses::Mapped,
        }
    }
}
