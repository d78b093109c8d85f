//! The command line: a file for each subcommand.
//!
//! A subcommand returns an error to be shown, or the process' exit status. Everything else that
//! can be typed wrongly is clap's to refuse, with exit status 2.

mod attach;
mod bare_flips;
mod bench;
mod bench_echo;
mod bench_null;
mod completions;
mod demo;
mod device;
mod doctor;
mod failure;
mod gpu;
mod hands;
mod headless;
mod kiosk;
mod log;
mod man;
mod managed;
mod msg;
mod nested;
mod print;
mod render;
mod run;
mod settings;
mod software_guest;
mod start;
mod table;
mod validate;
mod windows;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use gpu_device::renderer::choice::Machine;

pub(crate) use self::start::has_session;

/// Shows virtual machines as native Wayland surfaces.
///
/// Lucarne is the graphics device of a guest and the compositor that shows it. Each monitor of a
/// guest is a window of your own session with `lucarne run`, fills a monitor of a bare console with
/// `lucarne kiosk` or one window of an X11 or Wayland session with `lucarne nested`, or is an output
/// of a compositor without a screen with `lucarne headless`.
#[derive(Debug, Parser)]
#[command(
    name = "lucarne",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_long_help = "\
Examples:
  lucarne demo                      see it work, without any virtual machine
  lucarne run debian.qcow2          boot a disk image and show it in this session
  lucarne attach debian             show a guest that runs already in this session
  lucarne kiosk debian              show a guest of the configuration on a bare console
  lucarne doctor                    what this machine can do, and how to mend it
  lucarne bench                     what a frame costs, beside the alternatives

Environment:
  LUCARNE_LOG, RUST_LOG             what is logged, like debug or gpu_device=trace
  LUCARNE_SOCKET                    the control socket that `lucarne msg` talks to"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Attach(attach::Attach),
    Headless(headless::Headless),
    Kiosk(kiosk::Kiosk),
    Nested(nested::Nested),
    Demo(demo::Demo),
    Device(device::Device),
    Msg(msg::Msg),
    Doctor(doctor::Doctor),
    Bench(bench::Bench),
    Validate(validate::Validate),
    Completions(completions::Completions),
    Man(man::Man),
    SoftwareGuest(software_guest::SoftwareGuest),
    BenchNull(bench_null::BenchNull),
    Render(render::Render),
    BenchEcho(bench_echo::BenchEcho),
    BareFlips(bare_flips::BareFlips),
}

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = managed::arguments(std::env::args_os());
    if managed::asks_for_capabilities(&arguments) {
        let capabilities = managed::capabilities(&Machine::look(None));
        // To whom it could not be told nobody can say so.
        let _ = std::io::stdout().write_all(capabilities.as_bytes());
        return ExitCode::SUCCESS;
    }
    let cli = Cli::parse_from(arguments);
    let result = match cli.command {
        Command::Run(run) => run.main(),
        Command::Attach(attach) => attach.main(),
        Command::Headless(headless) => headless.main(),
        Command::Kiosk(kiosk) => kiosk.main(),
        Command::Nested(nested) => nested.main(),
        Command::Demo(demo) => demo.main(),
        Command::Device(device) => device.main(),
        Command::Msg(msg) => msg.main(),
        Command::Doctor(doctor) => doctor.main(),
        Command::Bench(bench) => bench.main(),
        Command::Validate(validate) => validate.main(),
        Command::Completions(completions) => completions.main(),
        Command::Man(man) => man.main(),
        Command::SoftwareGuest(guest) => guest.main(),
        Command::BenchNull(null) => null.main(),
        Command::Render(render) => render.main(),
        Command::BenchEcho(echo) => echo.main(),
        Command::BareFlips(flips) => flips.main(),
    };
    result.unwrap_or_else(|error| {
        failure::show(&error);
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests;
