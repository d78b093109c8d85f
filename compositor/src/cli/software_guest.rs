//! `lucarne software-guest`: the VMM of `lucarne demo`, in place of a virtual machine.

use std::{
    collections::BTreeMap,
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use clap::{Args, ValueEnum};
use guest::{
    demo::{Buffers, DemoOptions, run_demo},
    frontend::Dialect,
};
use protocols::ipc::{Answer, PresentPath, Request, SOCKET_ENV};

use super::log::{self, Filter};
use crate::ipc::client;

/// Draw animated cards on a guest's monitors, without any virtual machine.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct SoftwareGuest {
    /// The socket of the guest's device
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The guest's name, by which the control socket knows it
    #[arg(long)]
    name: Option<String>,
    /// Stop after as many frames
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// Frames a second
    #[arg(long, value_name = "HZ", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// The buffers that are drawn into
    #[arg(long, value_enum, default_value_t)]
    buffers: BuffersArg,
    /// The VMM to pretend to be
    #[arg(long, value_enum, default_value_t)]
    dialect: DialectArg,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum BuffersArg {
    /// Blobs where the device has them
    #[default]
    Auto,
    /// 2D resources
    #[value(name = "2d")]
    TwoD,
    /// Blobs
    Blobs,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum DialectArg {
    /// QEMU's vhost-user-gpu-pci
    QemuGpu,
    /// QEMU's generic device
    #[default]
    QemuGeneric,
    /// crosvm
    Crosvm,
    /// User Mode Linux
    Uml,
}

impl SoftwareGuest {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        log::start(&Filter::new(&config::Log::default()));
        let mut options = DemoOptions::new(self.socket);
        options.frames = self.frames;
        options.rate = self.rate;
        options.buffers = match self.buffers {
            BuffersArg::Auto => Buffers::Auto,
            BuffersArg::TwoD => Buffers::Dumb2d,
            BuffersArg::Blobs => Buffers::Blobs,
        };
        options.dialect = match self.dialect {
            DialectArg::QemuGpu => Dialect::QemuGpu,
            DialectArg::QemuGeneric => Dialect::QemuGeneric,
            DialectArg::Crosvm => Dialect::Crosvm,
            DialectArg::Uml => Dialect::Uml,
        };
        if let (Some(name), Some(socket)) = (self.name, env::var_os(SOCKET_ENV)) {
            let news = watch_paths(name, socket.into());
            let mut paths = BTreeMap::new();
            options.path_of = Box::new(move |scanout| {
                paths.extend(news.try_iter().flatten());
                paths.get(&scanout).cloned()
            });
        }
        let report = run_demo(options)?;
        writeln!(
            io::stdout(),
            "{} frames drawn, {} flushes answered, {} late",
            report.frames,
            report.answered,
            report.late
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

/// By which path each scanout of a guest is shown, asked for by a thread: the guest itself must
/// not wait. The thread ends with its receiver.
fn watch_paths(name: String, socket: PathBuf) -> Receiver<Vec<(u32, String)>> {
    const PAUSE: Duration = Duration::from_millis(500);
    let (news, receiver) = mpsc::channel();
    thread::spawn(move || {
        loop {
            let paths = paths(&name, &socket).unwrap_or_default();
            if news.send(paths).is_err() {
                return;
            }
            thread::sleep(PAUSE);
        }
    });
    receiver
}

fn paths(name: &str, socket: &Path) -> Option<Vec<(u32, String)>> {
    let request = Request::Stats {
        guest: Some(name.to_owned()),
    };
    let Answer::Stats(stats) = client::ask(socket, &request).ok()? else {
        return None;
    };
    let scanouts = stats.into_iter().flat_map(|guest| guest.device.scanouts);
    let shown = scanouts.filter(|scanout| scanout.path != PresentPath::Nothing);
    let words = shown.map(|scanout| (scanout.scanout.into(), scanout.path.to_string()));
    Some(words.collect())
}
