//! Whether Lucarne is where it wants to be: ratios within one run, so that they mean the same on a slow
//! and on a fast machine of a kind.
//!
//! Cases are found by the words of their names. Where several fit, the worst one counts.

use super::{
    columns::OURSELVES,
    figure,
    model::{CaseReport, Report, ScenarioReport, TargetReport},
    quantity::{Better, Quantity, Unit},
};
use crate::bench::measure::statistics;

/// Something that Lucarne wants to reach.
struct Target {
    what: &'static str,
    bound: Bound,
    unit: &'static str,
    measure: fn(&Report) -> Result<Found, String>,
}

/// What is wanted of a figure.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// A figure, and where it comes from.
struct Found {
    value: f64,
    source: String,
}

const TARGETS: &[Target] = &[
    Target {
        what: "bytes copied per frame, blob path",
        bound: Bound::AtMost(0.0),
        unit: "",
        measure: |report| ours(report, "flip", &["blob"], Quantity::BytesCopiedPerFrame),
    },
    Target {
        what: "CPU per frame at 4K / at 640x480, blob path",
        bound: Bound::AtMost(1.2),
        unit: "",
        measure: growth_with_size,
    },
    Target {
        what: "CPU per 4K frame, blob path: best peer / lucarne",
        bound: Bound::AtLeast(50.0),
        unit: "",
        measure: |report| {
            let words = ["3840x2160", "blob", "60 Hz"];
            against_peers(report, "flip", &words, Quantity::CpuPerFrame)
        },
    },
    Target {
        what: "CPU per 4K frame, 2D path with full damage: best peer / lucarne",
        bound: Bound::AtLeast(2.0),
        unit: "",
        measure: whole_pictures,
    },
    Target {
        what: "2D transfer throughput / memcpy, the ring kept full",
        bound: Bound::AtLeast(0.9),
        unit: "",
        measure: |report| {
            let words = ["full", "16 under way"];
            ours(report, "transfer", &words, Quantity::ThroughputOfMemcpy)
        },
    },
    Target {
        what: "flush to commit, median, in ping-pongs over a socket",
        bound: Bound::AtMost(4.0),
        unit: "",
        measure: |report| ours(report, "flip", &[], Quantity::FlushToCommitInPingPongs),
    },
    Target {
        what: "control queue commands a second, batched: lucarne / best peer",
        bound: Bound::AtLeast(2.0),
        unit: "",
        measure: |report| {
            against_peers(
                report,
                "commands",
                &["batched"],
                Quantity::CommandsPerSecond,
            )
        },
    },
    Target {
        what: "refreshes with a new frame, 60 Hz, in a window (headless)",
        bound: Bound::AtLeast(99.5),
        unit: " %",
        measure: |report| ours(report, "flip", &["60 Hz"], Quantity::FreshRefreshes),
    },
    Target {
        what: "the same on a plane / a bare program that flips beside it",
        bound: Bound::AtLeast(0.99),
        unit: "",
        measure: |report| ours(report, "planes", &[], Quantity::OfBare),
    },
    Target {
        what: "wake-ups a second, idle guest",
        bound: Bound::AtMost(0.0),
        unit: "",
        measure: |report| ours(report, "idle", &["one guest"], Quantity::Wakeups),
    },
    Target {
        what: "memory (PSS) of an idle device beyond what its guest can see",
        bound: Bound::AtMost(10.0),
        unit: " MiB",
        measure: |report| {
            let quantity = Quantity::DeviceMemoryBeyondGuest;
            ours(report, "idle", &["one guest"], quantity).map(in_mebibytes)
        },
    },
    Target {
        what: "missed refreshes, 16 guests at 60 Hz",
        bound: Bound::AtMost(1.0),
        unit: " %",
        measure: |report| ours(report, "guests", &["16 guests"], Quantity::MissedRefreshes),
    },
];

/// Judges all of a run.
#[must_use]
pub fn judge(report: &Report) -> Vec<TargetReport> {
    TARGETS.iter().map(|target| target.judge(report)).collect()
}

/// What was measured, for people; `-` where nothing was.
pub(super) fn measured(target: &TargetReport) -> String {
    match &target.measured {
        Ok(value) if target.bound.ends_with('%') => figure::value(*value, Unit::Percent),
        Ok(value) => figure::digits(*value),
        Err(_) => "-".to_owned(),
    }
}

