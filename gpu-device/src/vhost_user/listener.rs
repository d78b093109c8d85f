//! The socket that front-ends connect to.
//!
//! Owns the socket's file: replaces what a dead device left behind, never what a living one
//! listens on, and takes its own file away at the end.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt},
};
use thiserror::Error;

/// Where front-ends connect.
#[derive(Debug)]
pub enum SocketSource {
    /// A Unix socket at this path, made by the device.
    Path(PathBuf),
    /// A Unix stream socket that was handed over by whoever started the device. It listens already,
    /// or is the connection to the only VMM that there will be.
    Inherited(OwnedFd),
}

/// Why front-ends can't connect.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another device listens there.
    #[error(
        "Listening on {path:?}: another process already does. Stop it, or choose another path \
         with --gpu-socket or --input"
    )]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// There is a file that is not a socket.
    #[error(
        "Listening on {path:?}: there is a file that is not a socket. Remove it, or choose another \
         path with --gpu-socket or --input"
    )]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The socket can't be made.
    #[error("Listening on {path:?}: {error}. Check that the folder exists and is writable")]
    Bind {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The inherited descriptor is of no use.
    #[error(
        "Using the inherited socket: {0}. Pass a Unix stream socket that listens or is connected"
    )]
    Inherited(io::Error),
}

/// A listening socket, or in its place a connection that is there already.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// Takes the file away when it is dropped.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Socket {
    Listens(UnixListener),
    /// The only connection; it is let in once.
    Connected {
        stream: UnixStream,
        let_in: bool,
    },
}

/// A socket's file, known by more than its name: a second device may have replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Listener {
    /// Starts to listen.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn new(source: SocketSource) -> Result<Self, ListenError> {
        match source {
            SocketSource::Inherited(fd) => inherited(fd).map_err(ListenError::Inherited),
            SocketSource::Path(path) => Self::bind(path),
        }
    }

    /// Whether there is one connection only, after which nobody can come.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(self.socket, Socket::Connected { .. })
    }

    fn bind(path: PathBuf) -> Result<Self, ListenError> {
        let socket = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_dead(&path)?;
                UnixListener::bind(&path)
            }
            outcome => outcome,
        };
        let ready = socket.and_then(|socket| {
            socket.set_nonblocking(true)?;
            let metadata = path.symlink_metadata()?;
            Ok((socket, (metadata.dev(), metadata.ino())))
        });
        match ready {
            Ok((socket, identity)) => Ok(Self {
                socket: Socket::Listens(socket),
                _file: Some(SocketFile { path, identity }),
            }),
            Err(error) => Err(ListenError::Bind { path, error }),
        }
    }

    /// A descriptor to watch for front-ends, for the loop to own. That of a single connection is
    /// readable whenever its front-end says something.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn watched(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }

    /// The next front-end that waits, if any.
    ///
    /// # Errors
    /// Out of descriptors, or an inherited descriptor that doesn't listen.
    pub fn accept(&mut self) -> io::Result<Option<UnixStream>> {
        let socket = match &mut self.socket {
            Socket::Listens(socket) => socket,
            Socket::Connected { let_in: true, .. } => return Ok(None),
            Socket::Connected { stream, let_in } => {
                let stream = stream.try_clone()?;
                *let_in = true;
                return Ok(Some(stream));
            }
        };
        match socket.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionAborted => Ok(None),
                _ => Err(error),
            },
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Listens(socket) => socket.as_fd(),
            Socket::Connected { stream, .. } => stream.as_fd(),
        }
    }
}

fn inherited(fd: OwnedFd) -> io::Result<Listener> {
    // A file or a datagram socket would be noticed late, as a VMM that talks nonsense.
    if sockopt::socket_type(&fd)? != SocketType::STREAM {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let socket = if sockopt::socket_acceptconn(&fd)? {
        let listener = UnixListener::from(fd);
        listener.set_nonblocking(true)?;
        Socket::Listens(listener)
    } else {
        Socket::Connected {
            stream: UnixStream::from(fd),
            let_in: false,
        }
    };
    Ok(Listener {
        socket,
        _file: None,
    })
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = self
            .path
            .symlink_metadata()
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if ours {
            // Nothing is left to do about a file that can't be removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that nobody listens on.
fn remove_dead(path: &Path) -> Result<(), ListenError> {
    let failed = |error: io::Error| ListenError::Bind {
        path: path.to_owned(),
        error,
    };
    let metadata = path.symlink_metadata().map_err(failed)?;
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket {
            path: path.to_owned(),
        });
    }
    let address = SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
    // Not blocking: a listener with a full backlog would keep us waiting, and lives.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|error| failed(error.into()))?;
    match connect(&probe, &address) {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(failed),
        _ => Err(ListenError::InUse {
            path: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu.sock");
        (folder, path)
    }

    fn listen(path: &Path) -> Result<Listener, ListenError> {
        Listener::new(SocketSource::Path(path.to_owned()))
    }

    #[test]
    fn a_socket_in_use_is_left_alone_and_named() {
        let (_folder, path) = path();
        let first = listen(&path).unwrap();
        let error = listen(&path).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("--gpu-socket"));
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_devices_socket_is_replaced() {
        let (_folder, path) = path();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let mut listener = listen(&path).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        assert!(listener.accept().unwrap().is_some());
        assert!(listener.accept().unwrap().is_none());
    }

    #[test]
    fn other_files_are_never_removed() {
        let (_folder, path) = path();
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(listen(&path), Err(ListenError::NotASocket { .. })));
        assert!(path.exists());
    }

    #[test]
    fn a_file_that_another_device_took_over_is_not_removed() {
        let (_folder, path) = path();
        let first = listen(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = listen(&path).unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[test]
    fn an_inherited_listener_works() {
        let (_folder, path) = path();
        let made_elsewhere = UnixListener::bind(&path).unwrap();
        let mut listener = Listener::new(SocketSource::Inherited(made_elsewhere.into())).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        assert!(listener.accept().unwrap().is_some());
    }

    #[test]
    fn an_inherited_connection_is_let_in_once() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut listener = Listener::new(SocketSource::Inherited(theirs.into())).unwrap();
        assert!(listener.is_single());
        let mut stream = listener.accept().unwrap().unwrap();
        assert!(listener.accept().unwrap().is_none());

        ours.write_all(b"x").unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn an_inherited_file_is_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let error = Listener::new(SocketSource::Inherited(file.into())).unwrap_err();
        assert!(matches!(error, ListenError::Inherited(_)), "{error}");
    }
}
