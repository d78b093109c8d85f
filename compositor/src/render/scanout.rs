//! Handing a scene to a display controller: what can be shown on planes is, and the rest is drawn
//! into one picture, by any renderer of smithay's.

use smithay::{
    backend::{
        allocator::{
            Allocator, Buffer as _, Format,
            dmabuf::{AsDmabuf, Dmabuf},
        },
        drm::{
            compositor::{DrmCompositor, FrameFlags, PrimaryPlaneElement},
            exporter::ExportFramebuffer,
        },
        renderer::{
            Bind, ImportAll, ImportDma, ImportMem, Renderer, Texture,
            element::{Element, Id, Kind, RenderElement, RenderElementStates, UnderlyingStorage},
            sync::SyncPoint,
            utils::{CommitCounter, DamageSet, OpaqueRegions},
        },
    },
    reexports::wayland_server::{Resource as _, backend::ObjectId, protocol::wl_buffer::WlBuffer},
    utils::{Buffer, Physical, Point, Rectangle, Scale, Transform},
    wayland::{dmabuf::get_dmabuf, shm},
};

use super::{Layer, RenderError, element::elements, painter::BACKGROUND};

/// Where the pixels of an element are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// In a dma-buf, which a display controller may read.
    Dmabuf(Format),
    /// In shared memory.
    Shared,
    /// Nowhere: it is a colour.
    Colour,
}

/// An element of a scene, before it is decided how it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Names it from frame to frame.
    pub id: Id,
    /// The buffer of its client.
    pub buffer: Option<ObjectId>,
    /// Where its pixels are.
    pub pixels: Pixels,
    /// What part of its buffer is shown.
    pub source: Rectangle<f64, Buffer>,
    /// Where it is shown.
    pub shown: Rectangle<i32, Physical>,
    /// How its buffer is turned.
    pub transform: Transform,
    /// Whether it is a pointer.
    pub pointer: bool,
}

/// Where an element was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    /// Alone on the plane that else has the composed picture.
    Primary,
    /// Above or below that.
    Overlay,
    /// On the pointer's.
    Cursor,
}

/// A scene, ready to be flipped to.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// Nothing changed: there is nothing to flip to.
    pub unchanged: bool,
    /// Whether anything was composited.
    pub composited: bool,
    /// What became of each surface.
    pub states: RenderElementStates,
    /// Reached when what was composited is complete; the flip waits for it.
    pub sync: SyncPoint,
    /// The elements, front to back, with the planes of those that are on one.
    pub elements: Vec<(Candidate, Option<Plane>)>,
}

/// Prepares a frame; the caller queues it. `may_scan_out` is asked for every element that a plane
/// could show.
///
/// # Errors
/// The renderer's, or the display controller's.
pub(crate) fn scan_out<R, A, F, U, G>(
    renderer: &mut R,
    compositor: &mut DrmCompositor<A, F, U, G>,
    scene: &[Layer],
    flags: FrameFlags,
    may_scan_out: &mut dyn FnMut(&Candidate) -> bool,
) -> Result<Scanned, RenderError>
where
    R: Renderer + ImportAll + ImportDma + ImportMem + Bind<Dmabuf>,
    R::TextureId: Clone + Texture + 'static,
    A: Allocator,
    A::Error: std::error::Error + Send + Sync + 'static,
    A::Buffer: AsDmabuf,
    <A::Buffer as AsDmabuf>::Error: std::error::Error + Send + Sync + 'static,
    F: ExportFramebuffer<A::Buffer>,
    F::Framebuffer: std::fmt::Debug + 'static,
    F::Error: std::error::Error + Send + Sync + 'static,
    G: std::os::fd::AsFd + Clone + 'static,
{
    let mut offered = Vec::new();
    let mut candidates = Vec::new();
    for element in elements(renderer, scene) {
        let candidate = candidate(&element, renderer);
        let allowed = match candidate.pixels {
            Pixels::Dmabuf(_) => may_scan_out(&candidate),
            Pixels::Shared => !candidate.pointer || can_be_copied(&element, renderer, &candidate),
            Pixels::Colour => true,
        };
        candidates.push(candidate);
        offered.push(Offered { element, allowed });
    }
    let frame = compositor
        .render_frame(renderer, &offered, BACKGROUND, flags)
        .map_err(|error| RenderError::new("prepare a picture for the screen", error))?;
    let waits = frame.needs_sync();
    let mut sync = SyncPoint::signaled();
    let (composited, primary) = match &frame.primary_element {
        PrimaryPlaneElement::Swapchain(picture) => {
            // Neither the renderer nor the driver lets the flip wait for the picture: a renderer in
            // software, mostly, which by now is nearly done.
            if waits && picture.sync.wait().is_err() {
                return Err(RenderError::new("wait for a picture", "interrupted"));
            }
            sync = picture.sync.clone();
            let planes = frame.overlay_elements.len() + usize::from(frame.cursor_element.is_some());
            let drawn = shown(&frame.states, &candidates) > planes;
            (drawn, None)
        }
        PrimaryPlaneElement::Element(element) => (false, Some(element.id().clone())),
    };
    let plane = |id: &Id| {
        if primary.as_ref() == Some(id) {
            Some(Plane::Primary)
        } else if frame
            .cursor_element
            .is_some_and(|element| element.id() == id)
        {
            Some(Plane::Cursor)
        } else if frame
            .overlay_elements
            .iter()
            .any(|element| element.id() == id)
        {
            Some(Plane::Overlay)
        } else {
            None
        }
    };
    let elements = candidates
        .into_iter()
        .map(|candidate| {
            let plane = plane(&candidate.id);
            (candidate, plane)
        })
        .collect();
    Ok(Scanned {
        unchanged: frame.is_empty,
        composited,
        states: frame.states,
        sync,
        elements,
    })
}

