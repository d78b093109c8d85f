//! `[guest.NAME]`: one virtual machine.

mod close;
mod gpu;
mod hands;
mod machine;
mod monitors;
mod windows;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use crate::{MemorySize, Mode, parse::Mistake};

pub use close::OnClose;
pub use gpu::Gpu;
pub use hands::{Grab, InputDevice, ParseInputDeviceError, Pointer};
pub use machine::{Network, Sound};
pub use windows::Scale;

/// virtio-gpu's bound on virtual monitors.
pub const MAX_SCANOUTS: usize = 16;

/// The longest name of a guest, in bytes: it is in the path of a socket, and those hold 107.
pub const MAX_NAME: usize = 32;

/// More virtual CPUs than this need options that no default command line gives.
const MAX_CPUS: u32 = 255;

/// One virtual machine, the keys of `[guest.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guest {
    /// Disk image to boot from, or to attach where there is a kernel too.
    pub disk: Option<PathBuf>,
    /// Linux kernel to boot directly; with `vmm.kind = "uml"` the User Mode Linux program.
    pub kernel: Option<PathBuf>,
    /// Initial RAM file system of `kernel`.
    pub initrd: Option<PathBuf>,
    /// Command line of `kernel`.
    pub append: Option<String>,
    /// RAM.
    pub memory: MemorySize,
    /// Virtual CPUs, 1 to 255.
    pub cpus: u32,
    /// Virtual monitors, 1 to [`MAX_SCANOUTS`], with the modes they begin with.
    pub scanouts: Vec<Mode>,
    /// How many virtual monitors it can have, up to [`MAX_SCANOUTS`], with those that are plugged in
    /// while it runs; see [`Guest::connectors`].
    pub max_scanouts: Option<usize>,
    /// What the guest may do with its graphics card.
    pub gpu: Gpu,
    /// The render node of the host's graphics card that draws its 3D; one is chosen where none is
    /// given.
    pub gpu_device: Option<PathBuf>,
    /// Which of QEMU's graphics devices is used.
    pub device: Device,
    /// Whether QEMU uses the host's virtualisation.
    pub accel: Accel,
    /// What QEMU boots a disk image with.
    pub firmware: Firmware,
    /// Where the guest's sound is heard.
    pub sound: Sound,
    /// Whether the guest hears what the user's microphone hears.
    pub microphone: bool,
    /// The guest's network.
    pub network: Network,
    /// The program that runs the guest.
    pub vmm: Vmm,
    /// The socket that the guest's graphics device listens on; one in a private folder where none
    /// is given.
    pub socket: Option<PathBuf>,
    /// Whether `lucarne headless` and `lucarne kiosk` without names start this guest.
    pub autostart: bool,
    /// When the guest is started again after it ended.
    pub restart: Restart,
    /// What closing its last window means.
    pub on_close: OnClose,
    /// Where `lucarne kiosk` shows its virtual monitors in turn: names of connectors, like
    /// `DP-1`, or `MAKE MODEL SERIAL`. Empty: on all monitors in order. `lucarne headless` looks for
    /// outputs of these names too, and where there are none does as if this were empty.
    pub outputs: Vec<String>,
    /// What happens to a picture that has not its monitor's or its window's size.
    pub fit: Fit,
    /// How many of its pixels there are to a logical pixel of the user's session; the session's own
    /// scale where none is given.
    pub scale: Option<Scale>,
    /// Whether its frames may be torn in full screen.
    pub tearing: bool,
    /// Picture in picture: left and top edge in pixels of the monitor. The guest keeps its own size
    /// then, and is above the guest that fills the monitor.
    pub position: Option<(i32, i32)>,
    /// Its keyboards and pointers.
    pub input: Vec<InputDevice>,
    /// What its pointer tells.
    pub pointer: Pointer,
    /// Whether the host's own shortcuts go to it.
    pub grab: Grab,
}

/// What happens to a picture that has not the size of its monitor in `lucarne kiosk`, or of its
/// window elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Make it as large as that, whatever becomes of its shape.
    Stretch,
    /// Make it as large as possible in its own shape.
    #[default]
    Letterbox,
    /// Make each pixel as many pixels as possible.
    Integer,
    /// Leave it as it is, in the middle.
    None,
}

