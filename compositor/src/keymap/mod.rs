//! A keyboard layout for machines where none is installed.
//!
//! smithay has no keyboard without a layout, and libxkbcommon makes layouts of files that a bare
//! kiosk may lack: distributions have them in xkb-data or xkeyboard-config. Without a keyboard no
//! guest would hear of keys, and Ctrl+Alt+F1 to F12 would lead nowhere. So this room brings the
//! American layout, small. Guests are told which keys are pressed, not what they mean here: for them
//! nothing is missing.
//!
//! The one unsafe line here changes this process' environment, the only place where smithay's
//! libxkbcommon can be told where to look.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use smithay::input::keyboard::xkb;
use tracing::warn;

/// Where libxkbcommon looks for what users and `/etc` do not bring.
const ROOT: &str = "XKB_CONFIG_ROOT";

/// The stand-in's folder among this program's others.
const FOLDER: &str = "lucarne-xkb";

/// Without one of these files no layout can be made: their names below the root, and what they say
/// where we bring them.
const FILES: &[(&str, &str)] = &[
    ("rules/evdev", include_str!("xkb/rules")),
    ("keycodes/evdev", include_str!("xkb/keycodes")),
    ("types/complete", include_str!("xkb/types")),
    ("compat/complete", include_str!("xkb/compat")),
    ("symbols/us", include_str!("xkb/symbols")),
];

/// Whether this machine has keyboard layouts. Without any folder for them libxkbcommon has nothing to
/// work with, and crashes where it is asked to.
#[must_use]
pub fn is_installed() -> bool {
    let mut context = xkb::Context::new(xkb::CONTEXT_NO_DEFAULT_INCLUDES);
    // What is wrong, we say ourselves.
    context.set_log_level(xkb::LogLevel::Critical);
    if !context.include_path_append_default() {
        return false;
    }
    let has = |name: &str| {
        let mut folders = context.include_paths();
        folders.any(|folder| folder.join(name).is_file())
    };
    FILES.iter().all(|(name, _)| has(name))
}

/// Where no layouts are installed, brings the American one, and says so. It is kept in a folder of
/// this user's `base`. To be called while this process has one thread.
pub fn stand_in(base: &Path) {
    if is_installed() {
        return;
    }
    let folder = base.join(FOLDER);
    let root = env::var_os(ROOT).map(PathBuf::from);
    match write(&folder).and_then(|()| use_root(&folder)) {
        Ok(()) => warn!(
            "No keyboard layouts are installed{}: keys mean here what they do on an American \
             keyboard, whatever [input.keyboard] says. Guests have layouts of their own, and get \
             every key. For others install xkb-data (or xkeyboard-config)",
            match root {
                Some(root) => format!(" in {} ({ROOT})", root.display()),
                None => String::new(),
            }
        ),
        Err(error) => warn!(
            "No keyboard layouts are installed, and the American one could not be put into {}: \
             {error}. Install xkb-data (or xkeyboard-config)",
            folder.display()
        ),
    }
}

/// Each file is whole at any time: another lucarne may be reading the one of before.
fn write(root: &Path) -> io::Result<()> {
    for (name, text) in FILES {
        let file = root.join(name);
        let fresh = file.with_extension(std::process::id().to_string());
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&fresh, text)?;
        fs::rename(&fresh, &file)?;
    }
    Ok(())
}

