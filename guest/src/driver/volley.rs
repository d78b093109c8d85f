//! Commands that are prepared once and sent again and again, as many at once as there are.
//!
//! A driver whose own work is next to nothing, so that what it measures is the device: bytes,
//! buffers and descriptors stay where they are, and a volley costs a list of their numbers, a
//! kick if the device wants one, and the wait for the answers. Calls are asked for as Linux asks for them: for the
//! next answer after those that were seen.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use protocols::virtio_gpu::{CONTROL_QUEUE, CURSOR_QUEUE, Command, Header};

use super::{Completion, Driver, DriverError, INDIRECT_DESC, answer::Expected};
use crate::virtqueue::{
    DESCRIPTOR_SIZE, Descriptor, INDIRECT, NEXT, QueueError, RawQueue, Virtqueue, WRITE,
};

/// Where the parts of a request begin: like a kernel's small allocations.
const ALIGNMENT: u64 = 64;

/// One of the commands, as it lies in guest memory.
#[derive(Debug)]
struct Shot {
    expected: Expected,
    request: u64,
    length: u32,
    answer: u64,
    /// Of its indirect table, where the device takes them.
    table: u64,
}

/// Commands with the driver that sends them; it does nothing else any more.
#[derive(Debug)]
pub struct Volley {
    driver: Driver,
    queue: u16,
    /// The heads of the chains, in order.
    heads: Vec<u16>,
    /// The commands, in the same order.
    shots: Vec<Shot>,
    /// The device's index in the used ring once all is answered.
    answered: u16,
}

impl Volley {
    /// How many such commands fit into their queue at once.
    #[must_use]
    pub fn capacity(driver: &Driver, command: &Command) -> usize {
        let entries = driver.queues.get(usize::from(queue_of(command)));
        let entries = entries.map_or(0, |queue| usize::from(queue.size()));
        entries / descriptors(driver, room_of(command))
    }

    /// Prepares commands for the queue that the first one belongs to, each with a fence or none. Waits
    /// for what is under way.
    ///
    /// # Errors
    /// They don't fit into the queue or the guest's memory, or the device does not answer.
    pub fn new(
        mut driver: Driver,
        commands: &[Command],
        fenced: bool,
    ) -> Result<Self, DriverError> {
        finish(&mut driver)?;
        let queue = commands.first().map_or(CONTROL_QUEUE, queue_of);
        let mut volley = Self {
            queue,
            heads: Vec::with_capacity(commands.len()),
            shots: Vec::with_capacity(commands.len()),
            answered: 0,
            driver,
        };
        let mut head = 0;
        for command in commands {
            let header = Header {
                fence: fenced.then(|| volley.driver.new_fence()),
                ..Header::default()
            };
            let shot = volley.load(command, header)?;
            let taken = descriptors(&volley.driver, shot.expected.room);
            volley.aim(head, &shot)?;
            volley.heads.push(head);
            volley.shots.push(shot);
            head = u16::try_from(usize::from(head) + taken).unwrap_or(u16::MAX);
        }
        volley.answered = volley.raw()?.used_index()?;
        Ok(volley)
    }

