//! What processes use up: processor time, page faults, wake-ups.

use std::{fs, io, time::Duration};

use anyhow::Context as _;

use super::processes::{self, tick};
use crate::bench::subject::{Process, Role};

/// What processes had used up at one moment, or between two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    processes: Vec<(Process, Spent, Vec<Thread>)>,
}

/// What was used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Processor time.
    pub cpu: Duration,
    /// Page faults.
    pub faults: u64,
    /// Times that a thread went to sleep by itself, which are the times that one was woken up.
    pub wakeups: u64,
}

/// A thread of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Thread {
    tid: u32,
    /// To the nanosecond; `None` where the kernel does not tell.
    cpu: Option<Duration>,
    wakeups: u64,
}

impl Usage {
    /// What these processes have used up since they were started.
    ///
    /// # Errors
    /// One of them has ended.
    pub fn of(processes: &[Process]) -> anyhow::Result<Self> {
        let read = |process: &Process| {
            let (spent, threads) = look(process.pid).with_context(|| {
                format!(
                    "Could not see what process {} uses. It may have ended",
                    process.pid
                )
            })?;
            Ok((*process, spent, threads))
        };
        let processes = processes.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Self { processes })
    }

    /// What was used up between `earlier` and this. A process that was not there before counts from its
    /// start on.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let difference = |(process, now, threads): &(Process, Spent, Vec<Thread>)| {
            let before = earlier
                .processes
                .iter()
                .find(|(old, ..)| old.pid == process.pid);
            let spent = match before {
                Some((_, before, old_threads)) => between((before, old_threads), (now, threads)),
                None => between((&Spent::default(), &[]), (now, threads)),
            };
            (*process, spent, Vec::new())
        };
        Self {
            processes: self.processes.iter().map(difference).collect(),
        }
    }

    /// All processes together.
    #[must_use]
    pub fn all(&self) -> Spent {
        self.sum(|_| true)
    }

    /// All processes of a role together; nothing where there are none.
    #[must_use]
    pub fn role(&self, role: Role) -> Spent {
        self.sum(|process| process.role == role)
    }

    fn sum(&self, is_meant: impl Fn(&Process) -> bool) -> Spent {
        let meant = self
            .processes
            .iter()
            .filter(|(process, ..)| is_meant(process));
        meant.fold(Spent::default(), |sum, (_, spent, _)| Spent {
            cpu: sum.cpu + spent.cpu,
            faults: sum.faults + spent.faults,
            wakeups: sum.wakeups + spent.wakeups,
        })
    }
}

/// What a process has used up. Its processor time is what `stat` has, in coarse steps: [`between`] takes
/// that of the threads where it can.
fn look(pid: u32) -> io::Result<(Spent, Vec<Thread>)> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = entry?.file_name();
        let Some(tid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that has ended meanwhile is none.
        if let Some(thread) = thread(pid, tid) {
            threads.push(thread);
        }
    }
    let stat = processes::stat(pid)?;
    let spent = Spent {
        cpu: stat.cpu,
        faults: stat.faults,
        wakeups: threads.iter().map(|thread| thread.wakeups).sum(),
    };
    Ok((spent, threads))
}

fn thread(pid: u32, tid: u32) -> Option<Thread> {
    let folder = format!("/proc/{pid}/task/{tid}");
    // Its first number is the time on a processor, in nanoseconds.
    let schedstat = fs::read_to_string(format!("{folder}/schedstat")).ok();
    let nanoseconds = schedstat.and_then(|text| text.split(' ').next()?.parse().ok());
    let status = fs::read_to_string(format!("{folder}/status")).ok()?;
    let switches = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    Some(Thread {
        tid,
        cpu: nanoseconds.map(Duration::from_nanos),
        wakeups: switches.trim().parse().ok()?,
    })
}

