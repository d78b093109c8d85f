//! Whether the compositor can draw with OpenGL ES, and take dma-bufs.

use super::{
    Check,
    mend::{Package, install},
};
use crate::render::{Renderer, RendererChoice};

const NAME: &str = "EGL";

/// Mesa's drivers.
const MESA: Package = Package {
    apt: "libegl1 libgles2 libgl1-mesa-dri",
    dnf: "mesa-libEGL mesa-libGLES mesa-dri-drivers",
    pacman: "mesa",
};

pub(super) fn check() -> Check {
    let mut renderer = match Renderer::open(RendererChoice::Gles) {
        Ok(renderer) => renderer,
        Err(error) => {
            return Check::degraded(
                NAME,
                format!("{error}; the compositor draws with the CPU"),
                install(&MESA),
            );
        }
    };
    let formats = renderer.paint().dmabuf_formats().len();
    let description = renderer.description();
    if formats == 0 {
        Check::degraded(
            NAME,
            format!("{description}, takes no dma-bufs: guests' frames are copied"),
            format!("Update Mesa to version 25 or newer: {}", install(&MESA)),
        )
    } else {
        Check::ok(
            NAME,
            format!("{description}, takes dma-bufs in {formats} formats"),
        )
    }
}
