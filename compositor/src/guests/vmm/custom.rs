//! Any other VMM: the user's own command line with placeholders.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use config::{Guest, guest::InputDevice};

use super::{Launch, Seat};

/// The socket where the VMM listens for commands.
const QMP: &str = "{qmp}";

/// The command line of a VMM that is not known here. Placeholders of what the guest does not have
/// become empty; other braces stay.
#[must_use]
pub fn launch(program: &Path, seat: Seat<'_>) -> Launch {
    let guest = seat.guest;
    let file = |path: &Option<std::path::PathBuf>| {
        path.as_ref()
            .map(|path| path.clone().into_os_string())
            .unwrap_or_default()
    };
    let input = |kind: InputDevice| {
        let found = seat.inputs.iter().find(|(has, _)| *has == kind);
        let socket = found.map(|(_, socket)| socket.clone());
        (format!("{{{kind}}}"), file(&socket))
    };
    let values = [
        ("{socket}", seat.socket.into()),
        (QMP, seat.qmp().into()),
        ("{name}", seat.name.into()),
        ("{memory}", guest.memory.mebibytes().to_string().into()),
        ("{cpus}", guest.cpus.to_string().into()),
        ("{disk}", file(&guest.disk)),
        ("{kernel}", file(&guest.kernel)),
        ("{initrd}", file(&guest.initrd)),
        ("{append}", guest.append.clone().unwrap_or_default().into()),
    ]
    .map(|(name, value): (&str, OsString)| (name.to_owned(), value))
    .into_iter()
    .chain(InputDevice::ALL.map(input))
    .collect::<Vec<_>>();
    let arguments = guest
        .vmm
        .arguments
        .iter()
        .map(|text| filled(text, &values))
        .collect();
    Launch {
        program: program.to_owned(),
        arguments,
        copies: Vec::new(),
    }
}

/// Whether the VMM is told to listen for commands.
#[must_use]
pub fn speaks_qmp(guest: &Guest) -> bool {
    guest.vmm.arguments.iter().any(|text| text.contains(QMP))
}

/// Goes through the text once, so that a value that looks like a placeholder stays what it is.
fn filled(text: &str, values: &[(String, OsString)]) -> OsString {
    let mut out = OsString::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push(&rest[..at]);
        rest = &rest[at..];
        match values
            .iter()
            .find(|(placeholder, _)| rest.starts_with(placeholder.as_str()))
        {
            Some((placeholder, value)) => {
                out.push::<&OsStr>(value);
                rest = &rest[placeholder.len()..];
            }
            None => {
                out.push("{");
                rest = &rest[1..];
            }
        }
    }
    out.push(rest);
    out
}

#[cfg(test)]
mod tests {
    use config::guest::Vmm;

    use super::*;

    #[test]
    fn placeholders_are_filled_once() {
        let arguments = [
            "run",
            "--gpu={socket}",
            "{memory}:{cpus}",
            "{disk}",
            "{{name}}",
            "{x}",
            "--input={keyboard}:{pen}",
            "{qmp}",
        ];
        let guest = Guest {
            disk: Some("/srv/{name}.img".into()),
            vmm: Vmm {
                arguments: arguments.map(str::to_owned).to_vec(),
                ..Vmm::default()
            },
            ..Guest::default()
        };
        let folder = Path::new("/run/l");
        let seat = Seat {
            name: "c",
            guest: &guest,
            socket: Path::new("/run/l/c.gpu"),
            inputs: &[(InputDevice::Keyboard, "/run/l/c.keyboard".into())],
            folder,
        };
        assert!(speaks_qmp(&guest));

        let launch = launch(Path::new("/bin/crosvm"), seat);

        let expected = [
            "run",
            "--gpu=/run/l/c.gpu",
            "2048:2",
            "/srv/{name}.img",
            "{c}",
            "{x}",
            "--input=/run/l/c.keyboard:",
            "/run/l/c.qmp",
        ];
        assert_eq!(launch.arguments, expected);
    }
}
