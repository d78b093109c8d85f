//! One clear message for each mistake, and the exit status that scripts look at.

use std::os::unix::net::UnixListener;

use super::{Place, Ran};

#[test]
fn usage_errors_have_exit_status_2() {
    let place = Place::new();
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["run"],
        &["run", "--memory", "much", "disk.img"],
        &["run", "--initrd", "i"],
        &["device", "--name", "x"],
        &["run", "--gpu", "vulkan", "d.img"],
        &["device", "--fd=3", "--virgl", "--gpu", "2d"],
        &[
            "device",
            "--name",
            "x",
            "--gpu-socket",
            "s",
            "--scanouts",
            "17",
        ],
        &["headless", "--output", "1920"],
        &["kiosk", "--device", "first"],
        &["nested", "--size", "800"],
        &["nested", "--size", "800x600", "--fullscreen"],
        &["demo", "--seconds", "0"],
        &["msg", "screenshot"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.status, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("--help"), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn the_version_is_told() {
    let version = Place::new().run(&["--version"]).ok();
    assert_eq!(version, format!("lucarne {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_config_error_is_shown_with_its_place_and_a_hint() {
    let place = Place::new();
    let file = place.file("c.toml", "[guest.a]\ndisk = \"d\"\nmemroy = \"1G\"\n");
    let expected = format!(
        "lucarne: {}:3:1: Unknown key `memroy`\n    3 | memroy = \"1G\"\n      | ^^^^^^\n      \
         Hint: Did you mean `memory`?\n",
        file.display()
    );
    for arguments in [
        &["validate", "c.toml"][..],
        &["headless", "--config", "c.toml"],
        &["kiosk", "--config", "c.toml"],
        &["nested", "--config", "c.toml"],
        &["run", "--config", "c.toml", "a"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.status, Some(1), "{ran:?}");
        let err = ran
            .err
            .replace("lucarne: c.toml", &format!("lucarne: {}", file.display()));
        // Wide line numbers are not part of what is promised.
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&err), squeezed(&expected));
    }
}

#[test]
fn a_good_file_and_the_default_file_are_valid() {
    let place = Place::new();
    let default = place.run(&["validate", "--print-default"]).ok();
    std::fs::create_dir(place.path("lucarne")).unwrap();
    place.file("lucarne/config.toml", &default);
    assert!(
        place
            .run(&["validate"])
            .ok()
            .ends_with("config.toml: no mistakes, 0 guests\n")
    );

    place.file("g.toml", "[guest.a]\ndisk = \"d\"\n");
    assert_eq!(
        place.run(&["validate", "g.toml"]).ok(),
        "g.toml: no mistakes, 1 guest\n"
    );
    assert!(
        place
            .run(&["validate", "none.toml"])
            .failure()
            .contains("none.toml")
    );
}

#[test]
fn a_window_without_a_session_is_refused_with_a_way_on() {
    let place = Place::new();
    let message = place.run(&["nested"]).failure();
    for part in [
        "neither WAYLAND_DISPLAY nor DISPLAY",
        "`lucarne kiosk`",
        "`lucarne headless`",
    ] {
        assert!(message.contains(part), "{message}");
    }
    for (variable, value) in [("WAYLAND_DISPLAY", "wayland-none"), ("DISPLAY", ":65000")] {
        let message = Ran::of(place.lucarne(&["nested"]).env(variable, value)).failure();
        let expected = format!("Check that {variable} names a session");
        assert!(message.contains(&expected), "{message}");
        assert!(!message.contains(".rs:"), "{message}");
        assert!(!message.contains("panicked"), "{message}");
    }
}

#[test]
fn a_missing_disk_image_is_named() {
    let message = Place::new().run(&["run", "no/such.qcow2"]).failure();
    assert!(message.contains("Could not open the disk image no/such.qcow2: No such file"));
}

#[test]
fn a_word_that_is_neither_guest_nor_disk_image_is_named() {
    let message = Place::new().run(&["run", "debian"]).failure();
    assert!(
        message.contains("Could not find a guest or a disk image debian"),
        "{message}"
    );
}

/// A program that answers like a QEMU of this version with `vhost-user-gpu-pci`.
fn qemu(place: &Place, version: &str) -> String {
    let script = format!(
        "case \"$1 $2\" in\n\
         --version*) echo 'QEMU emulator version {version} (x)';;\n\
         '-device vhost-user-gpu-pci,help'|'-device vhost-user-test-device-pci,help')\n\
         echo 'chardev=<str>';;\n\
         '-netdev help') echo user;;\n\
         *) echo 'qemu: this machine is on fire' >&2; exit 1;;\n\
         esac"
    );
    place
        .script("qemu-system-x86_64", &script)
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_qemu_that_is_too_old_is_named() {
    let place = Place::new();
    place.file("d.img", "");
    let old = qemu(&place, "4.2.1");
    let message = place.run(&["run", "--vmm", &old, "d.img"]).failure();
    assert!(message.contains("with QEMU 4.2"), "{message}");
    assert!(message.contains("needs QEMU 5.0 or newer"), "{message}");

    let seven = qemu(&place, "7.2.1");
    let message = place
        .run(&["run", "--vmm", &seven, "--accel", "tcg", "d.img"])
        .failure();
    assert!(message.contains("before version 8.0"), "{message}");

    let ten = qemu(&place, "10.0.2");
    let message = place
        .run(&["run", "--vmm", &ten, "--device", "generic", "d.img"])
        .failure();
    assert!(
        message.contains("needs QEMU 10.2 or newer. Update QEMU"),
        "{message}"
    );
}

#[test]
fn vulkan_on_a_vmm_that_can_not_show_the_host_s_memory_is_refused() {
    let place = Place::new();
    place.file("d.img", "");
    let older = qemu(&place, "10.2.0");
    let venus = ["run", "--accel", "tcg", "--gpu", "venus", "--vmm", &older];
    let message = place.run(&[&venus[..], &["d.img"]].concat()).failure();
    assert!(
        message.contains("only the generic device of QEMU 11.1 or newer"),
        "{message}"
    );
    let gpu = ["--device", "gpu", "d.img"];
    let message = place.run(&[&venus[..], &gpu].concat()).failure();
    assert!(message.contains("this device of QEMU shows it no memory"));

    let uml = ["run", "--gpu", "venus", "--uml", "--kernel", "./linux"];
    let message = place.run(&uml).failure();
    assert!(
        message.contains("User Mode Linux shows it no memory of the host. Choose gpu = \"virgl\""),
        "{message}"
    );
}

#[test]
fn what_can_not_draw_is_refused_before_anything_is_started() {
    let place = Place::new();
    place.file(
        "c.toml",
        "[guest.a]\ndisk = \"d\"\ngpu_device = \"/dev/dri/card0\"\n",
    );
    let message = place.run(&["validate", "c.toml"]).failure();
    assert!(
        message.contains("c.toml:3:1: Could not draw with"),
        "{message}"
    );
    place.file("g.toml", "[guest.a]\ndisk = \"d\"\ngpu = \"vulkan\"\n");
    let message = place.run(&["validate", "g.toml"]).failure();
    assert!(message.contains("Known here: auto, 2d, virgl, venus"));
}

#[test]
fn a_missing_qemu_is_named() {
    let place = Place::new();
    place.file("d.img", "");
    let message = place
        .run(&["run", "--vmm", "qemu-of-nobody", "d.img"])
        .failure();
    assert!(message.contains("Could not find \"qemu-of-nobody\" in $PATH. Install QEMU"));
}

#[test]
fn without_a_wayland_session_there_are_no_windows() {
    let place = Place::new();
    place.file("d.img", "");
    let qemu = qemu(&place, "11.1.0");
    let message = place.run(&["run", "--vmm", &qemu, "d.img"]).failure();
    assert!(
        message.contains("Could not find a Wayland session"),
        "{message}"
    );
    assert!(message.contains("lucarne headless"), "{message}");

    let device = ["device", "--name", "x", "--gpu-socket", "x.gpu"];
    let message = place.run(&device).failure();
    assert!(message.contains("WAYLAND_DISPLAY"), "{message}");
    assert!(!place.path("x.gpu").exists());
}

#[test]
fn a_vmm_that_exits_at_once_is_quoted() {
    let place = Place::new();
    place.file("d.img", "");
    let qemu = qemu(&place, "11.1.0");
    let headless = place.headless(&[]);
    let mut command = place.lucarne(&["run", "--vmm", &qemu, "d.img"]);
    let message = Ran::of(command.env("WAYLAND_DISPLAY", &headless.display)).failure();
    assert!(
        message.ends_with(
            "lucarne: Could not run the guest d: its VMM ended (exit status 1) before it used its \
             graphics device. The last lines that the VMM wrote:\n    \
             qemu: this machine is on fire\n"
        ),
        "{message}"
    );
}

#[test]
fn a_failure_of_the_vmm_is_explained() {
    let place = Place::new();
    place.file("d.img", "");
    let headless = place.headless(&[]);
    let vmm = place.script(
        "vmm",
        "echo 'qemu-system-x86_64: -drive file=d.img: Failed to get \"write\" lock'; exit 1",
    );
    let config = format!(
        "[guest.d]\nvmm = {{ kind = \"custom\", program = \"{}\" }}\n",
        vmm.display()
    );
    place.file("c.toml", &config);
    let mut command = place.lucarne(&["run", "--config", "c.toml", "d"]);
    let message = Ran::of(command.env("WAYLAND_DISPLAY", &headless.display)).failure();
    assert!(
        message.contains(
            "before it used its graphics device: a disk image is in use by another program. Stop the \
             guest that uses it"
        ),
        "{message}"
    );
}

#[test]
fn an_occupied_socket_path_is_left_alone() {
    let place = Place::new();
    let owner = UnixListener::bind(place.path("x.gpu")).unwrap();
    let headless = place.headless(&[]);
    let mut command = place.lucarne(&["device", "--name", "x", "--gpu-socket", "x.gpu"]);
    let message = Ran::of(command.env("WAYLAND_DISPLAY", &headless.display)).failure();
    assert!(message.contains("x.gpu"), "{message}");
    assert!(place.path("x.gpu").exists());
    drop(owner);
}

#[test]
fn an_unknown_guest_is_named() {
    let place = Place::new();
    let message = place.run(&["headless", "debian"]).failure();
    assert!(
        message.contains("Could not find the guest debian"),
        "{message}"
    );
}

#[test]
fn without_a_lucarne_there_is_nobody_to_ask() {
    let message = Place::new().run(&["msg", "guests"]).failure();
    assert!(
        message.contains("Could not find a running lucarne"),
        "{message}"
    );
}
