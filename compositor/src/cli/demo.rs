//! `lucarne demo`

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use config::{
    Config, Guest,
    guest::{Gpu, Restart, Vmm, VmmKind},
};
use protocols::ipc::{Answer, Request, ScanoutStats, ScreenshotTarget};

use super::{
    headless::{Renderer, compositor},
    log::{self, Filter},
    msg,
    settings::Screens,
    start::{Program, has_session},
};
use crate::{
    app::Lasts,
    host::{Host, Session},
    ipc::client,
};

/// See Lucarne work without any virtual machine.
///
/// A small program plays the guest: it draws an animated card. In a Wayland session that is a
/// window; elsewhere a compositor without a screen shows it, and a picture is saved.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne demo                                  a window, or a picture where there is no session
  lucarne demo --mode 1920x1080 --mode 800x600  two monitors
  lucarne demo --screenshot card.png            a picture, also in a session")]
pub(super) struct Demo {
    /// How long it runs [default: in a session until it is ended, else 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86400))]
    seconds: Option<u64>,
    /// Use no session, and save the picture here [default: lucarne-demo.png]
    #[arg(long, value_name = "FILE.png")]
    screenshot: Option<PathBuf>,
    /// Use no session
    #[arg(long)]
    headless: bool,
    /// What draws without a session
    #[arg(long, value_enum, default_value = "auto")]
    renderer: Renderer,
    #[command(flatten)]
    screens: Screens,
}

/// The guest's name.
const NAME: &str = "demo";
/// Longer than any start takes.
const START_LIMIT: Duration = Duration::from_secs(20);
const DEFAULT_SECONDS: u64 = 3;

impl Demo {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let filter = Filter::new(&config::Log {
            level: config::log::Level::Warn,
            filter: None,
        });
        log::start(&filter);
        let guest = self.guest()?;
        let headless = self.headless || self.screenshot.is_some() || !has_session();
        if headless {
            self.without_session(guest, &filter)
        } else {
            self.in_session(guest, &filter)
        }
    }

    fn guest(&self) -> anyhow::Result<Guest> {
        let arguments = ["software-guest", "--socket", "{socket}", "--name", "{name}"];
        let mut guest = Guest {
            vmm: Vmm {
                kind: VmmKind::Custom,
                program: Some("/proc/self/exe".into()),
                arguments: arguments.map(str::to_owned).to_vec(),
            },
            restart: Restart::Never,
            // It draws by itself.
            gpu: Gpu::TwoD,
            ..Guest::default()
        };
        if let Some(modes) = self.screens.modes()? {
            guest.scanouts = modes;
        }
        Ok(guest)
    }

    fn in_session(&self, guest: Guest, filter: &Filter) -> anyhow::Result<ExitCode> {
        let program = Program::new(Lasts::WhileGuests, filter, |_, _| Ok(Session))?;
        let seconds = self.seconds;
        writeln!(io::stdout(), "A window shows the demo. Ctrl-C ends it.")?;
        run_with(program, guest, move |script| {
            if let Some(seconds) = seconds {
                script.first_frame()?;
                script.watch(seconds)?;
            } else {
                // Until the loop ends and takes its socket away.
                while script.stats().is_ok() {
                    thread::sleep(Duration::from_secs(1));
                }
            }
            Ok(())
        })
    }

    fn without_session(&self, guest: Guest, filter: &Filter) -> anyhow::Result<ExitCode> {
        let config = Config {
            renderer: self.renderer.into(),
            outputs: guest.scanouts.iter().map(|&mode| mode.into()).collect(),
            ..Config::default()
        };
        let program = Program::new(Lasts::WhileGuests, filter, |event_loop, _| {
            compositor(&config, event_loop)
        })?;
        let file = self
            .screenshot
            .clone()
            .unwrap_or_else(|| "lucarne-demo.png".into());
        let file = env::current_dir()
            .context("Could not find the working directory. Give an absolute path")?
            .join(file);
        let seconds = self.seconds.unwrap_or(DEFAULT_SECONDS);
        let drawn_by = program.app.host.renderer_description().to_owned();
        let mut out = io::stdout();
        writeln!(
            out,
            "No session is used: a compositor without a screen draws with {drawn_by}."
        )?;
        run_with(program, guest, move |script| {
            script.first_frame()?;
            script.watch(seconds)?;
            let (width, height) = script.screenshot(&file)?;
            let mut out = io::stdout();
            writeln!(
                out,
                "The picture ({width}x{height}) is in {}",
                file.display()
            )?;
            Ok(())
        })
    }
}

/// Runs a program with the demo's guest, while a thread looks at it as any client of the control
/// socket can, and ends it.
fn run_with<H: Host>(
    mut program: Program<H>,
    guest: Guest,
    script: impl FnOnce(&Script) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    program.app.guests.add(NAME, guest)?;
    program.app.start_guest(NAME);
    let watcher = Script {
        socket: program.socket.clone(),
    };
    let thread = thread::Builder::new()
        .name("demo".to_owned())
        .spawn(move || {
            let result = script(&watcher);
            // It has ended already where this fails.
            let _ = client::ask(&watcher.socket, &Request::Quit);
            result
        })?;
    let failures = program.run()?;
    let Ok(result) = thread.join() else {
        bail!("Could not watch the demo: its thread failed. This is a bug of Lucarne");
    };
    // What the guest says about its end tells more than that nobody answers any more.
    if let Some(failure) = failures.into_iter().next() {
        bail!(failure);
    }
    result.map(|()| ExitCode::SUCCESS)
}

/// Looks at the demo through the control socket.
struct Script {
    socket: PathBuf,
}

impl Script {
    fn stats(&self) -> anyhow::Result<Vec<ScanoutStats>> {
        let request = Request::Stats {
            guest: Some(NAME.to_owned()),
        };
        match client::ask(&self.socket, &request)? {
            Answer::Stats(stats) => Ok(stats
                .into_iter()
                .flat_map(|guest| guest.device.scanouts)
                .collect()),
            other => bail!("Could not understand the answer {other:?}"),
        }
    }

    fn first_frame(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self
            .stats()?
            .iter()
            .any(|scanout| scanout.frames_presented > 0)
        {
            ensure!(
                start.elapsed() < START_LIMIT,
                "Could not see a first frame within {} seconds. `lucarne demo` with \
                 LUCARNE_LOG=debug tells more",
                START_LIMIT.as_secs()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Tells each second what was shown, and at the end how.
    fn watch(&self, seconds: u64) -> anyhow::Result<()> {
        let mut out = io::stdout();
        let shown = |stats: &[ScanoutStats]| -> u64 {
            stats.iter().map(|scanout| scanout.frames_presented).sum()
        };
        let mut before = shown(&self.stats()?);
        for second in 1..=seconds {
            thread::sleep(Duration::from_secs(1));
            let now = shown(&self.stats()?);
            writeln!(
                out,
                "  second {second}: {} frames shown",
                now.saturating_sub(before)
            )?;
            before = now;
        }
        let answer = client::ask(&self.socket, &Request::Stats { guest: None })?;
        write!(out, "{}", msg::describe(&answer))?;
        Ok(())
    }

    fn screenshot(&self, file: &Path) -> anyhow::Result<(u32, u32)> {
        let request = Request::Screenshot {
            target: ScreenshotTarget::Guest {
                name: NAME.to_owned(),
                scanout: 0,
            },
            path: file.to_owned(),
        };
        match client::ask(&self.socket, &request)? {
            Answer::Screenshot(picture) => Ok((picture.width, picture.height)),
            other => bail!("Could not understand the answer {other:?}"),
        }
    }
}