/// QEMU's graphics devices that leave the work to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The best one that this QEMU has.
    #[default]
    Auto,
    /// `vhost-user-test-device-pci` of QEMU 10.2 and newer: guest memory is shown without a
    /// copy, and a window's size becomes the guest's.
    Generic,
    /// `vhost-user-gpu-pci`: in every QEMU since 4.1, copies, keeps its size.
    Gpu,
    /// `vhost-user-vga`: the same with a VGA part, for guests that want one. QEMU keeps what is
    /// drawn with VGA to itself: it is not shown.
    Vga,
}

/// Whether QEMU uses the host's virtualisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// KVM where it really runs a guest, TCG otherwise.
    #[default]
    Auto,
    /// The kernel's virtualisation.
    Kvm,
    /// Emulation; works everywhere, some ten times slower.
    Tcg,
}

/// What QEMU boots a disk image with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "PathBuf")]
pub enum Firmware {
    /// QEMU's own. On a PC that is SeaBIOS, which draws with VGA only: nothing is seen of it
    /// until the guest's own driver starts.
    #[default]
    Bios,
    /// The distribution's OVMF, which has a virtio-gpu driver. With [`Device::Gpu`] it is seen from
    /// its first picture on; it takes the generic device for no screen of its own, and only a
    /// boot loader that draws by itself is seen there.
    Uefi,
    /// A file, as for QEMU's `-bios`.
    File(PathBuf),
}

impl From<PathBuf> for Firmware {
    fn from(value: PathBuf) -> Self {
        match value.to_str() {
            Some("bios") => Self::Bios,
            Some("uefi") => Self::Uefi,
            _ => Self::File(value),
        }
    }
}

/// The program that runs a guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vmm {
    /// What kind of command line it takes.
    pub kind: VmmKind,
    /// The program: a name to be found in `$PATH`, or a path. QEMU for this machine's
    /// architecture, or User Mode Linux' kernel, where none is given.
    #[serde(deserialize_with = "some_path")]
    pub program: Option<PathBuf>,
    /// More arguments. With `kind = "custom"` all of them.
    pub arguments: Vec<String>,
}

/// What kind of command line a VMM takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VmmKind {
    /// QEMU.
    #[default]
    Qemu,
    /// User Mode Linux: the guest's kernel is itself the program.
    Uml,
    /// Anything else; its arguments are taken as they are but for the placeholders `{socket}`,
    /// `{name}`, `{memory}` (MiB), `{cpus}`, `{disk}`, `{kernel}`, `{initrd}` and `{append}`, for
    /// the sockets of the input devices `{keyboard}`, `{pointer}`, `{mouse}`, `{touch}` and `{pen}`,
    /// and `{qmp}` for a socket where the VMM listens for QEMU's machine protocol.
    Custom,
    /// None: somebody else starts a VMM and connects it to `socket`.
    External,
}

/// When a guest is started again after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    Never,
    /// When the VMM or the device failed, but not when the guest shut itself down, nor when the
    /// VMM failed before the guest ever ran.
    #[default]
    OnFailure,
    /// Always, until it is stopped.
    Always,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            disk: None,
            kernel: None,
            initrd: None,
            append: None,
            memory: MemorySize::default(),
            cpus: 2,
            scanouts: vec![Mode::new(1280, 800)],
            max_scanouts: None,
            gpu: Gpu::default(),
            gpu_device: None,
            device: Device::default(),
            accel: Accel::default(),
            firmware: Firmware::default(),
            sound: Sound::default(),
            microphone: false,
            network: Network::default(),
            vmm: Vmm::default(),
            socket: None,
            autostart: true,
            restart: Restart::default(),
            on_close: OnClose::default(),
            outputs: Vec::new(),
            fit: Fit::default(),
            scale: None,
            tearing: false,
            position: None,
            input: InputDevice::ALL.to_vec(),
            pointer: Pointer::default(),
            grab: Grab::default(),
        }
    }
}

