//! `lucarne msg`

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use protocols::ipc::{
    Answer, Guest, GuestState, GuestStats, Output, Plane, PlaneOwner, PresentPath, Request,
    ScanoutStats, ScreenshotTarget,
};

use super::table::Table;
use crate::ipc::client;

/// Ask a running lucarne.
///
/// Talks to $LUCARNE_SOCKET, or to the only lucarne of this user.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne msg guests
  lucarne msg --json stats
  lucarne msg screenshot --guest debian picture.png
  lucarne msg screenshot --output HEADLESS-1 picture.png
  lucarne msg resize --guest debian 1600x900
  lucarne msg focus debian
  lucarne msg restart debian
  lucarne msg quit")]
pub(super) struct Msg {
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    request: RequestArg,
}

#[derive(Debug, Subcommand)]
enum RequestArg {
    /// List the guests
    Guests,
    /// List the outputs: modes, frames, and what is on which plane
    Outputs,
    /// Show what the guests' devices have counted: frames, copies, delays
    Stats {
        /// Of this guest only
        #[arg(long)]
        guest: Option<String>,
    },
    /// Save what is shown as a PNG file
    Screenshot(Screenshot),
    /// Give a guest's virtual monitor another size
    Resize {
        /// The guest
        #[arg(long)]
        guest: String,
        /// Which of its virtual monitors, from 0
        #[arg(long, default_value_t = 0, value_name = "N")]
        scanout: u8,
        /// The size in pixels
        #[arg(value_name = "WxH")]
        size: config::Mode,
    },
    /// Switch to a guest: show it on its monitors, and give it the keyboard
    Focus {
        /// The guest
        guest: String,
    },
    /// Stop a guest and start it again
    Restart {
        /// The guest
        guest: String,
    },
    /// End it, and the guests that it started
    Quit,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("target").args(["guest", "output"])))]
struct Screenshot {
    /// A guest's virtual monitor, in its own pixels
    #[arg(long)]
    guest: Option<String>,
    /// Which of its virtual monitors, from 0
    #[arg(long, requires = "guest", value_name = "N")]
    scanout: Option<u8>,
    /// An output, with everything on it [default: the first one]
    #[arg(long)]
    output: Option<String>,
    /// The file
    #[arg(value_name = "FILE.png")]
    file: PathBuf,
}

impl Msg {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let socket = client::find_socket()?;
        let ask = |request: &Request| client::ask(&socket, request);
        let request = match self.request {
            RequestArg::Guests => Request::Guests,
            RequestArg::Outputs => Request::Outputs,
            RequestArg::Stats { guest } => Request::Stats { guest },
            RequestArg::Screenshot(screenshot) => screenshot.request(|| ask(&Request::Outputs))?,
            RequestArg::Resize {
                guest,
                scanout,
                size,
            } => Request::Resize {
                guest,
                scanout,
                width: size.width,
                height: size.height,
            },
            RequestArg::Focus { guest } => Request::Focus { guest },
            RequestArg::Restart { guest } => Request::Restart { guest },
            RequestArg::Quit => Request::Quit,
        };
        let answer = ask(&request)?;
        let text = if self.json {
            format!("{}\n", serde_json::to_string_pretty(&answer)?)
        } else {
            describe(&answer)
        };
        io::stdout().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Screenshot {
    /// `outputs` is asked only where the first output is meant.
    fn request(
        self,
        outputs: impl FnOnce() -> Result<Answer, client::Error>,
    ) -> anyhow::Result<Request> {
        let target = match (self.guest, self.output) {
            (Some(name), _) => ScreenshotTarget::Guest {
                name,
                scanout: self.scanout.unwrap_or(0),
            },
            (None, Some(name)) => ScreenshotTarget::Output { name },
            (None, None) => match outputs()? {
                Answer::Outputs(outputs) => ScreenshotTarget::Output {
                    name: outputs
                        .into_iter()
                        .next()
                        .context("There is no output")?
                        .name,
                },
                other => anyhow::bail!("Could not understand the answer {other:?}"),
            },
        };
        // The server has another working directory.
        let path = env::current_dir()
            .context("Could not find the working directory. Give an absolute path")?
            .join(self.file);
        Ok(Request::Screenshot { target, path })
    }
}

/// An answer for people.
pub(super) fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Done => String::new(),
        Answer::Guests(guests) => describe_guests(guests),
        Answer::Outputs(outputs) => describe_outputs(outputs),
        Answer::Stats(stats) => describe_stats(stats),
        Answer::Screenshot(screenshot) => format!(
            "{}: {}x{}\n",
            screenshot.path.display(),
            screenshot.width,
            screenshot.height
        ),
    }
}

