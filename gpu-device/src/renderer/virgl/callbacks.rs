//! What the library calls: fences that were reached, a graphics card to open, texts to log.
//!
//! These functions run in the midst of C code, so none of them can panic: they lock, push and copy.
//! (Where one did nevertheless, Rust ends the process instead of unwinding into C.) Fences come from
//! [`Virgl::poll`](super::Virgl::poll), or at any time from the library's own thread: it may hold locks
//! of its own then, so nobody may call the library while they hold [`Callbacks::fences`].

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fmt,
    os::fd::{IntoRawFd, OwnedFd},
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{fences::Fences, ffi, library::Functions};
use crate::renderer::Fence;

/// The longest line of the library's that is kept, in bytes.
const LINE: usize = 1024;

/// How many lines are kept until it is known whether the library works.
const LINES: usize = 100;

/// What the library has said so far, until it works: why it doesn't, if it doesn't. Afterwards it speaks
/// mostly about what a guest does wrong, as often as the guest likes: that is for those who look for it.
static SAID: Mutex<Option<Vec<String>>> = Mutex::new(Some(Vec::new()));

/// A fence that the library reports: where, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Context and ring; `None` for the device's own timeline.
    pub ring: Option<(u32, u32)>,
    /// As it was given to the library.
    pub id: u64,
}

/// Hears of each fence that was reached, from whichever thread; with one, of all before it on its timeline.
pub type Listener = Box<dyn Fn(Fence) + Send + Sync>;

/// What the library is given for as long as it works. Its address stays the same.
pub struct Callbacks {
    table: ffi::Callbacks,
    /// The library has its address. An owner of its own would claim to be the only one who looks at it.
    state: Arc<State>,
}

/// What the callbacks get to see.
struct State {
    node: Option<OwnedFd>,
    fences: Mutex<Fences>,
    listener: Option<Listener>,
}

impl Callbacks {
    /// For a graphics card, or none. Without a listener fences are left to be taken from [`Self::fences`].
    pub fn new(node: Option<OwnedFd>, listener: Option<Listener>) -> Box<Self> {
        let get_drm_fd: unsafe extern "C" fn(*mut c_void) -> c_int = get_drm_fd;
        Box::new(Self {
            table: ffi::Callbacks {
                version: ffi::CALLBACKS_VERSION,
                write_fence,
                create_gl_context: None,
                destroy_gl_context: None,
                make_current: None,
                get_drm_fd: node.is_some().then_some(get_drm_fd),
                write_context_fence,
                get_server_fd: None,
                get_egl_display: None,
            },
            state: Arc::new(State {
                node,
                fences: Mutex::default(),
                listener,
            }),
        })
    }

    /// The cookie and the table for `virgl_renderer_init`: both stay valid and in their place as long
    /// as the box lives.
    pub fn pointers(&mut self) -> (*mut c_void, *mut ffi::Callbacks) {
        let cookie = Arc::as_ptr(&self.state).cast_mut().cast();
        (cookie, ptr::from_mut(&mut self.table))
    }

    /// The fences that are on their way. Not to be held while the library is called.
    pub fn fences(&self) -> MutexGuard<'_, Fences> {
        self.state.fences()
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("node", &self.state.node)
            .finish_non_exhaustive()
    }
}

impl State {
    /// # Safety
    /// `cookie` must be one of [`Callbacks::pointers`], its box alive.
    unsafe fn of<'a>(cookie: *mut c_void) -> &'a Self {
        // SAFETY: the caller's promise. The state is only ever shared: what changes is in a mutex.
        unsafe { &*cookie.cast::<Self>() }
    }

    fn fences(&self) -> MutexGuard<'_, Fences> {
        self.fences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, report: Reached) {
        let mut fences = self.fences();
        fences.report(report);
        if let Some(listener) = &self.listener {
            let reached = fences.take_reached();
            drop(fences);
            reached.into_iter().for_each(listener);
        }
    }
}

unsafe extern "C" fn write_fence(cookie: *mut c_void, id: u32) {
    // SAFETY: the library hands back what it got at the start, which outlives it.
    let state = unsafe { State::of(cookie) };
    state.report(Reached {
        ring: None,
        id: id.into(),
    });
}

unsafe extern "C" fn write_context_fence(cookie: *mut c_void, context: u32, ring: u32, id: u64) {
    // SAFETY: the library hands back what it got at the start, which outlives it.
    let state = unsafe { State::of(cookie) };
    state.report(Reached {
        ring: Some((context, ring)),
        id,
    });
}

/// A new descriptor of the render node at each call: the library closes it.
unsafe extern "C" fn get_drm_fd(cookie: *mut c_void) -> c_int {
    // SAFETY: the library hands back what it got at the start, which outlives it.
    let state = unsafe { State::of(cookie) };
    let node = state.node.as_ref().and_then(|node| node.try_clone().ok());
    node.map_or(-1, IntoRawFd::into_raw_fd)
}

/// Has the library's messages logged instead of printed.
pub fn log(functions: &Functions) {
    if let Some(set) = functions.set_log {
        // SAFETY: the function needs no user data and lives as long as the process.
        unsafe { set(Some(log_line), ptr::null_mut(), None) };
    } else if let Some(set) = functions.set_log_format {
        // SAFETY: the function lives as long as the process.
        unsafe { set(Some(log_format)) };
    }
}

/// The library works, or does not: then what it has said is worth a warning.
pub fn started(works: bool) {
    let said = said().take().unwrap_or_default();
    if !works {
        said.iter()
            .for_each(|line| tracing::warn!("libvirglrenderer: {line}"));
    }
}

fn said() -> MutexGuard<'static, Option<Vec<String>>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For version 1.1 and newer.
unsafe extern "C" fn log_line(_: c_int, text: *const c_char, _: *mut c_void) {
    if !text.is_null() {
        // SAFETY: the library gives a text with a zero at its end, which lives as long as this call.
        say(unsafe { CStr::from_ptr(text) });
    }
}

/// For version 0.10.
unsafe extern "C" fn log_format(format: *const c_char, arguments: *mut c_void) {
    if format.is_null() {
        return;
    }
    let mut line: [c_char; LINE] = [0; LINE];
    // SAFETY: format and arguments belong together and are the library's own, as `printf` takes them;
    // no more than `LINE` bytes are written, the last one a zero.
    let length = unsafe { ffi::vsnprintf(line.as_mut_ptr(), LINE, format, arguments) };
    if length > 0 {
        // SAFETY: `vsnprintf` wrote a text with a zero at its end, which lives as long as this call.
        say(unsafe { CStr::from_ptr(line.as_ptr()) });
    }
}

fn say(text: &CStr) {
    let text = text.to_string_lossy();
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    tracing::debug!("libvirglrenderer: {text}");
    if let Some(lines) = said().as_mut()
        && lines.len() < LINES
    {
        lines.push(text.to_owned());
    }
}
