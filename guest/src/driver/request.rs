//! One request in guest memory: its bytes, the room for its answer, and how both are cut into
//! the buffers of a chain.

use std::time::Instant;

use protocols::virtio_gpu::Command;

use super::{
    DriverError, Ticket,
    answer::{Completion, Expected},
};
use crate::{
    ram::{Block, PAGE, Ram},
    virtqueue::{DESCRIPTOR_SIZE, Segment},
};

/// How a guest lays a request out in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainShape {
    /// The fixed part of a command and what follows it (memory entries, a command stream) are
    /// buffers of their own.
    pub split_payload: bool,
    /// No buffer that the device reads crosses a multiple of this many bytes; 0 for no limit.
    pub read_piece: u64,
    /// No buffer that the device writes is longer than this many bytes; 0 for no limit.
    pub write_piece: u64,
    /// Chains are indirect tables where the device takes them.
    pub indirect: bool,
}

impl ChainShape {
    /// Linux: a buffer each for the command, its payload and the answer.
    pub const LINUX: Self = Self {
        split_payload: true,
        read_piece: 0,
        write_piece: 0,
        indirect: true,
    };
    /// Linux with a payload so large that it came from `vmalloc`: a buffer per page.
    pub const LINUX_VMALLOC: Self = Self {
        read_piece: PAGE,
        ..Self::LINUX
    };
    /// Windows: as Linux with `vmalloc`, without indirect tables.
    pub const WINDOWS: Self = Self {
        indirect: false,
        ..Self::LINUX_VMALLOC
    };
    /// EDK2: one buffer for all of the request, one for the answer.
    pub const EDK2: Self = Self {
        split_payload: false,
        read_piece: 0,
        write_piece: 0,
        indirect: false,
    };

    /// Buffers so small that headers are torn apart: allowed, and done by nobody.
    #[must_use]
    pub const fn torn(bytes: u64) -> Self {
        Self {
            split_payload: false,
            read_piece: bytes,
            write_piece: bytes,
            indirect: true,
        }
    }
}

impl Default for ChainShape {
    fn default() -> Self {
        Self::LINUX
    }
}

/// A request and its memory.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) ticket: Option<Ticket>,
    pub(super) expected: Expected,
    memory: Block,
    table: Option<Block>,
    head_length: u64,
    length: u64,
    answer_at: u64,
    room: u32,
    sent: Instant,
}

impl Request {
    /// Puts the bytes into guest memory, with `room` bytes for the answer behind them.
    pub(super) fn new(
        ram: &mut Ram,
        bytes: &[u8],
        head_length: usize,
        room: u32,
        ticket: Option<Ticket>,
        expected: Expected,
    ) -> Result<Self, DriverError> {
        let length = bytes.len() as u64;
        let answer_offset = length.next_multiple_of(8);
        let memory = ram.allocate(answer_offset + u64::from(room))?;
        ram.write(memory.address, bytes)?;
        let answer_at = memory.address + answer_offset;
        // A device that leaves bytes of its answer unwritten would otherwise pass unnoticed.
        ram.write(answer_at, &vec![0xa5; usize::try_from(room).unwrap_or(0)])?;
        Ok(Self {
            ticket,
            expected,
            memory,
            table: None,
            head_length: head_length as u64,
            length,
            answer_at,
            room,
            sent: Instant::now(),
        })
    }

    /// The buffers, and memory for an indirect table if the chain shall be one.
    pub(super) fn chain(
        &mut self,
        ram: &mut Ram,
        shape: ChainShape,
        indirect: bool,
    ) -> Result<(Vec<Segment>, Option<Block>), DriverError> {
        let start = self.memory.address;
        let head = if shape.split_payload {
            self.head_length.min(self.length)
        } else {
            0
        };
        let mut chain = Vec::new();
        cut(&mut chain, start, start + head, shape.read_piece, false);
        cut(
            &mut chain,
            start + head,
            start + self.length,
            shape.read_piece,
            false,
        );
        let end = self.answer_at + u64::from(self.room);
        cut(&mut chain, self.answer_at, end, shape.write_piece, true);
        // One buffer gains nothing from a table; Linux leaves it out, too.
        if indirect && chain.len() > 1 {
            self.table = Some(ram.allocate(DESCRIPTOR_SIZE * chain.len() as u64)?);
        }
        Ok((chain, self.table))
    }

