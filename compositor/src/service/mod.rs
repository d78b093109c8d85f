//! What a service manager is told: that the program is ready, alive and ending (`sd_notify(3)`), and
//! its log ([`journal`]).
//!
//! This room knows neither guests nor screens; it says what it is given to say.

pub(crate) mod journal;

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt as _, net::UnixDatagram},
    process,
    time::Duration,
};

use calloop::LoopHandle;
use tracing::{debug, warn};

use crate::delay::{Delay, Then};

/// The variables by which a service manager tells a program where it listens, and how patient it is.
/// They are meant for this process alone: a VMM that knows them would speak in its name.
pub(crate) const VARIABLES: [&str; 3] = [NOTIFY_SOCKET, "WATCHDOG_USEC", "WATCHDOG_PID"];

const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The service manager, if one started this process and wants to know.
#[derive(Debug, Default)]
pub(crate) struct Service {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear from us.
    alive_every: Option<Duration>,
    /// What it heard last of how things are.
    status: String,
}

impl Service {
    /// As `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID` have it.
    pub(crate) fn from_environment() -> Self {
        let path = env::var_os(NOTIFY_SOCKET).filter(|path| !path.is_empty());
        let socket = path.and_then(|path| match connect(&path) {
            Ok(socket) => Some(socket),
            Err(error) => {
                warn!(
                    "Could not reach the service manager at {}: {error}",
                    path.display()
                );
                None
            }
        });
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
        let limit = number("WATCHDOG_USEC").filter(|limit| for_us && *limit > 0);
        Self {
            socket,
            // Half of what it waits, as sd_watchdog_enabled(3) recommends.
            alive_every: limit.map(|limit| Duration::from_micros(limit / 2)),
            status: String::new(),
        }
    }

    /// Tells from a loop that the loop is not stuck, as often as the service manager wants to hear.
    pub(crate) fn watch<D: 'static>(&self, handle: &LoopHandle<'static, D>) {
        let (Some(socket), Some(every)) = (&self.socket, self.alive_every) else {
            return;
        };
        let Ok(socket) = socket.try_clone() else {
            warn!("The service manager won't hear that we are alive: no more file descriptors");
            return;
        };
        let timer = handle.insert_source(Delay::new(every), move |(), (), _| {
            send(&socket, "WATCHDOG=1");
            Then::Again(every)
        });
        if let Err(error) = timer {
            warn!(
                "The service manager won't hear that we are alive: {}",
                error.error
            );
        }
    }

    /// Everything works.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// How things are, for people; nothing happens if they are as before.
    pub(crate) fn status(&mut self, status: String) {
        if self.status != status {
            self.tell(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    /// The end has begun.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, message: &str) {
        if let Some(socket) = &self.socket {
            send(socket, message);
        }
    }
}

fn connect(path: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match path.as_bytes().strip_prefix(b"@") {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)?;
        }
        None => socket.connect(path)?,
    }
    // A service manager that does not read must not stop us.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn send(socket: &UnixDatagram, message: &str) {
    if let Err(error) = socket.send(message.as_bytes()) {
        debug!("Could not tell the service manager {message:?}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use calloop::EventLoop;

    use super::*;

    fn service(alive_every: Option<Duration>) -> (Service, UnixDatagram) {
        let (ours, manager) = UnixDatagram::pair().unwrap();
        let service = Service {
            socket: Some(ours),
            alive_every,
            status: String::new(),
        };
        (service, manager)
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut message = [0; 100];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_manager_hears_of_the_beginning_what_is_new_and_the_end() {
        let (mut service, manager) = service(None);
        service.status("1 guest starts".to_owned());
        service.ready();
        service.status("1 guest starts".to_owned());
        service.status("1 guest runs".to_owned());
        service.stopping();
        for said in [
            "STATUS=1 guest starts",
            "READY=1",
            "STATUS=1 guest runs",
            "STOPPING=1",
        ] {
            assert_eq!(heard(&manager), said);
        }
    }

    #[test]
    fn a_loop_that_turns_says_so_again_and_again() {
        let (service, manager) = service(Some(Duration::from_millis(1)));
        let mut event_loop: EventLoop<'static, ()> = EventLoop::try_new().unwrap();
        service.watch(&event_loop.handle());
        for _ in 0..2 {
            event_loop.dispatch(None, &mut ()).unwrap();
            assert_eq!(heard(&manager), "WATCHDOG=1");
        }
    }

    #[test]
    fn sockets_of_both_kinds_are_reached() {
        use std::os::linux::net::SocketAddrExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send(&connect(path.as_os_str()).unwrap(), "READY=1");
        assert_eq!(heard(&manager), "READY=1");

        let name = format!("lucarne-test-{}", process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send(
            &connect(OsStr::new(&format!("@{name}"))).unwrap(),
            "READY=1",
        );
        assert_eq!(heard(&manager), "READY=1");
    }
}
