//! The device process: builds the rooms, joins them in one event loop, and runs until it is told
//! to end. Hosts that show the guest may come and go meanwhile, as may VMMs.
//!
//! [`run`] is what `lucarne device` and the compositor's supervisor start.

mod around;
mod attach;
mod attachment;
mod connection;
mod door;
mod drawing;
mod front_end;
mod hands;
mod host;
mod process;
mod ready;
mod wait;
mod window;

use std::{io, os::fd::OwnedFd, path::PathBuf, sync::Arc};

use calloop::{
    EventLoop,
    signals::{Signal, Signals},
};
use thiserror::Error;
use tracing::info;

use self::host::Manner;
pub use self::{
    host::{Attempt, HostDisplay, Hosts, Reach},
    process::Process,
};
use crate::{
    display::wayland::{ConnectError, Lost, Preferences, WaylandDisplay, WaylandSource},
    gpu::{self, Gpu, Limits, Mode, Prefer},
    input::{HandsOptions, InputKind},
    memory::{DmaBufMaker, Udmabuf},
    renderer::choice::{GpuKind, Impossible},
    status::StatusChannel,
    vhost_user::{
        listener::{ListenError, Listener, SocketSource},
        queue::Broken,
    },
};

/// How many monitors a guest can have where nobody says.
const CONNECTORS: usize = 4;

/// How a device process is started.
#[derive(Debug)]
pub struct Options {
    /// The guest's name, for window titles and monitors.
    pub name: String,
    /// Where the VMM connects.
    pub socket: SocketSource,
    /// The guest's input devices, each of them once, and where the VMM connects to them.
    pub inputs: Vec<(InputKind, SocketSource)>,
    /// What the user wants of keyboards and pointers.
    pub hands: HandsOptions,
    /// One mode for each of the guest's monitors, 1 to 16; none means one of 1280x800.
    pub scanouts: Vec<Mode>,
    /// How many monitors the guest can have, up to 16, with those that are plugged in while it
    /// runs. At least as many as `scanouts`; `None` means at least 4, too.
    pub max_scanouts: Option<usize>,
    /// How the guest's windows are to be.
    pub windows: Preferences,
    /// Where the guest is shown.
    pub wayland: WaylandSource,
    /// Whether nothing shows the guest until the program that started the device asks for it.
    pub detached: bool,
    /// Whether the device begins without a compositor, and looks for one, where there is none yet.
    pub seeks: bool,
    /// The status channel to the program that started the device, if it wants one.
    pub status: Option<OwnedFd>,
    /// Which ways of showing frames may be used.
    pub prefer: Prefer,
    /// What the guest may use up.
    pub limits: Limits,
    /// What the host is to draw for the guest.
    pub gpu: GpuKind,
    /// The render node of the graphics card that is to draw; one is chosen where `None`.
    pub gpu_device: Option<PathBuf>,
}

/// Why a device process could not start, or ended before it was told to.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// No compositor to show the guest on.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The compositor is gone.
    #[error(transparent)]
    DisplayLost(#[from] Lost),
    /// The compositor is gone, and said so only by an event.
    #[error("The Wayland compositor is gone. Start it again and restart the device")]
    DisplayGone,
    /// What was demanded for the guest's 3D can't be.
    #[error(transparent)]
    Gpu(#[from] Impossible),
    /// VMMs can't connect.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The event loop can't be set up or has failed.
    #[error("Running the device's event loop: {0}. Check the limit of open files (`ulimit -n`)")]
    Loop(#[from] calloop::Error),
    /// A descriptor can't be had or used.
    #[error("Setting up the device: {0}. Check the limit of open files (`ulimit -n`)")]
    Setup(#[from] io::Error),
    /// The rings can't be made.
    #[error("Setting up the device's rings: {0}. This is a bug of Lucarne: please report it")]
    Rings(#[from] Broken),
}

/// Runs a device until SIGTERM, SIGINT or a request of its supervisor ends it; VMMs may come and
/// go meanwhile.
///
/// # Errors
/// See [`DeviceError`]; among them the loss of a compositor that was reached through a handed-over
/// connection, after which a supervisor starts the device anew. Others are waited for.
pub fn run(options: Options) -> Result<(), DeviceError> {
    let mut event_loop = EventLoop::<Process<WaylandDisplay>>::try_new()?;
    let handle = event_loop.handle();
    // Before any thread could exist, so that all of them leave the signals to the loop.
    let signals = Signals::new(&[Signal::SIGTERM, Signal::SIGINT])?;
    handle
        .insert_source(signals, |event, (), process| {
            info!(signal = ?event.signal(), "The device ends");
            process.quit();
        })
        .map_err(|error| error.error)?;

    let dma_bufs = dma_bufs(options.prefer);
    let plugged = options.scanouts.len().max(1);
    let gpu = Gpu::new(gpu::Options {
        name: options.name.clone(),
        connectors: options
            .max_scanouts
            .unwrap_or(CONNECTORS)
            .max(options.scanouts.len()),
        scanouts: options.scanouts,
        limits: options.limits,
        prefer: options.prefer,
        dma_bufs: dma_bufs
            .clone()
            .map(|maker| Box::new(maker) as Box<dyn DmaBufMaker>),
    });
    let manner = Manner {
        guest: options.name,
        scanouts: plugged,
        windows: options.windows,
        dma_bufs,
    };
    let hosts = Hosts {
        home: options.wayland.again(),
        first: match options.detached {
            true => None,
            false => first(&manner, options.wayland, options.seeks)?,
        },
        seeks: options.seeks && !options.detached,
        reach: manner.reach(),
    };
    // Before there is a socket: a VMM reads at once what the device offers.
    let choice = drawing::choose(options.gpu, options.gpu_device)?;
    let listener = Listener::new(options.socket)?;
    let mut inputs = Vec::with_capacity(options.inputs.len());
    for (kind, socket) in options.inputs {
        inputs.push((kind, Listener::new(socket)?));
    }
    let status = match options.status {
        Some(socket) => Some(StatusChannel::new(socket).map_err(io::Error::from)?),
        None => None,
    };
    let mut process = Process::new(handle, gpu, hosts, listener, status)?;
    process.give_renderer(choice);
    process.give_hands(inputs, options.hands)?;
    process.run(&mut event_loop)
}

/// The compositor that is there. Where one may come later, its absence is no error.
fn first(
    manner: &Manner,
    source: WaylandSource,
    seeks: bool,
) -> Result<Option<WaylandDisplay>, ConnectError> {
    match manner.connect(source) {
        Err(error) if seeks => {
            info!("The guest is shown once there is a compositor. {error}");
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

/// The kernel's way to make dma-bufs, where it may be used and there is one.
fn dma_bufs(prefer: Prefer) -> Option<Arc<Udmabuf>> {
    if prefer == Prefer::Shm {
        return None;
    }
    match Udmabuf::open() {
        Ok(udmabuf) => Some(Arc::new(udmabuf)),
        Err(error) => {
            info!(%error, "No /dev/udmabuf: frames are shared memory instead of dma-bufs");
            None
        }
    }
}

#[cfg(test)]
mod tests;
