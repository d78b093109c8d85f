use proptest::prelude::*;

use super::*;

/// As QEMU 11.1 greets.
const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 2, "minor": 1, "major": 11}, "package": ""}, "capabilities": ["oob"]}}"#;

/// A QEMU at the other end, by hand.
struct Other {
    session: Session,
    now: Instant,
}

impl Other {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(now),
            now,
        }
    }

    /// One that listens, with a machine in this state.
    fn ready(status: &str) -> Self {
        let mut other = Self::new();
        other.says(GREETING);
        other.says(r#"{"return": {}, "id": 0}"#);
        other.status(1, status);
        other.heard();
        other
    }

    fn says(&mut self, line: &str) -> Vec<News> {
        self.session.on_line(line.as_bytes(), self.now).unwrap()
    }

    fn status(&mut self, id: u64, status: &str) -> Vec<News> {
        self.says(&format!(
            r#"{{"return": {{"status": "{status}", "running": false}}, "id": {id}}}"#
        ))
    }

    /// What it was sent: commands and their numbers.
    fn heard(&mut self) -> Vec<(String, u64)> {
        String::from_utf8(self.session.take_output())
            .unwrap()
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let command = line["execute"].as_str().unwrap().to_owned();
                (command, line["id"].as_u64().unwrap())
            })
            .collect()
    }

    fn commands(&mut self) -> Vec<String> {
        self.heard()
            .into_iter()
            .map(|(command, _)| command)
            .collect()
    }

    fn ask(&mut self, action: MachineAction) -> Result<(), Option<AskError>> {
        self.session.ask(action, self.now)
    }
}

