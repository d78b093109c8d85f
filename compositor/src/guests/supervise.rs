//! Does what a guest's life cycle asks for, and tells it what happened.

use std::{
    io::{self, Write as _},
    os::fd::AsFd,
    rc::Rc,
    time::Instant,
};

use calloop::{Interest, Mode, PostAction, generic::Generic};
use protocols::ipc::GuestState;
use rustix::process::Signal;
use tracing::{debug, info, warn};

use super::{
    Guest, Output, Running,
    channel::StatusChannel,
    device::Device,
    last_lines::Reading,
    lifecycle::{Action, Ended, Event, Role},
    process::{Process, Started, describe},
    shown::Shown,
    vmm::{Launch, Seat, Vmm},
};
use crate::{
    app::App,
    delay::{Delay, Then},
    host::{Connection, Host},
    service::journal,
};

impl<H: Host> App<H> {
    /// Starts a guest that is off.
    pub fn start_guest(&mut self, name: &str) {
        self.guest_event(name, Event::Start);
    }

    /// Stops a guest, if it runs, and starts it.
    pub fn restart_guest(&mut self, name: &str) {
        self.guest_event(name, Event::Restart);
    }

    /// Begins to stop all guests.
    pub fn stop_guests(&mut self) {
        let names: Vec<String> = self.guests.names().map(str::to_owned).collect();
        for name in names {
            self.guest_event(&name, Event::Stop);
        }
    }

