//! A guest that shows frames, and what it costs those who show them.
//!
//! Knows no scenario: what is drawn and when is theirs.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use gpu_device::memory::Udmabuf;
use guest::{
    driver::{Completion, Driver, DriverOptions, Ticket},
    kms::{BufferKind, Framebuffer},
    ram::{PAGE, RamOptions},
};
use protocols::virtio_gpu::{Command, Format, Rect};

use crate::bench::{
    measure::cpu::Usage,
    report::model::Quantity,
    run::Readings,
    subject::{Counters, Process, Role, Subject},
};

/// Longer than any frame takes on a busy machine, and shorter than the watchdog's patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// Guest memory besides the buffers, in bytes: rings, commands and what the buffers are rounded up by.
const SLACK: u64 = 16 << 20;

/// Pages in a piece of a buffer, less than on average (of a 4K picture there are more than 1024 pieces): as
/// [`RamOptions`] has it they have 1 to 16. What is not sure to fit is not called shown in place.
const USUAL_PIECE: u64 = 6;

/// How the guest's pixels reach the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They are in blobs; a device that has none gets them by transfers.
    Blob,
    /// By transfers.
    Transfers,
}

/// Whether the device may answer a flush before the frame is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    /// Yes.
    None,
    /// No: the flush carries a fence.
    Flush,
}

/// A guest with one monitor and two buffers, which take turns.
#[derive(Debug)]
pub(super) struct Guest {
    driver: Driver,
    buffers: [Framebuffer; 2],
    front: usize,
}

impl Guest {
    /// Connects to the subject's device for its first guest and shows a frame from each buffer, so that
    /// all memory is there and known to everybody. Pictures have both sides of `size`.
    ///
    /// # Errors
    /// The device refuses something, or does not answer.
    pub(super) fn connect(
        subject: &mut dyn Subject,
        size: (u32, u32),
        kind: Kind,
    ) -> anyhow::Result<Self> {
        let picture = 4 * u64::from(size.0) * u64::from(size.1);
        let options = DriverOptions {
            timeout: PATIENCE,
            ram: RamOptions {
                // Twice what the buffers need: they lie all over it, and the list of their pieces is one
                // itself.
                size: 4 * picture + SLACK,
                ..RamOptions::default()
            },
            ..DriverOptions::default()
        };
        let mut driver = subject.connect(0, &options)?;
        let kind = match kind {
            Kind::Blob => BufferKind::of_linux(&driver),
            Kind::Transfers => BufferKind::Dumb2d,
        };
        let mut buffer = || Framebuffer::new(&mut driver, kind, Format::Bgrx8888, size);
        let buffers = [buffer()?, buffer()?];
        let mut guest = Self {
            driver,
            buffers,
            front: 0,
        };
        for shade in [0x40, 0xc0] {
            guest.fill(shade)?;
            guest.show()?;
        }
        Ok(guest)
    }

    /// Flips to the other buffer, as it is; all of it counts as new. Does not wait for the flush.
    ///
    /// # Errors
    /// The queue stays full.
    pub(super) fn flip(&mut self, fence: Fence) -> anyhow::Result<Ticket> {
        self.front = 1 - self.front;
        let (driver, buffer) = self.parts()?;
        let whole = buffer.whole();
        buffer.transfer(driver, whole)?;
        driver.tell(&buffer.scanout_command(0, whole))?;
        flush(driver, buffer, whole, fence)
    }

    /// Transfers and flushes a part of the buffer that is shown, as it is. Does not wait for the flush.
    ///
    /// # Errors
    /// The queue stays full.
    pub(super) fn update(&mut self, rect: Rect, fence: Fence) -> anyhow::Result<Ticket> {
        let (driver, buffer) = self.parts()?;
        buffer.transfer(driver, rect)?;
        flush(driver, buffer, rect, fence)
    }

    /// Waits for a flush. Returns how long it took from the kick to the used buffer.
    ///
    /// # Errors
    /// The device refuses it, or something before it, or does not answer.
    pub(super) fn wait(&mut self, flush: Ticket) -> anyhow::Result<Duration> {
        let completion = self.driver.wait(flush, PATIENCE)?;
        self.judge(completion)
    }

    fn judge(&mut self, completion: Completion) -> anyhow::Result<Duration> {
        completion.done()?;
        match self.driver.take_failures().into_iter().next() {
            Some(failure) => Err(failure.into()),
            None => Ok(completion.took),
        }
    }

    /// Waits for a flush without going to sleep, and asks for no call: as a guest that always has something to
    /// do and finds the answer on the way.
    ///
    /// # Errors
    /// As [`Guest::wait`].
    pub(super) fn watch(&mut self, flush: Ticket) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(completion) = self.driver.try_take(flush)? {
                return self.judge(completion).map(drop);
            }
            // The device may have been woken on this very processor, and who shows the frames needs one, too.
            thread::yield_now();
        }
        // Says which command it was, and whether the device is still there.
        self.wait(flush).map(drop)
    }

    /// Flips, and waits until the frame is shown.
    ///
    /// # Errors
    /// As [`Guest::flip`] and [`Guest::wait`].
    pub(super) fn show(&mut self) -> anyhow::Result<Duration> {
        let flush = self.flip(Fence::Flush)?;
        self.wait(flush)
    }

    /// Gives all pixels of the hidden buffer a shade.
    fn fill(&mut self, shade: u8) -> anyhow::Result<()> {
        let [first, second] = &self.buffers;
        let hidden = if self.front == 0 { second } else { first };
        let Rect { width, height, .. } = hidden.whole();
        let row = vec![shade; usize::try_from(width)?.saturating_mul(4)];
        for y in 0..height {
            let offset = hidden.offset_of(Rect {
                x: 0,
                y,
                width,
                height: 1,
            });
            let ram = self.driver.ram();
            ram.write_backing(hidden.backing(), offset, &row)?;
        }
        Ok(())
    }

    fn parts(&mut self) -> anyhow::Result<(&mut Driver, &Framebuffer)> {
        let buffer = self.buffers.get(self.front);
        Ok((&mut self.driver, buffer.context("There is no such buffer")?))
    }
}

