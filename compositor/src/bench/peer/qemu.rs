//! QEMU with its own virtio-gpu, and a viewer that receives every picture.
//!
//! It needs a guest that flips by itself: no software guest reaches a device inside of QEMU. Beside it
//! the same QEMU with the same guest is measured whose graphics are Lucarne's; see
//! [`crate::bench::scenario`]'s `flip::machine`.
//!
//! - `machine`: QEMU's command line, its guest's console, its threads.
//! - `vnc`: a viewer that takes everything it is given.
//! - `bus`: the same through D-Bus, to which `qmp` introduces it.

mod bus;
mod machine;
mod qmp;
mod vnc;

use std::path::Path;

use anyhow::bail;

pub(in crate::bench) use self::{
    bus::BusViewer,
    machine::{Installation, Machine, Screen},
    vnc::VncViewer,
};
use crate::bench::subject::{Lack, Peer, Subject, Wanted};

/// QEMU's own virtio-gpu, by the way its frames are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum QemuShown {
    /// Through its VNC server.
    Vnc,
    /// Through D-Bus.
    Bus,
}

impl QemuShown {
    /// Its name in tables.
    pub(in crate::bench) const fn name(self) -> &'static str {
        match self {
            Self::Vnc => "qemu-vnc",
            Self::Bus => "qemu-dbus",
        }
    }
}

impl Peer for QemuShown {
    fn name(&self) -> &'static str {
        (*self).name()
    }

    fn measures(&self) -> &'static str {
        match self {
            Self::Vnc => {
                "all threads of QEMU but those that run the guest: its virtio-gpu, its display, and its \
                 VNC server up to the socket, from which the benchmark reads raw pictures as fast as they \
                 come. It sends only what differs from what it sent last, and looks some 30 times a second \
                 at most. What a viewer does to show pictures is not included. It takes part with a real \
                 guest only"
            }
            Self::Bus => {
                "all threads of QEMU but those that run the guest: its virtio-gpu and its display, which \
                 tells the benchmark of every frame through D-Bus and shares the picture with it where it \
                 can. What a viewer does to show pictures is not included. It takes part with a real guest \
                 only"
            }
        }
    }

    fn find(&self) -> Result<String, Lack> {
        let installation = Installation::find()?;
        if *self == Self::Bus && !installation.has_bus() {
            return Err(Lack(
                "This QEMU has no D-Bus display. Install it (Debian: qemu-system-modules-opengl; Fedora: \
                 qemu-ui-dbus; Arch: qemu-ui-dbus)"
                    .to_owned(),
            ));
        }
        Ok(installation.describe())
    }

    fn suits(&self, _wanted: &Wanted) -> Result<(), Lack> {
        Err(Lack("It takes part with a real guest only.".to_owned()))
    }

    fn start(&self, _wanted: &Wanted, _folder: &Path) -> anyhow::Result<Box<dyn Subject>> {
        bail!("Could not start QEMU for a software guest: its own virtio-gpu is part of it")
    }
}