impl Target {
    fn judge(&self, report: &Report) -> TargetReport {
        let found = (self.measure)(report);
        let (sign, bound) = match self.bound {
            Bound::AtMost(bound) => ("≤", bound),
            Bound::AtLeast(bound) => ("≥", bound),
        };
        TargetReport {
            what: self.what.to_owned(),
            bound: match bound {
                0.0 => "0".to_owned(),
                _ => format!("{sign} {bound}{}", self.unit),
            },
            source: found
                .as_ref()
                .map_or_else(|_| String::new(), |found| found.source.clone()),
            met: found.as_ref().ok().map(|found| match self.bound {
                Bound::AtMost(bound) => found.value <= bound,
                Bound::AtLeast(bound) => found.value >= bound,
            }),
            measured: found.map(|found| found.value),
        }
    }
}

/// Our own figure in the case where it is worst.
fn ours(
    report: &Report,
    scenario: &str,
    words: &[&str],
    quantity: Quantity,
) -> Result<Found, String> {
    let cases = cases(report, scenario, words, quantity)?;
    let better = quantity.facts().better;
    worst(better, cases, |case| {
        Ok(Found {
            value: of(case, OURSELVES, quantity)?,
            source: format!("{scenario}, {}", case.case),
        })
    })
}

/// How much better we are than the best peer, in the case where that is least. The floor (`null`) is no
/// peer: it does nothing.
fn against_peers(
    report: &Report,
    scenario: &str,
    words: &[&str],
    quantity: Quantity,
) -> Result<Found, String> {
    let cases = cases(report, scenario, words, quantity)?;
    worst(Better::More, cases, |case| {
        let ours = of(case, OURSELVES, quantity)?;
        let peers = case.subjects.iter().filter(|s| is_peer(&s.subject));
        let figures = peers.filter_map(|peer| {
            let figure = of(case, &peer.subject, quantity).ok()?;
            Some((peer.subject.as_str(), figure))
        });
        let best = match quantity.facts().better {
            Better::Less => figures.min_by(|a, b| a.1.total_cmp(&b.1)),
            Better::More => figures.max_by(|a, b| a.1.total_cmp(&b.1)),
        };
        let (peer, theirs) =
            best.ok_or_else(|| format!("no peer was measured in {scenario}, {}", case.case))?;
        let (value, ratio) = match quantity.facts().better {
            Better::Less => (theirs / ours, format!("{peer} / {OURSELVES}")),
            Better::More => (ours / theirs, format!("{OURSELVES} / {peer}")),
        };
        Ok(Found {
            value,
            source: format!("{scenario}, {}: {ratio}", case.case),
        })
    })
}

/// How our cost of a frame grows with its size.
fn growth_with_size(report: &Report) -> Result<Found, String> {
    let cost = |size| {
        let words = [size, "blob", "60 Hz"];
        ours(report, "flip", &words, Quantity::CpuPerFrame)
    };
    let (large, small) = (cost("3840x2160")?, cost("640x480")?);
    Ok(Found {
        value: large.value / small.value,
        source: format!("{} / {}", large.source, small.source),
    })
}

/// What a 4K frame costs that is copied as a whole: as fast as it goes, when most frames are never shown, and
/// at a rate at which all of them are. The lesser ratio counts.
fn whole_pictures(report: &Report) -> Result<Found, String> {
    let against =
        |scenario, words: &[&str]| against_peers(report, scenario, words, Quantity::CpuPerFrame);
    let fast = against("transfer", &["3840x2160", "full"])?;
    match against("flip", &["3840x2160", "2D", "60 Hz"]) {
        Ok(shown) if shown.value < fast.value => Ok(shown),
        Ok(_) | Err(_) => Ok(fast),
    }
}

fn in_mebibytes(found: Found) -> Found {
    Found {
        value: found.value / 1024.0,
        ..found
    }
}

/// The cases of a scenario whose names have all these words and that are about this quantity.
fn cases<'a>(
    report: &'a Report,
    scenario: &str,
    words: &[&str],
    quantity: Quantity,
) -> Result<Vec<&'a CaseReport>, String> {
    let named = |found: &&ScenarioReport| found.scenario == scenario;
    let found = report
        .scenarios
        .iter()
        .find(named)
        .ok_or_else(|| format!("the scenario {scenario} was not run"))?;
    let fitting: Vec<&CaseReport> = found
        .cases
        .iter()
        .filter(|case| fits(&case.case, words) && is_about(case, quantity))
        .collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    // What was left out is seldom called exactly as it would have been had it been measured.
    let likeness = |name: &str| words.iter().filter(|word| has_words(name, word)).count();
    let left_out = found
        .skipped
        .iter()
        .rev()
        .max_by_key(|(what, _)| likeness(what));
    Err(match left_out {
        Some((what, why)) => format!("{scenario}, {what}: {why}"),
        None => {
            let words = words.join(", ");
            format!("no case of {scenario} was run that is named {words}")
        }
    })
}

