//! User Mode Linux: the guest's kernel is a program, and its own driver speaks vhost-user.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use config::Guest;

use super::{Launch, Seat};

/// The command line of a User Mode Linux.
#[must_use]
pub fn launch(program: &Path, seat: Seat<'_>) -> Launch {
    let guest = seat.guest;
    let mut arguments: Vec<OsString> = vec![
        format!("mem={}", guest.memory).into(),
        // The kernel's messages go to standard output, nothing is read from standard input.
        "con=null".into(),
        "con0=null,fd:1".into(),
        joined("virtio_uml.device=", seat.socket.as_os_str(), ":16"),
    ];
    for (_, socket) in seat.inputs {
        arguments.push(joined("virtio_uml.device=", socket.as_os_str(), ":18"));
    }
    if !names_itself(guest) {
        // Where its console for commands is.
        arguments.push(joined("uml_dir=", seat.folder.as_os_str(), "/"));
        arguments.push(format!("umid={}", seat.name).into());
    }
    if guest.cpus > 1 {
        // Several CPUs need the seccomp mode of user space.
        arguments.push("seccomp=on".into());
        arguments.push(format!("ncpus={}", guest.cpus).into());
    }
    if let Some(disk) = &guest.disk {
        arguments.push(joined("ubd0=", disk.as_os_str(), ""));
        arguments.push("root=/dev/ubda".into());
    }
    if let Some(initrd) = &guest.initrd {
        arguments.push(joined("initrd=", initrd.as_os_str(), ""));
    }
    // Of two settings of one parameter the kernel takes the last, so the user's come last.
    arguments.extend(words(guest.append.as_deref().unwrap_or_default()).map(OsString::from));
    arguments.extend(guest.vmm.arguments.iter().map(OsString::from));
    Launch {
        program: program.to_owned(),
        arguments,
        copies: Vec::new(),
    }
}

/// The socket for commands to the kernel (its "mconsole").
#[must_use]
pub fn console(seat: Seat<'_>) -> Option<PathBuf> {
    (!names_itself(seat.guest)).then(|| seat.folder.join(seat.name).join("mconsole"))
}

/// Whether the user's arguments say where the kernel's files are. The kernel takes the first of
/// two such settings.
fn names_itself(guest: &Guest) -> bool {
    let append = guest.append.as_deref().unwrap_or_default();
    words(append)
        .chain(guest.vmm.arguments.iter().cloned())
        .any(|word| word.starts_with("umid=") || word.starts_with("uml_dir="))
}

fn joined(before: &str, middle: &std::ffi::OsStr, after: &str) -> OsString {
    let mut text = OsString::from(before);
    text.push(middle);
    text.push(after);
    text
}

/// A kernel's command line in words. User Mode Linux looks at each argument for itself, so that
/// a whole command line in one argument would lose its first settings. Double quotes keep spaces,
/// as in the kernel.
fn words(line: &str) -> impl Iterator<Item = String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        quoted ^= c == '"';
        if c.is_whitespace() && !quoted {
            words.push(std::mem::take(&mut word));
        } else {
            word.push(c);
        }
    }
    words.push(word);
    words.into_iter().filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use config::guest::{InputDevice, Vmm};

    use super::*;

    fn launch_of(guest: &Guest) -> String {
        let folder = Path::new("/run/l");
        let seat = Seat {
            name: "u",
            guest,
            socket: Path::new("/run/l/u.gpu"),
            inputs: &[
                (InputDevice::Keyboard, "/run/l/u.keyboard".into()),
                (InputDevice::Pointer, "/run/l/u.pointer".into()),
            ],
            folder,
        };
        launch(Path::new("/opt/linux"), seat).to_string()
    }

    #[test]
    fn a_guest_on_the_host_s_own_files() {
        let guest = Guest {
            kernel: Some("/opt/linux".into()),
            append: Some("root=/dev/root  rootfstype=hostfs ro init=\"/bin/sh -x\"".to_owned()),
            memory: "512M".parse().unwrap(),
            cpus: 1,
            ..Guest::default()
        };
        assert_eq!(
            launch_of(&guest),
            "/opt/linux mem=512M con=null con0=null,fd:1 virtio_uml.device=/run/l/u.gpu:16 \
             virtio_uml.device=/run/l/u.keyboard:18 virtio_uml.device=/run/l/u.pointer:18 \
             uml_dir=/run/l/ umid=u \
             root=/dev/root rootfstype=hostfs ro 'init=\"/bin/sh -x\"'"
        );
    }

    #[test]
    fn a_guest_with_a_disk_and_several_cpus() {
        let guest = Guest {
            disk: Some("/srv/root.img".into()),
            vmm: Vmm {
                arguments: vec!["quiet".to_owned()],
                ..Vmm::default()
            },
            ..Guest::default()
        };
        assert_eq!(
            launch_of(&guest),
            "/opt/linux mem=2048M con=null con0=null,fd:1 virtio_uml.device=/run/l/u.gpu:16 \
             virtio_uml.device=/run/l/u.keyboard:18 virtio_uml.device=/run/l/u.pointer:18 \
             uml_dir=/run/l/ umid=u \
             seccomp=on ncpus=2 ubd0=/srv/root.img root=/dev/ubda quiet"
        );
    }

    #[test]
    fn a_guest_with_a_place_of_its_own_keeps_it() {
        let guest = Guest {
            append: Some("umid=mine".to_owned()),
            ..Guest::default()
        };
        assert!(!launch_of(&guest).contains("umid=u"));
    }
}
