//! A picture that can be part of a scene.

use std::{any::Any, cell::RefCell, collections::HashMap, fmt, rc::Rc};

use smithay::{
    backend::{
        allocator::{Buffer as _, Fourcc},
        renderer::{
            ErasedContextId, ImportDma, ImportMem,
            element::{Id, UnderlyingStorage, memory::MemoryBuffer},
            utils::CommitCounter,
        },
    },
    utils::{Physical, Size},
};

use super::{draw::Picture, planes::SharedPicture};

/// A picture of the compositor's own. It never changes: a sign that has to look different is
/// another picture under the same [`Id`], because a display controller may still be reading this
/// one. Cheap to clone.
#[derive(Clone)]
pub struct Sign(Rc<Inner>);

struct Inner {
    id: Id,
    commit: CommitCounter,
    size: Size<i32, Physical>,
    opaque: bool,
    pixels: Pixels,
    /// What renderers made of it, by renderer.
    textures: RefCell<HashMap<ErasedContextId, Box<dyn Any>>>,
}

/// Where the picture is.
pub(super) enum Pixels {
    /// In memory that only this process reads.
    Memory(MemoryBuffer),
    /// In a dma-buf.
    Shared(SharedPicture),
}

impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            id, commit, size, ..
        } = &*self.0;
        f.debug_struct("Sign")
            .field("id", id)
            .field("commit", commit)
            .field("size", size)
            .field("is_dmabuf", &self.is_dmabuf())
            .finish_non_exhaustive()
    }
}

impl Sign {
    pub(super) fn new(
        (id, commit): (Id, CommitCounter),
        (picture, opaque): (&Picture, bool),
        shared: Option<SharedPicture>,
    ) -> Self {
        let pixels = match shared {
            Some(shared) => Pixels::Shared(shared),
            None => Pixels::Memory(in_memory(picture, opaque)),
        };
        let pixels_of = |pixels: usize| i32::try_from(pixels).unwrap_or(i32::MAX);
        Self(Rc::new(Inner {
            id,
            commit,
            size: (pixels_of(picture.width()), pixels_of(picture.height())).into(),
            opaque,
            pixels,
            textures: RefCell::default(),
        }))
    }

    /// What damage trackers know it by: the same for all pictures of one sign.
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.0.id
    }

    /// Another one for each picture of the sign.
    #[must_use]
    pub fn commit(&self) -> CommitCounter {
        self.0.commit
    }

    /// Its size in pixels.
    #[must_use]
    pub fn size(&self) -> Size<i32, Physical> {
        self.0.size
    }

    /// Whether nothing below it is to be seen.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.0.opaque
    }

    /// Whether it is in memory that a display controller can read.
    #[must_use]
    pub fn is_dmabuf(&self) -> bool {
        matches!(self.0.pixels, Pixels::Shared(_))
    }

    pub(super) fn storage(&self) -> UnderlyingStorage<'_> {
        match &self.0.pixels {
            Pixels::Memory(memory) => UnderlyingStorage::Memory(memory),
            Pixels::Shared(shared) => UnderlyingStorage::Wayland(shared.buffer()),
        }
    }

    /// What a renderer draws it with; made once for each renderer.
    pub(super) fn texture<R>(&self, renderer: &mut R) -> Result<R::TextureId, R::Error>
    where
        R: ImportDma + ImportMem,
        R::TextureId: Clone + 'static,
    {
        let context = renderer.context_id().erased();
        let known = self.0.textures.borrow();
        if let Some(texture) = known.get(&context).and_then(|known| known.downcast_ref()) {
            return Ok(R::TextureId::clone(texture));
        }
        drop(known);
        let texture = self.import(renderer)?;
        let kept = Box::new(texture.clone());
        self.0.textures.borrow_mut().insert(context, kept);
        Ok(texture)
    }

    fn import<R: ImportDma + ImportMem>(&self, renderer: &mut R) -> Result<R::TextureId, R::Error> {
        let memory = match &self.0.pixels {
            Pixels::Memory(memory) => memory,
            Pixels::Shared(shared) => {
                let dmabuf = shared.dmabuf();
                // Asked first: some drivers crash on what they did not offer to take.
                if renderer.has_dmabuf_format(dmabuf.format())
                    && let Ok(texture) = renderer.import_dmabuf(dmabuf, None)
                {
                    return Ok(texture);
                }
                shared.copy()
            }
        };
        renderer.import_memory(memory, memory.format(), memory.size(), false)
    }
}

/// A picture's format: an opaque one can be on more planes.
pub(super) fn format(opaque: bool) -> Fourcc {
    if opaque {
        Fourcc::Xrgb8888
    } else {
        Fourcc::Argb8888
    }
}

fn in_memory(picture: &Picture, opaque: bool) -> MemoryBuffer {
    let pixels = |pixels: usize| i32::try_from(pixels).unwrap_or(i32::MAX);
    let size = (pixels(picture.width()), pixels(picture.height()));
    let mut memory = MemoryBuffer::new(format(opaque), size);
    let row_length = usize::try_from(memory.stride()).unwrap_or_default().max(1);
    for (to, from) in memory.chunks_exact_mut(row_length).zip(picture.rows()) {
        to.copy_from_slice(from);
    }
    memory
}
