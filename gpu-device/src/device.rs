//! The device process: builds the rooms, joins them in one event loop, and runs until it is told
//! to end or has nothing left to show on.
//!
//! [`run`] is what `lucarne device` and the compositor's supervisor start.

mod front_end;
mod host;
mod process;

use std::{io, os::fd::OwnedFd, sync::Arc};

use calloop::{
    EventLoop,
    signals::{Signal, Signals},
};
use thiserror::Error;
use tracing::info;

pub use self::{host::HostDisplay, process::Process};
use crate::{
    display::wayland::{ConnectError, Lost, WaylandDisplay, WaylandSource},
    gpu::{self, Gpu, Limits, Mode, Prefer},
    memory::{DmaBufMaker, Udmabuf},
    status::StatusChannel,
    vhost_user::{
        listener::{ListenError, Listener, SocketSource},
        queue::Broken,
    },
};

/// How a device process is started.
#[derive(Debug)]
pub struct Options {
    /// The guest's name, for window titles and monitors.
    pub name: String,
    /// Where the VMM connects.
    pub socket: SocketSource,
    /// One mode for each of the guest's monitors, 1 to 16; none means one of 1280x800.
    pub scanouts: Vec<Mode>,
    /// Where the guest is shown.
    pub wayland: WaylandSource,
    /// The status channel to the program that started the device, if it wants one.
    pub status: Option<OwnedFd>,
    /// Which ways of showing frames may be used.
    pub prefer: Prefer,
    /// What the guest may use up.
    pub limits: Limits,
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
/// See [`DeviceError`]; among them the loss of the compositor, after which a supervisor starts
/// the device anew.
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
    let gpu = Gpu::new(gpu::Options {
        name: options.name.clone(),
        scanouts: options.scanouts,
        limits: options.limits,
        prefer: options.prefer,
        dma_bufs: dma_bufs
            .clone()
            .map(|maker| Box::new(maker) as Box<dyn DmaBufMaker>),
    });
    let scanouts = usize::try_from(gpu.scanouts()).unwrap_or(1);
    let mut display = WaylandDisplay::connect(options.wayland, &options.name, scanouts)?;
    if let Some(dma_bufs) = dma_bufs {
        display.use_dma_bufs(Box::new(dma_bufs));
    }
    let listener = Listener::new(options.socket)?;
    let status = match options.status {
        Some(socket) => Some(StatusChannel::new(socket).map_err(io::Error::from)?),
        None => None,
    };
    let mut process = Process::new(handle, gpu, display, listener, status)?;
    process.run(&mut event_loop)
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
