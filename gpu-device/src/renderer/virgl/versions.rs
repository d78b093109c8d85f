//! What the host draws with, in its drivers' words.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr, thread,
};

use libloading::os::unix::{Library as File, RTLD_LOCAL, RTLD_NOW};

use super::egl::{Display, text};
use crate::renderer::Versions;

/// EGL_OPENGL_ES_API.
const OPENGL_ES_API: u32 = 0x30a0;
/// EGL_OPENGL_API.
const OPENGL_API: u32 = 0x30a2;
/// EGL_CONTEXT_MAJOR_VERSION, a value, EGL_CONTEXT_MINOR_VERSION, a value, EGL_NONE.
const ES_2: [c_int; 3] = [0x3098, 2, 0x3038];
/// The same for OpenGL 3.2: drivers give the newest core version that has all of it.
const GL_3_2: [c_int; 5] = [0x3098, 3, 0x30fb, 2, 0x3038];

/// GL_RENDERER.
const RENDERER: u32 = 0x1f01;
/// GL_VERSION.
const VERSION: u32 = 0x1f02;
/// GL_SHADING_LANGUAGE_VERSION.
const SHADING_LANGUAGE_VERSION: u32 = 0x8b8c;

type Bind = unsafe extern "C" fn(u32) -> u32;
type CreateContext =
    unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void, *const c_int) -> *mut c_void;
type DestroyContext = unsafe extern "C" fn(*mut c_void, *mut c_void) -> u32;
type MakeCurrent = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void, *mut c_void) -> u32;
type GetProcAddress = unsafe extern "C" fn(*const c_char) -> Option<GetString>;
type GetString = unsafe extern "C" fn(u32) -> *const c_char;

/// Asks OpenGL and OpenGL ES on a display, with contexts of our own, in a thread of its own: which
/// context is current, and of which kind new ones are, is a matter of each thread, and in this one the
/// library's.
pub fn of_gl(display: Display) -> Versions {
    let asked = thread::Builder::new()
        .name("versions".into())
        .spawn(move || Gl::load().map(|gl| gl.ask(display)));
    let answer = asked.ok().and_then(|thread| thread.join().ok());
    answer.flatten().unwrap_or_default()
}

/// The functions that it takes to ask.
struct Gl {
    bind: Bind,
    create_context: CreateContext,
    destroy_context: DestroyContext,
    make_current: MakeCurrent,
    get_string: GetString,
}

impl Gl {
    fn load() -> Option<Self> {
        // SAFETY: the library has loaded EGL before; it is never unloaded.
        let file = unsafe { File::open(Some("libEGL.so.1"), RTLD_NOW | RTLD_LOCAL) }.ok()?;
        let file = std::mem::ManuallyDrop::new(file);
        // SAFETY: the type is that of EGL 1.4's `eglGetProcAddress`; what it is asked for here is
        // `glGetString`.
        let find = unsafe { file.get::<GetProcAddress>(b"eglGetProcAddress\0") }.ok()?;
        // SAFETY: the name ends with a zero and lives as long as the call.
        let get_string = unsafe { find(c"glGetString".as_ptr()) }?;
        Some(Self {
            // SAFETY: the type is that of EGL 1.4.
            bind: *unsafe { file.get::<Bind>(b"eglBindAPI\0") }.ok()?,
            // SAFETY: the type is that of EGL 1.4.
            create_context: *unsafe { file.get::<CreateContext>(b"eglCreateContext\0") }.ok()?,
            // SAFETY: the type is that of EGL 1.4.
            destroy_context: *unsafe { file.get::<DestroyContext>(b"eglDestroyContext\0") }.ok()?,
            // SAFETY: the type is that of EGL 1.4.
            make_current: *unsafe { file.get::<MakeCurrent>(b"eglMakeCurrent\0") }.ok()?,
            get_string,
        })
    }

    fn ask(&self, display: Display) -> Versions {
        let mut versions = Versions::default();
        self.with_context(display, OPENGL_ES_API, &ES_2, || {
            versions.gles = number(&self.string(VERSION));
            versions.device = self.string(RENDERER);
        });
        self.with_context(display, OPENGL_API, &GL_3_2, || {
            versions.gl = number(&self.string(VERSION));
            versions.glsl = number(&self.string(SHADING_LANGUAGE_VERSION));
            versions.device = self.string(RENDERER);
        });
        versions
    }

    /// Calls `ask` with a context current that is gone afterwards; not where there is none.
    fn with_context(&self, display: Display, api: u32, attributes: &[c_int], ask: impl FnOnce()) {
        let display = display.pointer();
        let none = ptr::null_mut();
        // SAFETY: it changes the kind of this thread's new contexts only.
        if unsafe { (self.bind)(api) } == 0 {
            return;
        }
        // SAFETY: the display is initialised, the attributes end with EGL_NONE, and a context without
        // configuration and without others to share with is made, or none.
        let context = unsafe { (self.create_context)(display, none, none, attributes.as_ptr()) };
        if context.is_null() {
            return;
        }
        // SAFETY: the context is of this display and current nowhere; no surface is needed.
        if unsafe { (self.make_current)(display, none, none, context) } != 0 {
            ask();
        }
        // SAFETY: nothing is current any more in this thread.
        unsafe { (self.make_current)(display, none, none, none) };
        // SAFETY: the context was made above, and nothing else knows it.
        unsafe { (self.destroy_context)(display, context) };
    }

    fn string(&self, name: u32) -> String {
        // SAFETY: a context is current, see `with_context`.
        let answer = unsafe { (self.get_string)(name) };
        // SAFETY: OpenGL's texts end with a zero and live as long as the context.
        unsafe { text(answer) }
    }
}

/// `4.5` of `4.5 (Core Profile) Mesa 22.3.6`, `3.2` of `OpenGL ES 3.2 Mesa`.
fn number(text: &str) -> String {
    let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    text.split(' ')
        .find(is_number)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_first_number() {
        let numbers = [
            ("4.5 (Core Profile) Mesa 22.3.6", "4.5"),
            ("OpenGL ES 3.2 Mesa 26.1.6", "3.2"),
            ("4.50", "4.50"),
            ("4.6.0 NVIDIA 550.54", "4.6.0"),
            ("", ""),
            ("none", ""),
        ];
        for (text, expected) in numbers {
            assert_eq!(number(text), expected);
        }
    }
}