/// A name as it is in the JSON.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', "-"),
        _ => "-".to_owned(),
    }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn describe_guests(guests: &[Guest]) -> String {
    if guests.is_empty() {
        return "There are no guests.\n".to_owned();
    }
    let mut table = Table::new(["GUEST", "STATE", "DEVICE", "VMM", "DIALECT"]);
    for guest in guests {
        table.row([
            guest.name.clone(),
            word(&guest.state),
            or_dash(guest.device_pid),
            or_dash(guest.vmm_pid),
            or_dash(guest.dialect.as_ref()),
        ]);
    }
    let mut text = table.to_string();
    let failed = |guest: &&Guest| guest.state == GuestState::Failed;
    for guest in guests.iter().filter(failed) {
        for line in guest.last_output.iter().rev().take(3).rev() {
            text.push_str(&format!("{}: {line}\n", guest.name));
        }
    }
    text
}

fn describe_outputs(outputs: &[Output]) -> String {
    if outputs.is_empty() {
        return "No monitor is connected.\n".to_owned();
    }
    let mut table = Table::new([
        "OUTPUT", "MODE", "AT", "SCALE", "RENDERER", "DIRECT", "DRAWN", "MISSED",
    ]);
    let mut details = String::new();
    for output in outputs {
        table.row([
            output.name.clone(),
            mode(output.width, output.height, output.millihertz),
            format!("{},{}", output.position.x, output.position.y),
            output.scale.to_string(),
            word(&output.renderer),
            output.frames.direct.to_string(),
            output.frames.composited.to_string(),
            output.frames.missed.to_string(),
        ]);
        if let Some(monitor) = describe_monitor(output) {
            details.push_str(&format!("{}: {monitor}\n", output.name));
        }
        for plane in &output.planes {
            details.push_str(&format!("{}: {}\n", output.name, describe_plane(plane)));
        }
        if let Some(reason) = &output.composited {
            details.push_str(&format!("{}: composited: {}\n", output.name, reason.text));
        }
    }
    format!("{table}{details}")
}

