//! The bare program: what a machine can do at best, with nothing but two dma-bufs and commits.
//!
//! It runs as a program of its own, `lucarne bare-flips`, like all that is measured: its processor time and a
//! hang of the driver are its own.

use std::{
    io,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use gpu_device::memory::{DmaBufMaker as _, SharedMemory, Udmabuf};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use smithay::reexports::drm::control::framebuffer;

use super::card::{Card, Monitor};

/// How many times an arrangement is asked about. The first time is not counted: it fills caches.
const QUESTIONS: usize = 200;

/// How the primary plane is asked to scale: a driver that can do it is asked for more.
const SHRINK: [u32; 3] = [2, 16, 64];

/// What the bare program does.
#[derive(Debug, Clone)]
pub struct Bare {
    /// The card's node.
    pub card: PathBuf,
    /// For how long it flips; not at all if zero.
    pub time: Duration,
}

/// What it found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// Vblanks at which a new frame appeared.
    pub fresh: u32,
    /// All vblanks in that time.
    pub vblanks: u32,
    /// The program's processor time in it, in microseconds.
    pub cpu_us: f64,
    /// How long the driver took for each arrangement that it would have taken, in microseconds.
    pub accepted_us: Vec<f64>,
    /// The same for those that it refused; none where it refused nothing.
    pub refused_us: Vec<f64>,
}

impl Bare {
    /// The command that runs it as a program of its own.
    ///
    /// # Errors
    /// This program has no path.
    pub(super) fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("bare-flips")
            .arg(&self.card)
            .arg(self.time.as_millis().to_string());
        Ok(command)
    }

    /// Flips on the first monitor of the card, which has to be free, and asks about arrangements.
    ///
    /// # Errors
    /// The card is in use, or refuses two dma-bufs of the monitor's size.
    pub fn run(&self) -> anyhow::Result<Findings> {
        let mut card = Card::open(&self.card)
            .with_context(|| format!("Could not open {}", self.card.display()))?;
        card.be_atomic().context("Could not set modes atomically")?;
        let monitor = card.monitor()?.context("No monitor is connected")?;
        let [first, second] = [
            Picture::new(&card, &monitor)?,
            Picture::new(&card, &monitor)?,
        ];
        card.light(&monitor, first.framebuffer)?;
        let accepted = ask(&mut card, &monitor, first.framebuffer, monitor.size())?;
        let refused = refused(&mut card, &monitor, first.framebuffer)?;
        let (fresh, vblanks, cpu) = match self.time.is_zero() {
            true => (0, 0, Duration::ZERO),
            false => flip(&mut card, &monitor, [&second, &first], self.time)?,
        };
        Ok(Findings {
            fresh,
            vblanks,
            cpu_us: micros(cpu),
            accepted_us: accepted.times,
            refused_us: refused,
        })
    }
}

/// A picture's memory with its framebuffer.
struct Picture {
    framebuffer: framebuffer::Handle,
    _memory: SharedMemory,
}

impl Picture {
    fn new(card: &Card, monitor: &Monitor) -> anyhow::Result<Self> {
        let (width, height) = monitor.size();
        let bytes = u64::from(width) * u64::from(height) * 4;
        let memory = SharedMemory::new(bytes).context("Could not allocate a picture")?;
        let dmabuf = Udmabuf::open()
            .context("Could not open /dev/udmabuf")?
            .make(&[memory.piece()?])
            .map_err(|refused| anyhow::anyhow!("Could not make a dma-buf: {refused:?}"))?;
        Ok(Self {
            framebuffer: card.import(&dmabuf, (width, height))?,
            _memory: memory,
        })
    }
}

/// Flips as often as the card lets it; frames, vblanks and processor time between the first flip and the last.
fn flip(
    card: &mut Card,
    monitor: &Monitor,
    pictures: [&Picture; 2],
    time: Duration,
) -> anyhow::Result<(u32, u32, Duration)> {
    let mut turn = pictures.iter().cycle();
    let mut next = |card: &mut Card| -> anyhow::Result<u32> {
        let picture = turn.next().context("There is no picture")?;
        card.flip(monitor, picture.framebuffer)?;
        Ok(card.flipped()?)
    };
    let start = next(card)?;
    let began = (Instant::now(), cpu());
    let (mut fresh, mut end) = (0, start);
    while began.0.elapsed() < time {
        end = next(card)?;
        fresh += 1;
    }
    let vblanks = end.wrapping_sub(start);
    ensure!(vblanks > 0, "The kernel counted no vblanks");
    Ok((fresh, vblanks, cpu().saturating_sub(began.1)))
}

/// Answers to a question that was asked again and again.
struct Answers {
    is_refused: bool,
    /// In microseconds.
    times: Vec<f64>,
}

fn ask(
    card: &mut Card,
    monitor: &Monitor,
    shown: framebuffer::Handle,
    part: (u32, u32),
) -> anyhow::Result<Answers> {
    let arrangement = card.arrangement(monitor, shown, part)?;
    let is_refused = card.test(arrangement.clone()).is_err();
    let mut times = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let question = arrangement.clone();
        let began = Instant::now();
        let answer = card.test(question);
        times.push(micros(began.elapsed()));
        ensure!(
            answer.is_err() == is_refused,
            "The driver takes the same arrangement now and then only"
        );
    }
    Ok(Answers { is_refused, times })
}

/// Asks for a picture that is scaled, and scaled more, until the driver refuses.
fn refused(
    card: &mut Card,
    monitor: &Monitor,
    shown: framebuffer::Handle,
) -> anyhow::Result<Vec<f64>> {
    let (width, height) = monitor.size();
    for shrink in SHRINK {
        let part = ((width / shrink).max(1), (height / shrink).max(1));
        let answers = ask(card, monitor, shown, part)?;
        if answers.is_refused {
            return Ok(answers.times);
        }
    }
    Ok(Vec::new())
}

/// This process' processor time.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What the bare program has found out, once it has printed that.
pub(super) fn findings(printed: &str) -> Option<Findings> {
    printed
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_found_among_other_words() {
        let found = Findings {
            fresh: 59,
            vblanks: 60,
            cpu_us: 1.5,
            accepted_us: vec![2.0],
            refused_us: Vec::new(),
        };
        let line = serde_json::to_string(&found).unwrap();
        assert_eq!(findings(&format!("a warning\n{line}\n")), Some(found));
        assert_eq!(findings(&line[..line.len() - 1]), None);
    }
}
