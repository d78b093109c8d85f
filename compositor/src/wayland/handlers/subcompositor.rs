//! `wl_subcompositor`: surfaces on surfaces.

use smithay::{
    reexports::wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, Resource,
        protocol::{
            wl_subcompositor::{self, WlSubcompositor},
            wl_surface::WlSurface,
        },
    },
    wayland::compositor::{CompositorState, get_children, get_parent},
};

use crate::state::State;

/// The highest tower of surfaces. smithay walks them by recursion: some thousands overflow the stack,
/// and everybody's windows are gone.
const MAX_DEPTH: usize = 64;

impl Dispatch<WlSubcompositor, ()> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        subcompositor: &WlSubcompositor,
        request: wl_subcompositor::Request,
        data: &(),
        display: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        if let wl_subcompositor::Request::GetSubsurface {
            surface, parent, ..
        } = &request
            && surfaces_below(parent) + surfaces_above(surface) > MAX_DEPTH
        {
            subcompositor.post_error(
                wl_subcompositor::Error::BadParent,
                format!("there are more than {MAX_DEPTH} surfaces on top of each other"),
            );
            return;
        }
        <CompositorState as Dispatch<WlSubcompositor, (), Self>>::request(
            state,
            client,
            subcompositor,
            request,
            data,
            display,
            data_init,
        );
    }
}

/// How many surfaces a tower has down from one, with that one; at most one more than may be.
fn surfaces_below(top: &WlSurface) -> usize {
    let below = std::iter::successors(Some(top.clone()), get_parent);
    below.take(MAX_DEPTH + 1).count()
}

/// How many surfaces the highest tower has up from one, with that one; at most one more than may be.
fn surfaces_above(bottom: &WlSurface) -> usize {
    let mut floor = vec![bottom.clone()];
    let mut height = 0;
    while !floor.is_empty() && height <= MAX_DEPTH {
        floor = floor.iter().flat_map(get_children).collect();
        height += 1;
    }
    height
}
