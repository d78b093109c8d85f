//! Drawing in a window of another session, through EGL.

use smithay::{
    backend::{
        SwapBuffersError,
        egl::EGLDevice,
        renderer::{
            damage::OutputDamageTracker,
            gles::{GlesRenderbuffer, GlesRenderer},
        },
        winit::WinitGraphicsBackend,
    },
    reexports::winit::window::Window,
    utils::{Physical, Rectangle, Size, Transform},
};

use super::{
    Composed, Layer, RenderError,
    element::elements,
    gles::{self, Software},
    painter::{Brush, Painter, composed, draw_on},
};

/// EGL counts a window's rows from the bottom.
const UPSIDE_DOWN: Transform = Transform::Flipped180;

impl Brush for WinitGraphicsBackend<GlesRenderer> {
    type Renderer = GlesRenderer;

    fn renderer(&mut self) -> &mut GlesRenderer {
        Self::renderer(self)
    }
}

/// Draws in a window, and pictures of the same beside it.
pub type WindowPainter = Painter<WinitGraphicsBackend<GlesRenderer>, GlesRenderbuffer>;

/// What is known of the pictures in a window.
#[derive(Debug)]
pub(crate) struct Canvas {
    size: Size<i32, Physical>,
    damage: OutputDamageTracker,
    swaps_at_once: bool,
}

impl Canvas {
    /// That of a window in which nothing was drawn.
    pub(crate) fn new() -> Self {
        Self {
            size: Size::default(),
            damage: OutputDamageTracker::new(Size::default(), 1.0, UPSIDE_DOWN),
            swaps_at_once: false,
        }
    }

    /// What was drawn may be lost: the next picture is drawn as a whole.
    pub(crate) fn forget(&mut self) {
        self.damage = OutputDamageTracker::new(self.size, 1.0, UPSIDE_DOWN);
    }

    fn resize(&mut self, size: Size<i32, Physical>) {
        if self.size != size {
            self.size = size;
            self.forget();
        }
    }
}

impl WindowPainter {
    /// One that draws with the renderer that was made for the window.
    ///
    /// # Errors
    /// The renderer's.
    pub(super) fn open(mut window: WinitGraphicsBackend<GlesRenderer>) -> Result<Self, String> {
        let display = window.renderer().egl_context().display();
        let node = EGLDevice::device_for_display(display)
            .and_then(|device| device.try_get_render_node())
            .ok()
            .flatten();
        gles::paint_with(window, node.map(|node| node.dev_id()), Software::Allowed)
    }

    /// The window.
    pub(crate) fn window(&mut self) -> &Window {
        self.brush().window()
    }

    /// The window's size in the host's pixels, which is that of its pictures.
    pub(crate) fn size(&mut self) -> Size<i32, Physical> {
        self.brush().window_size()
    }

    /// Draws what changed of a scene, and hands the picture to the host. Nothing is handed over
    /// where nothing changed.
    ///
    /// # Errors
    /// The renderer's. The next call then draws everything.
    pub(crate) fn show(
        &mut self,
        canvas: &mut Canvas,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Composed, RenderError> {
        canvas.resize(size);
        let shown = self.try_to_show(canvas, scene);
        if shown.is_err() {
            canvas.forget();
        }
        shown
    }

    fn try_to_show(
        &mut self,
        canvas: &mut Canvas,
        scene: &[Layer],
    ) -> Result<Composed, RenderError> {
        let window = self.brush();
        // EGL tells the age of what is current only, and drawing elsewhere makes that current.
        let age = match window.egl_surface().is_current() {
            true => window.buffer_age().unwrap_or_default(),
            false => 0,
        };
        let elements = elements(window.renderer(), scene);
        let (renderer, mut framebuffer) = window.bind().map_err(failed)?;
        let result = draw_on(
            renderer,
            &mut framebuffer,
            &mut canvas.damage,
            age,
            &elements,
        )?;
        let damage: Option<Vec<Rectangle<i32, Physical>>> = result.damage.cloned();
        let composed = composed(result);
        drop(framebuffer);
        if !canvas.swaps_at_once {
            canvas.swaps_at_once = true;
            gles::swap_at_once(window.renderer());
        }
        self.wait_for(&composed)?;
        if damage.is_some() {
            let window = self.brush();
            window.submit(damage.as_deref()).map_err(failed)?;
        }
        Ok(composed)
    }
}

fn failed(error: SwapBuffersError) -> RenderError {
    RenderError::new("draw in the window", error)
}
