//! What the test compositor does with each request: it writes one line about it.

use std::{fs::File, io::Write, os::fd::AsFd, sync::Mutex};

use protocols::{
    virtio_gpu::Format,
    wayland::server::{
        lucarne_guest_cursor_v1::{self, LucarneGuestCursorV1},
        lucarne_guest_manager_v1::{self, LucarneGuestManagerV1},
        lucarne_guest_scanout_v1::{self, Extent, LucarneGuestScanoutV1},
    },
};
use rustix::fs::{MemfdFlags, memfd_create};
use wayland_protocols::{
    wp::{
        linux_dmabuf::zv1::server::{
            zwp_linux_buffer_params_v1::{self, Flags, ZwpLinuxBufferParamsV1},
            zwp_linux_dmabuf_feedback_v1::ZwpLinuxDmabufFeedbackV1,
            zwp_linux_dmabuf_v1::{self, ZwpLinuxDmabufV1},
        },
        presentation_time::server::{
            wp_presentation::{self, WpPresentation},
            wp_presentation_feedback::WpPresentationFeedback,
        },
        viewporter::server::{
            wp_viewport::{self, WpViewport},
            wp_viewporter::{self, WpViewporter},
        },
    },
    xdg::{
        decoration::zv1::server::{
            zxdg_decoration_manager_v1::{self, ZxdgDecorationManagerV1},
            zxdg_toplevel_decoration_v1::{self, ZxdgToplevelDecorationV1},
        },
        shell::server::{
            xdg_surface::{self, XdgSurface},
            xdg_toplevel::{self, XdgToplevel},
            xdg_wm_base::{self, XdgWmBase},
        },
        toplevel_tag::v1::server::xdg_toplevel_tag_manager_v1::{self, XdgToplevelTagManagerV1},
    },
};
use wayland_server::{
    Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
    protocol::{
        wl_buffer::{self, WlBuffer},
        wl_callback::WlCallback,
        wl_compositor::{self, WlCompositor},
        wl_output::{self, WlOutput},
        wl_region::{self, WlRegion},
        wl_shm::{self, WlShm},
        wl_shm_pool::{self, WlShmPool},
        wl_subcompositor::{self, WlSubcompositor},
        wl_subsurface::{self, WlSubsurface},
        wl_surface::{self, WlSurface},
    },
};

use super::host::{Desk, LINEAR_FORMATS, Surface};

/// Implements `Dispatch` with a body that sees the names given here.
macro_rules! on {
    ($iface:ty, $data:ty, |$desk:ident, $client:ident, $object:ident, $request:ident, $udata:ident, $handle:ident, $init:ident| $body:block) => {
        impl Dispatch<$iface, $data> for Desk {
            fn request(
                $desk: &mut Self,
                $client: &Client,
                $object: &$iface,
                $request: <$iface as Resource>::Request,
                $udata: &$data,
                $handle: &DisplayHandle,
                $init: &mut DataInit<'_, Self>,
            ) {
                let _ = (&$desk, &$client, &$object, &$udata, &$handle, &$init);
                $body
            }
        }
    };
}

/// Implements `GlobalDispatch` with a body that sees the new object.
macro_rules! on_bind {
    ($iface:ty, |$desk:ident, $object:ident| $body:block) => {
        impl GlobalDispatch<$iface, ()> for Desk {
            fn bind(
                $desk: &mut Self,
                _: &DisplayHandle,
                _: &Client,
                new: New<$iface>,
                (): &(),
                init: &mut DataInit<'_, Self>,
            ) {
                let $object = init.init(new, ());
                let _ = (&$desk, &$object);
                $body
            }
        }
    };
}

/// Implements `Dispatch` for objects whose requests don't matter.
macro_rules! silent {
    ($iface:ty) => {
        on!($iface, (), |desk,
                         client,
                         object,
                         request,
                         data,
                         handle,
                         init| {
            let _ = request;
        });
    };
}

pub(super) mod seat;
pub(super) mod windows;

