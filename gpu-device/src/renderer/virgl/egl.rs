//! EGL, as the library has started it: what the host draws with, and textures as dma-bufs.
//!
//! The library's own way to a texture's dma-buf tells neither its modifier nor all of its planes, and
//! crashes on drivers without the extension. EGL is asked itself, on the display that the library has
//! made current.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::ManuallyDrop,
    os::fd::{FromRawFd, OwnedFd},
    ptr,
};

use libloading::os::unix::{Library as File, RTLD_LOCAL, RTLD_NOW};

use crate::display::ImagePlane;

/// EGL's library.
const FILE: &str = "libEGL.so.1";

/// EGL_EXTENSIONS.
const EXTENSIONS: c_int = 0x3055;
/// EGL_GL_TEXTURE_2D_KHR.
const GL_TEXTURE_2D: u32 = 0x30b1;

/// An `EGLDisplay`.
#[derive(Debug, Clone, Copy)]
pub struct Display(*mut c_void);

impl Display {
    /// As EGL takes it.
    pub fn pointer(self) -> *mut c_void {
        self.0
    }
}

// SAFETY: EGL's displays may be used from any thread (EGL 1.5, section 3.4).
unsafe impl Send for Display {}

type Proc = unsafe extern "C" fn();
type GetProcAddress = unsafe extern "C" fn(*const c_char) -> Option<Proc>;
type QueryString = unsafe extern "C" fn(*mut c_void, c_int) -> *const c_char;
type GetCurrent = unsafe extern "C" fn() -> *mut c_void;
type CreateImage =
    unsafe extern "C" fn(*mut c_void, *mut c_void, u32, *mut c_void, *const c_int) -> *mut c_void;
type DestroyImage = unsafe extern "C" fn(*mut c_void, *mut c_void) -> u32;
type ExportQuery =
    unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_int, *mut c_int, *mut u64) -> u32;
type Export =
    unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_int, *mut c_int, *mut c_int) -> u32;

/// EGL's functions, and the display that the library draws on.
#[derive(Debug)]
pub struct Egl {
    file: ManuallyDrop<File>,
    display: Display,
    exports: Option<Exports>,
}

/// What EGL_MESA_image_dma_buf_export takes.
#[derive(Debug)]
struct Exports {
    get_current_context: GetCurrent,
    create_image: CreateImage,
    destroy_image: DestroyImage,
    query: ExportQuery,
    export: Export,
}

/// A texture's memory.
#[derive(Debug)]
pub struct Exported {
    /// DRM's code of its pixels.
    pub fourcc: u32,
    /// DRM's code of its layout.
    pub modifier: u64,
    /// One to four.
    pub planes: Vec<ImagePlane>,
}

/// Loads a library that EGL's clients need, to see whether it is there; it stays loaded.
pub fn is_installed(file: &str) -> bool {
    load(file).is_ok()
}

