//! The command line of a guest's device process: this program again.

use std::{
    os::fd::{AsRawFd as _, BorrowedFd},
    path::{Path, PathBuf},
    process::Command,
};

use super::DeviceOptions;

/// The program that this process runs. Not its path: that may hold a newer version by now, or
/// nothing.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The variable by which a Wayland client inherits its connection.
const WAYLAND_SOCKET: &str = "WAYLAND_SOCKET";

/// What a device process is started with.
pub(super) struct Device<'a> {
    pub(super) name: &'a str,
    pub(super) guest: &'a config::Guest,
    pub(super) socket: &'a Path,
    pub(super) options: &'a DeviceOptions,
    pub(super) status: BorrowedFd<'a>,
    /// The connection to the compositor; `None` for that of the environment.
    pub(super) wayland: Option<BorrowedFd<'a>>,
}

impl Device<'_> {
    pub(super) fn command(&self) -> Command {
        let program = self.options.program.clone();
        let mut command = Command::new(program.unwrap_or_else(|| PathBuf::from(THIS_PROGRAM)));
        command
            .arg("device")
            .args(["--name", self.name])
            .arg("--gpu-socket")
            .arg(self.socket)
            .args(["--scanouts", &self.guest.scanouts.len().to_string()]);
        for mode in &self.guest.scanouts {
            command.args(["--mode", &mode.to_string()]);
        }
        command
            .args(["--status-fd", &self.status.as_raw_fd().to_string()])
            .args(&self.options.arguments);
        if let Some(wayland) = self.wayland {
            command.env(WAYLAND_SOCKET, wayland.as_raw_fd().to_string());
        } else {
            // An inherited one was meant for us, and can be used once only.
            command.env_remove(WAYLAND_SOCKET);
        }
        command
    }

    pub(super) fn inherited(&self) -> Vec<BorrowedFd<'_>> {
        self.wayland.into_iter().chain([self.status]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsFd as _};

    use super::*;

    #[test]
    fn a_device_is_this_program_with_the_guest_s_screens() {
        let guest = config::Guest {
            scanouts: vec![config::Mode::new(640, 480), "800x600@75".parse().unwrap()],
            ..config::Guest::default()
        };
        let file = File::open("/dev/null").unwrap();
        let device = Device {
            name: "a",
            guest: &guest,
            socket: Path::new("/run/a.gpu"),
            options: &DeviceOptions::default(),
            status: file.as_fd(),
            wayland: Some(file.as_fd()),
        };
        let command = device.command();
        let arguments: Vec<_> = command.get_args().map(|a| a.to_str().unwrap()).collect();
        assert_eq!(
            arguments.join(" "),
            format!(
                "device --name a --gpu-socket /run/a.gpu --scanouts 2 --mode 640x480@60 \
                 --mode 800x600@75 --status-fd {}",
                file.as_raw_fd()
            )
        );
        let environment: Vec<_> = command.get_envs().collect();
        assert_eq!(environment.len(), 1);
        assert_eq!(environment[0].0, WAYLAND_SOCKET);
    }
}