on_bind!(WlCompositor, |desk, object| {});
on_bind!(WlSubcompositor, |desk, object| {});
on_bind!(WpViewporter, |desk, object| {});
on_bind!(ZxdgDecorationManagerV1, |desk, object| {});
on_bind!(XdgToplevelTagManagerV1, |desk, object| {});
on_bind!(LucarneGuestManagerV1, |desk, object| {});
on_bind!(WlOutput, |desk, output| { desk.outputs.push(output) });
on_bind!(XdgWmBase, |desk, shell| { desk.shells.push(shell) });
on_bind!(WpPresentation, |desk, presentation| {
    presentation.clock_id(desk.offer.clock);
});
on_bind!(WlShm, |desk, shm| {
    shm.format(wl_shm::Format::Argb8888);
    shm.format(wl_shm::Format::Xrgb8888);
});
on_bind!(ZwpLinuxDmabufV1, |desk, dmabuf| {
    if dmabuf.version() == 3 {
        for format in LINEAR_FORMATS {
            dmabuf.modifier(format.drm_fourcc(), 0, 0);
        }
        // Offered, but only in a layout that nobody knows.
        dmabuf.modifier(Format::Xbgr8888.drm_fourcc(), 0x00ff_ffff, 0xffff_ffff);
    }
});

/// A layout of some graphics card.
pub(super) const TILED: u64 = 0x0123_0000_4567_89ab;

