//! The program as other programs meet it: shells that run what it prints, managers that start its
//! device.

use std::{
    io::{BufRead as _, BufReader, Lines},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, ChildStderr, Command, Stdio},
};

use super::{Place, Ran, names};

#[test]
fn a_printed_command_line_is_run_by_a_shell_and_needs_no_session() {
    let place = Place::new();
    let vmm = place.script("my vmm", "for word; do echo \"<$word>\"; done");
    let config = format!(
        "[guest.c]\ndisk = \"d $x.img\"\n[guest.c.vmm]\nkind = \"custom\"\nprogram = '{}'\n\
         arguments = [\"--gpu={{socket}}\", \"-d\", \"{{disk}}\", \"it's\", \"{{keyboard}}\", \"{{qmp}}\"]\n",
        vmm.display()
    );
    place.file("c.toml", &config);
    place.file("d $x.img", "");

    let script = place
        .run(&["run", "--print", "--config", "c.toml", "c"])
        .ok();

    let device = script.lines().next().unwrap();
    assert!(device.starts_with("# Before it, in another terminal: lucarne device --name c "));
    let mut shell = Command::new("sh");
    let printed = Ran::of(shell.args(["-c", &script])).ok();
    let run = place.runtime_dir();
    let run = run.display();
    let expected = format!(
        "<--gpu={run}/c.gpu>\n<-d>\n<d $x.img>\n<it's>\n<{run}/c.keyboard>\n<{run}/c.qmp>\n"
    );
    assert_eq!(printed, expected);
}

#[test]
fn nothing_is_printed_of_a_guest_that_can_not_run() {
    let place = Place::new();
    let message = place.run(&["run", "--print", "./nothing.qcow2"]).failure();
    assert!(message.contains("disk image"), "{message}");
}

#[test]
fn a_manager_learns_what_the_device_can_do() {
    let place = Place::new();
    // A feature that libvirt would look for a node for where there is none.
    let has_node = std::fs::read_dir("/dev/dri").is_ok_and(|entries| {
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with("renderD"))
    });
    let features = match has_node {
        true => r#""virgl", "render-node""#,
        false => r#""virgl""#,
    };
    let expected = format!("{{\n  \"type\": \"gpu\",\n  \"features\": [{features}]\n}}\n");
    for arguments in [
        &["--print-capabilities"][..],
        &["device", "--print-capabilities"],
        &[
            "device",
            "--name",
            "x",
            "--no-such-option",
            "--print-capabilities",
        ],
    ] {
        assert_eq!(place.run(arguments).ok(), expected, "{arguments:?}");
    }
}

/// Starts the device as libvirt does, with the VMM's connection as a file descriptor.
fn managed(place: &Place, connection: UnixStream) -> Child {
    let lucarne = place.lucarne(&[]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$0\" --fd=9 9<&0 </dev/null"])
        .arg(lucarne.get_program())
        .current_dir(place.path(""))
        .stdin(OwnedFd::from(connection))
        .stderr(Stdio::piped());
    for (name, value) in lucarne.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.spawn().unwrap()
}

/// The log up to a line with these words.
fn until(lines: &mut Lines<BufReader<ChildStderr>>, words: &str) {
    let mut log = String::new();
    for line in lines.map_while(Result::ok) {
        if line.contains(words) {
            return;
        }
        log.push_str(&line);
        log.push('\n');
    }
    panic!("Nobody said {words}:\n{log}");
}

#[test]
fn a_manager_s_device_waits_for_a_compositor_and_ends_with_its_connection() {
    let place = Place::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut device = managed(&place, theirs);
    let mut log = BufReader::new(device.stderr.take().unwrap()).lines();
    until(&mut log, "shown once there is a compositor");

    let _headless = place.headless(&[]);
    until(&mut log, "The guest is shown by a compositor");
    let hands = || {
        let sockets = names(&place.runtime_dir());
        let hands = |name: &String| name.starts_with("lucarne-guest.");
        sockets.into_iter().filter(hands).count()
    };
    assert_eq!(hands(), 5);
    drop(ours);

    until(&mut log, "It was the only connection");
    assert!(device.wait().unwrap().success());
    assert_eq!(hands(), 0);
}

#[test]
fn what_is_no_socket_is_refused() {
    let place = Place::new();
    let message = place.run(&["--fd=77"]).failure();
    assert!(
        message.contains("file descriptor 77: Bad file"),
        "{message}"
    );
}
