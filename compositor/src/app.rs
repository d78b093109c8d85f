//! The program while it runs: one event loop, and what its callbacks work on.
//!
//! The event loop is the only thing that waits. What takes long (writing a picture to a file)
//! happens in a thread that sends a message back.

use std::time::Duration;

use calloop::{
    EventLoop, LoopHandle,
    signals::{Signal, Signals},
};
use protocols::ipc::DeviceStats;
use tracing::{info, warn};

use crate::{guests::Guests, host::Host, ipc::Server, service::Service, wait::wait};

/// Everything that callbacks of the event loop work on.
#[derive(Debug)]
pub struct App<H: Host> {
    /// What shows the guests' windows.
    pub host: H,
    /// The guests.
    pub guests: Guests,
    /// Who is told how it goes.
    pub(crate) service: Service,
    pub(crate) ipc: Server<H>,
    pub(crate) handle: LoopHandle<'static, Self>,
    lasts: Lasts,
    quitting: bool,
    /// The loop does not sleep again.
    ended: bool,
}

/// How long the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// Until it is told to end.
    UntilQuit,
    /// Until no guest is left.
    WhileGuests,
}

impl<H: Host> App<H> {
    /// A program that shows `guests` on `host`. None is started yet, and nobody is listened to but
    /// SIGINT, SIGTERM and SIGHUP, which end it.
    ///
    /// # Errors
    /// Where the system gives no file descriptors.
    pub fn new(
        host: H,
        guests: Guests,
        event_loop: &EventLoop<'static, Self>,
        lasts: Lasts,
    ) -> calloop::Result<Self> {
        let handle = event_loop.handle();
        // A second one comes from somebody who is in a hurry.
        let signals = Signals::new(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])?;
        handle
            .insert_source(signals, |event, (), app: &mut Self| {
                if app.quitting {
                    warn!("Ending at once");
                    app.ended = true;
                } else {
                    info!("Ending because of {:?}", event.signal());
                    app.quit();
                }
            })
            .map_err(|error| error.error)?;
        Ok(Self {
            host,
            guests,
            service: Service::default(),
            ipc: Server::new(&handle)?,
            handle,
            lasts,
            quitting: false,
            ended: false,
        })
    }

    /// Runs until the end. Guests that still have processes then are killed with their owner.
    ///
    /// # Errors
    /// Where waiting for events fails.
    pub fn run(&mut self, event_loop: &mut EventLoop<'static, Self>) -> calloop::Result<()> {
        self.ended = self.is_over();
        self.host.leave_loop();
        while !self.ended {
            let Some(beside) = self.host.beside() else {
                event_loop.dispatch(None::<Duration>, self)?;
                continue;
            };
            let woken = wait(&*event_loop, beside)?;
            self.host.serve(woken);
            if woken.event_loop {
                event_loop.dispatch(Some(Duration::ZERO), self)?;
            }
        }
        Ok(())
    }

    /// Stops all guests, then ends.
    pub fn quit(&mut self) {
        self.quitting = true;
        self.service.stopping();
        self.stop_guests();
        self.guests_changed();
    }

    /// Some guest's life went on: the last one may be over.
    pub(crate) fn guests_changed(&mut self) {
        self.service.status(self.guests.summary());
        if self.is_over() {
            self.service.stopping();
            self.ended = true;
        }
    }

    fn is_over(&self) -> bool {
        (self.quitting || self.lasts == Lasts::WhileGuests) && self.guests.all_off()
    }

    /// A guest's device has sent its counters.
    pub(crate) fn device_stats(&mut self, guest: &str, stats: DeviceStats) {
        self.stats_arrived(guest, stats);
    }
}
