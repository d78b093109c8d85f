//! Streams of virgl commands, as Mesa's driver puts them into SUBMIT_3D.
//!
//! Owns the words of the protocol between a guest's OpenGL driver and virglrenderer (its
//! `virgl_protocol.h` and `virgl_hw.h`; the numbers are in [`numbers`]) as far as a cleared screen
//! and a coloured triangle need them, and [`Stream::command`] for everything else. It must not know
//! how a stream reaches the device, and judges nothing: what is wrong with a stream the renderer
//! has to find out.
//!
//! A stream is 32-bit words, little-endian. A command is a word with its number (8 bits), the type
//! of object that it is about (8 bits) and the number of words that follow (16 bits), then these.
//!
//! ```
//! use guest::virgl::{Stream, numbers::FORMAT_B8G8R8X8};
//!
//! let mut stream = Stream::new();
//! stream.create_surface(1, 42, FORMAT_B8G8R8X8).set_framebuffer(&[1]).clear([1.0, 0.0, 0.0, 1.0]);
//! assert_eq!(stream.words().len(), 6 + 4 + 9);
//! ```

mod draw;
pub mod numbers;
mod state;
pub mod triangle;

pub use self::draw::{Draw, Vertex};

/// Commands for one context of virgl's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    words: Vec<u32>,
}

impl Stream {
    /// No commands yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command: its number, the type of its object (0 where it has none), what follows.
    pub fn command(&mut self, number: u32, object: u32, payload: &[u32]) -> &mut Self {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.word(header(number, object, length)).append(payload)
    }

    /// Adds any word: a header whose length is not true, or the missing part of a command.
    pub fn word(&mut self, word: u32) -> &mut Self {
        self.words.push(word);
        self
    }

    /// Adds any words.
    pub fn append(&mut self, words: &[u32]) -> &mut Self {
        self.words.extend_from_slice(words);
        self
    }

    /// Adds all commands of another stream.
    pub fn then(&mut self, other: &Self) -> &mut Self {
        self.append(&other.words)
    }

    /// What it is made of.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Its bytes, as SUBMIT_3D carries them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }
}

/// The word that a command begins with. Lengths beyond 16 bits are cut off, as the word has no room.
#[must_use]
pub fn header(number: u32, object: u32, length: u32) -> u32 {
    (number & 0xff) | (object & 0xff) << 8 | (length & 0xffff) << 16
}

/// Text as words: zero-terminated, and filled up with zeros.
fn text_words(text: &str) -> Vec<u32> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
        .chunks_exact(4)
        .map(|word| {
            word.iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | u32::from(byte))
        })
        .collect()
}

#[cfg(test)]
mod tests;
