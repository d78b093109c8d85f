//! The window's events in the event loop.

use std::io;

use calloop::{EventSource, Poll, PostAction, Readiness, Token, TokenFactory};
use smithay::backend::winit::{WinitEvent, WinitEventLoop};

/// What a window's session tells.
#[derive(Debug)]
pub(super) enum Told {
    /// Something happened to the window or in it.
    Window(WinitEvent),
    /// The session is gone, and the window with it. This comes once and is the last.
    Gone,
}

/// smithay's source of a window's events. That one goes without a word when the session does.
#[derive(Debug)]
pub(super) struct WindowSource(pub(super) WinitEventLoop);

impl EventSource for WindowSource {
    type Event = Told;
    type Metadata = ();
    type Ret = ();
    type Error = io::Error;

    // winit may have read events while somebody else waited.
    const NEEDS_EXTRA_LIFECYCLE_EVENTS: bool = true;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: F,
    ) -> io::Result<PostAction>
    where
        F: FnMut(Told, &mut ()),
    {
        let action = self.0.process_events(readiness, token, |event, ()| {
            callback(Told::Window(event), &mut ());
        })?;
        if action == PostAction::Remove {
            callback(Told::Gone, &mut ());
        }
        Ok(action)
    }

    fn register(&mut self, poll: &mut Poll, factory: &mut TokenFactory) -> calloop::Result<()> {
        self.0.register(poll, factory)
    }

    fn reregister(&mut self, poll: &mut Poll, factory: &mut TokenFactory) -> calloop::Result<()> {
        self.0.reregister(poll, factory)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        self.0.unregister(poll)
    }

    fn before_sleep(&mut self) -> calloop::Result<Option<(Readiness, Token)>> {
        self.0.before_sleep()
    }
}