/// Loads a library for as long as the process lives.
pub fn load(file: &str) -> Result<ManuallyDrop<File>, libloading::Error> {
    // SAFETY: EGL and OpenGL are made to be loaded at any time; they are never unloaded.
    let file = unsafe { File::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
    file.map(ManuallyDrop::new)
}

impl Egl {
    /// The display that is current in this thread; `None` where there is none.
    pub fn current() -> Option<Self> {
        let file = load(FILE).ok()?;
        // SAFETY: the type is that of EGL 1.4's `eglGetCurrentDisplay`.
        let get_current = unsafe { file.get::<GetCurrent>(b"eglGetCurrentDisplay\0") }.ok()?;
        // SAFETY: the function takes nothing and can be called at any time.
        let display = unsafe { get_current() };
        if display.is_null() {
            return None;
        }
        let mut egl = Self {
            file,
            display: Display(display),
            exports: None,
        };
        egl.exports = egl.find_exports();
        Some(egl)
    }

    /// The display.
    pub fn display(&self) -> Display {
        self.display
    }

    fn find_exports(&self) -> Option<Exports> {
        // SAFETY: the type is that of EGL 1.4's `eglQueryString`.
        let query_string = unsafe { self.file.get::<QueryString>(b"eglQueryString\0") }.ok()?;
        // SAFETY: the display is initialised; the answer is a text that lives as long as it.
        let extensions = unsafe { query_string(self.display.0, EXTENSIONS) };
        // SAFETY: as above.
        let extensions = unsafe { text(extensions) };
        let has = |name| extensions.split(' ').any(|extension| extension == name);
        if !has("EGL_MESA_image_dma_buf_export") || !has("EGL_KHR_gl_texture_2D_image") {
            return None;
        }
        // SAFETY: the type is that of EGL 1.4's `eglGetCurrentContext`.
        let get_current_context =
            unsafe { self.file.get::<GetCurrent>(b"eglGetCurrentContext\0") }.ok()?;
        let find = |name: &CStr| self.extension(name);
        Some(Exports {
            get_current_context: *get_current_context,
            // SAFETY: the type is that of EGL_KHR_image_base.
            create_image: unsafe {
                std::mem::transmute::<Proc, CreateImage>(find(c"eglCreateImageKHR")?)
            },
            // SAFETY: the type is that of EGL_KHR_image_base.
            destroy_image: unsafe {
                std::mem::transmute::<Proc, DestroyImage>(find(c"eglDestroyImageKHR")?)
            },
            // SAFETY: the type is that of EGL_MESA_image_dma_buf_export, which the display has.
            query: unsafe {
                std::mem::transmute::<Proc, ExportQuery>(find(c"eglExportDMABUFImageQueryMESA")?)
            },
            // SAFETY: the type is that of EGL_MESA_image_dma_buf_export, which the display has.
            export: unsafe {
                std::mem::transmute::<Proc, Export>(find(c"eglExportDMABUFImageMESA")?)
            },
        })
    }

    /// A function of an extension.
    fn extension(&self, name: &CStr) -> Option<Proc> {
        // SAFETY: the type is that of EGL 1.4's `eglGetProcAddress`.
        let find = unsafe { self.file.get::<GetProcAddress>(b"eglGetProcAddress\0") }.ok()?;
        // SAFETY: the name ends with a zero and lives as long as the call.
        unsafe { find(name.as_ptr()) }
    }

    /// A texture of the current context as dma-bufs; `None` where the driver does not share it.
    pub fn export(&self, texture: u32) -> Option<Exported> {
        let exports = self.exports.as_ref()?;
        // SAFETY: the function takes nothing and can be called at any time.
        let context = unsafe { (exports.get_current_context)() };
        let name = ptr::without_provenance_mut(usize::try_from(texture).ok()?);
        let create = exports.create_image;
        // SAFETY: display and context are current. A name that is no texture's is an error, and no
        // attributes are given.
        let image = unsafe { create(self.display.0, context, GL_TEXTURE_2D, name, ptr::null()) };
        if image.is_null() {
            return None;
        }
        let exported = self.export_image(exports, image);
        // SAFETY: the image was made on this display just now, and nothing else knows it.
        unsafe { (exports.destroy_image)(self.display.0, image) };
        exported
    }

    fn export_image(&self, exports: &Exports, image: *mut c_void) -> Option<Exported> {
        let (mut fourcc, mut count) = (0, 0);
        let mut modifiers = [0_u64; 4];
        let query = exports.query;
        // SAFETY: the image is one of this display's. Before the modifiers are asked for, their number
        // is: drivers write as many as the image has planes.
        let known = unsafe {
            query(
                self.display.0,
                image,
                ptr::from_mut(&mut fourcc),
                ptr::from_mut(&mut count),
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).ok()?;
        if known == 0 || !(1..=modifiers.len()).contains(&count) {
            return None;
        }
        // SAFETY: as above; there is room for all modifiers.
        let known = unsafe {
            query(
                self.display.0,
                image,
                ptr::null_mut(),
                ptr::null_mut(),
                modifiers.as_mut_ptr(),
            )
        };
        let (mut fds, mut strides, mut offsets) = ([-1; 4], [0; 4], [0; 4]);
        let export = exports.export;
        // SAFETY: the image is one of this display's, and there is room for all planes.
        let exported = known != 0
            && unsafe {
                export(
                    self.display.0,
                    image,
                    fds.as_mut_ptr(),
                    strides.as_mut_ptr(),
                    offsets.as_mut_ptr(),
                )
            } != 0;
        if !exported {
            return None;
        }
        let fds = fds.map(owned);
        let layout = strides.into_iter().zip(offsets);
        Some(Exported {
            fourcc: fourcc.cast_unsigned(),
            modifier: *modifiers.first()?,
            planes: planes(fds, layout.take(count))?,
        })
    }
}

/// A file descriptor that somebody has made for us; none where it is negative.
pub fn owned(fd: c_int) -> Option<OwnedFd> {
    if fd < 0 {
        return None;
    }
    // SAFETY: EGL and virglrenderer give new descriptors, which are the caller's to close.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Joins planes with their memory: those that have none of their own are in that of the one before.
/// `None` where there is no memory at all: drivers without dma-bufs report success nevertheless.
pub fn planes(
    fds: [Option<OwnedFd>; 4],
    layout: impl Iterator<Item = (c_int, c_int)>,
) -> Option<Vec<ImagePlane>> {
    let mut planes: Vec<ImagePlane> = Vec::new();
    for (fd, (stride, offset)) in fds.into_iter().zip(layout) {
        let fd = match (fd, planes.last()) {
            (Some(fd), _) => fd,
            (None, Some(before)) => before.fd.try_clone().ok()?,
            (None, None) => return None,
        };
        planes.push(ImagePlane {
            fd,
            offset: u32::try_from(offset).ok()?,
            stride: u32::try_from(stride).ok()?,
        });
    }
    Some(planes)
}

/// A text of C's as far as it is text.
///
/// # Safety
/// It must be null, or end with a zero and stay as it is.
pub unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fd() -> Option<OwnedFd> {
        Some(rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap())
    }

    #[test]
    fn planes_share_the_memory_of_the_one_before() {
        let layout = [(64, 0), (32, 4096)];
        let planes = planes([fd(), None, None, None], layout.into_iter()).unwrap();
        let layout: Vec<_> = planes.iter().map(|p| (p.stride, p.offset)).collect();
        assert_eq!(layout, [(64, 0), (32, 4096)]);
    }

    #[test]
    fn an_export_without_memory_is_none() {
        assert!(planes([None, None, None, None], [(64, 0)].into_iter()).is_none());
        assert!(planes([fd(), None, None, None], [(-1, 0)].into_iter()).is_none());
    }
}
