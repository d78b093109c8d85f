//! Requests on their way: sending, waiting, taking what the device has finished.

use std::time::{Duration, Instant};

use protocols::virtio_gpu::{CONTROL_QUEUE, CURSOR_QUEUE, Command, Header, Response};

use super::{
    Completion, Driver, DriverError, INDIRECT_DESC, Ticket,
    answer::Expected,
    request::{self, Request},
};
use crate::{frontend::QUEUES, virtqueue::QueueError};

impl Driver {
    /// Sends a command and waits for the answer, which may be an error.
    ///
    /// # Errors
    /// There is no valid answer in time.
    pub fn call(&mut self, command: &Command) -> Result<Response, DriverError> {
        let ticket = self.submit(command, false)?;
        self.wait(ticket, self.options.timeout)?.response()
    }

    /// Sends a command and waits until it is done.
    ///
    /// # Errors
    /// The device refuses, or there is no valid answer in time.
    pub fn order(&mut self, command: &Command) -> Result<(), DriverError> {
        let ticket = self.submit(command, false)?;
        self.wait(ticket, self.options.timeout)?.done()
    }

    /// As [`Driver::order`], with a fence.
    ///
    /// # Errors
    /// The device refuses, or there is no valid answer in time.
    pub fn order_fenced(&mut self, command: &Command) -> Result<(), DriverError> {
        let ticket = self.submit(command, true)?;
        self.wait(ticket, self.options.timeout)?.done()
    }

