//! The test compositor's seats: what hands do there, and what its client asks of them.

use wayland_protocols::wp::{
    cursor_shape::v1::server::{
        wp_cursor_shape_device_v1::{self, WpCursorShapeDeviceV1},
        wp_cursor_shape_manager_v1::{self, WpCursorShapeManagerV1},
    },
    keyboard_shortcuts_inhibit::zv1::server::{
        zwp_keyboard_shortcuts_inhibit_manager_v1::{self, ZwpKeyboardShortcutsInhibitManagerV1},
        zwp_keyboard_shortcuts_inhibitor_v1::{self, ZwpKeyboardShortcutsInhibitorV1},
    },
    pointer_constraints::zv1::server::{
        zwp_locked_pointer_v1::{self, ZwpLockedPointerV1},
        zwp_pointer_constraints_v1::{self, Lifetime, ZwpPointerConstraintsV1},
    },
    relative_pointer::zv1::server::{
        zwp_relative_pointer_manager_v1::{self, ZwpRelativePointerManagerV1},
        zwp_relative_pointer_v1::{self, ZwpRelativePointerV1},
    },
    tablet::zv2::server::{
        zwp_tablet_manager_v2::{self, ZwpTabletManagerV2},
        zwp_tablet_pad_dial_v2::ZwpTabletPadDialV2,
        zwp_tablet_pad_group_v2::ZwpTabletPadGroupV2,
        zwp_tablet_pad_ring_v2::ZwpTabletPadRingV2,
        zwp_tablet_pad_strip_v2::ZwpTabletPadStripV2,
        zwp_tablet_pad_v2::{self, ZwpTabletPadV2},
        zwp_tablet_seat_v2::{self, ZwpTabletSeatV2},
        zwp_tablet_tool_v2::{self, Type, ZwpTabletToolV2},
        zwp_tablet_v2::{self, ZwpTabletV2},
    },
};
use wayland_server::{
    backend::GlobalId,
    protocol::{
        wl_keyboard::{self, WlKeyboard},
        wl_pointer::{self, WlPointer},
        wl_seat::{self, Capability, WlSeat},
        wl_touch::{self, WlTouch},
    },
};

use super::{super::host::Host, *};

/// What the compositor offers for hands beyond its seats, which are plugged in by the test.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct HandOffer {
    pub(in super::super) constraints: bool,
    pub(in super::super) relative: bool,
    pub(in super::super) inhibit: bool,
    pub(in super::super) tablets: bool,
    pub(in super::super) shapes: bool,
}

impl HandOffer {
    pub(in super::super) const ALL: Self = Self {
        constraints: true,
        relative: true,
        inhibit: true,
        tablets: true,
        shapes: true,
    };

    pub(in super::super) fn announce(self, handle: &DisplayHandle) {
        if self.constraints {
            handle.create_global::<Desk, ZwpPointerConstraintsV1, ()>(1, ());
        }
        if self.relative {
            handle.create_global::<Desk, ZwpRelativePointerManagerV1, ()>(1, ());
        }
        if self.inhibit {
            handle.create_global::<Desk, ZwpKeyboardShortcutsInhibitManagerV1, ()>(1, ());
        }
        if self.tablets {
            handle.create_global::<Desk, ZwpTabletManagerV2, ()>(1, ());
        }
        if self.shapes {
            handle.create_global::<Desk, WpCursorShapeManagerV1, ()>(1, ());
        }
    }
}

/// Every object for hands, in the order in which its client made it.
#[derive(Default)]
pub(in super::super) struct Hands {
    globals: Vec<GlobalId>,
    pub(in super::super) seats: Vec<WlSeat>,
    pub(in super::super) keyboards: Vec<WlKeyboard>,
    pub(in super::super) pointers: Vec<WlPointer>,
    pub(in super::super) touches: Vec<WlTouch>,
    pub(in super::super) locks: Vec<ZwpLockedPointerV1>,
    pub(in super::super) relatives: Vec<ZwpRelativePointerV1>,
    tablet_seats: Vec<ZwpTabletSeatV2>,
}

