//! Messages as lines: one JSON value, then a line feed.

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::MAX_LINE;

/// A message that can't be sent or read.
#[derive(Debug, Error)]
pub enum LineError {
    /// A line of more than [`MAX_LINE`] bytes. Nothing after it can be told apart any more: the
    /// connection must end.
    #[error(
        "A message is longer than {MAX_LINE} bytes; the other side is not speaking Lucarne's protocol"
    )]
    TooLong,
    /// A line that is not such a message; the next one may be.
    #[error("A message can't be understood: {0}; are both sides of the same version?")]
    Malformed(#[source] serde_json::Error),
    /// A message that has no JSON: a path that is not UTF-8.
    #[error("A message can't be sent: {0}; use paths in UTF-8")]
    Unsendable(#[source] serde_json::Error),
}

/// A message as a line, with its line feed.
///
/// # Errors
/// It contains a path that is not UTF-8.
pub fn to_line<T: Serialize>(message: &T) -> Result<String, LineError> {
    let mut line = serde_json::to_string(message).map_err(LineError::Unsendable)?;
    line.push('\n');
    Ok(line)
}

/// Collects bytes as they arrive and cuts messages out of them.
///
/// ```
/// use protocols::ipc::{LineBuffer, Request};
///
/// let mut buffer = LineBuffer::default();
/// buffer.push(b"\"guests\"\n\"qu");
/// assert_eq!(buffer.next_message::<Request>().unwrap(), Some(Request::Guests));
/// assert_eq!(buffer.next_message::<Request>().unwrap(), None);
/// buffer.push(b"it\"\n");
/// assert_eq!(buffer.next_message::<Request>().unwrap(), Some(Request::Quit));
/// ```
#[derive(Debug, Clone, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Bytes at the front that hold no line feed.
    searched: usize,
}

impl LineBuffer {
    /// Adds bytes that have arrived. Ask for messages until there is none before adding more: that
    /// is what keeps the buffer bounded.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more bytes have arrived. Empty lines are skipped.
    ///
    /// # Errors
    /// The next line is too long, or no such message. In the second case it is skipped.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        while let Some(line) = self.next_line()? {
            if !line.trim_ascii().is_empty() {
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(LineError::Malformed);
            }
        }
        Ok(None)
    }

    /// The next line, with its line feed.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, LineError> {
        let found = self
            .bytes
            .iter()
            .skip(self.searched)
            .position(|byte| *byte == b'\n');
        let Some(found) = found else {
            self.searched = self.bytes.len();
            return if self.searched > MAX_LINE {
                Err(LineError::TooLong)
            } else {
                Ok(None)
            };
        };
        let end = self.searched + found + 1;
        if end > MAX_LINE {
            return Err(LineError::TooLong);
        }
        self.searched = 0;
        Ok(Some(self.bytes.drain(..end).collect()))
    }
}
