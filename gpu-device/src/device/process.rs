//! The device process's loop: one thread, one wake-up at a time.
//!
//! Event sources, and [`super::wait`], only note down what became ready. Then comes a *turn*, which does everything
//! that is due in a fixed order, so that however much arrived, the compositor gets its requests
//! in one write and the guest its answers with one call:
//!
//! ```text
//! display events ─▶ messages of VMMs ─▶ requests ─▶ hands ─▶ deadlines ─▶ control ring ─▶ cursor ring
//!                                                                                             │
//!           sleep ◀─ CONFIG_CHANGE ◀─ calls to the guest ◀─ display flush ◀─ hands ◀─ a frame ┘
//!
//! Hands come first for what the user just did, and again for what the guest's pointer means to them.
//! ```
//!
//! A frame is sent as soon as the rings are served. Where nothing but a ring has woken the process up, a turn begins
//! with the rings: between two frames the processor's caches forget all of this, and a frame is not to wait for looks
//! at what has not happened.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use calloop::{
    EventLoop, Interest, LoopHandle, Mode, PostAction, RegistrationToken, generic::Generic,
};
use protocols::ipc::{
    DeviceStats, GuestRenderer, MachineState,
    device::{Asked, DeviceEvent, DeviceRequest},
};
use tracing::{info, warn};

use super::{
    DeviceError, HostDisplay,
    around::Around,
    attachment::Attachment,
    door::Door,
    drawing::Drawing,
    front_end::Connected,
    hands::Desk,
    host::Hosts,
    ready::Ready,
    wait::{Watched, wait},
};
use crate::{
    display::{DisplayEvent, ScanoutId},
    gpu::{Gpu, PlugError},
    input::HandsOptions,
    memory::GuestRam,
    renderer::NoRenderer,
    status::StatusChannel,
    vhost_user::{commands::Scratch, listener::Listener, passed::Passed, window::Window},
};

/// The device process: the core, its display, and whoever is connected.
pub struct Process<D: HostDisplay + 'static> {
    pub(super) handle: LoopHandle<'static, Self>,
    pub(super) gpu: Gpu,
    pub(super) around: Around<D>,
    pub(super) door: Door,
    pub(super) desk: Desk,
    pub(super) connected: Option<Connected>,
    /// What VMMs have been given by the guest's devices.
    pub(super) passed: Passed,
    pub(super) window_watch: Option<RegistrationToken>,
    /// What draws for the guest.
    pub(super) report: GuestRenderer,
    status: Option<StatusChannel>,
    pub(super) scratch: Scratch,
    pub(super) ready: Ready,
    /// How the guest's machine is, where it does not run.
    machine: Option<MachineState>,
    quit: bool,
}

