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
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use thiserror::Error;

/// Where front-ends connect.
#[derive(Debug)]
pub enum SocketSource {
    /// A Unix socket at this path, made by the device.
    Path(PathBuf),
    /// A Unix stream socket that listens already, as handed over by whoever started the device.
    Listener(OwnedFd),
}

/// Why front-ends can't connect.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another device listens there.
    #[error(
        "Listening on {path:?}: another process already does. Stop it, or choose another path \
         with --gpu-socket"
    )]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// There is a file that is not a socket.
    #[error(
        "Listening on {path:?}: there is a file that is not a socket. Remove it, or choose another \
         path with --gpu-socket"
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
    #[error("Listening on the inherited socket: {0}. Pass a listening Unix stream socket")]
    Inherited(io::Error),
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    /// Takes the file away when it is dropped.
    _file: Option<SocketFile>,
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
            SocketSource::Listener(fd) => {
                let socket = UnixListener::from(fd);
                socket
                    .set_nonblocking(true)
                    .map_err(ListenError::Inherited)?;
                Ok(Self {
                    socket,
                    _file: None,
                })
            }
            SocketSource::Path(path) => Self::bind(path),
        }
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
                socket,
                _file: Some(SocketFile { path, identity }),
            }),
            Err(error) => Err(ListenError::Bind { path, error }),
        }
    }

    /// A descriptor to watch for front-ends, for the loop to own.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn watched(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// The next front-end that waits, if any.
    ///
    /// # Errors
    /// Out of descriptors, or an inherited descriptor that doesn't listen.
    pub fn accept(&self) -> io::Result<Option<UnixStream>> {
        match self.socket.accept() {
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
        self.socket.as_fd()
    }
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
        let listener = listen(&path).unwrap();
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
        let listener = Listener::new(SocketSource::Listener(made_elsewhere.into())).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        assert!(listener.accept().unwrap().is_some());
    }
}
