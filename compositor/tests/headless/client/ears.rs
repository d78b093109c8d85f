//! What a client hears from the seat, as lines that are easy to compare.

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, delegate_noop,
    protocol::{
        wl_keyboard::{self, WlKeyboard},
        wl_pointer::{self, WlPointer},
        wl_region::WlRegion,
        wl_seat::{self, WlSeat},
        wl_surface::WlSurface,
        wl_touch::{self, WlTouch},
    },
};
use wayland_protocols::{
    ext::idle_notify::v1::client::{
        ext_idle_notification_v1::{self, ExtIdleNotificationV1},
        ext_idle_notifier_v1::ExtIdleNotifierV1,
    },
    wp::{
        cursor_shape::v1::client::{
            wp_cursor_shape_device_v1::WpCursorShapeDeviceV1,
            wp_cursor_shape_manager_v1::WpCursorShapeManagerV1,
        },
        idle_inhibit::zv1::client::{
            zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1,
            zwp_idle_inhibitor_v1::ZwpIdleInhibitorV1,
        },
        keyboard_shortcuts_inhibit::zv1::client::{
            zwp_keyboard_shortcuts_inhibit_manager_v1::ZwpKeyboardShortcutsInhibitManagerV1,
            zwp_keyboard_shortcuts_inhibitor_v1::{self, ZwpKeyboardShortcutsInhibitorV1},
        },
        pointer_constraints::zv1::client::{
            zwp_confined_pointer_v1::{self, ZwpConfinedPointerV1},
            zwp_locked_pointer_v1::{self, ZwpLockedPointerV1},
            zwp_pointer_constraints_v1::ZwpPointerConstraintsV1,
        },
        pointer_gestures::zv1::client::{
            zwp_pointer_gesture_hold_v1::{self, ZwpPointerGestureHoldV1},
            zwp_pointer_gesture_pinch_v1::{self, ZwpPointerGesturePinchV1},
            zwp_pointer_gesture_swipe_v1::{self, ZwpPointerGestureSwipeV1},
            zwp_pointer_gestures_v1::ZwpPointerGesturesV1,
        },
        relative_pointer::zv1::client::{
            zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1,
            zwp_relative_pointer_v1::{self, ZwpRelativePointerV1},
        },
        tablet::zv2::client::{
            zwp_tablet_manager_v2::ZwpTabletManagerV2,
            zwp_tablet_seat_v2::{self, ZwpTabletSeatV2},
            zwp_tablet_tool_v2::{self, ZwpTabletToolV2},
            zwp_tablet_v2::ZwpTabletV2,
        },
    },
};

use super::{Client, Seen};

/// Everything that a seat can have, and that a client listens to.
pub struct Ears {
    pub seat: WlSeat,
    pub pointer: WlPointer,
}

impl Client {
    /// Listens to everything that a seat always has.
    pub fn listen(&self) -> Ears {
        let seat = self.bind::<WlSeat>();
        let handle = self.handle();
        let pointer = seat.get_pointer(&handle, ());
        self.bind::<ZwpRelativePointerManagerV1>()
            .get_relative_pointer(&pointer, &handle, ());
        let gestures = self.bind::<ZwpPointerGesturesV1>();
        gestures.get_swipe_gesture(&pointer, &handle, ());
        gestures.get_pinch_gesture(&pointer, &handle, ());
        gestures.get_hold_gesture(&pointer, &handle, ());
        self.bind::<ZwpTabletManagerV2>()
            .get_tablet_seat(&seat, &handle, ());
        seat.get_keyboard(&handle, ());
        Ears { seat, pointer }
    }

    /// What was heard since this was asked last.
    pub fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen.heard)
    }
}

impl Seen {
    fn hears(&mut self, what: String) {
        self.heard.push(what);
    }
}

impl Dispatch<WlSeat, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlSeat,
        event: wl_seat::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_seat::Event::Capabilities { capabilities } = event {
            seen.capabilities = capabilities.into_result().ok();
        }
    }
}

