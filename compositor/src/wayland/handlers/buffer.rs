//! `wl_buffer`.

use smithay::{
    reexports::wayland_server::protocol::wl_buffer::WlBuffer, wayland::buffer::BufferHandler,
};

use crate::state::State;

impl BufferHandler for State {
    /// The renderers notice by themselves.
    fn buffer_destroyed(&mut self, _: &WlBuffer) {}
}
