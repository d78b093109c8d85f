//! Lines of JSON from a stream that may give them in any pieces.

use std::io::{self, Read};

use protocols::ipc::MAX_LINE;

/// Collects bytes into lines of at most [`MAX_LINE`] bytes.
#[derive(Debug, Default)]
pub struct LineBuffer {
    partial: Vec<u8>,
}

/// What came out of a reading.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// There may be more later.
    Open,
    /// The other side has closed it.
    Ended,
}

impl LineBuffer {
    /// Reads until there is nothing left, and calls `each` for every line, without its line feed.
    ///
    /// # Errors
    /// What the system says, and [`io::ErrorKind::InvalidData`] for a line that is too long.
    pub fn read(
        &mut self,
        source: &mut impl Read,
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<Reading> {
        let mut buffer = [0; 4096];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(Reading::Ended),
                Ok(count) => self.add(&buffer[..count], &mut each)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Reading::Open);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) -> io::Result<()> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.partial.len() + piece.len() > MAX_LINE {
                let text = format!("a line of more than {MAX_LINE} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            self.partial.extend_from_slice(piece);
            if self.partial.ends_with(b"\n") {
                self.partial.pop();
                each(&self.partial);
                self.partial.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_they_come_in() {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in [&b"{\"a\""[..], b":1}\n\"b\"\n\"", b"c\"\n"] {
            buffer
                .add(piece, &mut |line: &[u8]| lines.push(line.to_vec()))
                .unwrap();
        }
        assert_eq!(lines, [&b"{\"a\":1}"[..], b"\"b\"", b"\"c\""]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut buffer = LineBuffer::default();
        let error = buffer.read(&mut io::repeat(b'x'), |_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
