//! What comes from the device without being asked for: calls, requests, its end.

use std::{io, time::Duration};

use rustix::event::{PollFd, PollFlags};
use vhost::vhost_user::message::BackendReq;

use super::{Frontend, FrontendError, QUEUES, channel, io_at, window::Window};

/// What happened while waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Queues whose driver was called, by index.
    pub called: [bool; QUEUES],
    /// The device announced a change of its configuration space, and the VMM passes it on.
    pub config_changed: bool,
    /// The device closed the connection.
    pub hung_up: bool,
}

impl Activity {
    /// Whether nothing happened before the time was over.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Frontend {
    /// Waits until the device calls, announces something or goes away, up to `timeout`.
    ///
    /// # Errors
    /// The device sent something that is no message.
    pub fn wait(&mut self, timeout: Duration) -> Result<Activity, FrontendError> {
        let ready = io_at("the wait for the device", self.poll(timeout))?;
        let mut activity = Activity {
            hung_up: ready.hung_up,
            ..Activity::default()
        };
        for (index, call) in self.calls.iter().enumerate() {
            if ready.called.get(index) == Some(&true) {
                io_at("a call", call.drain())?;
            }
        }
        activity.called = ready.called;
        if ready.config_changed {
            activity.config_changed = self.serve_request()?;
        }
        Ok(activity)
    }

    /// `config_changed` of the result says that there is a request to read.
    fn poll(&self, timeout: Duration) -> io::Result<Activity> {
        let [control, cursor] = &self.calls;
        let mut fds = vec![
            PollFd::new(&self.channel, PollFlags::IN),
            PollFd::new(control, PollFlags::IN),
            PollFd::new(cursor, PollFlags::IN),
        ];
        if let Some(requests) = &self.requests {
            fds.push(PollFd::new(requests, PollFlags::IN));
        }
        let timeout = channel::timespec(timeout);
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let woken: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let is = |index: usize| woken.get(index).copied().unwrap_or(false);
        Ok(Activity {
            hung_up: is(0),
            called: [is(1), is(2)],
            config_changed: is(3),
        })
    }

    /// Serves one request of the device; returns whether it is an event for the guest.
    fn serve_request(&mut self) -> Result<bool, FrontendError> {
        let Some(requests) = &self.requests else {
            return Ok(false);
        };
        let (message, fds) = match requests.receive_with_fds() {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.requests = None;
                return Ok(false);
            }
            Err(source) => {
                return Err(FrontendError::Io {
                    during: "a request of the device".into(),
                    source,
                });
            }
        };
        if Window::concerns(&message) {
            let answer = self.window.serve(&message, fds);
            if let Some(code) = answer.filter(|_| message.needs_reply()) {
                io_at("an answer to the device", requests.answer(&message, code))?;
            }
            return Ok(false);
        }
        let is_event = message.request == u32::from(BackendReq::CONFIG_CHANGE_MSG);
        let passed_on = is_event && self.dialect.forwards_events();
        if !passed_on {
            tracing::debug!(
                request = message.request,
                "The VMM refuses a request of the device"
            );
            self.refused_events += u64::from(is_event);
        }
        if message.needs_reply() {
            io_at(
                "an answer to the device",
                requests.answer(&message, u64::from(!passed_on)),
            )?;
        }
        Ok(passed_on)
    }
}
