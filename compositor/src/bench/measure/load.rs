//! What else the machine did while something was measured.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::processes::{self, Stat, tick};

/// A look at everything that is not this program and not started by it.
#[derive(Debug)]
pub struct Watch {
    began: Instant,
    others: Duration,
    stolen: Duration,
    metronome: Metronome,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// Processor time of other processes, as a part of one processor: 0.5 is half of one.
    pub others: f64,
    /// Processor time that a hypervisor gave to other machines, in the same way.
    pub stolen: f64,
    /// The longest time in which nothing ran that should have.
    pub standstill: Duration,
}

/// What is too little to be worth a word.
const FEW: Seen = Seen {
    others: 0.10,
    stolen: 0.02,
    standstill: Duration::from_millis(20),
};

impl Watch {
    /// Begins to look.
    #[must_use]
    pub fn start() -> Self {
        Self {
            others: others(),
            stolen: stolen(),
            metronome: Metronome::start(),
            began: Instant::now(),
        }
    }

    /// What was seen since.
    #[must_use]
    pub fn stop(self) -> Seen {
        let seconds = self.began.elapsed().as_secs_f64();
        let part = |now: Duration, before: Duration| match seconds > 0.0 {
            true => now.saturating_sub(before).as_secs_f64() / seconds,
            false => 0.0,
        };
        Seen {
            standstill: self.metronome.stop(),
            others: part(others(), self.others),
            stolen: part(stolen(), self.stolen),
        }
    }
}

impl Seen {
    /// What is worth a word; `None` if the machine was quiet.
    #[must_use]
    pub fn disturbance(&self) -> Option<String> {
        let mut words = Vec::new();
        if self.others > FEW.others {
            words.push(format!(
                "other processes took {:.0} % of a processor",
                self.others * 100.0
            ));
        }
        if self.stolen > FEW.stolen {
            words.push(format!(
                "the hypervisor took {:.0} % of a processor",
                self.stolen * 100.0
            ));
        }
        if self.standstill > FEW.standstill {
            words.push(format!(
                "the machine stood still for {} ms",
                self.standstill.as_millis()
            ));
        }
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// The processor time of all processes but this one and those that come from it.
///
/// What a process took that has ended is with its parent by then, so that the sum never falls by more
/// than a tick for each process.
fn others() -> Duration {
    let all = processes::all();
    let family = family(&all, std::process::id());
    let others = all.iter().filter(|(pid, _)| !family.contains(pid));
    others
        .map(|(_, stat)| stat.cpu + stat.cpu_of_children)
        .sum()
}

/// A process and all that come from it.
fn family(all: &[(u32, Stat)], root: u32) -> BTreeSet<u32> {
    let mut family = BTreeSet::from([root]);
    loop {
        let before = family.len();
        let born = all.iter().filter(|(_, stat)| family.contains(&stat.parent));
        let born: Vec<u32> = born.map(|(pid, _)| *pid).collect();
        family.extend(born);
        if family.len() == before {
            return family;
        }
    }
}

/// What the hypervisor took, all processors together.
fn stolen() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    steal(&text).map_or(Duration::ZERO, |ticks| tick().saturating_mul(ticks))
}

/// The field `steal` of the first line of `/proc/stat`.
fn steal(text: &str) -> Option<u32> {
    let mut fields = text.lines().next()?.split_ascii_whitespace();
    fields.nth(8)?.parse().ok()
}

/// A thread that sleeps, and sees how late it is woken up.
#[derive(Debug)]
struct Metronome {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Duration>>,
}

/// Short against what would be seen of it, long against what a wake-up costs.
const BEAT: Duration = Duration::from_millis(5);

impl Metronome {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let beat = move || {
            let mut longest = Duration::ZERO;
            while !seen.load(Ordering::Relaxed) {
                let before = Instant::now();
                thread::sleep(BEAT);
                longest = longest.max(before.elapsed().saturating_sub(BEAT));
            }
            longest
        };
        // Without it standstills are not seen, which is no reason to measure nothing.
        let thread = thread::Builder::new()
            .name("metronome".to_owned())
            .spawn(beat);
        Self {
            is_over,
            thread: thread.ok(),
        }
    }

    /// How late it was at most.
    fn stop(mut self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        thread
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child_of(parent: u32) -> Stat {
        Stat {
            is_alive: true,
            parent,
            faults: 0,
            cpu: Duration::ZERO,
            cpu_of_children: Duration::ZERO,
        }
    }

    #[test]
    fn grandchildren_are_family_in_whatever_order_they_are_listed() {
        let all = [
            (5, child_of(4)),
            (4, child_of(2)),
            (2, child_of(1)),
            (3, child_of(1)),
        ];
        assert_eq!(family(&all, 2), BTreeSet::from([2, 4, 5]));
    }

    #[test]
    fn only_what_matters_is_told() {
        assert_eq!(Seen::default().disturbance(), None);
        let seen = Seen {
            others: 0.5,
            stolen: 0.0,
            standstill: Duration::from_millis(30),
        };
        let expected =
            "other processes took 50 % of a processor, the machine stood still for 30 ms";
        assert_eq!(seen.disturbance().as_deref(), Some(expected));
    }

    #[test]
    fn a_machine_without_a_hypervisor_has_nothing_stolen() {
        assert_eq!(steal("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1"), Some(8));
        assert_eq!(steal("cpu  1 2 3 4"), None);
    }

    #[test]
    fn what_this_program_does_itself_is_no_disturbance() {
        let before = others();
        let until = Instant::now() + 5 * tick();
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        // All others did something, perhaps; what matters is that it is a sum without ourselves.
        let family = family(&processes::all(), std::process::id());
        assert!(family.contains(&std::process::id()));
        assert!(others() + tick() >= before.saturating_sub(tick()));
        let seen = Watch::start().stop();
        assert!(seen.standstill < Duration::from_secs(3600));
    }
}
