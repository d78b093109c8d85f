//! From what hands did on the host to frames of the guest's input devices.
//!
//! ```text
//! display ─ HostInput ─▶ grab ─▶ keyboard, pointers, touch, pen ─ frames ─▶ backlogs ─▶ rings
//! control socket ─▶ inject ────────┘        ▲                                  (vhost_user)
//!                            locks ─────────┘ ◀── lights ◀── status rings
//! ```
//!
//! What the guest takes for pressed is known here at any time, and goes up when the focus, the
//! pointer, the fingers or the pen are lost, when the guest is paused, and when it took so few events
//! that some had to be thrown away. A driver that comes anew starts with nothing pressed.

mod apply;

use std::{collections::BTreeSet, time::Instant};

use protocols::{
    ipc::{HandStats, InputAction},
    virtio_input::Event,
};
use tracing::debug;

use super::{
    Frame, Grab, HandsOptions, HostInput, InputKind, Leds, Refusal,
    backlog::{Backlog, Overflow},
    grab::{Fate, Has, Policy},
    inject::Script,
    keyboard::Keyboard,
    layout::Layout,
    locks::Locks,
    pen::Pen,
    pointers::Pointers,
    touch::Touch,
};
use crate::{display::ScanoutId, histogram::Histogram};

/// The guest's input devices.
#[derive(Debug)]
pub struct Hands {
    devices: Vec<Device>,
    layout: Layout,
    policy: Policy,
    keyboard: Keyboard,
    pointers: Pointers,
    touch: Touch,
    pen: Pen,
    locks: Locks,
    script: Script,
    wishes: Wishes,
    /// What the display was asked to hold last.
    asked: Grab,
    /// Whether it knows that the guest's pointer follows.
    follows: bool,
}

/// What the display is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Hold the user's hands that tightly.
    pub grab: Option<Grab>,
    /// The guest's pointer follows the host's, or goes its own way.
    pub follows: Option<bool>,
    /// The guest's keyboard has these lights.
    pub leds: Option<Leds>,
    /// Make these windows fill their monitors, or be windows again.
    pub fullscreen: Vec<ScanoutId>,
}

/// One device.
#[derive(Debug)]
struct Device {
    kind: InputKind,
    /// Whether the guest's driver is at work.
    works: bool,
    backlog: Backlog,
    frames: u64,
    frames_dropped: u64,
    latency: Histogram,
}

impl Hands {
    /// Devices of these kinds, without a driver yet.
    pub fn new(kinds: impl IntoIterator<Item = InputKind>, options: HandsOptions) -> Self {
        let kinds: BTreeSet<InputKind> = kinds.into_iter().collect();
        let has = Has {
            pointer: kinds.contains(&InputKind::Pointer),
            mouse: kinds.contains(&InputKind::Mouse),
        };
        Self {
            devices: kinds.into_iter().map(Device::new).collect(),
            layout: Layout::default(),
            policy: Policy::new(options, has),
            keyboard: Keyboard::default(),
            pointers: Pointers::default(),
            touch: Touch::default(),
            pen: Pen::default(),
            locks: Locks::default(),
            script: Script::default(),
            wishes: Wishes::default(),
            asked: Grab::default(),
            follows: false,
        }
    }

    /// Where the guest's screens are now.
    pub fn set_layout(&mut self, layout: Layout) {
        self.layout = layout;
    }

    /// Whether the guest shows its pointer on any of its screens.
    pub fn guest_pointer(&mut self, seen: bool) {
        self.policy.guest_pointer(seen);
    }

    /// Hands did something. All that the display reports at once comes with the same `now`.
    pub fn input(&mut self, event: HostInput, now: Instant) {
        match self.policy.observe(&event, now) {
            Fate::Guest => self.apply(event, now),
            Fate::Kept => {}
        }
    }

    /// A client of the control socket does something; call [`Hands::expire`] for it to happen.
    ///
    /// # Errors
    /// What is wrong with it; then nothing of it is done.
    pub fn inject(&mut self, action: &InputAction) -> Result<(), Refusal> {
        self.script.push(action, &self.layout)
    }

    /// Does what is due by `now`.
    pub fn expire(&mut self, now: Instant) {
        while let Some(step) = self.script.step(now) {
            for event in step {
                self.apply(event, now);
            }
        }
    }

