//! Finding a GLES renderer: on a GPU, else in software, without a display of any kind.
//!
//! The unsafe here is EGL's: smithay can't know that nobody else terminates a display or uses a
//! context on another thread.

use std::ffi::CStr;

use smithay::{
    backend::{
        allocator::{Fourcc, gbm::GbmDevice},
        drm::{DrmDeviceFd, DrmNode, NodeType},
        egl::{
            EGLContext, EGLDevice, EGLDisplay,
            ffi::egl,
            native::{EGLNativeDisplay, EGLSurfacelessDisplay},
        },
        renderer::{
            Bind, Offscreen,
            gles::{GlesRenderbuffer, GlesRenderer, ffi},
        },
    },
    utils::{Buffer, Size},
};
use tracing::debug;

use super::painter::{Brush, Painter};
use crate::panics::caught;

pub(super) type GlesPainter = Painter<GlesRenderer, GlesRenderbuffer>;

/// Mesa's old software renderers can't draw into ARGB8888, all drivers can into this.
const FORMAT: Fourcc = Fourcc::Abgr8888;

/// Whether a CPU that plays GPU will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Software {
    /// Yes.
    Allowed,
    /// Only a GPU will do.
    Refused,
}

/// Opens the first GLES renderer that can draw: GPUs, then EGL's software device, then EGL without
/// a device.
///
/// # Errors
/// What each of them answered.
pub(super) fn open(software: Software) -> Result<GlesPainter, String> {
    caught(|| find(software)).and_then(|found| found)
}

fn find(software: Software) -> Result<GlesPainter, String> {
    let mut reasons = Vec::new();
    let mut devices: Vec<EGLDevice> = match EGLDevice::enumerate() {
        Ok(devices) => devices.collect(),
        Err(error) => {
            reasons.push(format!("EGL's devices: {error}"));
            Vec::new()
        }
    };
    devices.sort_by_key(EGLDevice::is_software);
    if software == Software::Refused {
        devices.retain(|device| !device.is_software());
    }
    for device in devices {
        let node = device.try_get_render_node().ok().flatten();
        let name = match (&node, device.is_software()) {
            (Some(node), _) => format!("EGL device {node}"),
            (None, true) => "EGL software device".to_owned(),
            (None, false) => "EGL device".to_owned(),
        };
        match open_display(device, node.map(|node| node.dev_id()), software) {
            Ok(painter) => return Ok(painter),
            Err(reason) => reasons.push(format!("{name}: {reason}")),
        }
    }
    if software == Software::Refused {
        reasons.push("no other GPU".to_owned());
        return Err(reasons.join("; "));
    }
    match open_display(EGLSurfacelessDisplay, None, software) {
        Ok(painter) => Ok(painter),
        Err(reason) => {
            reasons.push(format!("surfaceless EGL: {reason}"));
            Err(reasons.join("; "))
        }
    }
}

/// Opens a GLES renderer on the GPU of a card that shows the pictures.
///
/// # Errors
/// What EGL answered, or that it is no GPU though one is wanted.
pub(super) fn open_on(
    card: GbmDevice<DrmDeviceFd>,
    software: Software,
) -> Result<GlesPainter, String> {
    let device = DrmNode::from_file(&card).ok().map(|node| {
        // Clients may open that one.
        let render = node.node_with_type(NodeType::Render).and_then(Result::ok);
        render.unwrap_or(node).dev_id()
    });
    caught(|| open_display(card, device, software)).and_then(|opened| opened)
}

fn open_display(
    native: impl EGLNativeDisplay + 'static,
    device: Option<u64>,
    wanted: Software,
) -> Result<GlesPainter, String> {
    // SAFETY: The native display is an EGL device or the surfaceless platform, which have no handle
    // that could become invalid, or a GBM device, which smithay's display keeps open; and nothing
    // here terminates the display behind smithay.
    let display = unsafe { EGLDisplay::new(native) }.map_err(|error| error.to_string())?;
    let context = EGLContext::new(&display).map_err(|error| error.to_string())?;
    // SAFETY: The context was made a line above, is current nowhere and is moved in, so that it
    // is only ever used on the thread of this renderer, which is not Send.
    let renderer = unsafe { GlesRenderer::new(context) }.map_err(|error| error.to_string())?;
    paint_with(renderer, device, wanted)
}

/// A painter with a brush whose renderer is known to draw.
///
/// # Errors
/// What it said when it was to draw, or that it is no GPU though one is wanted.
pub(super) fn paint_with<B: Brush<Renderer = GlesRenderer>>(
    mut brush: B,
    device: Option<u64>,
    wanted: Software,
) -> Result<Painter<B, GlesRenderbuffer>, String> {
    let renderer = brush.renderer();
    try_drawing(renderer)?;
    let driver = driver(renderer);
    let software = ["llvmpipe", "softpipe", "swrast", "SWR"]
        .iter()
        .any(|name| driver.contains(name));
    debug!(driver, software, "Found a GLES renderer");
    if software && wanted == Software::Refused {
        return Err(format!("{driver} is no GPU"));
    }
    let description = format!("GLES on {driver}");
    Painter::new(brush, description, device, FORMAT, software).map_err(|error| error.to_string())
}

/// Has the surface that was drawn on last swap its buffers without waiting for anything: EGL would
/// sleep until the host shows the picture before, which for a window that nobody sees is never.
pub(super) fn swap_at_once(renderer: &GlesRenderer) {
    let display = renderer.egl_context().display().get_display_handle();
    // SAFETY: The display is open as long as its handle is held. The call takes no pointers and
    // changes the surface that is current on this thread, or fails where none is.
    if unsafe { egl::SwapInterval(**display, 0) } == egl::FALSE {
        debug!("The window's pictures wait for its host");
    }
}

/// Some drivers open and then can't make the pictures that this program draws into.
fn try_drawing(renderer: &mut GlesRenderer) -> Result<(), String> {
    let size = Size::<i32, Buffer>::from((16, 16));
    let mut picture: GlesRenderbuffer = renderer
        .create_buffer(FORMAT, size)
        .map_err(|error| format!("pictures: {error}"))?;
    renderer
        .bind(&mut picture)
        .map(|_| ())
        .map_err(|error| format!("drawing into a picture: {error}"))
}

fn driver(renderer: &mut GlesRenderer) -> String {
    renderer
        .with_context(|gl| {
            // SAFETY: The context is current inside `with_context`; GetString takes no pointers.
            let name = unsafe { gl.GetString(ffi::RENDERER) };
            if name.is_null() {
                return String::new();
            }
            // SAFETY: GL returns a static, nul-terminated string where it does not return null.
            let name = unsafe { CStr::from_ptr(name.cast()) };
            name.to_string_lossy().into_owned()
        })
        .unwrap_or_default()
}
