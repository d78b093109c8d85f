//! Machines that are paused, reset and asked to shut down.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    thread::{self, JoinHandle},
};

use protocols::ipc::{ErrorCode, MachineAction, MachineState};

use super::*;

/// A monitor that does as QEMU's does. It ends with its connection, and gives the commands that it
/// got.
fn qemu(listener: UnixListener) -> JoinHandle<Vec<String>> {
    thread::spawn(move || talk(listener.accept().unwrap().0))
}

fn talk(stream: UnixStream) -> Vec<String> {
    let mut writer = stream.try_clone().unwrap();
    let mut say = |text: &str| {
        // The program leaves when the VMM has ended.
        let _ = writer.write_all(text.as_bytes());
    };
    say("{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
    let mut commands = Vec::new();
    let mut status = "running";
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let id = &line["id"];
        let command = line["execute"].as_str().unwrap().to_owned();
        match command.as_str() {
            "query-status" => say(&format!(
                "{{\"return\": {{\"status\": \"{status}\"}}, \"id\": {id}}}\r\n"
            )),
            "system_reset" => say(&format!(
                "{{\"id\": {id}, \"error\": {{\"class\": \"GenericError\", \"desc\": \"no\"}}}}\r\n"
            )),
            _ => say(&format!("{{\"return\": {{}}, \"id\": {id}}}\r\n")),
        }
        let event = match command.as_str() {
            "stop" => Some(("paused", "STOP")),
            "cont" => Some(("running", "RESUME")),
            _ => None,
        };
        if let Some((now, event)) = event {
            status = now;
            say(&format!(
                "{{\"event\": \"{event}\", \"timestamp\": {{}}}}\r\n"
            ));
        }
        commands.push(command);
    }
    commands
}

/// A VMM that says it speaks QMP, for which the test does.
const SPEAKS_QMP: &str = ": {qmp}; while :; do sleep 1000 & wait; done";

fn listener(fixture: &Fixture) -> UnixListener {
    UnixListener::bind(fixture.app.guests.folder().join("g.qmp")).unwrap()
}

fn until_off(fixture: &mut Fixture) {
    while !fixture.app.guests.all_off() {
        fixture.event_loop.dispatch(None, &mut fixture.app).unwrap();
    }
}

#[test]
fn a_machine_is_paused_and_goes_on() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    let qemu = qemu(listener(&fixture));
    fixture.start(SPEAKS_QMP, Restart::Never);
    fixture.until("running", |guest| {
        guest.machine == Some(MachineState::Running)
    });

    fixture
        .app
        .guests
        .machine("g", MachineAction::Pause)
        .unwrap();
    fixture.until("paused", |guest| {
        guest.machine == Some(MachineState::Paused)
    });
    // What stands still does not hear its button.
    fixture
        .app
        .guests
        .machine("g", MachineAction::Power)
        .unwrap();
    fixture.until("running", |guest| {
        guest.machine == Some(MachineState::Running)
    });
    // Refused, which is for the log.
    fixture
        .app
        .guests
        .machine("g", MachineAction::Reset)
        .unwrap();
    fixture.app.stop_guests();
    until_off(&mut fixture);

    assert_eq!(fixture.guest().machine, None);
    let commands = qemu.join().unwrap();
    let expected = [
        "qmp_capabilities",
        "query-status",
        "stop",
        "query-status",
        "system_powerdown",
        "cont",
        "query-status",
        "system_reset",
    ];
    assert_eq!(commands, expected);
}

#[test]
fn a_vmm_that_is_started_again_is_listened_to_again() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    let listener = listener(&fixture);
    let qemus = thread::spawn(move || {
        let talks = [0, 1].map(|_| talk(listener.accept().unwrap().0));
        talks.map(|commands| commands.len())
    });
    fixture.start(SPEAKS_QMP, Restart::Never);
    let first = fixture.until("running", |guest| {
        guest.machine == Some(MachineState::Running)
    });

    fixture.app.restart_guest("g");
    fixture.until("running again", |guest| {
        guest.vmm_pid != first.vmm_pid && guest.machine == Some(MachineState::Running)
    });
    fixture.app.stop_guests();
    until_off(&mut fixture);

    assert_eq!(qemus.join().unwrap(), [2, 2]);
}

#[test]
fn a_monitor_that_talks_nonsense_is_left_and_the_guest_goes_on() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    let listener = listener(&fixture);
    let other = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        stream.write_all(b"220 smtp.example.org ESMTP\r\n").unwrap();
        // Until it is left.
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    fixture.start(SPEAKS_QMP, Restart::Never);
    fixture.until("heard", |_| other.is_finished());

    assert_eq!(fixture.guest().state, GuestState::Running);
    let error = fixture
        .app
        .guests
        .machine("g", MachineAction::Pause)
        .unwrap_err();
    assert_eq!(
        error.text,
        "Could not pause g: its VMM does not listen yet. Try again in a moment"
    );
}

#[test]
fn what_takes_no_commands_is_said_with_what_helps() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    let mut refusal = |name: &str| {
        let error = fixture.app.guests.machine(name, MachineAction::Power);
        error.unwrap_err()
    };
    assert_eq!(refusal("g").code, ErrorCode::UnknownGuest);

    fixture.start(FOREVER, Restart::Never);
    fixture.until_state(GuestState::Running);

    let error = fixture
        .app
        .guests
        .machine("g", MachineAction::Power)
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
    assert_eq!(
        error.text,
        "Could not press the power button of g: its VMM takes no commands from lucarne. If it speaks \
         QMP, let it listen at {qmp} in vmm.arguments; else use its own tools"
    );
}

#[test]
fn a_failure_is_told_with_its_cause_and_a_remedy() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    fixture.start(
        "echo 'qemu-system-x86_64: -drive file=/srv/a.qcow2: Failed to get \"write\" lock'; exit 1",
        Restart::Never,
    );
    until_off(&mut fixture);
    let [failure] = &fixture.app.guests.failures()[..] else {
        panic!("not one failure");
    };
    assert!(
        failure
            .contains(": a disk image is in use by another program. Stop the guest that uses it"),
        "{failure}"
    );
}
