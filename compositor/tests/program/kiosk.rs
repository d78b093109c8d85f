//! `lucarne kiosk` where there is nothing to take over, and the files that start it.

use std::{path::Path, process::Command};

use super::{Place, Ran};

/// As on a machine whose seat manager does not run. Without it a test might take over the screens
/// of whoever runs it.
fn kiosk(place: &Place, arguments: &[&str]) -> Ran {
    let arguments = [&["kiosk"], arguments].concat();
    let nowhere = place.path("no-seatd.sock");
    Ran::of(
        place
            .lucarne(&arguments)
            .env("LIBSEAT_BACKEND", "seatd")
            .env("SEATD_SOCK", nowhere),
    )
}

#[test]
fn without_a_seat_the_message_says_where_to_get_one() {
    let place = Place::new();
    let message = kiosk(&place, &[]).failure();
    assert!(message.contains("Could not take a seat"), "{message}");
    for help in ["text console", "seatd", "lucarne doctor"] {
        assert!(message.contains(help), "{message}");
    }
}

#[test]
fn without_a_graphics_card_the_message_says_what_is_missing() {
    let cards = std::fs::read_dir("/dev/dri").map_or(0, Iterator::count);
    if cards > 0 || !rustix::process::geteuid().is_root() {
        // It would take the screens of whoever runs this, or get no seat.
        return;
    }
    let place = Place::new();
    let mut command = place.lucarne(&["kiosk"]);
    // libseat's own seat manager, without consoles.
    command
        .env("LIBSEAT_BACKEND", "builtin")
        .env("SEATD_VTBOUND", "0");
    let message = Ran::of(&mut command).failure();
    for help in ["graphics card", "/dev/dri", "lucarne headless"] {
        assert!(message.contains(help), "{message}");
    }
}

#[test]
fn its_help_tells_how_to_get_in_and_out() {
    let help = Place::new().run(&["kiosk", "--help"]).ok();
    for word in [
        "Examples:",
        "lucarne kiosk debian",
        "lucarne msg outputs",
        "Ctrl+Alt+F1",
        "Super+Tab",
        "lucarne msg quit",
    ] {
        assert!(help.contains(word), "{help}");
    }
}

#[test]
fn systemd_understands_the_service() {
    let text = include_str!("../../../config/session/lucarne-kiosk.service");
    let place = Place::new();
    let here = text.replace("/usr/local/bin/lucarne", env!("CARGO_BIN_EXE_lucarne"));
    let unit = place.file("lucarne-kiosk.service", &here);
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output();
    // Not every machine has systemd.
    let Ok(verify) = verify else { return };
    // It also tells of other units.
    let said = String::from_utf8_lossy(&verify.stderr);
    let about_it: Vec<_> = said
        .lines()
        .filter(|line| line.contains("lucarne"))
        .collect();
    assert!(about_it.is_empty(), "{said}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_before_screens_are_taken() {
    let place = Place::new();
    place.file(
        "c.toml",
        "[kiosk]\nautostart = [\"b\"]\n[guest.a]\ndisk = \"d\"\n",
    );
    let message = kiosk(&place, &["--config", "c.toml"]).failure();
    assert!(message.contains("Could not find the guest b"), "{message}");
    assert!(message.contains("[kiosk] autostart"), "{message}");

    let message = kiosk(&place, &["--config", "c.toml", "c"]).failure();
    assert!(message.contains("Could not find the guest c"), "{message}");

    place.file("d.toml", "[kms]\ndevice = \"first\"\n");
    let message = kiosk(&place, &["--config", "d.toml"]).failure();
    assert!(message.contains("d.toml:2:10"), "{message}");
}

#[test]
fn the_files_that_start_it_say_what_it_understands() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/session");
    let place = Place::new();
    for (file, key) in [
        ("lucarne-kiosk.service", "ExecStart="),
        ("lucarne.desktop", "Exec="),
    ] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let words: Vec<&str> = line.unwrap().split_whitespace().collect();
        assert!(words[0].ends_with("lucarne"), "{file}: {words:?}");
        let arguments = [&words[1..], &["--help"]].concat();
        let help = place.run(&arguments).ok();
        assert!(help.contains("lucarne kiosk"), "{file}: {help}");
    }
}