/// A tool that the compositor has told of, and the tablet that it is used on.
pub(in super::super) struct Pen {
    pub(in super::super) tool: ZwpTabletToolV2,
    pub(in super::super) tablet: ZwpTabletV2,
}

impl Host {
    /// Seats are numbered in the order in which the client hears of them.
    pub(in super::super) fn plug_seat(&mut self, version: u32) {
        let handle = self.display.handle();
        let id = handle.create_global::<Desk, WlSeat, ()>(version, ());
        self.desk.hands.globals.push(id);
    }

    pub(in super::super) fn unplug_seat(&mut self, seat: usize) {
        let id = self.desk.hands.globals.remove(seat);
        self.display.handle().remove_global::<Desk>(id);
    }

    pub(in super::super) fn has(&self, seat: usize, capabilities: Capability) {
        self.desk.hands.seats[seat].capabilities(capabilities);
    }

    pub(in super::super) fn wl_surface(&self, surface: usize) -> &WlSurface {
        &self.desk.surfaces[surface].proxy
    }

    pub(in super::super) fn keyboard(&self) -> &WlKeyboard {
        self.desk.hands.keyboards.last().unwrap()
    }

    pub(in super::super) fn pointer(&self) -> &WlPointer {
        self.desk.hands.pointers.last().unwrap()
    }

    pub(in super::super) fn touch(&self) -> &WlTouch {
        self.desk.hands.touches.last().unwrap()
    }

    pub(in super::super) fn lock(&self) -> &ZwpLockedPointerV1 {
        self.desk.hands.locks.last().unwrap()
    }

    pub(in super::super) fn relative(&self) -> &ZwpRelativePointerV1 {
        self.desk.hands.relatives.last().unwrap()
    }

    /// Gives the keyboard to a surface.
    pub(in super::super) fn focus(&self, surface: usize, keys: &[u32]) {
        let keys = keys.iter().flat_map(|key| key.to_ne_bytes()).collect();
        self.keyboard().enter(1, self.wl_surface(surface), keys);
    }

    /// Brings the pointer to a surface.
    pub(in super::super) fn point(&self, serial: u32, surface: usize, x: f64, y: f64) {
        let pointer = self.pointer();
        pointer.enter(serial, self.wl_surface(surface), x, y);
        if pointer.version() >= 5 {
            pointer.frame();
        }
    }

    /// Tells of a tablet and a tool.
    pub(in super::super) fn plug_pen(&mut self, kind: Type) -> Pen {
        let handle = self.display.handle();
        let seat = self.desk.hands.tablet_seats.last().unwrap();
        let client = handle.get_client(seat.id()).unwrap();
        let tablet = client.create_resource::<ZwpTabletV2, (), Desk>(&handle, 1, ());
        let tablet = tablet.unwrap();
        seat.tablet_added(&tablet);
        tablet.done();
        let tool = client.create_resource::<ZwpTabletToolV2, (), Desk>(&handle, 1, ());
        let tool = tool.unwrap();
        seat.tool_added(&tool);
        tool._type(kind);
        tool.done();
        Pen { tool, tablet }
    }

    /// Tells of buttons, a ring, a strip and a dial beside a tablet.
    pub(in super::super) fn plug_pad(&mut self) {
        let handle = self.display.handle();
        let seat = self.desk.hands.tablet_seats.last().unwrap();
        let client = handle.get_client(seat.id()).unwrap();
        let pad = client.create_resource::<ZwpTabletPadV2, (), Desk>(&handle, 1, ());
        let pad = pad.unwrap();
        seat.pad_added(&pad);
        let group = client.create_resource::<ZwpTabletPadGroupV2, (), Desk>(&handle, 1, ());
        let group = group.unwrap();
        pad.group(&group);
        let ring = client.create_resource::<ZwpTabletPadRingV2, (), Desk>(&handle, 1, ());
        group.ring(&ring.unwrap());
        let strip = client.create_resource::<ZwpTabletPadStripV2, (), Desk>(&handle, 1, ());
        group.strip(&strip.unwrap());
        group.done();
        pad.done();
    }
}