fn fits(name: &str, words: &[&str]) -> bool {
    // Blobs that had to be copied, for lack of udmabuf, are not what is meant by the blob path.
    let is_other_path = words.contains(&"blob") && has_words(name, "copied");
    words.iter().all(|word| has_words(name, word)) && !is_other_path
}

/// Whether somebody has such a figure, or we would have if we had not failed.
fn is_about(case: &CaseReport, quantity: Quantity) -> bool {
    case.subjects.iter().any(|subject| {
        let is_lacking = subject.failure.is_some() || subject.skipped.is_some();
        subject.values.contains_key(&quantity) || subject.subject == OURSELVES && is_lacking
    })
}

/// Whether a name has a word, or some in a row, whole: `6 guests` is not in `16 guests`.
fn has_words(name: &str, wanted: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| c == ',' || c.is_whitespace())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let wanted = words(wanted);
    words(name).windows(wanted.len()).any(|some| some == wanted)
}

/// The worst figure of those cases that have one; if none has, why the first has not.
fn worst(
    better: Better,
    cases: Vec<&CaseReport>,
    measure: impl Fn(&CaseReport) -> Result<Found, String>,
) -> Result<Found, String> {
    let (mut worst, mut lacking) = (None::<Found>, None);
    for case in cases {
        match measure(case) {
            Ok(found) => {
                let is_worse = worst.as_ref().is_none_or(|worst| match better {
                    Better::Less => found.value > worst.value,
                    Better::More => found.value < worst.value,
                });
                if is_worse {
                    worst = Some(found);
                }
            }
            Err(why) => lacking = lacking.or(Some(why)),
        }
    }
    worst.ok_or_else(|| lacking.unwrap_or_else(|| "there is no such case".to_owned()))
}

/// A figure of a subject in a case.
fn of(case: &CaseReport, subject: &str, quantity: Quantity) -> Result<f64, String> {
    let name = &case.case;
    let found = case
        .subjects
        .iter()
        .find(|found| found.subject == subject)
        .ok_or_else(|| format!("{subject} was not measured in {name}"))?;
    let values = found.values.get(&quantity);
    values
        .and_then(|values| statistics::median(values))
        .ok_or_else(|| match found.failure.as_ref().or(found.skipped.as_ref()) {
            Some(why) => format!("{subject} in {name}: {why}"),
            None => format!("{name} has no {}", quantity.facts().label),
        })
}

