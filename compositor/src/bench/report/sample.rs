//! Reports that nobody measured, for tests of what is made of them.

use std::collections::BTreeMap;

use super::{
    model::{CaseReport, CaseSubject, Disturbance, Report, ScenarioReport, SubjectFacts},
    quantity::Quantity,
    targets,
};
use crate::bench::subject::Wanted;

/// A run of nothing.
pub(super) fn empty() -> Report {
    Report {
        lucarne: "0.1.0".to_owned(),
        began: "2026-11-30T18:00:00Z".to_owned(),
        seconds: 754.2,
        length: "full".to_owned(),
        repetitions: 5,
        place: String::new(),
        missing: Vec::new(),
        machine: vec![
            ("CPU".to_owned(), "2 × Intel Xeon <made up> & co".to_owned()),
            ("kernel".to_owned(), "Linux 6.12.0".to_owned()),
            ("udmabuf".to_owned(), "64 MiB, 1024 entries".to_owned()),
        ],
        subjects: Vec::new(),
        scenarios: Vec::new(),
        targets: Vec::new(),
    }
}

pub(super) fn scenario(name: &str, cases: Vec<CaseReport>) -> ScenarioReport {
    ScenarioReport {
        scenario: name.to_owned(),
        about: "what a sample needs".to_owned(),
        cases,
        skipped: Vec::new(),
    }
}

/// A case with the values of subjects.
pub(super) fn case(name: &str, values: &[(&str, Quantity, &[f64])]) -> CaseReport {
    let mut case = CaseReport {
        case: name.to_owned(),
        setting: None,
        subjects: Vec::new(),
    };
    for (subject, quantity, values) in values {
        let known = case.subjects.iter().position(|s| s.subject == *subject);
        let index = known.unwrap_or(case.subjects.len());
        if known.is_none() {
            case.subjects.push(nobody(subject));
        }
        case.subjects[index]
            .values
            .insert(*quantity, values.to_vec());
    }
    case
}

/// A subject of which nothing was measured.
pub(super) fn nobody(name: &str) -> CaseSubject {
    CaseSubject {
        subject: name.to_owned(),
        failure: None,
        skipped: None,
        values: BTreeMap::new(),
        times: BTreeMap::new(),
        series: BTreeMap::new(),
        disturbed: Vec::new(),
    }
}

/// A full run, with all that a report can hold.
pub(super) fn report() -> Report {
    let mut dice = Dice(7);
    let mut report = empty();
    report.subjects = subjects();
    report.scenarios = vec![
        flip(&mut dice),
        transfer(&mut dice),
        commands(&mut dice),
        guests(&mut dice),
        idle(&mut dice),
        planes(),
    ];
    report.targets = targets::judge(&report);
    report
}

fn subjects() -> Vec<SubjectFacts> {
    let subject = |name: &str, measures: &str, found: Result<&str, &str>| SubjectFacts {
        name: name.to_owned(),
        measures: measures.to_owned(),
        found: found.map(str::to_owned).map_err(str::to_owned),
    };
    vec![
        subject(
            "lucarne",
            "The device's process and a compositor that shows it",
            Ok("lucarne 0.1.0"),
        ),
        subject(
            "null",
            "A device that answers every command and does nothing",
            Ok("lucarne 0.1.0"),
        ),
        subject(
            "vhost-user-gpu",
            "The device's process, which hands its pixels over a socket; nothing is shown",
            Ok("QEMU 10.0.2"),
        ),
        subject(
            "vhost-device-gpu",
            "The same",
            Err("vhost-device-gpu is not in $PATH: `cargo install vhost-device-gpu` brings it"),
        ),
    ]
}

const SIZES: [(u32, u32); 5] = [
    (640, 480),
    (1280, 800),
    (1920, 1080),
    (3840, 2160),
    (7680, 4320),
];

fn flip(dice: &mut Dice) -> ScenarioReport {
    let mut cases = Vec::new();
    for path in ["blob, 60 Hz", "blob, free-running"] {
        for (width, height) in SIZES {
            let pixels = f64::from(width * height);
            let mut case = case(&format!("{width}x{height} {path}"), &[]);
            case.setting = Some(Wanted::one((width, height)));
            let cost = [220.0, 21.0, 180.0 + pixels / 450.0];
            for (name, cost) in ["lucarne", "null", "vhost-user-gpu"].iter().zip(cost) {
                let mut subject = nobody(name);
                dice.values(&mut subject, Quantity::CpuPerFrame, cost);
                dice.values(&mut subject, Quantity::DeviceCpuPerFrame, cost * 0.6);
                if *name == "lucarne" {
                    dice.times(&mut subject, Quantity::FlushToCommit, 110.0);
                    dice.values(&mut subject, Quantity::FlushToCommitInPingPongs, 3.2);
                    dice.times(&mut subject, Quantity::FlushToPresent, 8_300.0);
                    subject
                        .values
                        .insert(Quantity::BytesCopiedPerFrame, vec![0.0; 5]);
                    subject.values.insert(
                        Quantity::FreshRefreshes,
                        vec![99.9, 100.0, 99.8, 100.0, 99.9],
                    );
                }
                dice.times(&mut subject, Quantity::FlushToAnswer, cost + 60.0);
                case.subjects.push(subject);
            }
            let mut absent = nobody("vhost-device-gpu");
            absent.skipped = Some("it ends when a guest makes a blob".to_owned());
            case.subjects.push(absent);
            cases.push(case);
        }
    }
    cases[3].subjects[0].disturbed.push(Disturbance {
        repetition: 2,
        what: "other processes: 0.4 s of processor time".to_owned(),
    });
    cases[4].subjects[2].values.clear();
    cases[4].subjects[2].times.clear();
    cases[4].subjects[2].failure =
        Some("it ended by itself: \"virtio-gpu: <resource> too large\"".to_owned());
    let mut scenario = scenario("flip", cases);
    scenario.about = "Two buffers in turn: latency, cost and regularity of a frame".to_owned();
    scenario
}

