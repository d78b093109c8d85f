//! Each scenario, and what must hold of its figures.

use compositor::bench::report::model::{CaseReport, Quantity, Report};

use super::{Place, figures, only};

/// Runs a scenario against the device that does nothing. Every case has figures of Lucarne, and so has
/// whatever else is no sentence that says why not.
#[track_caller]
fn run(scenario: &str) -> Report {
    let report = Place::new().report(&[scenario, "--against", "null"]);
    let names: Vec<&str> = report
        .subjects
        .iter()
        .map(|subject| subject.name.as_str())
        .collect();
    assert_eq!(names, ["lucarne", "null"]);
    assert_eq!(report.length, "short");
    let found = only(&report);
    assert_eq!(found.scenario, scenario);
    assert!(!found.about.is_empty());
    assert!(!found.cases.is_empty() || !found.skipped.is_empty());
    for (what, why) in &found.skipped {
        assert!(why.len() > 10, "{what} was left out: {why:?}");
    }
    for case in &found.cases {
        for subject in &case.subjects {
            assert_eq!(subject.failure, None, "{}, {}", case.case, subject.subject);
            let measured = !subject.values.is_empty() || !subject.times.is_empty();
            match &subject.skipped {
                Some(why) => assert!(why.len() > 10 && !measured, "{subject:?}"),
                None => assert!(measured, "{}, {}", case.case, subject.subject),
            }
        }
    }
    report
}

/// Whether the machine can make dma-bufs of guests' memory; without, each frame is copied once.
fn has_udmabuf() -> bool {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).open("/dev/udmabuf").is_ok()
}

fn one(case: &CaseReport, subject: &str, quantity: Quantity) -> f64 {
    match figures(case, subject).get(&quantity).map(Vec::as_slice) {
        Some([value]) => *value,
        other => panic!("{}, {subject}: {quantity:?} is {other:?}", case.case),
    }
}

#[test]
fn commands_are_answered_whoever_is_asked() {
    let report = run("commands");
    for case in &only(&report).cases {
        for subject in ["lucarne", "null"] {
            let figures = figures(case, subject);
            let rate = figures
                .get(&Quantity::CommandsPerSecond)
                .or_else(|| figures.get(&Quantity::FencesPerSecond));
            assert!(
                rate.is_some_and(|rate| rate[0] > 0.0),
                "{}, {subject}",
                case.case
            );
        }
    }
}

#[test]
fn an_idle_guest_wakes_nobody() {
    let report = run("idle");
    let cases = &only(&report).cases;
    assert!(cases.len() >= 4);
    for case in cases {
        for subject in ["lucarne", "null"] {
            let wakeups = one(case, subject, Quantity::Wakeups);
            assert_eq!(
                wakeups.to_bits(),
                0_f64.to_bits(),
                "{}, {subject}",
                case.case
            );
            let (all, beyond) = (
                one(case, subject, Quantity::DeviceMemory),
                one(case, subject, Quantity::DeviceMemoryBeyondGuest),
            );
            assert!(
                0.0 < beyond && beyond <= all,
                "{}: {beyond} KiB of {all} KiB",
                case.case
            );
        }
    }
}

#[test]
fn guests_beside_each_other_lose_no_frame_on_the_way() {
    let report = run("guests");
    for case in &only(&report).cases {
        let copied = one(case, "lucarne", Quantity::BytesCopiedPerFrame);
        let (width, height) = case.setting.as_ref().unwrap().size;
        let expected = match has_udmabuf() {
            true => 0.0,
            false => f64::from(4 * width * height),
        };
        assert!(
            (copied - expected).abs() <= expected / 100.0,
            "{}: {copied}",
            case.case
        );
        assert!(one(case, "lucarne", Quantity::MissedRefreshes) <= 100.0);
    }
}

#[test]
fn a_start_comes_to_its_end() {
    let report = run("start");
    let [device, all] = only(&report).cases.as_slice() else {
        panic!("{report:?}");
    };
    for subject in ["lucarne", "null"] {
        assert!(one(device, subject, Quantity::DeviceReady) > 0.0);
        assert!(one(all, subject, Quantity::FirstFrame) > 0.0);
    }
}

#[test]
fn flips_of_blobs_copy_nothing_where_the_kernel_can() {
    let report = run("flip");
    for case in &only(&report).cases {
        let figures = figures(case, "lucarne");
        let Some(copied) = figures.get(&Quantity::BytesCopiedPerFrame) else {
            continue;
        };
        let setting = case.setting.as_ref().unwrap();
        if case.case.contains("blob") && has_udmabuf() {
            assert_eq!(copied[0].to_bits(), 0_f64.to_bits(), "{}", case.case);
        } else {
            let frame = f64::from(4 * setting.size.0 * setting.size.1);
            assert!(
                (copied[0] - frame).abs() <= frame / 100.0,
                "{}: {copied:?}",
                case.case
            );
        }
    }
}

#[test]
fn transfers_are_counted() {
    run("transfer");
}

#[test]
fn only_what_changed_is_copied() {
    let report = run("damage");
    for case in &only(&report).cases {
        let figures = figures(case, "lucarne");
        if let Some(ratio) = figures.get(&Quantity::BytesPerChangedByte) {
            assert!(ratio[0] >= 0.0, "{}: {ratio:?}", case.case);
        }
    }
}

#[test]
fn a_pointer_moves() {
    run("cursor");
}

#[test]
fn input_arrives() {
    run("input");
}

#[test]
fn what_this_machine_can_t_do_is_named() {
    let place = Place::new();
    for scenario in ["gl", "planes"] {
        let ran = place.run(&[
            "--short",
            "--repetitions",
            "1",
            "--json",
            "report.json",
            scenario,
        ]);
        assert!(matches!(ran.status, Some(0 | 1)), "{ran:?}");
        let report = place.written();
        let found = only(&report);
        let is_told = !found.cases.is_empty() || !found.skipped.is_empty();
        assert!(is_told, "{found:?}");
    }
    place.assert_nothing_is_left();
}
