//! Which VMM's dialect of vhost-user the front-end speaks, and what that dialect can't do.
//!
//! A dialect is named from what was seen on the wire, never from what is usual. What it can do is
//! derived from what was negotiated; the one thing that only the name tells is that
//! `vhost-user-gpu-pci` refuses configuration changes.

use std::fmt;

use vhost::vhost_user::message::VhostUserProtocolFeatures;

/// Without answers nobody would know when the guest may look at what was mapped.
const MAPPING: VhostUserProtocolFeatures =
    VhostUserProtocolFeatures::SHMEM.union(VhostUserProtocolFeatures::REPLY_ACK);

/// Bits 20 and 21, which `SHMEM` had before it was given 22. They mean something else now, and this
/// device never offers them.
const DRAFTS_OF_SHMEM: VhostUserProtocolFeatures =
    VhostUserProtocolFeatures::GET_VRING_BASE_INFLIGHT
        .union(VhostUserProtocolFeatures::GPA_ADDRESSES);

/// A front-end's way of speaking vhost-user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// QEMU's `vhost-user-gpu-pci` and `vhost-user-vga`: sends `GPU_SET_SOCKET` whenever the
    /// driver starts, and owns the number of scanouts and the display event itself.
    QemuVhostUserGpu,
    /// User Mode Linux: guest addresses are the kernel's own addresses.
    UserModeLinux,
    /// Any other: QEMU's generic device, crosvm, cloud-hypervisor, libkrun, Lucarne's own tests.
    Generic,
}

impl Dialect {
    /// The name for logs and statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::QemuVhostUserGpu => "qemu-vhost-user-gpu",
            Self::UserModeLinux => "user-mode-linux",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a guest gets through this front-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// The guest may show its own memory without a copy (`RESOURCE_BLOB`).
    pub blobs: bool,
    /// The guest can be told of another window size or monitor while it runs.
    pub resize: bool,
    /// The guest may see host memory ([`super::window`]).
    pub host_visible: bool,
}

/// What has been seen of a front-end so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence {
    /// It sent `GPU_SET_SOCKET`.
    pub gpu_socket: bool,
    /// All of its memory lies at the same guest and user address.
    pub identity_mapped: bool,
    /// The protocol features that it acknowledged.
    pub protocol: u64,
    /// It gave a channel for requests of the back-end.
    pub channel: bool,
    /// The driver uses guest blobs.
    pub blobs: bool,
    /// It asked which regions of shared memory there are. QEMU's `vhost-user-gpu-pci` acknowledges
    /// `SHMEM` as well, never asks, and has no window.
    pub regions: bool,
}

impl Evidence {
    /// The dialect, as far as can be told by now.
    pub fn dialect(&self) -> Dialect {
        let slots = VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS.bits();
        if self.gpu_socket {
            Dialect::QemuVhostUserGpu
        } else if self.identity_mapped && self.protocol & slots == 0 {
            Dialect::UserModeLinux
        } else {
            Dialect::Generic
        }
    }

    /// What the guest gets.
    pub fn abilities(&self) -> Abilities {
        Abilities {
            blobs: self.blobs,
            // QEMU's device answers a configuration change with "unhandled" and an error.
            resize: self.channel && !self.gpu_socket,
            host_visible: self.channel && self.regions && self.has(MAPPING),
        }
    }

    /// Whether it acknowledged these protocol features.
    fn has(&self, features: VhostUserProtocolFeatures) -> bool {
        self.protocol & features.bits() == features.bits()
    }

    /// Whether it takes one of the bits that `SHMEM` had in drafts of the protocol for the right one:
    /// acknowledged without being offered.
    pub fn means_a_draft_of_shmem(&self) -> bool {
        self.protocol & DRAFTS_OF_SHMEM.bits() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gpu_socket_gives_qemu_away_and_takes_resizing() {
        let seen = Evidence {
            gpu_socket: true,
            channel: true,
            protocol: u64::MAX,
            ..Evidence::default()
        };
        assert_eq!(seen.dialect(), Dialect::QemuVhostUserGpu);
        assert!(!seen.abilities().resize);
    }

    #[test]
    fn identical_addresses_give_user_mode_linux_away() {
        let seen = Evidence {
            identity_mapped: true,
            channel: true,
            blobs: true,
            protocol: VhostUserProtocolFeatures::MQ.bits(),
            ..Evidence::default()
        };
        assert_eq!(seen.dialect(), Dialect::UserModeLinux);
        assert_eq!(
            seen.abilities(),
            Abilities {
                blobs: true,
                resize: true,
                host_visible: false,
            }
        );
    }

    #[test]
    fn a_window_takes_a_channel_answers_and_a_question_for_it() {
        let shmem = VhostUserProtocolFeatures::SHMEM.bits();
        let seen = Evidence {
            channel: true,
            regions: true,
            protocol: shmem | VhostUserProtocolFeatures::REPLY_ACK.bits(),
            ..Evidence::default()
        };
        assert!(seen.abilities().host_visible);
        for lacking in [
            Evidence {
                channel: false,
                ..seen
            },
            Evidence {
                regions: false,
                ..seen
            },
            Evidence {
                protocol: shmem,
                ..seen
            },
            Evidence {
                protocol: seen.protocol & !shmem,
                ..seen
            },
        ] {
            assert!(!lacking.abilities().host_visible, "{lacking:?}");
        }
    }

    #[test]
    fn without_a_channel_nothing_can_be_resized() {
        let seen = Evidence::default();
        assert_eq!(seen.dialect(), Dialect::Generic);
        assert!(!seen.abilities().resize);
    }
}
