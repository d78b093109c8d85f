//! Opening the window.

use std::env;

use smithay::{
    backend::{
        egl::context::GlAttributes,
        renderer::gles::GlesRenderer,
        winit::{Error, WinitEventLoop, WinitGraphicsBackend, init_from_attributes_with_gl_attr},
    },
    reexports::winit::{
        dpi::LogicalSize,
        platform::wayland::WindowAttributesExtWayland as _,
        raw_window_handle::{HasWindowHandle as _, RawWindowHandle},
        window::{Fullscreen, Icon, Window, WindowAttributes},
    },
};
use tracing::warn;

use super::{NestedError, NestedOptions, icon, monitor::Seen};
use crate::{panics::caught, render::WindowPainter};

/// What the host calls the program, in its lists and rules.
const APP_ID: &str = "lucarne";

/// A guest's text console is not smaller.
const LEAST: LogicalSize<u32> = LogicalSize::new(320, 200);

/// A window, with what draws in it and what tells of it.
type Opened = (WinitGraphicsBackend<GlesRenderer>, WinitEventLoop);

/// A session that may show a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    Wayland,
    X11,
}

impl Session {
    /// The one that a program with this environment is part of, in winit's order.
    fn of(has: impl Fn(&str) -> bool) -> Option<Self> {
        if has("WAYLAND_DISPLAY") || has("WAYLAND_SOCKET") {
            Some(Self::Wayland)
        } else if has("DISPLAY") {
            Some(Self::X11)
        } else {
            None
        }
    }

    fn does_not_answer(self, error: &dyn ToString) -> NestedError {
        let (variable, libraries) = match self {
            Self::Wayland => ("WAYLAND_DISPLAY", "libwayland-client0 is"),
            Self::X11 => (
                "DISPLAY",
                "libx11-6, libx11-xcb1, libxcursor1 and libxi6 are",
            ),
        };
        NestedError::Session {
            variable,
            reason: reason(error),
            libraries,
        }
    }
}

/// Opens a window in the session that this process is part of.
///
/// # Errors
/// There is none, it has no windows for us, or OpenGL does not draw in them.
pub(super) fn open(options: &NestedOptions) -> Result<Opened, NestedError> {
    let has = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let session = Session::of(has).ok_or(NestedError::NoSession)?;
    let attributes = attributes(options);
    let opened = caught(|| {
        let gl = GlAttributes {
            // Every driver with a newer one gives that.
            version: (2, 0),
            profile: None,
            debug: false,
            vsync: false,
        };
        init_from_attributes_with_gl_attr(attributes, gl)
    });
    let opened = opened.map_err(NestedError::Library)?;
    let draw = |error: &dyn ToString| {
        let reason = error.to_string();
        NestedError::Draw(reason.trim_end_matches('.').to_owned())
    };
    opened.map_err(|error| match error {
        Error::EventLoopCreation(error) => session.does_not_answer(&error),
        Error::WindowCreation(error) => session.does_not_answer(&error),
        Error::Surface(error) => draw(&error),
        error @ (Error::NotSupported | Error::Egl(_) | Error::RendererCreationError(_)) => {
            draw(&error)
        }
    })
}

/// What winit says, without the place in its own files.
fn reason(error: &dyn ToString) -> String {
    let text = error.to_string();
    let place = text
        .find(".rs:")
        .filter(|_| text.starts_with("os error at "));
    let said = place.and_then(|at| text[at..].split_once(": "));
    let said = said.map_or(text.as_str(), |(_, said)| said);
    said.trim_end_matches('.').to_owned()
}

fn attributes(options: &NestedOptions) -> WindowAttributes {
    let (width, height) = options.size;
    let icon = Icon::from_rgba(icon::pixels(), icon::SIDE, icon::SIDE);
    let icon = icon.inspect_err(|error| warn!("The window has no icon: {error}"));
    Window::default_attributes()
        .with_title(title(None))
        .with_inner_size(LogicalSize::new(width, height))
        .with_min_inner_size(LEAST)
        .with_window_icon(icon.ok())
        .with_fullscreen(options.fullscreen.then_some(Fullscreen::Borderless(None)))
        .with_name(APP_ID, APP_ID)
}

/// The title of a window that shows this guest.
pub(super) fn title(guest: Option<&str>) -> String {
    match guest {
        // Names are as long as users like, and a host may refuse that.
        Some(guest) => format!("Lucarne – {}", guest.chars().take(100).collect::<String>()),
        None => "Lucarne".to_owned(),
    }
}

/// Whether the window's host tells when it has shown a picture: Wayland's compositors do.
pub(super) fn tells_frames(window: &Window) -> bool {
    let handle = window.window_handle();
    handle.is_ok_and(|handle| matches!(handle.as_raw(), RawWindowHandle::Wayland(_)))
}

/// What the host says of a window now; `None` while it has no size.
pub(super) fn look(painter: &mut WindowPainter) -> Option<Seen> {
    let size = painter.size();
    let window = painter.window();
    let monitor = window.current_monitor();
    (!size.is_empty()).then(|| Seen {
        size,
        scale: window.scale_factor(),
        millihertz: monitor.and_then(|monitor| monitor.refresh_rate_millihertz()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_environment() {
        let of = |names: &[&str]| Session::of(|name| names.contains(&name));
        assert_eq!(of(&["DISPLAY"]), Some(Session::X11));
        assert_eq!(of(&["DISPLAY", "WAYLAND_DISPLAY"]), Some(Session::Wayland));
        assert_eq!(of(&["WAYLAND_SOCKET"]), Some(Session::Wayland));
        assert_eq!(of(&["XDG_RUNTIME_DIR"]), None);
    }

    #[test]
    fn a_reason_does_not_tell_where_in_winit_it_was_found() {
        let said = "os error at /x/winit-0.30.13/src/linux/mod.rs:788: No X server: none.";
        assert_eq!(reason(&said), "No X server: none");
        assert_eq!(reason(&"something else: 7"), "something else: 7");
        assert_eq!(reason(&"os error at .rs:"), "os error at .rs:");
    }

    #[test]
    fn the_title_names_the_guest() {
        assert_eq!(title(Some("debian")), "Lucarne – debian");
        assert_eq!(title(None), "Lucarne");
        assert!(title(Some(&"x".repeat(100_000))).len() < 200);
    }
}
