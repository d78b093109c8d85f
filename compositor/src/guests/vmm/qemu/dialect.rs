//! QEMU's devices that leave the graphics to another process.

use config::guest::{Device, Gpu};

use super::{Error, Installed, Version};

/// The devices of QEMU that leave the graphics to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `vhost-user-test-device-pci`: every feature that our device has reaches the guest, also
    /// blobs and changes of the configuration.
    Generic,
    /// `vhost-user-gpu-pci`.
    Gpu,
    /// `vhost-user-vga`.
    Vga,
}

/// The first version whose generic device shows a guest memory of the host, which Vulkan needs.
pub const WINDOW_SINCE: Version = Version {
    major: 11,
    minor: 1,
};

impl Dialect {
    /// The best one first.
    pub const ALL: [Self; 3] = [Self::Generic, Self::Gpu, Self::Vga];

    /// The name of QEMU's device.
    #[must_use]
    pub fn device(self) -> &'static str {
        match self {
            Self::Generic => "vhost-user-test-device-pci",
            Self::Gpu => "vhost-user-gpu-pci",
            Self::Vga => "vhost-user-vga",
        }
    }

    /// The first version that has it in a form that works here. `-machine memory-backend=` came
    /// with 5.0; the generic device could not be created by users before 10.2.
    fn needs(self) -> Version {
        match self {
            Self::Generic => Version {
                major: 10,
                minor: 2,
            },
            Self::Gpu | Self::Vga => Version { major: 5, minor: 0 },
        }
    }

    /// Whether a QEMU has it, in a form that works here.
    #[must_use]
    pub fn is_in(self, installed: &Installed) -> bool {
        installed.version >= self.needs() && installed.has_device(self.device())
    }

    /// Whether a QEMU shows the guest memory of the host on it. OpenGL needs none, and reaches the
    /// guest on every one of them.
    #[must_use]
    pub fn has_window(self, installed: &Installed) -> bool {
        self == Self::Generic && self.is_in(installed) && installed.version >= WINDOW_SINCE
    }

    /// The wanted one, or the best that there is.
    pub(super) fn choose(wanted: Device, gpu: Gpu, installed: &Installed) -> Result<Self, Error> {
        let dialect = Self::wanted(wanted, installed)?;
        if gpu == Gpu::Venus && !dialect.has_window(installed) {
            return Err(Error::NoVulkan {
                device: dialect.device(),
                version: installed.version,
                program: installed.program.clone(),
            });
        }
        Ok(dialect)
    }

    fn wanted(wanted: Device, installed: &Installed) -> Result<Self, Error> {
        let dialect = match wanted {
            Device::Auto if Self::Generic.is_in(installed) => Self::Generic,
            Device::Auto | Device::Gpu => Self::Gpu,
            Device::Generic => Self::Generic,
            Device::Vga => Self::Vga,
        };
        let (device, version) = (dialect.device(), installed.version);
        let program = installed.program.clone();
        if version < dialect.needs() {
            Err(Error::TooOld {
                device,
                version,
                needed: dialect.needs(),
                program,
            })
        } else if !installed.has_device(device) {
            Err(Error::NoDevice {
                device,
                version,
                program,
            })
        } else {
            Ok(dialect)
        }
    }

    /// What QEMU's option says of it, but its place; `chardev` is the socket.
    pub(crate) fn option(self, chardev: &str, scanouts: usize) -> String {
        let device = self.device();
        match self {
            // 16 is virtio-gpu's number, and also the size of its configuration space.
            Self::Generic => format!(
                "{device},chardev={chardev},virtio-id=16,num_vqs=2,vq_size=256,config_size=16"
            ),
            Self::Gpu | Self::Vga => format!("{device},chardev={chardev},max_outputs={scanouts}"),
        }
    }
}
