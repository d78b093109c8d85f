//! From a key to the guest, and to the picture that the guest draws for it.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use guest::{
    driver::{Driver, DriverOptions},
    input::{InputDriver, InputOptions},
    kms::{BufferKind, Fencing, Screen, ScreenOptions},
};
use protocols::{
    ipc::{InputAction, Request},
    virtio_gpu::Rect,
    virtio_input::EV_KEY,
};

use super::{START, Scenario};
use crate::{
    backend::now,
    bench::{
        plan::Plan,
        report::model::Quantity,
        run::{Bench, Readings},
        stopwatch::{Manner, Presents},
        subject::{InputDevice, Lack, Needs, Shown, Subject, Wanted},
    },
    ipc::client,
};

/// `KEY_A`: one that no host takes for itself.
const KEY: u16 = 30;

/// How long a key may be on its way before its device counts as hung.
const PATIENCE: Duration = Duration::from_secs(5);

/// The shortest pause before a key: two refreshes, so that nothing is left of the key before.
const PAUSE: Duration = Duration::from_millis(34);

/// How much longer each pause is than the one before, up to a refresh: a part of it that meets all of its
/// phases.
const STEP: Duration = Duration::from_micros(6_366);

const REFRESH: Duration = Duration::from_micros(16_667);

/// The part of the picture that a key changes: a letter.
const LETTER: Rect = Rect {
    x: 320,
    y: 200,
    width: 16,
    height: 32,
};

const SIZE: (u32, u32) = (1280, 800);

/// The name of the guest in our own compositor.
const GUEST: &str = "g0";

/// Each with what shows the guest.
const CASES: [(&str, Shown); 3] = [
    ("a key, presented at once", stopwatch(Presents::AtOnce)),
    ("a key, 60 Hz", stopwatch(Presents::AtRefresh)),
    ("a key, our own compositor, 60 Hz", Shown::Compositor),
];

const fn stopwatch(presents: Presents) -> Shown {
    Shown::Stopwatch(Manner {
        presents,
        knows_guests: false,
    })
}

/// The scenario.
#[derive(Debug, Clone, Copy)]
pub struct Input;

impl Scenario for Input {
    fn about(&self) -> &'static str {
        "A key: from the host's event to the guest's event queue, and to the presentation of what the \
         guest draws for it at once. The host is the benchmark's own Wayland server, which presents at \
         once or at 60 Hz, or our compositor without a screen, whose key is a request on its control \
         socket and whose presentations are asked for there again and again."
    }

    fn wanted(&self, _: &Plan) -> Result<Wanted, Lack> {
        Ok(wanted(Shown::Compositor))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let cases = CASES.iter().filter(|(name, _)| plan.wants(name)).count();
        let turn = keys(plan) * (PAUSE + REFRESH);
        plan.time(cases, subjects, START, turn)
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let keys = keys(bench.plan());
        for (case, shown_by) in CASES {
            bench.case(
                case,
                &wanted(shown_by),
                |subject| Guest::new(subject),
                |guest, subject, readings| guest.measure(subject, readings, keys),
            );
        }
        Ok(())
    }
}

fn keys(plan: &Plan) -> u32 {
    plan.pick(20, 100)
}

fn wanted(shown_by: Shown) -> Wanted {
    Wanted {
        needs: Needs {
            hands: true,
            ..Needs::default()
        },
        shown_by,
        ..Wanted::one(SIZE)
    }
}

/// A guest with a keyboard that draws for each key.
struct Guest {
    driver: Driver,
    screen: Screen,
    keyboard: InputDriver,
    /// How many keys there were.
    count: u32,
}

impl Guest {
    fn new(subject: &mut dyn Subject) -> anyhow::Result<Self> {
        let mut driver = subject.connect(0, &DriverOptions::default())?;
        let options = ScreenOptions {
            kind: BufferKind::of_linux(&driver),
            fencing: Fencing::Always,
            buffers: 1,
            ..ScreenOptions::default()
        };
        let mut screen = Screen::new(&mut driver, 0, SIZE, options)?;
        // Hands are on windows that are to be seen.
        let ticket = screen.flip_drawn(&mut driver)?;
        screen.wait(&mut driver, ticket)?;
        let socket = subject.input_socket(0, InputDevice::Keyboard);
        let socket = socket.context("The guest has no keyboard")?;
        let options = InputOptions {
            timeout: PATIENCE,
            ..InputOptions::default()
        };
        Ok(Self {
            driver,
            screen,
            keyboard: InputDriver::connect(socket, &options)?,
            count: 0,
        })
    }

