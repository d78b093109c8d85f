//! How a window holds the user's hands: the pointer by a lock, the keyboard by an inhibitor.
//!
//! What is wished for is kept; [`State::settle_grab`] makes the objects that it takes, wherever
//! keyboards and pointers are just now, and takes away those that are of no use any more:
//!
//! ```text
//!              wished for, over a window          the host agrees
//!  (no lock) ───────────────────────────▶ Asked ──────────────────▶ Active ──▶ PointerLocked(true)
//!      ▲                                   │ ▲                         │
//!      │                                   │ └─────────────────────────┘
//!      └── not wished for, another window, ┘    the host takes it back ──────▶ PointerLocked(false)
//!          or the window is gone ◀─────────────────────┘
//! ```
//!
//! A host may take its time over a lock, or never agree; it does not say so. Where it has no locks
//! at all, the answer is `PointerLocked(false)` at once. To let go at the guest's own wish is not
//! reported.
//!
//! An inhibitor stays for as long as it is wished for, one for each window that has had the keyboard
//! since: hosts ask the user, and may ask again for each new one.

use wayland_client::{Connection, Dispatch, QueueHandle, delegate_noop};
use wayland_protocols::wp::{
    keyboard_shortcuts_inhibit::zv1::client::{
        zwp_keyboard_shortcuts_inhibit_manager_v1::ZwpKeyboardShortcutsInhibitManagerV1,
        zwp_keyboard_shortcuts_inhibitor_v1::ZwpKeyboardShortcutsInhibitorV1,
    },
    pointer_constraints::zv1::client::{
        zwp_locked_pointer_v1::{self, ZwpLockedPointerV1},
        zwp_pointer_constraints_v1::{Lifetime, ZwpPointerConstraintsV1},
    },
    relative_pointer::zv1::client::{
        zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1,
        zwp_relative_pointer_v1::{self, ZwpRelativePointerV1},
    },
};

use super::{
    super::{State, window::Stage},
    SeatId,
    pointer::Pointer,
};
use crate::{
    display::ScanoutId,
    input::{Grab, HostInput},
};

/// A pointer's lock on a window.
#[derive(Debug)]
pub(super) struct Lock {
    proxy: ZwpLockedPointerV1,
    relative: ZwpRelativePointerV1,
    scanout: ScanoutId,
    active: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.relative.destroy();
        self.proxy.destroy();
    }
}

/// A window that gets the host's shortcuts.
#[derive(Debug)]
pub(super) struct Inhibitor {
    proxy: ZwpKeyboardShortcutsInhibitorV1,
    scanout: ScanoutId,
}

impl Drop for Inhibitor {
    fn drop(&mut self) {
        self.proxy.destroy();
    }
}

/// What is wished for, and what has been reported of it.
#[derive(Debug, Default)]
pub(super) struct Holds {
    wish: Grab,
    locked: bool,
    shown: Option<ScanoutId>,
}

impl Holds {
    /// Whether the guest has been told that the pointer is locked.
    pub(super) fn locked(&self) -> bool {
        self.locked
    }
}

impl Pointer {
    /// Whether the host has locked it.
    pub(super) fn is_locked(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.active)
    }

    /// The host has locked it, or not any more. False if it is about another lock.
    fn set_locked(&mut self, proxy: &ZwpLockedPointerV1, active: bool) -> bool {
        let lock = self.lock.as_mut().filter(|lock| lock.proxy == *proxy);
        lock.map(|lock| lock.active = active).is_some()
    }
}

impl State {
    /// See [`Display::set_grab`](crate::display::Display::set_grab).
    pub(in super::super) fn set_grab(&mut self, grab: Grab) {
        self.hands.holds.wish = grab;
        if !grab.pointer {
            // What was asked for needs no report.
            self.hands.holds.locked = false;
        }
        self.settle_grab();
        if grab.pointer && !self.globals.hands.can_lock() {
            self.hands.said.push(HostInput::PointerLocked(false));
        }
        self.report_hands();
    }

    /// Brings locks and inhibitors to where they should be.
    pub(super) fn settle_grab(&mut self) {
        let ids: Vec<SeatId> = self.hands.seats.iter().map(|seat| seat.id).collect();
        for id in ids {
            self.settle_lock(id);
            self.settle_inhibitor(id);
        }
        self.report_lock();
        let holding = self.holding();
        if std::mem::replace(&mut self.hands.holds.shown, holding) != holding {
            self.show_grab(holding);
        }
    }

    fn settle_lock(&mut self, id: SeatId) {
        let wish = self.hands.holds.wish.pointer;
        let Some(pointer) = self.hands.pointer(id) else {
            return;
        };
        let over = pointer.over.picture();
        let on = pointer.lock.as_ref().map(|lock| lock.scanout);
        // A pointer that has left keeps its lock: the host locks it again when it is back.
        if wish && (over.is_none() || over == on) {
            return;
        }
        if let Some(lock) = pointer.lock.take() {
            self.leave_pointer(&lock);
        }
        if let Some(scanout) = over.filter(|_| wish) {
            self.ask_for_lock(id, scanout);
        }
    }

    fn ask_for_lock(&mut self, id: SeatId, scanout: ScanoutId) {
        let handle = &self.handle;
        let globals = &self.globals.hands;
        let factories = globals.constraints.as_ref().zip(globals.relative.as_ref());
        let record = self.scanouts.get(&scanout);
        let window = record.and_then(|record| record.window.as_ref());
        let pointer = self.hands.pointer(id);
        if let (Some((constraints, relative)), Some(window), Some(pointer)) =
            (factories, window, pointer)
        {
            let (surface, proxy) = (&window.surface, &pointer.proxy);
            let lifetime = Lifetime::Persistent;
            pointer.lock = Some(Lock {
                proxy: constraints.lock_pointer(surface, proxy, None, lifetime, handle, id),
                relative: relative.get_relative_pointer(proxy, handle, id),
                scanout,
                active: false,
            });
        }
    }

