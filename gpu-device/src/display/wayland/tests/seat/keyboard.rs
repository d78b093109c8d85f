//! Keys and locks.

use std::os::fd::AsFd;

use rustix::fs::ftruncate;
use wayland_server::protocol::wl_keyboard::KeymapFormat;

use super::*;

#[test]
fn keys_that_are_down_follow_the_keyboard() {
    let mut scene = Scene::seated();
    scene.host.focus(0, &[KEY_LEFTALT, KEY_A]);
    assert_eq!(
        scene.hands(),
        [
            HostInput::KeyboardEnter(SCREEN),
            key(KEY_LEFTALT, true),
            key(KEY_A, true),
        ]
    );
}

#[test]
fn a_key_that_is_held_is_released_when_the_focus_goes() {
    let mut scene = Scene::seated();
    scene.host.focus(0, &[]);
    scene
        .host
        .keyboard()
        .key(2, 0, KEY_LEFTALT, KeyState::Pressed);
    scene.hands();
    scene.host.keyboard().leave(3, scene.host.wl_surface(0));
    assert_eq!(scene.hands(), [HostInput::KeyboardLeave]);
    // Its release is another window's.
    scene
        .host
        .keyboard()
        .key(4, 0, KEY_LEFTALT, KeyState::Released);
    assert_eq!(scene.hands(), []);
}

#[test]
fn the_keyboard_goes_from_one_window_to_another() {
    let mut scene = Scene::seated();
    scene.open_other();
    scene.host.focus(0, &[KEY_LEFTALT]);
    scene.hands();
    scene.host.keyboard().leave(3, scene.host.wl_surface(0));
    scene.host.focus(1, &[KEY_LEFTALT]);
    assert_eq!(
        scene.hands(),
        [
            HostInput::KeyboardLeave,
            HostInput::KeyboardEnter(OTHER_SCREEN),
            key(KEY_LEFTALT, true),
        ]
    );
}

#[test]
fn a_key_that_the_host_repeats_is_not_repeated() {
    let mut scene = Scene::seated();
    scene.host.focus(0, &[]);
    scene.host.keyboard().repeat_info(0, 0);
    let keyboard = scene.host.keyboard();
    keyboard.key(2, 0, KEY_A, KeyState::Pressed);
    keyboard.key(3, 0, KEY_A, KeyState::Repeated);
    keyboard.key(4, 0, KEY_A, KeyState::Repeated);
    keyboard.key(5, 0, KEY_A, KeyState::Released);
    assert_eq!(
        scene.hands(),
        [
            HostInput::KeyboardEnter(SCREEN),
            key(KEY_A, true),
            key(KEY_A, false),
        ]
    );
}

#[test]
fn locked_modifiers_are_told_when_they_change_and_at_each_coming() {
    let mut scene = Scene::seated();
    scene.host.focus(0, &[]);
    scene.hands();
    let caps = Leds {
        caps_lock: true,
        ..Leds::default()
    };
    let both = Leds {
        num_lock: true,
        ..caps
    };
    let mut locked = |mask| {
        // Pressed and latched ones are keys to the guest.
        scene.host.keyboard().modifiers(2, 0xff, 0xff, mask, 3);
        scene.hands()
    };
    assert_eq!(locked(0), [HostInput::Locks(Leds::default())]);
    assert_eq!(locked(0b10), [HostInput::Locks(caps)]);
    assert_eq!(locked(0b10), []);
    assert_eq!(locked(0b1_0010), [HostInput::Locks(both)]);
    assert_eq!(locked(!0b1_0010), [HostInput::Locks(Leds::default())]);
    scene.host.keyboard().leave(3, scene.host.wl_surface(0));
    scene.host.focus(0, &[]);
    scene.host.keyboard().modifiers(4, 0, 0, 0, 0);
    assert_eq!(
        scene.hands(),
        [
            HostInput::KeyboardLeave,
            HostInput::KeyboardEnter(SCREEN),
            HostInput::Locks(Leds::default()),
        ]
    );
}

#[test]
fn what_our_own_compositor_has_locked_does_not_matter() {
    let ours = Offer {
        guests: true,
        ..Offer::default()
    };
    let mut scene = Scene::running_with(ours);
    scene.plug_seat(9, Capability::Keyboard);
    scene.host.focus(0, &[]);
    scene.host.keyboard().modifiers(2, 0, 0, 0b10, 0);
    assert_eq!(scene.hands(), [HostInput::KeyboardEnter(SCREEN)]);
}

#[test]
fn a_keymap_is_not_read_however_large_it_is() {
    let mut scene = Scene::seated();
    let keymap = memfd_create("keymap", MemfdFlags::CLOEXEC).unwrap();
    // Of holes only.
    ftruncate(&keymap, u64::from(u32::MAX)).unwrap();
    let before = open_files();
    for _ in 0..16 {
        scene
            .host
            .keyboard()
            .keymap(KeymapFormat::XkbV1, keymap.as_fd(), u32::MAX);
        assert_eq!(scene.events(), []);
    }
    assert!(open_files() < before + 16, "they are closed");
}

/// How many descriptors refer to the keymap: other tests run in other processes.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
