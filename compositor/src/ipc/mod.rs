//! The control socket: what `lucarne msg` and other programs talk to.
//!
//! `server` moves lines between clients and `requests`, which knows what they mean;
//! [`client`] is the other end. The words themselves are [`protocols::ipc`]'s.

pub mod client;
mod hands;
mod requests;
mod scanouts;
mod server;
mod waiting;

use std::{
    io,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

use thiserror::Error;

pub(crate) use self::requests::Pending;
pub use self::server::Server;
use crate::guests::runtime_dir::PREFIX;

/// A control socket's name ends with this.
const SUFFIX: &str = ".sock";

/// The control socket's file; removed when dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// Why there is no control socket.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another program listens there.
    #[error(
        "Could not listen on {}: another program does. End it, or choose another path",
        .0.display()
    )]
    Occupied(PathBuf),
    /// The system refuses.
    #[error("Could not listen on {}: {source}. Check that you may write to its folder", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Socket {
    /// Listens at `lucarne-PID.sock` in `folder`.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn new(folder: &Path) -> Result<Self, ListenError> {
        let path = folder.join(format!("{PREFIX}{}{SUFFIX}", std::process::id()));
        Self::at(path)
    }

    fn at(path: PathBuf) -> Result<Self, ListenError> {
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                // Whoever made it may be gone without removing it.
                if UnixStream::connect(&path).is_ok() {
                    return Err(ListenError::Occupied(path));
                }
                std::fs::remove_file(&path).and_then(|()| UnixListener::bind(&path))
            }
            result => result,
        };
        let listener = listener.and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match listener {
            Ok(listener) => Ok(Self { listener, path }),
            Err(source) => Err(ListenError::System { path, source }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!("Could not remove {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests;
