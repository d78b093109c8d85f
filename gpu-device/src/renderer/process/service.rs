//! The loop of the process that draws.

use std::{
    os::fd::AsFd as _,
    sync::Arc,
    time::{Duration, Instant},
};

use protocols::{render::Order, virtio_gpu::MemEntry};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use tracing::{error, warn};

use super::{
    super::{
        Fence, Request, Timeline,
        link::{LinkError, Orders},
    },
    Backend, Memory,
    answers::Answers,
    fences::Answer,
};

/// How often fences are looked at where no descriptor tells of them, and while orders come one after
/// the other.
const LOOK: Duration = Duration::from_millis(1);

/// How often contexts are looked after while fences are awaited.
const CARE: Duration = Duration::from_secs(1);

/// Takes orders and answers them.
#[derive(Debug)]
pub(super) struct Service<B> {
    orders: Orders,
    answers: Arc<Answers>,
    backend: B,
    memory: Memory,
    looked: Instant,
    cared: Instant,
    entries: Vec<MemEntry>,
}

/// A request that was carried out.
struct Carried {
    answer: Answer,
    fence: Option<Fence>,
    /// The context that it has ended.
    ended: Option<u32>,
}

impl<B: Backend> Service<B> {
    pub(super) fn new(orders: Orders, answers: Arc<Answers>, backend: B) -> Self {
        Self {
            orders,
            answers,
            backend,
            memory: Memory::default(),
            looked: Instant::now(),
            cared: Instant::now(),
            entries: Vec::new(),
        }
    }

    /// Serves until the device closes its end.
    ///
    /// # Errors
    /// It has, or is broken.
    pub(super) fn run(mut self) -> Result<(), LinkError> {
        loop {
            self.answers.work();
            while self.take_order()? {
                if self.looked.elapsed() >= LOOK {
                    self.look_up()?;
                }
            }
            self.answer_reached()?;
            self.answers.rest()?;
            if self.orders.ring.sleeps()? {
                self.wait()?;
            }
        }
    }

    /// Carries out the next order; `false` where there is none.
    fn take_order(&mut self) -> Result<bool, LinkError> {
        let Some(bytes) = self.orders.ring.peek()? else {
            return Ok(false);
        };
        let order = Order::decode(bytes, &mut self.entries).map_err(|error| {
            error!("{error}");
            LinkError::Broken
        })?;
        let mut descriptors = self.orders.packets.take(order.descriptors())?.into_iter();
        let mut carried = None;
        let mut was_reset = false;
        match (order, descriptors.next()) {
            (
                Order::Do {
                    number,
                    fence,
                    request,
                },
                _,
            ) => {
                let result = self.backend.carry_out(&request, &self.memory);
                carried = Some(Carried {
                    ended: match request {
                        Request::DestroyContext(context) if result.is_ok() => Some(context),
                        _ => None,
                    },
                    answer: Answer { number, result },
                    fence,
                });
            }
            (Order::Ram(region), Some(fd)) => self.memory.add_region(region, fd),
            (Order::RamIsComplete, _) => self.memory.ram_is_complete(),
            (Order::Lend { memory, size }, Some(fd)) => {
                if let Err(error) = self.memory.lend(memory, fd, size) {
                    warn!(
                        "Could not map memory for the guest's screen: {error}. It shows nothing new"
                    );
                }
            }
            (Order::TakeBack(memory), _) => self.memory.take_back(memory),
            (Order::Reset, _) => {
                self.backend.reset();
                was_reset = true;
            }
            (Order::Ram(_) | Order::Lend { .. }, None) => return Err(LinkError::Broken),
        }
        self.orders.ring.advance()?;
        if self.orders.ring.room_is_wanted()? {
            self.orders.bell.ring();
        }
        if was_reset {
            self.answers.end(|_| true)?;
        }
        if let Some(carried) = carried {
            self.finish(carried)?;
        }
        Ok(true)
    }

    /// Answers a request, now or when its fence is reached.
    fn finish(&mut self, carried: Carried) -> Result<(), LinkError> {
        if let Some(context) = carried.ended {
            let of_it =
                |timeline| matches!(timeline, Timeline::Ring { context: of, .. } if of == context);
            self.answers.end(of_it)?;
        }
        let Some(fence) = carried.fence else {
            return self.answers.give(carried.answer);
        };
        let fence = self.answers.hold(fence.timeline, carried.answer);
        match self.backend.fence(fence) {
            Ok(()) => Ok(()),
            Err(_) => self.answers.withdraw(fence),
        }
    }

    /// Looks up from orders that come one after the other.
    fn look_up(&mut self) -> Result<(), LinkError> {
        match self.answers.awaits_nothing() {
            true => self.looked = Instant::now(),
            false => self.look_at_fences()?,
        }
        self.answers.wake()
    }

    fn look_at_fences(&mut self) -> Result<(), LinkError> {
        self.looked = Instant::now();
        if self.looked.saturating_duration_since(self.cared) >= CARE {
            self.cared = self.looked;
            self.backend.look_after_contexts();
        }
        self.backend.poll();
        self.answer_reached()
    }

    fn answer_reached(&mut self) -> Result<(), LinkError> {
        let reached = self.backend.take_reached();
        reached
            .into_iter()
            .try_for_each(|fence| self.answers.reached(fence))
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self) -> Result<(), LinkError> {
        let needs_polling = self.backend.needs_polling();
        let (rung, reached) = {
            let fences = self.backend.poll_fds();
            let bell = self.orders.bell.as_fd();
            let watched = std::iter::once(bell).chain(fences);
            let mut watched: Vec<_> = watched
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect();
            let timeout = needs_polling
                .then(|| Timespec::try_from(LOOK).ok())
                .flatten();
            match poll(&mut watched, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut ready = watched.iter().map(|fd| !fd.revents().is_empty());
            (ready.next() == Some(true), ready.any(|ready| ready))
        };
        if rung {
            self.orders.bell.hear()?;
        }
        if reached || needs_polling {
            self.look_at_fences()?;
        }
        Ok(())
    }
}
