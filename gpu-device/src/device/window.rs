//! The window for host memory: the VMM's answers in the loop, what came of them in the core.

use std::time::Instant;

use calloop::{Interest, Mode};
use tracing::warn;

use super::{HostDisplay, Process, process::watch};

impl<D: HostDisplay + 'static> Process<D> {
    /// Follows what a message of the VMM, or its end, meant for the window.
    pub(super) fn follow_window(&mut self) {
        let window = &mut self.around.window;
        let is_another = match &self.connected {
            Some(connected) => {
                let handler = connected.connection.session.handler();
                window.follow(handler.window_channel(), handler.runs())
            }
            None => window.follow(None, false),
        };
        if is_another {
            self.watch_window();
        }
    }

    fn watch_window(&mut self) {
        if let Some(token) = self.window_watch.take() {
            self.handle.remove(token);
        }
        let Some(fd) = self.around.window.watched() else {
            return;
        };
        let watched = fd.map_err(Into::into).and_then(|fd| {
            watch(&self.handle, fd, Interest::BOTH, Mode::Edge, |ready| {
                ready.window = true;
            })
        });
        match watched {
            Ok(token) => self.window_watch = Some(token),
            Err(error) => warn!(
                "Could not listen to what the VMM says of its window for host memory: {error}. \
                 Programs of the guest that need it get errors; check the limit of open files"
            ),
        }
        // It may have said something before anybody listened.
        self.ready.window = true;
    }

    /// Takes in what the VMM answered, and tells the core.
    pub(super) fn serve_window(&mut self) {
        let window = &mut self.around.window;
        let now = Instant::now();
        let due = window.next_deadline().is_some_and(|due| due <= now);
        if std::mem::take(&mut self.ready.window) || due {
            window.dispatch(now);
        }
        // What the core does about an answer may be refused on the spot.
        loop {
            let outcomes = self.around.window.take_outcomes();
            if outcomes.is_empty() {
                return;
            }
            for (ticket, done) in outcomes {
                let mut context = self.around.context();
                self.gpu.handle_window(ticket, done, &mut context);
            }
        }
    }
}
