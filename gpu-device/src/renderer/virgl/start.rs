//! Starting the library on what the host has.

use std::{
    ffi::c_int,
    fs::OpenOptions,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use thiserror::Error;

use super::{
    callbacks::{self, Callbacks, Listener},
    egl, ffi,
    library::Library,
    probe,
};

/// What is to be drawn with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// OpenGL for guests.
    pub virgl: bool,
    /// Vulkan for guests.
    pub venus: bool,
    /// The render node of the graphics card, like `/dev/dri/renderD128`; `None` for what Mesa draws
    /// with where it has no card: that it does not use one nevertheless takes `LIBGL_ALWAYS_SOFTWARE=1`
    /// in the process's environment.
    pub node: Option<PathBuf>,
}

/// Why the library can't draw here.
#[derive(Debug, Error)]
pub enum StartError {
    /// It was started in this process before.
    #[error("libvirglrenderer was started in this process before, which it can be only once")]
    AlreadyStarted,
    /// The render node can't be opened.
    #[error(
        "Could not open {path}: {reason}. Name another render node, or let the user open this one (group render)"
    )]
    Node {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// EGL or OpenGL is not there.
    #[error(
        "Could not start OpenGL: {0}. Install it (package libegl1, libgl1 or libglvnd, and Mesa)"
    )]
    NoGl(String),
    /// The library refuses.
    #[error(
        "Could not start libvirglrenderer: it answered {0}, mostly since the host's OpenGL does not work \
         without a screen. What it said is in the log; check Mesa's drivers (package libgl1-mesa-dri or \
         mesa-dri-drivers)"
    )]
    Refused(c_int),
    /// Vulkan for guests was asked for, and does not work.
    #[error(
        "Could not start Vulkan for guests: libvirglrenderer's render server or the host's Vulkan driver is \
         missing. Install both (packages virgl-server or virglrenderer, and mesa-vulkan-drivers or the \
         graphics card's own)"
    )]
    NoVenus,
    /// It has started, and offers nothing of what was asked for.
    #[error("Could not use libvirglrenderer: it offers nothing that was asked for")]
    Nothing,
}

/// Whether the library was started: it keeps its state in global variables.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Starts the library with the best of what works. What comes back must stay where it is until the
/// library was cleaned up.
pub fn start(
    library: &Library,
    settings: &Settings,
    listener: Option<Listener>,
) -> Result<Box<Callbacks>, StartError> {
    if STARTED.swap(true, Ordering::Relaxed) {
        return Err(StartError::AlreadyStarted);
    }
    let node = open(settings)?;
    let attempts = attempts(settings, node.is_some(), &Installed::look())?;
    if settings.virgl {
        probe::egl(node.as_ref().map(AsFd::as_fd)).map_err(StartError::NoGl)?;
    }
    callbacks::log(&library.functions);
    let tells_at_once = listener.is_some();
    let mut callbacks = Callbacks::new(node, listener);
    let mut last = 0;
    for flags in attempts {
        let flags = match tells_at_once {
            true => telling_at_once(flags),
            false => flags,
        };
        let (cookie, table) = callbacks.pointers();
        // SAFETY: cookie and table live in their box until the library is cleaned up, which is before
        // the box is dropped; after a failure it forgets them itself. What EGL and OpenGL need is there.
        last = unsafe { (library.functions.init)(cookie, flags, table) };
        if last == 0 {
            return Ok(callbacks);
        }
    }
    Err(StartError::Refused(last))
}

fn open(settings: &Settings) -> Result<Option<OwnedFd>, StartError> {
    let Some(path) = settings.node.clone() else {
        return Ok(None);
    };
    let opened = OpenOptions::new().read(true).write(true).open(&path);
    match opened {
        Ok(file) => Ok(Some(file.into())),
        Err(reason) => Err(StartError::Node { path, reason }),
    }
}

/// Which of the libraries are there that virglrenderer takes through libepoxy, which ends the process
/// where one is missing.
#[derive(Debug, Clone, Copy)]
struct Installed {
    egl: bool,
    gl: bool,
    gles: bool,
}

