//! What stands on every desk here: udev, a seat, a card, the kiosk, and guests that do what they are told.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use drm::{Device as _, VblankWaitFlags, VblankWaitReply, VblankWaitTarget};
use protocols::ipc::{Answer, Output, Request};
use rustix::time::{ClockId, clock_gettime};

use super::{
    card::Card,
    crc::{self, Crcs},
    devices::{Device, key},
    flipper::Rate,
    orders::{self, Painter},
    seat::{Seatd, Session},
    state::{self, Plane},
    udev::Udev,
    vkms::Vkms,
};
use crate::{
    labtests::{compositor::Compositor, inside::Files, picture::Picture, until},
    report,
};

/// From what is done to what is seen.
pub const SOON: Duration = Duration::from_secs(10);

/// From the kiosk's start to a guest's first picture; Mesa compiles its shaders on the CPU.
pub const FIRST: Duration = Duration::from_secs(40);

/// vkms' preferred mode.
pub const PREFERRED: (u32, u32) = (1024, 768);

/// The desk.
pub struct Desk {
    pub folder: PathBuf,
    pub files: Files,
    pub log: PathBuf,
    _udev: Udev,
}

impl Desk {
    /// With udev at work, and files in `folder`.
    ///
    /// # Errors
    ///
    /// When udev does not start.
    pub fn new(folder: PathBuf, log: PathBuf, files: Files) -> Result<Self> {
        let udev = Udev::start(&folder.join("udev.log"))?;
        Ok(Self {
            folder,
            files,
            log,
            _udev: udev,
        })
    }

    /// The section of the configuration for a guest of this program's, with lines of its own, and its other
    /// end.
    pub fn guest(&self, name: &str, scanouts: usize, lines: &str) -> Result<(String, Painter)> {
        orders::guest(name, &vec!["1024x768"; scanouts], lines)
    }

    /// Starts the kiosk with a configuration and guests.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn kiosk(&self, config: &str, guests: &[&str]) -> Result<Kiosk> {
        self.kiosk_by(&mut Command::new(&self.files.lucarne), config, guests)
    }

    /// The same by another path of the program.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn kiosk_as(&self, program: &Path, config: &str, guests: &[&str]) -> Result<Kiosk> {
        self.kiosk_by(&mut Command::new(program), config, guests)
    }

    /// The same by a command with an environment of its own.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn kiosk_by(&self, program: &mut Command, config: &str, guests: &[&str]) -> Result<Kiosk> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let seatd = Seatd::start(&self.folder.join("seatd.log"))?;
        let compositor = Compositor::run(
            program.arg("kiosk").envs(Seatd::ENVIRONMENT),
            &self.folder.join(format!("kiosk{number}")),
            &self.log,
            config,
            guests,
        )?;
        // It listens before it has the seat, and answers after.
        until(FIRST, || Ok(compositor.ask(&Request::Guests).ok()))
            .context("Waiting for the kiosk's first answer")?;
        let other = Session::open()?;
        Ok(Kiosk {
            compositor,
            other,
            seatd,
        })
    }
}

/// A running `lucarne kiosk` on session 1 of a seat, and this program's session beside it.
pub struct Kiosk {
    pub compositor: Compositor,
    other: Session,
    seatd: Seatd,
}

impl Kiosk {
    /// Leaves for the other session by Ctrl+Alt+F2, does something there and comes back.
    ///
    /// # Errors
    ///
    /// When the kiosk does not let go, or `there` fails.
    pub fn away<T>(
        &mut self,
        keyboard: &mut Device,
        there: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        keyboard.press(&[key::LEFT_CTRL, key::LEFT_ALT, key::F2])?;
        self.other
            .wait_until_active()
            .context("After Ctrl+Alt+F2")?;
        let result = there();
        self.other.switch_to(1)?;
        result
    }

    /// Ends the seat manager without a warning.
    pub fn lose_the_seat(self) -> Compositor {
        drop(self.seatd);
        self.compositor
    }

    /// This program's session beside the kiosk's.
    pub fn session(&mut self) -> &mut Session {
        &mut self.other
    }

    /// Whether the seat is the other session's by now.
    ///
    /// # Errors
    ///
    /// When seatd is gone.
    pub fn is_away(&mut self) -> Result<bool> {
        self.other.is_active()
    }

