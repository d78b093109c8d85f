//! What this machine can do, and how to mend what it can't.
//!
//! Each room asks about one thing and changes nothing; [`examine`] asks all of them. The guests'
//! supervisor uses [`kvm`] to choose.

mod console;
mod drawing;
mod drm;
mod egl;
mod input;
pub mod kvm;
mod layouts;
mod memory;
mod mend;
mod qemu;
mod seat;
mod session;

use gpu_device::renderer::{
    choice::Machine,
    remote::{Remote, Spawn},
};
use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All that Lucarne can use is there.
    Ok,
    /// It works, but not as well as it could.
    Degraded,
    /// It is not there.
    Missing,
}

/// One thing that was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, in a few words.
    pub finding: String,
    /// What it is good for, or what mends it: a command, or a sentence. `None` if all is well.
    pub mend: Option<String>,
}

impl Check {
    fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            finding: finding.into(),
            mend: None,
        }
    }

    fn degraded(name: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Degraded,
            finding: finding.into(),
            mend: Some(mend.into()),
        }
    }

    fn missing(name: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Missing,
            ..Self::degraded(name, finding, mend)
        }
    }
}

/// Asks about everything. Takes some seconds where QEMU boots a guest.
#[must_use]
pub fn examine() -> Vec<Check> {
    let qemu = qemu::find();
    let mut checks = vec![
        kvm::check(qemu.as_ref().ok()),
        qemu::check(&qemu),
        memory::memfd(),
        memory::udmabuf(),
        drm::check(),
        egl::check(),
        session::check(),
        seat::check(),
        console::check(),
        input::check(),
        layouts::check(),
    ];
    checks.extend(drawing::check(
        &Machine::look(None),
        qemu.as_ref().ok(),
        |start| Remote::start(Spawn::this_program(start)),
        drawing::library_of,
    ));
    checks
}
