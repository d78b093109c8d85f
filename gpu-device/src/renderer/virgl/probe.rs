//! Whether EGL works here, found out before the library relies on it: where no driver is behind EGL,
//! version 0.10 ends the process.

use std::{
    ffi::{c_int, c_void},
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use libloading::os::unix::Library as File;

use super::egl::load;

/// EGL_PLATFORM_SURFACELESS_MESA.
const SURFACELESS: u32 = 0x31dd;
/// EGL_PLATFORM_GBM_KHR.
const GBM: u32 = 0x31d7;

type GetPlatformDisplay = unsafe extern "C" fn(u32, *mut c_void, *const isize) -> *mut c_void;
type Initialize = unsafe extern "C" fn(*mut c_void, *mut c_int, *mut c_int) -> u32;
type Terminate = unsafe extern "C" fn(*mut c_void) -> u32;
type GetError = unsafe extern "C" fn() -> c_int;
type CreateDevice = unsafe extern "C" fn(c_int) -> *mut c_void;
type DestroyDevice = unsafe extern "C" fn(*mut c_void);

/// Starts EGL and ends it again: on a graphics card, or without one.
///
/// # Errors
/// What does not work, for people.
pub fn egl(node: Option<BorrowedFd<'_>>) -> Result<(), String> {
    let missing = |error: libloading::Error| error.to_string();
    let egl = load("libEGL.so.1").map_err(missing)?;
    let Some(node) = node else {
        return start(&egl, SURFACELESS, ptr::null_mut());
    };
    let gbm = load("libgbm.so.1").map_err(missing)?;
    // SAFETY: the type is that of gbm.h.
    let create = unsafe { gbm.get::<CreateDevice>(b"gbm_create_device\0") }.map_err(missing)?;
    // SAFETY: the type is that of gbm.h.
    let destroy = unsafe { gbm.get::<DestroyDevice>(b"gbm_device_destroy\0") }.map_err(missing)?;
    // SAFETY: the descriptor is open, and stays so longer than the device.
    let device = unsafe { create(node.as_raw_fd()) };
    if device.is_null() {
        return Err("no driver for this graphics card".into());
    }
    let started = start(&egl, GBM, device);
    // SAFETY: the device was made above, and EGL has ended.
    unsafe { destroy(device) };
    started
}

fn start(egl: &File, platform: u32, native: *mut c_void) -> Result<(), String> {
    let missing = |error: libloading::Error| error.to_string();
    // SAFETY: the type is that of EGL 1.5.
    let get_display = unsafe { egl.get::<GetPlatformDisplay>(b"eglGetPlatformDisplay\0") };
    let get_display = get_display.map_err(missing)?;
    // SAFETY: the type is that of EGL 1.4.
    let initialize = unsafe { egl.get::<Initialize>(b"eglInitialize\0") }.map_err(missing)?;
    // SAFETY: the type is that of EGL 1.4.
    let terminate = unsafe { egl.get::<Terminate>(b"eglTerminate\0") }.map_err(missing)?;
    // SAFETY: the type is that of EGL 1.4.
    let get_error = unsafe { egl.get::<GetError>(b"eglGetError\0") }.map_err(missing)?;
    // SAFETY: the native display is one of this platform's, or its default; there are no attributes.
    let display = unsafe { get_display(platform, native, ptr::null()) };
    if display.is_null() {
        return Err("EGL has no driver".into());
    }
    // SAFETY: the display is EGL's; its version is not asked for.
    if unsafe { initialize(display, ptr::null_mut(), ptr::null_mut()) } == 0 {
        // SAFETY: it only reads this thread's last error.
        let error = unsafe { get_error() };
        return Err(format!("EGL does not start (error {error:#x})"));
    }
    // SAFETY: the display was initialised above, and nothing uses it.
    unsafe { terminate(display) };
    Ok(())
}
