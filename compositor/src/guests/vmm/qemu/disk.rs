//! A disk image for QEMU: its format, by what the file begins with.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{
    Error,
    line::{Line, Slot, joined},
};

/// A disk image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    path: PathBuf,
    format: Format,
}

/// Formats of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Qcow2,
    Vmdk,
    Vdi,
    Vhdx,
    Raw,
    /// A raw image that is to be a CD.
    Iso,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file_error = |source| Error::File {
            attempt: "read the disk image",
            path: path.to_owned(),
            source,
        };
        let mut begin = Vec::new();
        File::open(path)
            .and_then(|file| file.take(512).read_to_end(&mut begin))
            .map_err(file_error)?;
        // An absolute path can't be mistaken for one of QEMU's protocols ("nbd:…").
        let path = std::path::absolute(path).map_err(|source: io::Error| file_error(source))?;
        let format = Format::of(&path, &begin);
        Ok(Self { path, format })
    }

    pub(super) fn arguments(&self, line: &mut Line) {
        let format = match self.format {
            Format::Qcow2 => "qcow2",
            Format::Vmdk => "vmdk",
            Format::Vdi => "vdi",
            Format::Vhdx => "vhdx",
            Format::Raw => "raw",
            Format::Iso => {
                let drive = joined("media=cdrom,readonly=on,format=raw,file=", &self.path);
                line.option("-drive", drive);
                return;
            }
        };
        // The format is always said: QEMU's guess would let a guest turn a raw image into one
        // that names other files of the host. What the guest deletes, the image gives back.
        let drive = format!("if=none,id=disk,format={format},discard=unmap,file=");
        line.option("-drive", joined(&drive, &self.path));
        line.device("virtio-blk-pci,drive=disk", Slot::Disk);
    }
}

impl Format {
    fn of(path: &Path, begin: &[u8]) -> Self {
        // VDI's magic number stands behind 64 bytes of text.
        let vdi = begin.get(0x40..0x44) == Some(&[0x7f, 0x10, 0xda, 0xbe]);
        if begin.starts_with(b"QFI\xfb") {
            Self::Qcow2
        } else if begin.starts_with(b"KDMV") || begin.starts_with(b"# Disk DescriptorFile") {
            Self::Vmdk
        } else if begin.starts_with(b"vhdxfile") {
            Self::Vhdx
        } else if vdi {
            Self::Vdi
        } else if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("iso"))
        {
            Self::Iso
        } else {
            Self::Raw
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(name: &str, begin: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, begin).unwrap();
        let mut line = Line::default();
        Disk::open(&path).unwrap().arguments(&mut line);
        let words: Vec<_> = line.finish(&[]).into_iter().skip(1).collect();
        let text = words.join(" ".as_ref()).into_string().unwrap();
        text.replace(folder.path().to_str().unwrap(), "")
    }

    fn disk(format: &str, file: &str) -> String {
        format!(
            "if=none,id=disk,format={format},discard=unmap,file={file} \
             -device virtio-blk-pci,drive=disk,addr=0x11"
        )
    }

    #[test]
    fn what_a_file_begins_with_tells_its_format() {
        let mut vdi = [0; 512];
        vdi[0x40..0x44].copy_from_slice(&0xbeda_107f_u32.to_le_bytes());
        for (begin, format) in [
            (&b"QFI\xfb\0\0\0\x03"[..], "qcow2"),
            (b"KDMV\x01", "vmdk"),
            (b"vhdxfile", "vhdx"),
            (&vdi, "vdi"),
            (b"", "raw"),
            (&[0; 512], "raw"),
        ] {
            assert_eq!(drive("disk.img", begin), disk(format, "/disk.img"));
        }
    }

    #[test]
    fn a_name_can_lie_but_for_a_cd() {
        assert_eq!(drive("x.raw", b"QFI\xfb"), disk("qcow2", "/x.raw"));
        assert_eq!(
            drive("x.ISO", b""),
            "media=cdrom,readonly=on,format=raw,file=/x.ISO"
        );
    }

    #[test]
    fn commas_are_doubled() {
        assert_eq!(drive("a,b.img", b""), disk("raw", "/a,,b.img"));
    }
}
