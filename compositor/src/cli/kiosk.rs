//! `lucarne kiosk`

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, ensure};
use calloop::{EventLoop, LoopHandle};
use clap::Args;
use config::{Config, guest::Restart, kiosk::OnGuestExit};
use smithay::utils::Transform;
use tracing::{info, warn};

use super::{
    headless::{self, Renderer},
    log::{self, Filter},
    settings::ConfigFile,
    start::Program,
};
use crate::{
    app::{App, Lasts},
    backend::kms::{KmsOptions, OutputRule, WantedMode, Which},
    delay::Delay,
    desktop::{Fit, Placement},
    state::State,
};

/// Show guests on the monitors of this machine.
///
/// Takes the seat of the console that it is started on: each virtual monitor of a guest fills a
/// monitor, its picture directly on a plane of the graphics card where the card can show it.
/// Ctrl+Alt+F1 to F12 switch to other consoles, Super+Tab to another guest.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne kiosk                         the guests of the configuration with autostart
  lucarne kiosk debian                  this guest
  lucarne kiosk --device card1 debian
  lucarne msg outputs                   what is on which plane, and why something is not
  lucarne msg focus fedora              switch to another guest

The console comes back when the program ends: after `lucarne msg quit`, over ssh for instance, when
its service is stopped, or with the last guest where [kiosk] on_guest_exit = \"quit\".")]
pub(super) struct Kiosk {
    /// Guests of the configuration file [default: those with autostart]
    #[arg(value_name = "GUEST")]
    guests: Vec<String>,
    /// The graphics card that draws, by its device node, its name or its PCI address [default: the
    /// one that the firmware used]
    #[arg(long, value_name = "CARD", value_parser = config::kms::card)]
    device: Option<PathBuf>,
    /// What draws
    #[arg(long, value_enum)]
    renderer: Option<Renderer>,
    /// The name of the Wayland socket [default: the first free one of wayland-1, wayland-2 …]
    #[arg(long, value_name = "NAME")]
    wayland_display: Option<String>,
    /// Panic after so many seconds: how a test finds out whether the console comes back
    #[arg(long, hide = true, value_name = "SECONDS")]
    panic_after: Option<u8>,
    #[command(flatten)]
    config: ConfigFile,
}

impl Kiosk {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        headless::have_runtime_dir()?;
        let mut config = self.config.load()?;
        let filter = Filter::new(&config.log);
        log::start(&filter);
        if let Some(device) = &self.device {
            config.kms.device = Some(device.clone());
        }
        if let Some(renderer) = self.renderer {
            config.renderer = renderer.into();
        }
        let names = names(&config, &self.guests, &self.config)?;
        let lasts = lasts(&mut config, &names, &self.config);

