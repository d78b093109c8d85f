//! QEMU's monitor: pictures of what a machine shows, and keys pressed on it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::picture::Picture;

/// For one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection to it.
pub struct Monitor(BufReader<UnixStream>);

impl Monitor {
    /// Connects to the monitor at a socket, which takes one connection at a time.
    ///
    /// # Errors
    ///
    /// When nobody answers there.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("Connecting to QEMU's monitor")?;
        stream.set_read_timeout(Some(ANSWER))?;
        let mut monitor = Self(BufReader::new(stream));
        monitor.execute("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// What the machine's first screen shows, by way of the file `file`.
    ///
    /// # Errors
    ///
    /// When QEMU refuses.
    pub fn screendump(&mut self, file: &Path) -> Result<Picture> {
        self.execute("screendump", json!({"filename": file, "format": "png"}))?;
        Picture::read_png(file)
    }

    /// Presses keys at the same time, named as QEMU names them.
    ///
    /// # Errors
    ///
    /// When QEMU refuses.
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| json!({"type": "qcode", "data": key}))
            .collect();
        self.execute("send-key", json!({"keys": keys}))
    }

    fn execute(&mut self, command: &str, arguments: Value) -> Result<()> {
        let message = json!({"execute": command, "arguments": arguments});
        self.0
            .get_ref()
            .write_all(format!("{message}\n").as_bytes())?;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                bail!("Asking QEMU's monitor for {message}: it has closed");
            }
            let answer: Value = serde_json::from_str(&line)?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                bail!("Asking QEMU's monitor for {message}: {error}");
            }
        }
    }
}
