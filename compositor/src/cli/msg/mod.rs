//! `lucarne msg`: a file for each family of requests.

mod guest;
mod guests;
mod keyboard;
mod outputs;
mod pointer;
mod scanout;
mod screenshot;
mod stats;
mod touch;
mod typing;
mod words;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use protocols::ipc::{Answer, MachineAction, Request};

use crate::ipc::client;

/// Asks the lucarne that is meant.
type Ask<'a> = &'a dyn Fn(&Request) -> Result<Answer, client::Error>;

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
  lucarne msg key ctrl+alt+f2
  lucarne msg type 'uname -a'
  lucarne msg pointer move 640 400
  lucarne msg scanout add 1 1920x1080
  lucarne msg resize --guest debian 1600x900
  lucarne msg power debian
  lucarne msg detach debian
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
    Screenshot(screenshot::Screenshot),
    /// Press keys of a guest's keyboard
    Key(keyboard::Key),
    /// Type a text on a guest's keyboard
    Type(keyboard::Type),
    /// Use a guest's pointer
    Pointer(pointer::Pointer),
    /// Use a guest's touch screen
    Touch(touch::Touch),
    /// Plug a guest's virtual monitors in and out
    Scanout(scanout::Scanout),
    /// Give the window of a guest's virtual monitor another size
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
    /// Take a guest's windows away and let it run on; `lucarne attach` shows it again
    Detach {
        /// The guest
        guest: String,
    },
    /// Press a guest's power button
    Power {
        /// The guest
        guest: String,
    },
    /// Stop a guest's processors
    Pause {
        /// The guest
        guest: String,
    },
    /// Let a guest's processors go on
    Resume {
        /// The guest
        guest: String,
    },
    /// Press a guest's reset button
    Reset {
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

impl Msg {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let socket = client::find_socket()?;
        let ask = |request: &Request| client::ask(&socket, request);
        let mut answer = Answer::Done;
        for request in self.request.requests(&ask)? {
            answer = ask(&request)?;
        }
        let text = if self.json {
            format!("{}\n", serde_json::to_string_pretty(&answer)?)
        } else {
            describe(&answer)
        };
        io::stdout().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl RequestArg {
    /// What to ask for, one thing after the other. The last one's answer is the user's.
    fn requests(self, ask: Ask<'_>) -> anyhow::Result<Vec<Request>> {
        let machine = |guest, action| Request::Machine { guest, action };
        let request = match self {
            Self::Key(key) => return key.requests(ask),
            Self::Type(text) => return text.requests(ask),
            Self::Pointer(pointer) => return pointer.requests(ask),
            Self::Touch(touch) => return touch.requests(ask),
            Self::Guests => Request::Guests,
            Self::Outputs => Request::Outputs,
            Self::Stats { guest } => Request::Stats { guest },
            Self::Screenshot(screenshot) => screenshot.request(ask)?,
            Self::Scanout(scanout) => scanout.request(ask)?,
            Self::Resize {
                guest,
                scanout,
                size,
            } => Request::Resize {
                guest,
                scanout,
                width: size.width,
                height: size.height,
            },
            Self::Focus { guest } => Request::Focus { guest },
            Self::Detach { guest } => Request::Detach { guest },
            Self::Power { guest } => machine(guest, MachineAction::Power),
            Self::Pause { guest } => machine(guest, MachineAction::Pause),
            Self::Resume { guest } => machine(guest, MachineAction::Resume),
            Self::Reset { guest } => machine(guest, MachineAction::Reset),
            Self::Restart { guest } => Request::Restart { guest },
            Self::Quit => Request::Quit,
        };
        Ok(vec![request])
    }
}

/// An answer for people.
pub(super) fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Done => String::new(),
        Answer::Guests(guests) => guests::describe(guests),
        Answer::Outputs(outputs) => outputs::describe(outputs),
        Answer::Stats(stats) => stats::describe(stats),
        Answer::Screenshot(screenshot) => format!(
            "{}: {}x{}\n",
            screenshot.path.display(),
            screenshot.width,
            screenshot.height
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use protocols::ipc::{InputAction, Press, TouchPoint};

    use super::{super::Cli, *};

    /// What a command line asks for; there is nobody to be asked first.
    fn asked(line: &str) -> Vec<Request> {
        let words = ["lucarne", "msg"].into_iter().chain(line.split(' '));
        let super::super::Command::Msg(msg) = Cli::try_parse_from(words).unwrap().command else {
            panic!("it is not `msg`");
        };
        let nobody = |_: &Request| -> Result<Answer, client::Error> { panic!("somebody is asked") };
        msg.request.requests(&nobody).unwrap()
    }

    fn action(line: &str) -> InputAction {
        let mut requests = asked(line);
        assert_eq!(requests.len(), 1, "{requests:?}");
        match requests.remove(0) {
            Request::Input { guest, action } => {
                assert_eq!(guest, "g");
                action
            }
            other => panic!("it is {other:?}"),
        }
    }

    #[test]
    fn hands_are_used_by_words() {
        let chords = |chords: &[&[u16]]| {
            InputAction::Chords(chords.iter().map(|chord| chord.to_vec()).collect())
        };
        let button = |code, action| InputAction::Button { code, action };
        for (line, expected) in [
            (
                "key --guest g ctrl+alt+f2 enter",
                chords(&[&[29, 56, 60], &[28]]),
            ),
            ("type --guest g Hi", chords(&[&[42, 35], &[23]])),
            (
                "pointer --guest g move -5 400",
                InputAction::PointerTo {
                    scanout: 0,
                    x: -5,
                    y: 400,
                },
            ),
            (
                "pointer move 1 2 --scanout 3 --guest g",
                InputAction::PointerTo {
                    scanout: 3,
                    x: 1,
                    y: 2,
                },
            ),
            (
                "pointer by 10 -5 --guest g",
                InputAction::PointerBy { dx: 10, dy: -5 },
            ),
            ("pointer click --guest g", button(0x110, Press::Click)),
            ("pointer down right --guest g", button(0x111, Press::Down)),
            ("pointer up middle --guest g", button(0x112, Press::Up)),
            (
                "pointer scroll --horizontal -1.5 --guest g",
                InputAction::Scroll {
                    horizontal: -180,
                    vertical: 0,
                },
            ),
            (
                "touch move 7 8 --finger 2 --scanout 1 --guest g",
                InputAction::Touch(vec![TouchPoint {
                    finger: 2,
                    scanout: 1,
                    x: 7,
                    y: 8,
                    down: true,
                }]),
            ),
        ] {
            assert_eq!(action(line), expected, "{line}");
        }
    }

    #[test]
    fn keys_that_stay_pressed_are_let_go_in_the_reverse_order() {
        let codes = |line| -> Vec<(u16, bool)> {
            let key = |request| match request {
                Request::Input {
                    action: InputAction::Key { code, pressed },
                    ..
                } => (code, pressed),
                other => panic!("it is {other:?}"),
            };
            asked(line).into_iter().map(key).collect()
        };
        assert_eq!(
            codes("key --guest g --down ctrl+shift"),
            [(29, true), (42, true)]
        );
        assert_eq!(
            codes("key --guest g --up ctrl+shift"),
            [(42, false), (29, false)]
        );
    }

    #[test]
    fn a_tap_is_down_and_up() {
        let downs: Vec<bool> = asked("touch tap 5 6 --guest g")
            .iter()
            .map(|request| match request {
                Request::Input {
                    action: InputAction::Touch(points),
                    ..
                } => points[0].down,
                other => panic!("it is {other:?}"),
            })
            .collect();
        assert_eq!(downs, [true, false]);
    }

    #[test]
    fn machines_and_monitors_are_asked_for_by_words() {
        let guest = || "g".to_owned();
        for (line, expected) in [
            (
                "scanout add 1 640x480 --guest g",
                Request::Scanout {
                    guest: guest(),
                    scanout: 1,
                    size: Some((640, 480)),
                },
            ),
            (
                "scanout remove 1 --guest g",
                Request::Scanout {
                    guest: guest(),
                    scanout: 1,
                    size: None,
                },
            ),
            (
                "pause g",
                Request::Machine {
                    guest: guest(),
                    action: MachineAction::Pause,
                },
            ),
            ("detach g", Request::Detach { guest: guest() }),
        ] {
            assert_eq!(asked(line), [expected], "{line}");
        }
    }
}
