//! Processors that do not sleep while something is measured.
//!
//! The lab is at home on virtual machines, where a processor without work goes back to the real machine and takes tens
//! of microseconds to come again: as long as a whole command takes. What waits for another process a hundred times a
//! frame is then measured by that and by nothing else, and faster where other programs keep the machine busy. Here it
//! is kept busy on purpose, by threads that run only where nobody else wants to.

use std::{
    hint::black_box,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::Result;
use rustix::thread::gettid;

use crate::report;

/// How many rounds pass between two looks whether it is over.
const ROUNDS: u32 = 10_000;

/// Keeps all processors awake as long as it lives.
pub struct Awake {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Awake {
    /// Begins.
    ///
    /// # Errors
    ///
    /// When this machine's processors cannot be counted.
    pub fn keep() -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let count = thread::available_parallelism()?.get();
        let threads = (0..count).map(|_| {
            let over = Arc::clone(&over);
            thread::spawn(move || turn(&over))
        });
        Ok(Self {
            threads: threads.collect(),
            over,
        })
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if let Ok(Err(error)) = thread.join() {
                report::say(format!(
                    "         a processor could not be kept awake: {error:#}"
                ));
            }
        }
    }
}

/// Does nothing, without ever waiting.
fn turn(over: &AtomicBool) -> Result<()> {
    // Anybody may do this to a thread of his own.
    let thread = gettid().as_raw_nonzero().to_string();
    report::output(Command::new("chrt").args(["--idle", "--pid", "0", &thread]))?;
    while !over.load(Ordering::Relaxed) {
        // Not the instruction for loops that wait: it is the one at which a virtual machine takes a processor away.
        for round in 0..ROUNDS {
            black_box(round);
        }
    }
    Ok(())
}
