//! What holds whatever happens.

use super::*;

#[derive(Debug, Clone)]
enum Op {
    /// Something changes.
    Queue,
    /// Clients are waited for.
    Await,
    /// They are there.
    Arrive,
    /// Time passes, in microseconds; composing takes the second number if it is due.
    Advance(u64, u64),
    /// The screens are somebody else's for a while.
    Leave,
    /// They are ours again.
    Return,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Queue),
        4 => Just(Op::Await),
        2 => Just(Op::Arrive),
        8 => (0..60_000u64, 0..30_000u64).prop_map(|(wait, took)| Op::Advance(wait, took)),
        1 => Just(Op::Leave),
        1 => Just(Op::Return),
    ]
}

/// What becomes of a composed frame.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// There is nothing to flip to.
    Unchanged,
    /// It flips at the vblank.
    Flips,
    /// It flips this many vblanks too late.
    Late(u32),
    /// It never does.
    Lost,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Unchanged),
        6 => Just(Fate::Flips),
        1 => (1..3u32).prop_map(Fate::Late),
        1 => Just(Fate::Lost),
    ]
}

/// A display beside the machine, and everything that is to hold between them.
struct Model {
    redraw: Redraw,
    now: Duration,
    /// The display's own vblanks.
    display: FrameClock,
    fates: Vec<Fate>,
    composed: usize,
    /// When and as which vblank the display flips.
    flip: Option<(Duration, u64)>,
    /// A frame is under way.
    under_way: bool,
    /// There is something that no frame has.
    changed: bool,
    paused: bool,
    last_shown: Option<u64>,
}

impl Model {
    fn new(millihertz: u32, phase: Duration, fates: Vec<Fate>) -> Self {
        let mut display = FrameClock::new(START + phase, NonZeroU32::new(millihertz).unwrap());
        display.anchor(1_000_000, START + phase);
        Self {
            redraw: Redraw::new(clock(millihertz)),
            now: START,
            display,
            fates,
            composed: 0,
            flip: None,
            under_way: false,
            changed: false,
            paused: false,
            last_shown: None,
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Queue => {
                self.changed = true;
                self.redraw.queue(self.now);
            }
            Op::Await => self.redraw.wait_for_clients(),
            Op::Arrive => self.redraw.all_here(self.now),
            Op::Advance(wait, took) => {
                let until = self.now + Duration::from_micros(*wait);
                self.run(until, Duration::from_micros(*took));
            }
            Op::Leave => {
                self.redraw.pause();
                (self.paused, self.under_way, self.flip) = (true, false, None);
            }
            Op::Return => {
                if self.paused {
                    self.changed = true;
                }
                self.paused = false;
                self.redraw.resume(self.now);
            }
        }
        self.verify();
    }

    fn run(&mut self, until: Duration, took: Duration) {
        loop {
            let flip = self.flip.map(|(at, _)| at);
            let next = flip.into_iter().chain(self.redraw.deadline()).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if flip.is_some_and(|flip| flip <= self.now) {
                self.flips();
            } else {
                self.due(took);
            }
            self.verify();
        }
        self.now = self.now.max(until);
    }

    fn flips(&mut self) {
        let (at, sequence) = self.flip.take().unwrap();
        let vblank = self.redraw.flipped(self.now, at, sequence);
        let vblank = vblank.expect("the flip was not waited for");
        assert_eq!((vblank.sequence, vblank.at), (sequence, at));
        self.shown(sequence);
    }

    fn due(&mut self, took: Duration) {
        match self
            .redraw
            .due(self.now)
            .expect("a deadline without a deed")
        {
            Due::Compose => {
                assert!(!self.under_way, "two frames are under way");
                assert!(self.changed, "composed without a change");
                self.changed = false;
                self.under_way = true;
                let started = self.now;
                self.now += took;
                self.compose(started, took);
            }
            Due::Vblank(vblank) => {
                assert_eq!(self.flip, None);
                assert!(vblank.at <= self.now);
                self.shown(vblank.sequence);
            }
            Due::Lost => {
                assert_eq!(self.flip, None, "gave up too early");
                assert!(self.under_way);
                (self.under_way, self.changed) = (false, true);
            }
        }
    }