    /// How many commands there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shots.is_empty()
    }

    /// Sends all of them with one kick, and waits until all are answered, up to `timeout`.
    ///
    /// # Errors
    /// The time is over, the device went away, or broke the rules of the queue.
    pub fn fire(&mut self, timeout: Duration) -> Result<(), DriverError> {
        let index = usize::from(self.queue);
        let Some(queue) = self.driver.queues.get_mut(index) else {
            return Err(DriverError::Dropped);
        };
        queue.raw().publish_all(&self.heads)?;
        if queue.needs_kick()? {
            self.driver.frontend.kick(index)?;
        }
        let count = u16::try_from(self.shots.len()).unwrap_or(u16::MAX);
        self.answered = self.answered.wrapping_add(count);
        self.wait(timeout)
    }

    /// As [`Volley::fire`], and then looks at every answer, which costs more.
    ///
    /// # Errors
    /// As [`Volley::fire`]; and the first command that the device refused, left out, or answered as no
    /// driver would take it.
    pub fn fire_and_check(&mut self, timeout: Duration) -> Result<(), DriverError> {
        // What was answered before must not pass for an answer now.
        for shot in &self.shots {
            let room = usize::try_from(shot.expected.room).unwrap_or(0);
            self.driver.ram.write(shot.answer, &vec![0xa5; room])?;
        }
        let first = self.answered;
        self.fire(timeout)?;
        let mut used = HashMap::new();
        for place in 0..self.answered.wrapping_sub(first) {
            let (head, length) = self.raw()?.used_entry(first.wrapping_add(place))?;
            used.insert(head, length);
        }
        let mut shots = self.heads.iter().zip(&self.shots);
        shots.try_for_each(|(head, shot)| self.check(shot, used.get(&u32::from(*head))))
    }

    fn check(&self, shot: &Shot, used: Option<&u32>) -> Result<(), DriverError> {
        let expected = shot.expected.clone();
        let Some(&used) = used else {
            return Err(DriverError::BadAnswer {
                command: expected.command,
                what: "nothing".to_owned(),
            });
        };
        let length = usize::try_from(used.min(expected.room)).unwrap_or(0);
        let mut bytes = vec![0; length];
        self.driver.ram.read(shot.answer, &mut bytes)?;
        let completion = Completion {
            bytes,
            used,
            took: Duration::ZERO,
            expected,
        };
        completion.done()
    }

    fn wait(&mut self, timeout: Duration) -> Result<(), DriverError> {
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.raw()?.used_index()?;
            if seen == self.answered {
                return Ok(());
            }
            if self.raw()?.ask_for_call_at(seen)? {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let first = self.shots.first();
                return Err(DriverError::Timeout {
                    command: first.map_or_else(String::new, |shot| {
                        format!("{} times {}", self.shots.len(), shot.expected.command)
                    }),
                    after: timeout,
                });
            }
            if self.driver.frontend.wait(left)?.hung_up
                && self.raw()?.used_index()? != self.answered
            {
                return Err(DriverError::Gone);
            }
        }
    }

    /// Puts a command into guest memory.
    fn load(&mut self, command: &Command, header: Header) -> Result<Shot, DriverError> {
        let expected = Expected::of(command, header);
        let mut bytes = Vec::new();
        command.encode(&header, &mut bytes);
        let answer_at = (bytes.len() as u64).next_multiple_of(ALIGNMENT);
        let table_at = answer_at + u64::from(expected.room).next_multiple_of(ALIGNMENT);
        let block = self.driver.ram.allocate(table_at + 2 * DESCRIPTOR_SIZE)?;
        self.driver.ram.write(block.address, &bytes)?;
        Ok(Shot {
            expected,
            request: block.address,
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            answer: block.address + answer_at,
            table: block.address + table_at,
        })
    }

    /// Writes the descriptors of a command: two buffers, in a table of their own if they may be, or
    /// only the command where there is no answer.
    fn aim(&mut self, head: u16, shot: &Shot) -> Result<(), DriverError> {
        let taken = descriptors(&self.driver, shot.expected.room);
        let size = self.entry()?.size();
        if usize::from(head) + taken > usize::from(size) {
            return Err(DriverError::Queue(QueueError::Full {
                wanted: usize::from(head) + taken,
                free: size.into(),
            }));
        }
        let has_answer = shot.expected.room > 0;
        let is_indirect = has_answer && taken == 1;
        let next = if is_indirect { 1 } else { head + 1 };
        let request = Descriptor {
            address: shot.request,
            length: shot.length,
            flags: if has_answer { NEXT } else { 0 },
            next: if has_answer { next } else { 0 },
        };
        let answer = Descriptor {
            address: shot.answer,
            length: shot.expected.room,
            flags: WRITE,
            next: 0,
        };
        if is_indirect {
            self.driver.ram.write(shot.table, &request.to_bytes())?;
            let second = shot.table + DESCRIPTOR_SIZE;
            self.driver.ram.write(second, &answer.to_bytes())?;
            let table = Descriptor {
                address: shot.table,
                length: u32::try_from(2 * DESCRIPTOR_SIZE).unwrap_or(0),
                flags: INDIRECT,
                next: 0,
            };
            self.raw()?.set_descriptor(head, table)?;
        } else {
            self.raw()?.set_descriptor(head, request)?;
            if has_answer {
                self.raw()?.set_descriptor(next, answer)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<&mut Virtqueue, DriverError> {
        let queue = self.driver.queues.get_mut(usize::from(self.queue));
        queue.ok_or(DriverError::Dropped)
    }

    fn raw(&mut self) -> Result<RawQueue<'_>, DriverError> {
        Ok(self.entry()?.raw())
    }
}

/// Waits until the device has answered all that is under way.
fn finish(driver: &mut Driver) -> Result<(), DriverError> {
    let timeout = driver.options.timeout;
    let deadline = Instant::now() + timeout;
    while driver.requests_under_way() > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(DriverError::Timeout {
                command: "what was under way".to_owned(),
                after: timeout,
            });
        }
        driver.poll(left)?;
    }
    Ok(())
}

fn queue_of(command: &Command) -> u16 {
    match command {
        Command::UpdateCursor { .. } | Command::MoveCursor { .. } => CURSOR_QUEUE,
        _ => CONTROL_QUEUE,
    }
}

fn room_of(command: &Command) -> u32 {
    Expected::of(command, Header::default()).room
}

/// How many descriptors of the queue a command takes whose answer has so much room.
fn descriptors(driver: &Driver, room: u32) -> usize {
    let is_indirect = driver.options.shape.indirect && driver.features() & INDIRECT_DESC != 0;
    if room == 0 || is_indirect { 1 } else { 2 }
}

#[cfg(test)]
mod tests;
