//! How tightly the guest holds the user's hands, and who decides it.
//!
//! Watches what the user does and what the guest does with its pointer; says what the display is to
//! hold, which keys the guest does not get to see, and which window is to fill its monitor. Pure:
//! what the display makes of it comes back as events.
//!
//! The pointer:
//!
//! ```text
//!       ┌──── chord, focus or pointer lost, the host lets go ────┐
//!       ▼                                                       │
//!     Free ── click: relative, or the guest hides its pointer ─▶ Clicked
//!       ▲ │                                                     │
//!       │ └─── chord ──▶ Held                 the guest shows its pointer (auto)
//!       └───────────────────────────────────────────────────────┘
//! ```
//!
//! The shortcuts are held in full screen or always, as the options say, until the user presses the
//! chord; that holds until the keyboard comes anew. On our own compositor every guest is in full
//! screen, and the keys that switch guests are the user's until the chord says otherwise.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    Grab, GrabMode, HandsOptions, HostInput, PointerMode, Position, chord::Watch, codes::is_key,
};
use crate::display::ScanoutId;

/// How long the guest's pointer must have stayed hidden while the user moved it. Guests hide it
/// while somebody types, too, and show it with the first motion, which takes its time to be drawn.
const HIDDEN_FOR: Duration = Duration::from_millis(500);

/// How far the user must have moved it meanwhile, in pixels of the guest.
const HIDDEN_MOTION: f64 = 24.0;

/// Who gets an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The guest.
    Guest,
    /// Nobody: it was meant for us.
    Kept,
}

/// Why the pointer is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Hold {
    /// It is not.
    #[default]
    Free,
    /// The user clicked where that means it.
    Clicked,
    /// The user pressed the chord.
    Held,
}

/// The guest's pointer.
#[derive(Debug, Clone, Copy, Default)]
enum Shown {
    /// The guest never showed one: it may have none.
    #[default]
    Never,
    /// It is seen.
    Seen,
    /// The guest took it away.
    Hidden {
        /// Since when the user moves it all the same.
        moved: Option<Instant>,
        /// How far, in pixels.
        far: f64,
    },
}

/// The devices that the guest has for a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Has {
    pub(super) pointer: bool,
    pub(super) mouse: bool,
}

/// The policy and what it has seen.
#[derive(Debug)]
pub(super) struct Policy {
    options: HandsOptions,
    has: Has,
    release: Option<Watch>,
    /// The window with the keyboard, and since when.
    focus: Option<(ScanoutId, Instant)>,
    fullscreen: BTreeSet<ScanoutId>,
    /// The host fills its monitors by itself: full screen is nobody's wish there, and its key is the
    /// guest's.
    fills_monitors: bool,
    /// Keys that are down on the host.
    keys: BTreeSet<u16>,
    /// Those of them that the guest knows nothing of.
    kept: BTreeSet<u16>,
    /// What the user said with the chord, since the keyboard came: hold the shortcuts, or not.
    said: Option<bool>,
    hold: Hold,
    guest_pointer: Shown,
    last: Option<Position>,
    toggles: Vec<ScanoutId>,
}

impl Policy {
    pub(super) fn new(options: HandsOptions, has: Has) -> Self {
        Self {
            release: options.release.clone().map(Watch::new),
            options,
            has,
            focus: None,
            fullscreen: BTreeSet::new(),
            fills_monitors: false,
            keys: BTreeSet::new(),
            kept: BTreeSet::new(),
            said: None,
            hold: Hold::Free,
            guest_pointer: Shown::Never,
            last: None,
            toggles: Vec::new(),
        }
    }

    /// What the display is to hold.
    pub(super) fn wanted(&self) -> Grab {
        let by_itself = |focus: ScanoutId| match self.options.grab {
            GrabMode::Auto => !self.fills_monitors && self.fullscreen.contains(&focus),
            GrabMode::Always => true,
            GrabMode::Never => false,
        };
        let never = self.options.grab == GrabMode::Never;
        let shortcuts = self
            .focus
            .is_some_and(|(focus, _)| !never && self.said.unwrap_or_else(|| by_itself(focus)));
        Grab {
            pointer: self.hold != Hold::Free,
            shortcuts,
        }
    }

    /// Whether the host has windows fill its monitors by itself.
    pub(super) fn set_fills_monitors(&mut self, fills: bool) {
        self.fills_monitors = fills;
    }

    /// The windows whose size the user wants to change, once each.
    pub(super) fn take_toggles(&mut self) -> Vec<ScanoutId> {
        std::mem::take(&mut self.toggles)
    }

    /// The guest shows its pointer somewhere, or nowhere.
    pub(super) fn guest_pointer(&mut self, seen: bool) {
        self.guest_pointer = match (self.guest_pointer, seen) {
            (_, true) => Shown::Seen,
            (Shown::Seen, false) => Shown::Hidden {
                moved: None,
                far: 0.0,
            },
            (before @ (Shown::Never | Shown::Hidden { .. }), false) => before,
        };
        if seen && self.hold == Hold::Clicked && !self.clicks_lock() {
            self.hold = Hold::Free;
        }
    }

    /// The guest is another one.
    pub(super) fn forget_guest(&mut self) {
        self.guest_pointer = Shown::Never;
        if self.hold == Hold::Clicked && !self.clicks_lock() {
            self.hold = Hold::Free;
        }
    }

