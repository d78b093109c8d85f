//! The back-end's events in the event loop, whatever that loop carries.

use std::{fmt, time::Duration};

use calloop::{LoopHandle, RegistrationToken};
use smithay::backend::drm::DrmDeviceNotifier;
use tracing::error;

use crate::{
    backend::OutputId,
    delay::{Delay, Then},
    state::{HasState, State},
};

/// Names a card: the number of its device node.
pub type CardId = u64;

type Watch = dyn Fn(CardId, DrmDeviceNotifier) -> Result<RegistrationToken, String>;

/// Adds and removes sources of events.
pub struct Sources {
    watch: Box<Watch>,
    forget: Box<dyn Fn(RegistrationToken)>,
    redraw_in: Box<dyn Fn(Duration, OutputId)>,
    look_in: Box<dyn Fn(Duration, CardId)>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Sources {
    /// For an event loop.
    pub fn new<D: HasState>(handle: &LoopHandle<'static, D>) -> Self {
        let (watching, forgetting) = (handle.clone(), handle.clone());
        Self {
            watch: Box::new(move |card, events| {
                watching
                    .insert_source(events, move |event, details, data: &mut D| {
                        data.state().card_event(card, event, details.as_ref());
                    })
                    .map_err(|error| error.error.to_string())
            }),
            forget: Box::new(move |token| forgetting.remove(token)),
            redraw_in: timers(handle, State::try_again),
            look_in: timers(handle, State::look_is_due),
        }
    }

    /// Has the vblanks of a card told to the state.
    ///
    /// # Errors
    /// What the loop says.
    pub fn watch(
        &self,
        card: CardId,
        events: DrmDeviceNotifier,
    ) -> Result<RegistrationToken, String> {
        (self.watch)(card, events)
    }

    /// Stops that.
    pub fn forget(&self, token: RegistrationToken) {
        (self.forget)(token);
    }

    /// Has an output drawn again after a while, if it still exists.
    pub fn redraw_in(&self, delay: Duration, output: OutputId) {
        (self.redraw_in)(delay, output);
    }

    /// Has a card's connectors looked at after a while, if that is due then.
    pub fn look_in(&self, delay: Duration, card: CardId) {
        (self.look_in)(delay, card);
    }
}

/// Sets a timer for each call, after which the state hears of what it was set for.
fn timers<D: HasState, T: Copy + 'static>(
    handle: &LoopHandle<'static, D>,
    react: fn(&mut State, T),
) -> Box<dyn Fn(Duration, T)> {
    let handle = handle.clone();
    Box::new(move |delay, what| {
        let added = handle.insert_source(Delay::new(delay), move |(), (), data: &mut D| {
            react(data.state(), what);
            Then::Over
        });
        if let Err(error) = added {
            error!("Could not set a timer: {}", error.error);
        }
    })
}
