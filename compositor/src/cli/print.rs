//! `lucarne run --print`: what would be started.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use config::{
    Guest,
    guest::{Gpu, InputDevice},
};

use crate::guests::{
    input_sockets, runtime_dir,
    vmm::{self, Launch, Seat, Vmm},
};

/// The command line of a guest's VMM for a shell, and as a comment that of the device that it
/// connects to.
///
/// # Errors
/// What is missing, as when the guest is run.
pub(super) fn script(name: &str, guest: &Guest) -> anyhow::Result<String> {
    config::guest::check_name(name)
        .map_err(|reason| anyhow!("Could not name a guest {name:?}: {reason}"))?;
    let vmm = Vmm::find(guest)?;
    // A guest that runs has a folder of its own, which goes with it.
    let folder = runtime_dir::base()?;
    Ok(with_vmm(&vmm, name, guest, &folder)?)
}

fn with_vmm(vmm: &Vmm, name: &str, guest: &Guest, folder: &Path) -> Result<String, vmm::Error> {
    let socket = guest
        .socket
        .clone()
        .unwrap_or_else(|| folder.join(format!("{name}.gpu")));
    let inputs = input_sockets(guest, &socket);
    let launch = vmm.launch(Seat {
        name,
        guest,
        socket: &socket,
        inputs: &inputs,
        folder,
    })?;
    let device = device(name, guest, &socket, &inputs);
    let vmm = launch.map_or_else(
        || "# Somebody else starts the VMM.\n".to_owned(),
        |launch| launch.script(),
    );
    Ok(format!("# Before it, in another terminal: {device}\n{vmm}"))
}

/// The device alone, as it would be typed.
fn device(name: &str, guest: &Guest, socket: &Path, inputs: &[(InputDevice, PathBuf)]) -> Launch {
    let mut arguments: Vec<OsString> = ["device", "--name", name, "--gpu-socket"]
        .map(OsString::from)
        .to_vec();
    arguments.push(socket.into());
    for mode in &guest.scanouts {
        arguments.extend(["--mode".into(), mode.to_string().into()]);
    }
    let connectors = guest.connectors().to_string();
    arguments.extend(["--max-scanouts".into(), connectors.into()]);
    if guest.gpu != Gpu::default() {
        arguments.extend(["--gpu".into(), guest.gpu.word().into()]);
    }
    if let Some(node) = &guest.gpu_device {
        arguments.extend(["--gpu-device".into(), node.into()]);
    }
    for (kind, socket) in inputs {
        let mut input = OsString::from(format!("{kind}="));
        input.push(socket);
        arguments.extend(["--input".into(), input]);
    }
    Launch {
        program: "lucarne".into(),
        arguments,
        copies: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(guest: &Guest) -> String {
        let vmm = Vmm::Uml("/opt/linux".into());
        with_vmm(&vmm, "u", guest, Path::new("/run/user/1000")).unwrap()
    }

    #[test]
    fn a_script_runs_the_vmm_and_names_the_device_before_it() {
        let guest = Guest {
            memory: "512M".parse().unwrap(),
            cpus: 1,
            input: vec![InputDevice::Keyboard],
            ..Guest::default()
        };
        assert_eq!(
            printed(&guest),
            "# Before it, in another terminal: lucarne device --name u --gpu-socket \
             /run/user/1000/u.gpu --mode 1280x800@60 --max-scanouts 4 --input \
             keyboard=/run/user/1000/u.keyboard\n\
             /opt/linux \\\n    mem=512M \\\n    con=null \\\n    con0=null,fd:1 \\\n    \
             virtio_uml.device=/run/user/1000/u.gpu:16 \\\n    \
             virtio_uml.device=/run/user/1000/u.keyboard:18 \\\n    \
             uml_dir=/run/user/1000/ \\\n    umid=u\n"
        );
    }

    #[test]
    fn the_device_is_told_what_the_guest_may_do() {
        let guest = Guest {
            gpu: Gpu::Virgl,
            gpu_device: Some("/dev/dri/renderD129".into()),
            ..Guest::default()
        };
        let printed = printed(&guest);
        let expected = " --gpu virgl --gpu-device /dev/dri/renderD129 ";
        assert!(printed.contains(expected), "{printed}");
    }

    #[test]
    fn a_guest_with_a_socket_of_its_own_keeps_it() {
        let guest = Guest {
            socket: Some("/srv/mine.gpu".into()),
            ..Guest::default()
        };
        let printed = printed(&guest);
        assert!(printed.contains("--gpu-socket /srv/mine.gpu "), "{printed}");
        assert!(printed.contains("--input pen=/srv/mine.pen\n"), "{printed}");
        assert!(
            printed.contains("virtio_uml.device=/srv/mine.gpu:16 "),
            "{printed}"
        );
    }
}
