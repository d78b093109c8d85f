//! `lucarne device`

use std::{os::fd::RawFd, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use gpu_device::{Mode, SocketSource, WaylandSource};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

use super::{
    log::{self, Filter},
    settings::Screens,
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

Then connect a VMM to the socket, for example QEMU (its memory must be a shared memfd):
  qemu-system-x86_64 -m 2G -object memory-backend-memfd,id=ram,size=2G,share=on \\
    -machine q35,memory-backend=ram -vga none -display none \\
    -chardev socket,id=gpu,path=/tmp/debian.gpu -device vhost-user-gpu-pci,chardev=gpu debian.qcow2
or User Mode Linux:
  linux virtio_uml.device=/tmp/debian.gpu:16 mem=1G root=/dev/root rootfstype=hostfs")]
pub(super) struct Device {
    /// The guest's name, for window titles
    #[arg(long)]
    name: String,
    /// Where the VMM connects; the socket is made here and removed at the end
    #[arg(long, value_name = "PATH")]
    gpu_socket: PathBuf,
    #[command(flatten)]
    screens: Screens,
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
        let mode = |mode: config::Mode| Mode {
            width: mode.width,
            height: mode.height,
            millihertz: mode.millihertz,
        };
        gpu_device::run(gpu_device::Options {
            name: self.name,
            socket: SocketSource::Path(self.gpu_socket),
            scanouts: modes.into_iter().map(mode).collect(),
            wayland: WaylandSource::Environment,
            status: self.status_fd.map(inherited_fd).transpose()?,
            prefer: match self.prefer {
                Prefer::Auto => gpu_device::Prefer::Auto,
                Prefer::Shm => gpu_device::Prefer::Shm,
            },
            limits: gpu_device::Limits::default(),
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
