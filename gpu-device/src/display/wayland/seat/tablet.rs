//! Drawing tablets: `zwp_tablet_manager_v2`.
//!
//! A tablet's mouse, its lens and fingers on it are no pens; the buttons and rings beside its
//! surface have no place on a guest's pen. All of these are left alone.

use wayland_client::{
    Connection, Dispatch, QueueHandle, WEnum, delegate_noop, event_created_child,
    protocol::wl_surface::WlSurface,
};
use wayland_protocols::wp::tablet::zv2::client::{
    zwp_tablet_manager_v2::ZwpTabletManagerV2,
    zwp_tablet_pad_dial_v2::ZwpTabletPadDialV2,
    zwp_tablet_pad_group_v2::{self, ZwpTabletPadGroupV2},
    zwp_tablet_pad_ring_v2::ZwpTabletPadRingV2,
    zwp_tablet_pad_strip_v2::ZwpTabletPadStripV2,
    zwp_tablet_pad_v2::{self, ZwpTabletPadV2},
    zwp_tablet_seat_v2::{self, ZwpTabletSeatV2},
    zwp_tablet_tool_v2::{self, ButtonState, Type, ZwpTabletToolV2},
    zwp_tablet_v2::{self, ZwpTabletV2},
};

use super::{
    super::{State, decoration::SurfaceRole},
    SeatId,
    pen::Pen,
};
use crate::{
    display::ScanoutId,
    input::{HostInput, PenTool},
};

/// How many tablets, and how many tools, a seat can have; further ones are left alone.
const MAX_OF_A_KIND: usize = 32;

/// A seat's tablets and what they are drawn on with.
#[derive(Debug)]
pub(super) struct Tablets {
    seat: ZwpTabletSeatV2,
    /// Kept for the host, which names a tool's tablet when the tool comes near.
    tablets: Vec<ZwpTabletV2>,
    tools: Vec<Tool>,
}

/// One tool.
#[derive(Debug)]
struct Tool {
    proxy: ZwpTabletToolV2,
    /// `None` for what is no pen.
    kind: Option<PenTool>,
    pen: Pen,
}

impl Tablets {
    pub(super) fn new(seat: ZwpTabletSeatV2) -> Self {
        Self {
            seat,
            tablets: Vec::new(),
            tools: Vec::new(),
        }
    }

    /// Whether one of its pens is near a scanout, and the guest knows it.
    pub(super) fn is_near(&self, scanout: ScanoutId) -> bool {
        let mut pens = self.tools.iter().map(|tool| &tool.pen);
        pens.any(|pen| pen.is_near() && pen.over() == Some(scanout))
    }

    fn has_pen_near(&self) -> bool {
        self.tools.iter().any(|tool| tool.pen.is_near())
    }

    /// Takes pens away from a window that is gone; from all of them where that is `None`.
    pub(super) fn leave(&mut self, scanout: Option<ScanoutId>, said: &mut Vec<HostInput>) {
        for tool in &mut self.tools {
            if scanout.is_none() || tool.pen.over() == scanout {
                tool.pen.leave(said);
            }
        }
    }
}

impl Drop for Tablets {
    fn drop(&mut self) {
        self.tools.iter().for_each(|tool| tool.proxy.destroy());
        self.tablets.iter().for_each(ZwpTabletV2::destroy);
        self.seat.destroy();
    }
}

impl State {
    fn tablets(&mut self) -> impl Iterator<Item = &mut Tablets> {
        let seats = self.hands.seats.iter_mut();
        seats.filter_map(|seat| seat.tablets.as_mut())
    }

    fn tool(&mut self, proxy: &ZwpTabletToolV2) -> Option<&mut Tool> {
        self.tablets()
            .flat_map(|tablets| &mut tablets.tools)
            .find(|tool| tool.proxy == *proxy)
    }

    fn pen(&mut self, proxy: &ZwpTabletToolV2) -> Option<&mut Pen> {
        let tool = self.tool(proxy)?;
        tool.kind.is_some().then_some(&mut tool.pen)
    }

    fn proximity_in(&mut self, proxy: &ZwpTabletToolV2, serial: u32, surface: &WlSurface) {
        let SurfaceRole::Scanout(scanout) = self.surface_role(surface) else {
            return;
        };
        // The guest draws what there is to be seen at the tip.
        proxy.set_cursor(serial, None, 0, 0);
        let mut said = Vec::new();
        if let Some(pen) = self.pen(proxy) {
            pen.proximity_in(scanout, &mut said);
        }
        self.hands.said.append(&mut said);
    }

    fn pen_motion(&mut self, proxy: &ZwpTabletToolV2, x: f64, y: f64) {
        let Some(scanout) = self.pen(proxy).and_then(|pen| pen.over()) else {
            return;
        };
        let at = self.position(scanout, x, y);
        if let Some(pen) = self.pen(proxy) {
            pen.motion(at);
        }
    }

    fn pen_frame(&mut self, proxy: &ZwpTabletToolV2) {
        let is_free = !self.tablets().any(|tablets| tablets.has_pen_near());
        let mut said = Vec::new();
        if let Some(tool) = self.tool(proxy)
            && let Some(kind) = tool.kind
        {
            tool.pen.frame(kind, is_free, &mut said);
        }
        self.hands.said.append(&mut said);
    }

    fn tool_removed(&mut self, proxy: &ZwpTabletToolV2) {
        let mut said = Vec::new();
        for tablets in self.tablets() {
            tablets.tools.retain_mut(|tool| {
                let is_it = tool.proxy == *proxy;
                if is_it {
                    tool.pen.leave(&mut said);
                }
                !is_it
            });
        }
        self.hands.said.append(&mut said);
        proxy.destroy();
    }
}