impl<D: HostDisplay + 'static> Process<D> {
    /// Joins the rooms and lets the loop watch what they wait for.
    ///
    /// # Errors
    /// Descriptors that can't be had or watched.
    pub fn new(
        handle: LoopHandle<'static, Self>,
        mut gpu: Gpu,
        hosts: Hosts<D>,
        listener: Listener,
        status: Option<StatusChannel>,
    ) -> Result<Self, DeviceError> {
        let door = Door::new(&handle, listener, |ready| ready.knock = true)?;
        let display = Attachment::new(handle.clone(), hosts)?;
        if !display.is_attached() {
            gpu.host_gone();
        }
        if let Some(status) = &status {
            let fd = status.as_fd().try_clone_to_owned()?;
            watch(&handle, fd, Interest::BOTH, Mode::Edge, |ready| {
                ready.status = true;
            })?;
        }
        Ok(Self {
            handle,
            gpu,
            around: Around {
                ram: GuestRam::default(),
                display,
                drawing: Drawing::Nothing(NoRenderer::default()),
                window: Window::new(0),
            },
            door,
            desk: Desk::new(HandsOptions::default()),
            connected: None,
            passed: Passed::default(),
            window_watch: None,
            report: GuestRenderer::default(),
            status,
            scratch: Scratch::default(),
            ready: Ready {
                display: true,
                ..Ready::default()
            },
            machine: None,
            quit: false,
        })
    }

    /// Ends the loop after the turn.
    pub fn quit(&mut self) {
        self.quit = true;
    }

    /// What the guest is shown on, while there is something.
    pub fn display(&mut self) -> Option<&mut D> {
        self.around.display.shown()
    }

    /// Runs until [`Process::quit`] was called.
    ///
    /// # Errors
    /// The loop failed, or the host's compositor is gone and can't be called again.
    pub fn run(&mut self, event_loop: &mut EventLoop<'static, Self>) -> Result<(), DeviceError> {
        self.tell(&DeviceEvent::Renderer(self.renderer_report()));
        self.tell(&DeviceEvent::Listening);
        if !self.around.display.is_attached() {
            self.tell(&DeviceEvent::Detached);
        }
        while !self.quit {
            self.turn()?;
            if self.wait(&*event_loop)? {
                event_loop.dispatch(Some(Duration::ZERO), self)?;
            }
        }
        Ok(())
    }

    /// Sleeps until something is to be done, and notes down what. Returns whether some of it is the
    /// event loop's to say.
    fn wait(&mut self, event_loop: impl AsFd) -> Result<bool, DeviceError> {
        let kicks = self.kicks();
        let watched = Watched {
            host: self.around.display.readable(),
            renderer: self.around.drawing.readable(),
            kicks: &kicks,
        };
        let now = Instant::now();
        let deadline = self.deadline(now);
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let woken = wait(event_loop, watched, timeout).map_err(calloop::Error::from)?;
        let is_due = deadline.is_some_and(|deadline| deadline <= Instant::now());
        self.ready.other |= is_due || woken.event_loop;
        self.ready.display |= woken.host;
        self.ready.renderer |= woken.renderer;
        self.kicked(woken.kicks);
        Ok(woken.event_loop)
    }

    /// When something is due, or `None` until something happens.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.quit || self.ready.waits() || self.rings_wait() {
            return Some(now);
        }
        [
            self.gpu.next_deadline(),
            self.around.display.next_deadline(),
            self.around.window.next_deadline(),
            self.around.drawing.next_deadline(),
            self.door.next_deadline(),
            self.desk.next_deadline(now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn rings_wait(&self) -> bool {
        let connected = self.connected.as_ref();
        connected.is_some_and(|connected| connected.connection.rings_wait())
            || self.desk.rings_wait()
    }

    /// Does everything that is due.
    fn turn(&mut self) -> Result<(), DeviceError> {
        if self.ready.any() {
            self.look_around()?;
        }
        self.serve_guest()?;
        // Only now: a frame need not wait for it.
        if self.empty_kicks() {
            self.serve_guest()?;
        }
        // What was asked of others may have been answered on the spot.
        self.serve_window();
        self.serve_renderer();
        self.take_display_events()?;
        self.serve_hands();
        self.give_answers();
        self.flush_renderer();
        self.flush_display()?;
        self.announce();
        Ok(())
    }

    /// Does everything that comes before the guest's rings.
    fn look_around(&mut self) -> Result<(), DeviceError> {
        self.ready.other = false;
        if std::mem::take(&mut self.ready.display) {
            self.around.display.dispatch();
        }
        self.take_display_events()?;
        self.look_for_host();
        self.answer_knocks();
        self.answer_knocks_for_hands();
        self.hear_front_end()?;
        self.hear_front_ends_of_hands();
        self.serve_window();
        self.serve_renderer();
        // Before the guest's part: what it is asked for concerns the guest.
        self.serve_status();
        self.serve_hands();
        self.gpu.expire(&mut self.around.context());
        Ok(())
    }

    /// Serves the guest's rings, and sends the frames that come of it.
    fn serve_guest(&mut self) -> Result<(), DeviceError> {
        self.serve_rings();
        match self.around.display.has_frame() {
            true => self.flush_display(),
            false => Ok(()),
        }
    }

    fn take_display_events(&mut self) -> Result<(), DeviceError> {
        loop {
            let events = self.around.display.take_events();
            if events.is_empty() {
                return Ok(());
            }
            let now = Instant::now();
            self.show_screens_to_hands();
            for event in events {
                match event {
                    DisplayEvent::Lost => return self.lose_host(),
                    DisplayEvent::CloseRequested(scanout) => self.close(scanout),
                    DisplayEvent::Input(input) => {
                        let shown = self.around.display.shown();
                        let fills = shown.is_some_and(|display| display.fills_monitors());
                        self.desk.input(input, fills, now);
                    }
                    _ => self.gpu.handle_display(event, &mut self.around.context()),
                }
            }
        }
    }

    /// The user closed a window. One of several is like a monitor's plug that is pulled. What the
    /// last one means, the program that started the device knows; without such a program it stays.
    fn close(&mut self, scanout: ScanoutId) {
        if self.gpu.has_window_besides(scanout) {
            // The user hears of a refusal by the window that stays.
            let _ = self.plug(scanout, None);
        } else if self.status.is_some() {
            info!("The guest's last window was closed");
            self.tell(&DeviceEvent::CloseRequested);
        } else {
            info!(
                "The guest's last window stays: nobody else could end the guest. Shut it down, or \
                 end this program"
            );
        }
    }

    /// Plugs one of the guest's monitors in, or out.
    fn plug(&mut self, scanout: ScanoutId, size: Option<(u32, u32)>) -> Result<(), PlugError> {
        let mut context = self.around.context();
        self.gpu
            .plug(scanout, size, &mut context)
            .inspect(|()| {
                info!(
                    scanout = scanout.0,
                    ?size,
                    "A monitor was plugged in or out"
                );
            })
            .inspect_err(|error| warn!("{error}"))
    }

    fn flush_display(&mut self) -> Result<(), DeviceError> {
        if !self.around.display.flush()? {
            // What it said last explains why.
            self.ready.display = true;
        }
        Ok(())
    }

    /// Lets in the next VMM.
    fn answer_knocks(&mut self) {
        let knocked = std::mem::take(&mut self.ready.knock);
        let taken = self.connected.is_some();
        if let Some(socket) = self.door.answer(&self.handle, knocked, taken)
            && let Err(error) = self.connect(socket)
        {
            warn!(%error, "A VMM could not be let in");
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
                    let lacking = self.around.display.shown().map(|display| display.lacking());
                    let lacking = lacking.unwrap_or_default().into_iter();
                    self.tell(&DeviceEvent::Stats(DeviceStats {
                        dialect: dialect.map(|dialect| dialect.name().to_owned()),
                        scanouts: self.gpu.stats(),
                        hands: self.desk.stats(),
                        lacking: lacking.map(Into::into).collect(),
                        renderer: Some(self.renderer_report()),
                    }));
                }
                DeviceRequest::Scanout { scanout, size } => {
                    let outcome = self.plug(ScanoutId(scanout), size);
                    let outcome = outcome.map_err(|error| error.to_string());
                    self.answer(Asked::Scanout, outcome);
                }
                DeviceRequest::Attach { display } => self.attach(display),
                DeviceRequest::Detach => self.detach(),
                DeviceRequest::Input(action) => {
                    let outcome = self.desk.inject(&action);
                    let outcome = outcome.map_err(|refusal| refusal.to_string());
                    self.answer(Asked::Input, outcome);
                }
                DeviceRequest::Machine { state } => {
                    self.machine = state.filter(|state| *state != MachineState::Running);
                    self.show_machine();
                }
                DeviceRequest::Quit => self.quit(),
            }
        }
    }

    /// Says where the guest is seen how its machine is.
    pub(super) fn show_machine(&mut self) {
        let words = self.machine.map(|state| state.to_string());
        if let Some(display) = self.around.display.shown() {
            display.set_machine(words.as_deref());
        }
    }

    /// Tells what became of a request.
    pub(super) fn answer(&mut self, to: Asked, outcome: Result<(), String>) {
        let error = outcome.err();
        self.tell(&DeviceEvent::Answer { to, error });
    }

    /// The connection to a compositor that the supervisor sent last.
    pub(super) fn take_handed_over(&mut self) -> Option<OwnedFd> {
        self.status.as_mut()?.take_descriptor()
    }

    pub(super) fn tell(&mut self, event: &DeviceEvent) {
        if let Some(status) = &mut self.status
            && status.send(event).is_err()
        {
            self.status = None;
        }
    }
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
