//! Which VMM's dialect of vhost-user the front-end speaks, and what that dialect can't do.
//!
//! A dialect is named from what was seen on the wire, never from what is usual. What it can do is
//! derived from what was negotiated; the one thing that only the name tells is that
//! `vhost-user-gpu-pci` refuses configuration changes.

use std::fmt;

use vhost::vhost_user::message::VhostUserProtocolFeatures;

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
        }
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
                resize: true
            }
        );
    }

    #[test]
    fn without_a_channel_nothing_can_be_resized() {
        let seen = Evidence::default();
        assert_eq!(seen.dialect(), Dialect::Generic);
        assert!(!seen.abilities().resize);
    }
}
