//! The other end of the control socket.

use std::{
    env, io,
    io::Write as _,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use protocols::ipc::{Answer, Reply, Request, SOCKET_ENV};
use thiserror::Error;

use super::SUFFIX;
use crate::{
    guests::runtime_dir::{self, PREFIX},
    lines::{LineBuffer, Reading},
};

/// Longer than anything the server may take.
const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// Why a request got no answer.
#[derive(Debug, Error)]
pub enum Error {
    /// Nobody to ask.
    #[error(
        "Could not find a running lucarne in {}. Start one with `lucarne headless` or `lucarne \
         run`, or set {SOCKET_ENV} to its control socket",
        .0.display()
    )]
    NoSocket(PathBuf),
    /// More than one could be asked.
    #[error(
        "Could not choose between several running lucarnes. Set {SOCKET_ENV} to one of {}",
        .0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Several(Vec<PathBuf>),
    /// There is no folder for sockets.
    #[error(transparent)]
    Folder(#[from] runtime_dir::Error),
    /// The socket does not answer.
    #[error("Could not talk to the lucarne at {}: {source}. Check that it still runs", path.display())]
    Connection {
        /// Its control socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It answered something else.
    #[error(
        "Could not understand the answer of the lucarne at {}: {source}. It may be of another \
         version: restart it",
        path.display()
    )]
    Answer {
        /// Its control socket.
        path: PathBuf,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
    /// It refused.
    #[error(transparent)]
    Refused(#[from] protocols::ipc::Error),
}

/// The control socket of the lucarne that is meant: `$LUCARNE_SOCKET`, or the only one of this
/// user.
///
/// # Errors
/// Where there is none or more than one.
pub fn find_socket() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os(SOCKET_ENV).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    only_socket_in(&runtime_dir::base()?)
}

fn only_socket_in(folder: &Path) -> Result<PathBuf, Error> {
    let mut sockets = sockets_in(folder);
    match (sockets.pop(), sockets.is_empty()) {
        (None, _) => Err(Error::NoSocket(folder.to_owned())),
        (Some(socket), true) => Ok(socket),
        (Some(socket), false) => {
            sockets.push(socket);
            Err(Error::Several(sockets))
        }
    }
}

/// The control sockets of all lucarnes that may be meant: `$LUCARNE_SOCKET`, or every one of this
/// user, sorted.
///
/// # Errors
/// Where there is no folder for sockets.
pub fn all_sockets() -> Result<Vec<PathBuf>, Error> {
    match env::var_os(SOCKET_ENV).filter(|path| !path.is_empty()) {
        Some(path) => Ok(vec![path.into()]),
        None => Ok(sockets_in(&runtime_dir::base()?)),
    }
}

fn sockets_in(folder: &Path) -> Vec<PathBuf> {
    let mut sockets: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(PREFIX) && name.ends_with(SUFFIX)
        })
        .map(|entry| entry.path())
        // What a killed lucarne left behind answers nobody.
        .filter(|path| UnixStream::connect(path).is_ok())
        .collect();
    sockets.sort();
    sockets
}

/// Asks the lucarne behind a control socket.
///
/// # Errors
/// Where it can't be reached, and what it refuses.
pub fn ask(path: &Path, request: &Request) -> Result<Answer, Error> {
    ask_within(path, request, REPLY_LIMIT)
}

/// The same, where waiting long is worse than no answer.
///
/// # Errors
/// As [`ask`].
pub fn ask_within(path: &Path, request: &Request, limit: Duration) -> Result<Answer, Error> {
    let connection = |source| Error::Connection {
        path: path.to_owned(),
        source,
    };
    let answer = |source| Error::Answer {
        path: path.to_owned(),
        source,
    };
    let line = exchange(path, request, limit).map_err(connection)?;
    match serde_json::from_slice(&line).map_err(answer)? {
        Reply::Ok(answer) => Ok(answer),
        Reply::Error(error) => Err(error.into()),
    }
}

fn exchange(path: &Path, request: &Request, limit: Duration) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    // The server answers what it has read, also when nothing can follow.
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut reply = None;
    let reading = LineBuffer::default().read(&mut stream, |line| {
        reply.get_or_insert_with(|| line.to_vec());
    })?;
    match (reply, reading) {
        (Some(reply), _) => Ok(reply),
        (None, Reading::Ended) => Err(io::ErrorKind::UnexpectedEof.into()),
        (None, Reading::Open) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_only_socket_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            only_socket_in(folder.path()),
            Err(Error::NoSocket(_))
        ));

        let dead = folder.path().join("lucarne-1.sock");
        drop(UnixListener::bind(dead).unwrap());
        let alive = folder.path().join("lucarne-2.sock");
        let _alive = UnixListener::bind(&alive).unwrap();
        let _other = UnixListener::bind(folder.path().join("wayland-0")).unwrap();
        assert_eq!(only_socket_in(folder.path()).unwrap(), alive);

        let _third = UnixListener::bind(folder.path().join("lucarne-3.sock")).unwrap();
        let error = only_socket_in(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("lucarne-2.sock, ") && error.contains("lucarne-3.sock"),
            "{error}"
        );
    }
}
