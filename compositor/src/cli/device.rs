//! `lucarne device`

use std::{os::fd::RawFd, path::PathBuf, process::ExitCode};

use anyhow::ensure;
use clap::{ArgGroup, Args, ValueEnum};
use gpu_device::{GpuKind, Mode, SocketSource, WaylandSource};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

use super::{
    gpu::GpuArgs,
    hands::{HandsArgs, InputSocket},
    log::{self, Filter},
    managed,
    settings::Screens,
    windows::WindowArgs,
};
use crate::guests::inherited_fd;

/// Be the graphics device of one guest, for a VMM that you start yourself.
///
/// Speaks vhost-user on a socket, and is an ordinary Wayland client of $WAYLAND_DISPLAY: each
/// virtual monitor of the guest is a window. Serves the next VMM when one has gone.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne device --name debian --gpu-socket /tmp/debian.gpu
  lucarne device --name debian --gpu-socket /tmp/debian.gpu --mode 1920x1080 --mode 1280x1024@75
  lucarne device --name debian --gpu-socket /tmp/debian.gpu --scanouts 3 --mode 1280x800
  lucarne device --name debian --gpu-socket /tmp/debian.gpu \\
    --input keyboard=/tmp/debian.keyboard --input pointer=/tmp/debian.pointer
  lucarne device --name debian --gpu-socket /tmp/debian.gpu --gpu virgl

Then connect a VMM to the socket, for example QEMU (its memory must be a shared memfd):
  qemu-system-x86_64 -m 2G -object memory-backend-memfd,id=ram,size=2G,share=on \\
    -machine q35,memory-backend=ram -vga none -display none \\
    -chardev socket,id=gpu,path=/tmp/debian.gpu -device vhost-user-gpu-pci,chardev=gpu \\
    -chardev socket,id=kbd,path=/tmp/debian.keyboard -device vhost-user-input-pci,chardev=kbd \\
    debian.qcow2
or User Mode Linux:
  linux virtio_uml.device=/tmp/debian.gpu:16 virtio_uml.device=/tmp/debian.keyboard:18 \\
    mem=1G root=/dev/root rootfstype=hostfs

Managers of virtual machines start it by QEMU's conventions for such programs, with --fd: libvirt
does for `<video><driver name='vhostuser'/>`. With --virgl (`<acceleration accel3d='yes'/>`) the guest
has 3D, on the graphics card of --render-node. Its guest's input devices are then at
$XDG_RUNTIME_DIR/lucarne-NAME.keyboard and so on.")]
#[command(group(ArgGroup::new("socket").args(["gpu_socket", "fd"]).required(true)))]
pub(super) struct Device {
    /// The guest's name, for window titles [default: libvirt's name for it]
    #[arg(long, required_unless_present = "fd")]
    name: Option<String>,
    /// Where the VMM connects; the socket is made here and removed at the end
    #[arg(long, alias = "socket-path", value_name = "PATH")]
    gpu_socket: Option<PathBuf>,
    /// A socket that was inherited under this number: one that listens, or the connection to the VMM.
    /// A compositor is waited for then where there is none yet
    #[arg(long, value_name = "FD")]
    fd: Option<RawFd>,
    /// Print what the device can do, as JSON, and do nothing else
    #[arg(long)]
    print_capabilities: bool,
    #[command(flatten)]
    gpu: GpuArgs,
    /// As --gpu virgl, in the words of managers of virtual machines
    #[arg(long, hide = true, conflicts_with = "gpu")]
    virgl: bool,
    /// An input device of the guest, and where the VMM connects to it; given again for the next one.
    /// KIND is keyboard, pointer, mouse, touch or pen
    #[arg(long, value_name = "KIND=PATH")]
    input: Vec<InputSocket>,
    #[command(flatten)]
    hands: HandsArgs,
    #[command(flatten)]
    screens: Screens,
    /// How many virtual monitors the guest can have, with those that are plugged in while it runs
    /// [default: 4, or as many as --scanouts]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    max_scanouts: Option<u8>,
    #[command(flatten)]
    windows: WindowArgs,
    /// Show the guest nowhere until the program that started the device asks for it
    #[arg(long, hide = true, requires = "status_fd")]
    detached: bool,
    /// Which ways of showing frames may be used
    #[arg(long, value_enum, default_value_t)]
    prefer: Prefer,
    /// The file descriptor of the status channel, for a program that starts devices
    #[arg(long, value_name = "FD", hide = true)]
    status_fd: Option<RawFd>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Prefer {
    /// The best that guest and host allow
    #[default]
    Auto,
    /// Shared memory, no dma-bufs
    Shm,
}

impl Device {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        log::start(&Filter::new(&config::Log::default()));
        raise_descriptor_limit();
        let modes = self.screens.modes()?.unwrap_or_default();
        let mut kinds: Vec<_> = self.input.iter().map(|input| input.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        ensure!(
            kinds.len() == self.input.len(),
            "Could not give a guest an input device twice. Name each KIND of --input once"
        );
        let mode = |mode: config::Mode| Mode {
            width: mode.width,
            height: mode.height,
            millihertz: mode.millihertz,
        };
        let is_managed = self.fd.is_some();
        let gpu = match self.virgl {
            true => Some(GpuKind::Virgl),
            // Managers say --virgl where the guest is to have 3D.
            false if is_managed => Some(GpuKind::TwoD),
            false => None,
        };
        let name = self.name.or_else(managed::guest_name);
        let name = name.unwrap_or_else(|| "guest".to_owned());
        let inputs = match is_managed && self.input.is_empty() {
            true => managed::inputs(&name),
            false => self.input,
        };
        gpu_device::run(gpu_device::Options {
            name,
            socket: match (self.fd, self.gpu_socket) {
                (Some(fd), _) => SocketSource::Inherited(inherited_fd(fd)?),
                (None, path) => SocketSource::Path(path.unwrap_or_default()),
            },
            inputs: inputs.into_iter().map(InputSocket::source).collect(),
            hands: self.hands.options(),
            scanouts: modes.into_iter().map(mode).collect(),
            max_scanouts: self.max_scanouts.map(usize::from),
            windows: self.windows.preferences(self.hands.release()),
            wayland: match is_managed {
                true => WaylandSource::Newest,
                false => WaylandSource::Environment,
            },
            detached: self.detached,
            seeks: is_managed,
            status: self.status_fd.map(inherited_fd).transpose()?,
            prefer: match self.prefer {
                Prefer::Auto => gpu_device::Prefer::Auto,
                Prefer::Shm => gpu_device::Prefer::Shm,
            },
            limits: gpu_device::Limits::default(),
            gpu: self.gpu.kind().or(gpu).unwrap_or_default(),
            gpu_device: self.gpu.device(),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A guest with all the pictures that its quotas allow takes some 600 descriptors; the usual soft
/// limit of 1024 leaves too little for VMMs that connect again and again.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        debug!("Raising the limit of open files failed: {error}");
    }
}