    /// The user does something. All that the display reports at once comes with the same `now`.
    pub(super) fn observe(&mut self, event: &HostInput, now: Instant) -> Fate {
        match *event {
            HostInput::KeyboardEnter(scanout) => self.focus(Some((scanout, now))),
            HostInput::KeyboardLeave => self.focus(None),
            HostInput::Key {
                code,
                pressed: true,
            } => return self.key_down(code, now),
            HostInput::Key {
                code,
                pressed: false,
            } => return self.key_up(code),
            HostInput::PointerEnter(at) | HostInput::PointerMotion(at) => self.moved(at, now),
            HostInput::PointerLeave => {
                self.hold = Hold::Free;
                self.last = None;
            }
            HostInput::PointerLocked(false) => self.hold = Hold::Free,
            HostInput::Button { pressed: true, .. } => self.clicked(now),
            HostInput::Fullscreen { scanout, on } => {
                let changed = match on {
                    true => self.fullscreen.insert(scanout),
                    false => self.fullscreen.remove(&scanout),
                };
                if changed && self.focus.is_some_and(|(focus, _)| focus == scanout) {
                    self.said = None;
                }
            }
            HostInput::Locks(_)
            | HostInput::RelativeMotion { .. }
            | HostInput::Button { pressed: false, .. }
            | HostInput::Scroll { .. }
            | HostInput::PointerFrame
            | HostInput::PointerLocked(true)
            | HostInput::TouchDown { .. }
            | HostInput::TouchMotion { .. }
            | HostInput::TouchUp { .. }
            | HostInput::TouchCancel
            | HostInput::TouchFrame
            | HostInput::PenEnter { .. }
            | HostInput::PenLeave
            | HostInput::PenMotion(_)
            | HostInput::PenTip(_)
            | HostInput::PenPressure(_)
            | HostInput::PenDistance(_)
            | HostInput::PenTilt { .. }
            | HostInput::PenButton { .. }
            | HostInput::PenFrame => {}
        }
        Fate::Guest
    }

    fn focus(&mut self, focus: Option<(ScanoutId, Instant)>) {
        // The click that brings the keyboard may come before it.
        if focus.is_none() {
            self.hold = Hold::Free;
        }
        self.focus = focus;
        self.said = None;
        self.keys.clear();
        self.kept.clear();
        if let Some(release) = &mut self.release {
            release.forget();
        }
    }

    fn key_down(&mut self, code: u16, now: Instant) -> Fate {
        if !is_key(code) {
            return Fate::Guest;
        }
        if !self.keys.insert(code) {
            return self.fate_of(code);
        }
        let held_before = self.focus.is_some_and(|(_, since)| since == now);
        if let Some(release) = &mut self.release {
            release.pressed(&self.keys);
            if held_before {
                // Pressed for the host, to come here.
                release.spoil();
            }
        }
        let Some((focus, _)) = self.focus else {
            return Fate::Guest;
        };
        let keys = self.keys.iter().copied();
        let fullscreen = self.options.fullscreen.as_ref();
        let meant = fullscreen.is_some_and(|chord| chord.has(code) && chord.is_pressed(keys));
        if !meant || held_before || self.fills_monitors || self.wanted().shortcuts {
            return Fate::Guest;
        }
        self.toggles.push(focus);
        self.kept.insert(code);
        Fate::Kept
    }

    fn key_up(&mut self, code: u16) -> Fate {
        self.keys.remove(&code);
        let keys = &self.keys;
        if self
            .release
            .as_mut()
            .is_some_and(|watch| watch.released(keys))
        {
            self.chord();
        }
        let fate = self.fate_of(code);
        self.kept.remove(&code);
        fate
    }

    /// Who got the press of a key.
    fn fate_of(&self, code: u16) -> Fate {
        match self.kept.contains(&code) {
            true => Fate::Kept,
            false => Fate::Guest,
        }
    }

    /// The chord lets go of whatever is held; where nothing is, it holds what can be held.
    fn chord(&mut self) {
        let held = self.wanted();
        let hold = !held.pointer && !held.shortcuts;
        self.said = Some(hold);
        self.hold = match hold && self.focus.is_some() && self.can_lock() {
            true => Hold::Held,
            false => Hold::Free,
        };
    }

    fn clicked(&mut self, now: Instant) {
        if let Some(release) = &mut self.release {
            release.spoil();
        }
        let means_it = self.clicks_lock() || self.is_lost(now);
        if self.hold == Hold::Free && self.can_lock() && means_it {
            self.hold = Hold::Clicked;
        }
    }

    fn moved(&mut self, at: Position, now: Instant) {
        let last = self.last.replace(at);
        if let Shown::Hidden { moved, far } = &mut self.guest_pointer {
            moved.get_or_insert(now);
            if let Some(last) = last.filter(|last| last.scanout == at.scanout) {
                *far += (at.x - last.x).abs() + (at.y - last.y).abs();
            }
        }
    }

    /// Whether a guest with this pointer can make use of a lock.
    fn can_lock(&self) -> bool {
        self.has.mouse && self.options.pointer != PointerMode::Absolute
    }

    /// Whether every click locks the pointer: the guest wants to know how far it moved, or can be
    /// told nothing else.
    fn clicks_lock(&self) -> bool {
        match self.options.pointer {
            PointerMode::Auto => !self.has.pointer,
            PointerMode::Absolute => false,
            PointerMode::Relative => true,
        }
    }

    /// Whether the guest keeps its pointer hidden although the user moves it.
    fn is_lost(&self, now: Instant) -> bool {
        match self.guest_pointer {
            Shown::Hidden {
                moved: Some(since),
                far,
            } => now.saturating_duration_since(since) >= HIDDEN_FOR && far >= HIDDEN_MOTION,
            Shown::Never | Shown::Seen | Shown::Hidden { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