    /// When [`Hands::expire`] wants to be called next.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.script.next_deadline(now)
    }

    /// What the display is asked for since the last call.
    pub fn take_wishes(&mut self) -> Wishes {
        let mut wishes = std::mem::take(&mut self.wishes);
        let wanted = self.policy.wanted();
        if std::mem::replace(&mut self.asked, wanted) != wanted {
            wishes.grab = Some(wanted);
        }
        let follows = self.works(InputKind::Pointer);
        if std::mem::replace(&mut self.follows, follows) != follows {
            wishes.follows = Some(follows);
        }
        wishes.fullscreen = self.policy.take_toggles();
        wishes
    }

    /// The driver of a device is at work, or stops: the guest is paused, or goes.
    pub fn set_works(&mut self, kind: InputKind, works: bool, now: Instant) {
        let Some(device) = self.device(kind) else {
            return;
        };
        if device.works == works {
            return;
        }
        device.works = works;
        if !works {
            // A guest that goes on finds that all was let go meanwhile, and nothing that is old.
            let dropped = device.backlog.drop_waiting();
            self.let_go_of_all(kind, &dropped, now);
        }
        self.pointers.set_works(kind, works);
    }

    /// The driver of a device is a new one: it knows of nothing, and gets nothing of the old one's.
    pub fn driver_is_new(&mut self, kind: InputKind) {
        self.let_go(kind, &BTreeSet::new());
        if let Some(device) = self.device(kind) {
            device.backlog.clear();
        }
        match kind {
            InputKind::Keyboard => {
                self.locks.forget_guest();
                self.script.clear();
            }
            InputKind::Pointer | InputKind::Mouse => self.policy.forget_guest(),
            InputKind::Touch | InputKind::Pen => {}
        }
    }

    /// The guest says something to a device.
    pub fn status(&mut self, kind: InputKind, event: Event, now: Instant) {
        if kind != InputKind::Keyboard {
            return;
        }
        let (leds, taps) = self.locks.guest(event);
        if leds.is_some() {
            self.wishes.leds = leds;
        }
        self.tap(&taps, now);
    }

    /// Whether the host has windows fill its monitors by itself.
    pub fn set_fills_monitors(&mut self, fills: bool) {
        self.policy.set_fills_monitors(fills);
    }

    /// The display is another one: it holds nothing, and knows no lights.
    pub fn host_is_new(&mut self) {
        self.asked = Grab::default();
        self.follows = false;
        self.wishes.leds = self.locks.guest_leds();
    }

    /// What waits for a device's event queue, while its driver is at work.
    pub fn backlog(&self, kind: InputKind) -> Option<Event> {
        let device = self.devices.iter().find(|device| device.kind == kind)?;
        device.works.then(|| device.backlog.next())?
    }

    /// The guest has got what [`Hands::backlog`] gave.
    pub fn delivered(&mut self, kind: InputKind, now: Instant) {
        let Some(device) = self.device(kind) else {
            return;
        };
        if let Some(waited) = device.backlog.advance(now) {
            device.frames = device.frames.saturating_add(1);
            device.latency.add(waited);
        }
    }

    /// The counters, a line for each device.
    pub fn stats(&self) -> Vec<HandStats> {
        let devices = self.devices.iter();
        devices.map(|device| device.stats(&self.locks)).collect()
    }

    fn device(&mut self, kind: InputKind) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.kind == kind)
    }

    fn works(&self, kind: InputKind) -> bool {
        let device = self.devices.iter().find(|device| device.kind == kind);
        device.is_some_and(|device| device.works)
    }

    /// Everything that is pressed on a device goes up.
    fn release(&mut self, kind: InputKind, now: Instant) {
        let frame = self.let_go(kind, &BTreeSet::new());
        self.send(kind, frame, now);
    }

    /// The frame by which everything goes up that is pressed on a device, or may be.
    fn let_go(&mut self, kind: InputKind, may_be: &BTreeSet<u16>) -> Option<Frame> {
        match kind {
            InputKind::Keyboard => self.keyboard.let_go(may_be),
            InputKind::Pointer | InputKind::Mouse => self.pointers.let_go(kind, may_be),
            InputKind::Touch => self.touch.let_go(),
            InputKind::Pen => self.pen.let_go(),
        }
    }

    fn send_all(&mut self, kind: InputKind, frames: Vec<Frame>, now: Instant) {
        for frame in frames {
            self.send(kind, Some(frame), now);
        }
    }

    fn send(&mut self, kind: InputKind, frame: Option<Frame>, now: Instant) {
        let (Some(frame), Some(device)) = (frame, self.device(kind)) else {
            return;
        };
        if !device.works {
            return;
        }
        let Err(overflow) = device.backlog.push(frame, now) else {
            return;
        };
        debug!(%kind, frames = overflow.frames, "The guest takes too few events; some are left out");
        device.frames_dropped = device.frames_dropped.saturating_add(overflow.frames);
        self.let_go_of_all(kind, &overflow, now);
    }

    /// Everything goes up that a guest can take for pressed which did not get some frames. Nobody
    /// knows which of them it would have seen end.
    fn let_go_of_all(&mut self, kind: InputKind, dropped: &Overflow, now: Instant) {
        let held = self.let_go(kind, &dropped.keys);
        let frame = match kind {
            InputKind::Touch if dropped.frames > 0 => Touch::end_all(),
            InputKind::Pen if dropped.frames > 0 => Pen::end_all(),
            _ => held,
        };
        if let (Some(frame), Some(device)) = (frame, self.device(kind)) {
            // There is room: all but a begun frame has just been thrown away.
            let _ = device.backlog.push(frame, now);
        }
    }
}

impl Device {
    fn new(kind: InputKind) -> Self {
        Self {
            kind,
            works: false,
            backlog: Backlog::default(),
            frames: 0,
            frames_dropped: 0,
            latency: Histogram::default(),
        }
    }

    fn stats(&self, locks: &Locks) -> HandStats {
        HandStats {
            device: self.kind.word().to_owned(),
            connected: self.works,
            frames: self.frames,
            frames_dropped: self.frames_dropped,
            latency_p50_us: self.latency.percentile(50),
            latency_p99_us: self.latency.percentile(99),
            lights: match self.kind {
                InputKind::Keyboard => locks.lights(),
                InputKind::Pointer | InputKind::Mouse | InputKind::Touch | InputKind::Pen => {
                    Vec::new()
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
