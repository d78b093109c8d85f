//! A VNC viewer that takes raw pictures as fast as it is given them (RFC 6143).

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};

const VERSION: &[u8; 12] = b"RFB 003.008\n";

/// No password.
const SECURITY_NONE: u8 = 1;

/// Rectangles of plain pixels.
const RAW: i32 = 0;

/// A rectangle that only tells a new size of the screen.
const DESKTOP_SIZE: i32 = -223;

/// Bytes of a pixel in the format that is asked for.
const PIXEL: usize = 4;

/// The largest rectangle that is believed, in bytes: 16384 x 8192 pixels.
const MAX_RECTANGLE: usize = 512 << 20;

/// How long a server may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// A viewer on a thread of its own. It ends when the server closes the connection.
#[derive(Debug)]
pub(in crate::bench) struct VncViewer {
    frames: Arc<AtomicU64>,
}

impl VncViewer {
    /// Connects to a server.
    ///
    /// # Errors
    /// It is none, or it wants a password.
    pub(in crate::bench) fn start(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("Could not connect to {}", socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Session {
            stream,
            size: (0, 0),
            pixels: Vec::new(),
        };
        session
            .greet()
            .context("Could not agree with the VNC server")?;
        session.stream.set_read_timeout(None)?;
        let frames = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&frames);
        let thread = thread::Builder::new().name("vnc viewer".to_owned());
        thread.spawn(move || {
            if let Err(error) = session.watch(&counter) {
                tracing::debug!("The VNC server is gone: {error:#}");
            }
        })?;
        Ok(Self { frames })
    }

    /// Updates with changed pixels that have arrived.
    pub(in crate::bench) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

struct Session {
    stream: UnixStream,
    size: (u16, u16),
    pixels: Vec<u8>,
}

impl Session {
    fn greet(&mut self) -> anyhow::Result<()> {
        let version: [u8; 12] = self.read()?;
        ensure!(version.starts_with(b"RFB 003"), "It is no VNC server");
        self.stream.write_all(VERSION)?;
        let [kinds] = self.read()?;
        let kinds = self.read_many(kinds.into())?;
        ensure!(
            kinds.contains(&SECURITY_NONE),
            "It wants a password (kinds {kinds:?})"
        );
        self.stream.write_all(&[SECURITY_NONE])?;
        let result: [u8; 4] = self.read()?;
        ensure!(result == [0; 4], "It refuses the connection");
        // Others may watch as well.
        self.stream.write_all(&[1])?;
        let [w0, w1, h0, h1] = self.read()?;
        self.size = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
        // The server's own format, which is asked for anew below.
        let _: [u8; 16] = self.read()?;
        let name: [u8; 4] = self.read()?;
        let name = usize::try_from(u32::from_be_bytes(name)).unwrap_or(usize::MAX);
        self.read_many(name)?;
        self.ask_for_format()
    }

    /// 32 bits with the blue byte first, which is how guests have it: nothing is converted.
    fn ask_for_format(&mut self) -> anyhow::Result<()> {
        let mut message = vec![0, 0, 0, 0];
        message.extend([32, 24, 0, 1]);
        for max in [255_u16; 3] {
            message.extend(max.to_be_bytes());
        }
        message.extend([16, 8, 0, 0, 0, 0]);
        message.extend([2, 0]);
        message.extend(2_u16.to_be_bytes());
        for encoding in [RAW, DESKTOP_SIZE] {
            message.extend(encoding.to_be_bytes());
        }
        Ok(self.stream.write_all(&message)?)
    }

    /// Asks for what has changed, takes it, and asks again.
    fn watch(&mut self, frames: &AtomicU64) -> anyhow::Result<()> {
        let mut incremental = false;
        loop {
            self.ask_for_update(incremental)?;
            incremental = true;
            loop {
                let [kind] = self.read()?;
                if kind == 0 {
                    break;
                }
                self.skip(kind)?;
            }
            if self.take_update()? {
                frames.fetch_add(1, Ordering::Relaxed);
            } else {
                // The size is another one: everything is new.
                incremental = false;
            }
        }
    }

    fn ask_for_update(&mut self, incremental: bool) -> io::Result<()> {
        let (width, height) = self.size;
        let mut message = vec![3, u8::from(incremental), 0, 0, 0, 0];
        message.extend(width.to_be_bytes());
        message.extend(height.to_be_bytes());
        self.stream.write_all(&message)
    }

    /// Takes an update; returns whether it had pixels.
    fn take_update(&mut self) -> anyhow::Result<bool> {
        let [_, n0, n1] = self.read()?;
        let mut had_pixels = false;
        for _ in 0..u16::from_be_bytes([n0, n1]) {
            let head: [u8; 12] = self.read()?;
            let [_, _, _, _, w0, w1, h0, h1, e0, e1, e2, e3] = head;
            let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
            match i32::from_be_bytes([e0, e1, e2, e3]) {
                RAW => {
                    let bytes = usize::from(width) * usize::from(height) * PIXEL;
                    ensure!(bytes <= MAX_RECTANGLE, "It sends {bytes} bytes at once");
                    if self.pixels.len() < bytes {
                        self.pixels.resize(bytes, 0);
                    }
                    let room = self.pixels.get_mut(..bytes).unwrap_or_default();
                    self.stream.read_exact(room)?;
                    had_pixels |= bytes > 0;
                }
                DESKTOP_SIZE => self.size = (width, height),
                other => anyhow::bail!("It sends rectangles of kind {other}"),
            }
        }
        Ok(had_pixels)
    }

    /// Leaves out a message that is no update.
    fn skip(&mut self, kind: u8) -> anyhow::Result<()> {
        match kind {
            // Colours of a palette, which this format has not.
            1 => {
                let [_, _, _, n0, n1] = self.read()?;
                self.read_many(usize::from(u16::from_be_bytes([n0, n1])) * 6)?;
            }
            // A bell.
            2 => {}
            // The clipboard.
            3 => {
                let [_, _, _, l0, l1, l2, l3] = self.read()?;
                let length = u32::from_be_bytes([l0, l1, l2, l3]);
                self.read_many(usize::try_from(length).unwrap_or(usize::MAX))?;
            }
            other => anyhow::bail!("It sends messages of kind {other}"),
        }
        Ok(())
    }

    fn read<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_many(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        ensure!(count <= 1 << 20, "It sends {count} bytes of text");
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