    fn measure(
        &mut self,
        subject: &mut dyn Subject,
        readings: &mut Readings,
        keys: u32,
    ) -> anyhow::Result<()> {
        for _ in 0..keys {
            let phase = (u128::from(self.count) * STEP.as_nanos()) % REFRESH.as_nanos();
            thread::sleep(PAUSE + Duration::from_nanos(u64::try_from(phase)?));
            let pressed = self.count.is_multiple_of(2);
            self.count += 1;
            match subject.control_socket().map(Path::to_owned) {
                Some(socket) => self.ask_for_key(&socket, subject, pressed, readings)?,
                None => self.press_key(subject, pressed, readings)?,
            }
        }
        Ok(())
    }

    /// A key of the stopwatch's keyboard.
    fn press_key(
        &mut self,
        subject: &mut dyn Subject,
        pressed: bool,
        readings: &mut Readings,
    ) -> anyhow::Result<()> {
        let stopwatch = subject.stopwatch();
        let stopwatch = stopwatch.context("Nobody presses keys of this host")?;
        while stopwatch.presented().try_recv().is_ok() {}
        stopwatch.key(KEY, pressed)?;
        let seen = self.wait_for_key(pressed)?;
        self.draw()?;
        let sent = stopwatch.sent()?;
        let presented = stopwatch.presented().recv_timeout(PATIENCE);
        let presented = presented.context("What the guest drew was not presented")?;
        readings.time(Quantity::InputToGuest, seen.saturating_sub(sent));
        readings.time(Quantity::InputToPixel, presented.at.saturating_sub(sent));
        Ok(())
    }

    /// A key that our own compositor is asked for.
    fn ask_for_key(
        &mut self,
        socket: &Path,
        subject: &mut dyn Subject,
        pressed: bool,
        readings: &mut Readings,
    ) -> anyhow::Result<()> {
        let before = presented(subject)?;
        let request = Request::Input {
            guest: GUEST.to_owned(),
            action: InputAction::Key { code: KEY, pressed },
        };
        // The answer comes later than the key, which is what counts.
        let (sent, seen) = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let sent = now();
                client::ask(socket, &request).map(|_| sent)
            });
            let seen = self.wait_for_key(pressed);
            let sent = asking.join();
            (sent, seen)
        });
        let seen = seen?;
        let Ok(sent) = sent else {
            bail!("The thread that asks for a key has ended");
        };
        let sent = sent?;
        self.draw()?;
        let deadline = Instant::now() + PATIENCE;
        while presented(subject)? == before {
            ensure!(
                Instant::now() < deadline,
                "What the guest drew was not presented"
            );
        }
        readings.time(Quantity::InputToGuest, seen.saturating_sub(sent));
        readings.time(Quantity::InputToPixel, now().saturating_sub(sent));
        Ok(())
    }

    /// Waits for the key in the guest's event queue, and returns when it was there.
    fn wait_for_key(&mut self, pressed: bool) -> anyhow::Result<Duration> {
        loop {
            let frame = self.keyboard.frame()?;
            let at = now();
            let is_key = |event: &protocols::virtio_input::Event| {
                event.kind == EV_KEY && event.code == KEY && (event.value != 0) == pressed
            };
            if frame.iter().any(is_key) {
                return Ok(at);
            }
        }
    }

    /// Shows a letter, as a guest does that reacts at once.
    fn draw(&mut self) -> anyhow::Result<()> {
        let Self { driver, screen, .. } = self;
        let front = screen.front().context("The screen has no buffer")?;
        front.transfer(driver, LETTER)?;
        let ticket = driver.flush_fenced(front.resource_id(), LETTER)?;
        screen.wait(driver, Some(ticket))?;
        Ok(())
    }
}

/// How many frames were presented.
fn presented(subject: &mut dyn Subject) -> anyhow::Result<u64> {
    let counters = subject.counters(0)?;
    let counters = counters.context("Nobody counts the guest's frames")?;
    Ok(counters.presented)
}