on_bind!(ZwpPointerConstraintsV1, |desk, object| {});
on_bind!(ZwpRelativePointerManagerV1, |desk, object| {});
on_bind!(ZwpKeyboardShortcutsInhibitManagerV1, |desk, object| {});
on_bind!(ZwpTabletManagerV2, |desk, object| {});
on_bind!(WpCursorShapeManagerV1, |desk, object| {});
on_bind!(WlSeat, |desk, seat| {
    desk.note(format!("seat of version {}", seat.version()));
    desk.hands.seats.push(seat);
});

on!(WlSeat, (), |desk,
                 client,
                 object,
                 request,
                 data,
                 handle,
                 init| {
    use wl_seat::Request;
    match request {
        Request::GetKeyboard { id } => {
            let keyboard = init.init(id, ());
            desk.hands.keyboards.push(keyboard);
            desk.note("keyboard");
        }
        Request::GetPointer { id } => {
            let pointer = init.init(id, ());
            desk.hands.pointers.push(pointer);
            desk.note("pointer");
        }
        Request::GetTouch { id } => {
            let touch = init.init(id, ());
            desk.hands.touches.push(touch);
            desk.note("touch screen");
        }
        Request::Release => desk.note("seat released"),
        other => desk.note(format!("unexpected {other:?}")),
    }
});

on!(WlKeyboard, (), |desk,
                     client,
                     object,
                     request,
                     data,
                     handle,
                     init| {
    if let wl_keyboard::Request::Release = request {
        desk.note("keyboard released");
    }
});

on!(WlTouch, (), |desk,
                  client,
                  object,
                  request,
                  data,
                  handle,
                  init| {
    if let wl_touch::Request::Release = request {
        desk.note("touch screen released");
    }
});

on!(WlPointer, (), |desk,
                    client,
                    object,
                    request,
                    data,
                    handle,
                    init| {
    use wl_pointer::Request;
    match request {
        Request::SetCursor {
            serial,
            surface: None,
            ..
        } => desk.note(format!("host's pointer {serial}: hidden")),
        Request::SetCursor {
            serial,
            surface: Some(surface),
            hotspot_x,
            hotspot_y,
        } => {
            let surface = desk.surface(&surface);
            desk.surfaces[surface].role = "cursor";
            desk.note(format!(
                "host's pointer {serial}: surface {surface} at {hotspot_x},{hotspot_y}"
            ));
        }
        Request::Release => desk.note("pointer released"),
        other => desk.note(format!("unexpected {other:?}")),
    }
});

on!(
    WpCursorShapeManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        if let wp_cursor_shape_manager_v1::Request::GetPointer {
            cursor_shape_device,
            ..
        } = request
        {
            init.init(cursor_shape_device, ());
        }
    }
);

on!(
    WpCursorShapeDeviceV1,
    (),
    |desk, client, object, request, data, handle, init| {
        if let wp_cursor_shape_device_v1::Request::SetShape { serial, shape } = request {
            let shape = shape.into_result().unwrap();
            desk.note(format!("host's pointer {serial}: {shape:?}"));
        }
    }
);

on!(
    ZwpPointerConstraintsV1,
    (),
    |desk, client, object, request, data, handle, init| {
        if let zwp_pointer_constraints_v1::Request::LockPointer {
            id,
            surface,
            region,
            lifetime,
            ..
        } = request
        {
            assert!(region.is_none());
            assert_eq!(lifetime.into_result().unwrap(), Lifetime::Persistent);
            let lock = init.init(id, ());
            desk.hands.locks.push(lock);
            let surface = desk.surface(&surface);
            desk.note_for(surface, "lock");
        }
    }
);