        let mut display = String::new();
        let mut program = Program::new(lasts, &filter, |event_loop, environment| {
            let state = compositor(&config, &names, event_loop)?;
            display = State::listen(&event_loop.handle(), self.wayland_display.as_deref())?;
            environment.push(("WAYLAND_DISPLAY".to_owned(), display.clone()));
            Ok(state)
        })?;
        program.app.guests.set_keys(config.keys.clone());
        for name in &names {
            program.app.guests.add(name, config.guests[name].clone())?;
        }
        // Nobody may be listening: a service's output is a file that can be full.
        let _ = program.announce(&display);
        if let Some(seconds) = self.panic_after {
            panic_after(seconds, &program.event_loop.handle());
        }
        program.ready();
        for name in &names {
            program.app.start_guest(name);
        }
        let seat = program.app.host.seat();
        let failures = program.run()?;
        if let Some(seat) = seat {
            seat.still_exists()?;
        }
        if lasts == Lasts::WhileGuests {
            ensure!(failures.is_empty(), failures.join("\n"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How long the program runs with these guests, of which each is to be started again as
/// `[kiosk] on_guest_exit` wants it.
pub(super) fn lasts(config: &mut Config, names: &[String], file: &ConfigFile) -> Lasts {
    if names.is_empty() {
        let file = file.path().unwrap_or_default();
        warn!(
            "There is no guest to show: name one, or add a section [guest.NAME] to {}. Other \
             programs can still be shown",
            file.display()
        );
    }
    if config.kiosk.on_guest_exit == OnGuestExit::Restart {
        for guest in config.guests.values_mut() {
            guest.restart = Restart::Always;
        }
    }
    match config.kiosk.on_guest_exit {
        OnGuestExit::Quit if !names.is_empty() => Lasts::WhileGuests,
        _ => Lasts::UntilQuit,
    }
}

fn panic_after<D: 'static>(seconds: u8, handle: &LoopHandle<'static, D>) {
    let timer = Delay::new(Duration::from_secs(seconds.into()));
    let source = handle.insert_source(timer, |(), (), _| panic!("as --panic-after wants it"));
    if let Err(error) = source {
        warn!("Could not set a timer: {}", error.error);
    }
}

/// The guests that are meant: those that were named, or those of `[kiosk] autostart`, or those with
/// autostart.
pub(super) fn names(
    config: &Config,
    given: &[String],
    file: &ConfigFile,
) -> anyhow::Result<Vec<String>> {
    match &config.kiosk.autostart {
        Some(autostart) if given.is_empty() => headless::names(config, autostart, file)
            .context("Could not start the guests of [kiosk] autostart"),
        _ => headless::names(config, given, file),
    }
}

/// A compositor on the monitors of this seat, as the configuration wants it.
fn compositor(
    config: &Config,
    names: &[String],
    event_loop: &EventLoop<'static, App<State>>,
) -> anyhow::Result<State> {
    let handle = event_loop.handle();
    let mut state = State::kms(options(config), &handle)?;
    if let Some(seat) = state.seat() {
        state.take_input(config.input.clone(), seat, &handle)?;
    }
    let blank_after = Duration::from_secs(config.kiosk.blank_after.into());
    state.set_blank_after(Some(blank_after).filter(|after| !after.is_zero()));
    for name in names {
        state.place_guest(name, placement(&config.guests[name]));
    }
    state.look_for_monitors();
    info!("Ctrl+Alt+F1 to F12 switch to other consoles");
    Ok(state)
}

fn options(config: &Config) -> KmsOptions {
    KmsOptions {
        device: config.kms.device.clone(),
        renderer: headless::renderer(config.renderer),
        outputs: config.outputs.iter().map(rule).collect(),
    }
}

fn rule(output: &config::Output) -> OutputRule {
    OutputRule {
        monitor: Which {
            name: output.name.clone(),
            make: output.make.clone(),
            model: output.model.clone(),
            serial: output.serial.clone(),
        },
        mode: output.mode.map(|mode| WantedMode {
            width: mode.width,
            height: mode.height,
            millihertz: mode.millihertz,
        }),
        position: output.position,
        scale: Some(output.scale),
        transform: transform(output.transform),
        off: output.off,
        vrr: output.vrr,
    }
}

fn transform(transform: config::output::Transform) -> Transform {
    use config::output::Transform as Wanted;
    match transform {
        Wanted::Normal => Transform::Normal,
        Wanted::Quarter => Transform::_90,
        Wanted::Half => Transform::_180,
        Wanted::ThreeQuarters => Transform::_270,
        Wanted::Flipped => Transform::Flipped,
        Wanted::FlippedQuarter => Transform::Flipped90,
        Wanted::FlippedHalf => Transform::Flipped180,
        Wanted::FlippedThreeQuarters => Transform::Flipped270,
    }
}

/// Where a guest wants to be, in the compositor's words.
pub(super) fn placement(guest: &config::Guest) -> Placement {
    Placement {
        outputs: guest.outputs.clone(),
        fit: match guest.fit {
            config::guest::Fit::Stretch => Fit::Stretch,
            config::guest::Fit::Letterbox => Fit::Letterbox,
            config::guest::Fit::Integer => Fit::Integer,
            config::guest::Fit::None => Fit::None,
        },
        position: guest.position,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{super::Cli, *};

    fn names_of(arguments: &[&str], text: &str) -> anyhow::Result<Vec<String>> {
        let words = ["lucarne", "kiosk"]
            .into_iter()
            .chain(arguments.iter().copied());
        let super::super::Command::Kiosk(kiosk) = Cli::try_parse_from(words)?.command else {
            panic!("it is not `kiosk`");
        };
        names(&Config::parse(text)?, &kiosk.guests, &kiosk.config)
    }

    const GUESTS: &str = "[guest.a]\ndisk = \"a\"\n[guest.b]\ndisk = \"b\"\nautostart = false\n";

    #[test]
    fn the_kiosk_s_own_list_of_guests_wins_over_theirs() {
        let text = format!("[kiosk]\nautostart = [\"b\"]\n{GUESTS}");
        assert_eq!(names_of(&[], GUESTS).unwrap(), ["a"]);
        assert_eq!(names_of(&[], &text).unwrap(), ["b"]);
        assert_eq!(names_of(&["a"], &text).unwrap(), ["a"]);
    }

    #[test]
    fn a_guest_of_the_list_that_does_not_exist_is_named() {
        let text = format!("[kiosk]\nautostart = [\"c\"]\n{GUESTS}");
        let error = names_of(&["--config", "/x.toml"], &text).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("[kiosk] autostart"), "{text}");
        assert!(text.contains("the guest c: /x.toml has a, b"), "{text}");
    }

    #[test]
    fn what_is_wanted_of_monitors_and_guests_is_handed_on() {
        let config = Config::parse(
            "[kms]\ndevice = \"/dev/dri/card7\"\n\
             [[output]]\nname = \"DP-1\"\nmode = \"800x600\"\ntransform = \"flipped-90\"\n\
             position = [5, -6]\nscale = 1.5\nvrr = true\n\
             [[output]]\nmake = \"DEL\"\nserial = \"1\"\nmode = \"640x480@75\"\noff = true\n\
             [guest.a]\ndisk = \"a\"\noutputs = [\"DP-1\"]\nfit = \"integer\"\nposition = [1, 2]\n",
        )
        .unwrap();
        let options = options(&config);
        assert_eq!(options.device, Some(PathBuf::from("/dev/dri/card7")));
        let [first, second] = options.outputs.as_slice() else {
            panic!("there are two sections");
        };
        assert_eq!(first.monitor.name.as_deref(), Some("DP-1"));
        let wanted = |millihertz, width, height| {
            Some(WantedMode {
                width,
                height,
                millihertz,
            })
        };
        assert_eq!(first.mode, wanted(None, 800, 600));
        assert_eq!(first.transform, Transform::Flipped90);
        assert_eq!(first.position, Some((5, -6)));
        assert_eq!(first.scale, Some(1.5));
        assert!(first.vrr && !first.off);
        assert_eq!(second.monitor.make.as_deref(), Some("DEL"));
        assert_eq!(second.monitor.serial.as_deref(), Some("1"));
        assert_eq!(second.mode, wanted(Some(75_000), 640, 480));
        assert!(second.off);
        assert_eq!(
            placement(&config.guests["a"]),
            Placement {
                outputs: vec!["DP-1".to_owned()],
                fit: Fit::Integer,
                position: Some((1, 2)),
            }
        );
    }
}
