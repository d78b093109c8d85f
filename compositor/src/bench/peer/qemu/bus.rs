//! A viewer that QEMU tells of its frames through D-Bus (QEMU's `ui/dbus-display1.xml`), without a bus.
//!
//! It says that it can map QEMU's pictures, so that QEMU need not send their pixels where it can share
//! them.

mod message;

use std::{
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use self::message::{Call, Connection, Writer};
use super::Machine;

/// How long QEMU may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a listener can do beyond what all can.
const MAPS: &str = "org.qemu.Display1.Listener.Unix.Map";

/// The first monitor's registry of listeners.
const REGISTER: Call<'_> = Call {
    path: "/org/qemu/Display1/Console_0",
    interface: "org.qemu.Display1.Console",
    member: "RegisterListener",
};

/// A viewer on a thread of its own. It ends when QEMU closes the connection.
#[derive(Debug)]
pub(in crate::bench) struct BusViewer {
    frames: Arc<AtomicU64>,
    /// QEMU forgets the viewer when this is closed.
    _display: Connection,
}

impl BusViewer {
    /// Introduces itself to a machine with [`super::Screen::Bus`].
    ///
    /// # Errors
    /// QEMU does not know it.
    pub(in crate::bench) fn start(machine: &Machine) -> anyhow::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let client = machine
            .monitor()?
            .add_client("@dbus-display", theirs.as_fd());
        client?;
        drop(theirs);
        ours.set_read_timeout(Some(PATIENCE))?;
        let greeted = Connection::greet(ours).context("Could not agree with QEMU's display");
        let mut display = greeted?;
        let (listener, theirs) = UnixStream::pair()?;
        display.call_with(REGISTER, theirs.as_fd())?;
        drop(theirs);
        let answer = display.receive().context("QEMU takes no viewer")?;
        ensure!(answer.is_some(), "QEMU takes no viewer: it has hung up");

        let frames = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&frames);
        let thread = thread::Builder::new().name("bus viewer".to_owned());
        thread.spawn(move || {
            if let Err(error) = watch(listener, &counter) {
                tracing::debug!("QEMU's display is gone: {error:#}");
            }
        })?;
        Ok(Self {
            frames,
            _display: display,
        })
    }

    /// Frames that QEMU has told of.
    pub(in crate::bench) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

/// Answers all that QEMU calls.
fn watch(listener: UnixStream, frames: &AtomicU64) -> anyhow::Result<()> {
    let mut listener = Connection::greet(listener)?;
    while let Some(message) = listener.receive()? {
        if !message.is_call() {
            continue;
        }
        let result = match message.member.as_str() {
            // A new picture by its file is followed by an update.
            "Scanout" | "Update" | "UpdateMap" | "UpdateDMABUF" => {
                frames.fetch_add(1, Ordering::Relaxed);
                None
            }
            "GetAll" => Some(("a{sv}", Writer::dictionary("Interfaces", MAPS))),
            _ => None,
        };
        listener.answer(&message, result)?;
    }
    Ok(())
}