impl Guest {
    pub(crate) fn resolve_paths(&mut self, folder: &Path, home: Option<&Path>) {
        let resolve = |path: &mut PathBuf| {
            *path = match (path.strip_prefix("~"), home) {
                (Ok(rest), Some(home)) => home.join(rest),
                _ => folder.join(&*path),
            };
        };
        [
            &mut self.disk,
            &mut self.kernel,
            &mut self.initrd,
            &mut self.socket,
            &mut self.gpu_device,
        ]
        .into_iter()
        .flatten()
        .for_each(resolve);
        if let Firmware::File(path) = &mut self.firmware {
            resolve(path);
        }
        // A bare name is looked for in $PATH.
        if let Some(program) = &mut self.vmm.program
            && program.components().count() > 1
        {
            resolve(program);
        }
    }

    /// What types can't say: whether the keys go together.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Mistake> {
        monitors::check(self)?;
        if !(1..=MAX_CPUS).contains(&self.cpus) {
            return Err(Mistake::at(
                "cpus",
                format!("Could not give a guest {} CPUs", self.cpus),
                format!("Choose a number from 1 to {MAX_CPUS}"),
            ));
        }
        gpu::check(self)?;
        hands::check(self)?;
        if self.kernel.is_none() {
            for (key, given) in [
                ("initrd", self.initrd.is_some()),
                ("append", self.append.is_some()),
            ] {
                if given {
                    return Err(Mistake::at(
                        key,
                        format!("Could not use `{key}` without `kernel`"),
                        "Add kernel = \"FILE\", or leave this key out",
                    ));
                }
            }
        }
        self.check_vmm()
    }

    fn check_vmm(&self) -> Result<(), Mistake> {
        let qemu = self.vmm.kind == VmmKind::Qemu;
        let qemu_only = [
            ("device", self.device != Device::Auto),
            ("accel", self.accel != Accel::Auto),
            ("firmware", self.firmware != Firmware::Bios),
            ("sound", self.sound != Sound::Auto),
            ("microphone", self.microphone),
            ("network", self.network != Network::User),
        ];
        if let Some((key, _)) = qemu_only.into_iter().find(|(_, given)| *given && !qemu) {
            return Err(Mistake::at(
                key,
                format!("Could not use `{key}` with this VMM"),
                "It is for vmm.kind = \"qemu\"; leave it out",
            ));
        }
        match self.vmm.kind {
            VmmKind::Qemu if self.disk.is_none() && self.kernel.is_none() => Err(Mistake::whole(
                "Could not find anything to boot for this guest",
                "Add disk = \"IMAGE\" or kernel = \"FILE\"",
            )),
            VmmKind::Uml if self.kernel.is_none() && self.vmm.program.is_none() => {
                Err(Mistake::whole(
                    "Could not find a User Mode Linux program for this guest",
                    "Add kernel = \"FILE\", the `linux` that a build with ARCH=um makes",
                ))
            }
            VmmKind::External if self.socket.is_none() => Err(Mistake::at(
                "vmm",
                "Could not find a socket for this guest",
                "With kind = \"external\" give socket = \"PATH\", for your VMM to connect to",
            )),
            VmmKind::Custom if self.vmm.program.is_none() => Err(Mistake::at(
                "vmm",
                "Could not find a program for this guest",
                "With kind = \"custom\" give program = \"FILE\" and its arguments; \
                 {socket} stands for the device's socket",
            )),
            _ => Ok(()),
        }
    }
}

/// Checks a guest's name: it becomes part of file names, window titles and command lines.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.chars().next() {
        None => Err("A guest needs a name"),
        Some(first) if !first.is_ascii_alphanumeric() => {
            Err("A guest's name begins with a letter or a digit")
        }
        _ if name.len() > MAX_NAME => Err("A guest's name has at most 32 characters"),
        _ if !name.chars().all(inner) => {
            Err("A guest's name has letters of ASCII, digits, '-', '_' and '.' only")
        }
        _ => Ok(()),
    }
}

fn some_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.as_os_str().is_empty() {
        return Err(serde::de::Error::custom(
            "Could not use an empty program name",
        ));
    }
    Ok(Some(path))
}
