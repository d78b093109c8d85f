//! QEMU's command line while it is written.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

/// Where a device is on the guest's PCI bus. Places are fixed, because a guest names its network
/// card and its disks by them: a sound card more or less must not rename the network. They begin
/// behind those that QEMU fills by itself with what the user's own arguments bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Gpu = 0x10,
    Disk = 0x11,
    Network = 0x12,
    Random = 0x13,
    Balloon = 0x14,
    Sound = 0x15,
    Keyboard = 0x16,
    Pointer = 0x17,
    Mouse = 0x18,
    Touch = 0x19,
    Pen = 0x1a,
}

/// Arguments, in their order.
#[derive(Debug, Default)]
pub(super) struct Line {
    arguments: Vec<OsString>,
}

impl Line {
    /// An option without a value.
    pub(super) fn flag(&mut self, flag: &str) {
        self.arguments.push(flag.into());
    }

    /// An option and its value.
    pub(super) fn option(&mut self, flag: &str, value: impl Into<OsString>) {
        self.arguments.push(flag.into());
        self.arguments.push(value.into());
    }

    /// A PCI device in its place.
    pub(super) fn device(&mut self, text: &str, slot: Slot) {
        self.option("-device", format!("{text},addr={:#x}", slot as u8));
    }

    /// The connection to a socket that somebody listens on, and the device that speaks there.
    pub(super) fn vhost_user(&mut self, id: &str, socket: &Path, device: &str, slot: Slot) {
        let chardev = joined(&format!("socket,id={id},path="), socket);
        self.option("-chardev", chardev);
        self.device(device, slot);
    }

    /// The arguments, with the user's own behind them: of two settings QEMU takes the last.
    pub(super) fn finish(mut self, own: &[String]) -> Vec<OsString> {
        self.arguments.extend(own.iter().map(OsString::from));
        self.arguments
    }
}

/// `key=value` for one of QEMU's option lists, where a comma in a value is written twice.
pub(super) fn joined(before: &str, path: &Path) -> OsString {
    let mut bytes = before.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes)
}
