//! `cargo xtask bench-check`: whether the hot operations of the device take as many instructions as
//! before.
//!
//! Times on a busy machine say little; how many instructions a program runs is the same on each run, to a
//! thousandth of a percent. They are counted by callgrind, around what the bench targets do (`micro count
//! NAME`, see `protocols/benches/micro/harness.rs`), and compared with a table in the repository. The
//! C library is told to copy memory as on the oldest x86_64 machine, so that the processor at hand plays
//! no part; the versions of the compiler and the C library do.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{checks, paths, report};

/// By how much a count may differ, in percent of what it was.
const TOLERANCE: u64 = 3;

/// Only these processors' instructions are in the table.
pub const IS_POSSIBLE: bool = cfg!(target_arch = "x86_64");

/// What the C library would choose by the processor, chosen for all of them.
const C_LIBRARY: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM:\
                         glibc.cpu.x86_non_temporal_threshold=0x8000000";

/// Instructions of each operation, once.
type Counts = BTreeMap<String, u64>;

/// Counts, and compares with the table or writes it. Returns what is worth a word.
///
/// # Errors
///
/// When an operation takes more or fewer instructions than the table says, or is not in it; when
/// something does not build or run.
pub fn run(log: &Path, update: bool) -> Result<String> {
    ensure!(
        IS_POSSIBLE,
        "The table has the instructions of x86_64 processors. Run this on one"
    );
    let mut counted = Counts::new();
    for program in build(log)? {
        for (name, rounds) in operations(&program)? {
            let all = count(&program, &name)
                .with_context(|| format!("Counting the instructions of {name}"))?;
            counted.insert(name, all / rounds);
        }
    }
    if update {
        fs::write(table_file(), written(&counted, &tools()?))?;
        return Ok(format!("{} operations written", counted.len()));
    }
    let file = table_file();
    let text = fs::read_to_string(&file).with_context(|| format!("Reading {}", file.display()))?;
    let (known, with) = read(&text)?;
    let changes = compared(&known, &counted);
    let tools = tools()?;
    // Another compiler makes other instructions of the same source: that says nothing of a change.
    if tools != with {
        let changed = changes.lines().count();
        return Ok(format!(
            "NOT compared: the table was made with {with}, this is {tools}; {changed} of {} operations differ",
            counted.len()
        ));
    }
    ensure!(
        changes.is_empty(),
        "Instructions have changed by more than {TOLERANCE} %:\n{changes}If that is meant to be, \
         `cargo xtask bench-check --update` writes the table"
    );
    Ok(format!("{} operations", counted.len()))
}

fn table_file() -> PathBuf {
    paths::root().join("gpu-device/benches/instructions.txt")
}

/// Builds the bench targets as they are released, and returns their programs.
fn build(log: &Path) -> Result<Vec<PathBuf>> {
    let build = || {
        let mut command = checks::base();
        command.args([
            "build",
            "--release",
            "--locked",
            "--package=protocols",
            "--package=gpu-device",
            "--features=gpu-device/valgrind",
            "--bench=micro",
        ]);
        command
    };
    report::run_logged(&mut build(), log)?;
    // Once more, with nothing left to do, for the programs' names.
    let messages = report::output(build().arg("--message-format=json"))?;
    let programs: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .collect();
    ensure!(
        programs.len() == 2,
        "Building the bench targets: {programs:?} came out"
    );
    Ok(programs)
}

/// What a bench target can count, and how often it does each.
fn operations(program: &Path) -> Result<Vec<(String, u64)>> {
    let list = report::output(Command::new(program).arg("list"))?;
    let operation = |line: &str| {
        let (name, rounds) = line.split_once(' ')?;
        Some((name.to_owned(), rounds.parse().ok()?))
    };
    list.lines()
        .map(|line| operation(line).with_context(|| format!("Understanding {line:?}")))
        .collect()
}

