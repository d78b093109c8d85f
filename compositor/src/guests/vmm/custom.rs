//! Any other VMM: the user's own command line with placeholders.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use super::{Launch, Seat};

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
    let values: [(&str, OsString); 8] = [
        ("{socket}", seat.socket.into()),
        ("{name}", seat.name.into()),
        ("{memory}", guest.memory.mebibytes().to_string().into()),
        ("{cpus}", guest.cpus.to_string().into()),
        ("{disk}", file(&guest.disk)),
        ("{kernel}", file(&guest.kernel)),
        ("{initrd}", file(&guest.initrd)),
        ("{append}", guest.append.clone().unwrap_or_default().into()),
    ];
    let arguments = guest
        .vmm
        .arguments
        .iter()
        .map(|text| filled(text, &values))
        .collect();
    Launch {
        program: program.to_owned(),
        arguments,
    }
}

/// Goes through the text once, so that a value that looks like a placeholder stays what it is.
fn filled(text: &str, values: &[(&str, OsString)]) -> OsString {
    let mut out = OsString::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push(&rest[..at]);
        rest = &rest[at..];
        match values
            .iter()
            .find(|(placeholder, _)| rest.starts_with(placeholder))
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
    use config::{Guest, guest::Vmm};

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
            folder,
        };

        let launch = launch(Path::new("/bin/crosvm"), seat);

        let expected = [
            "run",
            "--gpu=/run/l/c.gpu",
            "2048:2",
            "/srv/{name}.img",
            "{c}",
            "{x}",
        ];
        assert_eq!(launch.arguments, expected);
    }
}
