//! Composing with any renderer of smithay's.

use std::{collections::BTreeMap, fmt};

use smithay::{
    backend::{
        allocator::{Format, Fourcc, dmabuf::Dmabuf},
        renderer::{
            Bind, Color32F, ExportMem, ImportAll, ImportDma, ImportMem, ImportMemWl, Offscreen,
            Renderer, RendererSuper, TextureFilter,
            damage::{OutputDamageTracker, RenderOutputResult},
            element::RenderElement,
            gles::GlesRenderer,
            pixman::{PixmanError, PixmanRenderer},
        },
    },
    reexports::{pixman, wayland_server::protocol::wl_shm},
    utils::{Physical, Rectangle, Size, Transform},
};

use super::{Composed, Layer, Paint, RenderError, Shown, Work, element::elements};
use crate::{backend::OutputId, screenshot::Image};

/// What shows where no window is. Opaque, so that pictures are.
pub(super) const BACKGROUND: Color32F = Color32F::BLACK;

/// The byte order of pictures that are read back: R, G, B, A.
const READ_BACK: Fourcc = Fourcc::Abgr8888;

/// What a painter draws with: a renderer of smithay's, or something that came with one and keeps
/// it.
pub trait Brush {
    /// The renderer.
    type Renderer: Renderer;

    /// The renderer.
    fn renderer(&mut self) -> &mut Self::Renderer;
}

impl Brush for PixmanRenderer {
    type Renderer = Self;

    fn renderer(&mut self) -> &mut Self {
        self
    }
}

impl Brush for GlesRenderer {
    type Renderer = Self;

    fn renderer(&mut self) -> &mut Self {
        self
    }
}

/// A brush `B` and the pictures of type `T` that it draws into.
pub struct Painter<B, T> {
    brush: B,
    description: String,
    device: Option<u64>,
    /// The pictures' format.
    format: Fourcc,
    /// Whether the CPU draws through OpenGL. Each picture is to be waited for then: the renderer's
    /// threads read clients' memory until it is complete, and nothing keeps the clients from writing
    /// meanwhile.
    software: bool,
    targets: BTreeMap<OutputId, Target<T>>,
}

/// The kept picture of one output.
struct Target<T> {
    picture: T,
    size: Size<i32, Physical>,
    damage: OutputDamageTracker,
    /// Whether the picture shows the last scene that the tracker knows.
    drawn: bool,
}

impl<B, T> fmt::Debug for Painter<B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Painter")
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

impl Painter<PixmanRenderer, pixman::Image<'static, 'static>> {
    /// With the byte order of nearly all guests and clients, so that drawing is copying.
    pub(super) fn pixman(renderer: PixmanRenderer) -> Result<Self, PixmanError> {
        Self::new(renderer, "Pixman".to_owned(), None, Fourcc::Xrgb8888, false)
    }
}

impl<B: Brush, T> Painter<B, T> {
    pub(super) fn new(
        mut brush: B,
        description: String,
        device: Option<u64>,
        format: Fourcc,
        software: bool,
    ) -> Result<Self, <B::Renderer as RendererSuper>::Error> {
        // Enlarged windows get larger pixels. Blending neighbours would also blend in the black
        // around them, and let renderers differ.
        brush.renderer().upscale_filter(TextureFilter::Nearest)?;
        Ok(Self {
            brush,
            description,
            device,
            format,
            software,
            targets: BTreeMap::new(),
        })
    }
}

impl<B: Brush, T> Painter<B, T> {
    pub(super) fn description(&self) -> &str {
        &self.description
    }

    pub(super) fn device(&self) -> Option<u64> {
        self.device
    }

    pub(super) fn is_software(&self) -> bool {
        self.software
    }

    /// What it draws with.
    pub(super) fn brush(&mut self) -> &mut B {
        &mut self.brush
    }

    /// smithay's renderer.
    pub(crate) fn renderer(&mut self) -> &mut B::Renderer {
        self.brush.renderer()
    }

    /// Waits for a picture, where that has to be waited for.
    pub(super) fn wait_for(&self, composed: &Composed) -> Result<(), RenderError> {
        if self.software && composed.sync.wait().is_err() {
            return Err(RenderError::new("wait for a picture", "interrupted"));
        }
        Ok(())
    }
}

impl<B: Brush, T> Painter<B, T>
where
    B::Renderer: Offscreen<T>,
{
    fn target(&mut self, size: Size<i32, Physical>) -> Result<Target<T>, RenderError> {
        let buffer_size = size.to_logical(1).to_buffer(1, Transform::Normal);
        let format = self.format;
        let picture = self
            .renderer()
            .create_buffer(format, buffer_size)
            .map_err(|error| RenderError::new("make a picture to draw into", error))?;
        Ok(Target {
            picture,
            size,
            damage: OutputDamageTracker::new(size, 1.0, Transform::Normal),
            drawn: false,
        })
    }
}