on!(ZwpLockedPointerV1, (), |desk,
                             client,
                             object,
                             request,
                             data,
                             handle,
                             init| {
    use zwp_locked_pointer_v1::Request;
    match request {
        Request::SetCursorPositionHint {
            surface_x,
            surface_y,
        } => desk.note(format!("lock: come out at {surface_x},{surface_y}")),
        Request::Destroy => desk.note("lock: destroy"),
        other => desk.note(format!("unexpected {other:?}")),
    }
});

on!(
    ZwpRelativePointerManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        if let zwp_relative_pointer_manager_v1::Request::GetRelativePointer { id, .. } = request {
            let relative = init.init(id, ());
            desk.hands.relatives.push(relative);
        }
    }
);

on!(
    ZwpRelativePointerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        if let zwp_relative_pointer_v1::Request::Destroy = request {
            desk.note("relative pointer: destroy");
        }
    }
);

on!(
    ZwpKeyboardShortcutsInhibitManagerV1,
    (),
    |desk, client, object, request, data, handle, init| {
        use zwp_keyboard_shortcuts_inhibit_manager_v1::Request;
        if let Request::InhibitShortcuts { id, surface, .. } = request {
            let surface = desk.surface(&surface);
            init.init(id, surface);
            desk.note_for(surface, "inhibit");
        }
    }
);

on!(
    ZwpKeyboardShortcutsInhibitorV1,
    usize,
    |desk, client, object, request, surface, handle, init| {
        if let zwp_keyboard_shortcuts_inhibitor_v1::Request::Destroy = request {
            desk.note_for(*surface, "inhibit no more");
        }
    }
);

on!(ZwpTabletManagerV2, (), |desk,
                             client,
                             object,
                             request,
                             data,
                             handle,
                             init| {
    if let zwp_tablet_manager_v2::Request::GetTabletSeat { tablet_seat, .. } = request {
        let seat = init.init(tablet_seat, ());
        desk.hands.tablet_seats.push(seat);
    }
});

on!(ZwpTabletSeatV2, (), |desk,
                          client,
                          object,
                          request,
                          data,
                          handle,
                          init| {
    if let zwp_tablet_seat_v2::Request::Destroy = request {
        desk.note("tablet seat: destroy");
    }
});

on!(ZwpTabletV2, (), |desk,
                      client,
                      object,
                      request,
                      data,
                      handle,
                      init| {
    if let zwp_tablet_v2::Request::Destroy = request {
        desk.note("tablet: destroy");
    }
});

on!(ZwpTabletToolV2, (), |desk,
                          client,
                          object,
                          request,
                          data,
                          handle,
                          init| {
    use zwp_tablet_tool_v2::Request;
    match request {
        Request::SetCursor {
            serial,
            surface: None,
            ..
        } => desk.note(format!("pen {serial}: hidden")),
        Request::Destroy => desk.note("pen: destroy"),
        other => desk.note(format!("unexpected {other:?}")),
    }
});

on!(ZwpTabletPadV2, (), |desk,
                         client,
                         object,
                         request,
                         data,
                         handle,
                         init| {
    if let zwp_tablet_pad_v2::Request::Destroy = request {
        desk.note("pad: destroy");
    }
});

on!(
    ZwpTabletPadGroupV2,
    (),
    |desk, client, object, request, data, handle, init| {
        let _ = request;
        desk.note("pad's group: destroy");
    }
);

on!(ZwpTabletPadRingV2, (), |desk,
                             client,
                             object,
                             request,
                             data,
                             handle,
                             init| {
    let _ = request;
    desk.note("pad's ring: destroy");
});

on!(
    ZwpTabletPadStripV2,
    (),
    |desk, client, object, request, data, handle, init| {
        let _ = request;
        desk.note("pad's strip: destroy");
    }
);

silent!(ZwpTabletPadDialV2);