    /// What the kiosk says of all outputs.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn outputs(&self) -> Result<Vec<Output>> {
        match self.compositor.ask(&Request::Outputs)? {
            Answer::Outputs(outputs) => Ok(outputs),
            other => bail!("Asking for the outputs: the answer is {other:?}"),
        }
    }

    /// What the kiosk says of its outputs, for people; without the list of their modes.
    fn words(&self) -> String {
        match self.outputs() {
            Ok(outputs) => outputs
                .iter()
                .map(|output| {
                    format!(
                        "{} {}x{}: {:?}, {:?}, {:?}; ",
                        output.name,
                        output.width,
                        output.height,
                        output.planes,
                        output.composited,
                        output.frames
                    )
                })
                .collect(),
            Err(error) => format!("{error:#}"),
        }
    }

    /// Waits until a guest is offered a screen of a size.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn offers(&self, painter: &Painter, scanout: u32, size: (u32, u32)) -> Result<()> {
        painter.is_offered(scanout, size, FIRST)
    }

    /// Waits until the planes of a card are as wanted.
    ///
    /// # Errors
    ///
    /// When they are not in time; the message holds what the kernel and the kiosk say.
    pub fn expect_planes(
        &self,
        card: &Vkms,
        what: &str,
        wanted: impl Fn(&[Plane]) -> bool,
    ) -> Result<Vec<Plane>> {
        let mut last = Vec::new();
        until(SOON, || {
            last = state::planes(&card.debugfs)?;
            Ok(wanted(&last).then_some(()))
        })
        .with_context(|| {
            format!(
                "Waiting for {what}. The kernel says {last:?}\nThe kiosk says {}",
                self.words()
            )
        })?;
        Ok(last)
    }

    /// Waits until a CRTC shows a picture, by its checksum.
    ///
    /// # Errors
    ///
    /// When it does not; the picture of the kiosk's own account is compared then.
    pub fn expect_picture(&self, card: &Vkms, pipe: u32, wanted: &Picture) -> Result<()> {
        let mut crcs = Crcs::open(&card.debugfs, pipe)?;
        crcs.wait_for(crc::of_picture(wanted)).with_context(|| {
            let seen = self
                .outputs()
                .and_then(|outputs| {
                    let number = usize::try_from(pipe)?;
                    let output = outputs.get(number).context("There is no such output")?;
                    self.compositor.output_picture(&output.name)
                })
                .map(|picture| {
                    picture
                        .difference(wanted)
                        .unwrap_or_else(|| "a screenshot has it".to_owned())
                });
            format!(
                "Waiting for a picture on CRTC {pipe}; {seen:?}\nThe kernel says {:?}\nThe kiosk says {}",
                state::planes(&card.debugfs),
                self.words()
            )
        })?;
        Ok(())
    }
}

/// Of all planes in use only one, a guest's memory that fills the screen.
pub fn fills(planes: &[Plane], size: (u32, u32)) -> bool {
    matches!(planes, [plane] if plane.is_guests(size) && plane.shown == (size.0, size.1, 0, 0))
}

impl Plane {
    /// Whether it shows all of a guest's framebuffer of a size: memory that the kiosk imported and did not
    /// make, since no graphics card of these machines exports any.
    pub fn is_guests(&self, size: (u32, u32)) -> bool {
        self.imported && self.size == size && self.part == (size.0, size.1, 0, 0)
    }
}

/// The time on `CLOCK_MONOTONIC`, on which vblanks are told.
///
/// # Errors
///
/// Never, on a clock that counts from boot.
pub fn monotonic() -> Result<Duration> {
    let now = clock_gettime(ClockId::Monotonic);
    Ok(Duration::new(
        now.tv_sec.try_into()?,
        now.tv_nsec.try_into()?,
    ))
}

/// Counts vblanks beside the kiosk. Not before it is the card's master: the first who opens a card is.
pub struct Vblanks {
    card: Card,
    pipe: u32,
}

impl Vblanks {
    /// Of a card's CRTC.
    ///
    /// # Errors
    ///
    /// When the card cannot be opened.
    pub fn of(node: &Path, pipe: u32) -> Result<Self> {
        Ok(Self {
            card: Card::open(node)?,
            pipe,
        })
    }

    /// The number of the last one.
    ///
    /// # Errors
    ///
    /// When the CRTC is off.
    pub fn now(&self) -> Result<u32> {
        Ok(self.last()?.0)
    }

    /// The number of the last one, and its time on `CLOCK_MONOTONIC`.
    ///
    /// # Errors
    ///
    /// When the CRTC is off.
    pub fn last(&self) -> Result<(u32, Duration)> {
        let reply = self.wait(0)?;
        let time = reply
            .time()
            .context("The kernel tells no time of a vblank")?;
        Ok((reply.frame(), time))
    }

    /// Waits for the next one; its number.
    ///
    /// # Errors
    ///
    /// When the CRTC is off.
    pub fn next(&self) -> Result<u32> {
        Ok(self.wait(1)?.frame())
    }

    fn wait(&self, vblanks: u32) -> Result<VblankWaitReply> {
        let target = VblankWaitTarget::Relative(vblanks);
        let flags = VblankWaitFlags::empty();
        Ok(self.card.wait_vblank(target, flags, self.pipe, 0)?)
    }
}

/// Runs the bare program for some seconds, as a program of its own.
///
/// # Errors
///
/// When it fails.
pub fn flipper(node: &Path, size: (u32, u32), buffers: u32, seconds: u64) -> Result<Rate> {
    flipper_drawing(node, size, buffers, seconds, 0)
}

/// The same, drawing pictures of the pattern in turn.
///
/// # Errors
///
/// When it fails.
pub fn flipper_drawing(
    node: &Path,
    size: (u32, u32),
    buffers: u32,
    seconds: u64,
    pictures: u32,
) -> Result<Rate> {
    let text = report::output(
        Command::new(std::env::current_exe()?)
            .args(["inside", "flipper"])
            .arg(node)
            .args([size.0.to_string(), size.1.to_string(), buffers.to_string()])
            .args([seconds.to_string(), pictures.to_string()]),
    )
    .context("Running the bare program")?;
    serde_json::from_str(&text).with_context(|| format!("Reading the bare program's {text:?}"))
}

/// The open files of a process.
///
/// # Errors
///
/// When there is no such process.
pub fn open_files(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}