fn use_root(root: &Path) -> io::Result<()> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("other threads run already"));
    }
    // SAFETY: Nobody reads the environment at this moment, because there is no other thread, as was
    // just seen; and only threads make threads.
    unsafe { env::set_var(ROOT, root) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use smithay::input::keyboard::{Keysym, xkb};

    use super::*;

    /// XKB's codes are evdev's and this.
    const OFFSET: u32 = 8;

    const ESCAPE: u32 = 1;
    const Q: u32 = 16;
    const LEFT_CTRL: u32 = 29;
    const LEFT_SHIFT: u32 = 42;
    const LEFT_ALT: u32 = 56;
    const CAPS_LOCK: u32 = 58;
    const F1: u32 = 59;
    const F12: u32 = 88;
    const NUM_LOCK: u32 = 69;
    const KEYPAD_7: u32 = 71;
    const LEFT_SUPER: u32 = 125;

    /// What libxkbcommon makes of our files alone.
    fn compile(layout: &str) -> Option<xkb::Keymap> {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let mut context = xkb::Context::new(xkb::CONTEXT_NO_DEFAULT_INCLUDES);
        context.set_log_level(xkb::LogLevel::Critical);
        assert!(context.include_path_append(folder.path()));
        let flags = xkb::KEYMAP_COMPILE_NO_FLAGS;
        xkb::Keymap::new_from_names(&context, "evdev", "pc105", layout, "", None, flags)
    }

    /// What a key means while others are held.
    fn symbol(keymap: &xkb::Keymap, held: &[u32], key: u32) -> Keysym {
        let mut state = xkb::State::new(keymap);
        for held in held {
            state.update_key((held + OFFSET).into(), xkb::KeyDirection::Down);
        }
        state.key_get_one_sym((key + OFFSET).into())
    }

    #[test]
    fn our_layout_is_made_whatever_layout_is_asked_for() {
        for layout in ["us", "de", "de,fr"] {
            let keymap = compile(layout).unwrap();
            assert_eq!(symbol(&keymap, &[], Q), Keysym::q, "{layout}");
        }
    }

    #[test]
    fn modifiers_and_locks_work() {
        let keymap = compile("us").unwrap();
        assert_eq!(symbol(&keymap, &[LEFT_SHIFT], Q), Keysym::Q);
        assert_eq!(symbol(&keymap, &[CAPS_LOCK], Q), Keysym::Q);
        assert_eq!(symbol(&keymap, &[CAPS_LOCK, LEFT_SHIFT], Q), Keysym::q);
        assert_eq!(symbol(&keymap, &[], KEYPAD_7), Keysym::KP_Home);
        assert_eq!(symbol(&keymap, &[NUM_LOCK], KEYPAD_7), Keysym::KP_7);
    }

    #[test]
    fn the_kiosk_s_own_keys_are_there() {
        let keymap = compile("us").unwrap();
        let held = [LEFT_CTRL, LEFT_ALT];
        assert_eq!(symbol(&keymap, &held, F1), Keysym::F1);
        assert_eq!(symbol(&keymap, &held, F12), Keysym::F12);
        assert_eq!(symbol(&keymap, &[LEFT_SUPER], ESCAPE), Keysym::Escape);
        let active = |key: u32, name: &str| {
            let mut state = xkb::State::new(&keymap);
            state.update_key((key + OFFSET).into(), xkb::KeyDirection::Down);
            state.mod_name_is_active(name, xkb::STATE_MODS_EFFECTIVE)
        };
        assert!(active(LEFT_CTRL, xkb::MOD_NAME_CTRL));
        assert!(active(LEFT_ALT, xkb::MOD_NAME_ALT));
        assert!(active(LEFT_SUPER, xkb::MOD_NAME_LOGO));
    }

    #[test]
    fn the_lights_follow_the_locks() {
        let keymap = compile("us").unwrap();
        let mut state = xkb::State::new(&keymap);
        for (key, light) in [
            (CAPS_LOCK, xkb::LED_NAME_CAPS),
            (NUM_LOCK, xkb::LED_NAME_NUM),
        ] {
            assert!(!state.led_name_is_active(light), "{light}");
            state.update_key((key + OFFSET).into(), xkb::KeyDirection::Down);
            state.update_key((key + OFFSET).into(), xkb::KeyDirection::Up);
            assert!(state.led_name_is_active(light), "{light}");
        }
    }

    #[test]
    fn the_environment_is_left_alone_where_threads_run() {
        std::thread::scope(|threads| {
            let (tell, told) = std::sync::mpsc::channel::<()>();
            threads.spawn(move || told.recv());
            assert!(use_root(Path::new("/nowhere")).is_err());
            drop(tell);
        });
        assert_ne!(env::var_os(ROOT), Some("/nowhere".into()));
    }
}
