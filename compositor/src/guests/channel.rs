//! Our end of the status channel to a device process.

use std::{
    io::{self, IoSlice, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use calloop::{Interest, LoopHandle, Mode, PostAction, RegistrationToken, generic::Generic};
use protocols::ipc::device::{DeviceEvent, DeviceRequest};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::lines::{LineBuffer, Reading};

/// Writes requests to a device; what it says goes to the callback of [`StatusChannel::open`].
#[derive(Debug)]
pub(super) struct StatusChannel {
    stream: Shared,
    pub(super) source: RegistrationToken,
}

/// A stream that the event loop polls and its owner writes to.
#[derive(Debug, Clone)]
struct Shared(Arc<UnixStream>);

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl StatusChannel {
    /// Makes a channel; the second value is the device's end.
    pub(super) fn open<D: 'static>(
        handle: &LoopHandle<'static, D>,
        on_event: impl Fn(&mut D, DeviceEvent) + 'static,
    ) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let stream = Shared(Arc::new(ours));
        let mut lines = LineBuffer::default();
        let source = Generic::new(stream.clone(), Interest::READ, Mode::Level);
        let source = handle
            .insert_source(source, move |_, stream, data: &mut D| {
                let mut events = Vec::new();
                let reading = lines.read(&mut &*stream.0, |line| {
                    // Of a newer device's events not all are known here.
                    events.extend(serde_json::from_slice::<DeviceEvent>(line).ok());
                });
                for event in events {
                    on_event(data, event);
                }
                // A device that closes the channel or talks nonsense is noticed when it ends.
                Ok(match reading {
                    Ok(Reading::Open) => PostAction::Continue,
                    Ok(Reading::Ended) | Err(_) => PostAction::Remove,
                })
            })
            .map_err(|error| io::Error::from(error.error))?;
        Ok((Self { stream, source }, theirs.into()))
    }

    /// Sends a request unless the device has stopped reading.
    pub(super) fn send(&mut self, request: &DeviceRequest) -> bool {
        let Some(line) = line_of(request) else {
            return false;
        };
        // A line goes in whole or not at all as long as the device reads; a torn one would only
        // reach a device that hangs.
        (&*self.stream.0)
            .write(&line)
            .is_ok_and(|written| written == line.len())
    }

    /// As [`StatusChannel::send`], with a descriptor that the device is to have.
    pub(super) fn send_with(&mut self, request: &DeviceRequest, given: BorrowedFd<'_>) -> bool {
        let Some(line) = line_of(request) else {
            return false;
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let given = [given];
        control.push(SendAncillaryMessage::ScmRights(&given))
            && sendmsg(
                &self.stream,
                &[IoSlice::new(&line)],
                &mut control,
                SendFlags::NOSIGNAL,
            )
            .is_ok_and(|sent| sent == line.len())
    }
}

fn line_of(request: &DeviceRequest) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(request).ok()?;
    line.push(b'\n');
    Some(line)
}