    /// Sends a command that nobody waits for.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn tell(&mut self, command: &Command) -> Result<(), DriverError> {
        self.send(command, Header::default(), false).map(drop)
    }

    /// Sends a command on the queue it belongs to, with or without a fence.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn submit(&mut self, command: &Command, fenced: bool) -> Result<Ticket, DriverError> {
        let fence = fenced.then(|| self.new_fence());
        self.submit_with(
            command,
            Header {
                fence,
                ..Header::default()
            },
        )
    }

    /// Sends a command with a header of one's own (a context, a timeline, any fence).
    ///
    /// # Errors
    /// The queue stays full.
    pub fn submit_with(
        &mut self,
        command: &Command,
        header: Header,
    ) -> Result<Ticket, DriverError> {
        self.send(command, header, true)
    }

    /// Sends bytes that need not be a command, with room for an answer of `room` bytes.
    /// [`Completion::bytes`] is what comes back.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn submit_bytes(
        &mut self,
        queue: u16,
        request: &[u8],
        room: u32,
    ) -> Result<Ticket, DriverError> {
        let ticket = self.new_ticket();
        let expected = Expected::anything(format!("{} raw bytes", request.len()));
        let request = Request::new(
            &mut self.ram,
            request,
            request.len(),
            room,
            Some(ticket),
            expected,
        )?;
        self.push(usize::from(queue), request)?;
        Ok(ticket)
    }

    /// Waits for the answer to a request, up to `timeout`.
    ///
    /// # Errors
    /// The time is over (the request stays under way), or the device went away.
    pub fn wait(&mut self, ticket: Ticket, timeout: Duration) -> Result<Completion, DriverError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(completion) = self.try_take(ticket)? {
                return Ok(completion);
            }
            let Some(command) = self.name_of(ticket) else {
                return Err(DriverError::Dropped);
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(DriverError::Timeout {
                    command,
                    after: timeout,
                });
            }
            self.poll(left)?;
        }
    }

    /// The answer to a request, if it has come.
    ///
    /// # Errors
    /// The device broke the rules of the queue.
    pub fn try_take(&mut self, ticket: Ticket) -> Result<Option<Completion>, DriverError> {
        self.reap()?;
        Ok(self.finished.remove(&ticket))
    }

    /// Lets a request go on without anybody who waits for it; what goes wrong with it becomes a
    /// failure.
    pub fn forget(&mut self, ticket: Ticket) {
        if let Some(completion) = self.finished.remove(&ticket) {
            self.failures.extend(completion.done().err());
        }
        for request in self.under_way.values_mut() {
            if request.ticket == Some(ticket) {
                request.ticket = None;
            }
        }
    }

    /// Waits until the device has done anything at all, up to `timeout`; returns whether it has.
    ///
    /// # Errors
    /// The device went away, or broke the rules of the queue.
    pub fn poll(&mut self, timeout: Duration) -> Result<bool, DriverError> {
        let mut news = self.reap()?;
        for queue in &mut self.queues {
            news |= queue.ask_for_call()?;
        }
        if self.gone {
            return Err(DriverError::Gone);
        }
        let timeout = if news { Duration::ZERO } else { timeout };
        let activity = self.frontend.wait(timeout)?;
        self.display_changed |= activity.config_changed;
        // What was answered before the end still counts: the next call finds it.
        self.gone |= activity.hung_up;
        news |= self.reap()?;
        if activity.hung_up && !news {
            return Err(DriverError::Gone);
        }
        Ok(news || !activity.is_none())
    }

    fn name_of(&self, ticket: Ticket) -> Option<String> {
        self.under_way
            .values()
            .find(|request| request.ticket == Some(ticket))
            .map(|request| request.expected.command.clone())
    }

    fn send(
        &mut self,
        command: &Command,
        header: Header,
        wanted: bool,
    ) -> Result<Ticket, DriverError> {
        let ticket = self.new_ticket();
        let mut bytes = Vec::new();
        command.encode(&header, &mut bytes);
        let queue = match command {
            Command::UpdateCursor { .. } | Command::MoveCursor { .. } => CURSOR_QUEUE,
            _ => CONTROL_QUEUE,
        };
        let expected = Expected::of(command, header);
        let head_length = request::head_length(command, bytes.len());
        let room = expected.room;
        let waiting = wanted.then_some(ticket);
        let request = Request::new(&mut self.ram, &bytes, head_length, room, waiting, expected)?;
        self.push(usize::from(queue), request)?;
        Ok(ticket)
    }

    /// Makes a request available; waits for room as a kernel does.
    fn push(&mut self, queue: usize, mut request: Request) -> Result<(), DriverError> {
        let shape = self.options.shape;
        let indirect = shape.indirect && self.features() & INDIRECT_DESC != 0;
        let (chain, table) = request.chain(&mut self.ram, shape, indirect)?;
        let deadline = Instant::now() + self.options.timeout;
        let head = loop {
            let Some(ring) = self.queues.get_mut(queue) else {
                request.free(&mut self.ram);
                return Err(DriverError::Dropped);
            };
            match ring.push(&chain, table) {
                Ok(head) => break head,
                Err(QueueError::Full { wanted, .. })
                    if wanted <= usize::from(ring.size()) && Instant::now() < deadline =>
                {
                    self.poll(deadline.saturating_duration_since(Instant::now()))?;
                }
                Err(error) => {
                    request.free(&mut self.ram);
                    return Err(error.into());
                }
            }
        };
        self.under_way.insert((queue, head), request);
        if let Some(ring) = self.queues.get_mut(queue)
            && ring.needs_kick()?
        {
            self.frontend.kick(queue)?;
        }
        Ok(())
    }

    /// Takes everything that the device has finished; returns whether there was something.
    fn reap(&mut self) -> Result<bool, DriverError> {
        let mut any = false;
        for index in 0..QUEUES {
            while let Some(used) = match self.queues.get_mut(index) {
                Some(queue) => queue.pop_used()?,
                None => None,
            } {
                any = true;
                let Some(request) = self.under_way.remove(&(index, used.head)) else {
                    continue;
                };
                let ticket = request.ticket;
                let completion = request.complete(&mut self.ram, used.length)?;
                match ticket {
                    Some(ticket) => {
                        self.finished.insert(ticket, completion);
                    }
                    None => self.failures.extend(completion.done().err()),
                }
            }
        }
        Ok(any)
    }

    fn new_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    pub(super) fn new_fence(&mut self) -> u64 {
        self.last_fence += 1;
        self.last_fence
    }
}