    fn compose(&mut self, started: Duration, took: Duration) {
        let fate = self.fates[self.composed % self.fates.len()];
        self.composed += 1;
        let shown = match fate {
            Fate::Unchanged => Shown::AtVblank,
            Fate::Flips | Fate::Late(_) | Fate::Lost => Shown::Flip,
        };
        let late = match fate {
            Fate::Late(late) => u64::from(late),
            _ => 0,
        };
        if matches!(fate, Fate::Flips | Fate::Late(_)) {
            let sequence = self.display.next_after(self.now) + late;
            self.flip = Some((self.display.vblank(sequence), sequence));
        }
        self.redraw.composed(&composition(started, took, shown));
    }

    fn shown(&mut self, sequence: u64) {
        assert!(
            std::mem::take(&mut self.under_way),
            "a vblank without a frame"
        );
        let last = self.last_shown.replace(sequence);
        assert!(last < Some(sequence), "two frames at one vblank");
    }

    fn verify(&self) {
        let waits = self.redraw.deadline().is_some();
        let rests = matches!(self.redraw.state(), RedrawState::Idle | RedrawState::Paused);
        assert_eq!(waits, !rests, "waits for nothing, or rests with a deadline");
        assert_eq!(self.paused, self.redraw.state() == RedrawState::Paused);
        if !self.paused {
            let stuck = (self.changed || self.under_way) && !waits;
            assert!(!stuck, "a change or a frame is forgotten");
        }
    }
}

proptest! {
    #[test]
    fn next_after_is_the_first_vblank_after_now(millihertz in 1_000u32..1_000_000, nanos in 0..u64::MAX / 4) {
        let clock = clock(millihertz);
        let now = START + Duration::from_nanos(nanos);
        let next = clock.next_after(now);
        prop_assert!(clock.vblank(next) > now);
        prop_assert!(clock.vblank(next - 1) <= now);
    }

    #[test]
    fn the_nearest_vblank_is_at_most_half_a_period_away(millihertz in 1_000u32..1_000_000, nanos in 0..u64::MAX / 4) {
        let clock = clock(millihertz);
        let time = START + Duration::from_nanos(nanos);
        let off = clock.vblank(clock.nearest(time)).abs_diff(time);
        prop_assert!(off <= clock.period() / 2 + Duration::from_nanos(2));
    }

    /// Every change is shown, at a vblank after it, in one frame at a time and one per vblank, also
    /// by a display that loses flips and is taken away now and then.
    #[test]
    fn every_change_reaches_a_vblank(
        millihertz in 10_000u32..500_000,
        phase in 0..20_000u64,
        fates in prop::collection::vec(fate(), 1..20),
        vrr: bool,
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut model = Model::new(millihertz, Duration::from_micros(phase), fates);
        model.redraw.set_vrr(vrr);
        for op in &ops {
            model.apply(op);
        }
        // Left alone, it comes to rest.
        model.apply(&Op::Return);
        model.fates = vec![Fate::Flips];
        let end = model.now + Duration::from_secs(3);
        model.run(end, ms(1));
        prop_assert_eq!(model.redraw.state(), RedrawState::Idle);
        prop_assert!(!model.changed && !model.under_way);
    }

    /// A rate that changes at any time leaves the machine neither stuck nor ahead of its time.
    #[test]
    fn rates_may_change_at_any_time(
        rates in prop::collection::vec((1_000u32..500_000, 0..60_000u64, any::<bool>()), 1..40),
    ) {
        let mut redraw = Redraw::new(clock(60_000));
        let mut now = START;
        for (millihertz, wait, queue) in rates {
            if queue {
                redraw.queue(now);
            }
            redraw.set_rate(NonZeroU32::new(millihertz).unwrap(), now);
            now += Duration::from_micros(wait);
            while let Some(due) = redraw.due(now) {
                match due {
                    Due::Compose => redraw.composed(&composition(now, ms(1), Shown::AtVblank)),
                    Due::Vblank(vblank) => prop_assert!(vblank.at <= now),
                    Due::Lost => prop_assert!(false, "nothing flips here"),
                }
            }
            if let Some(deadline) = redraw.deadline() {
                prop_assert!(deadline <= now + Duration::from_secs(4), "much too far off");
            }
        }
    }
}
