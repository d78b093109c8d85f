//! Which framebuffer is whose: what the kernel knows only as a number.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use smithay::{
    backend::allocator::Format,
    reexports::{
        drm::control::framebuffer,
        wayland_server::{Resource as _, backend::ObjectId, protocol::wl_buffer::WlBuffer},
    },
};

/// What is known of a framebuffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its format.
    pub format: Format,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The client's buffer that it is; `None` for pictures that are composed here.
    pub buffer: Option<ObjectId>,
}

/// The framebuffers of a card; clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Framebuffers(Rc<RefCell<HashMap<framebuffer::Handle, Known>>>);

/// Keeps a framebuffer on the list.
#[derive(Debug)]
pub struct Listed {
    list: Framebuffers,
    handle: framebuffer::Handle,
}

impl Framebuffers {
    /// Puts a framebuffer on the list for as long as the answer lives.
    #[must_use]
    pub fn list(
        &self,
        handle: framebuffer::Handle,
        format: Format,
        size: (u32, u32),
        buffer: Option<&WlBuffer>,
    ) -> Listed {
        let known = Known {
            format,
            size,
            buffer: buffer.map(WlBuffer::id),
        };
        self.0.borrow_mut().insert(handle, known);
        Listed {
            list: self.clone(),
            handle,
        }
    }

    /// What is known of a framebuffer.
    #[must_use]
    pub fn get(&self, handle: framebuffer::Handle) -> Option<Known> {
        self.0.borrow().get(&handle).cloned()
    }

    /// The clients' buffers among them.
    #[must_use]
    pub fn buffers(&self) -> HashSet<ObjectId> {
        let known = self.0.borrow();
        known
            .values()
            .filter_map(|known| known.buffer.clone())
            .collect()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.list.0.borrow_mut().remove(&self.handle);
    }
}
