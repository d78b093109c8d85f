//! `lucarne run`

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use config::{
    Config, Guest,
    guest::{Accel, Device, Firmware, VmmKind},
};

use super::{
    attach::{self, Found},
    gpu::GpuArgs,
    log::{self, Filter},
    print,
    settings::{ConfigFile, Machine},
    start::{Program, has_session},
};
use crate::{app::Lasts, guests::absolute, host::Session, ipc::client};

/// Run a guest and show it in your Wayland session.
///
/// Finds the VMM, gives the guest the best graphics device that VMM has, and shows each of its
/// virtual monitors as a window. Ends when the guest shuts down. A guest that runs already, under
/// another lucarne of yours, is shown here instead of started twice.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne run debian.qcow2
  lucarne run --memory 4G --cpus 4 --mode 1920x1080 --mode 1920x1080 debian.qcow2
  lucarne run --firmware uefi --device gpu debian.qcow2 -- -snapshot
  lucarne run --gpu virgl debian.qcow2       OpenGL drawn by this machine, by its CPU if need be
  lucarne run --kernel vmlinuz --initrd initrd.img --append 'console=tty0 quiet'
  lucarne run --uml --kernel ./linux --append 'root=/dev/root rootfstype=hostfs init=/bin/sh'
  lucarne run debian                the guest [guest.debian] of the configuration file
  lucarne run --detached debian     without windows, until `lucarne attach debian`
  lucarne run --print debian        what would be run, for a shell
  lucarne run debian -- -nic tap    another network than the one that it would get

A guest in QEMU gets a network behind yours, your sound, and a socket for `lucarne msg power`,
`pause`, `resume` and `reset` besides its screens and hands. Arguments after `--` are put behind
lucarne's own, and where they name an accelerator, processors, memory, firmware, a console, a network,
a sound card, a balloon or random numbers, lucarne's are left out.

