//! What the guest has made: 2D resources, blobs and what the renderer holds, their backing and their
//! names.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
    os::fd::OwnedFd,
    sync::Arc,
};

use protocols::virtio_gpu::{ErrorCode, Format, MAX_ENTRIES, MemEntry};

use super::{quota::Quota, three_d::HostResource};
use crate::{
    display::{BufferId, PixelLayout, Refused},
    memory::{Backing, GuestRam},
    renderer::pixels::picture::Picture,
};

/// All resources of a guest, by the ids that the guest chose.
#[derive(Debug, Default)]
pub(super) struct Resources {
    by_id: HashMap<u32, Resource, BuildHasherDefault<IdHasher>>,
}

/// Spreads ids over the table. Guests count them up, and one that chooses others so that they collide slows
/// down its own device only, by no more than its quota of resources allows.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // Fibonacci hashing: neighbours end up far from each other, in the upper bits as well.
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(GOLDEN);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// A buffer of the guest.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    /// The guest's memory behind it.
    attached: Option<Attached>,
    uuid: Option<[u8; 16]>,
    /// Bytes of memory that the renderer needs for it, by our estimate; `None` where the renderer
    /// does not know it.
    rendered: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Picture(Box<PictureResource>),
    Blob(Blob),
    /// What only the renderer holds; lost where the renderer does not know it.
    Host(Box<HostResource>),
}

/// Pixels that the guest transfers to the host.
#[derive(Debug)]
pub(super) struct PictureResource {
    /// How the guest's pixels lie in its memory; here they are stored as B, G, R, A.
    pub(super) format: Format,
    pub(super) picture: Picture,
    /// Bytes copied for frames that were not handed over yet.
    pub(super) copied: u64,
}

/// Memory of the guest without a format.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) size: u64,
    /// Its pages as the host can be given them; `None` until they are first shown.
    pub(super) dma_buf: Option<Result<Arc<OwnedFd>, Refused>>,
    /// The layouts in which it was shown.
    pub(super) views: Vec<View>,
}

/// A blob seen as pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) layout: PixelLayout,
    pub(super) imported: Result<BufferId, Refused>,
}

#[derive(Debug)]
struct Attached {
    entries: Vec<MemEntry>,
    /// `None` while the VMM has taken the memory away.
    backing: Option<Backing>,
}

impl Resources {
    /// Adds a resource under a new id.
    pub(super) fn insert(
        &mut self,
        id: u32,
        quota: &mut Quota,
        make: impl FnOnce(&mut Quota) -> Result<Resource, ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let Entry::Vacant(vacant) = self.by_id.entry(id) else {
            return Err(ErrorCode::InvalidResourceId);
        };
        if id == 0 {
            return Err(ErrorCode::InvalidResourceId);
        }
        quota.take_resource()?;
        match make(quota) {
            Ok(resource) => {
                vacant.insert(resource);
                Ok(())
            }
            Err(error) => {
                quota.give_resource();
                Err(error)
            }
        }
    }

    pub(super) fn get(&self, id: u32) -> Result<&Resource, ErrorCode> {
        self.by_id.get(&id).ok_or(ErrorCode::InvalidResourceId)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Result<&mut Resource, ErrorCode> {
        self.by_id.get_mut(&id).ok_or(ErrorCode::InvalidResourceId)
    }

    /// Takes a resource out, and gives back what it used. Names that the host has for it are the
    /// caller's to take back.
    pub(super) fn remove(&mut self, id: u32, quota: &mut Quota) -> Result<Resource, ErrorCode> {
        let mut resource = self.by_id.remove(&id).ok_or(ErrorCode::InvalidResourceId)?;
        quota.give_resource();
        quota.give_bytes(resource.host_bytes());
        resource.renderer_forgets(quota);
        resource.drop_backing(quota);
        Ok(resource)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Resource> {
        self.by_id.values_mut()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.by_id.keys().copied()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Resource)> {
        self.by_id.iter().map(|(id, resource)| (*id, resource))
    }
}

impl Resource {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            attached: None,
            uuid: None,
            rendered: None,
        }
    }

    /// The renderer gets to know it, and needs so many bytes for it.
    pub(super) fn renderer_knows(
        &mut self,
        bytes: u64,
        quota: &mut Quota,
    ) -> Result<(), ErrorCode> {
        quota.take_rendered(bytes)?;
        self.rendered = Some(bytes);
        Ok(())
    }

