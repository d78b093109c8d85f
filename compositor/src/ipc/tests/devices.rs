//! Requests that a guest's device answers; the device is a shell script.

use std::{fs, os::unix::fs::PermissionsExt as _};

use config::guest::{Vmm, VmmKind};
use protocols::ipc::{GuestState, InputAction, MachineAction};

use super::*;

/// A guest `g` that runs; its device does `answers` with each request, which is in `$line`.
fn with_device(answers: &str) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("device.sh");
    // dash knows file descriptors up to 9 only.
    let script = format!(
        "#!/bin/bash\nwhile [ \"$1\" != --status-fd ]; do shift; done\nfd=$2\n\
         tell() {{ echo \"$1\" >&$fd; }}\n\
         tell '\"listening\"'; tell '{{\"connected\":{{\"dialect\":\"sh\"}}}}'\n\
         while read -r line <&$fd; do {answers}; done\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let mut fixture = Fixture::with(
        folder,
        DeviceOptions {
            program: Some(program),
            ..DeviceOptions::default()
        },
    );
    let forever = "while :; do sleep 1000 & wait; done";
    let guest = config::Guest {
        vmm: Vmm {
            kind: VmmKind::Custom,
            program: Some("/bin/sh".into()),
            arguments: vec!["-c".to_owned(), forever.to_owned()],
        },
        ..config::Guest::default()
    };
    fixture.app.guests.add("g", guest).unwrap();
    fixture.app.start_guest("g");
    while fixture.app.guests.describe()[0].state != GuestState::Running {
        fixture.event_loop.dispatch(None, &mut fixture.app).unwrap();
    }
    fixture
}

fn guest() -> String {
    "g".to_owned()
}

fn key() -> Request {
    Request::Input {
        guest: guest(),
        action: InputAction::Chords(vec![vec![30]]),
    }
}

fn attach() -> Request {
    Request::Attach {
        guest: guest(),
        display: Some("/run/wayland-1".into()),
    }
}

const DONE: Reply = Reply::Ok(Answer::Done);

#[test]
fn a_request_is_answered_when_the_device_has_done_it() {
    let mut fixture = with_device(
        "case $line in *input*) tell '{\"answer\":{\"to\":\"input\",\"error\":null}}';; \
         *) tell '{\"answer\":{\"to\":\"scanout\",\"error\":\"no room\"}}';; esac",
    );
    assert_eq!(fixture.ask(&key()), DONE);
    let refused = fixture.ask(&Request::Scanout {
        guest: guest(),
        scanout: 1,
        size: Some((640, 480)),
    });
    assert_eq!(refused, Reply::error(ErrorCode::Failed, "no room"));
}

#[test]
fn each_client_gets_the_answer_to_its_own_request() {
    // Answers come when both have asked, the second one's first.
    let mut fixture = with_device(
        "case $line in *attach*) ;; *) tell '{\"answer\":{\"to\":\"input\",\"error\":\"i\"}}'; \
         tell '{\"answer\":{\"to\":\"attach\",\"error\":\"a\"}}';; esac",
    );
    let mut first = fixture.client();
    let mut second = fixture.client();
    for (client, request) in [(&mut first, attach()), (&mut second, key())] {
        let mut line = serde_json::to_vec(&request).unwrap();
        line.push(b'\n');
        client.get_mut().write_all(&line).unwrap();
        fixture
            .event_loop
            .dispatch(Some(Duration::from_millis(100)), &mut fixture.app)
            .unwrap();
    }
    assert_eq!(
        fixture.reply(&mut first),
        Reply::error(ErrorCode::Failed, "a")
    );
    assert_eq!(
        fixture.reply(&mut second),
        Reply::error(ErrorCode::Failed, "i")
    );
}

#[test]
fn a_device_that_ends_leaves_nobody_waiting() {
    let mut fixture = with_device("exit 3");
    let reply = fixture.ask(&attach());
    let Reply::Error(error) = reply else {
        panic!("it is {reply:?}")
    };
    assert!(
        error.text.contains("graphics device has ended"),
        "{}",
        error.text
    );
    // The device is about to be started again, and can't be asked meanwhile.
    let reply = fixture.ask(&key());
    let Reply::Error(error) = reply else {
        panic!("it is {reply:?}")
    };
    assert!(error.text.contains("restart"), "{}", error.text);
}

#[test]
fn what_can_not_be_done_is_refused_before_the_device_is_asked() {
    let mut fixture = with_device("exit 3");
    let scanout = |scanout| Request::Scanout {
        guest: guest(),
        scanout,
        size: None,
    };
    assert_eq!(code(fixture.ask(&scanout(4))), ErrorCode::UnknownScanout);
    let machine = Request::Machine {
        guest: guest(),
        action: MachineAction::Pause,
    };
    assert_eq!(code(fixture.ask(&machine)), ErrorCode::Unsupported);
}

#[test]
fn nobody_is_asked_about_guests_that_are_not_there() {
    let mut fixture = Fixture::new();
    for request in [
        key(),
        attach(),
        Request::Detach { guest: guest() },
        Request::Machine {
            guest: guest(),
            action: MachineAction::Power,
        },
        Request::Scanout {
            guest: guest(),
            scanout: 0,
            size: None,
        },
    ] {
        assert_eq!(code(fixture.ask(&request)), ErrorCode::UnknownGuest);
    }
}
