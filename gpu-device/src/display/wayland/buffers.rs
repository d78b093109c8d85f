//! The `wl_buffer`s' life: which one is attached, and when the host is done with it.
//!
//! A buffer of the core can have several `wl_buffer`s over the same memory, because the host
//! says that it is done per `wl_buffer` and not per frame:
//!
//! - one per scanout: releases of a `wl_buffer` on two surfaces are undefined by the protocol;
//! - for shared memory, one per frame that the host still holds. Hosts copy shared memory at a
//!   moment of their choice and release it then, so that a release which crosses the next commit
//!   of the same `wl_buffer` would be taken for that commit's. Another `wl_buffer` costs nothing;
//! - for a dma-buf likewise, except that the one which was attached last is attached again as it
//!   is. It is read in place and hence held until it is replaced; and another `wl_buffer` would
//!   cost the host an import and its screen a real flip. The one release that the host sends in
//!   the end stands for all the frames.
//!
//! Explicit synchronisation (linux-drm-syncobj) is not used. To wait before a frame there is
//! nothing: a guest has drawn when it flushes. What it could tell is when the host's graphics card
//! has read a buffer, where the host releases it earlier; but its timelines are objects of a
//! graphics card, and this process opens none.
//!
//! ```text
//!              ┌────── created ──────┐     ┌─── attach, uses + 1 ───┐
//! Deciding ────┤                     ├──▶ Made ◀── release, uses = 0 ┘
//! (dma-buf)    └─ failed: refused    │ (shared memory starts here)
//! ```

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use protocols::virtio_gpu::Rect;
use rustix::fs::{SeekFrom, seek};
use tracing::debug;
use wayland_client::{
    Connection, Dispatch, QueueHandle, event_created_child,
    protocol::wl_buffer::{self, WlBuffer},
};
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    self, ZwpLinuxBufferParamsV1,
};

use super::{
    State,
    formats::Formats,
    globals::Globals,
    objects::{Handle, Imported, Memory, Object, Pool},
};
use crate::display::{BufferId, DisplayEvent, PixelLayout, PixelMemory, Refused, ScanoutId};

/// Every buffer that the core has named, and those `wl_buffer`s that outlive their name.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    imported: BTreeMap<BufferId, Imported>,
    /// Still on a screen although the core has forgotten them.
    retired: Vec<Object>,
    /// What was attached last to each scanout's surface.
    latest: BTreeMap<ScanoutId, WlBuffer>,
}

/// What came of the wish to attach a buffer.
#[derive(Debug)]
pub(super) enum Attach {
    /// Attach this one, which begins at this corner of the core's buffer.
    Now {
        object: WlBuffer,
        corner: (u32, u32),
    },
    /// The host is still deciding whether it takes the memory.
    NotYet,
    /// There is no such buffer (any more).
    Unknown,
}

impl Buffers {
    /// See [`Display::import`](crate::display::Display::import).
    pub(super) fn import(
        &mut self,
        buffer: BufferId,
        layout: PixelLayout,
        memory: PixelMemory,
        globals: &Globals,
        formats: &Formats,
        handle: &QueueHandle<State>,
    ) -> Result<(), Refused> {
        let layout = PixelLayout {
            format: layout.format.opaque(),
            ..layout
        };
        let memory = match memory {
            PixelMemory::Shm { fd, size } => {
                let format = formats
                    .shm(layout.format)
                    .ok_or(Refused::FormatNotOffered)?;
                let pool = self
                    .pool(fd, size, globals, handle)
                    .ok_or(Refused::ImportFailed)?;
                Memory::Shm { pool, format }
            }
            PixelMemory::DmaBuf(fd) => {
                let factory = globals.dmabuf.clone().ok_or(Refused::NoLinuxDmabuf)?;
                if !formats.takes_dmabuf(layout.format) {
                    return Err(Refused::FormatNotOffered);
                }
                let size = seek(&fd, SeekFrom::End(0)).map_err(|_| Refused::ImportFailed)?;
                Memory::DmaBuf { fd, size, factory }
            }
            PixelMemory::Image(image) => {
                let factory = globals.dmabuf.clone().ok_or(Refused::NoLinuxDmabuf)?;
                let fourcc = layout.format.drm_fourcc();
                if !formats.takes(fourcc, image.modifier) {
                    return Err(Refused::FormatNotOffered);
                }
                Memory::Image {
                    image,
                    fourcc,
                    factory,
                }
            }
        };
        let mut imported = Imported {
            layout,
            memory,
            objects: Vec::new(),
        };
        let whole = imported.whole();
        let Some(object) = imported.make(whole, handle) else {
            debug!(?layout, "the host would not take this layout");
            return Err(Refused::ImportFailed);
        };
        imported.objects.push(object);
        self.imported.insert(buffer, imported);
        Ok(())
    }