    /// Reads the answer and frees the memory.
    pub(super) fn complete(self, ram: &mut Ram, used: u32) -> Result<Completion, DriverError> {
        let length = usize::try_from(used.min(self.room)).unwrap_or(0);
        let mut bytes = vec![0; length];
        ram.read(self.answer_at, &mut bytes)?;
        let took = self.sent.elapsed();
        self.release(ram);
        Ok(Completion {
            bytes,
            used,
            took,
            expected: self.expected,
        })
    }

    /// Frees the memory of a request that the device does not have any more.
    pub(super) fn free(self, ram: &mut Ram) {
        self.release(ram);
    }

    fn release(&self, ram: &mut Ram) {
        ram.free(self.memory);
        if let Some(table) = self.table {
            ram.free(table);
        }
    }
}

/// Bytes before the part of variable length, in a request of `length` bytes.
pub(super) fn head_length(command: &Command, length: usize) -> usize {
    let payload = match command {
        Command::ResourceAttachBacking { entries, .. }
        | Command::ResourceCreateBlob { entries, .. } => entries.len() * 16,
        Command::Submit3d { commands } => commands.len(),
        _ => 0,
    };
    length.saturating_sub(payload)
}

/// Adds the buffers from `start` to `end`, none of which crosses a multiple of `piece`.
fn cut(chain: &mut Vec<Segment>, start: u64, end: u64, piece: u64, writable: bool) {
    let mut at = start;
    while at < end {
        let stop = match at.checked_div(piece) {
            Some(number) => end.min((number + 1) * piece),
            None => end,
        };
        let length = u32::try_from(stop - at).unwrap_or(u32::MAX);
        chain.push(Segment {
            address: at,
            length,
            writable,
        });
        at += u64::from(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(shape: ChainShape, bytes: usize, head: usize, room: u32) -> Vec<(u32, bool)> {
        let mut ram = Ram::new(&crate::ram::RamOptions::default()).unwrap();
        let expected = Expected::anything(String::new());
        let request = vec![0; bytes];
        let mut request = Request::new(&mut ram, &request, head, room, None, expected).unwrap();
        let (chain, table) = request.chain(&mut ram, shape, shape.indirect).unwrap();
        assert_eq!(table.is_some(), shape.indirect && chain.len() > 1);
        chain
            .iter()
            .map(|segment| (segment.length, segment.writable))
            .collect()
    }

    #[test]
    fn linux_gives_command_payload_and_answer_a_buffer_each() {
        assert_eq!(
            lengths(ChainShape::LINUX, 32 + 160, 32, 24),
            [(32, false), (160, false), (24, true)]
        );
        assert_eq!(
            lengths(ChainShape::LINUX, 48, 48, 24),
            [(48, false), (24, true)]
        );
        assert_eq!(
            lengths(ChainShape::LINUX, 56, 56, 0),
            [(56, false)],
            "a cursor command"
        );
    }

    #[test]
    fn windows_cuts_a_payload_at_pages() {
        assert_eq!(
            lengths(ChainShape::WINDOWS, 32 + 8192, 32, 24),
            [
                (32, false),
                (4064, false),
                (4096, false),
                (32, false),
                (24, true)
            ]
        );
    }

    #[test]
    fn a_torn_request_splits_its_header() {
        assert_eq!(
            lengths(ChainShape::torn(16), 40, 40, 24),
            [(16, false), (16, false), (8, false), (8, true), (16, true)]
        );
    }
}