With QEMU's own firmware nothing is seen until the guest's kernel has started: it draws with VGA
only. `--firmware uefi --device gpu` is seen from its first picture on.")]
#[command(group(clap::ArgGroup::new("what").args(["guest", "kernel"]).required(true).multiple(true)))]
pub(super) struct Run {
    /// A disk image, or the name of a guest of the configuration file
    #[arg(value_name = "DISK_IMAGE|GUEST")]
    guest: Option<PathBuf>,
    /// A Linux kernel to boot directly
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The kernel's initial RAM file system
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// The kernel's command line
    #[arg(
        long,
        value_name = "TEXT",
        requires = "kernel",
        allow_hyphen_values = true
    )]
    append: Option<String>,
    /// The guest's name, for window titles [default: from the file's name]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    gpu: GpuArgs,
    /// Start it without windows, for `lucarne attach`; this needs no session
    #[arg(long)]
    detached: bool,
    /// Which of QEMU's graphics devices the guest gets
    #[arg(long, value_enum)]
    device: Option<DeviceArg>,
    /// Whether QEMU uses the host's virtualisation
    #[arg(long, value_enum)]
    accel: Option<AccelArg>,
    /// What QEMU boots a disk image with: bios, uefi, or a file
    #[arg(long, value_name = "bios|uefi|FILE")]
    firmware: Option<PathBuf>,
    /// The kernel is a User Mode Linux, a program of its own
    #[arg(long, requires = "kernel")]
    uml: bool,
    /// The QEMU to be used, a name in $PATH or a path
    #[arg(long, value_name = "PROGRAM", conflicts_with = "uml")]
    vmm: Option<PathBuf>,
    /// Print the VMM's command line instead of running it; this needs no session
    #[arg(long, conflicts_with = "detached")]
    print: bool,
    #[command(flatten)]
    config: ConfigFile,
    /// More arguments for the VMM; what they name is left out of those that it gets anyway
    #[arg(last = true, value_name = "VMM ARGUMENT")]
    arguments: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DeviceArg {
    /// The best that this QEMU has
    Auto,
    /// vhost-user-test-device-pci: without copies, resizes with its window; QEMU 10.2 or newer
    Generic,
    /// vhost-user-gpu-pci
    Gpu,
    /// vhost-user-vga: what is drawn with VGA is not shown
    Vga,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AccelArg {
    /// KVM where it runs the guest, TCG otherwise
    Auto,
    /// The kernel's virtualisation
    Kvm,
    /// Emulation
    Tcg,
}

impl Run {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        let filter = Filter::new(&config.log);
        log::start(&filter);
        let (name, guest) = self.guest(&config)?;
        if self.print {
            io::stdout().write_all(print::script(&name, &guest)?.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(found) = running(&name, &guest, &config) {
            return self.show(&found);
        }
        let mut program = Program::new(Lasts::WhileGuests, &filter, |_, _| Ok(Session))?;
        program.app.guests.set_keys(config.keys);
        program.app.guests.add(&name, guest)?;
        // What is wrong with the guest itself is worth knowing anywhere.
        ensure!(
            self.detached || has_session(),
            "Could not find a Wayland session: WAYLAND_DISPLAY is not set. Start this in a \
             Wayland session, or use `lucarne headless` for a compositor without a screen"
        );
        if self.detached {
            program.app.guests.start_detached(&name);
        }
        program.app.start_guest(&name);
        match program.run()?.into_iter().next() {
            Some(failure) => bail!(failure),
            None => Ok(ExitCode::SUCCESS),
        }
    }

    /// The guest runs already.
    fn show(&self, found: &Found) -> anyhow::Result<ExitCode> {
        let name = &found.guest.name;
        ensure!(
            !self.detached,
            "Could not start the guest {name}: it runs already. `lucarne attach {name}` shows it"
        );
        let told = found.attach(attach::own_display())?;
        writeln!(io::stdout(), "The guest {name} runs already. {told}")?;
        Ok(ExitCode::SUCCESS)
    }

    /// The guest that is meant, with the options laid over it.
    fn guest(&self, config: &Config) -> anyhow::Result<(String, Guest)> {
        let (name, mut guest) = match &self.guest {
            Some(word) => named(word, config)?,
            None => ("guest".to_owned(), Guest::default()),
        };
        let name = self.name.clone().unwrap_or_else(|| match &self.kernel {
            Some(kernel) if self.guest.is_none() => name_of(kernel),
            _ => name,
        });
        self.lay_over(&mut guest)?;
        Ok((name, guest))
    }

    fn lay_over(&self, guest: &mut Guest) -> anyhow::Result<()> {
        self.machine.apply(guest)?;
        self.gpu.apply(guest);
        for (given, key) in [
            (&self.kernel, &mut guest.kernel),
            (&self.initrd, &mut guest.initrd),
        ] {
            if given.is_some() {
                key.clone_from(given);
            }
        }
        if self.append.is_some() {
            guest.append.clone_from(&self.append);
        }
        if let Some(device) = self.device {
            guest.device = match device {
                DeviceArg::Auto => Device::Auto,
                DeviceArg::Generic => Device::Generic,
                DeviceArg::Gpu => Device::Gpu,
                DeviceArg::Vga => Device::Vga,
            };
        }
        if let Some(accel) = self.accel {
            guest.accel = match accel {
                AccelArg::Auto => Accel::Auto,
                AccelArg::Kvm => Accel::Kvm,
                AccelArg::Tcg => Accel::Tcg,
            };
        }
        if let Some(firmware) = &self.firmware {
            guest.firmware = Firmware::from(firmware.clone());
        }
        if self.uml {
            guest.vmm.kind = VmmKind::Uml;
        }
        if self.vmm.is_some() {
            guest.vmm.program.clone_from(&self.vmm);
        }
        guest.vmm.arguments.extend(self.arguments.iter().cloned());
        guest
            .check()
            .context("Could not use these options together")
    }
}

/// The guest, if another lucarne of this user runs it: the same section of the configuration, or
/// the same disk image, which two machines must never write to.
fn running(name: &str, guest: &Guest, config: &Config) -> Option<Found> {
    let sockets = client::all_sockets().unwrap_or_default();
    let disk = guest.disk.as_deref().map(absolute);
    let is_configured = config.guests.contains_key(name);
    attach::guests_of(&sockets).into_iter().find(|found| {
        let other = &found.guest;
        let is_it = (is_configured && other.name == name) || (disk.is_some() && other.disk == disk);
        is_it && attach::is_there(other)
    })
}

/// A guest of the configuration, or else a disk image.
fn named(word: &Path, config: &Config) -> anyhow::Result<(String, Guest)> {
    if let Some(name) = word.to_str()
        && let Some(guest) = config.guests.get(name)
    {
        return Ok((name.to_owned(), guest.clone()));
    }
    let is_bare = word.components().count() == 1;
    if is_bare && !word.exists() && word.extension().is_none() {
        let known: Vec<&str> = config.guests.keys().map(String::as_str).collect();
        let known = match known.is_empty() {
            true => "there are no guests in the configuration".to_owned(),
            false => format!("the configuration has {}", known.join(", ")),
        };
        bail!(
            "Could not find a guest or a disk image {}: {known}. Check the name or give a path",
            word.display()
        );
    }
    let guest = Guest {
        disk: Some(word.to_owned()),
        ..Guest::default()
    };
    Ok((name_of(word), guest))
}

/// A name for a guest, made of a file's.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let fit = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => c,
        _ => '-',
    };
    let name: String = stem
        .chars()
        .map(fit)
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(config::guest::MAX_NAME)
        .collect();
    if name.is_empty() {
        "guest".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use config::guest::Gpu;

    use super::{super::Cli, *};

    fn guest(arguments: &str, config: &str) -> anyhow::Result<(String, Guest)> {
        let words = ["lucarne", "run"]
            .into_iter()
            .chain(arguments.split_whitespace());
        let super::super::Command::Run(run) = Cli::try_parse_from(words)?.command else {
            panic!("it is not `run`");
        };
        run.guest(&Config::parse(config)?)
    }

    #[test]
    fn options_are_laid_over_a_configured_guest() {
        let config = "[guest.deb]\ndisk = \"d.qcow2\"\nmemory = \"1G\"\ncpus = 3\n\
                      vmm.arguments = [\"-a\"]\n";
        let (name, guest) = guest(
            "deb --memory 4G --scanouts 2 --mode 640x480 --accel tcg -- -b -c",
            config,
        )
        .unwrap();

        assert_eq!(name, "deb");
        assert_eq!(guest.memory.to_string(), "4096M");
        assert_eq!(guest.cpus, 3);
        assert_eq!(guest.scanouts.len(), 2);
        assert_eq!(guest.accel, Accel::Tcg);
        assert_eq!(guest.vmm.arguments, ["-a", "-b", "-c"]);
    }

    #[test]
    fn a_guest_s_3d_can_be_asked_for() {
        let config = "[guest.deb]\ndisk = \"d.qcow2\"\ngpu = \"2d\"\n";
        let (_, deb) = guest("deb --gpu virgl --gpu-device /dev/dri/renderD129", config).unwrap();
        assert_eq!(deb.gpu, Gpu::Virgl);
        assert_eq!(deb.gpu_device, Some("/dev/dri/renderD129".into()));

        let error = guest("deb --gpu virgl --gpu-device /dev/dri/card1", config).unwrap_err();
        assert!(
            format!("{error:#}").contains("it is the node for its monitors"),
            "{error:#}"
        );
    }

    #[test]
    fn a_word_that_is_no_guest_is_a_disk_image() {
        let (name, guest) = guest("./images/My_Deb(1).qcow2", "").unwrap();
        assert_eq!(name, "My_Deb-1-");
        assert_eq!(guest.disk, Some("./images/My_Deb(1).qcow2".into()));
    }

    #[test]
    fn a_bare_word_that_is_neither_gets_the_known_names() {
        let error = guest("dab", "[guest.deb]\ndisk = \"d\"\n")
            .unwrap_err()
            .to_string();
        let expected = "Could not find a guest or a disk image dab: the configuration has deb. \
                        Check the name or give a path";
        assert_eq!(error, expected);
    }

    #[test]
    fn a_kernel_needs_no_disk() {
        let (name, guest) = guest("--kernel /boot/vmlinuz --append quiet --name k", "").unwrap();
        assert_eq!(name, "k");
        assert_eq!(guest.kernel, Some("/boot/vmlinuz".into()));
        assert_eq!(guest.append.as_deref(), Some("quiet"));
        assert_eq!(guest.disk, None);
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        let error = guest("--uml --kernel ./linux --device vga", "").unwrap_err();
        assert!(
            format!("{error:#}").contains("Could not use `device` with this VMM"),
            "{error:#}"
        );
    }

    #[test]
    fn something_to_run_is_needed() {
        let error = guest("--memory 1G", "").unwrap_err();
        assert!(error.to_string().contains("required"), "{error}");
    }
}