    /// The renderer does not know it any more. False if it did not before.
    pub(super) fn renderer_forgets(&mut self, quota: &mut Quota) -> bool {
        let Some(bytes) = self.rendered.take() else {
            return false;
        };
        quota.give_rendered(bytes);
        true
    }

    /// Whether the renderer knows it.
    pub(super) fn is_rendered(&self) -> bool {
        self.rendered.is_some()
    }

    #[cfg(test)]
    pub(super) fn rendered_bytes(&self) -> u64 {
        self.rendered.unwrap_or(0)
    }

    /// Bytes of host memory that it takes.
    pub(super) fn host_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Picture(picture) => picture.picture.bytes(),
            Kind::Blob(_) | Kind::Host(_) => 0,
        }
    }

    /// Whether the guest has attached a backing, be it there at the moment or not.
    pub(super) fn is_attached(&self) -> bool {
        self.attached.is_some()
    }

    /// The guest's memory behind it, if it is there.
    pub(super) fn backing(&self) -> Option<&Backing> {
        self.attached.as_ref()?.backing.as_ref()
    }

    /// Kind and backing at the same time.
    pub(super) fn parts(&mut self) -> (&mut Kind, Option<&Backing>) {
        (
            &mut self.kind,
            self.attached
                .as_ref()
                .and_then(|attached| attached.backing.as_ref()),
        )
    }

    /// The list of the guest's memory behind it; empty where it has none.
    pub(super) fn entries(&self) -> &[MemEntry] {
        self.attached
            .as_ref()
            .map_or(&[], |attached| &attached.entries)
    }

    /// Gives it its backing. An empty list is no backing, as in QEMU.
    pub(super) fn attach(
        &mut self,
        entries: Vec<MemEntry>,
        ram: &GuestRam,
        quota: &mut Quota,
    ) -> Result<(), ErrorCode> {
        if self.attached.is_some() || entries.len() > MAX_ENTRIES {
            return Err(ErrorCode::Unspec);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let backing = Backing::resolve(ram, &entries).map_err(|_| ErrorCode::Unspec)?;
        let needed = match &self.kind {
            Kind::Blob(blob) => blob.size,
            Kind::Host(host) => host.backing_bytes(),
            Kind::Picture(_) => 0,
        };
        if backing.len() < needed {
            return Err(ErrorCode::Unspec);
        }
        quota.take_entries(entries.len())?;
        self.attached = Some(Attached {
            entries,
            backing: Some(backing),
        });
        Ok(())
    }

    /// Takes its backing away. False if there was none.
    pub(super) fn drop_backing(&mut self, quota: &mut Quota) -> bool {
        let Some(attached) = self.attached.take() else {
            return false;
        };
        quota.give_entries(attached.entries.len());
        true
    }

    /// Finds its backing again after the guest's memory was mapped otherwise. True if its pages are
    /// others than before, or gone.
    pub(super) fn resolve_again(&mut self, ram: &GuestRam) -> bool {
        let Some(attached) = &mut self.attached else {
            return false;
        };
        let new = Backing::resolve(ram, &attached.entries).ok();
        let len = match &self.kind {
            Kind::Blob(blob) => blob.size,
            Kind::Picture(_) | Kind::Host(_) => attached.backing.as_ref().map_or(0, Backing::len),
        };
        let same = match (&attached.backing, &new) {
            (Some(old), Some(new)) => old.is_same_memory(new, len),
            (None, None) => true,
            _ => false,
        };
        attached.backing = new;
        !same
    }

    /// The name under which other devices of the guest know it; the same each time.
    pub(super) fn uuid(&mut self) -> [u8; 16] {
        *self.uuid.get_or_insert_with(super::uuid::random)
    }

    /// All names that the host has for its memory.
    pub(super) fn buffers(&self) -> Vec<BufferId> {
        match &self.kind {
            Kind::Picture(picture) => picture
                .picture
                .slots()
                .map_or_else(Vec::new, |slots| slots.buffers().collect()),
            Kind::Blob(blob) => imported(&blob.views),
            Kind::Host(host) => imported(&host.views),
        }
    }
}

fn imported(views: &[View]) -> Vec<BufferId> {
    views.iter().filter_map(|view| view.imported.ok()).collect()
}

impl Blob {
    pub(super) fn new(size: u64) -> Self {
        Self {
            size,
            dma_buf: None,
            views: Vec::new(),
        }
    }

    pub(super) fn view(&self, layout: PixelLayout) -> Option<&View> {
        self.views.iter().find(|view| view.layout == layout)
    }
}
