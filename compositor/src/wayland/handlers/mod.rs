//! What we decide about each protocol.

mod buffer;
mod compositor;
mod data_device;
mod dmabuf;
mod fractional_scale;
mod output;
mod presentation;
mod seat;
mod shm;
mod single_pixel_buffer;
mod viewporter;
mod xdg_decoration;
mod xdg_shell;
mod xdg_toplevel_tag;
