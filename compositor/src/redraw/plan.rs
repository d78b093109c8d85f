//! The best moment to compose.

use std::time::Duration;

use super::{FrameClock, Timing};

/// Spare time between the expected end of composing and the vblank: missing the vblank costs a
/// whole refresh.
pub(super) const MARGIN: Duration = Duration::from_millis(2);

/// The longest rest after a vblank before an output may be composed again, see [`Pace::late`].
const MAX_REST: Duration = Duration::from_millis(4);

/// How quickly a missed vblank is forgotten: so slowly that trying whether less time is enough
/// costs one vblank in some hundreds.
const LATENESS_KEEPS: u32 = 512;

/// What composing takes, and when it has to begin therefore.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// How long composing takes.
    work: Timing,
    /// How much later than wanted composing begins, as it does on a loaded machine.
    delay: Timing,
    /// How much longer than composing the renderer works. It can't be measured, only whether it
    /// was too long for a vblank.
    lateness: Duration,
    /// How much earlier than it would have to begin composing begins where everybody is there,
    /// because vblanks were missed for no reason that can be measured: the driver or the machine
    /// was busy with something else.
    caution: Duration,
}

/// When to compose a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// When, if everybody is there.
    pub(super) compose_at: Duration,
    /// How long to wait for those who are not.
    pub(super) at_latest: Duration,
    /// The number of the vblank that is to show it.
    pub(super) sequence: u64,
}

impl Pace {
    /// Composing took this long.
    pub(super) fn took(&mut self, time: Duration, period: Duration) {
        self.work.record(time, period);
    }

    /// Composing began this much later than wanted.
    pub(super) fn began(&mut self, late: Duration, period: Duration) {
        // A quarter at most, so that guests keep their time to draw on a machine that is loaded
        // by them.
        self.delay.record(late, period / 4);
    }

    /// A picture was or was not late for its vblank. If it was, either the renderer was still at
    /// work when the flip was asked for, or nobody knows why.
    pub(super) fn flipped(&mut self, late: bool, incomplete: bool, period: Duration) {
        if !late {
            self.lateness -= self.lateness / LATENESS_KEEPS;
            self.caution -= self.caution / LATENESS_KEEPS;
            return;
        }
        let more = match incomplete {
            true => &mut self.lateness,
            false => &mut self.caution,
        };
        *more = (*more + period / 8).min(period / 2);
    }

    /// The time to compose a picture that became out of date at `now`, and the vblank that then
    /// shows it. `next` is the first one that could.
    ///
    /// As late before the next vblank as the last frames' times allow. Guests have two
    /// frame buffers and learn only at a vblank that their last flip is done; their next one
    /// comes a few milliseconds later. An output that is composed at once, because a pointer or
    /// another guest moved, locks them out of that refresh, and they run at half the rate.
    ///
    /// That is also why composing rests for a moment after a vblank even where it takes so long
    /// that it would have to begin earlier.
    ///
    /// How late, is a trade: a guest that comes after composing loses a refresh for certain, one
    /// frame that takes longer than thought loses one for all. So while somebody is still to come,
    /// the time that most frames take has to do; with everybody there, waiting on would only put
    /// the picture at risk, and there is time for the slowest.
    pub(super) fn late(&self, clock: &FrameClock, next: u64, now: Duration) -> Plan {
        for sequence in [next, next.saturating_add(1)] {
            let vblank = clock.vblank(sequence);
            let earliest = Self::earliest(clock, sequence).max(now);
            let safe = vblank.saturating_sub(self.lead() + self.caution);
            let compose_at = safe.max(earliest);
            // A change that comes late for its vblank is still worth a try: if it misses, it shows
            // at the one after, where waiting would also have it.
            if compose_at + self.work.usual() < vblank {
                let likely = vblank.saturating_sub(self.short_lead());
                return Plan {
                    compose_at,
                    at_latest: likely.max(compose_at),
                    sequence,
                };
            }
        }
        // Slower than the refresh rate: every frame is late, so start as soon as may be.
        Plan::at(Self::earliest(clock, next).max(now), next)
    }

    /// Like [`Pace::late`], for a display that waits for the picture: it can't be missed, so as
    /// late as the first possible vblank allows, and at once after that.
    pub(super) fn on_demand(
        &self,
        clock: &FrameClock,
        shown: Option<u64>,
        next: u64,
        now: Duration,
    ) -> Plan {
        let first = shown.map_or(next, |shown| shown.saturating_add(1));
        let latest = clock.vblank(first).saturating_sub(self.lead());
        let at = latest.max(Self::earliest(clock, first)).max(now);
        Plan::at(at, clock.next_after(at).max(next))
    }

    /// How long before a vblank composing has to begin.
    fn lead(&self) -> Duration {
        self.work.worst() + self.delay.worst() + self.lateness + MARGIN
    }

    /// The same for most frames.
    fn short_lead(&self) -> Duration {
        self.work.likely() + self.delay.likely() + self.lateness + MARGIN
    }

    /// The end of the rest before a vblank.
    fn earliest(clock: &FrameClock, sequence: u64) -> Duration {
        let rest = (clock.period() / 8).min(MAX_REST);
        clock.vblank(sequence.saturating_sub(1)) + rest
    }
}

impl Plan {
    /// Waits for nobody.
    pub(super) fn at(compose_at: Duration, sequence: u64) -> Self {
        Self {
            compose_at,
            at_latest: compose_at,
            sequence,
        }
    }
}
