//! Devices that a manager of virtual machines starts.
//!
//! QEMU's conventions for such programs (docs/interop/vhost-user.rst): `PROGRAM --fd=N` or
//! `--socket-path=PATH`, and `--print-capabilities`. libvirt gives a file descriptor that is
//! connected to QEMU, and says nothing of the guest; its description files name a program, and no
//! arguments to begin with. The descriptor of a file with the process' number, which libvirt leaves
//! open for its lock's sake, has the guest's name in it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use config::guest::InputDevice;
use gpu_device::renderer::choice::Machine;

use super::hands::InputSocket;

/// What this device has of the features that the conventions know: `virgl`, also where the host
/// can't (the guest gets a screen without then), and `render-node` where there is one. For a device
/// with that feature libvirt chooses a node, and starts no guest where it finds none.
pub(super) fn capabilities(machine: &Machine) -> String {
    let features = match machine.nodes.as_slice() {
        [] => r#""virgl""#,
        _ => r#""virgl", "render-node""#,
    };
    format!("{{\n  \"type\": \"gpu\",\n  \"features\": [{features}]\n}}\n")
}

/// The option that asks for them.
const PRINT_CAPABILITIES: &str = "--print-capabilities";

/// The arguments of this process, with the command in front that a manager does not know of.
pub(super) fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = given.collect();
    if arguments.get(1).is_some_and(|first| is_convention(first)) {
        arguments.insert(1, "device".into());
    }
    arguments
}

fn is_convention(argument: &OsStr) -> bool {
    let name = argument.to_string_lossy();
    let name = name.split('=').next().unwrap_or_default();
    matches!(
        name,
        "--fd" | "--socket-path" | "--render-node" | "--virgl" | PRINT_CAPABILITIES
    )
}

/// Whether the device is asked for its capabilities, whatever else it is asked.
pub(super) fn asks_for_capabilities(arguments: &[OsString]) -> bool {
    let is_device = arguments.get(1).is_some_and(|command| command == "device");
    is_device
        && arguments
            .iter()
            .any(|argument| argument == PRINT_CAPABILITIES)
}

/// The guest's name, from libvirt's file with this process' number.
pub(super) fn guest_name() -> Option<String> {
    fs::read_dir("/proc/self/fd")
        .ok()?
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .find_map(|file| name_in(&file))
}

/// `…/3-debian-video0-vhost-user-gpu.pid` is of the guest `debian`, the third one that libvirt
/// started.
fn name_in(file: &Path) -> Option<String> {
    let rest = file.file_name()?.to_str()?;
    let rest = rest.strip_suffix("-vhost-user-gpu.pid")?;
    let (rest, _) = rest.rsplit_once("-video")?;
    let (number, name) = rest.split_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !name.is_empty()).then(|| name.to_owned())
}

/// Where a guest's input devices are that a manager knows nothing of: `lucarne-NAME.keyboard` and
/// so on in `$XDG_RUNTIME_DIR`, for QEMU arguments in the guest's description to name.
pub(super) fn inputs(name: &str) -> Vec<InputSocket> {
    let folder = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // A guest of any name may be asked for; a folder is not a part of it.
    let is_fit = config::guest::check_name(name).is_ok();
    let Some(folder) = folder.filter(|folder| is_fit && folder.is_absolute()) else {
        return Vec::new();
    };
    let socket = |kind| InputSocket {
        kind,
        path: folder.join(format!("lucarne-{name}.{kind}")),
    };
    // A second screen of the same guest is a second process. Hands are on the first.
    let is_free = |socket: &InputSocket| UnixStream::connect(&socket.path).is_err();
    let sockets = InputDevice::ALL.into_iter().map(socket);
    sockets.filter(is_free).collect()
}

#[cfg(test)]
mod tests {
    use gpu_device::renderer::choice::{Access, Node};

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_manager_need_not_know_of_commands() {
        let arguments = |line| arguments(words(line).into_iter());
        assert_eq!(
            arguments("lucarne --fd=21"),
            words("lucarne device --fd=21")
        );
        assert_eq!(
            arguments("lucarne --socket-path /s"),
            words("lucarne device --socket-path /s")
        );
        for other in ["lucarne", "lucarne --help", "lucarne device --fd=21"] {
            assert_eq!(arguments(other), words(other));
        }
    }

    #[test]
    fn capabilities_are_asked_for_among_anything() {
        let asks = |line| asks_for_capabilities(&words(line));
        assert!(asks("lucarne device --print-capabilities"));
        assert!(asks("lucarne device --what --print-capabilities --fd=x"));
        assert!(!asks("lucarne device --fd=3"));
        assert!(!asks("lucarne run -- --print-capabilities"));
    }

    #[test]
    fn the_capabilities_are_json_of_a_gpu() {
        let told = |machine: &Machine| -> serde_json::Value {
            serde_json::from_str(&capabilities(machine)).unwrap()
        };
        let mut machine = Machine::default();
        let expected = serde_json::json!({"type": "gpu", "features": ["virgl"]});
        assert_eq!(told(&machine), expected);
        machine.nodes.push(Node {
            path: "/dev/dri/renderD128".into(),
            driver: None,
            access: Access::Forbidden,
        });
        let expected = serde_json::json!({"type": "gpu", "features": ["virgl", "render-node"]});
        assert_eq!(told(&machine), expected);
    }

    #[test]
    fn libvirt_s_file_tells_the_guest_s_name() {
        let folder = Path::new("/run/user/1000/libvirt/qemu/run");
        let of = |file: &str| name_in(&folder.join(file));
        assert_eq!(
            of("1-debian-video0-vhost-user-gpu.pid").as_deref(),
            Some("debian")
        );
        assert_eq!(
            of("12-my-video-vm-video1-vhost-user-gpu.pid").as_deref(),
            Some("my-video-vm")
        );
        for other in [
            "1-debian-video0-vhost-user-gpu.pid.old",
            "-video0-vhost-user-gpu.pid",
            "x-y-video0-vhost-user-gpu.pid",
            "1--video0-vhost-user-gpu.pid",
            "virtqemud.pid",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(name_in(Path::new("socket:[123]")), None);
    }

    #[test]
    fn the_description_file_names_this_kind_of_device() {
        let file = include_str!("../../../config/share/qemu/vhost-user/50-lucarne.json");
        let value: serde_json::Value = serde_json::from_str(file).unwrap();
        assert_eq!(value["type"], "gpu");
        let binary = Path::new(value["binary"].as_str().unwrap());
        assert!(binary.is_absolute() && binary.ends_with("lucarne"));
    }
}
