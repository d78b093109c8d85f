//! `lucarne headless`

use std::{
    env,
    ffi::OsStr,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, bail};
use calloop::EventLoop;
use clap::{Args, ValueEnum};
use config::{Config, Mode};

use super::{
    kiosk,
    log::{self, Filter},
    settings::ConfigFile,
    start::Program,
};
use crate::{
    app::{App, Lasts},
    backend::OutputOptions,
    guests::runtime_dir,
    render::RendererChoice,
    state::{Options, State},
};

/// Show guests in a compositor without a screen.
///
/// A Wayland server with virtual outputs: guests, and ordinary Wayland programs, draw on them.
/// Look at them with `lucarne msg screenshot`. Prints WAYLAND_DISPLAY and LUCARNE_SOCKET, and ends
/// with Ctrl-C or `lucarne msg quit`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne headless                      all guests of the configuration with autostart
  lucarne headless debian fedora        these guests
  lucarne headless --output 1920x1080@60 --output 1280x1024@75 debian
  lucarne headless --renderer pixman --wayland-display wayland-test")]
pub(super) struct Headless {
    /// Guests of the configuration file [default: those with autostart]
    #[arg(value_name = "GUEST")]
    guests: Vec<String>,
    /// The mode of a virtual output; given again for the next one [default: from the
    /// configuration, or 1920x1080 at 60 Hz]
    #[arg(long, value_name = "WxH[@HZ]")]
    output: Vec<Mode>,
    /// What draws
    #[arg(long, value_enum)]
    renderer: Option<Renderer>,
    /// The name of the Wayland socket [default: the first free one of wayland-1, wayland-2 …]
    #[arg(long, value_name = "NAME")]
    wayland_display: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Renderer {
    /// GLES where there is a GPU, Pixman otherwise
    Auto,
    /// OpenGL ES, on a GPU or in software
    Gles,
    /// The CPU alone
    Pixman,
}

impl From<Renderer> for config::Renderer {
    fn from(value: Renderer) -> Self {
        match value {
            Renderer::Auto => Self::Auto,
            Renderer::Gles => Self::Gles,
            Renderer::Pixman => Self::Pixman,
        }
    }
}

impl Headless {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        have_runtime_dir()?;
        let mut config = self.config.load()?;
        let filter = Filter::new(&config.log);
        log::start(&filter);
        if !self.output.is_empty() {
            config.outputs = self.output.iter().map(|&mode| mode.into()).collect();
        }
        if let Some(renderer) = self.renderer {
            config.renderer = renderer.into();
        }
        let names = names(&config, &self.guests, &self.config)?;

        let mut display = String::new();
        let mut program = Program::new(Lasts::UntilQuit, &filter, |event_loop, environment| {
            let mut state = compositor(&config, event_loop)?;
            for name in &names {
                let placement = kiosk::placement(&config.guests[name]);
                // The others cover each other in the order in which they connect.
                if !placement.outputs.is_empty() {
                    state.place_guest(name, placement);
                }
            }
            display = State::listen(&event_loop.handle(), self.wayland_display.as_deref())?;
            environment.push(("WAYLAND_DISPLAY".to_owned(), display.clone()));
            Ok(state)
        })?;
        program.app.guests.set_keys(config.keys.clone());
        for name in &names {
            program.app.guests.add(name, config.guests[name].clone())?;
        }
        program
            .announce(&display)
            .context("Could not write to standard output")?;
        program.ready();
        for name in &names {
            program.app.start_guest(name);
        }
        program.run()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The guests that are meant: those that were named, or those with autostart.
pub(super) fn names(
    config: &Config,
    given: &[String],
    file: &ConfigFile,
) -> anyhow::Result<Vec<String>> {
    if given.is_empty() {
        let wanted = config.guests.iter().filter(|(_, guest)| guest.autostart);
        return Ok(wanted.map(|(name, _)| name.clone()).collect());
    }
    for name in given {
        if !config.guests.contains_key(name) {
            let known: Vec<&str> = config.guests.keys().map(String::as_str).collect();
            let file = file.path().unwrap_or_default();
            bail!(
                "Could not find the guest {name}: {} has {}. Add a section [guest.{name}]",
                file.display(),
                if known.is_empty() {
                    "no guests".to_owned()
                } else {
                    known.join(", ")
                }
            );
        }
    }
    Ok(given.to_vec())
}

/// A headless compositor as the configuration wants it.
pub(super) fn compositor(
    config: &Config,
    event_loop: &EventLoop<'static, App<State>>,
) -> anyhow::Result<State> {
    let output = |(position, output): (usize, &config::Output)| {
        let mode = output.headless_mode();
        OutputOptions {
            name: output.name_at(position),
            width: mode.width,
            height: mode.height,
            millihertz: mode.millihertz,
            scale: output.scale,
        }
    };
    let options = Options {
        outputs: config.outputs.iter().enumerate().map(output).collect(),
        renderer: renderer(config.renderer),
    };
    Ok(State::new(&options, &event_loop.handle())?)
}

/// What draws, in the compositor's words.
pub(super) fn renderer(renderer: config::Renderer) -> RendererChoice {
    match renderer {
        config::Renderer::Auto => RendererChoice::Auto,
        config::Renderer::Gles => RendererChoice::Gles,
        config::Renderer::Pixman => RendererChoice::Pixman,
    }
}

/// Wayland's sockets are in `$XDG_RUNTIME_DIR`, for us and for our clients. Where no login session
/// made one this program starts itself anew with one: a process can't safely change its own
/// environment.
pub(super) fn have_runtime_dir() -> anyhow::Result<()> {
    const NAME: &str = "XDG_RUNTIME_DIR";
    if env::var_os(NAME).is_some_and(|path| !path.is_empty()) {
        return Ok(());
    }
    let folder = runtime_dir::base()?;
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| "lucarne".into());
    let program = env::current_exe().context("Could not find this program's own file")?;
    let error = Command::new(&program)
        .arg0::<&OsStr>(name.as_ref())
        .args(arguments)
        .env(NAME, &folder)
        .exec();
    Err(error).with_context(|| {
        format!(
            "Could not start {} anew. Set {NAME} to a folder of yours",
            program.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{super::Cli, *};

    fn names_of(arguments: &[&str], config: &str) -> anyhow::Result<Vec<String>> {
        let words = ["lucarne", "headless"]
            .into_iter()
            .chain(arguments.iter().copied());
        let super::super::Command::Headless(headless) = Cli::try_parse_from(words)?.command else {
            panic!("it is not `headless`");
        };
        names(&Config::parse(config)?, &headless.guests, &headless.config)
    }

    const CONFIG: &str = "[guest.a]\ndisk = \"a\"\n[guest.b]\ndisk = \"b\"\nautostart = false\n[guest.c]\ndisk = \"c\"\n";

    #[test]
    fn without_names_those_with_autostart_are_meant() {
        assert_eq!(names_of(&[], CONFIG).unwrap(), ["a", "c"]);
        assert_eq!(names_of(&["b"], CONFIG).unwrap(), ["b"]);
    }

    #[test]
    fn an_unknown_guest_is_named_with_the_known_ones() {
        let error = names_of(&["--config", "/x.toml", "d"], CONFIG)
            .unwrap_err()
            .to_string();
        let expected = "Could not find the guest d: /x.toml has a, b, c. Add a section [guest.d]";
        assert_eq!(error, expected);
    }
}
