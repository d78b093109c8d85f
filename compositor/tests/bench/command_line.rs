//! What can be asked for, and what is refused.

use super::{Place, only};

const SCENARIOS: [&str; 11] = [
    "flip", "transfer", "damage", "cursor", "input", "commands", "guests", "idle", "start", "gl",
    "planes",
];

const PEERS: [&str; 5] = [
    "null",
    "vhost-user-gpu",
    "vhost-device-gpu",
    "qemu-dbus",
    "qemu-vnc",
];

#[test]
fn the_list_names_all_scenarios_and_peers() {
    let place = Place::new();
    let ran = place.run(&["--list"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for name in SCENARIOS.iter().chain(&PEERS) {
        assert!(ran.out.contains(name), "{name} is not in {}", ran.out);
    }
    place.assert_nothing_is_left();
}

#[test]
fn what_there_is_not_is_refused_with_what_there_is() {
    let place = Place::new();
    for (arguments, known) in [
        (vec!["flop"], &SCENARIOS[..]),
        (vec!["flip", "--against", "xen"], &PEERS[..]),
    ] {
        let ran = place.run(&arguments);
        assert_eq!(ran.status, Some(2), "{ran:?}");
        for name in known {
            assert!(ran.err.contains(name), "{ran:?}");
        }
    }
    let ran = place.run(&["--repetitions", "0", "flip"]);
    assert_eq!(ran.status, Some(2), "{ran:?}");
}

#[test]
fn the_table_and_the_pages_have_what_the_model_has() {
    let place = Place::new();
    let mut all = vec!["--short", "--repetitions", "1", "--json", "report.json"];
    all.extend(["start", "--against", "null", "--report", "pages"]);
    let ran = place.run(&all);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let report = place.written();
    for case in &only(&report).cases {
        assert!(
            ran.out.contains(&case.case),
            "{} is not in {}",
            case.case,
            ran.out
        );
    }
    assert!(
        ran.out.contains("lucarne") && ran.out.contains("null"),
        "{}",
        ran.out
    );
    assert!(!super::names(&place.path("pages")).is_empty());
}

#[test]
fn a_report_that_can_t_be_written_is_an_error_before_anything_is_measured() {
    let place = Place::new();
    let ran = place.run(&["--short", "start", "--json", "/nowhere/report.json"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.err.contains("/nowhere/report.json"), "{ran:?}");
}