/// Draws what changed of a scene into a target.
fn draw<R, T>(
    renderer: &mut R,
    target: &mut Target<T>,
    scene: &[Layer],
) -> Result<Composed, RenderError>
where
    R: Renderer + ImportAll + ImportDma + ImportMem + Bind<T>,
    R::TextureId: Clone + 'static,
{
    let elements = elements(renderer, scene);
    let age = usize::from(target.drawn);
    target.drawn = false;
    let mut framebuffer = renderer
        .bind(&mut target.picture)
        .map_err(|error| RenderError::new("draw a picture", error))?;
    let result = draw_on(
        renderer,
        &mut framebuffer,
        &mut target.damage,
        age,
        &elements,
    )?;
    let composed = composed(result);
    target.drawn = true;
    Ok(composed)
}

/// Draws what changed of a scene's elements since the frame `age` frames ago, all of it at the age
/// 0.
pub(super) fn draw_on<'a, R, E>(
    renderer: &mut R,
    framebuffer: &mut R::Framebuffer<'_>,
    damage: &'a mut OutputDamageTracker,
    age: usize,
    elements: &[E],
) -> Result<RenderOutputResult<'a>, RenderError>
where
    R: Renderer,
    E: RenderElement<R>,
{
    damage
        .render_output(renderer, framebuffer, age, elements, BACKGROUND)
        .map_err(|error| RenderError::new("draw a picture", format_args!("{error:?}")))
}

/// What was drawn, to be seen at the next vblank of the output's own clock.
pub(super) fn composed(result: RenderOutputResult<'_>) -> Composed {
    Composed {
        work: match result.damage {
            Some(_) => Work::Drawn,
            None => Work::None,
        },
        states: result.states,
        sync: result.sync,
        shown: Shown::AtVblank,
    }
}

/// Reads a target's picture.
fn read<R, T>(renderer: &mut R, target: &mut Target<T>) -> Result<Image, RenderError>
where
    R: Renderer + ExportMem + Bind<T>,
{
    let failed = |error: R::Error| RenderError::new("read a picture back", error);
    let area = target.size.to_logical(1).to_buffer(1, Transform::Normal);
    let framebuffer = renderer.bind(&mut target.picture).map_err(failed)?;
    let mapping = renderer
        .copy_framebuffer(&framebuffer, Rectangle::from_size(area), READ_BACK)
        .map_err(failed)?;
    // Rows come from the top with both renderers, although their mappings call it flipped in the
    // one case and not in the other.
    let pixels = renderer.map_texture(&mapping).map_err(failed)?;
    Image::from_rows(target.size.w, target.size.h, pixels)
        .ok_or_else(|| RenderError::new("read a picture back", "some of it is missing"))
}

impl<B: Brush, T> Paint for Painter<B, T>
where
    B::Renderer: ImportAll + ImportMem + ImportMemWl + ImportDma + ExportMem + Offscreen<T>,
    <B::Renderer as RendererSuper>::TextureId: Clone + 'static,
{
    fn compose(
        &mut self,
        output: OutputId,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Composed, RenderError> {
        let kept = self.targets.remove(&output);
        let mut target = match kept.filter(|target| target.size == size) {
            Some(target) => target,
            None => self.target(size)?,
        };
        let composed = draw(self.brush.renderer(), &mut target, scene);
        self.targets.insert(output, target);
        let composed = composed?;
        self.wait_for(&composed)?;
        Ok(composed)
    }

    fn read_back(&mut self, output: OutputId) -> Result<Image, RenderError> {
        let target = self
            .targets
            .get_mut(&output)
            .ok_or_else(|| RenderError::new("read a picture back", "nothing was drawn yet"))?;
        read(self.brush.renderer(), target)
    }

    fn forget(&mut self, output: OutputId) {
        self.targets.remove(&output);
    }

    fn picture(
        &mut self,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Image, RenderError> {
        let mut target = self.target(size)?;
        draw(self.brush.renderer(), &mut target, scene)?;
        read(self.brush.renderer(), &mut target)
    }

    fn import(&mut self, dmabuf: &Dmabuf) -> Result<(), RenderError> {
        match self.renderer().import_dmabuf(dmabuf, None) {
            Ok(_) => Ok(()),
            Err(error) => Err(RenderError::new("import a dma-buf", error)),
        }
    }

    fn shm_formats(&mut self) -> Vec<wl_shm::Format> {
        self.renderer().shm_formats().collect()
    }

    fn dmabuf_formats(&mut self) -> Vec<Format> {
        self.renderer().dmabuf_formats().iter().copied().collect()
    }
}