#[test]
fn capabilities_are_negotiated_and_the_state_is_asked_for() {
    let mut other = Other::new();
    assert_eq!(other.commands(), [""; 0]);

    other.says(GREETING);
    assert_eq!(other.heard(), [("qmp_capabilities".to_owned(), 0)]);
    let news = other.says(r#"{"return": {}, "id": 0}"#);
    assert_eq!(news, [News::Ready]);
    assert_eq!(other.heard(), [("query-status".to_owned(), 1)]);
    let news = other.status(1, "running");
    assert_eq!(news, [News::State(MachineState::Running)]);
    assert_eq!(other.session.state(), Some(MachineState::Running));
}

#[test]
fn what_is_asked_too_early_waits() {
    let mut other = Other::new();
    other.ask(MachineAction::Pause).unwrap();
    assert_eq!(other.commands(), [""; 0]);

    other.says(GREETING);
    other.says(r#"{"return": {}, "id": 0}"#);

    assert_eq!(
        other.commands(),
        ["qmp_capabilities", "query-status", "stop"]
    );
}

#[test]
fn an_event_makes_the_state_be_asked_for_once() {
    let mut other = Other::ready("running");
    for event in ["STOP", "SHUTDOWN", "RESET"] {
        other.says(&format!(
            r#"{{"timestamp": {{"seconds": 1, "microseconds": 2}}, "event": "{event}", "data": {{"guest": true, "reason": "guest-shutdown"}}}}"#
        ));
    }
    let heard = other.heard();
    assert_eq!(heard, [("query-status".to_owned(), 2)]);

    assert_eq!(
        other.status(2, "shutdown"),
        [News::State(MachineState::ShutDown)]
    );
    other.says(r#"{"event": "RESUME", "timestamp": {}}"#);
    assert_eq!(other.heard(), [("query-status".to_owned(), 3)]);
}

#[test]
fn each_action_has_its_command() {
    for (status, action, expected) in [
        ("running", MachineAction::Power, &["system_powerdown"][..]),
        ("running", MachineAction::Pause, &["stop"]),
        ("paused", MachineAction::Resume, &["cont"]),
        ("running", MachineAction::Reset, &["system_reset"]),
        // A machine that stands still does not hear its button.
        (
            "paused",
            MachineAction::Power,
            &["system_powerdown", "cont"],
        ),
        ("suspended", MachineAction::Resume, &["system_wakeup"]),
        (
            "suspended",
            MachineAction::Power,
            &["system_wakeup", "system_powerdown"],
        ),
        (
            "guest-panicked",
            MachineAction::Reset,
            &["system_reset", "cont"],
        ),
        ("io-error", MachineAction::Resume, &["cont"]),
    ] {
        let mut other = Other::ready(status);
        other.ask(action).unwrap();
        assert_eq!(other.commands(), expected, "{action:?} of a {status} one");
    }
}

#[test]
fn a_crashed_machine_does_not_go_on() {
    let mut other = Other::ready("internal-error");
    let error = other.ask(MachineAction::Resume).unwrap_err().unwrap();
    assert_eq!(
        error.to_string(),
        "the machine is crashed. Reset or restart it"
    );
}

#[test]
fn a_refusal_is_told_in_qemu_s_words() {
    let mut other = Other::ready("running");
    other.ask(MachineAction::Reset).unwrap();
    let (_, id) = other.heard().remove(0);
    let news = other.says(&format!(
        r#"{{"id": {id}, "error": {{"class": "GenericError", "desc": "Not\u001b[2J now"}}}}"#
    ));
    assert_eq!(
        news,
        [News::Refused {
            command: "system_reset",
            reason: "Not[2J now".to_owned()
        }]
    );
}

#[test]
fn a_full_disk_is_told_once() {
    let mut other = Other::ready("running");
    let event = r#"{"event": "BLOCK_IO_ERROR", "data": {"device": "disk", "nospace": true, "operation": "write", "action": "stop", "reason": "No space left on device"}}"#;
    assert_eq!(other.says(event), [News::DiskError { is_full: true }]);
    assert_eq!(other.says(event), []);
    assert_eq!(other.session.state(), Some(MachineState::DiskError));

    // What the guest itself is told of does not stop the machine.
    let mut other = Other::ready("running");
    let event = event.replace("stop", "report");
    assert_eq!(other.says(&event), []);
}

#[test]
fn a_monitor_that_someone_else_has_is_noticed() {
    // QEMU takes the connection into its queue, and greets nobody.
    let mut other = Other::new();
    other.ask(MachineAction::Power).unwrap();
    other.now += ANSWER_LIMIT * 2;
    assert_eq!(other.ask(MachineAction::Power), Err(None));
}

#[test]
fn a_vmm_that_does_not_answer_is_not_asked_forever() {
    let mut other = Other::ready("running");
    let asked = (0..100)
        .take_while(|_| other.ask(MachineAction::Pause).is_ok())
        .count();
    assert_eq!(asked, MAX_OPEN);

    let mut other = Other::ready("running");
    other.ask(MachineAction::Pause).unwrap();
    other.now += ANSWER_LIMIT * 2;
    assert_eq!(other.ask(MachineAction::Resume), Err(None));
}

#[test]
fn a_refusal_to_talk_and_nonsense_end_it() {
    let mut other = Other::new();
    other.says(GREETING);
    let refusal = br#"{"id": 0, "error": {"class": "CommandNotFound", "desc": "no"}}"#;
    let error = other.session.on_line(refusal, other.now).unwrap_err();
    assert_eq!(error, "it refuses to talk: no");

    for nonsense in ["HTTP/1.1 400 Bad Request", "[1]", "7", "{", "\u{0}"] {
        let mut other = Other::new();
        let error = other.session.on_line(nonsense.as_bytes(), other.now);
        assert!(
            error.unwrap_err().starts_with("it talks nonsense"),
            "{nonsense}"
        );
    }
}

/// Lines that QEMU could say, and some that it would not.
fn line() -> impl Strategy<Value = String> {
    let id = 0_u64..20;
    prop_oneof![
        Just(GREETING.to_owned()),
        id.clone()
            .prop_map(|id| format!(r#"{{"return": {{}}, "id": {id}}}"#)),
        (id.clone(), "[a-z-]{0,12}").prop_map(|(id, status)| format!(
            r#"{{"return": {{"status": "{status}"}}, "id": {id}}}"#
        )),
        id.prop_map(|id| format!(r#"{{"error": {{"desc": "x"}}, "id": {id}}}"#)),
        prop_oneof![Just("STOP"), Just("RESET"), Just("BLOCK_IO_ERROR")]
            .prop_map(|event| format!(r#"{{"event": "{event}", "data": {{"action": "stop"}}}}"#)),
        Just(r#"{"return": [{"status": 1}], "id": 1}"#.to_owned()),
        Just(String::new()),
    ]
}

proptest! {
    #[test]
    fn nothing_that_a_vmm_says_makes_it_grow(lines in prop::collection::vec(line(), 0..300)) {
        let mut other = Other::new();
        for line in lines {
            let _ = other.session.on_line(line.as_bytes(), other.now);
            let _ = other.ask(MachineAction::Reset);
            prop_assert!(other.session.open.len() <= MAX_OPEN + 3);
            prop_assert!(other.session.waiting.len() <= MAX_OPEN);
            prop_assert!(other.session.output.len() < 4096);
            other.session.take_output();
        }
    }
}
