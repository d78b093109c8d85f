//! What goes back to the device: answers, at once or when their fences are reached.
//!
//! Two threads say it: the one that carries out orders, and the library's own that waits for fences. An answer
//! that a guest waits for does not have to wait until the first has woken up. That thread may hold locks of
//! the library's, so nobody may call the library while they hold the one in here; each method takes and leaves it.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use protocols::{
    render::{Outcome, Picture, PicturePlane, Report},
    virtio_gpu::ErrorCode,
};
use tracing::{debug, warn};

use super::{
    super::{
        Done, Fence, Timeline,
        link::{LinkError, Reports},
        virgl::Listener,
    },
    fences::{Answer, Fences},
};

/// How often the device is woken while orders come one after the other: not for each answer, as that would take the
/// processor on which this process draws. No answer waits longer, but for the order that is being carried out.
const WAKE: Duration = Duration::from_millis(1);

/// The way back, shared between threads.
#[derive(Debug)]
pub(super) struct Answers {
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    reports: Reports,
    fences: Fences,
    message: Vec<u8>,
    /// Since when orders have been carried out without the device having been woken; `None` while there are none.
    busy: Option<Instant>,
}

impl Answers {
    pub(super) fn new(reports: Reports) -> Arc<Self> {
        Arc::new(Self {
            shared: Mutex::new(Shared {
                reports,
                fences: Fences::default(),
                message: Vec::new(),
                busy: None,
            }),
        })
    }

    /// Who is to hear of reached fences, in whichever thread.
    pub(super) fn listener(self: &Arc<Self>) -> Listener {
        let answers = Arc::clone(self);
        Box::new(move |fence| {
            // The thread that takes orders finds out the same.
            if let Err(error) = answers.reached(fence) {
                debug!("an answer could not be sent: {error}");
            }
        })
    }

    /// Says something that nobody has asked for.
    pub(super) fn say(&self, report: &Report) -> Result<(), LinkError> {
        let mut shared = self.lock();
        shared.send(report, Vec::new())?;
        shared.reports.ring()
    }

    /// Answers a request now.
    pub(super) fn give(&self, answer: Answer) -> Result<(), LinkError> {
        self.lock().answer([answer])
    }

    /// Answers a request when a fence is reached that is to be put down now.
    pub(super) fn hold(&self, timeline: Timeline, answer: Answer) -> Fence {
        self.lock().fences.hold(timeline, answer)
    }

    /// A fence could not be put down.
    pub(super) fn withdraw(&self, fence: Fence) -> Result<(), LinkError> {
        let mut shared = self.lock();
        let answers = shared.fences.withdraw(fence);
        shared.answer(answers)
    }

    /// A fence was reached.
    pub(super) fn reached(&self, fence: Fence) -> Result<(), LinkError> {
        let mut shared = self.lock();
        let answers = shared.fences.reached(fence);
        shared.answer(answers)?;
        match shared.busy {
            Some(since) if since.elapsed() < WAKE => Ok(()),
            Some(_) => shared.wake(),
            None => shared.reports.ring(),
        }
    }

    /// Nothing more is reached on these timelines.
    pub(super) fn end(&self, ended: impl FnMut(Timeline) -> bool) -> Result<(), LinkError> {
        let mut shared = self.lock();
        let answers = shared.fences.end(ended);
        shared.answer(answers)
    }

    /// Whether no fence is awaited.
    pub(super) fn awaits_nothing(&self) -> bool {
        self.lock().fences.is_empty()
    }

    /// Orders are carried out from now on.
    pub(super) fn work(&self) {
        self.lock().busy = Some(Instant::now());
    }

    /// Wakes the device for what was said while orders are carried out.
    pub(super) fn wake(&self) -> Result<(), LinkError> {
        self.lock().wake()
    }

    /// There are no more orders: the device is woken for what was said, and from now on for all that is.
    pub(super) fn rest(&self) -> Result<(), LinkError> {
        let mut shared = self.lock();
        shared.busy = None;
        shared.reports.send_waiting()?;
        shared.reports.ring()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn answer(&mut self, answers: impl IntoIterator<Item = Answer>) -> Result<(), LinkError> {
        for Answer { number, result } in answers {
            let (outcome, descriptors) = in_words(result);
            self.send(&Report::Answer { number, outcome }, descriptors)?;
        }
        Ok(())
    }

    fn send(&mut self, report: &Report, descriptors: Vec<OwnedFd>) -> Result<(), LinkError> {
        report.encode(&mut self.message);
        self.reports.send(&self.message, descriptors)
    }

    fn wake(&mut self) -> Result<(), LinkError> {
        self.busy = Some(Instant::now());
        self.reports.ring()
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

#[cfg(test)]
mod tests {
    use std::{os::fd::OwnedFd, thread};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::renderer::link::{self, DeviceEnd, RendererEnd};

    const RING: Timeline = Timeline::Ring {
        context: 3,
        ring: 0,
    };

    fn answer(number: u64) -> Answer {
        Answer {
            number,
            result: Ok(Done::Nothing),
        }
    }

    fn lay() -> (DeviceEnd, Arc<Answers>) {
        let (device, socket): (_, OwnedFd) = link::lay().unwrap();
        let renderer = RendererEnd::open(socket).unwrap();
        (device, Answers::new(renderer.reports))
    }

    /// Waits so long for the bell.
    fn is_rung(device: &DeviceEnd, within: Duration) -> bool {
        let mut watched = [PollFd::new(device, PollFlags::IN)];
        let within = Timespec::try_from(within).unwrap();
        poll(&mut watched, Some(&within)).unwrap() == 1
    }

    /// The numbers of the requests that were answered.
    fn numbers(device: &mut DeviceEnd) -> Vec<u64> {
        let mut scratch = Vec::new();
        let mut numbers = Vec::new();
        while device.reports.take(&mut scratch).unwrap() {
            match Report::decode(&scratch).unwrap() {
                Report::Answer { number, .. } => numbers.push(number),
                report => panic!("{report:?}"),
            }
        }
        numbers
    }

    #[test]
    fn another_thread_answers_and_wakes_the_device_while_this_one_rests() {
        let (mut device, answers) = lay();
        let first = answers.hold(RING, answer(1));
        let second = answers.hold(RING, answer(2));
        assert!(first.id < second.id);
        answers.rest().unwrap();
        assert!(!is_rung(&device, Duration::ZERO), "nothing was said yet");
        let listener = answers.listener();
        thread::spawn(move || listener(second)).join().unwrap();
        assert!(is_rung(&device, Duration::ZERO));
        assert_eq!(numbers(&mut device), [1, 2]);
        assert!(answers.awaits_nothing());
    }

    #[test]
    fn the_device_is_not_woken_for_each_answer_while_orders_are_carried_out() {
        let (mut device, answers) = lay();
        answers.work();
        answers.give(answer(1)).unwrap();
        answers.give(answer(2)).unwrap();
        assert!(!is_rung(&device, Duration::ZERO));
        answers.rest().unwrap();
        assert!(is_rung(&device, Duration::ZERO));
        assert_eq!(numbers(&mut device), [1, 2]);
    }

    #[test]
    fn what_can_not_be_waited_for_is_answered_behind_what_can() {
        let (mut device, answers) = lay();
        let first = answers.hold(RING, answer(1));
        let second = answers.hold(RING, answer(2));
        answers.withdraw(second).unwrap();
        assert_eq!(numbers(&mut device), [0; 0]);
        answers.reached(first).unwrap();
        assert_eq!(numbers(&mut device), [1, 2]);
    }
}
