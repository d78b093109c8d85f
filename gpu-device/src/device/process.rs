//! The device process's loop: one thread, one wake-up at a time.
//!
//! Event sources only note down what became ready. Then comes a *turn*, which does everything
//! that is due in a fixed order, so that however much arrived, the compositor gets its requests
//! in one write and the guest its answers with one call:
//!
//! ```text
//! display events ─▶ messages of the VMM ─▶ deadlines ─▶ control ring ─▶ cursor ring
//!                                                                           │
//!          sleep ◀─ status ◀─ CONFIG_CHANGE ◀─ calls to the guest ◀─ display flush
//! ```

use std::{
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use calloop::{
    EventLoop, Interest, LoopHandle, Mode, PostAction, RegistrationToken, generic::Generic,
};
use protocols::ipc::{
    DeviceStats,
    device::{DeviceEvent, DeviceRequest},
};
use tracing::{info, warn};

use super::{DeviceError, HostDisplay, front_end::Connected};
use crate::{
    display::{DisplayEvent, ScanoutId},
    gpu::{Context, Gpu},
    memory::GuestRam,
    status::StatusChannel,
    vhost_user::{
        listener::Listener,
        rings::{Ring, Scratch},
    },
};

/// How long to leave a listener alone that can't accept, usually for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What became ready since the last turn.
#[derive(Debug, Default)]
pub(super) struct Ready {
    display: bool,
    knock: bool,
    pub(super) front_end: bool,
    status: bool,
}

/// The device process: the core, its display, and whoever is connected.
pub struct Process<D: HostDisplay + 'static> {
    pub(super) handle: LoopHandle<'static, Self>,
    pub(super) gpu: Gpu,
    pub(super) display: D,
    writable: Option<RegistrationToken>,
    waits_to_write: bool,
    pub(super) ram: GuestRam,
    listener: Listener,
    knocks: RegistrationToken,
    listens: bool,
    listen_again: Option<Instant>,
    pub(super) connected: Option<Connected>,
    status: Option<StatusChannel>,
    pub(super) scratch: Scratch,
    pub(super) ready: Ready,
    quit: bool,
}

