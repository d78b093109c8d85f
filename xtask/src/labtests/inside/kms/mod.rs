//! The kiosk on the lab's own host: a machine with vkms, udmabuf, uinput, udev and a seat, in which the real
//! `lucarne kiosk` shows guests on the monitors, and the kernel is asked what is really there.

mod bad;
pub mod bench;
mod buffers;
pub mod card;
mod clients;
mod crc;
mod desk;
pub mod devices;
mod drivers;
mod evdev;
pub mod flipper;
mod hands;
mod hotplug;
mod modes;
mod monitors;
mod nested;
pub mod orders;
pub mod painter;
mod plane;
mod pointer;
pub mod seat;
mod seats;
mod sixty;
mod standstill;
mod state;
mod tools;
pub mod udev;
mod vkms;
mod writeback;

pub use orders::picture;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use self::desk::Desk;
use super::Files;
use crate::report;

/// The tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Test {
    /// The tests' own tools agree with each other
    Tools,
    /// A guest on the primary plane
    Plane,
    /// A new frame at each vblank
    Sixty,
    /// The pointer on the cursor plane
    Pointer,
    /// Several guests, several monitors
    Monitors,
    /// Monitors come and go
    Hotplug,
    /// A monitor that has another mode now and then
    Modes,
    /// The seat comes and goes, processes die
    Seats,
    /// Cards that can do less
    Drivers,
    /// An unmodified Linux driver
    Nested,
    /// Page flips of an unmodified driver are nearly as many as a bare program's
    NestedFlips,
    /// Ordinary Wayland programs
    Clients,
    /// Keyboards, mice, touch screens and pens
    Hands,
    /// What goes wrong before there is a picture
    Bad,
    /// The benchmark of planes in its short form
    PlanesShort,
    /// The benchmark of planes
    PlanesFull,
    /// The benchmark of frames in guest memory in its short form
    BlobsShort,
    /// The benchmark of frames in guest memory
    BlobsFull,
}

impl Test {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

/// Runs one; its last line of output is what is worth knowing about it.
///
/// # Errors
///
/// When it fails.
pub fn run(test: Test, files: Files) -> Result<()> {
    let folder = PathBuf::from("/lab");
    let log = folder.join("lucarne.log");
    let desk = Desk::new(folder, log, files)?;
    let note = match test {
        Test::Tools => tools::run(&desk)?,
        Test::Plane => plane::run(&desk)?,
        Test::Sixty => sixty::run(&desk)?,
        Test::Pointer => pointer::run(&desk)?,
        Test::Monitors => monitors::run(&desk)?,
        Test::Hotplug => hotplug::run(&desk)?,
        Test::Modes => modes::run(&desk)?,
        Test::Seats => seats::run(&desk)?,
        Test::Drivers => drivers::run(&desk)?,
        Test::Nested => nested::pattern(&desk)?,
        Test::NestedFlips => nested::flips(&desk)?,
        Test::Clients => clients::run(&desk)?,
        Test::Hands => hands::run(&desk)?,
        Test::Bad => bad::run(&desk)?,
        Test::PlanesShort => bench::planes(&desk, &["--short"])?,
        Test::PlanesFull => bench::planes(&desk, &[])?,
        Test::BlobsShort => bench::blobs(&desk, &["--short"])?,
        Test::BlobsFull => bench::blobs(&desk, &[])?,
    };
    report::say(note);
    Ok(())
}