fn pen_tool(kind: Type) -> Option<PenTool> {
    match kind {
        Type::Pen => Some(PenTool::Pen),
        Type::Eraser => Some(PenTool::Eraser),
        Type::Brush => Some(PenTool::Brush),
        Type::Pencil => Some(PenTool::Pencil),
        Type::Airbrush => Some(PenTool::Airbrush),
        _ => None,
    }
}

impl Dispatch<ZwpTabletToolV2, ()> for State {
    fn event(
        state: &mut Self,
        proxy: &ZwpTabletToolV2,
        event: zwp_tablet_tool_v2::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_tablet_tool_v2::Event;
        match event {
            Event::Type {
                tool_type: WEnum::Value(kind),
            } => {
                if let Some(tool) = state.tool(proxy) {
                    tool.kind = pen_tool(kind);
                }
            }
            Event::ProximityIn {
                serial, surface, ..
            } => state.proximity_in(proxy, serial, &surface),
            Event::Motion { x, y } => state.pen_motion(proxy, x, y),
            Event::Frame { .. } => state.pen_frame(proxy),
            Event::Removed => state.tool_removed(proxy),
            other => {
                if let Some(pen) = state.pen(proxy) {
                    hear(pen, &other);
                }
            }
        }
        state.report_hands();
    }
}

fn hear(pen: &mut Pen, event: &zwp_tablet_tool_v2::Event) {
    use zwp_tablet_tool_v2::Event;
    match event {
        Event::ProximityOut => pen.proximity_out(),
        Event::Down { .. } => pen.tip(true),
        Event::Up => pen.tip(false),
        Event::Pressure { pressure } => pen.pressure(*pressure),
        Event::Distance { distance } => pen.distance(*distance),
        Event::Tilt { tilt_x, tilt_y } => pen.tilt(*tilt_x, *tilt_y),
        Event::Button {
            button,
            state: WEnum::Value(button_state),
            ..
        } => pen.button(*button, *button_state == ButtonState::Pressed),
        // Descriptions; and rotation, slider and wheel, which a guest's pen does not have.
        _ => {}
    }
}

impl Dispatch<ZwpTabletSeatV2, SeatId> for State {
    fn event(
        state: &mut Self,
        proxy: &ZwpTabletSeatV2,
        event: zwp_tablet_seat_v2::Event,
        _: &SeatId,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_tablet_seat_v2::Event;
        let tablets = state.tablets().find(|tablets| tablets.seat == *proxy);
        match event {
            Event::TabletAdded { id } => match tablets {
                Some(known) if known.tablets.len() < MAX_OF_A_KIND => known.tablets.push(id),
                _ => id.destroy(),
            },
            Event::ToolAdded { id } => match tablets {
                Some(known) if known.tools.len() < MAX_OF_A_KIND => known.tools.push(Tool {
                    proxy: id,
                    kind: None,
                    pen: Pen::default(),
                }),
                _ => id.destroy(),
            },
            // It goes when all of its parts have been made, see below.
            _ => {}
        }
    }

    event_created_child!(State, ZwpTabletSeatV2, [
        zwp_tablet_seat_v2::EVT_TABLET_ADDED_OPCODE => (ZwpTabletV2, ()),
        zwp_tablet_seat_v2::EVT_TOOL_ADDED_OPCODE => (ZwpTabletToolV2, ()),
        zwp_tablet_seat_v2::EVT_PAD_ADDED_OPCODE => (ZwpTabletPadV2, ()),
    ]);
}

impl Dispatch<ZwpTabletV2, ()> for State {
    fn event(
        state: &mut Self,
        proxy: &ZwpTabletV2,
        event: zwp_tablet_v2::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let zwp_tablet_v2::Event::Removed = event {
            for tablets in state.tablets() {
                tablets.tablets.retain(|tablet| tablet != proxy);
            }
            proxy.destroy();
        }
    }
}

impl Dispatch<ZwpTabletPadV2, ()> for State {
    fn event(
        _: &mut Self,
        pad: &ZwpTabletPadV2,
        event: zwp_tablet_pad_v2::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_tablet_pad_v2::Event;
        if let Event::Done | Event::Removed = event {
            pad.destroy();
        }
    }

    event_created_child!(State, ZwpTabletPadV2, [
        zwp_tablet_pad_v2::EVT_GROUP_OPCODE => (ZwpTabletPadGroupV2, ()),
    ]);
}

impl Dispatch<ZwpTabletPadGroupV2, ()> for State {
    fn event(
        _: &mut Self,
        group: &ZwpTabletPadGroupV2,
        event: zwp_tablet_pad_group_v2::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_tablet_pad_group_v2::Event;
        match event {
            Event::Ring { ring } => ring.destroy(),
            Event::Strip { strip } => strip.destroy(),
            Event::Dial { dial } => dial.destroy(),
            Event::Done => group.destroy(),
            _ => {}
        }
    }

    event_created_child!(State, ZwpTabletPadGroupV2, [
        zwp_tablet_pad_group_v2::EVT_RING_OPCODE => (ZwpTabletPadRingV2, ()),
        zwp_tablet_pad_group_v2::EVT_STRIP_OPCODE => (ZwpTabletPadStripV2, ()),
        zwp_tablet_pad_group_v2::EVT_DIAL_OPCODE => (ZwpTabletPadDialV2, ()),
    ]);
}

// Objects that never say anything, or nothing that matters here.
delegate_noop!(State: ignore ZwpTabletManagerV2);
delegate_noop!(State: ignore ZwpTabletPadDialV2);
delegate_noop!(State: ignore ZwpTabletPadRingV2);
delegate_noop!(State: ignore ZwpTabletPadStripV2);
