//! `lucarne attach`, and what `lucarne run` needs of it.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::bail;
use clap::Args;
use protocols::ipc::{Answer, Guest, GuestState, Request};

use crate::ipc::client;

/// How long a lucarne may take to tell which guests it has. One that hangs has none to attach.
const SURVEY_LIMIT: Duration = Duration::from_secs(2);

/// Show a running guest in your Wayland session.
///
/// For guests that were detached (`lucarne msg detach`, on_close = "detach", `lucarne run
/// --detached`), and for those that another lucarne of yours shows elsewhere: their windows come
/// here.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne attach                    the only guest, in this session
  lucarne attach debian
  lucarne attach debian --display wayland-1
  WAYLAND_DISPLAY= lucarne attach debian
                                    where the lucarne that runs it shows its guests")]
pub(super) struct Attach {
    /// The guest [default: the only one]
    guest: Option<String>,
    /// The Wayland display: a name in $XDG_RUNTIME_DIR or a path [default: $WAYLAND_DISPLAY]
    #[arg(long, value_name = "NAME")]
    display: Option<PathBuf>,
}

/// A guest, and the control socket of the lucarne that runs it.
#[derive(Debug)]
pub(super) struct Found {
    socket: PathBuf,
    pub(super) guest: Guest,
}

impl Attach {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let sockets = client::all_sockets()?;
        if sockets.is_empty() {
            // Its error says where was looked.
            client::find_socket()?;
        }
        let found = choose(guests_of(&sockets), self.guest.as_deref())?;
        let display = match &self.display {
            Some(display) => Some(full(display.as_os_str())),
            None => own_display(),
        };
        writeln!(io::stdout(), "{}", found.attach(display)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Found {
    /// Shows the guest on a display, on that of its lucarne where `None`. What to tell the user.
    pub(super) fn attach(&self, display: Option<PathBuf>) -> Result<String, client::Error> {
        let place = match &display {
            Some(display) => format!("on {}", display.display()),
            None => "where it belongs".to_owned(),
        };
        let guest = self.guest.name.clone();
        let told = format!("The guest {guest} is shown {place}");
        client::ask(&self.socket, &Request::Attach { guest, display })?;
        Ok(told)
    }
}

/// The Wayland display of this process, for another process.
pub(super) fn own_display() -> Option<PathBuf> {
    let name = env::var_os("WAYLAND_DISPLAY").filter(|name| !name.is_empty())?;
    Some(full(&name))
}

/// A display's path: another process may have another folder for sockets.
fn full(name: &OsStr) -> PathBuf {
    match env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => Path::new(&folder).join(name),
        None => name.into(),
    }
}

/// The guests of these lucarnes that have processes. Those that do not answer are left out.
pub(super) fn guests_of(sockets: &[PathBuf]) -> Vec<Found> {
    let guests = |socket: &PathBuf| match client::ask_within(socket, &Request::Guests, SURVEY_LIMIT)
    {
        Ok(Answer::Guests(guests)) => guests,
        Ok(_) | Err(_) => Vec::new(),
    };
    sockets
        .iter()
        .flat_map(|socket| {
            let found = |guest| Found {
                socket: socket.clone(),
                guest,
            };
            guests(socket).into_iter().map(found)
        })
        .collect()
}

/// Whether a guest can be shown.
pub(super) fn is_there(guest: &Guest) -> bool {
    !matches!(guest.state, GuestState::Stopped | GuestState::Failed)
}

/// The guest that is meant.
fn choose(mut guests: Vec<Found>, name: Option<&str>) -> anyhow::Result<Found> {
    if let Some(name) = name {
        let known: Vec<String> = guests.iter().map(|it| it.guest.name.clone()).collect();
        guests.retain(|found| found.guest.name == name);
        if guests.is_empty() {
            let known = match known.is_empty() {
                true => "no lucarne of yours has any".to_owned(),
                false => format!("there is {}", known.join(", ")),
            };
            bail!("Could not find a guest {name} that runs: {known}. Start it with `lucarne run`");
        }
    }
    // One that is off does not make the choice harder.
    if guests.iter().any(|found| is_there(&found.guest)) {
        guests.retain(|found| is_there(&found.guest));
    }
    match (guests.pop(), guests.first()) {
        (None, _) => bail!("Could not find a guest that runs. Start one with `lucarne run`"),
        (Some(found), None) => Ok(found),
        (Some(found), Some(other)) if found.guest.name == other.guest.name => bail!(
            "Could not choose between the guests {} of several lucarnes. Set LUCARNE_SOCKET to {} \
             or {}",
            found.guest.name,
            other.socket.display(),
            found.socket.display()
        ),
        (Some(found), Some(_)) => {
            let names = guests.iter().chain([&found]);
            let names: Vec<&str> = names.map(|found| found.guest.name.as_str()).collect();
            bail!(
                "Could not choose between the guests {}. Name one",
                names.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(socket: &str, name: &str, state: GuestState) -> Found {
        Found {
            socket: socket.into(),
            guest: Guest {
                name: name.to_owned(),
                state,
                device_pid: None,
                vmm_pid: None,
                dialect: None,
                last_output: Vec::new(),
                detached: false,
                disk: None,
                machine: None,
                renderer: None,
            },
        }
    }

    #[test]
    fn the_guest_that_runs_is_meant() {
        use GuestState::{Running, Stopped};
        let three = || {
            vec![
                found("/1", "a", Running),
                found("/1", "b", Stopped),
                found("/2", "c", Running),
            ]
        };
        let chosen = choose(three(), Some("c")).unwrap();
        assert_eq!(chosen.socket, Path::new("/2"));
        // Its lucarne says what to do about one that is off.
        assert_eq!(choose(three(), Some("b")).unwrap().guest.name, "b");
        let error = choose(three(), None).unwrap_err().to_string();
        assert!(error.contains("the guests a, c. Name one"), "{error}");
        let mut two = three();
        two.pop();
        assert_eq!(choose(two, None).unwrap().guest.name, "a");
    }

    #[test]
    fn what_can_not_be_chosen_is_said() {
        use GuestState::Running;
        let error = |guests, name| choose(guests, name).unwrap_err().to_string();
        let text = error(vec![found("/1", "a", Running)], Some("d"));
        assert!(text.contains("a guest d that runs: there is a"), "{text}");
        let text = error(Vec::new(), Some("d"));
        assert!(text.contains("no lucarne of yours has any"), "{text}");
        let twice = vec![found("/1", "a", Running), found("/2", "a", Running)];
        let text = error(twice, Some("a"));
        assert!(text.contains("LUCARNE_SOCKET to /1 or /2"), "{text}");
    }
}
