//! `lucarne msg guests`

use protocols::ipc::{Guest, GuestState, MachineState};

use super::{
    super::table::Table,
    words::{or_dash, word},
};

pub(super) fn describe(guests: &[Guest]) -> String {
    if guests.is_empty() {
        return "There are no guests.\n".to_owned();
    }
    let mut table = Table::new(["GUEST", "STATE", "DEVICE", "VMM", "DIALECT"]);
    for guest in guests {
        table.row([
            guest.name.clone(),
            state(guest),
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

/// `running, detached`; `paused` for one that runs in all but its processors.
fn state(guest: &Guest) -> String {
    let mut state = match guest.machine {
        Some(machine) if machine != MachineState::Running => machine.to_string(),
        _ => word(&guest.state),
    };
    if guest.detached {
        state.push_str(", detached");
    }
    state
}

#[cfg(test)]
mod tests {
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
            detached: false,
            disk: None,
            machine: None,
        };
        let guests = [
            guest("a", GuestState::Running, Some(1234)),
            guest("debian", GuestState::Failed, None),
        ];
        assert_eq!(
            describe(&guests),
            "GUEST   STATE    DEVICE   VMM  DIALECT\n\
             a       running       7  1234        -\n\
             debian  failed        7     -        -\n\
             debian: last words\n"
        );
        assert_eq!(describe(&[]), "There are no guests.\n");
    }
}