fn is_peer(subject: &str) -> bool {
    subject != "null" && !subject.starts_with(OURSELVES)
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    fn found(report: &Report, what: &str) -> TargetReport {
        let targets = judge(report);
        let target = targets.iter().find(|target| target.what.starts_with(what));
        target.expect(what).clone()
    }

    #[test]
    fn every_target_is_judged_in_a_full_run() {
        let unmeasured: Vec<_> = judge(&sample::report())
            .into_iter()
            .filter(|target| target.met.is_none())
            .collect();
        // The sample's machine has no planes.
        assert_eq!(unmeasured.len(), 1, "{unmeasured:?}");
    }

    #[test]
    fn a_ratio_compares_with_the_best_peer_and_not_with_the_floor() {
        let mut report = sample::empty();
        report.scenarios.push(sample::scenario(
            "flip",
            vec![sample::case(
                "3840x2160 blob, 60 Hz",
                &[
                    ("lucarne", Quantity::CpuPerFrame, &[200.0, 210.0, 190.0]),
                    ("null", Quantity::CpuPerFrame, &[10.0]),
                    ("vhost-user-gpu", Quantity::CpuPerFrame, &[18_000.0]),
                    ("vhost-device-gpu", Quantity::CpuPerFrame, &[16_000.0]),
                ],
            )],
        ));
        let target = found(&report, "CPU per 4K frame, blob path");
        assert_eq!(target.measured, Ok(80.0));
        assert_eq!(target.met, Some(true));
        assert_eq!(target.bound, "≥ 50");
        assert_eq!(
            target.source,
            "flip, 3840x2160 blob, 60 Hz: vhost-device-gpu / lucarne"
        );
    }

    #[test]
    fn the_worst_case_counts() {
        let mut report = sample::empty();
        let case = |name, copied| {
            sample::case(name, &[("lucarne", Quantity::BytesCopiedPerFrame, copied)])
        };
        report.scenarios.push(sample::scenario(
            "flip",
            vec![
                case("640x480 blob, 60 Hz", &[0.0, 0.0, 0.0]),
                case("7680x4320 blob, 60 Hz", &[0.0, 4096.0, 4096.0]),
                case("640x480 2D, 60 Hz", &[1_228_800.0]),
            ],
        ));
        let target = found(&report, "bytes copied");
        assert_eq!(target.measured, Ok(4096.0));
        assert_eq!(target.met, Some(false));
        assert_eq!(target.source, "flip, 7680x4320 blob, 60 Hz");
    }

    #[test]
    fn throughput_counts_where_the_device_never_waits() {
        let mut report = sample::empty();
        let case = |name, speed: &[f64]| {
            sample::case(name, &[("lucarne", Quantity::ThroughputOfMemcpy, speed)])
        };
        report.scenarios.push(sample::scenario(
            "transfer",
            vec![
                case("640x480 full", &[0.4]),
                case("640x480 full, 16 under way", &[0.92]),
                case("3840x2160 full, 16 under way", &[0.95]),
                case("1920x1080 64x64", &[0.01]),
            ],
        ));
        let target = found(&report, "2D transfer");
        assert_eq!(target.measured, Ok(0.92));
        assert_eq!(target.source, "transfer, 640x480 full, 16 under way");
    }

    #[test]
    fn memory_is_told_in_the_unit_of_its_bound() {
        let mut report = sample::empty();
        let beyond = Quantity::DeviceMemoryBeyondGuest;
        report.scenarios.push(sample::scenario(
            "idle",
            vec![sample::case("one guest", &[("lucarne", beyond, &[3584.0])])],
        ));
        let target = found(&report, "memory");
        assert_eq!(
            (measured(&target).as_str(), target.bound.as_str()),
            ("3.5", "≤ 10 MiB")
        );
    }

    #[test]
    fn a_target_that_was_not_measured_says_why() {
        let mut report = sample::empty();
        let why = |report: &Report, what| found(report, what).measured.unwrap_err();
        assert_eq!(why(&report, "missed"), "the scenario guests was not run");

        let missed = |name| sample::case(name, &[("lucarne", Quantity::MissedRefreshes, &[0.0])]);
        report
            .scenarios
            .push(sample::scenario("guests", vec![missed("6 guests")]));
        assert_eq!(
            why(&report, "missed"),
            "no case of guests was run that is named 16 guests"
        );

        let mut failed = missed("16 guests, 640x480");
        failed.subjects[0].values.clear();
        failed.subjects[0].failure = Some("the device hung".to_owned());
        report.scenarios[0].cases.push(failed);
        assert_eq!(
            why(&report, "missed"),
            "lucarne in 16 guests, 640x480: the device hung"
        );

        let mut planes = sample::scenario("planes", Vec::new());
        planes.skipped.push(("all".to_owned(), "no KMS".to_owned()));
        report.scenarios.push(planes);
        assert_eq!(why(&report, "the same on a plane"), "planes, all: no KMS");
    }

    #[test]
    fn what_was_left_out_is_named_as_the_reason() {
        let mut report = sample::empty();
        let at_rest = sample::case(
            "1280x800 blob, 64x64 at rest",
            &[("lucarne", Quantity::FlushToCommit, &[90.0])],
        );
        let copied = sample::case(
            "640x480 blob copied, 60 Hz",
            &[("lucarne", Quantity::BytesCopiedPerFrame, &[1_228_800.0])],
        );
        let mut flip = sample::scenario("flip", vec![at_rest, copied]);
        for what in ["640x480 blob in place", "3840x2160 blob in place"] {
            flip.skipped
                .push((what.to_owned(), "no udmabuf".to_owned()));
        }
        report.scenarios.push(flip);
        assert_eq!(
            found(&report, "bytes copied").measured,
            Err("flip, 640x480 blob in place: no udmabuf".to_owned())
        );
        assert_eq!(
            found(&report, "CPU per 4K frame, blob path").measured,
            Err("flip, 3840x2160 blob in place: no udmabuf".to_owned())
        );
    }

    #[test]
    fn without_peers_a_comparison_is_not_measured() {
        let mut report = sample::empty();
        let commands = Quantity::CommandsPerSecond;
        report.scenarios.push(sample::scenario(
            "commands",
            vec![sample::case(
                "1x1 transfers, batched",
                &[("lucarne", commands, &[4e5]), ("null", commands, &[1e6])],
            )],
        ));
        let target = found(&report, "control queue");
        assert_eq!(target.met, None);
        assert_eq!(
            target.measured,
            Err("no peer was measured in commands, 1x1 transfers, batched".to_owned())
        );
    }
}