/// How many of the elements can be seen.
fn shown(states: &RenderElementStates, candidates: &[Candidate]) -> usize {
    let seen = |candidate: &&Candidate| states.element_was_presented(candidate.id.clone());
    candidates.iter().filter(seen).count()
}

fn candidate<R: Renderer, E: RenderElement<R>>(element: &E, renderer: &mut R) -> Candidate {
    // The scale is the element's own business.
    let scale = Scale::from(1.0);
    let buffer = client_buffer(element, renderer);
    let pixels = match &buffer {
        Some(buffer) => match get_dmabuf(buffer) {
            Ok(dmabuf) => Pixels::Dmabuf(dmabuf.format()),
            Err(_) if shm::with_buffer_contents(buffer, |_, _, _| ()).is_ok() => Pixels::Shared,
            Err(_) => Pixels::Colour,
        },
        None => Pixels::Shared,
    };
    Candidate {
        id: element.id().clone(),
        buffer: buffer.map(|buffer| buffer.id()),
        pixels,
        source: element.src(),
        shown: element.geometry(scale),
        transform: element.transform(),
        pointer: element.kind() == Kind::Cursor,
    }
}

fn client_buffer<R: Renderer, E: RenderElement<R>>(
    element: &E,
    renderer: &mut R,
) -> Option<WlBuffer> {
    match element.underlying_storage(renderer)? {
        UnderlyingStorage::Wayland(buffer) => Some((**buffer).clone()),
        UnderlyingStorage::Memory(_) => None,
    }
}

/// Whether smithay may put a pointer's image from shared memory on the cursor plane. One that is
/// neither scaled, cut nor turned it copies: all rows of the client's buffer, each as long as the
/// client says, into a buffer that is as large as the pointer is shown. Longer rows, or more of
/// them, would be written beyond its end.
fn can_be_copied<R: Renderer, E: RenderElement<R>>(
    element: &E,
    renderer: &mut R,
    candidate: &Candidate,
) -> bool {
    let Some(buffer) = client_buffer(element, renderer) else {
        return false;
    };
    let size = candidate.shown.size;
    let source = candidate.source;
    let is_copied = source.loc == Point::default()
        && (source.size.w, source.size.h) == (f64::from(size.w), f64::from(size.h))
        && candidate.transform == Transform::Normal;
    if !is_copied {
        return true;
    }
    let fits = shm::with_buffer_contents(&buffer, |_, _, data| {
        data.offset >= 0
            && data.width.checked_mul(4) == Some(data.stride)
            && (data.width, data.height) == (size.w, size.h)
    });
    fits.unwrap_or(false)
}

/// An element that may or may not be shown by a plane.
struct Offered<E> {
    element: E,
    allowed: bool,
}

impl<E: Element> Element for Offered<E> {
    fn id(&self) -> &Id {
        self.element.id()
    }

    fn current_commit(&self) -> CommitCounter {
        self.element.current_commit()
    }

    fn location(&self, scale: Scale<f64>) -> Point<i32, Physical> {
        self.element.location(scale)
    }

    fn src(&self) -> Rectangle<f64, Buffer> {
        self.element.src()
    }

    fn transform(&self) -> Transform {
        self.element.transform()
    }

    fn geometry(&self, scale: Scale<f64>) -> Rectangle<i32, Physical> {
        self.element.geometry(scale)
    }

    fn damage_since(
        &self,
        scale: Scale<f64>,
        commit: Option<CommitCounter>,
    ) -> DamageSet<i32, Physical> {
        self.element.damage_since(scale, commit)
    }

    fn opaque_regions(&self, scale: Scale<f64>) -> OpaqueRegions<i32, Physical> {
        self.element.opaque_regions(scale)
    }

    fn alpha(&self) -> f32 {
        self.element.alpha()
    }

    fn kind(&self) -> Kind {
        self.element.kind()
    }
}

impl<R: Renderer, E: RenderElement<R>> RenderElement<R> for Offered<E> {
    fn draw(
        &self,
        frame: &mut R::Frame<'_, '_>,
        src: Rectangle<f64, Buffer>,
        dst: Rectangle<i32, Physical>,
        damage: &[Rectangle<i32, Physical>],
        opaque_regions: &[Rectangle<i32, Physical>],
    ) -> Result<(), R::Error> {
        self.element.draw(frame, src, dst, damage, opaque_regions)
    }

    fn underlying_storage(&self, renderer: &mut R) -> Option<UnderlyingStorage<'_>> {
        let storage = self.element.underlying_storage(renderer);
        storage.filter(|_| self.allowed)
    }
}
