//! Resources: textures and blobs, and the guest's memory behind them.

use std::{collections::btree_map::Entry, ffi::c_void, ptr};

use protocols::virtio_gpu::{BLOB_MEM_GUEST, BLOB_MEM_HOST3D, BLOB_MEM_HOST3D_GUEST};

use super::{
    Failure, Virgl,
    contexts::number,
    error::done,
    ffi::{CreateArgs, CreateBlobArgs, Iovec},
    layout::Layout,
};
use crate::{
    memory::Backing,
    renderer::{BlobOf, Texture},
};

/// A resource that the library knows.
#[derive(Debug)]
pub struct Resource {
    pub(super) kind: Kind,
    pub(super) lent: Option<LentMemory>,
}

/// What a resource is.
#[derive(Debug)]
pub enum Kind {
    /// Pixels, or a buffer.
    Texture(Layout),
    /// Memory without a layout.
    Blob {
        /// In bytes.
        size: u64,
        /// Whether it has memory of the host's.
        host: bool,
        /// Whether somebody has it mapped.
        mapped: bool,
    },
}

/// Memory of the guest's that the library may read and write, until it is taken back.
#[derive(Debug)]
pub struct LentMemory {
    /// What the library has: the list must not move.
    list: Box<[Iovec]>,
    backing: Backing,
}

impl LentMemory {
    fn new(backing: Backing) -> Result<Self, Failure> {
        let whole = |(base, len): (*mut u8, usize)| Iovec {
            base: base.cast(),
            len,
        };
        let mut list: Vec<_> = backing.runs().map(whole).collect();
        if let [run] = list.as_mut_slice()
            && let Some(rest) = split(run)
        {
            list.push(rest);
        }
        if list.is_empty() {
            return Err(Failure::Invalid("A backing without memory"));
        }
        Ok(Self {
            list: list.into_boxed_slice(),
            backing,
        })
    }

    /// In bytes.
    pub fn len(&self) -> u64 {
        self.backing.len()
    }

    /// How many entries the list has; the library takes signed numbers, too.
    fn count(&self) -> Result<u32, Failure> {
        let count = i32::try_from(self.list.len()).map_err(|_| Failure::OutOfMemory)?;
        Ok(count.cast_unsigned())
    }
}

/// Cuts a run in two. Where a backing is in one piece, all versions up to 1.3 let OpenGL read and write
/// it in place, with strides from the guest's command stream that they have checked in 32 bits only: a
/// few words end the process, or reach far beyond the backing. What is in several pieces is gathered
/// first, piece by piece.
fn split(run: &mut Iovec) -> Option<Iovec> {
    let half = run.len.checked_div(2).filter(|half| *half > 0)?;
    let base = run.base.cast::<u8>().wrapping_add(half);
    let rest = Iovec {
        base: base.cast::<c_void>(),
        len: run.len.checked_sub(half)?,
    };
    run.len = half;
    Some(rest)
}

impl Virgl {
    /// RESOURCE_CREATE_3D, without backing.
    ///
    /// The library clears what it allocates itself, and OpenGL's memory is cleared by the kernel
    /// before it belongs to this process, which serves one guest only: nothing of others can be in it.
    ///
    /// # Errors
    /// The id is 0 or in use, or the host can't make such a texture.
    pub fn create_texture(&mut self, resource: u32, texture: &Texture) -> Result<(), Failure> {
        let layout = Layout::of(texture)?;
        let place = self.place(resource)?;
        let mut args = CreateArgs {
            handle: resource,
            target: texture.target,
            format: texture.format,
            bind: texture.bind,
            width: texture.width,
            height: texture.height,
            depth: texture.depth,
            array_size: texture.array_size,
            last_level: texture.last_level,
            nr_samples: texture.samples,
            flags: texture.flags,
        };
        let create = self.functions.resource_create;
        // SAFETY: the arguments live as long as the call, and there is no backing.
        let made = unsafe { create(ptr::from_mut(&mut args), ptr::null_mut(), 0) };
        done(made, "create a texture")?;
        let kind = Kind::Texture(layout);
        self.resources.insert(place, Resource { kind, lent: None });
        Ok(())
    }