    /// Lets a guest's life go on, until nothing more follows at once.
    pub(super) fn guest_event(&mut self, name: &str, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let Some(guest) = self.guests.list.get_mut(name) else {
                return;
            };
            let before = (guest.life.state(), guest.life.ended().is_some());
            if matches!(event, Event::Start | Event::Restart | Event::Connected) {
                guest.trouble = None;
            }
            if let Some(step) = guest.life.on(event, Instant::now()) {
                debug!(guest = name, ?step, "life goes on");
                if let Some(timer) = guest.timer.take() {
                    self.handle.remove(timer);
                }
                if let Some(duration) = step.timer {
                    self.set_guest_timer(name, duration);
                }
                for action in step.actions {
                    events.extend(self.act(name, action));
                }
            }
            self.report(name, before);
        }
        self.guests_changed();
    }

    /// Tells the host and the log where that led.
    fn report(&mut self, name: &str, before: (GuestState, bool)) {
        let Some(guest) = self.guests.list.get(name) else {
            return;
        };
        let state = guest.life.state();
        if (state, guest.life.ended().is_some()) == before {
            return;
        }
        let status = guest.tell();
        self.host.guest_changed(name, &status);
        match guest.life.ended() {
            Some(Ended::Failed { role, reason }) => warn!("{}", guest.failure(name, *role, reason)),
            Some(Ended::ShutDown) => info!(guest = name, "The guest has shut down"),
            Some(_) => info!(guest = name, "The guest is off"),
            None => match (state, status.reason) {
                (GuestState::Restarting, Some(reason)) => {
                    warn!(guest = name, "Starting the guest again: {reason}");
                }
                _ => debug!(guest = name, ?state, "now"),
            },
        }
    }

    fn set_guest_timer(&mut self, name: &str, duration: std::time::Duration) {
        let owner = name.to_owned();
        let timer =
            self.handle
                .insert_source(Delay::new(duration), move |(), (), app: &mut Self| {
                    if let Some(guest) = app.guests.list.get_mut(&owner) {
                        guest.timer = None;
                    }
                    app.guest_event(&owner, Event::Timeout);
                    Then::Over
                });
        match (timer, self.guests.list.get_mut(name)) {
            (Ok(token), Some(guest)) => guest.timer = Some(token),
            (Err(error), _) => warn!(guest = name, "Could not set a timer: {}", error.error),
            (Ok(_), None) => {}
        }
    }

    /// Does one thing. What it led to at once is returned.
    fn act(&mut self, name: &str, action: Action) -> Option<Event> {
        let (role, signal) = match action {
            Action::Start(role) => {
                return self
                    .start_process(name, role)
                    .err()
                    .map(|reason| Event::NotStarted { role, reason });
            }
            Action::Terminate(role) => (role, Signal::TERM),
            Action::Kill(role) => (role, Signal::KILL),
        };
        let guest = self.guests.list.get_mut(name)?;
        // User Mode Linux saves nothing either way, and with several processors it hangs on SIGTERM
        // while it takes its console's files away.
        let is_uml = role == Role::Vmm && matches!(guest.vmm, Vmm::Uml(_));
        let signal = if is_uml { Signal::KILL } else { signal };
        match guest.running(role) {
            Some(running) => {
                running.process.signal(signal);
                None
            }
            None => Some(Event::Exited {
                role,
                success: true,
                status: "it was not there".to_owned(),
            }),
        }
    }

    fn start_process(&mut self, name: &str, role: Role) -> Result<(), String> {
        match role {
            Role::Device => self.start_device(name).map_err(|error| {
                self.close_status(name);
                format!("its graphics device can't be started: {error}")
            }),
            Role::Vmm => self.start_vmm(name),
        }
    }

    fn start_device(&mut self, name: &str) -> io::Result<()> {
        let owner = name.to_owned();
        let (channel, theirs) = StatusChannel::open(&self.handle, move |app: &mut Self, event| {
            app.device_event(&owner, event);
        })?;
        let socket = self.guests.socket(name);
        let inputs = self.guests.input_sockets(name);
        let Some(guest) = self.guests.list.get_mut(name) else {
            self.handle.remove(channel.source);
            return Ok(());
        };
        guest.status = Some(channel);
        let detached = !guest.shown.attached;
        if !detached {
            guest.shown = Shown::default();
        }
        let wayland = match detached {
            true => None,
            false => match self.host.connect_guest(name)? {
                Connection::Session => None,
                Connection::Socket(fd) => Some(fd),
            },
        };
        let device = Device {
            name,
            guest: &guest.config,
            socket: &socket,
            inputs: &inputs,
            options: &self.guests.options,
            status: theirs.as_fd(),
            wayland: wayland.as_ref().map(AsFd::as_fd),
            detached,
        };
        let mut command = device.command();
        command.envs(self.guests.options.environment.iter().cloned());
        let started = Process::start(command, &device.inherited())?;
        guest.device_output.clear();
        self.watch(name, Role::Device, started)
    }

    fn start_vmm(&mut self, name: &str) -> Result<(), String> {
        let socket = self.guests.socket(name);
        let inputs = self.guests.input_sockets(name);
        let Some(guest) = self.guests.list.get_mut(name) else {
            return Ok(());
        };
        let seat = Seat {
            name,
            guest: &guest.config,
            socket: &socket,
            inputs: &inputs,
            folder: self.guests.folder.path(),
        };
        let Some(launch) = guest.vmm.launch(seat).map_err(|error| error.to_string())? else {
            return Ok(());
        };
        info!(guest = name, "Starting {launch}");
        let mut command = launch.prepare().map_err(|error| error.to_string())?;
        command.envs(self.guests.options.environment.iter().cloned());
        guest.vmm_output.clear();
        let not_started = |Launch { program, .. }: &Launch, error: io::Error| {
            format!("its VMM {} can't be started: {error}", program.display())
        };
        let started = Process::start(command, &[]).map_err(|error| not_started(&launch, error))?;
        self.watch(name, Role::Vmm, started)
            .map_err(|error| not_started(&launch, error))
    }

    fn watch(&mut self, name: &str, role: Role, started: Started) -> io::Result<()> {
        let owner = name.to_owned();
        let end = self.handle.insert_source(
            Generic::new(started.pidfd, Interest::READ, Mode::Level),
            move |_, _, app: &mut Self| {
                app.process_ended(&owner, role);
                // The source was removed with the process.
                Ok(PostAction::Continue)
            },
        );
        let end = end.map_err(|error| io::Error::from(error.error))?;
        let owner = name.to_owned();
        let output = Output(Rc::new(started.output));
        let reader = self.handle.insert_source(
            Generic::new(output.clone(), Interest::READ, Mode::Level),
            move |_, output, app: &mut Self| Ok(app.read_output(&owner, role, &output.0)),
        );
        let reader = reader.map_err(|error| io::Error::from(error.error))?;
        debug!(guest = name, ?role, pid = started.process.id(), "started");
        if let Some(guest) = self.guests.list.get_mut(name) {
            *guest.running(role) = Some(Running {
                process: started.process,
                end,
                output: Some((output, reader)),
            });
        }
        Ok(())
    }

    fn read_output(&mut self, name: &str, role: Role, mut file: &std::fs::File) -> PostAction {
        let Some(guest) = self.guests.list.get_mut(name) else {
            return PostAction::Remove;
        };
        let mut new_lines = Vec::new();
        let reading = guest
            .output(role)
            .read(&mut file, |line| new_lines.push(line.to_owned()));
        let unfit = role == Role::Vmm && new_lines.iter().any(|line| guest.learns_from(line));
        let ended = !matches!(reading, Ok(Reading::Open));
        if ended && let Some(running) = guest.running(role) {
            running.output = None;
        }
        for line in &new_lines {
            relay(guest, name, role, line);
        }
        if unfit {
            warn!(
                guest = name,
                "KVM does not run this guest; going on without it"
            );
            self.guest_event(name, Event::Unfit);
        }
        if ended {
            PostAction::Remove
        } else {
            PostAction::Continue
        }
    }

    fn process_ended(&mut self, name: &str, role: Role) {
        let Some(guest) = self.guests.list.get_mut(name) else {
            return;
        };
        let Some(running) = guest.running(role) else {
            return;
        };
        let status = match running.process.try_wait() {
            Ok(Some(status)) => status,
            // Woken for nothing.
            Ok(None) => return,
            Err(error) => {
                warn!(guest = name, "Could not ask how a process ended: {error}");
                return;
            }
        };
        if let Some(Running { end, output, .. }) = guest.running(role).take() {
            self.handle.remove(end);
            if let Some((output, reader)) = output {
                // What it wrote last may still be in the pipe, and explains its end.
                self.read_output(name, role, &output.0);
                self.handle.remove(reader);
            }
        }
        match role {
            Role::Device => self.close_status(name),
            Role::Vmm => self.close_monitor(name),
        }
        let status_text = describe(status);
        debug!(guest = name, ?role, status_text, "ended");
        if !status.success()
            && let Some(guest) = self.guests.list.get_mut(name)
        {
            guest.note_failure(role, &status_text);
        }
        self.guest_event(
            name,
            Event::Exited {
                role,
                success: status.success(),
                status: status_text,
            },
        );
    }

    fn close_status(&mut self, name: &str) {
        if let Some(guest) = self.guests.list.get_mut(name) {
            guest.dialect = None;
            guest.renderer = None;
            if let Some(channel) = guest.status.take() {
                self.handle.remove(channel.source);
            }
        }
        self.device_gone(name);
    }
}

/// A device's lines are a log already; a VMM's are its guest's console, and for debugging.
fn relay(guest: &mut Guest, name: &str, role: Role, line: &str) {
    if role == Role::Vmm {
        debug!(target: "console", guest = name, "{line}");
    } else if guest.relayed.take(Instant::now()) {
        let line = match journal::is_standard_error() {
            true => journal::of_guest(name, line),
            false => format!("[{name}] {line}\n"),
        };
        // Standard error is closed: nobody to tell.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}
