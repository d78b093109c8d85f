//! 3D contexts: one for each program of the guest that draws, each with a capset that says what its
//! command streams are.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use protocols::virtio_gpu::{ErrorCode, Response};

use super::{Context, Gpu, Order, Outcome, Purpose, Ticket};
use crate::renderer::{Capset, Request};

/// Which part of CTX_CREATE's `context_init` names the capset.
const CAPSET_MASK: u32 = 0xff;

/// The guest's contexts that the renderer has, or will have once it has come so far.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    by_id: BTreeMap<u32, Context3d>,
}

#[derive(Debug)]
struct Context3d {
    /// The command that made it: an id may be used again.
    born: Ticket,
    /// The resources that it may use.
    attached: BTreeSet<u32>,
}

impl Contexts {
    pub(super) fn check(&self, id: u32) -> Result<(), ErrorCode> {
        match self.by_id.contains_key(&id) {
            true => Ok(()),
            false => Err(ErrorCode::InvalidContextId),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The renderer could not make a context.
    pub(super) fn was_not_made(&mut self, id: u32, born: Ticket) {
        if let Entry::Occupied(entry) = self.by_id.entry(id)
            && entry.get().born == born
        {
            entry.remove();
        }
    }

    /// A resource is gone.
    pub(super) fn forget_resource(&mut self, resource: u32) {
        for context in self.by_id.values_mut() {
            context.attached.remove(&resource);
        }
    }

    /// Whether a context may use a resource.
    pub(super) fn uses(&self, id: u32, resource: u32) -> bool {
        let context = self.by_id.get(&id);
        context.is_some_and(|context| context.attached.contains(&resource))
    }

    /// All are gone.
    pub(super) fn clear(&mut self) {
        self.by_id.clear();
    }

    #[cfg(test)]
    pub(in crate::gpu) fn attached(&self) -> impl Iterator<Item = u32> {
        self.by_id
            .values()
            .flat_map(|context| context.attached.iter().copied())
    }
}

impl Gpu {
    /// GET_CAPSET_INFO.
    pub(in crate::gpu) fn capset_info(
        index: u32,
        context: &Context<'_>,
    ) -> Result<Response, ErrorCode> {
        let index = usize::try_from(index).map_err(|_| ErrorCode::InvalidParameter)?;
        let capset = context.renderer.capsets().get(index);
        let capset = capset.ok_or(ErrorCode::InvalidParameter)?;
        Ok(Response::OkCapsetInfo {
            capset_id: capset.id,
            max_version: capset.version,
            max_size: u32::try_from(capset.data.len()).map_err(|_| ErrorCode::Unspec)?,
        })
    }

    /// GET_CAPSET.
    pub(in crate::gpu) fn capset(
        id: u32,
        version: u32,
        context: &Context<'_>,
    ) -> Result<Response, ErrorCode> {
        let is_it = |capset: &&Capset| capset.id == id && version <= capset.version;
        let capset = context.renderer.capsets().iter().find(is_it);
        let capset = capset.ok_or(ErrorCode::InvalidParameter)?;
        Ok(Response::OkCapset(capset.data.clone()))
    }

    /// CTX_CREATE.
    pub(super) fn create_context(
        &mut self,
        order: Order,
        context_init: u32,
        name: Option<&[u8]>,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let name = name.ok_or(ErrorCode::InvalidParameter)?;
        let capset = context_init & CAPSET_MASK;
        let mut capsets = context.renderer.capsets().iter();
        if capset != 0 && !capsets.any(|known| known.id == capset) {
            return Err(ErrorCode::InvalidParameter);
        }
        let contexts = &mut self.three_d.contexts;
        let count = contexts.len();
        let Entry::Vacant(vacant) = contexts.by_id.entry(order.context) else {
            return Err(ErrorCode::InvalidContextId);
        };
        if order.context == 0 {
            return Err(ErrorCode::InvalidContextId);
        }
        if !self.quota.allows_context_besides(count) {
            return Err(ErrorCode::OutOfMemory);
        }
        vacant.insert(Context3d {
            born: order.ticket,
            attached: BTreeSet::new(),
        });
        let purpose = Purpose::MakeContext(order.context);
        let request = Request::CreateContext {
            context: order.context,
            capset,
            name,
        };
        Ok(self.three_d.command(order, purpose, request, context))
    }

    /// CTX_DESTROY.
    pub(super) fn destroy_context(
        &mut self,
        order: Order,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let destroyed = self.three_d.contexts.by_id.remove(&order.context);
        destroyed.ok_or(ErrorCode::InvalidContextId)?;
        let request = Request::DestroyContext(order.context);
        Ok(self.three_d.command(order, Purpose::Also, request, context))
    }

    /// CTX_ATTACH_RESOURCE. What the renderer does not know yet it gets to know now.
    pub(super) fn attach_to_context(
        &mut self,
        order: Order,
        resource: u32,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        self.three_d.contexts.check(order.context)?;
        self.make_rendered(resource, context)?;
        let used = self.three_d.contexts.by_id.get_mut(&order.context);
        let used = used.ok_or(ErrorCode::InvalidContextId)?;
        if !used.attached.insert(resource) {
            return Ok(Outcome::Now(Response::OkNodata));
        }
        let request = Request::AttachToContext {
            context: order.context,
            resource,
        };
        Ok(self
            .three_d
            .command(order, Purpose::Command, request, context))
    }

    /// CTX_DETACH_RESOURCE.
    pub(super) fn detach_from_context(
        &mut self,
        order: Order,
        resource: u32,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let used = self.three_d.contexts.by_id.get_mut(&order.context);
        let used = used.ok_or(ErrorCode::InvalidContextId)?;
        self.resources.get(resource)?;
        if !used.attached.remove(&resource) {
            return Ok(Outcome::Now(Response::OkNodata));
        }
        let request = Request::DetachFromContext {
            context: order.context,
            resource,
        };
        Ok(self.three_d.command(order, Purpose::Also, request, context))
    }
}