    /// Has the host's pointer come out where the guest has drawn its own, as far as the host cares.
    fn leave_pointer(&mut self, lock: &Lock) {
        let record = self.scanouts.get_mut(&lock.scanout);
        let Some(record) = record.filter(|_| lock.active) else {
            return;
        };
        let window = record.window.as_mut();
        let mapped = window.filter(|window| window.stage == Stage::Mapped);
        if let Some(window) = mapped
            && let Some((x, y)) = record.pointer.tip_on(&window.geometry)
        {
            lock.proxy
                .set_cursor_position_hint(f64::from(x), f64::from(y));
            window.commit_again(lock.scanout, &self.globals, &self.handle);
        }
    }

    fn settle_inhibitor(&mut self, id: SeatId) {
        let wish = self.hands.holds.wish.shortcuts;
        let focus = self.hands.keys.focus(id).filter(|_| wish);
        let handle = &self.handle;
        let Some(seat) = self.hands.seats.iter_mut().find(|seat| seat.id == id) else {
            return;
        };
        if !wish {
            seat.inhibitors.clear();
        }
        let Some(scanout) = focus else {
            return;
        };
        let record = self.scanouts.get(&scanout);
        let window = record.and_then(|record| record.window.as_ref());
        let is_there = seat.inhibitors.iter().any(|it| it.scanout == scanout);
        if let Some(manager) = &self.globals.hands.inhibit
            && let Some(window) = window.filter(|_| !is_there)
        {
            let proxy = manager.inhibit_shortcuts(&window.surface, &seat.proxy, handle, ());
            seat.inhibitors.push(Inhibitor { proxy, scanout });
        }
    }

    /// A window is gone: what held hands in it goes first.
    pub(super) fn release_grab(&mut self, scanout: ScanoutId) {
        for seat in &mut self.hands.seats {
            seat.inhibitors.retain(|it| it.scanout != scanout);
            if let Some(pointer) = &mut seat.pointer {
                pointer.lock.take_if(|lock| lock.scanout == scanout);
            }
        }
    }

    /// Tells whether the pointer is locked, if that is news.
    pub(super) fn report_lock(&mut self) {
        let hands = &mut self.hands;
        let mut pointers = hands.seats.iter().filter_map(|seat| seat.pointer.as_ref());
        let locked = pointers.any(Pointer::is_locked);
        if std::mem::replace(&mut hands.holds.locked, locked) != locked {
            hands.said.push(HostInput::PointerLocked(locked));
        }
    }

    /// The scanout whose window holds hands.
    fn holding(&self) -> Option<ScanoutId> {
        let mut locks = self.hands.seats.iter().filter_map(|seat| {
            let lock = seat.pointer.as_ref()?.lock.as_ref()?;
            lock.active.then_some(lock.scanout)
        });
        let inhibits = |(id, scanout): &(SeatId, ScanoutId)| {
            let seat = self.hands.seats.iter().find(|seat| seat.id == *id);
            seat.is_some_and(|seat| seat.inhibitors.iter().any(|it| it.scanout == *scanout))
        };
        let inhibiting = self.hands.keys.focused().find(inhibits);
        locks.next().or(inhibiting.map(|(_, scanout)| scanout))
    }
}

impl Dispatch<ZwpLockedPointerV1, SeatId> for State {
    fn event(
        state: &mut Self,
        proxy: &ZwpLockedPointerV1,
        event: zwp_locked_pointer_v1::Event,
        seat: &SeatId,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_locked_pointer_v1::Event;
        let active = match event {
            Event::Locked => true,
            Event::Unlocked => false,
            _ => return,
        };
        let pointer = state.hands.pointer(*seat);
        if pointer.is_some_and(|pointer| pointer.set_locked(proxy, active)) {
            state.settle_grab();
            state.report_hands();
        }
    }
}

impl Dispatch<ZwpRelativePointerV1, SeatId> for State {
    fn event(
        state: &mut Self,
        proxy: &ZwpRelativePointerV1,
        event: zwp_relative_pointer_v1::Event,
        seat: &SeatId,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let zwp_relative_pointer_v1::Event::RelativeMotion {
            dx_unaccel: dx,
            dy_unaccel: dy,
            ..
        } = event
        else {
            return;
        };
        let hands = &mut state.hands;
        let Some(pointer) = hands.pointer(*seat) else {
            return;
        };
        let lock = pointer.lock.as_ref();
        if !lock.is_some_and(|lock| lock.active && lock.relative == *proxy) {
            return;
        }
        let proxy = pointer.proxy.clone();
        let motion = HostInput::RelativeMotion { dx, dy };
        hands.pointers.say(motion, &mut hands.said);
        state.pointer_frame_without_frames(*seat, &proxy);
        state.report_hands();
    }
}

// Objects that never say anything, or nothing that matters here: whether an inhibitor is active is
// between the user and the host.
delegate_noop!(State: ignore ZwpPointerConstraintsV1);
delegate_noop!(State: ignore ZwpRelativePointerManagerV1);
delegate_noop!(State: ignore ZwpKeyboardShortcutsInhibitManagerV1);
delegate_noop!(State: ignore ZwpKeyboardShortcutsInhibitorV1);