fn flush(
    driver: &mut Driver,
    buffer: &Framebuffer,
    rect: Rect,
    fence: Fence,
) -> anyhow::Result<Ticket> {
    let command = Command::ResourceFlush {
        rect,
        resource_id: buffer.resource_id(),
    };
    Ok(driver.submit(&command, fence == Fence::Flush)?)
}

/// What a stretch of frames costs a subject.
#[derive(Debug)]
pub(super) struct Account {
    processes: Vec<Process>,
    counters: Option<Counters>,
    usage: Usage,
    began: Instant,
}

/// What happened to the frames of a stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    /// How many the host was shown; those that were flushed, where nobody counts them.
    pub(super) frames: u64,
    /// How many of them were never shown; `None` where nobody counts.
    pub(super) missed: Option<u64>,
    /// How many bytes of pixels were copied; `None` where nobody counts.
    pub(super) bytes_copied: Option<u64>,
    /// How long it took.
    pub(super) took: Duration,
}

impl Account {
    /// A stretch begins.
    ///
    /// # Errors
    /// The subject does not answer, or has no processes any more.
    pub(super) fn open(subject: &mut dyn Subject) -> anyhow::Result<Self> {
        // Asking costs the subject something, too.
        let counters = subject.counters(0)?;
        let processes = subject.processes();
        let usage = Usage::of(&processes)?;
        Ok(Self {
            processes,
            counters,
            usage,
            began: Instant::now(),
        })
    }

    /// It ends, after so many frames that were flushed. `per_shown`: what they cost counts for each that
    /// was shown, else for each that was flushed.
    ///
    /// # Errors
    /// As [`Account::open`]; also where no frame was shown.
    pub(super) fn close(
        self,
        subject: &mut dyn Subject,
        flushed: u64,
        per_shown: bool,
        readings: &mut Readings,
    ) -> anyhow::Result<Outcome> {
        let took = self.began.elapsed();
        let usage = Usage::of(&self.processes)?.since(&self.usage);
        let counters = subject.counters(0)?;
        let both = self.counters.zip(counters);
        let counted = |count: fn(&Counters) -> u64| {
            both.map(|(before, after)| count(&after).saturating_sub(count(&before)))
        };
        let shown = Outcome {
            frames: counted(|it| it.presented).unwrap_or(flushed),
            missed: counted(|it| it.missed),
            bytes_copied: counted(|it| it.bytes_copied),
            took,
        };
        let frames = if per_shown { shown.frames } else { flushed };
        ensure!(frames > 0, "Could not measure a frame: none was shown");
        let per_frame = |time: Duration| micros(time) / number(frames);
        readings.value(Quantity::CpuPerFrame, per_frame(usage.all().cpu));
        for (role, quantity) in [
            (Role::Device, Quantity::DeviceCpuPerFrame),
            (Role::Compositor, Quantity::CompositorCpuPerFrame),
        ] {
            if self.processes.iter().any(|process| process.role == role) {
                readings.value(quantity, per_frame(usage.role(role).cpu));
            }
        }
        let faults = number(usage.all().faults) / number(frames);
        readings.value(Quantity::FaultsPerFrame, faults);
        if let Some(bytes) = shown.bytes_copied {
            let per_flush = number(bytes) / number(flushed.max(1));
            readings.value(Quantity::BytesCopiedPerFrame, per_flush);
        }
        Ok(shown)
    }
}

/// Whether the host can be shown such a picture in the guest's own memory.
///
/// # Errors
/// Why it can't, and what helps.
pub(super) fn in_place((width, height): (u32, u32)) -> Result<(), String> {
    if let Err(error) = Udmabuf::open() {
        return Err(format!(
            "blobs are copied here, since /dev/udmabuf can't be opened ({error}): see `lucarne doctor`"
        ));
    }
    let limit = |name: &str| -> Option<u64> {
        let path = format!("/sys/module/udmabuf/parameters/{name}");
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    let bytes = 4 * u64::from(width) * u64::from(height);
    let mebibytes = bytes.div_ceil(1 << 20);
    let pieces = bytes.div_ceil(PAGE).div_ceil(USUAL_PIECE);
    for (name, needed) in [("size_limit_mb", mebibytes), ("list_limit", pieces)] {
        if let Some(limit) = limit(name).filter(|limit| *limit < needed) {
            return Err(format!(
                "such a picture needs {needed} and /sys/module/udmabuf/parameters/{name} allows {limit}"
            ));
        }
    }
    Ok(())
}

/// Microseconds.
pub(super) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A count, to be computed with: none here is so large that it would lose digits.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
