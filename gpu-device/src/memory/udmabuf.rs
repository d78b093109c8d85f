//! dma-bufs from memfds, through `/dev/udmabuf`.

use std::{
    ffi::c_void,
    fmt::Debug,
    fs, io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    fs::SealFlags,
    io::Errno,
    ioctl::{Ioctl, IoctlOutput, Opcode, opcode},
};

use crate::display::Refused;

/// A part of a memfd, whole pages.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The memfd.
    pub fd: BorrowedFd<'a>,
    /// Where the part begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// Makes dma-bufs out of memory that others own.
pub trait DmaBufMaker: Debug {
    /// One dma-buf of all pieces, one after the other.
    ///
    /// # Errors
    /// Why it can't be made.
    fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused>;
}

/// One maker for several users.
impl<T: DmaBufMaker + ?Sized> DmaBufMaker for Arc<T> {
    fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
        (**self).make(pieces)
    }
}

/// The kernel's `/dev/udmabuf`.
#[derive(Debug)]
pub struct Udmabuf {
    device: OwnedFd,
}

impl Udmabuf {
    /// Opens `/dev/udmabuf`. Do it before the process gives up its rights.
    ///
    /// # Errors
    /// The device is missing, or the user may not open it.
    pub fn open() -> io::Result<Self> {
        let device = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/udmabuf")?;
        Ok(Self {
            device: device.into(),
        })
    }
}

impl DmaBufMaker for Udmabuf {
    fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
        if pieces.is_empty() {
            // Older kernels don't check for empty lists themselves (CVE-2021-47649).
            return Err(Refused::Unaligned);
        }
        let mut sealed = None;
        for piece in pieces {
            // A long list is mostly one file.
            if sealed != Some(piece.fd.as_raw_fd()) {
                seal(piece.fd)?;
                sealed = Some(piece.fd.as_raw_fd());
            }
        }
        let create = CreateList::new(pieces).ok_or(Refused::UdmabufLimit)?;
        // SAFETY: `CreateList` describes UDMABUF_CREATE_LIST of linux/udmabuf.h: the kernel reads
        // the header and as many items as it counts, which all lie in `CreateList::words`, and
        // writes nothing. The device was opened as /dev/udmabuf.
        let made = unsafe { rustix::ioctl::ioctl(&self.device, create) };
        made.map_err(|error| refusal(error, pieces, Limits::read()))
    }
}

/// Makes sure that the file can't shrink under the dma-buf, which udmabuf insists on.
fn seal(fd: BorrowedFd<'_>) -> Result<(), Refused> {
    let seals = rustix::fs::fcntl_get_seals(fd).map_err(|_| Refused::NotSealable)?;
    if seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE) {
        return Err(Refused::NotSealable);
    }
    if !seals.contains(SealFlags::SHRINK) {
        // Fails on files in a tmpfs, which are born with their seals sealed.
        rustix::fs::fcntl_add_seals(fd, SealFlags::SHRINK).map_err(|_| Refused::NotSealable)?;
    }
    Ok(())
}