impl Dispatch<WlKeyboard, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlKeyboard,
        event: wl_keyboard::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            wl_keyboard::Event::Enter { surface, keys, .. } => {
                seen.keyboard_focus = Some(surface);
                let keys: Vec<u32> = keys
                    .chunks_exact(4)
                    .map(|key| u32::from_ne_bytes(key.try_into().unwrap()))
                    .collect();
                seen.hears(format!("keyboard enter {keys:?}"));
            }
            wl_keyboard::Event::Leave { .. } => {
                seen.keyboard_focus = None;
                seen.hears("keyboard leave".to_owned());
            }
            wl_keyboard::Event::Key { key, state, .. } => {
                let state = u32::from(state);
                seen.hears(format!("key {key} {}", ["up", "down"][state as usize]));
            }
            wl_keyboard::Event::Modifiers {
                mods_depressed,
                mods_locked,
                group,
                ..
            } => seen.hears(format!("modifiers {mods_depressed} {mods_locked} {group}")),
            wl_keyboard::Event::RepeatInfo { rate, delay } => seen.repeat = Some((rate, delay)),
            _ => {}
        }
    }
}

impl Dispatch<WlPointer, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlPointer,
        event: wl_pointer::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wl_pointer::Event;
        let line = match event {
            Event::Enter {
                serial,
                surface,
                surface_x,
                surface_y,
            } => {
                seen.entered = Some(serial);
                seen.pointer_focus = Some(surface);
                format!("enter {surface_x} {surface_y}")
            }
            Event::Leave { .. } => {
                seen.pointer_focus = None;
                "leave".to_owned()
            }
            Event::Motion {
                surface_x,
                surface_y,
                ..
            } => format!("motion {surface_x} {surface_y}"),
            Event::Button { button, state, .. } => {
                let state = u32::from(state) as usize;
                format!("button {button:#x} {}", ["up", "down"][state])
            }
            Event::Axis { axis, value, .. } => format!("axis {} {value}", u32::from(axis)),
            Event::AxisSource { axis_source } => {
                format!("axis source {}", u32::from(axis_source))
            }
            Event::AxisStop { axis, .. } => format!("axis stop {}", u32::from(axis)),
            Event::AxisValue120 { axis, value120 } => {
                format!("axis 120 {} {value120}", u32::from(axis))
            }
            Event::AxisRelativeDirection { axis, direction } => {
                format!(
                    "axis direction {} {}",
                    u32::from(axis),
                    u32::from(direction)
                )
            }
            Event::Frame => "frame".to_owned(),
            _ => return,
        };
        seen.hears(line);
    }
}

impl Dispatch<WlTouch, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WlTouch,
        event: wl_touch::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wl_touch::Event;
        let line = match event {
            Event::Down { id, x, y, .. } => format!("touch {id} down {x} {y}"),
            Event::Up { id, .. } => format!("touch {id} up"),
            Event::Motion { id, x, y, .. } => format!("touch {id} motion {x} {y}"),
            Event::Frame => "touch frame".to_owned(),
            Event::Cancel => "touch cancel".to_owned(),
            _ => return,
        };
        seen.hears(line);
    }
}

impl Dispatch<ZwpRelativePointerV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpRelativePointerV1,
        event: zwp_relative_pointer_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let zwp_relative_pointer_v1::Event::RelativeMotion {
            dx,
            dy,
            dx_unaccel,
            dy_unaccel,
            ..
        } = event
        {
            seen.hears(format!("relative {dx} {dy} ({dx_unaccel} {dy_unaccel})"));
        }
    }
}

impl Dispatch<ZwpLockedPointerV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpLockedPointerV1,
        event: zwp_locked_pointer_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwp_locked_pointer_v1::Event::Locked => seen.hears("locked".to_owned()),
            zwp_locked_pointer_v1::Event::Unlocked => seen.hears("unlocked".to_owned()),
            _ => {}
        }
    }
}

impl Dispatch<ZwpConfinedPointerV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpConfinedPointerV1,
        event: zwp_confined_pointer_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwp_confined_pointer_v1::Event::Confined => seen.hears("confined".to_owned()),
            zwp_confined_pointer_v1::Event::Unconfined => seen.hears("unconfined".to_owned()),
            _ => {}
        }
    }
}

impl Dispatch<ZwpKeyboardShortcutsInhibitorV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpKeyboardShortcutsInhibitorV1,
        event: zwp_keyboard_shortcuts_inhibitor_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwp_keyboard_shortcuts_inhibitor_v1::Event::Active => {
                seen.hears("all keys".to_owned());
            }
            zwp_keyboard_shortcuts_inhibitor_v1::Event::Inactive => {
                seen.hears("not all keys".to_owned());
            }
            _ => {}
        }
    }
}

impl Dispatch<ExtIdleNotificationV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ExtIdleNotificationV1,
        event: ext_idle_notification_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            ext_idle_notification_v1::Event::Idled => seen.hears("idled".to_owned()),
            ext_idle_notification_v1::Event::Resumed => seen.hears("resumed".to_owned()),
            _ => {}
        }
    }
}