/// `DEL U2720Q ABC123, 597x336 mm, 14 modes, best 3840x2160@60, turned 90`. `None` where there is
/// nothing to say.
fn describe_monitor(output: &Output) -> Option<String> {
    let monitor = &output.monitor;
    let names = [&monitor.make, &monitor.model, &monitor.serial];
    let names = names.into_iter().filter(|name| !name.is_empty());
    let mut parts = vec![names.map(String::as_str).collect::<Vec<_>>().join(" ")];
    if monitor.width_mm > 0 && monitor.height_mm > 0 {
        parts.push(format!("{}x{} mm", monitor.width_mm, monitor.height_mm));
    }
    if output.modes.len() > 1 {
        parts.push(format!("{} modes", output.modes.len()));
    }
    if let Some(best) = output.modes.iter().find(|mode| mode.preferred) {
        let best = mode(best.width, best.height, best.millihertz);
        parts.push(format!("best {best}"));
    }
    if output.transform != "normal" {
        parts.push(format!("turned {}", output.transform));
    }
    if output.vrr {
        parts.push("refreshes when there is something to show".to_owned());
    }
    if !output.enabled {
        parts.push("dark now".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `primary plane: debian/0, XR24 1024x768 at 0,0 (framebuffer 42)`.
fn describe_plane(plane: &Plane) -> String {
    let owner = match &plane.owner {
        PlaneOwner::Guest {
            name,
            scanout: Some(scanout),
        } => format!("{name}/{scanout}"),
        PlaneOwner::Guest {
            name,
            scanout: None,
        } => name.clone(),
        PlaneOwner::Client { app_id } if app_id.is_empty() => "a program".to_owned(),
        PlaneOwner::Client { app_id } => app_id.clone(),
        PlaneOwner::Sign => "lucarne itself".to_owned(),
        PlaneOwner::Composed => "the composited picture".to_owned(),
        PlaneOwner::Unknown => "unknown".to_owned(),
    };
    let Plane {
        width,
        height,
        x,
        y,
        framebuffer,
        ..
    } = plane;
    format!(
        "{} plane: {owner}, {} {width}x{height} at {x},{y} (framebuffer {framebuffer})",
        word(&plane.kind),
        or_dash(plane.format.as_ref()),
    )
}

fn mode(width: u32, height: u32, millihertz: u32) -> String {
    config::Mode {
        width,
        height,
        millihertz,
    }
    .to_string()
}

fn describe_stats(stats: &[GuestStats]) -> String {
    let mut table = Table::new([
        "SCREEN", "MODE", "FLUSHED", "SHOWN", "MISSED", "COPIED", "PATH", "P50", "P99",
    ]);
    let mut reasons = String::new();
    for guest in stats {
        for scanout in &guest.device.scanouts {
            let screen = format!("{}/{}", guest.guest, scanout.scanout);
            if let Some(reason) = &scanout.reason {
                reasons.push_str(&format!(
                    "{screen}: {}: {}\n",
                    word(&scanout.path),
                    reason.text
                ));
            }
            table.row(stats_row(screen, scanout));
        }
    }
    if stats.is_empty() {
        return "No guest's device has counted anything.\n".to_owned();
    }
    format!("{table}{reasons}")
}

fn stats_row(screen: String, scanout: &ScanoutStats) -> [String; 9] {
    let mode = match scanout.path {
        PresentPath::Nothing => "-".to_owned(),
        _ => mode(scanout.width, scanout.height, scanout.millihertz),
    };
    [
        screen,
        mode,
        scanout.frames_flushed.to_string(),
        scanout.frames_presented.to_string(),
        scanout.frames_missed.to_string(),
        bytes(scanout.bytes_copied),
        word(&scanout.path),
        milliseconds(scanout.flush_to_present_p50_us),
        milliseconds(scanout.flush_to_present_p99_us),
    ]
}

fn milliseconds(microseconds: Option<u64>) -> String {
    or_dash(microseconds.map(|us| format!("{}.{} ms", us / 1000, us % 1000 / 100)))
}

/// `0 B`, `12.3 MiB`.
fn bytes(count: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if count / unit < 1024 || name == "TiB" {
            return match unit {
                1 => format!("{count} {name}"),
                _ => format!("{}.{} {name}", count / unit, count % unit * 10 / unit),
            };
        }
        unit *= 1024;
    }
    format!("{count} B")
}

#[cfg(test)]
mod tests {
    use protocols::ipc::{
        DeviceStats, MonitorIdentity, OutputFrames, OutputMode, PlaneKind, Position, Reason,
        Renderer,
    };

    use super::*;

    #[test]
    fn guests_are_a_table() {
        let guest = |name: &str, state, vmm_pid| Guest {
            name: name.to_owned(),
            state,
            device_pid: Some(7),
            vmm_pid,
            dialect: None,
            last_output: vec!["last words".to_owned()],
        };
        let guests = [
            guest("a", GuestState::Running, Some(1234)),
            guest("debian", GuestState::Failed, None),
        ];
        assert_eq!(
            describe(&Answer::Guests(guests.to_vec())),
            "GUEST   STATE    DEVICE   VMM  DIALECT\n\
             a       running       7  1234        -\n\
             debian  failed        7     -        -\n\
             debian: last words\n"
        );
        assert_eq!(
            describe(&Answer::Guests(Vec::new())),
            "There are no guests.\n"
        );
    }

    fn monitor() -> Output {
        Output {
            name: "DP-1".to_owned(),
            width: 1920,
            height: 1080,
            millihertz: 59_940,
            position: Position { x: 0, y: 0 },
            scale: 1.5,
            renderer: Renderer::Pixman,
            monitor: MonitorIdentity::default(),
            transform: "normal".to_owned(),
            vrr: false,
            enabled: true,
            modes: Vec::new(),
            frames: OutputFrames {
                direct: 3,
                composited: 2,
                missed: 1,
            },
            planes: Vec::new(),
            composited: None,
        }
    }

    #[test]
    fn what_is_known_of_a_monitor_is_a_line() {
        assert_eq!(describe_monitor(&monitor()), None);
        let mode = |width, preferred| OutputMode {
            width,
            height: 1080,
            millihertz: 60_000,
            preferred,
        };
        let known = Output {
            monitor: MonitorIdentity {
                make: "DEL".to_owned(),
                serial: "ABC".to_owned(),
                width_mm: 520,
                height_mm: 320,
                ..MonitorIdentity::default()
            },
            modes: vec![mode(1280, false), mode(1920, true)],
            transform: "flipped-90".to_owned(),
            vrr: true,
            enabled: false,
            ..monitor()
        };
        assert_eq!(
            describe_monitor(&known).unwrap(),
            "DEL ABC, 520x320 mm, 2 modes, best 1920x1080@60, turned flipped-90, \
             refreshes when there is something to show, dark now"
        );
    }

    #[test]
    fn outputs_are_a_table_with_their_planes_below() {
        let mut output = monitor();
        let plane = |kind, owner, x| Plane {
            kind,
            framebuffer: 42,
            format: Some("XR24".to_owned()),
            width: 64,
            height: 32,
            x,
            y: -1,
            owner,
        };
        let guest = PlaneOwner::Guest {
            name: "debian".to_owned(),
            scanout: Some(0),
        };
        output.planes = vec![
            plane(PlaneKind::Primary, guest, 0),
            plane(PlaneKind::Overlay, PlaneOwner::Sign, 7),
        ];
        output.composited = Some(Reason {
            code: "covered".to_owned(),
            text: "something lies over it".to_owned(),
        });
        let text = describe(&Answer::Outputs(vec![output]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "DP-1 1920x1080@59.94 0,0 1.5 pixman 3 2 1"
        );
        assert_eq!(
            lines[2..],
            [
                "DP-1: primary plane: debian/0, XR24 64x32 at 0,-1 (framebuffer 42)",
                "DP-1: overlay plane: lucarne itself, XR24 64x32 at 7,-1 (framebuffer 42)",
                "DP-1: composited: something lies over it",
            ]
        );
        assert_eq!(
            describe(&Answer::Outputs(Vec::new())),
            "No monitor is connected.\n"
        );
    }

    #[test]
    fn stats_are_a_table_with_reasons_below() {
        let scanout = ScanoutStats {
            scanout: 0,
            width: 640,
            height: 480,
            millihertz: 60_000,
            frames_flushed: 120,
            frames_presented: 118,
            frames_missed: 2,
            bytes_copied: 147_456_000,
            path: PresentPath::SharedMemory,
            reason: Some(Reason {
                code: "no_udmabuf".to_owned(),
                text: "/dev/udmabuf is missing".to_owned(),
            }),
            flush_to_present_p50_us: Some(8_250),
            ..ScanoutStats::default()
        };
        let device = DeviceStats {
            dialect: None,
            scanouts: vec![scanout],
        };
        let stats = GuestStats {
            guest: "a".to_owned(),
            device,
        };
        let text = describe(&Answer::Stats(vec![stats]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "a/0 640x480@60 120 118 2 140.6 MiB shared-memory 8.2 ms -"
        );
        assert_eq!(lines[2], "a/0: shared-memory: /dev/udmabuf is missing");
    }

    #[test]
    fn amounts_are_readable() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
