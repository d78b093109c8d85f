//! `--guest`, which may be left out where there is only one.

use anyhow::bail;
use clap::Args;
use protocols::ipc::{Answer, Request};

use super::Ask;

#[derive(Debug, Args)]
pub(super) struct OfGuest {
    /// The guest [default: the only one]
    #[arg(long, global = true)]
    guest: Option<String>,
}

impl OfGuest {
    /// The guest's name.
    pub(super) fn name(self, ask: Ask<'_>) -> anyhow::Result<String> {
        match self.guest {
            Some(name) => Ok(name),
            None => only(ask),
        }
    }
}

/// The name of the only guest.
fn only(ask: Ask<'_>) -> anyhow::Result<String> {
    let guests = match ask(&Request::Guests)? {
        Answer::Guests(guests) => guests,
        other => bail!("Could not understand the answer {other:?}"),
    };
    let mut names: Vec<String> = guests.into_iter().map(|guest| guest.name).collect();
    match (names.pop(), names.is_empty()) {
        (None, _) => bail!("Could not find a guest: this lucarne has none"),
        (Some(name), true) => Ok(name),
        (Some(name), false) => {
            names.push(name);
            bail!(
                "Could not choose between the guests {}. Name one with --guest",
                names.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use protocols::ipc::{Guest, GuestState};

    use super::*;

    fn chosen(names: &[&str]) -> anyhow::Result<String> {
        let guest = |name: &&str| Guest {
            name: (*name).to_owned(),
            state: GuestState::Running,
            device_pid: None,
            vmm_pid: None,
            dialect: None,
            last_output: Vec::new(),
            detached: false,
            disk: None,
            machine: None,
            renderer: None,
        };
        let guests: Vec<Guest> = names.iter().map(guest).collect();
        only(&|_| Ok(Answer::Guests(guests.clone())))
    }

    #[test]
    fn the_only_guest_needs_no_name() {
        assert_eq!(chosen(&["a"]).unwrap(), "a");
        assert!(chosen(&[]).is_err());
        let error = chosen(&["a", "b"]).unwrap_err().to_string();
        assert!(error.contains("the guests a, b. Name one"), "{error}");
    }
}