    /// RESOURCE_CREATE_BLOB, with the guest's memory for what has guest memory.
    ///
    /// # Errors
    /// The id is 0 or in use, the context has no such blob, or its memory does not suffice.
    pub fn create_blob(
        &mut self,
        resource: u32,
        blob: &BlobOf,
        backing: Option<Backing>,
    ) -> Result<(), Failure> {
        let place = self.place(resource)?;
        let host = match blob.memory {
            BLOB_MEM_GUEST => false,
            BLOB_MEM_HOST3D | BLOB_MEM_HOST3D_GUEST => true,
            _ => return Err(Failure::Invalid("There is no such kind of blob")),
        };
        if host && !self.contexts.contains_key(&blob.context) {
            return Err(Failure::NoContext(blob.context));
        }
        let lent = backing.map(LentMemory::new).transpose()?;
        let lent_bytes = lent.as_ref().map_or(0, LentMemory::len);
        let suffices = match blob.memory {
            BLOB_MEM_HOST3D => lent.is_none(),
            _ => lent_bytes >= blob.size,
        };
        if blob.size == 0 || !suffices {
            return Err(Failure::Invalid("A blob and its memory differ in size"));
        }
        let args = CreateBlobArgs {
            res_handle: resource,
            ctx_id: if host { blob.context } else { 0 },
            blob_mem: blob.memory,
            blob_flags: blob.flags,
            blob_id: blob.id,
            size: blob.size,
            iovecs: lent.as_ref().map_or(ptr::null(), |lent| lent.list.as_ptr()),
            num_iovs: lent.as_ref().map_or(Ok(0), LentMemory::count)?,
        };
        let create = self.functions.resource_create_blob;
        // SAFETY: the arguments live as long as the call. The list and the memory in it live in
        // `resources` until the library has been told to let go of them.
        let made = unsafe { create(ptr::from_ref(&args)) };
        done(made, "create a blob")?;
        let kind = Kind::Blob {
            size: blob.size,
            host,
            mapped: false,
        };
        self.resources.insert(place, Resource { kind, lent });
        Ok(())
    }

    /// RESOURCE_ATTACH_BACKING.
    ///
    /// # Errors
    /// There is no such resource, or it has a backing.
    pub fn attach_backing(&mut self, resource: u32, backing: Backing) -> Result<(), Failure> {
        let attach = self.functions.resource_attach_iov;
        let known = self.resources.get_mut(&resource);
        let known = known.ok_or(Failure::NoResource(resource))?;
        if known.lent.is_some() {
            return Err(Failure::State {
                resource,
                state: "has a backing",
            });
        }
        let mut lent = LentMemory::new(backing)?;
        let count = lent.count()?.cast_signed();
        let list = lent.list.as_mut_ptr();
        // SAFETY: the list and the memory in it live in `resources` until the library has been told to
        // let go of them, and do not move: both are on the heap.
        let attached = unsafe { attach(number(resource), list, count) };
        done(attached, "attach a backing")?;
        known.lent = Some(lent);
        Ok(())
    }

    /// RESOURCE_DETACH_BACKING: afterwards the guest's memory is not touched any more.
    ///
    /// # Errors
    /// There is no such resource, or it has no backing.
    pub fn detach_backing(&mut self, resource: u32) -> Result<(), Failure> {
        let known = self.resources.get(&resource);
        let known = known.ok_or(Failure::NoResource(resource))?;
        if known.lent.is_none() {
            return Err(Failure::State {
                resource,
                state: "has no backing",
            });
        }
        self.let_go(resource);
        Ok(())
    }

    /// RESOURCE_UNREF: contexts that know it lose it, its backing is let go.
    ///
    /// # Errors
    /// There is no such resource.
    pub fn unref(&mut self, resource: u32) -> Result<(), Failure> {
        if !self.resources.contains_key(&resource) {
            return Err(Failure::NoResource(resource));
        }
        // Before it goes: what contexts made of it keeps its texture alive, with the list.
        self.let_go(resource);
        for context in self.contexts.values_mut() {
            context.attached.remove(&resource);
        }
        // SAFETY: the library has this resource, and only its number is handed over.
        unsafe { (self.functions.resource_unref)(resource) };
        self.resources.remove(&resource);
        Ok(())
    }

    /// Takes the guest's memory back from the library, where it has some.
    fn let_go(&mut self, resource: u32) {
        let detach = self.functions.resource_detach_iov;
        let known = self.resources.get_mut(&resource);
        if let Some(known) = known
            && let Some(lent) = known.lent.take()
        {
            // The library may write to the memory once more, and then forgets list and memory.
            // SAFETY: it has this resource. What it would hand back is not asked for.
            unsafe { detach(number(resource), ptr::null_mut(), ptr::null_mut()) };
            drop(lent);
        }
    }

    /// A place for a new resource.
    fn place(&mut self, resource: u32) -> Result<u32, Failure> {
        match self.resources.entry(resource) {
            Entry::Vacant(_) if resource != 0 => Ok(resource),
            _ => Err(Failure::ResourceExists(resource)),
        }
    }
}
