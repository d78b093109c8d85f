//! `lucarne headless`, `kiosk` and `run` as a test's other end: started, asked over the control socket, ended.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use protocols::ipc::{Answer, DeviceStats, Guest, Reply, Request, ScanoutStats, ScreenshotTarget};

use super::picture::Picture;
use crate::report;

/// How long one answer on the control socket may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How long the program may take to open its control socket: on the CPU, EGL takes its time.
const START: Duration = Duration::from_secs(30);

/// How long it may take to end itself and its guests.
const END: Duration = Duration::from_secs(10);

/// A running `lucarne headless`, `lucarne kiosk` or `lucarne run`.
pub struct Compositor {
    child: Child,
    folder: PathBuf,
    /// Its XDG_RUNTIME_DIR, which no other run has.
    runtime: PathBuf,
    socket: PathBuf,
    log: PathBuf,
}

impl Compositor {
    /// Starts `lucarne headless` with the guests of `config`, the `outputs` and `more` arguments, and waits
    /// until it can be asked. Everything of this run lies in the new folder `folder`.
    ///
    /// # Errors
    ///
    /// When it does not start; the message holds what it said.
    pub fn start(
        program: &Path,
        folder: &Path,
        log: &Path,
        config: &str,
        outputs: &[&str],
        more: &[&str],
    ) -> Result<Self> {
        let outputs = outputs.iter().flat_map(|output| ["--output", output]);
        let arguments: Vec<&str> = outputs.chain(more.iter().copied()).collect();
        Self::run(
            Command::new(program).arg("headless"),
            folder,
            log,
            config,
            &arguments,
        )
    }

