//! What we decide about each protocol.

mod buffer;
mod compositor;
mod cursor_shape;
mod data_device;
mod dmabuf;
mod drm_syncobj;
mod fractional_scale;
mod idle;
mod output;
mod pointer_constraints;
mod pointer_gestures;
mod presentation;
mod relative_pointer;
mod seat;
mod shm;
mod shortcuts_inhibit;
mod single_pixel_buffer;
mod subcompositor;
mod tablet;
mod viewporter;
mod xdg_decoration;
mod xdg_shell;
mod xdg_toplevel_tag;

pub(crate) use drm_syncobj::syncobj_global;
pub(crate) use fractional_scale::prefer_scale;
pub(super) use idle::idle_notifier_global;
pub(crate) use output::Departed;
