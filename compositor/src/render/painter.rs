//! Composing with any renderer of smithay's.

use std::{collections::BTreeMap, fmt};

use smithay::{
    backend::{
        allocator::{Format, Fourcc, dmabuf::Dmabuf},
        renderer::{
            Bind, Color32F, ExportMem, ImportAll, ImportDma, ImportMem, ImportMemWl, Offscreen,
            Renderer, TextureFilter,
            damage::OutputDamageTracker,
            pixman::{PixmanError, PixmanRenderer},
        },
    },
    reexports::{pixman, wayland_server::protocol::wl_shm},
    utils::{Physical, Rectangle, Size, Transform},
};

use super::{Composed, Layer, Paint, RenderError, Shown, element::elements};
use crate::{backend::OutputId, screenshot::Image};

/// What shows where no window is. Opaque, so that pictures are.
pub(super) const BACKGROUND: Color32F = Color32F::BLACK;

/// The byte order of pictures that are read back: R, G, B, A.
const READ_BACK: Fourcc = Fourcc::Abgr8888;

/// A renderer `R` and the pictures of type `T` that it draws into.
pub struct Painter<R, T> {
    renderer: R,
    description: String,
    device: Option<u64>,
    /// The pictures' format.
    format: Fourcc,
    /// Whether to wait for each picture: a software renderer's threads read clients' memory until
    /// it is complete, and nothing keeps the clients from writing meanwhile.
    wait: bool,
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

impl<R, T> fmt::Debug for Painter<R, T> {
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

impl<R: Renderer, T> Painter<R, T> {
    pub(super) fn new(
        mut renderer: R,
        description: String,
        device: Option<u64>,
        format: Fourcc,
        wait: bool,
    ) -> Result<Self, R::Error> {
        // Enlarged windows get larger pixels. Blending neighbours would also blend in the black
        // around them, and let renderers differ.
        renderer.upscale_filter(TextureFilter::Nearest)?;
        Ok(Self {
            renderer,
            description,
            device,
            format,
            wait,
            targets: BTreeMap::new(),
        })
    }
}

impl<R, T> Painter<R, T> {
    pub(super) fn description(&self) -> &str {
        &self.description
    }

    pub(super) fn device(&self) -> Option<u64> {
        self.device
    }

    /// smithay's renderer.
    pub(crate) fn renderer(&mut self) -> &mut R {
        &mut self.renderer
    }
}

impl<R, T> Painter<R, T>
where
    R: Renderer + Offscreen<T>,
{
    fn target(&mut self, size: Size<i32, Physical>) -> Result<Target<T>, RenderError> {
        let buffer_size = size.to_logical(1).to_buffer(1, Transform::Normal);
        let picture = self
            .renderer
            .create_buffer(self.format, buffer_size)
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
    let failed = |error: &dyn fmt::Display| RenderError::new("draw a picture", error);
    let elements = elements(renderer, scene);
    let age = usize::from(target.drawn);
    target.drawn = false;
    let mut framebuffer = renderer
        .bind(&mut target.picture)
        .map_err(|error| failed(&error))?;
    let result = target
        .damage
        .render_output(renderer, &mut framebuffer, age, &elements, BACKGROUND)
        .map_err(|error| failed(&format_args!("{error:?}")))?;
    let composed = Composed {
        drawn: result.damage.is_some(),
        states: result.states,
        sync: result.sync,
        shown: Shown::AtVblank,
    };
    target.drawn = true;
    Ok(composed)
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

impl<R, T> Paint for Painter<R, T>
where
    R: Renderer + ImportAll + ImportMem + ImportMemWl + ImportDma + ExportMem + Offscreen<T>,
    R::TextureId: Clone + 'static,
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
        let composed = draw(&mut self.renderer, &mut target, scene);
        self.targets.insert(output, target);
        let composed = composed?;
        if self.wait && composed.sync.wait().is_err() {
            return Err(RenderError::new("wait for a picture", "interrupted"));
        }
        Ok(composed)
    }

    fn read_back(&mut self, output: OutputId) -> Result<Image, RenderError> {
        let target = self
            .targets
            .get_mut(&output)
            .ok_or_else(|| RenderError::new("read a picture back", "nothing was drawn yet"))?;
        read(&mut self.renderer, target)
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
        draw(&mut self.renderer, &mut target, scene)?;
        read(&mut self.renderer, &mut target)
    }

    fn import(&mut self, dmabuf: &Dmabuf) -> Result<(), RenderError> {
        match self.renderer.import_dmabuf(dmabuf, None) {
            Ok(_) => Ok(()),
            Err(error) => Err(RenderError::new("import a dma-buf", error)),
        }
    }

    fn shm_formats(&self) -> Vec<wl_shm::Format> {
        self.renderer.shm_formats().collect()
    }

    fn dmabuf_formats(&self) -> Vec<Format> {
        self.renderer.dmabuf_formats().iter().copied().collect()
    }
}
