//! A seat manager where there are no virtual terminals: the real seatd with sessions of its own, and a
//! second session beside the compositor's to switch to.
//!
//! seatd numbers sessions from 1 in the order in which they come: the compositor's is 1, and what Ctrl+Alt+F2
//! leads to is session 2.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::labtests::until;

const SOCKET: &str = "/run/seatd.sock";

/// For an answer or an event.
const LIMIT: Duration = Duration::from_secs(10);

/// A running seatd.
pub struct Seatd(Child);

impl Seatd {
    /// Starts it. The next client is session 1.
    ///
    /// # Errors
    ///
    /// When it does not start; its words are in `log`.
    pub fn start(log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let child = Command::new("seatd")
            .args(["-l", "debug"])
            .env("SEATD_VTBOUND", "0")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("Starting seatd")?;
        let seatd = Self(child);
        until(LIMIT, || Ok(UnixStream::connect(SOCKET).ok().map(drop)))
            .context("Waiting for seatd")?;
        Ok(seatd)
    }

    /// What a program needs in its environment to find the seat here.
    pub const ENVIRONMENT: [(&str, &str); 1] = [("LIBSEAT_BACKEND", "seatd")];
}

impl Drop for Seatd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = fs::remove_file(SOCKET);
    }
}

// Of seatd's include/protocol.h.
const OPEN_SEAT: u16 = 1;
const DISABLE_SEAT: u16 = 5;
const SWITCH_SESSION: u16 = 6;
const SERVER: u16 = 1 << 15;
const SEAT_OPENED: u16 = SERVER + 1;
const SEAT_DISABLED: u16 = SERVER + 5;
const ENABLE_SEAT: u16 = SERVER + 6;
const ERROR: u16 = SERVER + 0x7fff;

/// A session beside the compositor's, in seatd's own words.
pub struct Session {
    stream: UnixStream,
    /// Events that came while another one was waited for.
    early: Vec<u16>,
}

impl Session {
    /// Opens one; it becomes active when somebody switches to it.
    ///
    /// # Errors
    ///
    /// When seatd refuses.
    pub fn open() -> Result<Self> {
        let stream = UnixStream::connect(SOCKET).context("Connecting to seatd")?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut session = Self {
            stream,
            early: Vec::new(),
        };
        session.send(OPEN_SEAT, &[])?;
        session.wait(SEAT_OPENED)?;
        Ok(session)
    }

    /// Waits until the seat is this session's.
    ///
    /// # Errors
    ///
    /// When that does not happen in time.
    pub fn wait_until_active(&mut self) -> Result<()> {
        self.wait(ENABLE_SEAT)
            .context("Waiting until the seat is the other session's")
    }

    /// Whether the seat has been given to this session since it was last asked.
    ///
    /// # Errors
    ///
    /// When seatd is gone.
    pub fn is_active(&mut self) -> Result<bool> {
        const MOMENT: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 500_000_000,
        };
        loop {
            if let Some(place) = self.early.iter().position(|early| *early == ENABLE_SEAT) {
                self.early.remove(place);
                return Ok(true);
            }
            let mut streams = [PollFd::new(&self.stream, PollFlags::IN)];
            if poll(&mut streams, Some(&MOMENT))? == 0 {
                return Ok(false);
            }
            let message = self.read()?;
            self.early.push(message);
        }
    }

    /// Gives the seat to another session.
    ///
    /// # Errors
    ///
    /// When seatd refuses.
    pub fn switch_to(&mut self, session: i32) -> Result<()> {
        self.send(SWITCH_SESSION, &session.to_ne_bytes())?;
        self.wait(SEAT_DISABLED)
            .with_context(|| format!("Switching to session {session}"))?;
        self.send(DISABLE_SEAT, &[])
    }

    fn send(&mut self, code: u16, body: &[u8]) -> Result<()> {
        let size = u16::try_from(body.len())?;
        let mut message = code.to_ne_bytes().to_vec();
        message.extend(size.to_ne_bytes());
        message.extend(body);
        self.stream.write_all(&message)?;
        Ok(())
    }

    fn wait(&mut self, code: u16) -> Result<()> {
        if let Some(place) = self.early.iter().position(|early| *early == code) {
            self.early.remove(place);
            return Ok(());
        }
        loop {
            let seen = self
                .read()
                .with_context(|| format!("Waiting for seatd's message {code:#x}"))?;
            if seen == code {
                return Ok(());
            }
            self.early.push(seen);
        }
    }

    /// The next message.
    fn read(&mut self) -> Result<u16> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header)?;
        let [low, high, size_low, size_high] = header;
        let seen = u16::from_ne_bytes([low, high]);
        let mut body = vec![0; usize::from(u16::from_ne_bytes([size_low, size_high]))];
        self.stream.read_exact(&mut body)?;
        ensure!(seen != ERROR, "seatd refused: error {body:?}");
        ensure!(
            seen >= SERVER,
            "seatd sent the message {seen:#x}, which is a client's"
        );
        Ok(seen)
    }
}
