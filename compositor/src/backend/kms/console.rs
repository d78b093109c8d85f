//! The text console that the seat was taken on. A seat manager gives it back; where that is killed
//! itself (as root, it is a child of this process), this is what is left to do.
//!
//! The unsafe lines here are ioctls of consoles, which no safe wrapper knows.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use rustix::ioctl::{IntegerSetter, Setter, ioctl};
use tracing::{debug, info};

/// `KDSETMODE` of `linux/kd.h`.
const SET_MODE: u32 = 0x4b3a;
/// `KDSKBMODE` of `linux/kd.h`.
const SET_KEYBOARD: u32 = 0x4b45;
/// `VT_SETMODE` of `linux/vt.h`.
const SET_SWITCHING: u32 = 0x5602;

/// `KD_TEXT`.
const TEXT: usize = 0;
/// `K_UNICODE`.
const UNICODE: usize = 3;

/// `struct vt_mode` of `linux/vt.h`. All zero, it is `VT_AUTO`: the kernel switches by itself.
#[repr(C)]
#[derive(Default)]
struct Switching {
    mode: u8,
    wait: u8,
    signals: [u16; 3],
}

/// A text console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console(PathBuf);

impl Console {
    /// The one in front; `None` on machines without.
    #[must_use]
    pub fn in_front() -> Option<Self> {
        let name = fs::read_to_string("/sys/class/tty/tty0/active").ok()?;
        Some(Self(PathBuf::from("/dev").join(name.trim())))
    }

    /// Makes it a text console again, as far as this user may.
    pub fn give_back(&self) {
        match self.try_to_give_back() {
            Ok(()) => info!("{} is a text console again", self.0.display()),
            // It is the business of whoever may.
            Err(error) => debug!("{}: {error}", self.0.display()),
        }
    }

    fn try_to_give_back(&self) -> io::Result<()> {
        let console = File::options().read(true).write(true).open(&self.0)?;
        // SAFETY: KDSKBMODE takes a number and no pointer.
        let keyboard = unsafe { IntegerSetter::<SET_KEYBOARD>::new_usize(UNICODE) };
        // SAFETY: KDSETMODE takes a number and no pointer.
        let mode = unsafe { IntegerSetter::<SET_MODE>::new_usize(TEXT) };
        // SAFETY: VT_SETMODE reads a struct vt_mode, as which `Switching` is laid out.
        let switching = unsafe { Setter::<SET_SWITCHING, _>::new(Switching::default()) };
        // SAFETY: Made for these numbers above; files that are no consoles refuse them (ENOTTY).
        unsafe { ioctl(&console, keyboard) }?;
        // SAFETY: As above.
        unsafe { ioctl(&console, mode) }?;
        // SAFETY: As above; the kernel keeps no pointer to the structure.
        unsafe { ioctl(&console, switching) }?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_console_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tty");
        fs::write(&file, "text").unwrap();
        assert!(Console(file.clone()).try_to_give_back().is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    }

    #[test]
    fn a_mode_is_as_large_as_the_kernel_s() {
        assert_eq!(size_of::<Switching>(), 8);
    }
}
