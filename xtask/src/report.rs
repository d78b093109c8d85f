//! What the user reads while a task runs, and programs run with their output in a log.

use std::{
    fs::{self, File},
    io::{IsTerminal as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How often a silent step says that it is still at work.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How many lines of a log are shown when its program failed.
const TAIL: usize = 30;

/// Prints a line.
pub fn say(line: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    // A closed pipe (`cargo xtask … | head`) is no reason to stop a build half-way.
    let _ = writeln!(out, "{}", line.as_ref());
    let _ = out.flush();
}

/// The last lines of the text file `path`, each indented.
pub fn tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all.iter()
        .skip(all.len().saturating_sub(lines))
        .map(|line| format!("    {line}\n"))
        .collect()
}

/// Runs `command` to its end with its output appended to `log`, telling the user now and then that
/// it still runs.
///
/// # Errors
///
/// When the program cannot be started or fails; the message holds the end of the log and its place.
pub fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("Opening the log {}", log.display()))?;
    writeln!(file, "$ {command:?}")?;
    let child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| {
            format!("Starting {program}: is it installed? `cargo xtask setup` does it")
        })?;
    let status = wait_with_heartbeat(child, log)?;
    if !status.success() {
        bail!(
            "{program} failed ({status}). The end of {}:\n{}",
            log.display(),
            tail(log, TAIL)
        );
    }
    Ok(())
}

fn wait_with_heartbeat(mut child: Child, log: &Path) -> Result<std::process::ExitStatus> {
    let started = Instant::now();
    let mut last_word = started;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(50));
        if last_word.elapsed() >= HEARTBEAT {
            last_word = Instant::now();
            let last = tail(log, 1);
            say(format!(
                "         … {} s: {}",
                started.elapsed().as_secs(),
                shorten(last.trim(), 100)
            ));
        }
    }
}

fn shorten(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars()
        .take(width.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// Runs `command` to its end and returns what it printed.
///
/// # Errors
///
/// When the program cannot be started or fails; the message holds what it printed to its stderr.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| {
        format!("Starting {program}: is it installed? `cargo xtask setup` does it")
    })?;
    if !output.status.success() {
        // Our own errors are among what is printed.
        let said = [&output.stderr, &output.stdout].map(|said| String::from_utf8_lossy(said));
        let said = said.iter().map(|said| said.trim());
        bail!(
            "{program} failed ({}): {}",
            output.status,
            said.filter(|said| !said.is_empty())
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("Reading what {program} printed"))
}

/// Whether somebody sits at a terminal and can answer a question (sudo's password).
pub fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A duration as people say it.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}
