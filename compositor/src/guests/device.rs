//! The command line of a guest's device process: this program again.

use std::{
    ffi::OsString,
    os::fd::{AsRawFd as _, BorrowedFd},
    path::{Path, PathBuf},
    process::Command,
};

use config::guest::InputDevice;

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
    /// The guest's input devices, and where the VMM connects to them.
    pub(super) inputs: &'a [(InputDevice, PathBuf)],
    pub(super) options: &'a DeviceOptions,
    pub(super) status: BorrowedFd<'a>,
    /// The connection to the compositor; `None` for that of the environment.
    pub(super) wayland: Option<BorrowedFd<'a>>,
    /// Whether nothing shows the guest at first.
    pub(super) detached: bool,
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
        command.args(["--max-scanouts", &self.guest.connectors().to_string()]);
        command.args(["--gpu", self.guest.gpu.word()]);
        if let Some(node) = &self.guest.gpu_device {
            command.arg("--gpu-device").arg(node);
        }
        self.add_hands(&mut command);
        self.add_windows(&mut command);
        command
            .args(["--status-fd", &self.status.as_raw_fd().to_string()])
            .args(&self.options.arguments);
        if self.detached {
            command.arg("--detached");
        }
        if let Some(wayland) = self.wayland {
            command.env(WAYLAND_SOCKET, wayland.as_raw_fd().to_string());
        } else {
            // An inherited one was meant for us, and can be used once only.
            command.env_remove(WAYLAND_SOCKET);
        }
        command
    }

    fn add_hands(&self, command: &mut Command) {
        for (kind, path) in self.inputs {
            let mut input = OsString::from(format!("{kind}="));
            input.push(path);
            command.arg("--input").arg(input);
        }
        let keys = &self.options.keys;
        let fullscreen = keys.fullscreen.as_ref().map(ToString::to_string);
        command
            .args(["--pointer", self.guest.pointer.word()])
            .args(["--grab", self.guest.grab.word()])
            .args(["--release-chord", &keys.release.to_string()])
            .args(["--fullscreen-key", &fullscreen.unwrap_or_default()]);
    }

    fn add_windows(&self, command: &mut Command) {
        if self.guest.fit != config::guest::Fit::default() {
            command.args(["--fit", self.guest.fit.word()]);
        }
        if let Some(scale) = self.guest.scale {
            command.args(["--scale", &scale.to_string()]);
        }
        if self.guest.tearing {
            command.arg("--tearing");
        }
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
            pointer: config::guest::Pointer::Relative,
            gpu: config::guest::Gpu::Virgl,
            gpu_device: Some("/dev/dri/renderD129".into()),
            ..config::Guest::default()
        };
        let file = File::open("/dev/null").unwrap();
        let device = Device {
            name: "a",
            guest: &guest,
            socket: Path::new("/run/a.gpu"),
            inputs: &[
                (InputDevice::Keyboard, "/run/a.keyboard".into()),
                (InputDevice::Pen, "/run/a.pen".into()),
            ],
            options: &DeviceOptions::default(),
            status: file.as_fd(),
            wayland: Some(file.as_fd()),
            detached: false,
        };
        let command = device.command();
        let arguments: Vec<_> = command.get_args().map(|a| a.to_str().unwrap()).collect();
        assert_eq!(
            arguments.join(" "),
            format!(
                "device --name a --gpu-socket /run/a.gpu --scanouts 2 --mode 640x480@60 \
                 --mode 800x600@75 --max-scanouts 4 --gpu virgl \
                 --gpu-device /dev/dri/renderD129 --input keyboard=/run/a.keyboard --input pen=/run/a.pen --pointer relative --grab auto --release-chord Ctrl+Alt \
                 --fullscreen-key F11 --status-fd {}",
                file.as_raw_fd()
            )
        );
        let environment: Vec<_> = command.get_envs().collect();
        assert_eq!(environment.len(), 1);
        assert_eq!(environment[0].0, WAYLAND_SOCKET);
    }
}
