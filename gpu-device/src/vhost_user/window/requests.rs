//! Requests to a VMM, from the moment they are made until they are answered.

use std::{
    collections::VecDeque,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
    time::Instant,
};

use protocols::virtio_gpu::SHM_ID_HOST_VISIBLE;
use vhost::vhost_user::message::{BackendReq, VhostUserMMap, VhostUserMMapFlags};
use vm_memory::ByteValued as _;

use super::super::{
    channel::{Channel, Sending},
    passed::Identity,
};
use crate::{gpu::Mapping, renderer::Ticket};

/// What a VMM is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Map,
    Unmap,
}

impl Act {
    fn message(self) -> BackendReq {
        match self {
            Self::Map => BackendReq::SHMEM_MAP,
            Self::Unmap => BackendReq::SHMEM_UNMAP,
        }
    }
}

/// A mapping in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mapped {
    /// Its length in bytes.
    pub(super) len: u64,
    /// Which memory it shows.
    pub(super) memory: Option<Identity>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) act: Act,
    /// Offset and length in the window, in bytes.
    pub(super) piece: (u64, u64),
    /// Who waits for the answer, if anybody does.
    pub(super) owner: Option<Ticket>,
    /// Which memory it is about, once the VMM has it.
    pub(super) memory: Option<Identity>,
    writable: bool,
    /// What is to be mapped, until it is sent.
    fd: Option<Arc<OwnedFd>>,
}

impl Request {
    pub(super) fn map(owner: Ticket, mapping: Mapping) -> Self {
        Self {
            act: Act::Map,
            piece: (mapping.offset, mapping.len),
            owner: Some(owner),
            memory: None,
            writable: mapping.writable,
            fd: Some(mapping.fd),
        }
    }

    pub(super) fn unmap(owner: Option<Ticket>, offset: u64, mapped: Mapped) -> Self {
        Self {
            act: Act::Unmap,
            piece: (offset, mapped.len),
            owner,
            memory: mapped.memory,
            writable: false,
            fd: None,
        }
    }

    fn payload(&self) -> VhostUserMMap {
        let (shm_offset, len) = self.piece;
        let flags = match self.writable {
            true => VhostUserMMapFlags::WRITABLE,
            false => VhostUserMMapFlags::empty(),
        };
        VhostUserMMap {
            shmid: SHM_ID_HOST_VISIBLE,
            padding: [0; 7],
            fd_offset: 0,
            shm_offset,
            len,
            flags: flags.bits(),
        }
    }
}

/// All requests under way, in their order.
#[derive(Debug, Default)]
pub(super) struct Requests {
    sent: VecDeque<Request>,
    waiting: VecDeque<Request>,
    /// Since when nothing was answered although there is something to answer.
    since: Option<Instant>,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.sent.len().saturating_add(self.waiting.len())
    }

    pub(super) fn push(&mut self, request: Request) {
        self.since.get_or_insert_with(Instant::now);
        self.waiting.push_back(request);
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn post(&mut self, channel: &Channel) -> Sending {
        while let Some(mut request) = self.waiting.pop_front() {
            let fd = request.fd.as_ref().map(|fd| fd.as_fd());
            let payload = request.payload();
            match channel.ask(request.act.message(), payload.as_slice(), fd) {
                Sending::Sent => {
                    if let Some(fd) = request.fd.take() {
                        request.memory = channel.passed.add(&fd);
                    }
                    self.sent.push_back(request);
                }
                outcome => {
                    self.waiting.push_front(request);
                    return outcome;
                }
            }
        }
        Sending::Sent
    }

    /// The request that an answer is for: the oldest that was sent. `None` if none was, or if it was
    /// another one.
    pub(super) fn answered(&mut self, message: u32, now: Instant) -> Option<Request> {
        let oldest = self.sent.front()?;
        if u32::from(oldest.act.message()) != message {
            return None;
        }
        let request = self.sent.pop_front();
        self.since = (self.len() > 0).then_some(now);
        request
    }

    /// Since when the VMM owes an answer. What could not be sent counts only if the guest runs.
    pub(super) fn waits_since(&self, runs: bool) -> Option<Instant> {
        self.since.filter(|_| runs || !self.sent.is_empty())
    }

    /// Time that went by before is not the VMM's fault.
    pub(super) fn wait_from(&mut self, now: Instant) {
        if let Some(since) = &mut self.since {
            *since = now;
        }
    }

    /// Nobody waits for anything any more. What was to be mapped stays away, unless it was sent; what
    /// was to be unmapped is to be unmapped still.
    pub(super) fn abandon(&mut self) -> Vec<Ticket> {
        let everything = self.sent.iter_mut().chain(&mut self.waiting);
        let owners = everything.filter_map(|each| each.owner.take()).collect();
        self.waiting.retain(|request| request.act == Act::Unmap);
        owners
    }

    pub(super) fn into_owners(self) -> impl Iterator<Item = Ticket> {
        let everything = self.sent.into_iter().chain(self.waiting);
        everything.filter_map(|request| request.owner)
    }
}
