//! Pens and what else is used on drawing tablets, for `zwp_tablet_v2`.

use std::collections::HashMap;

use smithay::{
    backend::input::{
        ButtonState, Event as _, InputBackend, ProximityState, TabletToolButtonEvent as _,
        TabletToolDescriptor, TabletToolEvent, TabletToolProximityEvent as _,
        TabletToolTipEvent as _, TabletToolTipState,
    },
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::SERIAL_COUNTER,
    wayland::tablet_manager::{TabletDescriptor, TabletSeatTrait as _, TabletToolHandle},
};

use super::{Woke, device::Reach, millis, target::Target};
use crate::{backend::now, state::State};

/// The tools that are near a tablet.
#[derive(Debug, Default)]
pub(super) struct Tools {
    near: HashMap<TabletToolDescriptor, Tool>,
}

#[derive(Debug, Default)]
struct Tool {
    /// The window that knows that it is near.
    over: Option<WlSurface>,
    /// What its tip or a button was pressed on, until nothing is: a stroke ends where it began.
    held_on: Option<Target>,
    /// That window knows that the tip is down.
    tip: bool,
    /// The buttons that it knows as pressed.
    pressed: Vec<u32>,
}

impl State {
    /// A tablet was plugged in.
    pub(super) fn add_tablet(&mut self, tablet: &TabletDescriptor) {
        let display = self.clients.display().clone();
        self.protocols
            .seat
            .tablet_seat()
            .add_tablet::<Self>(&display, tablet);
    }

    /// A tablet was unplugged.
    pub(super) fn remove_tablet(&mut self, tablet: &TabletDescriptor) {
        let seat = self.protocols.seat.tablet_seat();
        seat.remove_tablet(tablet);
        if seat.count_tablets() == 0 {
            self.remove_tools();
        }
    }

    /// Lets go of all tools, as if the hands had.
    pub(super) fn remove_tools(&mut self) {
        let seat = self.protocols.seat.tablet_seat();
        for (descriptor, tool) in std::mem::take(&mut self.input.tools.near) {
            if let Some(handle) = seat.get_tool(&descriptor) {
                leave(&handle, tool, millis(now()));
            }
        }
    }

    /// A tool came near a tablet, or was taken away.
    pub(super) fn tool_proximity<B: InputBackend>(&mut self, event: &B::TabletToolProximityEvent) {
        let tool = event.tool();
        match event.state() {
            ProximityState::In => {
                self.hide_pointer();
                let display = self.clients.display().clone();
                let seat = self.protocols.seat.tablet_seat();
                seat.add_tool::<Self>(self, &display, &tool);
                self.input.tools.near.insert(tool, Tool::default());
                self.move_tool::<B, _>(event);
            }
            ProximityState::Out => {
                let handle = self.protocols.seat.tablet_seat().get_tool(&tool);
                if let Some((handle, tool)) = handle.zip(self.input.tools.near.remove(&tool)) {
                    leave(&handle, tool, event.time_msec());
                }
            }
        }
    }

    /// A tool moved, or is held in another way.
    pub(super) fn tool_axis<B: InputBackend>(&mut self, event: &B::TabletToolAxisEvent) {
        self.move_tool::<B, _>(event);
    }

    /// A tool touched the tablet, or does not any more.
    pub(super) fn tool_tip<B: InputBackend>(&mut self, event: &B::TabletToolTipEvent, woke: Woke) {
        let descriptor = event.tool();
        let time = event.time_msec();
        // Where and how it is comes with the same event.
        let Some((handle, on)) = self.move_tool::<B, _>(event) else {
            return;
        };
        let Some(tool) = self.input.tools.near.get_mut(&descriptor) else {
            return;
        };
        match event.tip_state() {
            TabletToolTipState::Down if woke == Woke::Screens || on.is_none() => {}
            TabletToolTipState::Down => {
                tool.tip = true;
                tool.hold(on.clone());
                handle.tip_down(SERIAL_COUNTER.next_serial(), time);
                if let Some((surface, _)) = on {
                    self.focus_window_of(&surface);
                }
            }
            TabletToolTipState::Up if tool.tip => {
                tool.tip = false;
                tool.let_go();
                handle.tip_up(time);
            }
            TabletToolTipState::Up => {}
        }
    }

