//! A process that is measured: started so that it can't outlive the benchmark, its output in a file.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::guests::process::{Process, describe};

/// Between two looks at something that is waited for: short beside any start that is timed, and long
/// enough to leave the processors to those who work.
const PAUSE: Duration = Duration::from_millis(1);

/// How many of its last lines tell why a process has ended.
const LAST_LINES: usize = 6;

/// A running process in a process group of its own. It is killed when this is dropped, and when the
/// thread that started it ends in whatever way.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: Process,
    log: PathBuf,
    ended: Option<String>,
}

impl Child {
    /// Starts a process. All that it prints goes to `NAME.log` in `folder`.
    ///
    /// # Errors
    /// There is no such program, or the file can't be written.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log)
            .with_context(|| format!("Could not write {}. Check that folder", log.display()))?;
        let second = file.try_clone().context("Could not open a file twice")?;
        command.stdout(second).stderr(file);
        let program = command.get_program().to_string_lossy().into_owned();
        let process = Process::spawn(command, &[])
            .with_context(|| format!("Could not start {program}. Check that it can be run"))?;
        Ok(Self {
            name: name.to_owned(),
            process,
            log,
            ended: None,
        })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// All that it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Why it has ended by itself, with the last that it printed; `None` while it runs.
    pub fn died(&mut self) -> Option<String> {
        if self.ended.is_none() {
            let status = match self.process.try_wait() {
                Ok(status) => describe(status?),
                Err(error) => error.to_string(),
            };
            self.ended = Some(format!(
                "{} ended ({status}){}",
                self.name,
                self.last_words()
            ));
        }
        self.ended.clone()
    }

    /// What it printed last, to be put behind a sentence.
    #[must_use]
    pub fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let last = lines.len().saturating_sub(LAST_LINES);
        match lines.get(last..) {
            Some(lines) if !lines.is_empty() => format!(": {}", lines.join(" | ")),
            _ => String::new(),
        }
    }

    /// Asks until there is something.
    ///
    /// # Errors
    /// The process ends, or there still is nothing after `patience`.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut ask: impl FnMut(&Self) -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = ask(self) {
                return Ok(found);
            }
            if let Some(died) = self.died() {
                bail!("Could not wait for {what}: {died}");
            }
            if Instant::now() >= deadline {
                bail!(
                    "Could not wait for {what} longer than {patience:?}{}",
                    self.last_words()
                );
            }
            thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str, folder: &Path) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Child::start("shell", command, folder).unwrap()
    }

    #[test]
    fn one_that_ends_tells_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = shell("echo one; echo two >&2; exit 3", folder.path());
        let error = child
            .wait_until("Godot", PATIENCE, |_| None::<()>)
            .unwrap_err();
        let died = "shell ended (exit status 3): one | two";
        assert_eq!(
            error.to_string(),
            format!("Could not wait for Godot: {died}")
        );
        assert_eq!(child.died().as_deref(), Some(died));
    }

    #[test]
    fn what_it_prints_can_be_waited_for_and_dropping_it_kills_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = shell("echo here; exec sleep 1000", folder.path());
        child
            .wait_until("a line", PATIENCE, |child| {
                child.output().starts_with("here\n").then_some(())
            })
            .unwrap();
        assert_eq!(child.died(), None);
        let process = format!("/proc/{}", child.pid());
        drop(child);
        assert!(!Path::new(&process).exists());
    }
}
