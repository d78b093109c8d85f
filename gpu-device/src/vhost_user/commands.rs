//! The rings of a virtio-gpu device: a chain is a command, and gets an answer.
//!
//! A RESOURCE_FLUSH may be answered later; until then its chain is held here. What a command does
//! is the caller's closure.

use protocols::virtio_gpu::{Command, ErrorCode, Header, MAX_REQUEST, Response, decode};
use tracing::debug;
use vm_memory::GuestMemoryMmap;

use super::{
    queue::{Broken, Chain, SplitQueue},
    rings::{Chains, Ring},
};
use crate::gpu::{FlushId, Reply};

/// One byte more than may be decoded, so that what is too long is seen to be too long.
const REQUEST_LIMIT: usize = MAX_REQUEST + 1;

/// Buffers for one request and one response, used again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// A RESOURCE_FLUSH that is answered later.
#[derive(Debug)]
struct Held {
    flush: FlushId,
    header: Header,
    chain: Chain,
    due: bool,
}

/// The flushes that a ring has taken out and not answered.
#[derive(Debug, Default)]
pub struct Flushes(Vec<Held>);

/// A ring of commands.
pub type CommandRing = Ring<Flushes>;

impl Chains for Flushes {
    fn give_back(
        &mut self,
        queue: &mut SplitQueue,
        memory: &GuestMemoryMmap,
    ) -> Result<(), Broken> {
        for held in &mut self.0 {
            held.due = true;
        }
        self.answer_due(queue, memory, &mut Vec::new())
    }

    fn forget(&mut self) {
        self.0.clear();
    }
}

impl Flushes {
    fn answer_due(
        &mut self,
        queue: &mut SplitQueue,
        memory: &GuestMemoryMmap,
        answer: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let mut outcome = Ok(());
        self.0.retain(|held| {
            if held.due && outcome.is_ok() {
                encode(&Response::OkNodata, &held.header, &held.chain, answer);
                outcome = queue.complete(memory, &held.chain, answer).map(drop);
            }
            !held.due
        });
        outcome
    }
}

impl CommandRing {
    /// Serves the chains that are waiting, up to a bound; [`Ring::is_kicked`] tells whether some
    /// are left.
    pub fn serve(
        &mut self,
        memory: &GuestMemoryMmap,
        scratch: &mut Scratch,
        execute: &mut dyn FnMut(&Header, Command) -> Reply,
    ) {
        let Scratch { request, answer } = scratch;
        self.serve_chains(
            memory,
            request,
            REQUEST_LIMIT,
            |queue, held, chain, request| {
                let (header, response) = match decoded(&chain, request) {
                    Ok((header, command)) => match execute(&header, command) {
                        Reply::Now(response) => (header, response),
                        Reply::Later(flush) => {
                            held.0.push(Held {
                                flush,
                                header,
                                chain,
                                due: false,
                            });
                            return Ok(());
                        }
                    },
                    Err((header, error)) => (header, Response::Err(error)),
                };
                encode(&response, &header, &chain, answer);
                queue.complete(memory, &chain, answer).map(drop)
            },
        );
    }

    /// The core wants this flush answered; nothing happens if the ring doesn't hold it.
    pub fn flush_is_due(&mut self, flush: FlushId) {
        let mut held = self.chains_mut().0.iter_mut();
        if let Some(held) = held.find(|held| held.flush == flush) {
            held.due = true;
        }
    }

    /// Answers the flushes that are due.
    pub fn answer_flushes(&mut self, memory: &GuestMemoryMmap, scratch: &mut Scratch) {
        if self.chains_mut().0.iter().any(|held| held.due) {
            self.use_queue(|queue, held| held.answer_due(queue, memory, &mut scratch.answer));
        }
    }
}

/// Decodes a chain's request, or says how to answer what can't be decoded.
fn decoded(chain: &Chain, bytes: &[u8]) -> Result<(Header, Command), (Header, ErrorCode)> {
    match decode(bytes) {
        Ok(request) if chain.readable => Ok(request),
        Ok((header, _)) => {
            debug!("The guest sent a request that lies partly outside of its memory");
            Err((header, ErrorCode::Unspec))
        }
        Err(error) => {
            debug!(%error, "The guest sent a request that can't be decoded");
            Err((error.header.unwrap_or_default(), error.code()))
        }
    }
}

/// Encodes a response. Where its payload doesn't fit, the guest gets an error instead of half of
/// it.
fn encode(response: &Response, header: &Header, chain: &Chain, answer: &mut Vec<u8>) {
    answer.clear();
    response.encode(header, answer);
    let room = usize::try_from(chain.room.size()).unwrap_or(usize::MAX);
    if room > 0 && answer.len() > room {
        answer.clear();
        Response::Err(ErrorCode::Unspec).encode(header, answer);
    }
}

#[cfg(test)]
mod tests;
