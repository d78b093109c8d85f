//! What clients of the control socket do with the guest's devices, in the words of a display.
//!
//! What is injected is meant for the guest: it is no chord of ours, and takes no notice of what the
//! display holds. Everything else goes the way of real events.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocols::ipc::{InputAction, Press, TouchPoint};
use thiserror::Error;

use super::{
    HostInput, Position,
    codes::{MOUSE_BUTTONS, is_key},
    devices::FINGERS,
    layout::Layout,
};
use crate::display::ScanoutId;

/// The most chords that wait.
const MAX_CHORDS: usize = 4096;

/// The most keys of one chord.
const MAX_KEYS: usize = 16;

/// The most fingers of one action: each of the ten may come, move and go.
const MAX_POINTS: usize = 32;

/// How much later than the last chord the next one is pressed. Programs in a guest find room for 64
/// events of a keyboard that they have not read yet (`evdev.c` of Linux), and lose all of them where
/// that is too few.
const PACE: Duration = Duration::from_millis(10);

/// Where the names of injected fingers begin; hosts count theirs from 0.
const FIRST_FINGER: i32 = i32::MIN;

/// Why an action is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such key or button.
    #[error("Could not press {code}: it is no {what} of evdev. See input-event-codes.h of Linux")]
    Code {
        /// Its number.
        code: u16,
        /// What it should be.
        what: &'static str,
    },
    /// No such screen, or none that is on.
    #[error(
        "Could not point at scanout {0}: the guest has no such screen now. `lucarne msg stats` \
         lists them"
    )]
    Scanout(u8),
    /// No such finger.
    #[error("Could not touch with finger {0}. The guest's screen knows fingers 0 to 9")]
    Finger(u8),
    /// More than is taken at once.
    #[error("Could not take {what}: at most {most} are taken. Send the rest later")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are taken.
        most: usize,
    },
}

/// Actions that are not carried out yet.
#[derive(Debug, Default)]
pub(super) struct Script {
    steps: VecDeque<Vec<HostInput>>,
    /// When the next one may be.
    due: Option<Instant>,
}

impl Script {
    /// Appends an action.
    ///
    /// # Errors
    /// What is wrong with it; then none of it is done.
    pub(super) fn push(&mut self, action: &InputAction, layout: &Layout) -> Result<(), Refusal> {
        let steps = steps(action, layout)?;
        if self.steps.len().saturating_add(steps.len()) > MAX_CHORDS {
            return Err(Refusal::TooMany {
                what: "so many chords",
                most: MAX_CHORDS,
            });
        }
        self.steps.extend(steps);
        Ok(())
    }

    /// The next step, if it is time.
    pub(super) fn step(&mut self, now: Instant) -> Option<Vec<HostInput>> {
        if self.due.is_some_and(|due| due > now) {
            return None;
        }
        let step = self.steps.pop_front()?;
        let types = step
            .iter()
            .any(|event| matches!(event, HostInput::Key { .. }));
        self.due = types.then(|| now.checked_add(PACE)).flatten();
        Some(step)
    }

    /// When [`Script::step`] has something to do.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        (!self.steps.is_empty()).then(|| self.due.unwrap_or(now))
    }

    /// Drops what was not done.
    pub(super) fn clear(&mut self) {
        self.steps.clear();
    }
}

fn steps(action: &InputAction, layout: &Layout) -> Result<Vec<Vec<HostInput>>, Refusal> {
    let one = |events: Vec<HostInput>| Ok(vec![events]);
    match action {
        InputAction::Chords(chords) => {
            if chords.len() > MAX_CHORDS {
                return Err(Refusal::TooMany {
                    what: "so many chords",
                    most: MAX_CHORDS,
                });
            }
            chords.iter().map(|chord| strokes(chord)).collect()
        }
        InputAction::Key { code, pressed } => one(vec![key(*code, *pressed)?]),
        InputAction::PointerTo { scanout, x, y } => {
            let at = place(*scanout, *x, *y, layout)?;
            one(vec![HostInput::PointerMotion(at), HostInput::PointerFrame])
        }
        InputAction::PointerBy { dx, dy } => one(vec![
            HostInput::RelativeMotion {
                dx: f64::from(*dx),
                dy: f64::from(*dy),
            },
            HostInput::PointerFrame,
        ]),
        InputAction::Button { code, action } => one(button(*code, *action)?),
        InputAction::Scroll {
            horizontal,
            vertical,
        } => one(vec![
            HostInput::Scroll {
                horizontal: *horizontal,
                vertical: *vertical,
            },
            HostInput::PointerFrame,
        ]),
        InputAction::Touch(points) => one(touches(points, layout)?),
    }
}

fn strokes(chord: &[u16]) -> Result<Vec<HostInput>, Refusal> {
    if chord.len() > MAX_KEYS {
        return Err(Refusal::TooMany {
            what: "so many keys in a chord",
            most: MAX_KEYS,
        });
    }
    let down = chord.iter().map(|code| key(*code, true));
    let up = chord.iter().rev().map(|code| key(*code, false));
    down.chain(up).collect()
}

fn key(code: u16, pressed: bool) -> Result<HostInput, Refusal> {
    match is_key(code) {
        true => Ok(HostInput::Key { code, pressed }),
        false => Err(Refusal::Code { code, what: "key" }),
    }
}

