//! Whether the machine itself stands still now and then, for everybody in it.
//!
//! The machine is a program on another one, which does other things, too, and its processors may be somebody's who
//! sells time on them. A refresh at which nothing at all ran in it says nothing about what was to run.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Result, anyhow};
use rustix::thread::gettid;

use super::desk::Vblanks;
use crate::report;

/// So many vblanks in a row have to be missed by somebody who only waits for them, and goes before all others.
/// One alone may be lost on the way from the kernel to that thread.
const IN_A_ROW: u32 = 2;

/// A thread that goes before all others and does nothing but wait for vblanks.
pub struct Watch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Result<u32>>,
}

impl Watch {
    /// Begins to watch a CRTC, which has to be on.
    ///
    /// # Errors
    ///
    /// When the card cannot be opened.
    pub fn start(node: &Path, pipe: u32) -> Result<Self> {
        let vblanks = Vblanks::of(node, pipe)?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = thread::spawn(move || watch(&vblanks, &told));
        Ok(Self { ended, thread })
    }

    /// Ends. How many vblanks passed while the machine stood still.
    ///
    /// # Errors
    ///
    /// When the CRTC was switched off, or the thread could not go before others.
    pub fn end(self) -> Result<u32> {
        self.ended.store(true, Ordering::Relaxed);
        let lost = self.thread.join();
        lost.map_err(|_| anyhow!("The thread that waits for vblanks panicked"))?
    }
}

fn watch(vblanks: &Vblanks, ended: &AtomicBool) -> Result<u32> {
    let thread = gettid().as_raw_nonzero().to_string();
    report::output(Command::new("chrt").args(["--fifo", "--pid", "50", &thread]))?;
    let mut last = vblanks.now()?;
    let mut lost = 0;
    while !ended.load(Ordering::Relaxed) {
        let next = vblanks.next()?;
        let missed = next.saturating_sub(last).saturating_sub(1);
        if missed >= IN_A_ROW {
            lost += missed;
        }
        last = next;
    }
    Ok(lost)
}
