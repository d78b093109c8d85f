//! What drawing costs that a guest has done by the host: frames of OpenGL through virgl.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use guest::{
    driver::{Driver, DriverOptions, LINUX_FEATURES_3D, Ticket},
    spin::Spin,
};
use protocols::virtio_gpu::F_VIRGL;

use super::Scenario;
use crate::bench::{
    measure::cpu::Usage,
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Counters, Lack, Needs, Role, Subject, Wanted},
};

/// From a frame's commands to the fence that tells that it is drawn. Mesa compiles its shaders for the first.
const PATIENCE: Duration = Duration::from_secs(20);

/// Frames that nobody counts: for what is made, compiled and allocated on the way.
const FIRST: u32 = 20;

/// What a start of the device and its renderer takes, for the estimate.
const START: Duration = Duration::from_secs(2);

/// A case: a size, and how often the triangle of each frame is drawn.
struct Case {
    size: (u16, u16),
    triangles: u32,
    goes: Goes,
}

/// Where a frame goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    /// Nowhere: its fence is waited for, and the next one begins.
    Nowhere,
    /// To the screen, and the next one begins when it is seen.
    Screen,
}

const CASES: [Case; 4] = [
    Case {
        size: (640, 480),
        triangles: 1,
        goes: Goes::Nowhere,
    },
    Case {
        size: (640, 480),
        triangles: 100,
        goes: Goes::Nowhere,
    },
    Case {
        size: (1920, 1080),
        triangles: 1,
        goes: Goes::Nowhere,
    },
    Case {
        size: (640, 480),
        triangles: 1,
        goes: Goes::Screen,
    },
];

/// The scenario.
pub(super) struct Gl;

impl Scenario for Gl {
    fn about(&self) -> &'static str {
        "The software guest draws as Mesa's virgl driver does: a context, two textures of the screen's size, and \
         for each frame a stream of commands that clears one of them and draws a triangle so many times. \
         `off-screen` the next frame begins when the fence of the one before is signalled: frames a second are what \
         the renderer, the rings and the processes between them do at best. `on the screen` it begins when the \
         one before was shown. There is nothing native beside it: the same stream has no meaning without a \
         virtio-gpu. What a whole program has of its native frames a second is measured with real guests."
    }

    fn wanted(&self, _: &Plan) -> Result<Wanted, Lack> {
        Ok(wanted((640, 480)))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let cases = CASES.iter().filter(|case| plan.wants(&case.name())).count();
        plan.time(cases, subjects, START, time(plan))
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let time = time(bench.plan());
        for case in &CASES {
            bench.case(
                &case.name(),
                &wanted(case.size),
                |subject| Guest::start(subject, case),
                |guest, subject, readings| guest.turn(subject, case, time, readings),
            );
        }
        Ok(())
    }
}

fn wanted((width, height): (u16, u16)) -> Wanted {
    Wanted {
        needs: Needs {
            three_d: true,
            ..Needs::default()
        },
        ..Wanted::one((width.into(), height.into()))
    }
}

fn time(plan: &Plan) -> Duration {
    plan.pick(Duration::from_millis(500), Duration::from_secs(4))
}

impl Case {
    fn name(&self) -> String {
        let (width, height) = self.size;
        let goes = match self.goes {
            Goes::Nowhere => "off-screen",
            Goes::Screen => "on the screen",
        };
        let triangles = match self.triangles {
            1 => "1 triangle".to_owned(),
            triangles => format!("{triangles} triangles"),
        };
        format!("{width}x{height} {triangles}, {goes}")
    }
}

/// A guest with its context.
struct Guest {
    driver: Driver,
    spin: Spin,
}

impl Guest {
    fn start(subject: &mut dyn Subject, case: &Case) -> anyhow::Result<Self> {
        let options = DriverOptions {
            features: LINUX_FEATURES_3D,
            timeout: PATIENCE,
            ..DriverOptions::default()
        };
        let mut driver = subject.connect(0, &options)?;
        ensure!(driver.has(F_VIRGL), "The device offers no 3D");
        let spin = Spin::new(&mut driver, 0, case.size)
            .context("Could not make a context. Check that the host has OpenGL")?;
        let mut guest = Self { driver, spin };
        for _ in 0..FIRST {
            guest.frame(case)?;
        }
        Ok(guest)
    }

    fn frame(&mut self, case: &Case) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let drawn = self.spin.draw(&mut self.driver, case.triangles)?;
        self.wait(drawn)?;
        if case.goes == Goes::Screen {
            let shown = self.spin.show(&mut self.driver)?;
            self.wait(shown)?;
        }
        Ok(began.elapsed())
    }

    fn wait(&mut self, ticket: Ticket) -> anyhow::Result<()> {
        self.driver.wait(ticket, PATIENCE)?.done()?;
        Ok(())
    }

    fn turn(
        &mut self,
        subject: &mut dyn Subject,
        case: &Case,
        time: Duration,
        readings: &mut Readings,
    ) -> anyhow::Result<()> {
        let counted = subject.counters(0)?;
        let usage = Usage::of(&subject.processes())?;
        let began = Instant::now();
        let mut frames = 0_u32;
        while began.elapsed() < time {
            self.frame(case)?;
            frames += 1;
        }
        let took = began.elapsed();
        let used = Usage::of(&subject.processes())?.since(&usage);
        let frames = f64::from(frames);
        readings.value(Quantity::FramesPerSecond, frames / took.as_secs_f64());
        let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / frames;
        readings.value(Quantity::CpuPerFrame, micros(used.all().cpu));
        readings.value(
            Quantity::DeviceCpuPerFrame,
            micros(used.role(Role::Device).cpu),
        );
        if case.goes == Goes::Screen
            && let (Some(before), Some(after)) = (counted, subject.counters(0)?)
        {
            copied(&before, &after, readings);
        }
        Ok(())
    }
}

fn copied(before: &Counters, after: &Counters, readings: &mut Readings) {
    let bytes = after.bytes_copied.saturating_sub(before.bytes_copied);
    let frames = after.flushed.saturating_sub(before.flushed).max(1);
    // Whole bytes: a frame of which nothing is copied has none, and one that is copied has thousands.
    let share = u32::try_from(bytes / frames).unwrap_or(u32::MAX);
    readings.value(Quantity::BytesCopiedPerFrame, f64::from(share));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_told_apart_by_their_names() {
        let names: std::collections::BTreeSet<String> = CASES.iter().map(Case::name).collect();
        assert_eq!(names.len(), CASES.len());
        assert!(
            names.contains("640x480 1 triangle, on the screen"),
            "{names:?}"
        );
    }
}