fn transfer(dice: &mut Dice) -> ScenarioReport {
    let mut cases = Vec::new();
    let with = |supply| SIZES.map(|size| (size, supply));
    for ((width, height), supply) in ["full", "full, 16 under way"].into_iter().flat_map(with) {
        let pixels = f64::from(width * height);
        let mut case = case(&format!("{width}x{height} {supply}"), &[]);
        case.setting = Some(Wanted::one((width, height)));
        for (name, speed) in [("lucarne", 0.94), ("vhost-user-gpu", 0.31)] {
            let mut subject = nobody(name);
            dice.values(&mut subject, Quantity::ThroughputOfMemcpy, speed);
            dice.values(&mut subject, Quantity::Throughput, 9_800.0 * speed);
            dice.values(&mut subject, Quantity::CpuPerFrame, pixels / 2450.0 / speed);
            case.subjects.push(subject);
        }
        cases.push(case);
    }
    scenario("transfer", cases)
}

fn commands(dice: &mut Dice) -> ScenarioReport {
    let cases = ["1x1 transfers, batched", "1x1 transfers, single"].map(|name| {
        let mut case = case(name, &[]);
        for (name, speed) in [("lucarne", 1.4e6), ("null", 2.1e6), ("vhost-user-gpu", 8e5)] {
            let mut subject = nobody(name);
            dice.values(&mut subject, Quantity::CommandsPerSecond, speed);
            case.subjects.push(subject);
        }
        case
    });
    scenario("commands", cases.to_vec())
}

fn guests(dice: &mut Dice) -> ScenarioReport {
    let mut cases = Vec::new();
    for guests in [1_u8, 2, 4, 8, 16] {
        let count = f64::from(guests);
        let plural = if guests == 1 { "" } else { "s" };
        let mut case = case(&format!("{guests} guest{plural}, 640x480"), &[]);
        case.setting = Some(Wanted {
            guests: guests.into(),
            ..Wanted::one((640, 480))
        });
        for (name, cost) in [("lucarne", 1.9), ("vhost-user-gpu", 5.1)] {
            let mut subject = nobody(name);
            dice.values(&mut subject, Quantity::Cpu, 1.0 + cost * count);
            dice.values(
                &mut subject,
                Quantity::DeviceMemory,
                3_900.0 + 200.0 / count,
            );
            if name == "lucarne" {
                dice.values(&mut subject, Quantity::MissedRefreshes, 0.02 * count);
            }
            case.subjects.push(subject);
        }
        cases.push(case);
    }
    scenario("guests", cases)
}

fn idle(dice: &mut Dice) -> ScenarioReport {
    let mut case = case("one guest", &[("lucarne", Quantity::Wakeups, &[0.0; 5])]);
    let beyond = Quantity::DeviceMemoryBeyondGuest;
    dice.values(&mut case.subjects[0], beyond, 3_600.0);
    scenario("idle", vec![case])
}

fn planes() -> ScenarioReport {
    let mut planes = scenario("planes", Vec::new());
    let why =
        "this machine has no graphics card with planes: `cargo xtask bench` has one".to_owned();
    planes.skipped.push(("all cases".to_owned(), why));
    planes
}

/// The same throws in every run.
struct Dice(u64);

impl Dice {
    /// Between 0 and 1.
    fn throw(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    /// Five values around one.
    fn values(&mut self, subject: &mut CaseSubject, quantity: Quantity, around: f64) {
        let values = (0..5)
            .map(|_| rounded(around * (0.97 + 0.06 * self.throw())))
            .collect();
        subject.values.insert(quantity, values);
    }

    /// Times as they are: few much longer than most.
    fn times(&mut self, subject: &mut CaseSubject, quantity: Quantity, around: f64) {
        let series: Vec<f64> = (0..300)
            .map(|_| rounded(around * (0.8 - 0.2 * (1.0 - self.throw()).ln())))
            .collect();
        let mut sorted = series.clone();
        sorted.sort_by(f64::total_cmp);
        self.values(subject, quantity, around);
        subject.times.insert(quantity, sorted);
        subject.series.insert(quantity, series);
    }
}

/// Few digits, as a report's own figures have: what has all of them is not always read as it was written.
fn rounded(figure: f64) -> f64 {
    (figure * 1e4).round() / 1e4
}
