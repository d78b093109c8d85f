//! Finds out when the user has pressed and released a chord, with nothing else in between.

use std::collections::BTreeSet;

use protocols::keys::Chord;

/// How far the user is.
///
/// ```text
/// Idle ─ a key of the chord ─▶ Begun ─ the last of them ─▶ Complete ─ all are up ─▶ (pressed) Idle
///   ▲                            └───── another key, a button ──▶ Spoilt ◀──┘
///   └─────────────────────────── all keys are up ───────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Progress {
    #[default]
    Idle,
    Begun,
    Complete,
    Spoilt,
}

/// One chord that is watched for.
#[derive(Debug)]
pub(super) struct Watch {
    chord: Chord,
    progress: Progress,
}

impl Watch {
    pub(super) fn new(chord: Chord) -> Self {
        Self {
            chord,
            progress: Progress::Idle,
        }
    }

    /// A key went down; `keys` are all that are down, with it.
    pub(super) fn pressed(&mut self, keys: &BTreeSet<u16>) {
        let ours = keys.iter().all(|code| self.chord.has(*code));
        self.progress = match self.progress {
            Progress::Spoilt => Progress::Spoilt,
            _ if !ours => Progress::Spoilt,
            _ if self.chord.is_pressed(keys.iter().copied()) => Progress::Complete,
            Progress::Complete => Progress::Complete,
            Progress::Idle | Progress::Begun => Progress::Begun,
        };
    }

    /// A key went up; `keys` are those that are still down. Returns whether that was the chord.
    pub(super) fn released(&mut self, keys: &BTreeSet<u16>) -> bool {
        if !keys.is_empty() {
            return false;
        }
        std::mem::take(&mut self.progress) == Progress::Complete
    }

    /// The user does something else with the keys that are down.
    pub(super) fn spoil(&mut self) {
        if self.progress != Progress::Idle {
            self.progress = Progress::Spoilt;
        }
    }

    /// Nothing is down any more, as far as we know.
    pub(super) fn forget(&mut self) {
        self.progress = Progress::Idle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CTRL: u16 = 29;
    const ALT: u16 = 56;
    const RIGHT_CTRL: u16 = 97;
    const F2: u16 = 60;

    /// Presses positive codes, releases negative ones; returns how often the chord was made.
    fn play(steps: &[i32]) -> usize {
        let mut watch = Watch::new("ctrl+alt".parse().unwrap());
        let mut keys = BTreeSet::new();
        let mut made = 0;
        for step in steps {
            let code = u16::try_from(step.abs()).unwrap();
            if *step > 0 {
                keys.insert(code);
                watch.pressed(&keys);
            } else {
                keys.remove(&code);
                made += usize::from(watch.released(&keys));
            }
        }
        made
    }

    fn codes(steps: &[(u16, bool)]) -> Vec<i32> {
        let step = |(code, down): &(u16, bool)| match down {
            true => i32::from(*code),
            false => -i32::from(*code),
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn a_chord_is_made_in_any_order() {
        let (ctrl, alt) = (i32::from(CTRL), i32::from(ALT));
        assert_eq!(play(&[ctrl, alt, -ctrl, -alt]), 1);
        assert_eq!(play(&[alt, ctrl, -ctrl, -alt, ctrl, alt, -alt, -ctrl]), 2);
        let right = codes(&[
            (RIGHT_CTRL, true),
            (ALT, true),
            (ALT, false),
            (RIGHT_CTRL, false),
        ]);
        assert_eq!(play(&right), 1);
    }

    #[test]
    fn half_a_chord_is_none() {
        let (ctrl, alt) = (i32::from(CTRL), i32::from(ALT));
        assert_eq!(play(&[ctrl, -ctrl, alt, -alt]), 0);
    }

    #[test]
    fn another_key_in_between_spoils_it_until_all_are_up() {
        let (ctrl, alt, f2) = (i32::from(CTRL), i32::from(ALT), i32::from(F2));
        assert_eq!(play(&[ctrl, alt, f2, -f2, -ctrl, -alt]), 0);
        assert_eq!(play(&[f2, ctrl, alt, -f2, -ctrl, -alt]), 0);
        assert_eq!(play(&[ctrl, alt, f2, -f2, -alt, alt, -ctrl, -alt]), 0);
        assert_eq!(play(&[ctrl, f2, -f2, -ctrl, ctrl, alt, -ctrl, -alt]), 1);
    }

    #[test]
    fn a_click_spoils_it() {
        let mut watch = Watch::new("ctrl".parse().unwrap());
        watch.pressed(&BTreeSet::from([CTRL]));
        watch.spoil();
        assert!(!watch.released(&BTreeSet::new()));
        watch.spoil();
        watch.pressed(&BTreeSet::from([CTRL]));
        assert!(watch.released(&BTreeSet::new()));
    }
}
