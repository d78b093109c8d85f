//! `lucarne nested`

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use calloop::EventLoop;
use clap::Args;
use config::{Config, Mode};
use tracing::{info, warn};

use super::{
    headless, kiosk,
    log::{self, Filter},
    settings::ConfigFile,
    start::Program,
};
use crate::{
    app::{App, Lasts},
    backend::NestedOptions,
    state::State,
};

/// The window's first size, in logical pixels.
const SIZE: (u32, u32) = (1280, 800);

/// Show guests in one window of an X11 or Wayland session.
///
/// A kiosk whose monitor is the window: guests fill it and follow its size. For X11 desktops, where
/// `lucarne run` has no windows, and to try a kiosk's configuration. It draws with OpenGL ES, on the
/// CPU where there is no GPU. Closing the window stops the guests and ends the program.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne nested debian                 this guest
  lucarne nested --fullscreen debian
  lucarne nested                        the guests of the configuration with autostart
  lucarne msg focus fedora              switch to another guest

Keys: Super+Tab switches to another guest. Where the desktop has that for itself, use `lucarne msg
focus`. What else the desktop keeps, like Ctrl+Alt+F1 or Alt+Tab, does not reach the guests. A guest
that locks the pointer gets its motion only as far as the window's edge; `lucarne run` and `lucarne
kiosk` have no such limit.

The session is the one that WAYLAND_DISPLAY or else DISPLAY names; to have a window of X11 in a
Wayland session, start it with WAYLAND_DISPLAY= in front. [kiosk], [input.keyboard] and the guests'
`fit` count as in a kiosk; [[output]], [kms] and blank_after do not.")]
pub(super) struct Nested {
    /// Guests of the configuration file [default: those of [kiosk] autostart, or those with
    /// autostart]
    #[arg(value_name = "GUEST")]
    guests: Vec<String>,
    /// Begin in full screen
    #[arg(long)]
    fullscreen: bool,
    /// The window's size to begin with, in the desktop's logical pixels [default: 1280x800]
    #[arg(long, value_name = "WxH", conflicts_with = "fullscreen")]
    size: Option<Mode>,
    /// The name of the Wayland socket [default: the first free one of wayland-1, wayland-2 …]
    #[arg(long, value_name = "NAME")]
    wayland_display: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

impl Nested {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        headless::have_runtime_dir()?;
        let mut config = self.config.load()?;
        let filter = Filter::new(&config.log);
        log::start(&filter);
        let names = kiosk::names(&config, &self.guests, &self.config)?;
        let lasts = kiosk::lasts(&mut config, &names, &self.config);

        let mut display = String::new();
        let mut program = Program::new(lasts, &filter, |event_loop, environment| {
            let state = self.compositor(&config, &names, event_loop)?;
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
        let failures = program.run()?;
        if lasts == Lasts::WhileGuests {
            ensure!(failures.is_empty(), failures.join("\n"));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// A compositor in a window, as the configuration wants it.
    fn compositor(
        &self,
        config: &Config,
        names: &[String],
        event_loop: &EventLoop<'static, App<State>>,
    ) -> anyhow::Result<State> {
        if config.renderer == config::Renderer::Pixman {
            warn!("The window is drawn with OpenGL ES, whatever `renderer` says");
        }
        let options = NestedOptions {
            size: self.size.map_or(SIZE, |size| (size.width, size.height)),
            fullscreen: self.fullscreen,
        };
        let mut state = State::nested(options, &event_loop.handle(), App::quit)?;
        state.set_input(config.input.clone());
        state.use_shortcuts(true);
        for name in names {
            state.place_guest(name, kiosk::placement(&config.guests[name]));
        }
        info!("Close the window to stop the guests");
        Ok(state)
    }
}
