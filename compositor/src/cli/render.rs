//! `lucarne render`: the process that draws for one guest, which its device starts.

use std::{io, os::fd::AsFd as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use gpu_device::renderer::{process, virgl::Settings};

use super::log::{self, Filter};
use crate::guests::leave_bare;

/// Draw for a guest whose device is at the other end of standard input.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct Render {
    /// With OpenGL
    #[arg(long)]
    virgl: bool,
    /// With Vulkan
    #[arg(long)]
    venus: bool,
    /// The graphics card's render node; the CPU draws without one
    #[arg(long, value_name = "PATH")]
    node: Option<PathBuf>,
}

impl Render {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        leave_bare();
        log::start(&Filter::new(&config::Log::default()));
        let socket = io::stdin().as_fd().try_clone_to_owned().context(
            "Could not use standard input as the connection to a device. Only `lucarne device` \
             starts this",
        )?;
        let settings = Settings {
            virgl: self.virgl,
            venus: self.venus,
            node: self.node,
        };
        Ok(process::run(socket, &settings))
    }
}
