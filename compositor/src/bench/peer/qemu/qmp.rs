//! QEMU's monitor, to introduce a viewer.

use std::{
    io::{BufRead as _, BufReader, IoSlice, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to it.
pub(super) struct Monitor(BufReader<UnixStream>);

impl Monitor {
    /// Connects to the monitor at a socket.
    ///
    /// # Errors
    /// Nobody answers there.
    pub(super) fn connect(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).context("Could not connect to QEMU's monitor")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut monitor = Self(BufReader::new(stream));
        monitor.execute("qmp_capabilities", &json!({}), None)?;
        Ok(monitor)
    }

    /// Hands over a socket as the connection to a viewer of a protocol.
    ///
    /// # Errors
    /// QEMU refuses.
    pub(super) fn add_client(
        &mut self,
        protocol: &str,
        socket: BorrowedFd<'_>,
    ) -> anyhow::Result<()> {
        let name = "viewer";
        self.execute("getfd", &json!({ "fdname": name }), Some(socket))?;
        let client = json!({ "protocol": protocol, "fdname": name });
        self.execute("add_client", &client, None)
    }

    fn execute(
        &mut self,
        command: &str,
        arguments: &Value,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> anyhow::Result<()> {
        let message = json!({ "execute": command, "arguments": arguments });
        self.send(format!("{message}\n").as_bytes(), descriptor)?;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                bail!("Could not have QEMU {command}: its monitor has closed");
            }
            let answer: Value = serde_json::from_str(&line)?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                bail!("Could not have QEMU {command}: {error}");
            }
        }
    }

    /// The descriptor travels with the first byte.
    fn send(&self, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> anyhow::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let stream = self.0.get_ref();
        let parts = [IoSlice::new(bytes)];
        let sent = sendmsg(stream.as_fd(), &parts, &mut control, SendFlags::NOSIGNAL)?;
        let mut stream = stream;
        stream.write_all(bytes.get(sent..).unwrap_or_default())?;
        Ok(())
    }
}
