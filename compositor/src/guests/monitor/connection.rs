//! The socket of QEMU's machine protocol.

use std::{
    io::{self, Read, Write as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    rc::Rc,
    time::Instant,
};

use calloop::{Interest, LoopHandle, Mode, PostAction, RegistrationToken, generic::Generic};
use protocols::ipc::{MachineAction, MachineState};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::{AskError, Heard, News, qmp::Session};
use crate::lines::{LineBuffer, Reading};

/// How much is read at once, so that a VMM that floods us does not keep the loop from others.
const PORTION: usize = 64 * 1024;

/// A connection, and the conversation on it.
#[derive(Debug)]
pub(in crate::guests) struct Connection {
    path: PathBuf,
    stream: Shared,
    session: Session,
    pub(super) source: RegistrationToken,
}

/// A stream that the event loop polls and its owner writes to.
#[derive(Debug, Clone)]
struct Shared(Rc<UnixStream>);

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives a bounded number of bytes, and is then as if there were no more for now.
struct Portion<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for Portion<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(count);
        Ok(count)
    }
}

impl Connection {
    /// `None` where nobody listens, or its queue is full.
    pub(super) fn open<D: 'static>(
        path: &Path,
        handle: &LoopHandle<'static, D>,
        on_heard: impl Fn(&mut D, Heard) + 'static,
    ) -> io::Result<Option<Self>> {
        let Some(stream) = connect_now(path)? else {
            return Ok(None);
        };
        let stream = Shared(Rc::new(stream));
        let mut buffer = LineBuffer::default();
        let source = Generic::new(stream.clone(), Interest::READ, Mode::Level);
        let source = handle
            .insert_source(source, move |_, stream, data: &mut D| {
                let mut lines = Vec::new();
                let mut portion = Portion {
                    inner: &*stream.0,
                    left: PORTION,
                };
                let reading = buffer.read(&mut portion, |line| lines.push(line.to_vec()));
                if !lines.is_empty() {
                    on_heard(data, Heard::Lines(lines));
                }
                Ok(match reading {
                    Ok(Reading::Open) => PostAction::Continue,
                    Ok(Reading::Ended) | Err(_) => {
                        on_heard(data, Heard::Ended);
                        PostAction::Remove
                    }
                })
            })
            .map_err(|error| io::Error::from(error.error))?;
        Ok(Some(Self {
            path: path.to_owned(),
            stream,
            session: Session::new(Instant::now()),
            source,
        }))
    }

    pub(super) fn ask(&mut self, action: MachineAction, now: Instant) -> Result<(), AskError> {
        self.session
            .ask(action, now)
            .map_err(|error| error.unwrap_or_else(|| AskError::Silent(self.path.clone())))?;
        self.flush().map_err(|_| AskError::Gone)
    }

    pub(super) fn hear(&mut self, lines: &[Vec<u8>], now: Instant) -> Result<Vec<News>, String> {
        let mut news = Vec::new();
        for line in lines {
            news.extend(self.session.on_line(line, now)?);
        }
        self.flush()
            .map_err(|error| format!("it does not listen: {error}"))?;
        Ok(news)
    }

    pub(super) fn state(&self) -> Option<MachineState> {
        self.session.state()
    }

    /// The few commands that may be unanswered fit into a socket's buffer; one that does not take
    /// them whole belongs to a VMM that hangs.
    fn flush(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let written = (&*self.stream.0).write(&output)?;
        if written < output.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }
}

/// Connects without waiting for a program whose queue of connections is full.
fn connect_now(path: &Path) -> io::Result<Option<UnixStream>> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) => Ok(Some(UnixStream::from(socket))),
        Err(error) => match io::Error::from(error).kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::WouldBlock => Ok(None),
            _ => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn nobody_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.qmp");
        assert!(connect_now(&path).unwrap().is_none());
        drop(UnixListener::bind(&path).unwrap());
        assert!(connect_now(&path).unwrap().is_none());
    }

    #[test]
    fn a_full_queue_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.qmp");
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();

        assert!(connect_now(&path).unwrap().is_some());
        assert!(connect_now(&path).unwrap().is_none());
    }

    #[test]
    fn a_flood_is_read_in_portions() {
        let mut portion = Portion {
            inner: io::repeat(b'\n'),
            left: PORTION,
        };
        let mut lines = 0;
        let reading = LineBuffer::default().read(&mut portion, |_| lines += 1);
        assert_eq!(reading.unwrap(), Reading::Open);
        assert!((PORTION..=2 * PORTION).contains(&lines));
    }
}