fn button(code: u16, action: Press) -> Result<Vec<HostInput>, Refusal> {
    if !MOUSE_BUTTONS.contains(&code) {
        return Err(Refusal::Code {
            code,
            what: "button of a mouse",
        });
    }
    let presses: &[bool] = match action {
        Press::Click => &[true, false],
        Press::Down => &[true],
        Press::Up => &[false],
    };
    let press = |pressed: &bool| {
        let pressed = *pressed;
        [HostInput::Button { code, pressed }, HostInput::PointerFrame]
    };
    Ok(presses.iter().flat_map(press).collect())
}

fn touches(points: &[TouchPoint], layout: &Layout) -> Result<Vec<HostInput>, Refusal> {
    if points.len() > MAX_POINTS {
        return Err(Refusal::TooMany {
            what: "so many fingers at once",
            most: MAX_POINTS,
        });
    }
    let touch = |point: &TouchPoint| {
        if usize::from(point.finger) >= FINGERS {
            return Err(Refusal::Finger(point.finger));
        }
        let id = FIRST_FINGER.saturating_add(point.finger.into());
        match point.down {
            // One that is down already moves.
            true => {
                let at = place(point.scanout, point.x, point.y, layout)?;
                Ok(HostInput::TouchDown { id, at })
            }
            false => Ok(HostInput::TouchUp { id }),
        }
    };
    let mut events = points.iter().map(touch).collect::<Result<Vec<_>, _>>()?;
    events.push(HostInput::TouchFrame);
    Ok(events)
}

fn place(scanout: u8, x: i32, y: i32, layout: &Layout) -> Result<Position, Refusal> {
    let id = ScanoutId(scanout);
    match layout.has(id) {
        true => Ok(Position {
            scanout: id,
            x: x.into(),
            y: y.into(),
        }),
        false => Err(Refusal::Scanout(scanout)),
    }
}

#[cfg(test)]
mod tests {
    use protocols::virtio_gpu::Rect;

    use super::*;

    fn layout() -> Layout {
        let rect = Rect {
            x: 0,
            y: 0,
            width: 640,
            height: 480,
        };
        Layout::new([(ScanoutId(1), rect)])
    }

    fn refused(action: InputAction) -> Refusal {
        let mut script = Script::default();
        let refusal = script.push(&action, &layout()).unwrap_err();
        assert_eq!(script.step(Instant::now()), None);
        refusal
    }

    fn press(code: u16, pressed: bool) -> HostInput {
        HostInput::Key { code, pressed }
    }

    #[test]
    fn a_chord_goes_down_in_its_order_and_up_in_the_reverse() {
        let mut script = Script::default();
        let chord = InputAction::Chords(vec![vec![29, 56]]);
        script.push(&chord, &layout()).unwrap();
        let step = script.step(Instant::now()).unwrap();
        let wanted = [
            press(29, true),
            press(56, true),
            press(56, false),
            press(29, false),
        ];
        assert_eq!(step, wanted);
    }

    #[test]
    fn chords_are_typed_no_faster_than_a_guest_reads() {
        let mut script = Script::default();
        let text = InputAction::Chords(vec![vec![30], vec![31]]);
        script.push(&text, &layout()).unwrap();
        let now = Instant::now();
        assert_eq!(script.next_deadline(now), Some(now));
        assert!(script.step(now).is_some());
        assert_eq!(script.step(now), None);
        let due = script.next_deadline(now).unwrap();
        assert_eq!(due, now + PACE);
        assert!(script.step(due).is_some());
        assert_eq!(script.next_deadline(due), None);
    }

    #[test]
    fn what_follows_a_text_waits_for_its_end() {
        let mut script = Script::default();
        let scroll = InputAction::Scroll {
            horizontal: 0,
            vertical: 120,
        };
        let text = InputAction::Chords(vec![vec![30]]);
        for action in [&scroll, &text, &scroll] {
            script.push(action, &layout()).unwrap();
        }
        let now = Instant::now();
        assert!(script.step(now).is_some());
        assert!(script.step(now).is_some());
        assert_eq!(script.step(now), None);
        assert!(script.step(now + PACE).is_some());
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        assert!(matches!(
            refused(InputAction::Key {
                code: 0x110,
                pressed: true
            }),
            Refusal::Code { code: 0x110, .. }
        ));
        assert!(matches!(
            refused(InputAction::Button {
                code: 30,
                action: Press::Click
            }),
            Refusal::Code { code: 30, .. }
        ));
        assert_eq!(
            refused(InputAction::PointerTo {
                scanout: 0,
                x: 0,
                y: 0
            }),
            Refusal::Scanout(0)
        );
        let point = TouchPoint {
            finger: 10,
            scanout: 1,
            x: 0,
            y: 0,
            down: true,
        };
        assert_eq!(
            refused(InputAction::Touch(vec![point])),
            Refusal::Finger(10)
        );
        let many = [
            InputAction::Chords(vec![vec![30]; MAX_CHORDS + 1]),
            InputAction::Chords(vec![vec![30; MAX_KEYS + 1]]),
            InputAction::Touch(vec![point; MAX_POINTS + 1]),
        ];
        for action in many {
            assert!(matches!(refused(action), Refusal::TooMany { .. }));
        }
    }

    #[test]
    fn a_click_is_two_frames() {
        let mut script = Script::default();
        let click = InputAction::Button {
            code: 0x110,
            action: Press::Click,
        };
        script.push(&click, &layout()).unwrap();
        let step = script.step(Instant::now()).unwrap();
        let frames = step
            .iter()
            .filter(|event| **event == HostInput::PointerFrame);
        assert_eq!(frames.count(), 2);
    }
}
