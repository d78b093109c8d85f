//! The test compositor's windows beyond their sizes: whose borders they have, in which scale they
//! are, and what it is told of them.

use wayland_protocols::{
    wp::{
        content_type::v1::server::{
            wp_content_type_manager_v1::{self, WpContentTypeManagerV1},
            wp_content_type_v1::{self, WpContentTypeV1},
        },
        fractional_scale::v1::server::{
            wp_fractional_scale_manager_v1::{self, WpFractionalScaleManagerV1},
            wp_fractional_scale_v1::{self, WpFractionalScaleV1},
        },
        idle_inhibit::zv1::server::{
            zwp_idle_inhibit_manager_v1::{self, ZwpIdleInhibitManagerV1},
            zwp_idle_inhibitor_v1::{self, ZwpIdleInhibitorV1},
        },
        tearing_control::v1::server::{
            wp_tearing_control_manager_v1::{self, WpTearingControlManagerV1},
            wp_tearing_control_v1::{self, WpTearingControlV1},
        },
    },
    xdg::toplevel_icon::v1::server::{
        xdg_toplevel_icon_manager_v1::{self, XdgToplevelIconManagerV1},
        xdg_toplevel_icon_v1::{self, XdgToplevelIconV1},
    },
};

use super::{super::host::Host, *};

/// What the compositor does about windows.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct WindowOffer {
    /// It leaves borders to its clients, where they ask.
    pub(in super::super) bare: bool,
    pub(in super::super) fractional: bool,
    pub(in super::super) icons: bool,
    /// Idle inhibition, content types and tearing.
    pub(in super::super) hints: bool,
}

impl WindowOffer {
    pub(in super::super) fn announce(self, handle: &DisplayHandle) {
        if self.fractional {
            handle.create_global::<Desk, WpFractionalScaleManagerV1, ()>(1, ());
        }
        if self.icons {
            handle.create_global::<Desk, XdgToplevelIconManagerV1, ()>(1, ());
        }
        if self.hints {
            handle.create_global::<Desk, ZwpIdleInhibitManagerV1, ()>(1, ());
            handle.create_global::<Desk, WpContentTypeManagerV1, ()>(1, ());
            handle.create_global::<Desk, WpTearingControlManagerV1, ()>(1, ());
        }
    }
}

/// What the compositor knows of a window's surface beyond its role.
#[derive(Default)]
pub(in super::super) struct Extras {
    pub(in super::super) scale: Option<WpFractionalScaleV1>,
    pub(in super::super) decoration: Option<ZxdgToplevelDecorationV1>,
    /// The least and the most sizes of the window.
    pub(in super::super) limits: [(i32, i32); 2],
    /// Of a sub-surface.
    pub(in super::super) parent: Option<usize>,
    pub(in super::super) position: (i32, i32),
    pub(in super::super) size: (i32, i32),
}

/// A sub-surface: its number, place and size.
pub(in super::super) type Part = (usize, (i32, i32), (i32, i32));

impl Host {
    /// Tells a window that it is best drawn in a scale, of which 120 parts are one.
    pub(in super::super) fn prefer_scale(&self, surface: usize, parts: u32) {
        let scale = self.desk.surfaces[surface].extras.scale.as_ref();
        scale.unwrap().preferred_scale(parts);
    }

    /// Likewise, in whole numbers.
    pub(in super::super) fn prefer_whole_scale(&self, surface: usize, factor: i32) {
        self.desk.surfaces[surface]
            .proxy
            .preferred_buffer_scale(factor);
    }

    pub(in super::super) fn output_scale(&self, output: usize, factor: i32) {
        self.desk.outputs[output].scale(factor);
        self.desk.outputs[output].done();
    }

    /// Tells what can be done with windows.
    pub(in super::super) fn capabilities(&self, surface: usize, capabilities: &[u32]) {
        let bytes = capabilities.iter().flat_map(|it| it.to_ne_bytes());
        let toplevel = self.desk.surfaces[surface].toplevel.as_ref();
        toplevel.unwrap().wm_capabilities(bytes.collect());
    }

