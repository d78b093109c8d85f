//! A unit for latencies: how long a byte takes to another process and back.
//!
//! Whatever hands a frame from one process to another through a socket, wakes that process up at least
//! once, and is answered, takes at least this long on the same machine.

use std::{
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::net::UnixStream,
    },
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::statistics::median;
use crate::guests::process::Process;

/// The hidden subcommand that gives every byte back.
pub const SUBCOMMAND: &str = "bench-echo";

/// Longer than any byte takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first round trips, during which the other process is still being loaded.
const WARM_UP: u32 = 10;

/// Another process that gives every byte back, until this is dropped.
#[derive(Debug)]
pub struct PingPong {
    socket: UnixStream,
    /// Ended by being dropped; `None` where a thread plays it.
    _process: Option<Process>,
}

impl PingPong {
    /// Starts the other process.
    ///
    /// # Errors
    /// It can't be started, or does not answer.
    pub fn start() -> anyhow::Result<Self> {
        let (socket, other) = UnixStream::pair().context("Could not make a pair of sockets")?;
        let mut command = Command::new("/proc/self/exe");
        command
            .args([SUBCOMMAND, "--fd", &other.as_raw_fd().to_string()])
            .stdout(Stdio::null());
        let process = Process::spawn(command, &[other.as_fd()])
            .context("Could not start this program as a second process")?;
        Self::with(socket, Some(process))
    }

    fn with(socket: UnixStream, process: Option<Process>) -> anyhow::Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut ping_pong = Self {
            socket,
            _process: process,
        };
        ping_pong.round_trip(WARM_UP, Duration::ZERO)?;
        Ok(ping_pong)
    }

    /// The median of so many round trips, with a pause before each: without one both processes stay
    /// awake and warm; with one of 16 ms they are as cold as those that show 60 frames a second.
    ///
    /// # Errors
    /// The other process has ended.
    pub fn round_trip(&mut self, rounds: u32, pause: Duration) -> anyhow::Result<Duration> {
        let mut seconds = Vec::new();
        for _ in 0..rounds.max(1) {
            if !pause.is_zero() {
                thread::sleep(pause);
            }
            let before = Instant::now();
            let mut byte = [b'x'];
            self.socket
                .write_all(&byte)
                .and_then(|()| self.socket.read_exact(&mut byte))
                .context("Could not get a byte back from the other process. It may have ended")?;
            seconds.push(before.elapsed().as_secs_f64());
        }
        let median = median(&seconds).unwrap_or_default();
        Ok(Duration::from_secs_f64(median))
    }
}

/// The other process: gives every byte back until there will be no more.
///
/// # Errors
/// What the system says.
pub fn echo(mut socket: UnixStream) -> io::Result<()> {
    let mut byte = [0];
    while socket.read(&mut byte)? > 0 {
        socket.write_all(&byte)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_comes_back_and_a_pause_is_no_part_of_it() {
        const PAUSE: Duration = Duration::from_millis(50);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let other = thread::spawn(move || echo(theirs));
        let mut ping_pong = PingPong::with(ours, None).unwrap();
        let before = Instant::now();
        let median = ping_pong.round_trip(3, PAUSE).unwrap();
        assert!(before.elapsed() >= 3 * PAUSE);
        assert!(
            !median.is_zero() && median < before.elapsed() - PAUSE,
            "{median:?}"
        );
        drop(ping_pong);
        other.join().unwrap().unwrap();
    }

    #[test]
    fn another_process_that_ends_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let error = PingPong::with(ours, None).unwrap_err();
        assert!(error.to_string().contains("It may have ended"), "{error}");
    }
}
