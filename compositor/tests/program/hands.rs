//! Hands, monitors and machines by command line, as far as that goes without a guest that feels it.

use super::{Place, Ran, life};

#[test]
fn what_can_not_be_pressed_or_typed_is_named_before_anything_is_done() {
    let place = Place::new();
    let unknown = place.run(&["msg", "key", "ctrl+entre"]);
    assert_eq!(unknown.status, Some(2));
    assert!(
        unknown.err.contains("Did you mean `enter`?"),
        "{}",
        unknown.err
    );

    life::config(&place);
    let headless = place.headless(&["--config", "soft.toml"]);
    let refused = |arguments: &[&str]| headless.msg(&place, arguments).failure();
    let text = refused(&["type", "a∞"]);
    assert!(text.contains("Could not type '∞'"), "{text}");
    let text = refused(&["type", "--layout", "nowhere", "a"]);
    assert!(
        text.contains("Could not find the keyboard layout"),
        "{text}"
    );
    let text = refused(&["key", "--guest", "hard", "a"]);
    assert!(
        text.contains("Could not find a guest hard. There is soft"),
        "{text}"
    );
}

#[test]
fn hands_and_monitors_of_the_only_guest_need_no_name() {
    let place = Place::new();
    life::config(&place);
    let headless = place.headless(&["--config", "soft.toml"]);
    headless.wait_for_frames(&place);
    let done = |arguments: &[&str]| assert_eq!(headless.msg(&place, arguments).ok(), "");
    let refused = |arguments: &[&str]| headless.msg(&place, arguments).failure();

    done(&["key", "ctrl+alt+f2", "enter"]);
    done(&["type", "Hello, world!"]);
    done(&["pointer", "move", "10", "20"]);
    done(&["touch", "tap", "10", "20"]);
    let text = refused(&["pointer", "move", "--scanout", "9", "10", "20"]);
    assert!(text.contains("it can have 4, counted from 0"), "{text}");
    let text = refused(&["touch", "tap", "--finger", "10", "1", "1"]);
    assert!(text.contains("fingers 0 to 9"), "{text}");

    done(&["scanout", "add", "2", "800x600"]);
    done(&["scanout", "remove", "2"]);
    let text = refused(&["scanout", "add", "4", "800x600"]);
    assert!(text.contains("Raise `max_scanouts`"), "{text}");

    let machine: Vec<Ran> = ["power", "pause", "resume", "reset"]
        .into_iter()
        .map(|action| headless.msg(&place, &[action, "soft"]))
        .collect();
    for ran in machine {
        let text = ran.failure();
        assert!(text.contains("soft"), "{text}");
    }
}

#[test]
fn a_guest_without_a_keyboard_says_so() {
    let place = Place::new();
    life::config(&place);
    let text = std::fs::read_to_string(place.path("soft.toml")).unwrap();
    let text = text.replace("[guest.soft]\n", "[guest.soft]\ninput = [\"pointer\"]\n");
    place.file("soft.toml", &text);
    let headless = place.headless(&["--config", "soft.toml"]);
    headless.wait_for_frames(&place);
    let text = headless.msg(&place, &["type", "a"]).failure();
    assert!(text.contains("Add \"keyboard\" to `input`"), "{text}");
    let text = headless.msg(&place, &["pointer", "by", "1", "1"]).failure();
    assert!(text.contains("it has no mouse"), "{text}");
}
