//! The back-end's events in the event loop, whatever that loop carries.

use std::{fmt, time::Duration};

use calloop::{
    LoopHandle, RegistrationToken,
    timer::{TimeoutAction, Timer},
};
use smithay::backend::drm::DrmDeviceNotifier;
use tracing::error;

use crate::{backend::OutputId, state::HasState};

/// Names a card: the number of its device node.
pub type CardId = u64;

type Watch = dyn Fn(CardId, DrmDeviceNotifier) -> Result<RegistrationToken, String>;

/// Adds and removes sources of events.
pub struct Sources {
    watch: Box<Watch>,
    forget: Box<dyn Fn(RegistrationToken)>,
    redraw_in: Box<dyn Fn(Duration, OutputId)>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Sources {
    /// For an event loop.
    pub fn new<D: HasState>(handle: &LoopHandle<'static, D>) -> Self {
        let (watching, forgetting, timing) = (handle.clone(), handle.clone(), handle.clone());
        Self {
            watch: Box::new(move |card, events| {
                watching
                    .insert_source(events, move |event, details, data: &mut D| {
                        data.state().card_event(card, event, details.as_ref());
                    })
                    .map_err(|error| error.error.to_string())
            }),
            forget: Box::new(move |token| forgetting.remove(token)),
            redraw_in: Box::new(move |delay, output| {
                let timer = Timer::from_duration(delay);
                let added = timing.insert_source(timer, move |_, (), data: &mut D| {
                    data.state().try_again(output);
                    TimeoutAction::Drop
                });
                if let Err(error) = added {
                    error!("Could not set a timer: {}", error.error);
                }
            }),
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
}
