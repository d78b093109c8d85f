//! Programs of this binary that run inside the lab's machines: in a guest, as a guest, and as the
//! host of guests.

mod cursor;
mod machine;
mod software_guest;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Subcommand, ValueEnum};

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
    /// On a host with udmabuf: one test with guests of its own
    Machine {
        /// Which one
        #[arg(value_enum)]
        test: Test,
        /// The program under test
        #[arg(long)]
        lucarne: PathBuf,
        /// The kernel of User Mode Linux
        #[arg(long)]
        uml: PathBuf,
        /// The file system of its guests
        #[arg(long)]
        tree: PathBuf,
    },
}

/// What a software guest's pictures are made of.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
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
        Program::Machine {
            test,
            lucarne,
            uml,
            tree,
        } => machine::run(test, &lucarne, uml, tree),
    }
}