/// The instructions of all rounds of an operation.
fn count(program: &Path, name: &str) -> Result<u64> {
    // Also the environment's size would be counted: it decides how the stack is aligned.
    let output = Command::new("valgrind")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("GLIBC_TUNABLES", C_LIBRARY)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted_rounds*")
        .arg(program)
        .args(["count", name])
        .output()
        .context("Starting valgrind: is it installed? `cargo xtask setup` does it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "It failed: {said}");
    let count = said
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match count {
        Some(0) | None => bail!("callgrind has counted nothing: {said}"),
        Some(count) => Ok(count),
    }
}

/// What counts depend on besides our sources.
fn tools() -> Result<String> {
    let rustc = report::output(Command::new("rustc").arg("--version"))?;
    let valgrind = report::output(Command::new("valgrind").arg("--version"))?;
    let library = report::output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let rustc: Vec<&str> = rustc.split_whitespace().take(2).collect();
    Ok(format!(
        "{}, {}, {}",
        rustc.join(" "),
        library.trim(),
        valgrind.trim()
    ))
}

/// The table as a file.
fn written(counts: &Counts, tools: &str) -> String {
    let mut text = format!(
        "# Instructions of one operation each, on x86_64, counted by callgrind.\n\
         # `cargo xtask bench-check` compares them, with --update it writes this file.\n\
         {MADE_WITH}{tools}\n\n"
    );
    for (name, count) in counts {
        text.push_str(&format!("{name:<36}{count:>12}\n"));
    }
    text
}

const MADE_WITH: &str = "# Made with ";

/// A written table, and what it was made with.
fn read(text: &str) -> Result<(Counts, String)> {
    let with = text.lines().find_map(|line| line.strip_prefix(MADE_WITH));
    let rows = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let row = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    let counts = rows
        .map(|line| row(line).with_context(|| format!("Understanding the table's line {line:?}")))
        .collect::<Result<Counts>>()?;
    Ok((counts, with.unwrap_or("something unknown").to_owned()))
}

/// A line for each operation that is not what it was; empty if all are.
fn compared(known: &Counts, counted: &Counts) -> String {
    let mut lines = String::new();
    for (name, now) in counted {
        let line = match known.get(name) {
            None => format!("{now:>12}  is new"),
            Some(before) => {
                let change = now.abs_diff(*before);
                if change * 100 <= before * TOLERANCE {
                    continue;
                }
                let word = if now > before { "grew" } else { "shrank" };
                let percent = change as f64 / *before as f64 * 100.0;
                format!("{now:>12}  {word} by {percent:.1} % from {before}")
            }
        };
        lines.push_str(&format!("  {name:<36}{line}\n"));
    }
    for name in known.keys().filter(|name| !counted.contains_key(*name)) {
        lines.push_str(&format!("  {name:<36}{:>12}  is gone\n", "-"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, u64)]) -> Counts {
        rows.iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let table = counts(&[("decode/flush", 119), ("transfer/all", 11_655_046)]);
        let text = written(&table, "rustc 1, glibc 2, valgrind 3");
        let (read, with) = read(&text).unwrap();
        assert_eq!(read, table);
        assert_eq!(with, "rustc 1, glibc 2, valgrind 3");
    }

    #[test]
    fn what_grew_shrank_came_or_went_is_named() {
        let before = counts(&[("a", 1000), ("b", 1000), ("c", 1000), ("d", 1000), ("e", 9)]);
        let now = counts(&[("a", 1031), ("b", 1030), ("c", 969), ("d", 970), ("f", 7)]);
        let lines = compared(&before, &now);
        let lines: Vec<Vec<&str>> = lines
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines.iter().map(|line| line.join(" ")).collect::<Vec<_>>(),
            [
                "a 1031 grew by 3.1 % from 1000",
                "c 969 shrank by 3.1 % from 1000",
                "f 7 is new",
                "e - is gone",
            ]
        );
    }

    #[test]
    fn the_table_in_the_repository_can_be_read() {
        let text = fs::read_to_string(table_file()).unwrap();
        assert!(read(&text).unwrap().0.len() > 20);
    }
}