    /// A button of a tool was pressed or released.
    pub(super) fn tool_button<B: InputBackend>(
        &mut self,
        event: &B::TabletToolButtonEvent,
        woke: Woke,
    ) {
        let descriptor = event.tool();
        let Some((handle, on)) = self.move_tool::<B, _>(event) else {
            return;
        };
        let Some(tool) = self.input.tools.near.get_mut(&descriptor) else {
            return;
        };
        let (button, state) = (event.button(), event.button_state());
        match state {
            ButtonState::Pressed if woke == Woke::Screens || on.is_none() => return,
            ButtonState::Pressed if tool.pressed.contains(&button) => return,
            ButtonState::Pressed => {
                tool.pressed.push(button);
                tool.hold(on);
            }
            ButtonState::Released => {
                let Some(index) = tool.pressed.iter().position(|other| *other == button) else {
                    return;
                };
                tool.pressed.swap_remove(index);
                tool.let_go();
            }
        }
        let serial = SERIAL_COUNTER.next_serial();
        handle.button(button, state, serial, event.time_msec());
    }

    /// Tells the window under a tool, or the one that it draws in, where and how it is.
    fn move_tool<B: InputBackend, E: TabletToolEvent<B>>(
        &mut self,
        event: &E,
    ) -> Option<(TabletToolHandle, Option<Target>)> {
        let seat = self.protocols.seat.tablet_seat();
        let descriptor = event.tool();
        let handle = seat.get_tool(&descriptor)?;
        let tablet = seat.get_tablet(&TabletDescriptor::from(&event.device()))?;
        let at = self.point_of::<B, _>(event, Reach::OneMonitor)?;
        let held = self.input.tools.near.get(&descriptor)?.held_on.clone();
        let held = held.and_then(|(surface, _)| {
            let corner = self.corner_of(&surface, at)?;
            Some((surface, corner))
        });
        if held.is_none() {
            // The window that it was pressed in is gone.
            let tool = self.input.tools.near.get_mut(&descriptor)?;
            tool.forget(&handle, event.time_msec());
        }
        let on = held.or_else(|| self.target_at(at));
        tell_axes::<B, _>(&handle, event);
        let (serial, time) = (SERIAL_COUNTER.next_serial(), event.time_msec());
        handle.motion(at, on.clone(), &tablet, serial, time);
        let surface = on.as_ref().map(|(surface, _)| surface.clone());
        let tool = self.input.tools.near.get_mut(&descriptor)?;
        if surface.is_some() && tool.over != surface {
            // smithay tells a window that is entered the position only.
            handle.motion(at, on.clone(), &tablet, serial, time);
        }
        tool.over = surface;
        Some((handle, on))
    }
}

/// Hands over what changed about how a tool is held; it is told with the next motion.
fn tell_axes<B: InputBackend, E: TabletToolEvent<B>>(handle: &TabletToolHandle, event: &E) {
    if event.pressure_has_changed() {
        handle.pressure(event.pressure());
    }
    if event.distance_has_changed() {
        handle.distance(event.distance());
    }
    if event.tilt_has_changed() {
        handle.tilt(event.tilt());
    }
    if event.slider_has_changed() {
        handle.slider_position(event.slider_position());
    }
    if event.rotation_has_changed() {
        handle.rotation(event.rotation());
    }
    if event.wheel_has_changed() {
        handle.wheel(event.wheel_delta(), event.wheel_delta_discrete());
    }
}

/// A tool is taken away, whatever it did.
fn leave(handle: &TabletToolHandle, mut tool: Tool, time: u32) {
    tool.forget(handle, time);
    handle.proximity_out(time);
}

impl Tool {
    fn hold(&mut self, on: Option<Target>) {
        if self.held_on.is_none() {
            self.held_on = on;
        }
    }

    fn let_go(&mut self) {
        if !self.tip && self.pressed.is_empty() {
            self.held_on = None;
        }
    }

    /// Lets go of everything.
    fn forget(&mut self, handle: &TabletToolHandle, time: u32) {
        for button in self.pressed.drain(..) {
            let serial = SERIAL_COUNTER.next_serial();
            handle.button(button, ButtonState::Released, serial, time);
        }
        if std::mem::take(&mut self.tip) {
            handle.tip_up(time);
        }
        self.held_on = None;
    }
}