/// Tells a client the formats, with some of other layouts among them.
pub(super) fn send_formats(feedback: &ZwpLinuxDmabufFeedbackV1, formats: &[Format]) {
    let mut table = Vec::new();
    let mut indices = Vec::new();
    let others = [
        (Format::Xbgr8888, 0x00ff_ffff_ffff_ffff_u64),
        (Format::Bgrx8888, TILED),
    ];
    for (format, modifier) in formats.iter().map(|format| (*format, 0)).chain(others) {
        indices.extend(u16::try_from(table.len() / 16).unwrap().to_ne_bytes());
        table.extend(format.drm_fourcc().to_ne_bytes());
        table.extend([0; 4]);
        table.extend(modifier.to_ne_bytes());
    }
    // One that the table does not have.
    indices.extend(999_u16.to_ne_bytes());
    let mut file = File::from(memfd_create("formats", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(&table).unwrap();
    feedback.format_table(file.as_fd(), table.len().try_into().unwrap());
    feedback.main_device(vec![0; 8]);
    feedback.tranche_target_device(vec![0; 8]);
    feedback.tranche_formats(indices);
    feedback.tranche_done();
    feedback.done();
}

on!(WlCompositor, (), |desk,
                       client,
                       object,
                       request,
                       data,
                       handle,
                       init| {
    match request {
        wl_compositor::Request::CreateSurface { id } => {
            let proxy = init.init(id, desk.surfaces.len());
            desk.surfaces.push(Surface {
                proxy,
                role: "surface",
                xdg: None,
                toplevel: None,
                callbacks: Vec::new(),
                feedbacks: Vec::new(),
                extras: windows::Extras::default(),
            });
        }
        wl_compositor::Request::CreateRegion { id } => {
            init.init(id, Mutex::new("nothing".to_owned()));
        }
        _ => {}
    }
});

on!(
    WlRegion,
    Mutex<String>,
    |desk, client, object, request, data, handle, init| {
        if let wl_region::Request::Add {
            x,
            y,
            width,
            height,
        } = request
        {
            *data.lock().unwrap() = format!("{x},{y} {width}x{height}");
        }
    }
);

on!(WlSurface, usize, |desk,
                       client,
                       object,
                       request,
                       surface,
                       handle,
                       init| {
    use wl_surface::Request;
    let surface = *surface;
    let region = |region: Option<WlRegion>| {
        let text = region.unwrap();
        text.data::<Mutex<String>>()
            .unwrap()
            .lock()
            .unwrap()
            .clone()
    };
    match request {
        Request::Attach { buffer, x: 0, y: 0 } => match buffer {
            None => desk.note_for(surface, "attach nothing"),
            Some(buffer) => {
                let number = *buffer.data::<usize>().unwrap();
                desk.note_for(surface, format!("attach buffer {number}"));
            }
        },
        Request::DamageBuffer {
            x,
            y,
            width,
            height,
        } => {
            desk.note_for(surface, format!("damage {x},{y} {width}x{height}"));
        }
        Request::Frame { callback } => {
            let callback = init.init(callback, ());
            desk.surfaces[surface].callbacks.push(callback);
            desk.note_for(surface, "callback");
        }
        Request::SetOpaqueRegion { region: r } => {
            desk.note_for(surface, format!("opaque {}", region(r)));
        }
        Request::SetInputRegion { region: r } => {
            desk.note_for(surface, format!("input {}", region(r)));
        }
        Request::Commit => desk.note_for(surface, "commit"),
        Request::Destroy => desk.note_for(surface, "destroy"),
        other => desk.note_for(surface, format!("unexpected {other:?}")),
    }
});

on!(WlSubcompositor, (), |desk,
                          client,
                          object,
                          request,
                          data,
                          handle,
                          init| {
    if let wl_subcompositor::Request::GetSubsurface {
        id,
        surface,
        parent,
    } = request
    {
        let (surface, parent) = (desk.surface(&surface), desk.surface(&parent));
        init.init(id, surface);
        desk.surfaces[surface].role = "part";
        desk.surfaces[surface].extras.parent = Some(parent);
    }
});

on!(WlSubsurface, usize, |desk,
                          client,
                          object,
                          request,
                          surface,
                          handle,
                          init| {
    match request {
        wl_subsurface::Request::SetPosition { x, y } => {
            desk.surfaces[*surface].extras.position = (x, y);
            desk.note_for(*surface, format!("position {x},{y}"));
        }
        // What goes its own way is a pointer; what surrounds a window goes with that.
        wl_subsurface::Request::SetDesync => {
            desk.surfaces[*surface].role = "pointer";
            let parent = desk.surfaces[*surface].extras.parent.unwrap();
            desk.note_for(*surface, format!("above surface {parent}"));
            desk.note_for(*surface, "desync");
        }
        wl_subsurface::Request::Destroy => desk.note_for(*surface, "destroy role"),
        other => desk.note_for(*surface, format!("unexpected {other:?}")),
    }
});

on!(WlShm, (), |desk,
                client,
                object,
                request,
                data,
                handle,
                init| {
    if let wl_shm::Request::CreatePool { id, size, .. } = request {
        let number = desk.pools;
        desk.pools += 1;
        init.init(id, number);
        desk.note(format!("pool {number}: {size} bytes"));
    }
});

on!(WlShmPool, usize, |desk,
                       client,
                       object,
                       request,
                       pool,
                       handle,
                       init| {
    match request {
        wl_shm_pool::Request::CreateBuffer {
            id,
            offset,
            width,
            height,
            stride,
            format,
        } => {
            let number = desk.buffers.len();
            let buffer = init.init(id, number);
            desk.buffers.push(buffer);
            let format = format.into_result().unwrap();
            desk.note(format!(
                "buffer {number}: {width}x{height} at {offset} stride {stride} {format:?} of pool {pool}"
            ));
        }
        wl_shm_pool::Request::Destroy => desk.note(format!("pool {pool}: destroy")),
        other => desk.note(format!("unexpected {other:?}")),
    }
});

on!(WlBuffer, usize, |desk,
                      client,
                      object,
                      request,
                      number,
                      handle,
                      init| {
    if let wl_buffer::Request::Destroy = request {
        desk.note(format!("buffer {number}: destroy"));
    }
});

on!(XdgWmBase, (), |desk,
                    client,
                    object,
                    request,
                    data,
                    handle,
                    init| {
    match request {
        xdg_wm_base::Request::GetXdgSurface { id, surface } => {
            let number = desk.surface(&surface);
            let xdg = init.init(id, number);
            desk.surfaces[number].role = "window";
            desk.surfaces[number].xdg = Some(xdg);
        }
        xdg_wm_base::Request::Pong { serial } => desk.note(format!("pong {serial}")),
        _ => {}
    }
});

on!(XdgSurface, usize, |desk,
                        client,
                        object,
                        request,
                        surface,
                        handle,
                        init| {
    use xdg_surface::Request;
    match request {
        Request::GetToplevel { id } => {
            let toplevel = init.init(id, *surface);
            desk.surfaces[*surface].toplevel = Some(toplevel);
        }
        Request::AckConfigure { serial } => desk.note_for(*surface, format!("ack {serial}")),
        Request::SetWindowGeometry {
            x: 0,
            y: 0,
            width,
            height,
        } => {
            desk.note_for(*surface, format!("geometry {width}x{height}"));
        }
        Request::SetWindowGeometry {
            x,
            y,
            width,
            height,
        } => {
            desk.note_for(*surface, format!("geometry {width}x{height} at {x},{y}"));
        }
        Request::Destroy => desk.note_for(*surface, "destroy role"),
        other => desk.note_for(*surface, format!("unexpected {other:?}")),
    }
});

on!(XdgToplevel, usize, |desk,
                         client,
                         object,
                         request,
                         surface,
                         handle,
                         init| {
    use xdg_toplevel::Request;
    match request {
        Request::SetTitle { title } => desk.note_for(*surface, format!("title {title}")),
        Request::SetAppId { app_id } => desk.note_for(*surface, format!("app id {app_id}")),
        Request::SetMinSize { width, height } => {
            desk.surfaces[*surface].extras.limits[0] = (width, height);
        }
        Request::SetMaxSize { width, height } => {
            desk.surfaces[*surface].extras.limits[1] = (width, height);
        }
        Request::SetFullscreen { output } => {
            let output = output.map(|output| desk.outputs.iter().position(|it| *it == output));
            desk.note_for(*surface, format!("full screen on {output:?}"));
        }
        Request::UnsetFullscreen => desk.note_for(*surface, "no full screen"),
        Request::SetMaximized => desk.note_for(*surface, "maximize"),
        Request::UnsetMaximized => desk.note_for(*surface, "no maximize"),
        Request::SetMinimized => desk.note_for(*surface, "minimize"),
        Request::Move { serial, .. } => desk.note_for(*surface, format!("move {serial}")),
        Request::Resize { serial, edges, .. } => {
            let edges = edges.into_result().unwrap();
            desk.note_for(*surface, format!("resize {edges:?} {serial}"));
        }
        Request::ShowWindowMenu { serial, x, y, .. } => {
            desk.note_for(*surface, format!("menu at {x},{y} {serial}"));
        }
        Request::Destroy => desk.note_for(*surface, "destroy toplevel"),
        other => desk.note_for(*surface, format!("unexpected {other:?}")),
    }
});

on!(
    XdgToplevelTagManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        if let xdg_toplevel_tag_manager_v1::Request::SetToplevelTag { toplevel, tag } = request {
            let surface = *toplevel.data::<usize>().unwrap();
            desk.note_for(surface, format!("tag {tag}"));
        }
    }
);

on!(
    ZxdgDecorationManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        if let zxdg_decoration_manager_v1::Request::GetToplevelDecoration { id, toplevel } = request
        {
            let surface = *toplevel.data::<usize>().unwrap();
            let decoration = init.init(id, surface);
            decoration.configure(match desk.offer.windows.bare {
                true => zxdg_toplevel_decoration_v1::Mode::ClientSide,
                false => zxdg_toplevel_decoration_v1::Mode::ServerSide,
            });
            desk.surfaces[surface].extras.decoration = Some(decoration);
        }
    }
);

