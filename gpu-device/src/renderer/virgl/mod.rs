//! libvirglrenderer, loaded at run time and made safe.
//!
//! Owns every call of the library and all memory that it is lent. Used only by the process that draws for
//! one guest: the library has one state per process, keeps to one thread, and takes the process with it
//! when a driver fails. Knows neither the device's commands nor how they come here.
//!
//! Versions 0.10.4 to 1.3 all have the name `libvirglrenderer.so.1`; what only some of them have is
//! looked up by name, and done without where it is missing.
//!
//! ```text
//!  start ──▶ Virgl ── contexts, resources, transfers, export ──▶ library ──▶ EGL, OpenGL, Vulkan
//!                 └── fence ──────────────────────────────────▶    │
//!                     take_reached ◀── fences ◀── callbacks ◀── poll, or
//!                     listener     ◀─────┘             └──────── the library's own thread
//! ```
//!
//! What the guest says is checked here before the library sees it, as far as that is possible without
//! reading its command streams: ids against what exists, parts against textures, sizes against backings.
//! How many of them a guest may have is for the device to bound.

mod callbacks;
mod capsets;
mod contexts;
mod egl;
mod error;
mod export;
mod fences;
mod ffi;
mod formats;
mod layout;
mod library;
mod probe;
mod resources;
mod start;
mod transfers;
mod versions;
mod vulkan;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, marker::PhantomData, os::fd::BorrowedFd, ptr};

use protocols::virtio_gpu::{CAPSET_VENUS, CAPSET_VIRGL};

use self::{
    callbacks::Callbacks, contexts::Context, egl::Egl, error::done, layout::Layout,
    library::Functions, resources::Resource,
};
pub use self::{
    callbacks::Listener,
    error::Failure,
    library::{Library, LoadError},
    start::{Settings, StartError},
};
use super::{Capset, Fence, Texture, Timeline, Versions};

/// The library at work. There is one in a process, ever; dropping it ends its work.
///
/// Contexts and resources are named by the guest's numbers. Everything that the guest can get wrong is
/// a [`Failure`], and leaves the rest as it was.
#[derive(Debug)]
pub struct Virgl {
    functions: Functions,
    /// What the library calls; dropped after it was cleaned up.
    callbacks: Box<Callbacks>,
    contexts: BTreeMap<u32, Context>,
    resources: BTreeMap<u32, Resource>,
    capsets: Vec<Capset>,
    versions: Versions,
    /// Where the library draws with OpenGL.
    egl: Option<Egl>,
    /// The library's contexts of OpenGL belong to the thread that made them.
    one_thread: PhantomData<*mut ()>,
}

impl Virgl {
    /// Starts the library on a graphics card, or on software. A `listener` hears of fences at once, where the library
    /// can tell so; else they are found out by [`Self::poll`].
    ///
    /// # Errors
    /// The host has not what it takes, and what is missing; or it was started before.
    pub fn start(
        library: Library,
        settings: &Settings,
        listener: Option<Listener>,
    ) -> Result<Self, StartError> {
        let started = Self::start_quietly(library, settings, listener);
        callbacks::started(started.is_ok());
        started
    }

    fn start_quietly(
        library: Library,
        settings: &Settings,
        listener: Option<Listener>,
    ) -> Result<Self, StartError> {
        let callbacks = start::start(&library, settings, listener)?;
        let egl = settings.virgl.then(Egl::current).flatten();
        let gl = egl.as_ref().map(|egl| versions::of_gl(egl.display()));
        let versions = gl.unwrap_or_default();
        let vulkan = settings.venus.then(vulkan::device).flatten();
        let mut virgl = Self {
            capsets: capsets::offered(&library.functions, &versions.device, vulkan.is_some()),
            versions,
            functions: library.functions.clone(),
            callbacks,
            contexts: BTreeMap::new(),
            resources: BTreeMap::new(),
            egl,
            one_thread: PhantomData,
        };
        virgl.versions.library = library.version().to_owned();
        match vulkan.filter(|_| virgl.offers(CAPSET_VENUS)) {
            Some(device) => {
                virgl.versions.vulkan = device.version;
                if virgl.versions.device.is_empty() {
                    virgl.versions.device = device.name;
                }
            }
            None if !settings.virgl => return Err(StartError::NoVenus),
            None => {}
        }
        match virgl.capsets.is_empty() {
            true => Err(StartError::Nothing),
            false => Ok(virgl),
        }
    }

    /// What guests can use, in the order of their ids; never empty.
    pub fn capsets(&self) -> &[Capset] {
        &self.capsets
    }

