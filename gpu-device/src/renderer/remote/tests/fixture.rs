//! A device's side with a process at its other end.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    time::{Duration, Instant},
};

use protocols::virtio_gpu::ErrorCode;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process},
};

use super::super::*;
use crate::renderer::{Done, Fence, Ticket, Timeline, process::fake::ABOUT_ITSELF};

/// How long something may take that takes a moment, on a machine that has much else to do.
const SOON: Duration = Duration::from_secs(20);

pub(super) struct Fixture {
    pub(super) remote: Remote,
    last: u64,
}

/// A test of this program that is to be the other end.
pub(super) fn spawn(child: &str) -> Spawn {
    let test = format!("renderer::remote::tests::{child}");
    let arguments = ["--exact", "--ignored", "--nocapture", "--test-threads=1"];
    Spawn {
        program: "/proc/self/exe".into(),
        arguments: arguments
            .into_iter()
            .chain([test.as_str()])
            .map(Into::into)
            .collect(),
        environment: Vec::new(),
        greeting: SOON,
        patience: SOON,
    }
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(spawn("children::fake"))
    }

    pub(super) fn with(spawn: Spawn) -> Self {
        let remote = Remote::start(spawn).unwrap();
        Self { remote, last: 0 }
    }

    pub(super) fn send(&mut self, request: Request<'_>) -> Ticket {
        self.send_fenced(None, request)
    }

    pub(super) fn send_fenced(&mut self, fence: Option<Fence>, request: Request<'_>) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.remote.send(ticket, fence, request);
        ticket
    }

    /// Sends words that the fake obeys.
    pub(super) fn say(&mut self, commands: &[u8]) -> Ticket {
        let context = 1;
        self.send(Request::Submit { context, commands })
    }

    pub(super) fn create_context(&mut self) -> Ticket {
        self.send(Request::CreateContext {
            context: 1,
            capset: 2,
            name: b"test",
        })
    }

    /// As the device's loop does: waits until something happens, and takes what it was.
    pub(super) fn turn(&mut self) -> Vec<RendererEvent> {
        self.remote.flush();
        let events = self.remote.take_events();
        if !events.is_empty() {
            return events;
        }
        let now = Instant::now();
        let deadline = self.remote.next_deadline();
        let left = deadline.map_or(SOON, |at| at.saturating_duration_since(now));
        let mut ready = [PollFd::new(&self.remote, PollFlags::IN)];
        poll(&mut ready, Some(&Timespec::try_from(left).unwrap())).unwrap();
        self.remote.dispatch();
        self.remote.expire(Instant::now());
        self.remote.take_events()
    }

    /// The next events, at least as many.
    pub(super) fn events(&mut self, count: usize) -> Vec<RendererEvent> {
        let start = Instant::now();
        let mut events = Vec::new();
        while events.len() < count {
            assert!(start.elapsed() < SOON, "only {events:?}");
            events.extend(self.turn());
        }
        events
    }

    /// The next answers, none of them lost.
    pub(super) fn answers(&mut self, count: usize) -> Vec<(Ticket, Result<Done, ErrorCode>)> {
        let events = self.events(count);
        assert_eq!(events.len(), count, "{events:?}");
        let answer = |event| match event {
            RendererEvent::Answered(ticket, answer) => (ticket, answer),
            RendererEvent::Lost => panic!("the process was lost"),
        };
        events.into_iter().map(answer).collect()
    }

    /// Whose answers come next.
    pub(super) fn tickets(&mut self, count: usize) -> Vec<Ticket> {
        let answers = self.answers(count).into_iter();
        answers.map(|(ticket, _)| ticket).collect()
    }

    /// Sends something and waits for its answer, which must be the next one.
    pub(super) fn ask(&mut self, request: Request<'_>) -> Result<Done, ErrorCode> {
        let ticket = self.send(request);
        let (answered, result) = self.answers(1).remove(0);
        assert_eq!(answered, ticket);
        result
    }

    /// Waits until the process is lost; what was answered before that.
    pub(super) fn lost(&mut self) -> Vec<Ticket> {
        let start = Instant::now();
        let mut answered = Vec::new();
        loop {
            assert!(
                start.elapsed() < SOON,
                "{:?} {:?}",
                self.remote,
                Instant::now()
            );
            for event in self.turn() {
                match event {
                    RendererEvent::Answered(ticket, _) => answered.push(ticket),
                    RendererEvent::Lost => return answered,
                }
            }
        }
    }

    /// The memory that the fake maps for a resource, as a guest would see it.
    pub(super) fn mapped(&mut self, resource: u32) -> Vec<u8> {
        let Ok(Done::Mapped(mapped)) = self.ask(Request::Map(resource)) else {
            panic!("not mapped");
        };
        let mut bytes = Vec::new();
        let mut file = File::from(mapped.fd.try_clone().unwrap()).take(mapped.size);
        file.get_mut().rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// What the process tells of itself.
    pub(super) fn about(&mut self) -> String {
        String::from_utf8(self.mapped(ABOUT_ITSELF)).unwrap()
    }

    /// Waits until there is a process, and until it has said what it can do if that is wanted.
    pub(super) fn wait_for_process(&mut self, greeted: bool) {
        let is_there = |remote: &Remote| match &remote.life {
            Life::Alive(alive) => !greeted || alive.has_said_hello(),
            Life::Absent | Life::Resting { .. } => false,
        };
        while !is_there(&self.remote) {
            self.turn();
        }
    }

    /// Whether the process is stopped, dead or something else, in the kernel's letters.
    pub(super) fn state(&self) -> char {
        let pid = self.remote.process().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        rest.chars().next().unwrap()
    }

    /// Stops the process, which takes a moment.
    pub(super) fn stop(&self) {
        self.kill(Signal::STOP);
        while self.state() != 'T' {
            std::thread::yield_now();
        }
    }

    pub(super) fn kill(&self, signal: Signal) {
        let pid = i32::try_from(self.remote.process().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

pub(super) fn fence(id: u64, timeline: Timeline) -> Option<Fence> {
    Some(Fence { id, timeline })
}

/// The descriptors of this process.
pub(super) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
