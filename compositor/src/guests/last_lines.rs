//! The last lines of what a process wrote, made fit for a terminal.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

/// How many lines are kept.
const LINES: usize = 100;
/// A longer line is cut, so that a guest's console can't fill our memory.
const LINE_BYTES: usize = 1024;
/// How much is read at once. QEMU writes megabytes a second to its standard error when its device
/// is gone; more in one go would keep the loop from everything else.
const READ_BYTES: usize = 64 * 1024;

/// Collects lines. A guest decides what its console says, so no control character is let through:
/// none of it can speak to the user's terminal.
#[derive(Debug, Default)]
pub struct LastLines {
    lines: VecDeque<String>,
    partial: Vec<u8>,
}

/// What came out of a reading.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// There will be more.
    Open,
    /// The other side has closed it.
    Ended,
}

impl LastLines {
    /// Reads what is there, up to a bound, and calls `each` for every line that it completes.
    ///
    /// # Errors
    /// What the system says; that there is nothing to read is no error.
    pub fn read(
        &mut self,
        source: &mut impl Read,
        mut each: impl FnMut(&str),
    ) -> io::Result<Reading> {
        let mut buffer = [0; 4096];
        let mut left = READ_BYTES;
        while left > 0 {
            match source.read(&mut buffer) {
                Ok(0) => {
                    self.end_line(&mut each);
                    return Ok(Reading::Ended);
                }
                Ok(count) => {
                    self.add(&buffer[..count], &mut each);
                    left = left.saturating_sub(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Reading::Open)
    }

    /// The lines, oldest first; the last one may still be growing.
    #[must_use]
    pub fn to_vec(&self) -> Vec<String> {
        let partial = (!self.partial.is_empty()).then(|| clean(&self.partial));
        self.lines.iter().cloned().chain(partial).collect()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.partial.clear();
    }

    fn add(&mut self, bytes: &[u8], each: &mut impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, complete) = match piece {
                [text @ .., b'\n'] => (text, true),
                text => (text, false),
            };
            let room = LINE_BYTES.saturating_sub(self.partial.len());
            self.partial
                .extend_from_slice(&text[..text.len().min(room)]);
            if complete {
                self.end_line(each);
            }
        }
    }

    fn end_line(&mut self, each: &mut impl FnMut(&str)) {
        let line = clean(&std::mem::take(&mut self.partial));
        if line.is_empty() {
            return;
        }
        each(&line);
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// Takes escape sequences (`ESC [ … letter`, `ESC ] … BEL`, `ESC x`) and other control characters
/// out.
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut chars = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => match chars.next() {
                Some('[') => {
                    chars.by_ref().find(|c| matches!(c, '@'..='~'));
                }
                Some(']') => {
                    chars.by_ref().find(|&c| c == '\x07');
                }
                _ => {}
            },
            '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(chunks: &[&[u8]]) -> (LastLines, Vec<String>) {
        let mut lines = LastLines::default();
        let mut seen = Vec::new();
        for chunk in chunks {
            lines.add(chunk, &mut |line: &str| seen.push(line.to_owned()));
        }
        (lines, seen)
    }

    #[test]
    fn lines_may_arrive_in_pieces() {
        let (lines, seen) = collect(&[b"one\ntw", b"o\nthr"]);
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(lines.to_vec(), ["one", "two", "thr"]);
    }

    #[test]
    fn the_end_of_the_stream_ends_the_last_line() {
        let mut lines = LastLines::default();
        let mut seen = Vec::new();
        let reading = lines
            .read(&mut &b"a\nb"[..], |line| seen.push(line.to_owned()))
            .unwrap();
        assert_eq!(reading, Reading::Ended);
        assert_eq!(seen, ["a", "b"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let text: String = (0..LINES + 5).map(|n| format!("{n}\n")).collect();
        let (lines, _) = collect(&[text.as_bytes()]);
        let kept = lines.to_vec();
        assert_eq!(kept.len(), LINES);
        assert_eq!(kept[0], "5");
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let (lines, _) = collect(&[&[b'x'; 10 * LINE_BYTES], b"\nnext"]);
        assert_eq!(lines.to_vec()[0].len(), LINE_BYTES);
        assert_eq!(lines.to_vec()[1], "next");
    }

    #[test]
    fn a_flood_is_read_in_portions() {
        let mut lines = LastLines::default();
        let mut flood = io::repeat(b'\n');
        assert_eq!(lines.read(&mut flood, |_| ()).unwrap(), Reading::Open);
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let (lines, _) =
            collect(&[b"\x1b[2J\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x08ok\r\n\x1bc\n"]);
        assert_eq!(lines.to_vec(), ["red ok"]);
        let (lines, _) = collect(&["\u{9b}2Jx \u{fffd}".as_bytes(), &[0xff, b'\n']]);
        assert_eq!(lines.to_vec(), ["2Jx \u{fffd}\u{fffd}"]);
    }
}