    /// As [`Compositor::start`], with `program` and its first arguments and its environment as they are; none of
    /// the user's own session is left in it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn run(
        program: &mut Command,
        folder: &Path,
        log: &Path,
        config: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("Making {}", folder.display()))?;
        // The path of a socket has at most 107 bytes, so its folder is not the test's.
        let runtime = std::env::temp_dir().join(format!("lt{}", unique()));
        fs::create_dir_all(&runtime)?;
        let file = folder.join("lucarne.toml");
        fs::write(&file, config)?;
        let output = File::options().create(true).append(true).open(log)?;
        // A session is only what the test itself says.
        for name in ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "LUCARNE_SOCKET"] {
            if program.get_envs().all(|(known, _)| known != name) {
                program.env_remove(name);
            }
        }
        let child = program
            .arg("--config")
            .arg(&file)
            .args(arguments)
            .env("XDG_RUNTIME_DIR", &runtime)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("Starting {}", program.get_program().display()))?;
        let mut compositor = Self {
            child,
            folder: folder.to_owned(),
            runtime: runtime.clone(),
            socket: runtime,
            log: log.to_owned(),
        };
        compositor.socket = compositor.wait_for_socket()?;
        Ok(compositor)
    }

    /// The folder of its Wayland socket and that socket's name, for programs that it shows.
    ///
    /// # Errors
    ///
    /// When there is no such socket.
    pub fn wayland(&self) -> Result<(&Path, String)> {
        let name = fs::read_dir(&self.runtime)?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .find(|name| name.starts_with("wayland-") && !name.ends_with(".lock"))
            .context("Looking for the compositor's Wayland socket: there is none")?;
        Ok((&self.runtime, name))
    }

    /// The program's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as the kernel does when memory runs out.
    ///
    /// # Errors
    ///
    /// When it cannot be ended.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn wait_for_socket(&mut self) -> Result<PathBuf> {
        let started = Instant::now();
        loop {
            let found = fs::read_dir(&self.runtime)?.flatten().find(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("lucarne-") && name.ends_with(".sock")
            });
            if let Some(found) = found
                && UnixStream::connect(found.path()).is_ok()
            {
                return Ok(found.path());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "Starting lucarne: it ended ({status}) and said:\n{}",
                    report::tail(&self.log, 20)
                );
            }
            if started.elapsed() > START {
                bail!(
                    "Waiting for lucarne to open its control socket in {}: it did not, and said:\n{}",
                    self.runtime.display(),
                    report::tail(&self.log, 20)
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The control socket, as `$LUCARNE_SOCKET` wants it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks one question.
    ///
    /// # Errors
    ///
    /// When there is no answer or it is a refusal.
    pub fn ask(&self, request: &Request) -> Result<Answer> {
        let attempt = || -> Result<Reply> {
            let stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(ANSWER))?;
            let mut line = serde_json::to_string(request)?;
            line.push('\n');
            (&stream).write_all(line.as_bytes())?;
            let mut answer = String::new();
            BufReader::new(&stream).read_line(&mut answer)?;
            serde_json::from_str(&answer).with_context(|| format!("Understanding {answer:?}"))
        };
        match attempt().with_context(|| format!("Asking lucarne for {request:?}"))? {
            Reply::Ok(answer) => Ok(answer),
            Reply::Error(error) => {
                Err(error).with_context(|| format!("Asking lucarne for {request:?}"))
            }
        }
    }

    /// What is on a screen of a guest, in its own pixels.
    ///
    /// # Errors
    ///
    /// When nothing is shown there yet.
    pub fn guest_picture(&self, guest: &str, scanout: u8) -> Result<Picture> {
        self.picture(ScreenshotTarget::Guest {
            name: guest.to_owned(),
            scanout,
        })
    }

    /// What is on an output.
    ///
    /// # Errors
    ///
    /// When there is no such output.
    pub fn output_picture(&self, name: &str) -> Result<Picture> {
        self.picture(ScreenshotTarget::Output {
            name: name.to_owned(),
        })
    }

    fn picture(&self, target: ScreenshotTarget) -> Result<Picture> {
        let path = self.folder.join("screenshot.png");
        self.ask(&Request::Screenshot {
            target,
            path: path.clone(),
        })?;
        Picture::read_png(&path)
    }

    /// The names of the outputs.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub fn outputs(&self) -> Result<Vec<String>> {
        match self.ask(&Request::Outputs)? {
            Answer::Outputs(outputs) => Ok(outputs.into_iter().map(|output| output.name).collect()),
            other => bail!("Asking for the outputs: the answer is {other:?}"),
        }
    }

    /// The counters of one screen.
    ///
    /// # Errors
    ///
    /// When there is no such screen.
    pub fn stats(&self, guest: &str, scanout: u8) -> Result<ScanoutStats> {
        self.device_stats(guest)?
            .scanouts
            .into_iter()
            .find(|stats| stats.scanout == scanout)
            .with_context(|| format!("Looking for screen {scanout} of {guest} in the counters"))
    }

    /// All counters of a guest's device.
    ///
    /// # Errors
    ///
    /// When there is no such guest, or its device does not answer.
    pub fn device_stats(&self, guest: &str) -> Result<DeviceStats> {
        let answer = self.ask(&Request::Stats {
            guest: Some(guest.to_owned()),
        })?;
        let Answer::Stats(guests) = answer else {
            bail!("Asking for counters: the answer is {answer:?}");
        };
        let stats = guests.into_iter().next();
        Ok(stats
            .with_context(|| format!("Looking for the counters of {guest}"))?
            .device)
    }

    /// A guest's state.
    ///
    /// # Errors
    ///
    /// When there is no such guest.
    pub fn guest(&self, name: &str) -> Result<Guest> {
        match self.ask(&Request::Guests)? {
            Answer::Guests(guests) => guests
                .into_iter()
                .find(|guest| guest.name == name)
                .with_context(|| format!("Looking for the guest {name}")),
            other => bail!("Asking for the guests: the answer is {other:?}"),
        }
    }

    /// Waits until a screen of `guest` shows `expected`.
    ///
    /// # Errors
    ///
    /// When it does not in time; what was shown last is saved and named.
    pub fn expect_picture(
        &self,
        guest: &str,
        scanout: u8,
        expected: &Picture,
        limit: Duration,
    ) -> Result<()> {
        self.expect(
            &format!("screen {scanout} of {guest}"),
            expected,
            limit,
            || self.guest_picture(guest, scanout),
        )
    }

    /// Waits until the output `name` shows `expected`.
    ///
    /// # Errors
    ///
    /// When it does not in time; what was shown last is saved and named.
    pub fn expect_output(&self, name: &str, expected: &Picture, limit: Duration) -> Result<()> {
        self.expect(&format!("output {name}"), expected, limit, || {
            self.output_picture(name)
        })
    }

    fn expect(
        &self,
        what: &str,
        expected: &Picture,
        limit: Duration,
        look: impl Fn() -> Result<Picture>,
    ) -> Result<()> {
        let started = Instant::now();
        loop {
            let seen = look();
            let wrong = match &seen {
                Ok(picture) => match picture.difference(expected) {
                    None => return Ok(()),
                    Some(difference) => difference,
                },
                Err(error) => format!("{error:#}"),
            };
            if started.elapsed() < limit {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            let place = self.folder.join("expected.png");
            expected.write_png(&place)?;
            if let Ok(picture) = seen {
                picture.write_png(&self.folder.join("seen.png"))?;
            }
            bail!(
                "Waiting for the right picture on {what}: {wrong} (see expected.png and seen.png in {})\n{}",
                self.folder.display(),
                report::tail(&self.log, 12)
            );
        }
    }

    /// Waits for its end, which something else is the reason of; its exit status.
    ///
    /// # Errors
    ///
    /// When it goes on.
    pub fn ended(mut self) -> Result<ExitStatus> {
        self.wait()
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > END {
                bail!("Waiting for lucarne to end: it did not");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a user would, and checks that it goes in peace.
    ///
    /// # Errors
    ///
    /// When it does not, or left its socket.
    pub fn quit(mut self) -> Result<()> {
        self.ask(&Request::Quit)?;
        let status = self.wait().context("After `quit`")?;
        if !status.success() {
            bail!(
                "Ending lucarne with `quit`: {status}\n{}",
                report::tail(&self.log, 12)
            );
        }
        if self.socket.exists() {
            bail!("Ending lucarne: it left {}", self.socket.display());
        }
        Ok(())
    }
}

impl Drop for Compositor {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // SIGTERM, so that it ends its guests too.
            if let Some(pid) = i32::try_from(self.child.id())
                .ok()
                .and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let started = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) {
                if started.elapsed() > END {
                    let _ = self.child.kill();
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = fs::remove_dir_all(&self.runtime);
    }
}

/// A number that no other run at the same time has.
fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{:x}-{:x}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