on!(
    ZxdgToplevelDecorationV1,
    usize,
    |desk, client, object, request, surface, handle, init| {
        match request {
            zxdg_toplevel_decoration_v1::Request::SetMode { mode } => {
                let mode = mode.into_result().unwrap();
                desk.note_for(*surface, format!("decoration {mode:?}"));
            }
            _ => desk.note_for(*surface, "destroy decoration"),
        }
    }
);

on!(WpViewporter, (), |desk,
                       client,
                       object,
                       request,
                       data,
                       handle,
                       init| {
    if let wp_viewporter::Request::GetViewport { id, surface } = request {
        init.init(id, desk.surface(&surface));
    }
});

on!(WpViewport, usize, |desk,
                        client,
                        object,
                        request,
                        surface,
                        handle,
                        init| {
    match request {
        wp_viewport::Request::SetSource {
            x,
            y,
            width,
            height,
        } => {
            let line = if width < 0.0 {
                "source all".to_owned()
            } else {
                format!("source {x},{y} {width}x{height}")
            };
            desk.note_for(*surface, line);
        }
        wp_viewport::Request::SetDestination {
            width: -1,
            height: -1,
        } => {
            desk.note_for(*surface, "unscaled");
        }
        wp_viewport::Request::SetDestination { width, height } => {
            desk.surfaces[*surface].extras.size = (width, height);
            desk.note_for(*surface, format!("scaled to {width}x{height}"));
        }
        _ => desk.note_for(*surface, "destroy viewport"),
    }
});

on!(WpPresentation, (), |desk,
                         client,
                         object,
                         request,
                         data,
                         handle,
                         init| {
    if let wp_presentation::Request::Feedback { surface, callback } = request {
        let feedback = init.init(callback, ());
        let surface = desk.surface(&surface);
        desk.surfaces[surface].feedbacks.push(feedback);
        desk.note_for(surface, "feedback");
    }
});

on!(ZwpLinuxDmabufV1, (), |desk,
                           client,
                           object,
                           request,
                           data,
                           handle,
                           init| {
    match request {
        zwp_linux_dmabuf_v1::Request::CreateParams { params_id } => {
            init.init(params_id, Mutex::new(String::new()));
        }
        zwp_linux_dmabuf_v1::Request::GetDefaultFeedback { id } => {
            let feedback = init.init(id, ());
            send_formats(&feedback, &LINEAR_FORMATS);
            desk.feedbacks.push(feedback);
        }
        // It says nothing until the test lets it.
        zwp_linux_dmabuf_v1::Request::GetSurfaceFeedback { id, .. } => {
            let feedback = init.init(id, ());
            desk.feedbacks.push(feedback);
        }
        _ => {}
    }
});

