//! Where the host's compositor is, and how its socket is reached.
//!
//! Owns names and paths of Wayland displays. Must not know what is said on the connection.

use std::{
    env,
    ffi::OsString,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
};
use wayland_client::{ConnectError as WaylandError, Connection};

use super::connection::ConnectError;

/// Where the connection to the host's compositor comes from.
#[derive(Debug)]
pub enum WaylandSource {
    /// `$WAYLAND_SOCKET`, else `$WAYLAND_DISPLAY` in `$XDG_RUNTIME_DIR`, as any Wayland program.
    Environment,
    /// As `Environment`, and where that leads nowhere, the display of `$XDG_RUNTIME_DIR` that was
    /// made last. For programs that are started by services: those know of no display, or of the
    /// one before the last.
    Newest,
    /// A Wayland display: its socket's path, or its name in `$XDG_RUNTIME_DIR`.
    Display(PathBuf),
    /// A connected Unix stream socket, as handed over by Lucarne's own compositor.
    Socket(OwnedFd),
}

impl WaylandSource {
    /// The same place, for when the first connection has ended. `None` for a connection that was
    /// handed over: only who did that can make another.
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Environment if variable("WAYLAND_SOCKET").is_some() => None,
            Self::Environment => Some(Self::Environment),
            Self::Newest => Some(Self::Newest),
            Self::Display(display) => Some(Self::Display(display.clone())),
            Self::Socket(_) => None,
        }
    }

    /// Opens the connection; nothing is asked of the compositor yet. Does not wait: a compositor
    /// that has more callers than it answers counts as one that can't be reached.
    pub(super) fn open(self) -> Result<Connection, ConnectError> {
        match self {
            Self::Socket(fd) => adopt(fd),
            Self::Display(display) => call(&display),
            Self::Newest => Self::Environment.open().or_else(|error| {
                let folder = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
                let newest = folder.and_then(|folder| newest(&folder));
                call(&newest.ok_or(error)?)
            }),
            Self::Environment if variable("WAYLAND_SOCKET").is_some() => {
                Connection::connect_to_env().map_err(|_| ConnectError::BadSocket)
            }
            Self::Environment => {
                let display = variable("WAYLAND_DISPLAY").ok_or(ConnectError::NoDisplay)?;
                call(Path::new(&display))
            }
        }
    }
}

fn call(display: &Path) -> Result<Connection, ConnectError> {
    let socket = socket_of(display).and_then(|path| dial(&path).ok());
    let unreachable = || ConnectError::Unreachable(display.display().to_string());
    adopt(socket.ok_or_else(unreachable)?)
}

fn adopt(socket: OwnedFd) -> Result<Connection, ConnectError> {
    // Of a file that is no socket nothing could be read.
    if sockopt::socket_type(&socket) != Ok(SocketType::STREAM) {
        return Err(ConnectError::BadSocket);
    }
    Connection::from_socket(UnixStream::from(socket)).map_err(|error| match error {
        WaylandError::NoWaylandLib => ConnectError::NoLibrary,
        WaylandError::NoCompositor | WaylandError::InvalidFd => ConnectError::BadSocket,
    })
}

/// The path of a display's socket; `None` for a name where there is no folder for sockets.
fn socket_of(display: &Path) -> Option<PathBuf> {
    if display.is_absolute() {
        return Some(display.to_owned());
    }
    let folder = PathBuf::from(variable("XDG_RUNTIME_DIR")?);
    folder.is_absolute().then(|| folder.join(display))
}

/// The display whose socket was made last, of those that a compositor listens on. A file
/// `wayland-0.lock` beside it is none.
fn newest(folder: &Path) -> Option<PathBuf> {
    let made = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
    let is_display = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_prefix("wayland-");
        number.is_some_and(|number| number.parse::<u32>().is_ok()) && dial(path).is_ok()
    };
    std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(is_display)
        .max_by_key(made)
}

/// Connects without waiting. A compositor that is stopped goes on having its socket, and once enough
/// callers wait there, the next one would wait for ever.
fn dial(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// An environment variable that says something.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_display_is_reached_by_its_path_as_often_as_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wayland-7");
        let source = WaylandSource::Display(path.clone());
        let reach = || source.again().unwrap().open();
        assert!(matches!(reach(), Err(ConnectError::Unreachable(_))));

        let listener = UnixListener::bind(&path).unwrap();
        assert!(reach().is_ok());
        drop(listener);
        assert!(matches!(reach(), Err(ConnectError::Unreachable(_))));
        std::fs::remove_file(&path).unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(reach().is_ok());
    }

    #[test]
    fn a_compositor_that_takes_no_callers_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wayland-7");
        let _stopped = UnixListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        let refused = loop {
            match dial(&path) {
                Ok(socket) => waiting.push(socket),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, rustix::io::Errno::AGAIN);
    }

    #[test]
    fn what_was_handed_over_can_not_be_had_again_and_must_be_a_socket() {
        let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let source = WaylandSource::Socket(file);
        assert!(source.again().is_none());
        assert!(matches!(source.open(), Err(ConnectError::BadSocket)));
    }

    #[test]
    fn the_newest_display_that_listens_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(newest(folder.path()), None);

        let _old = UnixListener::bind(path("wayland-3")).unwrap();
        assert_eq!(newest(folder.path()), Some(path("wayland-3")));
        std::fs::write(path("wayland-3.lock"), "").unwrap();
        // File systems' clocks may be coarse.
        let long_ago = rustix::fs::Timespec::default();
        let times = rustix::fs::Timestamps {
            last_access: long_ago,
            last_modification: long_ago,
        };
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::utimensat(rustix::fs::CWD, path("wayland-3"), &times, flags).unwrap();
        let new = UnixListener::bind(path("wayland-1")).unwrap();
        assert_eq!(newest(folder.path()), Some(path("wayland-1")));
        drop(new);
        assert_eq!(newest(folder.path()), Some(path("wayland-3")));
    }
}
