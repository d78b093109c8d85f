//! Archives in the "newc" format of cpio, which the kernel unpacks as its first root file system.

use std::io::{self, Write};

/// Writes an archive, entry by entry.
pub struct Archive<W> {
    out: W,
    entries: u32,
    written: u64,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            entries: 0,
            written: 0,
        }
    }

    /// Adds a folder. Its parents come first, in calls of their own.
    pub fn folder(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, 0o040_755, &[])
    }

    /// Adds a file that is executable where `executable` says so.
    pub fn file(&mut self, name: &str, executable: bool, content: &[u8]) -> io::Result<()> {
        let mode = if executable { 0o100_755 } else { 0o100_644 };
        self.entry(name, mode, content)
    }

    /// Ends the archive and returns where it was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let size = u32::try_from(content.len()).map_err(io::Error::other)?;
        let name_size = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        self.entries += 1;
        // Inode, mode, owner, group, links, time, size, four device numbers, name's size, checksum.
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            name_size,
            0,
        ];
        self.put(b"070701")?;
        for field in fields {
            self.put(format!("{field:08x}").as_bytes())?;
        }
        self.put(name.as_bytes())?;
        self.put(&[0])?;
        self.align()?;
        self.put(content)?;
        self.align()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn align(&mut self) -> io::Result<()> {
        while !self.written.is_multiple_of(4) {
            self.put(&[0])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_and_every_content_starts_at_a_multiple_of_four() -> io::Result<()> {
        let mut archive = Archive::new(Vec::new());
        archive.folder("bin")?;
        archive.file("bin/a", true, b"12345")?;
        let bytes = archive.finish()?;
        assert_eq!(bytes.len() % 4, 0);
        let headers: Vec<usize> = bytes
            .windows(6)
            .enumerate()
            .filter(|(_, window)| window == b"070701")
            .map(|(position, _)| position)
            .collect();
        assert_eq!(headers.len(), 3);
        assert!(headers.iter().all(|position| position % 4 == 0));
        Ok(())
    }
}