impl Installed {
    fn look() -> Self {
        Self {
            egl: egl::is_installed("libEGL.so.1"),
            gl: egl::is_installed("libGL.so.1") || egl::is_installed("libOpenGL.so.0"),
            gles: egl::is_installed("libGLESv2.so.2"),
        }
    }
}

/// The flags to start with, in the order in which they are tried. Only what can't end the process is.
fn attempts(
    settings: &Settings,
    with_node: bool,
    installed: &Installed,
) -> Result<Vec<c_int>, StartError> {
    let base = ffi::THREAD_SYNC | ffi::USE_EXTERNAL_BLOB;
    let venus = ffi::VENUS | ffi::RENDER_SERVER;
    if !settings.virgl {
        return match settings.venus {
            true => Ok(vec![base | ffi::NO_VIRGL | venus]),
            false => Err(StartError::Nothing),
        };
    }
    if !installed.egl {
        return Err(missing("libEGL.so.1"));
    }
    // Without a card EGL draws on no surface; with one its GBM says which card it is.
    let winsys = match with_node {
        true => ffi::USE_EGL,
        false => ffi::USE_EGL | ffi::USE_SURFACELESS,
    };
    let kinds = [(installed.gl, 0), (installed.gles, ffi::USE_GLES)];
    let mut attempts: Vec<c_int> = Vec::new();
    for with in [venus, 0] {
        if with != 0 && !settings.venus {
            continue;
        }
        let kinds = kinds.iter().filter(|(there, _)| *there);
        attempts.extend(kinds.map(|(_, kind)| base | winsys | kind | with));
    }
    if attempts.is_empty() {
        return Err(missing("libGL.so.1"));
    }
    Ok(attempts)
}

/// The same, with fences told of from the library's own thread. With venus there are more such threads, whose locks
/// nothing is known of.
fn telling_at_once(flags: c_int) -> c_int {
    match flags & ffi::VENUS {
        0 => flags | ffi::ASYNC_FENCE_CB,
        _ => flags,
    }
}

fn missing(file: &str) -> StartError {
    StartError::NoGl(format!("{file} is not installed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Installed = Installed {
        egl: true,
        gl: true,
        gles: true,
    };

    fn settings(virgl: bool, venus: bool) -> Settings {
        Settings {
            virgl,
            venus,
            node: None,
        }
    }

    #[test]
    fn opengl_is_tried_only_where_it_is_installed() {
        let flags = |installed| attempts(&settings(true, false), false, &installed);
        assert_eq!(flags(ALL).unwrap(), [0x2b, 0x3b]);
        assert_eq!(flags(Installed { gl: false, ..ALL }).unwrap(), [0x3b]);
        assert_eq!(flags(Installed { gles: false, ..ALL }).unwrap(), [0x2b]);
        let neither = Installed {
            gl: false,
            gles: false,
            ..ALL
        };
        let error = |installed| flags(installed).unwrap_err().to_string();
        assert!(error(neither).contains("libGL.so.1"));
        assert!(error(Installed { egl: false, ..ALL }).contains("libEGL.so.1"));
    }

    #[test]
    fn a_card_is_used_through_its_gbm() {
        let flags = attempts(&settings(true, false), true, &ALL).unwrap();
        assert_eq!(flags, [0x23, 0x33]);
    }

    #[test]
    fn venus_is_tried_first_and_may_be_alone() {
        let flags = |virgl| attempts(&settings(virgl, true), false, &ALL).unwrap();
        assert_eq!(flags(true), [0x26b, 0x27b, 0x2b, 0x3b]);
        assert_eq!(flags(false), [0x2e2]);
        let nothing = attempts(&settings(false, false), false, &ALL);
        assert!(matches!(nothing, Err(StartError::Nothing)));
    }

    #[test]
    fn fences_are_told_of_by_one_thread_at_most() {
        assert_eq!(telling_at_once(0x2b), 0x12b);
        assert_eq!(telling_at_once(0x26b), 0x26b);
    }

    #[test]
    fn a_node_that_can_not_be_opened_is_named() {
        let settings = Settings {
            node: Some("/nonexistent/renderD128".into()),
            ..settings(true, false)
        };
        let error = open(&settings).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/renderD128"), "{error}");
    }
}
