//! Libraries that are loaded when they are first used, and panic where they are not installed.

use std::panic::{self, AssertUnwindSafe};

/// Does something during which a library may be loaded: smithay 0.7 with EGL, and the crates
/// wayland-egl and xkbcommon-dl, have no other word for one that is missing. Nothing is printed.
///
/// # Errors
/// What the panic said.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    panic::set_hook(hook);
    done.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("a library can't be loaded");
        text.trim_end_matches('.').to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_panics_is_an_error() {
        assert_eq!(caught(|| 7), Ok(7));
        let why: Result<(), String> = caught(|| panic!("no {}.", "libEGL.so.1"));
        assert_eq!(why, Err("no libEGL.so.1".to_owned()));
    }
}
