//! Programs of this binary that run inside the lab's machines: in a guest, as a guest, and as the
//! host of guests.

mod console;
mod crowd;
mod cursor;
pub mod desktop;
mod drawn_guest;
mod flips;
pub mod hands;
mod ioctl;
pub mod kms;
mod machine;
mod software_guest;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

pub use console::STEPS as CONSOLE_STEPS;
pub use cursor::CURSOR;
pub use machine::Test;

/// What there is to run.
#[derive(Subcommand)]
pub enum Program {
    /// In a guest: a pointer goes its way
    Cursor,
    /// A guest in user space: shows pictures from its own memory
    SoftwareGuest {
        /// The device's socket
        socket: PathBuf,
        /// Where the test and the guest exchange files
        folder: PathBuf,
        /// What its pictures are made of
        #[arg(value_enum)]
        memory: Memory,
    },
    /// A guest in user space: has the host draw its pictures
    DrawnGuest {
        /// The device's socket
        socket: PathBuf,
        /// Where the test and the guest exchange files
        folder: PathBuf,
    },
    /// On a host with udmabuf: one test with guests of its own
    Machine {
        /// Which one
        #[arg(value_enum)]
        test: Test,
        #[command(flatten)]
        files: Files,
    },
    /// On a host with vkms: one test of the kiosk
    Kms {
        /// Which one
        #[arg(value_enum)]
        test: kms::Test,
        #[command(flatten)]
        files: Files,
    },
    /// On a host with a session of weston or sway: one test of windows
    Desktop {
        /// Which one
        #[arg(value_enum)]
        test: desktop::Test,
        #[command(flatten)]
        files: Files,
    },
    /// On a machine with virtual terminals: the kiosk starts on one of them
    Console,
    /// A guest in user space: shows what it is told to
    Painter {
        /// The device's socket
        socket: PathBuf,
        /// Where it takes orders
        control: PathBuf,
        /// The socket of an input device, after its kind and an equals sign
        #[arg(long)]
        input: Vec<String>,
    },
    /// A guest in user space: draws on every screen that it is given
    Crowd {
        /// The device's socket
        socket: PathBuf,
    },
    /// In a guest: flips pages for ever
    Flips {
        /// The card
        card: PathBuf,
    },
    /// On a host with vkms: flips dma-bufs and does nothing else
    Flipper {
        /// The card
        card: PathBuf,
        width: u32,
        height: u32,
        /// How many take turns
        buffers: u32,
        /// For how long
        seconds: u64,
        /// How many pictures are drawn in turn
        pictures: u32,
    },
}

/// Where things are, as seen from inside a machine.
#[derive(Args)]
pub struct Files {
    /// The program under test
    #[arg(long)]
    pub lucarne: PathBuf,
    /// The kernel of User Mode Linux
    #[arg(long)]
    pub uml: PathBuf,
    /// The file system of its guests
    #[arg(long)]
    pub tree: PathBuf,
}

/// What a software guest's pictures are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Memory {
    /// A guest blob: the pages are shown as they are.
    Blob,
    /// A 2D resource: the pixels are handed over by commands.
    TwoDimensional,
}

/// Runs one.
///
/// # Errors
///
/// When it fails; a test waits for its verdict.
pub fn run(program: Program) -> Result<()> {
    match program {
        Program::Cursor => cursor::run(Path::new("/lab")),
        Program::SoftwareGuest {
            socket,
            folder,
            memory,
        } => software_guest::run(&socket, &folder, memory),
        Program::DrawnGuest { socket, folder } => drawn_guest::run(&socket, &folder),
        Program::Machine { test, files } => {
            machine::run(test, &files.lucarne, files.uml, files.tree)
        }
        Program::Kms { test, files } => kms::run(test, files),
        Program::Desktop { test, files } => desktop::run(test, files),
        Program::Console => console::run(Path::new("/lab")),
        Program::Painter {
            socket,
            control,
            input,
        } => kms::painter::run(&socket, &control, &input),
        Program::Crowd { socket } => crowd::run(&socket),
        Program::Flips { card } => flips::run(&card),
        Program::Flipper {
            card,
            width,
            height,
            buffers,
            seconds,
            pictures,
        } => kms::flipper::run(
            &card,
            (width, height),
            buffers,
            Duration::from_secs(seconds),
            pictures,
        ),
    }
}
