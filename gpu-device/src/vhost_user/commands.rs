//! The rings of a virtio-gpu device: a chain is a command, and gets an answer.
//!
//! A command may be answered later; until then its chain is held here. What a command does is the
//! caller's closure.

use protocols::virtio_gpu::{
    Command, ErrorCode, Header, MAX_REQUEST, Response, decode, submission,
};
use tracing::debug;
use vm_memory::GuestMemoryMmap;

use super::{
    queue::{Broken, Chain, OpenQueue},
    rings::{Chains, Ring},
};
use crate::{gpu::Reply, renderer::Ticket};

/// One byte more than may be decoded, so that what is too long is seen to be too long.
const REQUEST_LIMIT: usize = MAX_REQUEST + 1;

/// Buffers for one request and one response, used again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work<'a> {
    /// A command.
    Command(Command),
    /// SUBMIT_3D, its stream in private memory.
    Submit(&'a [u8]),
}

/// A command that is answered later.
#[derive(Debug)]
struct Held {
    ticket: Ticket,
    header: Header,
    chain: Chain,
    /// The answer, once it is due.
    answer: Option<Response>,
}

/// The commands that a ring has taken out and not answered.
#[derive(Debug, Default)]
pub struct Unanswered(Vec<Held>);

/// A ring of commands.
pub type CommandRing = Ring<Unanswered>;

impl Chains for Unanswered {
    /// The ring stops before the work is done: what it has not answered by then it never will.
    fn give_back(&mut self, queue: &mut OpenQueue<'_, '_>) -> Result<(), Broken> {
        for held in &mut self.0 {
            held.answer.get_or_insert(Response::OkNodata);
        }
        self.answer_due(queue, &mut Vec::new())
    }

    fn forget(&mut self) {
        self.0.clear();
    }
}

impl Unanswered {
    fn answer_due(
        &mut self,
        queue: &mut OpenQueue<'_, '_>,
        answer: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let mut outcome = Ok(());
        self.0.retain(|held| {
            let Some(response) = &held.answer else {
                return true;
            };
            if outcome.is_ok() {
                encode(response, &held.header, &held.chain, answer);
                outcome = queue.complete(&held.chain, answer).map(drop);
            }
            false
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
        execute: &mut dyn FnMut(&Header, Work<'_>) -> Reply,
    ) {
        let Scratch { request, answer } = scratch;
        self.serve_chains(
            memory,
            request,
            REQUEST_LIMIT,
            |queue, held, chain, request| {
                let (header, response) = match decoded(&chain, request) {
                    Ok((header, work)) => match execute(&header, work) {
                        Reply::Now(response) => (header, response),
                        Reply::Later(ticket) => {
                            held.0.push(Held {
                                ticket,
                                header,
                                chain,
                                answer: None,
                            });
                            return Ok(());
                        }
                    },
                    Err((header, error)) => (header, Response::Err(error)),
                };
                encode(&response, &header, &chain, answer);
                queue.complete(&chain, answer).map(drop)
            },
        );
    }

    /// The core wants this command answered so; nothing happens if the ring doesn't hold it.
    pub fn answer_is_due(&mut self, ticket: Ticket, response: &Response) {
        let mut held = self.chains_mut().0.iter_mut();
        if let Some(held) = held.find(|held| held.ticket == ticket) {
            held.answer = Some(response.clone());
        }
    }

    /// Answers the commands whose answer is due.
    pub fn give_answers(&mut self, memory: &GuestMemoryMmap, scratch: &mut Scratch) {
        let mut held = self.chains_mut().0.iter();
        if held.any(|held| held.answer.is_some()) {
            self.use_queue(memory, |queue, held| {
                held.answer_due(queue, &mut scratch.answer)
            });
        }
    }
}

/// Decodes a chain's request, or says how to answer what can't be decoded.
fn decoded<'a>(chain: &Chain, bytes: &'a [u8]) -> Result<(Header, Work<'a>), (Header, ErrorCode)> {
    if let Some((header, commands)) = submission(bytes).filter(|_| chain.readable) {
        return Ok((header, Work::Submit(commands)));
    }
    match decode(bytes) {
        Ok((header, command)) if chain.readable => Ok((header, Work::Command(command))),
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
