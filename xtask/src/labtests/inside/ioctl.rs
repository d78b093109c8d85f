//! The few ioctls that no safe crate of ours knows: udmabuf's, uinput's and the console's.

use std::{
    ffi::c_void,
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
};

use anyhow::{Context as _, Result};
use rustix::ioctl::{
    Getter, IntegerSetter, Ioctl, IoctlOutput, NoArg, Opcode, Setter, ioctl, opcode,
};

/// `struct udmabuf_create` of `linux/udmabuf.h`.
#[repr(C)]
struct UdmabufCreate {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

/// Takes the structure and answers with a new file.
struct CreateUdmabuf(UdmabufCreate);

// SAFETY: the kernel only reads the structure, whose size is in the request's number, and answers with a
// new file descriptor or an error.
unsafe impl Ioctl for CreateUdmabuf {
    type Output = OwnedFd;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::write::<UdmabufCreate>(b'u', 0x42)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.0).cast()
    }

    unsafe fn output_from_ptr(
        out: IoctlOutput,
        _: *mut c_void,
    ) -> rustix::io::Result<Self::Output> {
        // SAFETY: the kernel has just made this file for us, and nobody else knows its number.
        Ok(unsafe { OwnedFd::from_raw_fd(out) })
    }
}

/// A dma-buf of the first `size` bytes (whole pages) of a memory file that cannot shrink.
///
/// # Errors
///
/// When there is no /dev/udmabuf or it refuses the file.
pub fn udmabuf(memory: BorrowedFd<'_>, size: u64) -> Result<OwnedFd> {
    use std::os::fd::AsRawFd as _;
    let device = File::options()
        .read(true)
        .write(true)
        .open("/dev/udmabuf")
        .context("Opening /dev/udmabuf")?;
    let request = CreateUdmabuf(UdmabufCreate {
        memfd: u32::try_from(memory.as_raw_fd())?,
        flags: 1, // Closed when another program starts.
        offset: 0,
        size,
    });
    // SAFETY: the request is udmabuf's, and the file is udmabuf's device.
    unsafe { ioctl(&device, request) }.context("Making a dma-buf of a memory file")
}

/// What uinput is told that a device has.
#[derive(Clone, Copy)]
pub enum Has {
    /// A kind of events.
    Kind,
    /// A key or button.
    Key,
    /// A relative axis.
    Relative,
    /// An absolute axis.
    Absolute,
    /// A light.
    Light,
    /// A property of the whole device.
    Property,
}

/// Tells uinput that the device to be has `code`.
///
/// # Errors
///
/// When the file is not uinput's or the device is there already.
pub fn uinput_has(device: impl AsFd, what: Has, code: u16) -> io::Result<()> {
    const fn set(number: u8) -> Opcode {
        opcode::write::<i32>(b'U', number)
    }
    let code = usize::from(code);
    macro_rules! tell {
        ($number:literal) => {{
            // SAFETY: the request takes a number, not a pointer.
            let request = unsafe { IntegerSetter::<{ set($number) }>::new_usize(code) };
            // SAFETY: any file may be asked; another than uinput's answers with an error.
            unsafe { ioctl(device, request) }
        }};
    }
    match what {
        Has::Kind => tell!(100),
        Has::Key => tell!(101),
        Has::Relative => tell!(102),
        Has::Absolute => tell!(103),
        Has::Light => tell!(105),
        Has::Property => tell!(110),
    }?;
    Ok(())
}

/// `struct uinput_abs_setup` of `linux/uinput.h`.
#[repr(C)]
struct UinputAxis {
    code: u16,
    padding: u16,
    value: i32,
    minimum: i32,
    maximum: i32,
    fuzz: i32,
    flat: i32,
    resolution: i32,
}

/// Tells uinput the range of an absolute axis, and how many of its units are a millimetre or a radian.
///
/// # Errors
///
/// When the file is not uinput's or the device is there already.
pub fn uinput_axis(
    device: impl AsFd,
    code: u16,
    (minimum, maximum): (i32, i32),
    resolution: i32,
) -> io::Result<()> {
    const SETUP: Opcode = opcode::write::<UinputAxis>(b'U', 4);
    let axis = UinputAxis {
        code,
        padding: 0,
        value: 0,
        minimum,
        maximum,
        fuzz: 0,
        flat: 0,
        resolution,
    };
    // SAFETY: the kernel only reads the structure, whose size is in the request's number.
    let request = unsafe { Setter::<SETUP, UinputAxis>::new(axis) };
    // SAFETY: any file may be asked; another than uinput's answers with an error.
    unsafe { ioctl(device, request) }?;
    Ok(())
}

/// Makes the device that uinput was told about.
///
/// # Errors
///
/// When something is missing in what it was told.
pub fn uinput_create(device: impl AsFd) -> io::Result<()> {
    // SAFETY: the request has no argument.
    let request = unsafe { NoArg::<{ opcode::none(b'U', 1) }>::new() };
    // SAFETY: any file may be asked; another than uinput's answers with an error.
    unsafe { ioctl(device, request) }?;
    Ok(())
}

/// Whether a text console is in graphics mode (`KDGETMODE`).
///
/// # Errors
///
/// When the file is no console.
pub fn console_shows_graphics(console: impl AsFd) -> io::Result<bool> {
    const KDGETMODE: Opcode = 0x4B3B;
    // SAFETY: the request writes one `int`.
    let request = unsafe { Getter::<KDGETMODE, i32>::new() };
    // SAFETY: any file may be asked; another than a console answers with an error.
    Ok(unsafe { ioctl(console, request) }? != 0)
}

const _: () = assert!(size_of::<RawFd>() == size_of::<IoctlOutput>());
