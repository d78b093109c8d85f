//! What a client notes down.

use std::time::Duration;

use wayland_client::{
    Connection, Dispatch, QueueHandle, delegate_noop,
    protocol::{
        wl_buffer::{self, WlBuffer},
        wl_callback::{self, WlCallback},
        wl_compositor::WlCompositor,
        wl_registry::{self, WlRegistry},
        wl_shm::WlShm,
        wl_shm_pool::WlShmPool,
        wl_subcompositor::WlSubcompositor,
        wl_subsurface::WlSubsurface,
    },
};
use wayland_protocols::{
    wp::{
        linux_dmabuf::zv1::client::{
            zwp_linux_buffer_params_v1::{self, ZwpLinuxBufferParamsV1},
            zwp_linux_dmabuf_feedback_v1::ZwpLinuxDmabufFeedbackV1,
            zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1,
        },
        presentation_time::client::{
            wp_presentation::WpPresentation,
            wp_presentation_feedback::{self, WpPresentationFeedback},
        },
        single_pixel_buffer::v1::client::wp_single_pixel_buffer_manager_v1::WpSinglePixelBufferManagerV1,
        viewporter::client::{wp_viewport::WpViewport, wp_viewporter::WpViewporter},
    },
    xdg::{
        shell::client::{
            xdg_popup::{self, XdgPopup},
            xdg_positioner::XdgPositioner,
            xdg_surface::{self, XdgSurface},
            xdg_toplevel::{self, XdgToplevel},
            xdg_wm_base::{self, XdgWmBase},
        },
        toplevel_tag::v1::client::xdg_toplevel_tag_manager_v1::XdgToplevelTagManagerV1,
    },
};

use super::{Configure, Frame, Seen, Shown, Sync};

impl Dispatch<WlRegistry, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlRegistry,
        event: wl_registry::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            wl_registry::Event::Global {
                name,
                interface,
                version,
            } => {
                seen.monitors.announced(&interface, name);
                seen.globals.insert(interface, (name, version));
            }
            wl_registry::Event::GlobalRemove { name } => seen.monitors.withdrawn(name),
            _ => {}
        }
    }
}

impl Dispatch<WlCallback, Sync> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlCallback,
        _: wl_callback::Event,
        number: &Sync,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        seen.syncs.push(number.0);
    }
}

impl Dispatch<WlCallback, Frame> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlCallback,
        _: wl_callback::Event,
        number: &Frame,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        seen.callbacks.push(number.0);
    }
}

impl Dispatch<WpPresentationFeedback, u32> for Seen {
    fn event(
        seen: &mut Self,
        _: &WpPresentationFeedback,
        event: wp_presentation_feedback::Event,
        number: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let wide = |high: u32, low: u32| (u64::from(high) << 32) | u64::from(low);
        let shown = match event {
            wp_presentation_feedback::Event::Presented {
                tv_sec_hi,
                tv_sec_lo,
                tv_nsec,
                refresh,
                seq_hi,
                seq_lo,
                flags,
            } => Shown::Presented {
                at: Duration::new(wide(tv_sec_hi, tv_sec_lo), tv_nsec),
                refresh: Duration::from_nanos(refresh.into()),
                sequence: wide(seq_hi, seq_lo),
                flags,
            },
            wp_presentation_feedback::Event::Discarded => Shown::Discarded,
            _ => return,
        };
        seen.shown.insert(*number, shown);
    }
}

impl Dispatch<XdgWmBase, ()> for Seen {
    fn event(
        _: &mut Self,
        wm_base: &XdgWmBase,
        event: xdg_wm_base::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            wm_base.pong(serial);
        }
    }
}

impl Dispatch<XdgSurface, ()> for Seen {
    fn event(
        _: &mut Self,
        xdg_surface: &XdgSurface,
        event: xdg_surface::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_surface::Event::Configure { serial } = event {
            xdg_surface.ack_configure(serial);
        }
    }
}

impl Dispatch<XdgToplevel, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &XdgToplevel,
        event: xdg_toplevel::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_toplevel::Event::Configure {
            width,
            height,
            states,
        } = event
        {
            let has = |state: xdg_toplevel::State| {
                let state = (state as u32).to_ne_bytes();
                states.chunks_exact(4).any(|other| other == state)
            };
            seen.configures.push(Configure {
                width,
                height,
                activated: has(xdg_toplevel::State::Activated),
                fullscreen: has(xdg_toplevel::State::Fullscreen),
            });
        }
    }
}

impl Dispatch<XdgPopup, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &XdgPopup,
        event: xdg_popup::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_popup::Event::PopupDone = event {
            seen.menus_closed += 1;
        }
    }
}

impl Dispatch<WlBuffer, ()> for Seen {
    fn event(
        seen: &mut Self,
        buffer: &WlBuffer,
        event: wl_buffer::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_buffer::Event::Release = event {
            seen.released.push(buffer.clone());
        }
    }
}

impl Dispatch<ZwpLinuxBufferParamsV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpLinuxBufferParamsV1,
        event: zwp_linux_buffer_params_v1::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwp_linux_buffer_params_v1::Event::Created { buffer } => {
                seen.dmabufs_created.push(buffer);
            }
            zwp_linux_buffer_params_v1::Event::Failed => seen.dmabufs_failed += 1,
            _ => {}
        }
    }

    wayland_client::event_created_child!(Seen, ZwpLinuxBufferParamsV1, [
        zwp_linux_buffer_params_v1::EVT_CREATED_OPCODE => (WlBuffer, ()),
    ]);
}

delegate_noop!(Seen: WlCompositor);
delegate_noop!(Seen: WlSubcompositor);
delegate_noop!(Seen: WlSubsurface);
delegate_noop!(Seen: ignore WlShm);
delegate_noop!(Seen: WlShmPool);
delegate_noop!(Seen: WpViewporter);
delegate_noop!(Seen: WpViewport);
delegate_noop!(Seen: ignore WpPresentation);
delegate_noop!(Seen: WpSinglePixelBufferManagerV1);
delegate_noop!(Seen: XdgToplevelTagManagerV1);
delegate_noop!(Seen: XdgPositioner);
delegate_noop!(Seen: ignore ZwpLinuxDmabufV1);
delegate_noop!(Seen: ignore ZwpLinuxDmabufFeedbackV1);
