//! The loop of the process that draws.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use protocols::{
    render::{Order, Outcome, Picture, PicturePlane, Report},
    virtio_gpu::{ErrorCode, MemEntry},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use tracing::{error, warn};

use super::{
    super::{
        Done, Fence, Request, Timeline,
        link::{LinkError, RendererEnd},
    },
    Backend, Memory,
    fences::{Answer, Fences},
};

/// How often fences are looked at where no descriptor tells of them, and while orders come one after
/// the other. No answer waits longer for the device to be woken, but for the order that is being carried out.
const LOOK: Duration = Duration::from_millis(1);

/// How often contexts are looked after while fences are awaited.
const CARE: Duration = Duration::from_secs(1);

/// Takes orders and answers them.
#[derive(Debug)]
pub(super) struct Service<B> {
    link: RendererEnd,
    backend: B,
    memory: Memory,
    fences: Fences,
    looked: Instant,
    cared: Instant,
    entries: Vec<MemEntry>,
    message: Vec<u8>,
}

/// A request that was carried out.
struct Carried {
    answer: Answer,
    fence: Option<Fence>,
    /// The context that it has ended.
    ended: Option<u32>,
}

impl<B: Backend> Service<B> {
    pub(super) fn new(link: RendererEnd, backend: B) -> Self {
        Self {
            link,
            backend,
            memory: Memory::default(),
            fences: Fences::default(),
            looked: Instant::now(),
            cared: Instant::now(),
            entries: Vec::new(),
            message: Vec::new(),
        }
    }

    /// Serves until the device closes its end.
    ///
    /// # Errors
    /// It has, or is broken.
    pub(super) fn run(mut self) -> Result<(), LinkError> {
        loop {
            while self.take_order()? {
                if self.looked.elapsed() >= LOOK {
                    self.look_up()?;
                }
            }
            self.answer_reached()?;
            self.link.reports.send_waiting()?;
            self.link.ring()?;
            if self.link.orders.sleeps()? {
                self.wait()?;
            }
        }
    }

    /// Carries out the next order; `false` where there is none.
    fn take_order(&mut self) -> Result<bool, LinkError> {
        let Some(bytes) = self.link.orders.peek()? else {
            return Ok(false);
        };
        let order = Order::decode(bytes, &mut self.entries).map_err(|error| {
            error!("{error}");
            LinkError::Broken
        })?;
        let mut descriptors = self.link.packets.take(order.descriptors())?.into_iter();
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
        self.link.orders.advance()?;
        if self.link.orders.room_is_wanted()? {
            self.link.bell.ring();
        }
        if was_reset {
            let ended = self.fences.end(|_| true);
            self.answer_all(ended)?;
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
            let ended = self.fences.end(of_it);
            self.answer_all(ended)?;
        }
        let due = match carried.fence {
            None => Some(carried.answer),
            Some(fence) => {
                let backend = &mut self.backend;
                self.fences
                    .hold(fence.timeline, carried.answer, |fence| backend.fence(fence))
            }
        };
        self.answer_all(due)
    }

    /// Looks up from orders that come one after the other. (The device is not woken for each: it would take the
    /// processor on which this one draws.)
    fn look_up(&mut self) -> Result<(), LinkError> {
        match self.fences.is_empty() {
            true => self.looked = Instant::now(),
            false => self.look_at_fences()?,
        }
        self.link.ring()
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
        for fence in self.backend.take_reached() {
            let answers = self.fences.reached(fence);
            self.answer_all(answers)?;
        }
        Ok(())
    }

    fn answer_all(&mut self, answers: impl IntoIterator<Item = Answer>) -> Result<(), LinkError> {
        for Answer { number, result } in answers {
            let (outcome, descriptors) = in_words(result);
            Report::Answer { number, outcome }.encode(&mut self.message);
            self.link.reports.send(&self.message, &[], descriptors)?;
        }
        Ok(())
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self) -> Result<(), LinkError> {
        let needs_polling = self.backend.needs_polling();
        let (rung, reached) = {
            let fences = self.backend.poll_fds();
            let bell = self.link.bell.as_fd();
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
            self.link.bell.hear()?;
        }
        if reached || needs_polling {
            self.look_at_fences()?;
        }
        Ok(())
    }
}

/// What came of a request as the device is told, and the descriptors that belong to it.
fn in_words(result: Result<Done, ErrorCode>) -> (Outcome, Vec<OwnedFd>) {
    let described = match result {
        Err(code) => return (Outcome::Failed(code), Vec::new()),
        Ok(Done::Nothing) => return (Outcome::Done, Vec::new()),
        Ok(Done::NotExported(_)) => return (Outcome::NotExported, Vec::new()),
        Ok(Done::Mapped(mapped)) => mapped.fd.try_clone().map(|fd| {
            let outcome = Outcome::Mapped {
                size: mapped.size,
                caching: mapped.caching,
            };
            (outcome, vec![fd])
        }),
        Ok(Done::Exported(image)) => {
            let planes = image.planes.iter().map(|plane| PicturePlane {
                offset: plane.offset,
                stride: plane.stride,
            });
            let picture = Picture {
                width: image.width,
                height: image.height,
                fourcc: image.fourcc,
                modifier: image.modifier,
                bottom_up: image.bottom_up,
                planes: planes.collect(),
            };
            let descriptors = image.planes.iter().map(|plane| plane.fd.try_clone());
            descriptors
                .collect::<Result<Vec<_>, _>>()
                .map(|descriptors| (Outcome::Exported(picture), descriptors))
        }
    };
    described.unwrap_or_else(|error| {
        warn!("Could not share memory with the guest's device: {error}");
        (Outcome::Failed(ErrorCode::OutOfMemory), Vec::new())
    })
}