/// What the kernel's answer means for these pieces.
fn refusal(error: Errno, pieces: &[Piece<'_>], limits: Limits) -> Refused {
    let bytes = pieces
        .iter()
        .fold(0_u64, |sum, piece| sum.saturating_add(piece.len));
    let entries = u64::try_from(pieces.len()).unwrap_or(u64::MAX);
    match error {
        Errno::BADFD => Refused::NotSealable,
        Errno::INVAL if bytes > limits.bytes || entries > limits.entries => Refused::UdmabufLimit,
        _ => Refused::UdmabufFailed,
    }
}

/// The module's limits. The administrator may change them at any time, hence they are read where
/// the kernel has refused something, not beforehand.
#[derive(Debug, Clone, Copy)]
struct Limits {
    bytes: u64,
    entries: u64,
}

impl Limits {
    fn read() -> Self {
        let parameter = |name: &str, default: u64| {
            let text = fs::read_to_string(format!("/sys/module/udmabuf/parameters/{name}"));
            text.ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(default)
        };
        Self {
            bytes: parameter("size_limit_mb", 64).saturating_mul(1 << 20),
            entries: parameter("list_limit", 1024),
        }
    }
}

/// UDMABUF_CREATE_LIST: `struct udmabuf_create_list` and its items, 24 bytes each.
struct CreateList {
    /// The structs as the kernel reads them. Words of eight bytes give them their alignment.
    words: Vec<u64>,
}

impl CreateList {
    /// UDMABUF_FLAGS_CLOEXEC.
    const CLOEXEC: u32 = 1;

    /// `None` for more pieces than a u32 counts.
    fn new(pieces: &[Piece<'_>]) -> Option<Self> {
        let mut words = vec![pair(Self::CLOEXEC, u32::try_from(pieces.len()).ok()?)];
        for piece in pieces {
            let fd = u32::try_from(piece.fd.as_raw_fd()).ok()?;
            words.extend([pair(fd, 0), piece.offset, piece.len]);
        }
        Some(Self { words })
    }
}

/// Two 32-bit fields, one after the other in memory.
fn pair(first: u32, second: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

// SAFETY: the opcode is UDMABUF_CREATE_LIST, `_IOW('u', 0x43, struct udmabuf_create_list)` with
// its eight bytes of header. `as_ptr` gives a header whose count equals the number of items that
// follow it in the same allocation, alive as long as `self`. The kernel writes nothing and returns
// a new descriptor.
unsafe impl Ioctl for CreateList {
    type Output = OwnedFd;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::write::<[u32; 2]>(b'u', 0x43)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.words.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(fd: IoctlOutput, _: *mut c_void) -> rustix::io::Result<OwnedFd> {
        // SAFETY: UDMABUF_CREATE_LIST succeeded, hence returned a descriptor that nobody else has.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::{super::ram::testing::memfd, *};

    const LIMITS: Limits = Limits {
        bytes: 64 << 20,
        entries: 2,
    };

    fn piece(file: &fs::File, len: u64) -> Piece<'_> {
        Piece {
            fd: file.as_fd(),
            offset: 0x1000,
            len,
        }
    }

    #[test]
    fn the_list_is_laid_out_as_the_kernel_reads_it() {
        let file = memfd(0x3000);
        let fd = u32::try_from(file.as_raw_fd()).unwrap();
        let mut list = CreateList::new(&[piece(&file, 0x2000)]).unwrap();

        let bytes: Vec<u8> = list
            .words
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        let mut expected = Vec::new();
        for field in [1, 1, fd, 0] {
            expected.extend(field.to_ne_bytes());
        }
        expected.extend(0x1000_u64.to_ne_bytes());
        expected.extend(0x2000_u64.to_ne_bytes());
        assert_eq!(bytes, expected);
        // _IOW('u', 0x43, 8 bytes), as a C compiler makes it of linux/udmabuf.h.
        assert_eq!(list.opcode(), 0x4008_7543);
        assert!(!list.as_ptr().is_null());
    }

    #[test]
    fn memory_is_sealed_where_that_is_possible() {
        let file = memfd(0x1000);
        assert_eq!(seal(file.as_fd()), Ok(()));
        let seals = rustix::fs::fcntl_get_seals(&file).unwrap();
        assert!(seals.contains(SealFlags::SHRINK));

        let closed = memfd(0x1000);
        rustix::fs::fcntl_add_seals(&closed, SealFlags::SEAL).unwrap();
        assert_eq!(seal(closed.as_fd()), Err(Refused::NotSealable));

        let constant = memfd(0x1000);
        rustix::fs::fcntl_add_seals(&constant, SealFlags::SHRINK | SealFlags::WRITE).unwrap();
        assert_eq!(seal(constant.as_fd()), Err(Refused::NotSealable));
    }

    #[test]
    fn a_file_that_is_no_memfd_is_refused_by_name() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(seal(file.as_fd()), Err(Refused::NotSealable));
    }

    #[test]
    fn a_refusal_names_the_limit_only_where_it_was_exceeded() {
        let file = memfd(0x1000);
        let small = [piece(&file, 0x1000)];
        let large = [piece(&file, (64 << 20) + 0x1000)];
        let many = [piece(&file, 0x1000); 3];

        assert_eq!(
            refusal(Errno::INVAL, &small, LIMITS),
            Refused::UdmabufFailed
        );
        assert_eq!(refusal(Errno::INVAL, &large, LIMITS), Refused::UdmabufLimit);
        assert_eq!(refusal(Errno::INVAL, &many, LIMITS), Refused::UdmabufLimit);
        assert_eq!(
            refusal(Errno::NOMEM, &large, LIMITS),
            Refused::UdmabufFailed
        );
        assert_eq!(refusal(Errno::BADFD, &small, LIMITS), Refused::NotSealable);
    }
}