impl Dispatch<ZwpPointerGestureSwipeV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpPointerGestureSwipeV1,
        event: zwp_pointer_gesture_swipe_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_pointer_gesture_swipe_v1::Event;
        let line = match event {
            Event::Begin { fingers, .. } => format!("swipe begin {fingers}"),
            Event::Update { dx, dy, .. } => format!("swipe {dx} {dy}"),
            Event::End { cancelled, .. } => format!("swipe end {cancelled}"),
            _ => return,
        };
        seen.hears(line);
    }
}

impl Dispatch<ZwpPointerGesturePinchV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpPointerGesturePinchV1,
        event: zwp_pointer_gesture_pinch_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_pointer_gesture_pinch_v1::Event;
        let line = match event {
            Event::Begin { fingers, .. } => format!("pinch begin {fingers}"),
            Event::Update {
                dx,
                dy,
                scale,
                rotation,
                ..
            } => format!("pinch {dx} {dy} {scale} {rotation}"),
            Event::End { cancelled, .. } => format!("pinch end {cancelled}"),
            _ => return,
        };
        seen.hears(line);
    }
}

impl Dispatch<ZwpPointerGestureHoldV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpPointerGestureHoldV1,
        event: zwp_pointer_gesture_hold_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_pointer_gesture_hold_v1::Event;
        let line = match event {
            Event::Begin { fingers, .. } => format!("hold begin {fingers}"),
            Event::End { cancelled, .. } => format!("hold end {cancelled}"),
            _ => return,
        };
        seen.hears(line);
    }
}

impl Dispatch<ZwpTabletSeatV2, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpTabletSeatV2,
        event: zwp_tablet_seat_v2::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwp_tablet_seat_v2::Event::TabletAdded { .. } => seen.hears("tablet".to_owned()),
            zwp_tablet_seat_v2::Event::ToolAdded { .. } => seen.hears("tool".to_owned()),
            _ => {}
        }
    }

    wayland_client::event_created_child!(Seen, ZwpTabletSeatV2, [
        zwp_tablet_seat_v2::EVT_TABLET_ADDED_OPCODE => (ZwpTabletV2, ()),
        zwp_tablet_seat_v2::EVT_TOOL_ADDED_OPCODE => (ZwpTabletToolV2, ()),
    ]);
}

impl Dispatch<ZwpTabletToolV2, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpTabletToolV2,
        event: zwp_tablet_tool_v2::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_tablet_tool_v2::Event;
        let line = match event {
            Event::Type { tool_type } => format!("tool is {:#x}", u32::from(tool_type)),
            Event::ProximityIn { .. } => "tool near".to_owned(),
            Event::ProximityOut => "tool away".to_owned(),
            Event::Down { .. } => "tool down".to_owned(),
            Event::Up => "tool up".to_owned(),
            Event::Motion { x, y } => format!("tool motion {x} {y}"),
            Event::Pressure { pressure } => format!("tool pressure {pressure}"),
            Event::Tilt { tilt_x, tilt_y } => format!("tool tilt {tilt_x} {tilt_y}"),
            Event::Button { button, state, .. } => {
                let state = u32::from(state) as usize;
                format!("tool button {button:#x} {}", ["up", "down"][state])
            }
            Event::Frame { .. } => "tool frame".to_owned(),
            _ => return,
        };
        seen.hears(line);
    }
}

/// Whose surface it is does not matter to most tests; which one does.
pub fn is(surface: Option<&WlSurface>, other: &WlSurface) -> bool {
    surface.is_some_and(|surface| surface.id() == other.id())
}

delegate_noop!(Seen: ZwpRelativePointerManagerV1);
delegate_noop!(Seen: ZwpPointerConstraintsV1);
delegate_noop!(Seen: ZwpPointerGesturesV1);
delegate_noop!(Seen: ZwpKeyboardShortcutsInhibitManagerV1);
delegate_noop!(Seen: ZwpIdleInhibitManagerV1);
delegate_noop!(Seen: ZwpIdleInhibitorV1);
delegate_noop!(Seen: ExtIdleNotifierV1);
delegate_noop!(Seen: ZwpTabletManagerV2);
delegate_noop!(Seen: ignore ZwpTabletV2);
delegate_noop!(Seen: WpCursorShapeManagerV1);
delegate_noop!(Seen: WpCursorShapeDeviceV1);
delegate_noop!(Seen: WlRegion);
