//! Requests that a guest's device answers, in its own time.

use std::time::Duration;

use protocols::ipc::{Answer, ErrorCode, Reply, device::Asked};
use tracing::warn;

use super::server::ClientId;
use crate::{
    app::App,
    delay::{Delay, Then},
    host::Host,
};

/// How long a device may take. Longer than it waits itself for a compositor that says nothing.
const LIMIT: Duration = Duration::from_secs(8);

/// A request that a device was asked for and has not answered.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Who wants to know; `None` once that has taken too long.
    client: Option<ClientId>,
    guest: String,
    to: Asked,
}

impl<H: Host> App<H> {
    /// Answers a client when the device does, which was asked just now.
    pub(super) fn await_answer(
        &mut self,
        client: ClientId,
        guest: String,
        to: Asked,
    ) -> Option<Reply> {
        let timer = Delay::new(LIMIT);
        let timer = self
            .handle
            .insert_source(timer, move |(), (), app: &mut Self| {
                app.waited_long_enough(client);
                Then::Over
            });
        if let Err(error) = timer {
            let text = format!("Could not wait for the device's answer: {}", error.error);
            return Some(Reply::error(ErrorCode::Failed, text));
        }
        let client = Some(client);
        self.ipc.waiting.push(Waiting { client, guest, to });
        None
    }

    /// A device has answered the oldest request of this kind.
    pub(crate) fn answer_arrived(&mut self, guest: &str, to: Asked, error: Option<String>) {
        let is_it = |waiting: &Waiting| waiting.guest == guest && waiting.to == to;
        let Some(first) = self.ipc.waiting.iter().position(is_it) else {
            return;
        };
        let reply = match error {
            None => Reply::Ok(Answer::Done),
            Some(text) => Reply::error(ErrorCode::Failed, text),
        };
        if let Some(client) = self.ipc.waiting.remove(first).client {
            self.reply(client, &reply);
        }
    }

    /// A device has ended: it answers nothing any more.
    pub(crate) fn device_gone(&mut self, guest: &str) {
        let (over, open) = std::mem::take(&mut self.ipc.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|waiting| waiting.guest == guest);
        self.ipc.waiting = open;
        let text = format!("Could not wait for the guest {guest}: its graphics device has ended");
        for client in over.into_iter().filter_map(|waiting| waiting.client) {
            self.reply(client, &Reply::error(ErrorCode::Failed, text.clone()));
        }
    }

    /// The entry stays, so that a late answer is not taken for that to a later request.
    fn waited_long_enough(&mut self, client: ClientId) {
        let mut all = self.ipc.waiting.iter_mut();
        let Some(waiting) = all.find(|waiting| waiting.client == Some(client)) else {
            return;
        };
        waiting.client = None;
        let guest = &waiting.guest;
        warn!(guest, "The guest's graphics device does not answer");
        let text = format!(
            "Could not wait any longer for the guest {guest}: its graphics device does not \
             answer. If it goes on so, start it again with `lucarne msg restart {guest}`"
        );
        self.reply(client, &Reply::error(ErrorCode::Failed, text));
    }
}
