//! What `/proc` says about processes: see proc_pid_stat(5).

use std::{fs, io, time::Duration};

/// A process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// Whether it runs still, and is not only waited for.
    pub(super) is_alive: bool,
    /// The process that started it, or that took it over.
    pub(super) parent: u32,
    /// Page faults, also of threads that have ended.
    pub(super) faults: u64,
    /// Processor time, also of threads that have ended, in steps of [`tick`].
    pub(super) cpu: Duration,
    /// The same of its children that have ended and were waited for.
    pub(super) cpu_of_children: Duration,
}

/// In what steps the kernel tells processor time here.
pub(super) fn tick() -> Duration {
    let a_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    Duration::from_secs(1) / a_second.max(1)
}

/// A process' state.
///
/// # Errors
/// It has ended and was waited for, or what is there can't be understood.
pub(super) fn stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse(&text, tick()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(text: &str, tick: Duration) -> Option<Stat> {
    // The name may have spaces and parentheses in it.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = |user: usize, system: usize| {
        let ticks = number(user)?.saturating_add(number(system)?);
        Some(tick.saturating_mul(u32::try_from(ticks).ok()?))
    };
    Some(Stat {
        is_alive: !matches!(*fields.first()?, "Z" | "X"),
        parent: u32::try_from(number(1)?).ok()?,
        faults: number(7)?.saturating_add(number(9)?),
        cpu: ticks(11, 12)?,
        cpu_of_children: ticks(13, 14)?,
    })
}

/// All processes, each as it is at the moment when it is looked at.
pub(super) fn all() -> Vec<(u32, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // One that has ended meanwhile is none.
            Some((pid, stat(pid).ok()?))
        })
        .collect()
}

/// The processes that a process has started and not waited for yet.
pub(in crate::bench) fn children(parent: u32) -> Vec<u32> {
    all()
        .into_iter()
        .filter(|(_, stat)| stat.parent == parent)
        .map(|(pid, _)| pid)
        .collect()
}

/// Whether a process runs, whoever has started it.
pub(in crate::bench) fn is_alive(pid: u32) -> bool {
    stat(pid).is_ok_and(|stat| stat.is_alive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_t_pass_for_fields() {
        let text = "7 (a) R 9) S 42 7 7 0 -1 4194560 100 0 3 0 12 8 5 6 20 0 1 0";
        let stat = parse(text, Duration::from_millis(10)).unwrap();
        let expected = Stat {
            is_alive: true,
            parent: 42,
            faults: 103,
            cpu: Duration::from_millis(200),
            cpu_of_children: Duration::from_millis(110),
        };
        assert_eq!(stat, expected);
        assert_eq!(parse("7 (a) R 9", Duration::from_millis(10)), None);
    }

    #[test]
    fn a_child_is_there_until_it_is_waited_for_and_alive_until_it_ends() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        assert!(is_alive(own) && is_alive(child.id()));
        assert!(children(own).contains(&child.id()));
        child.kill().unwrap();
        while is_alive(child.id()) {
            std::thread::yield_now();
        }
        assert!(children(own).contains(&child.id()));
        child.wait().unwrap();
        assert!(!children(own).contains(&child.id()));
        assert!(!is_alive(child.id()));
    }
}