impl<D: HostDisplay + 'static> Process<D> {
    /// Joins the rooms and lets the loop watch what they wait for.
    ///
    /// # Errors
    /// Descriptors that can't be had or watched.
    pub fn new(
        handle: LoopHandle<'static, Self>,
        gpu: Gpu,
        display: D,
        listener: Listener,
        status: Option<StatusChannel>,
    ) -> Result<Self, DeviceError> {
        let knocks = watch(
            &handle,
            listener.watched()?,
            Interest::READ,
            Mode::Level,
            |ready| ready.knock = true,
        )?;
        let writable = watch_display(&handle, &display)?;
        if let Some(status) = &status {
            let fd = status.as_fd().try_clone_to_owned()?;
            watch(&handle, fd, Interest::BOTH, Mode::Edge, |ready| {
                ready.status = true;
            })?;
        }
        Ok(Self {
            handle,
            gpu,
            display,
            writable,
            waits_to_write: false,
            ram: GuestRam::default(),
            listener,
            knocks,
            listens: true,
            listen_again: None,
            connected: None,
            status,
            scratch: Scratch::default(),
            ready: Ready {
                display: true,
                ..Ready::default()
            },
            quit: false,
        })
    }

    /// Ends the loop after the turn.
    pub fn quit(&mut self) {
        self.quit = true;
    }

    /// What the guest is shown on.
    pub fn display(&mut self) -> &mut D {
        &mut self.display
    }

    /// Runs until [`Process::quit`] was called.
    ///
    /// # Errors
    /// The loop failed, or the host's compositor is gone.
    pub fn run(&mut self, event_loop: &mut EventLoop<'static, Self>) -> Result<(), DeviceError> {
        self.tell(&DeviceEvent::Listening);
        while !self.quit {
            self.turn()?;
            event_loop.dispatch(self.sleep(), self)?;
        }
        Ok(())
    }

    /// How long nothing is due, or `None` until something happens.
    fn sleep(&self) -> Option<Duration> {
        let waiting = self.quit || self.ready.front_end || self.rings_wait();
        if waiting {
            return Some(Duration::ZERO);
        }
        let deadline = [self.gpu.next_deadline(), self.listen_again]
            .into_iter()
            .flatten()
            .min();
        deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    fn rings_wait(&self) -> bool {
        self.connected.as_ref().is_some_and(|connected| {
            connected
                .session
                .handler()
                .rings
                .iter()
                .any(Ring::is_kicked)
        })
    }

    /// Does everything that is due.
    fn turn(&mut self) -> Result<(), DeviceError> {
        if std::mem::take(&mut self.ready.display) {
            self.display.dispatch()?;
        }
        self.take_display_events()?;
        self.answer_knocks();
        self.hear_front_end();
        self.gpu.expire(&mut context(&self.ram, &mut self.display));
        self.serve_rings();
        // What was asked of the display may have been answered on the spot.
        self.take_display_events()?;
        self.flush_display()?;
        self.announce();
        self.serve_status();
        Ok(())
    }

    fn take_display_events(&mut self) -> Result<(), DeviceError> {
        loop {
            let events = self.display.take_events();
            if events.is_empty() {
                return Ok(());
            }
            for event in events {
                match event {
                    DisplayEvent::Lost => return Err(DeviceError::DisplayGone),
                    DisplayEvent::CloseRequested(scanout) => self.close(scanout),
                    _ => self
                        .gpu
                        .handle_display(event, &mut context(&self.ram, &mut self.display)),
                }
            }
        }
    }

    /// The user closed a window. The last one takes the device along, and so the guest, as
    /// closing QEMU's window does; the VMM sees its connection end. A monitor among several can't
    /// be told from one that the user merely wants out of the way, so it stays.
    fn close(&mut self, scanout: ScanoutId) {
        if self.gpu.has_window_besides(scanout) {
            info!(
                scanout = scanout.0,
                "A window is not closed: the guest has others, and draws into this one too"
            );
        } else {
            info!("The guest's last window was closed");
            self.quit();
        }
    }

    fn flush_display(&mut self) -> Result<(), DeviceError> {
        self.display.flush()?;
        let waits = self.display.wants_write();
        if let Some(token) = &self.writable
            && waits != self.waits_to_write
        {
            match waits {
                true => self.handle.enable(token)?,
                false => self.handle.disable(token)?,
            }
            self.waits_to_write = waits;
        }
        Ok(())
    }

    /// Lets in the next VMM, one at a time. A second one waits in the socket's backlog: it may be
    /// the successor of one whose end we have not seen yet.
    fn answer_knocks(&mut self) {
        if self
            .listen_again
            .is_some_and(|again| again <= Instant::now())
        {
            self.listen_again = None;
            self.listen(self.connected.is_none());
        }
        if !std::mem::take(&mut self.ready.knock) {
            return;
        }
        if self.connected.is_some() {
            info!("Another VMM waits at the socket until the present one is gone");
            self.listen(false);
            return;
        }
        match self.listener.accept() {
            Ok(Some(socket)) => {
                if let Err(error) = self.connect(socket) {
                    warn!(%error, "A VMM could not be let in");
                }
            }
            Ok(None) => {}
            Err(error) => {
                warn!(%error, "VMMs can't be let in for now; check the limit of open files");
                self.listen(false);
                self.listen_again = Some(Instant::now() + ACCEPT_PAUSE);
            }
        }
    }

    pub(super) fn listen(&mut self, on: bool) {
        if self.listens == on {
            return;
        }
        let outcome = match on {
            true => self.handle.enable(&self.knocks),
            false => self.handle.disable(&self.knocks),
        };
        match outcome {
            Ok(()) => self.listens = on,
            Err(error) => warn!(%error, "The socket for VMMs can't be watched"),
        }
    }

    fn serve_status(&mut self) {
        if !std::mem::take(&mut self.ready.status) {
            return;
        }
        let Some(status) = &mut self.status else {
            return;
        };
        let requests = status.flush().and_then(|()| status.receive());
        let Ok(requests) = requests else {
            self.status = None;
            return;
        };
        for request in requests {
            match request {
                DeviceRequest::Stats => {
                    let dialect = self.connected.as_ref().and_then(|connected| connected.told);
                    self.tell(&DeviceEvent::Stats(DeviceStats {
                        dialect: dialect.map(|dialect| dialect.name().to_owned()),
                        scanouts: self.gpu.stats(),
                    }));
                }
                DeviceRequest::Quit => self.quit(),
            }
        }
    }

    pub(super) fn tell(&mut self, event: &DeviceEvent) {
        if let Some(status) = &mut self.status
            && status.send(event).is_err()
        {
            self.status = None;
        }
    }
}

/// What the core may use while it handles one thing.
pub(super) fn context<'a>(ram: &'a GuestRam, display: &'a mut impl HostDisplay) -> Context<'a> {
    Context {
        ram,
        display,
        now: Instant::now(),
    }
}

/// Lets the loop watch the display. Returns the registration for writing, which is off: writing is
/// waited for only while the host is slow.
fn watch_display<D: HostDisplay + 'static>(
    handle: &LoopHandle<'static, Process<D>>,
    display: &D,
) -> Result<Option<RegistrationToken>, DeviceError> {
    let Some(fd) = display.watched()? else {
        return Ok(None);
    };
    let writable = watch(
        handle,
        fd.try_clone()?,
        Interest::WRITE,
        Mode::Level,
        |_| {},
    )?;
    handle.disable(&writable)?;
    watch(handle, fd, Interest::READ, Mode::Level, |ready| {
        ready.display = true;
    })?;
    Ok(Some(writable))
}

/// Lets the loop watch a descriptor, and note down when it is ready.
pub(super) fn watch<D: HostDisplay + 'static>(
    handle: &LoopHandle<'static, Process<D>>,
    fd: OwnedFd,
    interest: Interest,
    mode: Mode,
    mut note: impl FnMut(&mut Ready) + 'static,
) -> calloop::Result<RegistrationToken> {
    let source = Generic::new(fd, interest, mode);
    let token = handle.insert_source(source, move |_, _, process| {
        note(&mut process.ready);
        Ok(PostAction::Continue)
    });
    token.map_err(|error| error.error)
}