    /// Draws a window's borders from its next configure on, or leaves them to the client.
    pub(in super::super) fn decorate(&self, surface: usize, host: bool) {
        use zxdg_toplevel_decoration_v1::Mode;
        let decoration = self.desk.surfaces[surface].extras.decoration.as_ref();
        decoration.unwrap().configure(match host {
            true => Mode::ServerSide,
            false => Mode::ClientSide,
        });
    }

    /// The sub-surfaces around a window that are there.
    pub(in super::super) fn around(&self, window: usize) -> Vec<Part> {
        let surfaces = self.desk.surfaces.iter().enumerate();
        let parts = surfaces.filter(|(_, surface)| {
            surface.role == "part"
                && surface.proxy.is_alive()
                && surface.extras.parent == Some(window)
        });
        parts
            .map(|(number, surface)| (number, surface.extras.position, surface.extras.size))
            .collect()
    }
}

on_bind!(WpFractionalScaleManagerV1, |desk, object| {});
on_bind!(XdgToplevelIconManagerV1, |desk, object| {});
on_bind!(ZwpIdleInhibitManagerV1, |desk, object| {});
on_bind!(WpContentTypeManagerV1, |desk, object| {});
on_bind!(WpTearingControlManagerV1, |desk, object| {});

on!(
    WpFractionalScaleManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        use wp_fractional_scale_manager_v1::Request;
        if let Request::GetFractionalScale { id, surface } = request {
            let number = desk.surface(&surface);
            let scale = init.init(id, number);
            desk.surfaces[number].extras.scale = Some(scale);
        }
    }
);

on!(
    WpFractionalScaleV1,
    usize,
    |desk, client, object, request, surface, handle, init| {
        let wp_fractional_scale_v1::Request::Destroy = request else {
            panic!("an unknown request")
        };
        desk.surfaces[*surface].extras.scale = None;
    }
);

on!(
    XdgToplevelIconManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        use xdg_toplevel_icon_manager_v1::Request;
        match request {
            Request::CreateIcon { id } => {
                init.init(id, Mutex::new(String::new()));
            }
            Request::SetIcon { toplevel, icon } => {
                let surface = *toplevel.data::<usize>().unwrap();
                let icon = icon.unwrap();
                let name = icon.data::<Mutex<String>>().unwrap();
                let name = name.lock().unwrap().clone();
                desk.note_for(surface, format!("icon {name}"));
            }
            _ => {}
        }
    }
);

on!(
    XdgToplevelIconV1,
    Mutex<String>,
    |desk, client, object, request, name, handle, init| {
        if let xdg_toplevel_icon_v1::Request::SetName { icon_name } = request {
            *name.lock().unwrap() = icon_name;
        }
    }
);

on!(
    ZwpIdleInhibitManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        use zwp_idle_inhibit_manager_v1::Request;
        if let Request::CreateInhibitor { id, surface } = request {
            let number = desk.surface(&surface);
            init.init(id, number);
            desk.note_for(number, "stays awake");
        }
    }
);

on!(
    ZwpIdleInhibitorV1,
    usize,
    |desk, client, object, request, surface, handle, init| {
        if let zwp_idle_inhibitor_v1::Request::Destroy = request {
            desk.note_for(*surface, "may sleep");
        }
    }
);

on!(
    WpContentTypeManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        use wp_content_type_manager_v1::Request;
        if let Request::GetSurfaceContentType { id, surface } = request {
            let number = desk.surface(&surface);
            init.init(id, number);
        }
    }
);

on!(WpContentTypeV1, usize, |desk,
                             client,
                             object,
                             request,
                             surface,
                             handle,
                             init| {
    if let wp_content_type_v1::Request::SetContentType { content_type } = request {
        let content = content_type.into_result().unwrap();
        desk.note_for(*surface, format!("shows {content:?}"));
    }
});

on!(
    WpTearingControlManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        use wp_tearing_control_manager_v1::Request;
        if let Request::GetTearingControl { id, surface } = request {
            let number = desk.surface(&surface);
            init.init(id, number);
        }
    }
);

on!(
    WpTearingControlV1,
    usize,
    |desk, client, object, request, surface, handle, init| {
        match request {
            wp_tearing_control_v1::Request::SetPresentationHint { hint } => {
                let hint = hint.into_result().unwrap();
                desk.note_for(*surface, format!("frames {hint:?}"));
            }
            _ => desk.note_for(*surface, "frames whole"),
        }
    }
);