    /// Drops a buffer's name. What is on a screen is kept for as long as it is there. Returns
    /// how many frames of it the host had not released.
    pub(super) fn forget(&mut self, buffer: BufferId) -> usize {
        let Some(imported) = self.imported.remove(&buffer) else {
            return 0;
        };
        let held = imported
            .objects
            .into_iter()
            .filter(|object| object.uses > 0);
        let before = self.retired.len();
        self.retired.extend(held);
        self.retired
            .iter()
            .skip(before)
            .map(|object| object.uses)
            .sum()
    }

    /// A `wl_buffer` for the next frame of a scanout, which is counted as attached.
    pub(super) fn attach(
        &mut self,
        buffer: BufferId,
        scanout: ScanoutId,
        source: Rect,
        globals: &Globals,
        handle: &QueueHandle<State>,
    ) -> Attach {
        let Some(imported) = self.imported.get_mut(&buffer) else {
            return Attach::Unknown;
        };
        // Where the host can't show a part of a buffer, the part becomes a buffer.
        let part = match globals.viewporter {
            Some(_) => imported.whole(),
            None => imported.reachable(source),
        };
        let again = match imported.memory {
            Memory::DmaBuf { .. } | Memory::Image { .. } => self.latest.get(&scanout),
            Memory::Shm { .. } => None,
        };
        let index = imported
            .objects
            .iter()
            .position(|object| object.part == part && object.can_serve(scanout, again));
        let object = match index.and_then(|index| imported.objects.get_mut(index)) {
            Some(object) => object,
            None => {
                imported
                    .objects
                    .retain(|object| !object.is_outdated(scanout, part));
                match imported.make(part, handle) {
                    Some(object) => imported.objects.push_mut(object),
                    None => return Attach::Unknown,
                }
            }
        };
        object.scanout = Some(scanout);
        match &object.handle {
            Handle::Deciding(_) => Attach::NotYet,
            Handle::Made(proxy) => {
                object.uses += 1;
                self.latest.insert(scanout, proxy.clone());
                Attach::Now {
                    object: proxy.clone(),
                    corner: (part.x, part.y),
                }
            }
        }
    }

    /// Whether `source` lies within the buffer; none where there is no such buffer.
    pub(super) fn contains(&self, buffer: BufferId, source: Rect) -> Option<bool> {
        let whole = self.imported.get(&buffer)?.whole();
        Some(whole.contains(&source) && !source.is_empty())
    }

    /// Whether this part is all of the buffer.
    pub(super) fn is_whole(&self, buffer: BufferId, source: Rect) -> bool {
        self.imported
            .get(&buffer)
            .is_some_and(|imported| imported.whole() == source)
    }

    /// The surface of a scanout is gone, and with it everything that was attached to it. Returns
    /// the buffers of which the host had not released some frames, and how many.
    pub(super) fn scanout_gone(&mut self, scanout: ScanoutId) -> Vec<(BufferId, usize)> {
        self.latest.remove(&scanout);
        self.retired
            .retain(|object| object.scanout != Some(scanout));
        let mut released = Vec::new();
        for (buffer, imported) in &mut self.imported {
            let mut uses = 0;
            imported.objects.retain_mut(|object| {
                if object.scanout != Some(scanout) {
                    return true;
                }
                // A release that is on its way would be taken for that of a later frame.
                uses += object.uses;
                object.scanout = None;
                object.uses == 0
            });
            if uses > 0 {
                released.push((*buffer, uses));
            }
        }
        released
    }

