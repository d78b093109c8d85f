//! Peers that crash or hang, and those that are not there.

use super::{Place, only, subject_of};

/// A peer: the device that does nothing. It is started as QEMU's is, with a socket as second argument.
const DEVICE: &str = concat!(
    "\"",
    env!("CARGO_BIN_EXE_lucarne"),
    "\" bench-null --mode 640x480@60 --socket \"$2\""
);

/// One that works while it is looked at whether it shows pictures, and then for a moment more.
fn spoilt(what: &str) -> String {
    format!(
        "case \"$2\" in *lucarne-proof*) exec {DEVICE};; esac\n\
         {DEVICE} &\nsleep 0.3\n{what}\nwait"
    )
}

#[test]
fn one_that_ends_at_once_is_reported_with_its_last_words() {
    let place = Place::new();
    place.peer("vhost-user-gpu", "echo I can not >&2; exit 3");
    let report = place.report(&[
        "commands",
        "--against",
        "vhost-user-gpu",
        "--against",
        "null",
    ]);
    for case in &only(&report).cases {
        let failure = subject_of(case, "vhost-user-gpu").failure.as_deref();
        assert!(
            failure.is_some_and(|why| why.contains("I can not")),
            "{failure:?}"
        );
        for other in ["lucarne", "null"] {
            assert!(!subject_of(case, other).values.is_empty(), "{}", case.case);
        }
    }
}

#[test]
fn one_that_crashes_is_left_out_from_then_on() {
    let place = Place::new();
    place.peer("vhost-user-gpu", &spoilt("kill -9 $!"));
    let report = place.measured(
        &["--repetitions", "3", "commands"],
        &["--against", "vhost-user-gpu"],
    );
    for case in &only(&report).cases {
        assert!(
            subject_of(case, "vhost-user-gpu").failure.is_some(),
            "{case:?}"
        );
        let ours = subject_of(case, "lucarne");
        assert_eq!(ours.failure, None);
        assert!(
            ours.values.values().all(|values| values.len() == 3),
            "{ours:?}"
        );
    }
}

#[test]
fn one_that_hangs_is_given_up_on_and_the_run_goes_on() {
    let place = Place::new();
    // Only the first of them hangs: each takes the benchmark's patience.
    let hung = place.path("peers").join("hung");
    let hang = format!(
        "[ -e {0} ] || {{ touch {0}; kill -STOP $!; }}",
        hung.display()
    );
    place.peer("vhost-user-gpu", &spoilt(&hang));
    let report = place.measured(
        &["--repetitions", "3", "commands"],
        &["--against", "vhost-user-gpu"],
    );
    let [first, others @ ..] = only(&report).cases.as_slice() else {
        panic!("{report:?}");
    };
    let failure = subject_of(first, "vhost-user-gpu").failure.as_deref();
    assert!(
        failure.is_some_and(|why| why.contains("did not answer")),
        "{failure:?}"
    );
    assert!(!subject_of(first, "lucarne").values.is_empty());
    for case in others {
        assert_eq!(subject_of(case, "vhost-user-gpu").failure, None);
    }
}

#[test]
fn one_that_is_not_installed_is_named_with_what_to_do() {
    let place = Place::new();
    let mut command = place.bench(&["--short", "--repetitions", "1", "--json", "report.json"]);
    command.args(["start", "--against", "vhost-device-gpu"]);
    let output = command
        .env("PATH", "/nowhere")
        .env("HOME", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = place.written();
    let mut subjects = report.subjects.iter();
    let facts = subjects
        .find(|facts| facts.name == "vhost-device-gpu")
        .unwrap();
    let lack = facts.found.as_ref().unwrap_err();
    assert!(
        lack.contains("Install") || lack.contains("cargo install"),
        "{lack}"
    );
    assert!(!only(&report).cases.is_empty());
}
