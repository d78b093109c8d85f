//! Kills what hangs, and everything when the user wants no more.
//!
//! Owns a thread, since the one that measures may wait for somebody who will never answer. Killing that
//! somebody's processes ends every wait there is: sockets close.
//!
//! ```text
//!             work begins               its time is over
//!   at rest ─────────────▶ watching ─────────────────────▶ killing, again each second
//!      ▲                       │          (or interrupted)       │        │ for long: tells that it is stuck
//!      └─────── work ends ─────┴─────────────────────────────────┘        ▼
//! ```

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::bench::measure;

/// Between one killing and the next: what hangs may start new processes.
const AGAIN: Duration = Duration::from_secs(1);

/// Killings after which what still has not ended never will: longer than any wait for an answer has.
const KILLINGS: u32 = 30;

/// How watched work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// By itself.
    InTime,
    /// By its processes being killed, since it took too long.
    Killed,
    /// By its processes being killed, since the user wants no more.
    Interrupted,
}

/// Watches one work at a time.
#[derive(Debug)]
pub struct Watchdog {
    orders: Sender<Order>,
    interrupted: Arc<AtomicBool>,
}

/// Ends all work, from whatever thread.
#[derive(Debug, Clone)]
pub struct Interrupter {
    orders: Sender<Order>,
    interrupted: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Order {
    Watch(Work),
    Rest(Sender<Fate>),
    Interrupt,
}

/// What is being watched.
#[derive(Debug)]
struct Work {
    processes: Vec<OwnedFd>,
    /// Children of this program that were there before, and are others' business.
    others: Vec<u32>,
    due: Instant,
    fate: Fate,
    killings: u32,
}

impl Watchdog {
    /// Starts its thread, which ends with it. `stuck` is called should work not end although nothing of it
    /// is left that could be killed.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(stuck: impl Fn() + Send + 'static) -> anyhow::Result<Self> {
        let (orders, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || watch(&receiver, &stuck))
            .context("Could not start a thread. Check the limit of processes (ulimit -u)")?;
        Ok(Self {
            orders,
            interrupted: Arc::default(),
        })
    }

    /// What ends all work from elsewhere.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter {
            orders: self.orders.clone(),
            interrupted: Arc::clone(&self.interrupted),
        }
    }

    /// Whether all work was ended.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Does something. When it takes longer than `bound`, these processes are killed, and those that this
    /// program has started since.
    pub fn during<T>(
        &self,
        processes: &[u32],
        bound: Duration,
        work: impl FnOnce() -> T,
    ) -> (T, Fate) {
        let watched = Order::Watch(Work {
            processes: processes.iter().copied().filter_map(open).collect(),
            others: children(),
            due: Instant::now() + bound,
            fate: Fate::InTime,
            killings: 0,
        });
        // Its thread lasts as long as `self`; without it work would only not be watched.
        let _ = self.orders.send(watched);
        let result = work();
        let (fate, answer) = mpsc::channel();
        let _ = self.orders.send(Order::Rest(fate));
        let fate = answer.recv().unwrap_or(Fate::InTime);
        match self.is_interrupted() {
            true => (result, Fate::Interrupted),
            false => (result, fate),
        }
    }
}

impl Interrupter {
    /// Kills everything that this program has started, now and from now on.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        // Where nobody takes it there is no work either.
        let _ = self.orders.send(Order::Interrupt);
    }
}

/// The thread.
fn watch(orders: &Receiver<Order>, stuck: &impl Fn()) {
    let mut work: Option<Work> = None;
    let mut is_interrupted = false;
    loop {
        let order = match &work {
            None => orders.recv().map_err(RecvTimeoutError::from),
            Some(work) => orders.recv_timeout(work.due.saturating_duration_since(Instant::now())),
        };
        match (order, &mut work) {
            (Ok(Order::Watch(mut new)), _) => {
                if is_interrupted {
                    new.due = Instant::now();
                }
                work = Some(new);
            }
            (Ok(Order::Rest(fate)), _) => {
                let done = work.take().map_or(Fate::InTime, |work| work.fate);
                // The work's own thread waits for it.
                let _ = fate.send(done);
            }
            (Ok(Order::Interrupt), current) => {
                is_interrupted = true;
                children()
                    .into_iter()
                    .filter_map(open)
                    .for_each(|process| kill(&process));
                if let Some(work) = current {
                    work.others.clear();
                    work.due = Instant::now();
                }
            }
            (Err(RecvTimeoutError::Timeout), Some(work)) => {
                work.kill();
                if work.killings == KILLINGS {
                    stuck();
                }
            }
            (Err(RecvTimeoutError::Timeout), None) => {}
            (Err(RecvTimeoutError::Disconnected), _) => return,
        }
    }
}

impl Work {
    fn kill(&mut self) {
        self.processes.iter().for_each(kill);
        let new = children()
            .into_iter()
            .filter(|pid| !self.others.contains(pid));
        new.filter_map(open).for_each(|process| kill(&process));
        self.fate = Fate::Killed;
        self.killings = self.killings.saturating_add(1);
        self.due = Instant::now() + AGAIN;
    }
}

/// What this program has started and not waited for.
fn children() -> Vec<u32> {
    measure::children(std::process::id())
}

/// A process by something that can't become another's, as its number can; `None` if it has ended.
fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn kill(process: &OwnedFd) {
    // One that has ended already is what was wanted.
    let _ = pidfd_send_signal(process, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    // Each test is a process of its own with nextest: what one kills is its own child.
    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(1);

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").spawn().unwrap()
    }

    fn watchdog() -> Watchdog {
        Watchdog::start(|| {}).unwrap()
    }

    #[test]
    fn work_that_ends_is_left_alone() {
        let mut child = sleeper();
        let (seven, fate) = watchdog().during(&[child.id()], LONG, || 7);
        assert_eq!((seven, fate), (7, Fate::InTime));
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn work_that_waits_for_a_process_for_too_long_ends_with_it() {
        let mut child = sleeper();
        let (status, fate) = watchdog().during(&[child.id()], SHORT, || child.wait());
        assert!(!status.unwrap().success());
        assert_eq!(fate, Fate::Killed);
    }

    #[test]
    fn processes_that_are_started_meanwhile_are_killed_and_older_ones_are_not() {
        let mut older = sleeper();
        let (status, fate) = watchdog().during(&[], SHORT, || sleeper().wait());
        assert!(!status.unwrap().success());
        assert_eq!(fate, Fate::Killed);
        assert_eq!(older.try_wait().unwrap(), None);
        older.kill().unwrap();
        older.wait().unwrap();
    }

    #[test]
    fn an_interrupt_ends_work_and_all_that_is_begun_afterwards() {
        let watchdog = watchdog();
        let interrupter = watchdog.interrupter();
        let mut child = sleeper();
        let (_, fate) = watchdog.during(&[child.id()], LONG, || {
            interrupter.interrupt();
            child.wait()
        });
        assert_eq!(fate, Fate::Interrupted);
        assert!(watchdog.is_interrupted());
        let (_, fate) = watchdog.during(&[], LONG, || sleeper().wait());
        assert_eq!(fate, Fate::Interrupted);
    }
}