on!(
    ZwpLinuxBufferParamsV1,
    Mutex<String>,
    |desk, client, params, request, plane, handle, init| {
        use zwp_linux_buffer_params_v1::Request;
        match request {
            Request::Add {
                plane_idx,
                offset,
                stride,
                modifier_hi,
                modifier_lo,
                ..
            } => {
                let mut text = plane.lock().unwrap();
                assert_eq!(text.matches("at ").count(), plane_idx as usize);
                if plane_idx > 0 {
                    text.push_str(" and ");
                }
                text.push_str(&format!("at {offset} stride {stride}"));
                if (modifier_hi, modifier_lo) != (0, 0) {
                    text.push_str(&format!(" in {modifier_hi:x}:{modifier_lo:x}"));
                }
            }
            Request::Create {
                width,
                height,
                format,
                flags,
            } => {
                let format = format.to_le_bytes();
                let format = String::from_utf8_lossy(&format);
                let plane = plane.lock().unwrap().clone();
                let flags = match flags {
                    WEnum::Value(Flags::YInvert) => " upside down",
                    flags => {
                        assert_eq!(flags, WEnum::Value(Flags::empty()));
                        ""
                    }
                };
                desk.note(format!("import {width}x{height} {plane} {format}{flags}"));
                desk.import(client, handle, params, desk.imports);
            }
            Request::Destroy => {}
            other => desk.note(format!("unexpected {other:?}")),
        }
    }
);

// Objects without requests that matter.
silent!(WlCallback);
silent!(WpPresentationFeedback);
silent!(ZwpLinuxDmabufFeedbackV1);

on!(WlOutput, (), |desk,
                   client,
                   object,
                   request,
                   data,
                   handle,
                   init| {
    if let wl_output::Request::Release = request {
        desk.note("output released");
    }
});

/// Tells a client of a monitor of 1920x1080 pixels at 75 Hz.
pub(super) fn send_monitor(scanout: &LucarneGuestScanoutV1, model: &str, extent: Extent) {
    let (make, serial) = ("DEL".to_owned(), "ABC".to_owned());
    scanout.monitor(make, model.to_owned(), serial, 597, 336);
    scanout.mode(1920, 1080, 75_000, extent);
    scanout.done();
}

on!(
    LucarneGuestManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        use lucarne_guest_manager_v1::Request;
        match request {
            Request::GetScanout { id, guest, number } => {
                let scanout = init.init(id, number);
                send_monitor(&scanout, "Wall", Extent::Whole);
                desk.scanouts.push(scanout);
                desk.note(format!("scanout {number} of {guest}"));
            }
            Request::SetLeds { leds } => desk.note(format!("lights {:?}", leds.into_result())),
            other => desk.note(format!("unexpected {other:?}")),
        }
    }
);

on!(
    LucarneGuestScanoutV1,
    u32,
    |desk, client, object, request, number, handle, init| {
        use lucarne_guest_scanout_v1::Request;
        match request {
            Request::SetWindow { surface } => {
                let surface = desk.surface(&surface);
                desk.note_for(surface, format!("shows scanout {number}"));
            }
            Request::GetCursor { id, surface } => {
                let surface = desk.surface(&surface);
                init.init(id, surface);
                desk.surfaces[surface].role = "pointer";
                desk.note_for(surface, format!("on scanout {number}"));
            }
            other => desk.note(format!("unexpected {other:?}")),
        }
    }
);

on!(
    LucarneGuestCursorV1,
    usize,
    |desk, client, object, request, surface, handle, init| {
        use lucarne_guest_cursor_v1::Request;
        match request {
            Request::SetHotspot { x, y } => desk.note_for(*surface, format!("hotspot {x},{y}")),
            Request::MoveTo { x, y } => desk.note_for(*surface, format!("move to {x},{y}")),
            Request::Show => desk.note_for(*surface, "show"),
            Request::Hide => desk.note_for(*surface, "hide"),
            Request::SetMode { mode } => {
                let mode = mode.into_result().unwrap();
                desk.note_for(*surface, format!("mode {mode:?}"));
            }
            Request::Destroy => desk.note_for(*surface, "destroy role"),
            other => desk.note_for(*surface, format!("unexpected {other:?}")),
        }
    }
);