/// What a process used up between two looks.
///
/// Threads' times are exact, but those of threads that ended meanwhile are gone; `stat` has all of them,
/// but each of its two sums in whole ticks. So `stat` is taken only where it has more than its steps can
/// explain.
fn between(
    (before, old_threads): (&Spent, &[Thread]),
    (now, threads): (&Spent, &[Thread]),
) -> Spent {
    let old = |thread: &Thread| old_threads.iter().find(|old| old.tid == thread.tid);
    let exact = threads.iter().map(|thread| {
        let before = old(thread).map_or(Some(Duration::ZERO), |old| old.cpu)?;
        Some(thread.cpu?.saturating_sub(before))
    });
    let exact: Option<Duration> = exact.sum();
    let coarse = now.cpu.saturating_sub(before.cpu);
    let cpu = match exact {
        Some(exact) if coarse <= exact + 2 * tick() => exact,
        _ => coarse,
    };
    let woken = |thread: &Thread| {
        let before = old(thread).map_or(0, |old| old.wakeups);
        thread.wakeups.saturating_sub(before)
    };
    Spent {
        cpu,
        faults: now.faults.saturating_sub(before.faults),
        wakeups: threads.iter().map(woken).sum(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        process::{Child, Command, Stdio},
    };

    use super::*;

    fn spent(milliseconds: u64) -> Spent {
        Spent {
            cpu: Duration::from_millis(milliseconds),
            ..Spent::default()
        }
    }

    fn thread(tid: u32, microseconds: u64) -> Thread {
        Thread {
            tid,
            cpu: Some(Duration::from_micros(microseconds)),
            wakeups: 0,
        }
    }

    #[test]
    fn threads_tell_exactly() {
        let (before, now) = (spent(10), spent(20));
        let between = between(
            (&before, &[thread(1, 12_000)]),
            (&now, &[thread(1, 12_345), thread(2, 5)]),
        );
        assert_eq!(between.cpu, Duration::from_micros(350));
    }

    #[test]
    fn what_threads_took_that_have_ended_counts_too() {
        let (before, now) = (spent(10), spent(500));
        let threads = [thread(1, 10_500), thread(2, 0)];
        let between = between((&before, &threads), (&now, &[thread(1, 10_600)]));
        assert_eq!(between.cpu, Duration::from_millis(490));
    }

    #[test]
    fn without_schedstat_there_are_ticks() {
        let thread = Thread {
            cpu: None,
            ..thread(1, 0)
        };
        let between = between((&spent(10), &[thread]), (&spent(40), &[thread]));
        assert_eq!(between.cpu, Duration::from_millis(30));
    }

    /// A process that answers each line, and sleeps when it has.
    struct Cat(Child);

    impl Cat {
        fn start() -> Self {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let cat = Self(command.spawn().unwrap());
            cat.wait_until_asleep();
            cat
        }

        fn ask(&mut self) {
            let mut line = [0; 2];
            self.0.stdin.as_mut().unwrap().write_all(b"x\n").unwrap();
            let from = self.0.stdout.as_mut().unwrap();
            from.read_exact(&mut line).unwrap();
            // One that is asked again before it sleeps is not woken up.
            self.wait_until_asleep();
        }

        fn wait_until_asleep(&self) {
            let path = format!("/proc/{}/stat", self.0.id());
            while !fs::read_to_string(&path).unwrap().contains("(cat) S") {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn each_answer_takes_time_and_a_wake_up() {
        let mut cat = Cat::start();
        cat.ask();
        let process = Process {
            role: Role::Device,
            pid: cat.0.id(),
        };
        let before = Usage::of(&[process]).unwrap();
        for _ in 0..20 {
            cat.ask();
        }
        let used = Usage::of(&[process]).unwrap().since(&before);
        assert!(used.all().cpu > Duration::ZERO);
        assert!(used.role(Role::Device).wakeups >= 20, "{used:?}");
        assert_eq!(used.role(Role::Compositor), Spent::default());

        cat.0.kill().unwrap();
        cat.0.wait().unwrap();
        let error = Usage::of(&[process]).unwrap_err().to_string();
        assert!(error.contains("It may have ended"), "{error}");
    }
}