    /// What draws.
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Puts a fence behind all that was asked for before on its timeline; the listener or [`Self::take_reached`] tells
    /// when it is reached.
    ///
    /// # Errors
    /// There is no such context or ring. The fence will not be reached then.
    pub fn fence(&mut self, fence: Fence) -> Result<(), Failure> {
        match fence.timeline {
            Timeline::Ring { context, .. } if !self.contexts.contains_key(&context) => {
                Err(Failure::NoContext(context))
            }
            Timeline::Ring { context, .. } if self.is_venus(context) => {
                self.send_fence(fence.timeline, Some(fence))
            }
            // The library has all contexts of OpenGL draw in one row, with the device's own timeline. That one
            // serves for theirs: where the library's thread waits for a fence of a context that goes meanwhile, it
            // tells of it by the memory that the context had (all versions up to 1.3).
            Timeline::Ring { ring: 0, .. } => self.send_fence(Timeline::Device, Some(fence)),
            Timeline::Ring { .. } => Err(Failure::Invalid("OpenGL has one ring")),
            Timeline::Device if !self.offers(CAPSET_VIRGL) => {
                // Without OpenGL nothing is drawn on this timeline.
                self.callbacks.fences().reached_at_once(fence);
                Ok(())
            }
            Timeline::Device => self.send_fence(Timeline::Device, Some(fence)),
        }
    }

    /// Gives the library a fence on a timeline of its own; one that is nobody's only speaks for those before it.
    fn send_fence(&mut self, timeline: Timeline, fence: Option<Fence>) -> Result<(), Failure> {
        let id = self.callbacks.fences().await_on(timeline, fence);
        let sent = match timeline {
            // SAFETY: only numbers are handed over.
            Timeline::Device => unsafe { (self.functions.create_fence)(id.cast_signed(), 0) },
            Timeline::Ring { context, ring } => {
                let create = self.functions.context_create_fence;
                // SAFETY: the library has this context, and only numbers are handed over.
                unsafe { create(context, ffi::FENCE_MERGEABLE, ring.into(), id.into()) }
            }
        };
        let sent = done(sent, "make a fence");
        if sent.is_err() {
            self.callbacks.fences().withdraw(timeline, id);
            if let Timeline::Ring { context, .. } = timeline {
                self.venus_failed(context);
            }
        }
        sent
    }

    /// Looks which fences were reached. To be called when one of [`Self::poll_fds`] is readable, and
    /// every few milliseconds while [`Self::needs_polling`].
    pub fn poll(&mut self) {
        // SAFETY: the library has started; it calls the callbacks from here, which find their state in
        // its box.
        unsafe { (self.functions.poll)() };
    }

    /// The fences that were reached since the last time and that no listener has heard of, on each timeline in their
    /// order.
    pub fn take_reached(&mut self) -> Vec<Fence> {
        self.callbacks.fences().take_reached()
    }

    /// Readable when fences were reached. To be asked again after contexts came or went.
    pub fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        let venus = self.contexts.keys().filter(|id| self.is_venus(**id));
        // SAFETY: the library has these contexts, and only numbers are handed over.
        let of_venus = venus.map(|id| unsafe { (self.functions.context_get_poll_fd)(*id) });
        let all = std::iter::once(self.own_poll_fd()).chain(of_venus);
        all.filter(|fd| *fd >= 0)
            // SAFETY: the library keeps its descriptor as long as it runs, and a context's as long as
            // the context is there; both end by methods that take `self` mutably.
            .map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
            .collect()
    }

    /// Whether fences are awaited that no file descriptor tells of.
    pub fn needs_polling(&self) -> bool {
        self.own_poll_fd() < 0 && self.offers(CAPSET_VIRGL) && !self.callbacks.fences().is_idle()
    }

    fn own_poll_fd(&self) -> i32 {
        // SAFETY: nothing is handed over.
        unsafe { (self.functions.get_poll_fd)() }
    }

    /// Back to the state after the start: no contexts, no resources, no fences, no backings.
    ///
    /// Not by the library's own function, after which version 0.10 has no thread that waits for fences.
    pub fn reset(&mut self) {
        let contexts: Vec<_> = self.contexts.keys().copied().collect();
        self.callbacks.fences().forget();
        for context in contexts {
            // It exists: nothing is left to be wrong.
            let _ = self.destroy_context(context);
        }
        let resources: Vec<_> = self.resources.keys().copied().collect();
        for resource in resources {
            let _ = self.unref(resource);
        }
        self.callbacks.fences().forget();
    }

    fn offers(&self, capset: u32) -> bool {
        self.capsets.iter().any(|offered| offered.id == capset)
    }
}

impl Drop for Virgl {
    fn drop(&mut self) {
        // Takes the guest's memory back first.
        self.reset();
        // SAFETY: the library has started, and is not called afterwards: only one is ever made.
        unsafe { (self.functions.cleanup)(ptr::null_mut()) };
    }
}

/// How many bytes of the host's a texture takes at least, for quotas.
///
/// # Errors
/// It is too large, or of a format that can't be measured: [`Virgl::create_texture`] refuses it, too.
pub fn texture_bytes(texture: &Texture) -> Result<u64, Failure> {
    Ok(Layout::of(texture)?.bytes().unwrap_or(u64::MAX))
}
