//! A unit for throughputs: how fast this machine copies memory.

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

/// Two pieces of memory, the one copied to the other.
#[derive(Debug)]
pub struct Copies {
    from: Vec<u8>,
    to: Vec<u8>,
}

/// Of [`Copies::large`], each of the two: some times what the largest caches hold.
const LARGE_BYTES: usize = 256 << 20;

/// A part of the memory that is free; less is taken where even this is less than [`LARGE_BYTES`].
const OF_AVAILABLE: u64 = 8;

impl Copies {
    /// Two pieces of so many bytes: of a picture, say. Each is written to once, so that no page is missing
    /// when it counts.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let mut copies = Self {
            from: vec![1; bytes],
            to: vec![0; bytes],
        };
        copies.copy();
        copies
    }

    /// Two pieces that no cache can hold.
    #[must_use]
    pub fn large() -> Self {
        let available = available().map_or(LARGE_BYTES as u64, |bytes| bytes / OF_AVAILABLE);
        let bytes = usize::try_from(available).unwrap_or(LARGE_BYTES);
        Self::new(bytes.min(LARGE_BYTES))
    }

    /// Copies again and again, for so long and at least once; in millions of bytes a second.
    #[must_use]
    pub fn throughput(&mut self, how_long: Duration) -> f64 {
        let began = Instant::now();
        let mut bytes = 0.0;
        loop {
            self.copy();
            bytes += self.from.len() as f64;
            let passed = began.elapsed();
            if passed >= how_long && !passed.is_zero() {
                return bytes / passed.as_secs_f64() / 1e6;
            }
        }
    }

    fn copy(&mut self) {
        black_box(&mut self.to).copy_from_slice(black_box(&self.from));
    }
}

/// Bytes of memory that programs can have without others being moved out.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_and_are_counted() {
        let mut copies = Copies::new(1 << 20);
        assert_eq!(copies.from, copies.to);
        assert!(copies.throughput(Duration::ZERO) > 0.0);
    }
}