    fn pool(
        &self,
        fd: Arc<OwnedFd>,
        size: u64,
        globals: &Globals,
        handle: &QueueHandle<State>,
    ) -> Option<Arc<Pool>> {
        let known = self
            .imported
            .values()
            .find_map(|imported| match &imported.memory {
                Memory::Shm { pool, .. } if pool.size == size && Arc::ptr_eq(&pool.fd, &fd) => {
                    Some(Arc::clone(pool))
                }
                _ => None,
            });
        known.or_else(|| {
            let length = i32::try_from(size).ok()?;
            let proxy = globals.shm.create_pool(fd.as_fd(), length, handle, ());
            Some(Arc::new(Pool { fd, size, proxy }))
        })
    }

    /// The host is done with a `wl_buffer`. Returns whose it was and how many frames that ends.
    fn released(&mut self, proxy: &WlBuffer) -> Option<(BufferId, usize)> {
        self.retired.retain(|object| !object.is(proxy));
        self.imported.iter_mut().find_map(|(buffer, imported)| {
            let object = imported
                .objects
                .iter_mut()
                .find(|object| object.is(proxy))?;
            Some((*buffer, std::mem::take(&mut object.uses)))
        })
    }

    /// The host has made a `wl_buffer`. Returns whose it is.
    fn made(&mut self, params: &ZwpLinuxBufferParamsV1, proxy: WlBuffer) -> Option<BufferId> {
        let (buffer, object) = self
            .imported
            .iter_mut()
            .find_map(|(buffer, imported)| {
                let object = imported
                    .objects
                    .iter_mut()
                    .find(|object| object.awaits(params))?;
                Some((*buffer, object))
            })
            .or_else(|| {
                // Forgotten in the meantime.
                proxy.destroy();
                None
            })?;
        object.handle = Handle::Made(proxy);
        Some(buffer)
    }

    /// Whose `wl_buffer` the host is making with these parameters.
    fn asking(&self, params: &ZwpLinuxBufferParamsV1) -> Option<BufferId> {
        let mut imported = self.imported.iter();
        let found = imported
            .find(|(_, imported)| imported.objects.iter().any(|object| object.awaits(params)));
        found.map(|(buffer, _)| *buffer)
    }
}

impl Dispatch<WlBuffer, ()> for State {
    fn event(
        state: &mut Self,
        buffer: &WlBuffer,
        event: wl_buffer::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_buffer::Event::Release = event
            && let Some((buffer, uses)) = state.buffers.released(buffer)
        {
            state.report_released(buffer, uses);
        }
    }
}

impl Dispatch<ZwpLinuxBufferParamsV1, ()> for State {
    fn event(
        state: &mut Self,
        params: &ZwpLinuxBufferParamsV1,
        event: zwp_linux_buffer_params_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwp_linux_buffer_params_v1::Event::Created { buffer } => {
                if let Some(buffer) = state.buffers.made(params, buffer) {
                    state.show_waiting_for(buffer);
                }
            }
            zwp_linux_buffer_params_v1::Event::Failed => {
                if let Some(buffer) = state.buffers.asking(params) {
                    state.refuse(buffer);
                }
            }
            _ => return,
        }
        params.destroy();
    }

    event_created_child!(State, ZwpLinuxBufferParamsV1, [
        zwp_linux_buffer_params_v1::EVT_CREATED_OPCODE => (WlBuffer, ()),
    ]);
}

impl State {
    /// Reports that the host has released so many frames of a buffer.
    pub(super) fn report_released(&mut self, buffer: BufferId, uses: usize) {
        self.events
            .extend(std::iter::repeat_n(DisplayEvent::Released(buffer), uses));
    }

    /// The host has tried a dma-buf and can't use it: its frames are dropped.
    fn refuse(&mut self, buffer: BufferId) {
        let uses = self.buffers.forget(buffer);
        self.report_released(buffer, uses);
        self.drop_waiting_for(buffer);
        self.events
            .push_back(DisplayEvent::ImportRefused(buffer, Refused::ImportFailed));
    }
}
