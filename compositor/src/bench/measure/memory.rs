//! What processes keep in memory, by share: a page that three processes have mapped counts a third in each
//! (PSS, see proc_pid_smaps(5)).

use std::fs;

use anyhow::Context as _;

/// A mapping of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The file's path, `/memfd:NAME (deleted)`, `[heap]`, or nothing.
    pub name: String,
    /// The file's number; 0 where there is no file.
    pub inode: u64,
    /// Its share, in KiB.
    pub pss: u64,
}

/// The share of a process, in KiB.
///
/// # Errors
/// It has ended, or is somebody else's.
pub fn pss(pid: u32) -> anyhow::Result<u64> {
    // The sum alone; kernels before 4.14 don't have it.
    if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        let sum = text.lines().find_map(share);
        return sum.with_context(|| format!("Could not understand the memory of process {pid}"));
    }
    beyond(pid, |_| false)
}

/// All mappings of a process.
///
/// # Errors
/// It has ended, or is somebody else's.
pub fn mappings(pid: u32) -> anyhow::Result<Vec<Mapping>> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).with_context(|| {
        format!("Could not read the memory map of process {pid}. It may have ended")
    })?;
    Ok(parse(&text))
}

/// The share of a process in KiB, without the mappings that `is_left_out`.
///
/// # Errors
/// It has ended, or is somebody else's.
pub fn beyond(pid: u32, is_left_out: impl Fn(&Mapping) -> bool) -> anyhow::Result<u64> {
    let mappings = mappings(pid)?;
    let meant = mappings.iter().filter(|mapping| !is_left_out(mapping));
    Ok(meant.map(|mapping| mapping.pss).sum())
}

fn parse(smaps: &str) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        if let Some(mapping) = head(line) {
            found.push(mapping);
        } else if let (Some(pss), Some(last)) = (share(line), found.last_mut()) {
            last.pss = pss;
        }
    }
    found
}

/// `7f0000000000-7f0000001000 rw-p 00000000 00:01 1027    /memfd:ram (deleted)`
fn head(line: &str) -> Option<Mapping> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    u64::from_str_radix(from, 16).ok()?;
    u64::from_str_radix(to, 16).ok()?;
    let mut fields = rest.splitn(4, ' ').skip(3);
    let rest = fields.next()?;
    let (inode, name) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(Mapping {
        name: name.trim().to_owned(),
        inode: inode.parse().ok()?,
        pss: 0,
    })
}

/// `Pss:                   4 kB`
fn share(line: &str) -> Option<u64> {
    let value = line.strip_prefix("Pss:")?.trim();
    value.strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_told_apart() {
        let text = "\
55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Pss:                   8 kB
Pss_Dirty:             8 kB
VmFlags: rd wr mr mw me ac
7f0000000000-7f0000001000 rw-s 00000000 00:01 1027                       /memfd:the ram (deleted)
Pss:                   4 kB
7f0000002000-7f0000003000 ---p 00000000 00:00 0 
Pss:                   0 kB
";
        let found = parse(text);
        let names: Vec<&str> = found.iter().map(|mapping| mapping.name.as_str()).collect();
        assert_eq!(names, ["[heap]", "/memfd:the ram (deleted)", ""]);
        let numbers: Vec<_> = found
            .iter()
            .map(|mapping| (mapping.inode, mapping.pss))
            .collect();
        assert_eq!(numbers, [(0, 8), (1027, 4), (0, 0)]);
    }

    #[test]
    fn memory_that_is_written_to_is_in_the_share() {
        const MEBIBYTES: usize = 32;
        let own = std::process::id();
        let before = pss(own).unwrap();
        let memory = std::hint::black_box(vec![1_u8; MEBIBYTES << 20]);
        let after = pss(own).unwrap();
        // Other tests of this process give memory back meanwhile.
        assert!(after > before, "{before} KiB became {after} KiB");
        let sum = beyond(own, |_| false).unwrap();
        let without_heaps = beyond(own, |mapping| mapping.inode == 0).unwrap();
        assert!(
            without_heaps + 1024 < sum,
            "{without_heaps} KiB of {sum} KiB"
        );
        drop(memory);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(pss(child.id()).is_err());
    }
}
