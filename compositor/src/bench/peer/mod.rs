//! Who is measured.
//!
//! A file for each of them. What they share: [`child`] is a process, `devices` a device process for each
//! guest, `program` where other people's programs are, `proof` whether they show what a guest draws,
//! `monitor` what guests are told of their monitor, and [`display_socket`] QEMU's part where a device
//! hands its frames to QEMU.

pub mod child;
mod devices;
pub mod display_socket;
pub(in crate::bench) mod lucarne;
mod monitor;
pub mod null;
mod program;
mod proof;
pub(in crate::bench) mod qemu;
mod vhost_device_gpu;
mod vhost_user_gpu;

use self::{
    lucarne::Lucarne, null::Null, qemu::QemuShown, vhost_device_gpu::VhostDeviceGpu,
    vhost_user_gpu::VhostUserGpu,
};
use super::{
    plan::PeerKind,
    subject::{Lack, Needs, Peer, Wanted},
};

pub use self::{monitor::Monitor, program::FOLDER_ENV};

/// Lucarne itself.
#[must_use]
pub fn lucarne() -> Box<dyn Peer> {
    Box::new(Lucarne)
}

/// The peer of a kind.
#[must_use]
pub fn of(kind: PeerKind) -> Box<dyn Peer> {
    match kind {
        PeerKind::Null => Box::new(Null),
        PeerKind::VhostUserGpu => Box::new(VhostUserGpu),
        PeerKind::VhostDeviceGpu => Box::new(VhostDeviceGpu),
        PeerKind::QemuVnc => Box::new(QemuShown::Vnc),
        PeerKind::QemuDbus => Box::new(QemuShown::Bus),
    }
}

/// Says so where a case needs something that a peer lacks.
fn lacks(wanted: &Wanted, what: &str, needs: impl FnOnce(&Needs) -> bool) -> Result<(), Lack> {
    match needs(&wanted.needs) {
        true => Err(Lack(format!("It has no {what}."))),
        false => Ok(()),
    }
}
