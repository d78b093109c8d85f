//! Hands: what the host's seats report becomes [`HostInput`], and what the guest wishes of hands
//! becomes requests.
//!
//! | room | owns |
//! |------|------|
//! | `keyboard`, `pointer`, `touch`, `tablet` | the host's words for each kind of device |
//! | `held` | what is pressed, by whom |
//! | `scroll` | how far something scrolled |
//! | `pen` | what a pen does, frame by frame |
//! | `grab` | holding pointer and keyboard |
//! | `globals` | the factories |
//!
//! A host can have several seats, each with several devices, and any of them can come and go. To
//! the guest they are one pair of hands. Whatever goes, a window, a device, a seat or the host,
//! lets go of what it held, so that nothing stays pressed in the guest.
//!
//! Must not know what the guest's devices make of it, nor when hands are to be held.

mod globals;
mod grab;
mod held;
mod keyboard;
mod pen;
mod pointer;
mod scroll;
mod tablet;
mod touch;

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, WEnum,
    protocol::{
        wl_keyboard::WlKeyboard,
        wl_registry::WlRegistry,
        wl_seat::{self, Capability, WlSeat},
        wl_touch::WlTouch,
    },
};

pub(super) use self::{
    globals::HandGlobals,
    pointer::{Over, Pointer},
};
use self::{
    grab::{Holds, Inhibitor},
    keyboard::Keys,
    pointer::Pointers,
    tablet::Tablets,
    touch::Fingers,
};
use super::{State, cursor::HostCursor};
use crate::{
    display::{DisplayEvent, ScanoutId},
    input::{HostInput, Position},
};

/// The newest version whose events are understood.
const VERSION: u32 = 10;

/// The version that lets a client say that it is done with a seat.
const VERSION_RELEASE: u32 = 5;

/// The version that lets a client say that it is done with a keyboard or a touch screen.
const VERSION_RELEASE_DEVICE: u32 = 3;

/// How many seats are heard. Hosts have one; a second one is rare.
const MAX_SEATS: usize = 8;

/// A seat by the number of its global.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SeatId(u32);

/// All hands.
#[derive(Debug, Default)]
pub(super) struct Hands {
    pub(super) seats: Vec<Seat>,
    keys: Keys,
    pointers: Pointers,
    fingers: Fingers,
    holds: Holds,
    /// Whether the guest's pointer follows the host's.
    pub(super) follows: bool,
    /// What is to be reported, in its order.
    said: Vec<HostInput>,
}

/// A seat, and the devices that it has just now.
#[derive(Debug)]
pub(super) struct Seat {
    id: SeatId,
    proxy: WlSeat,
    keyboard: Option<WlKeyboard>,
    pub(super) pointer: Option<Pointer>,
    touch: Option<WlTouch>,
    tablets: Option<Tablets>,
    inhibitors: Vec<Inhibitor>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        // What was made with it goes first.
        self.inhibitors.clear();
        self.tablets = None;
        self.pointer = None;
        release_keyboard(self.keyboard.take());
        release_touch(self.touch.take());
        if self.proxy.version() >= VERSION_RELEASE {
            self.proxy.release();
        }
    }
}

fn release_keyboard(keyboard: Option<WlKeyboard>) {
    if let Some(keyboard) = keyboard.filter(|it| it.version() >= VERSION_RELEASE_DEVICE) {
        keyboard.release();
    }
}

fn release_touch(touch: Option<WlTouch>) {
    if let Some(touch) = touch.filter(|it| it.version() >= VERSION_RELEASE_DEVICE) {
        touch.release();
    }
}

impl Hands {
    fn seat(&self, id: SeatId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.id == id)
    }

    fn pointer(&mut self, id: SeatId) -> Option<&mut Pointer> {
        let seat = self.seats.iter_mut().find(|seat| seat.id == id)?;
        seat.pointer.as_mut()
    }

    /// Whether a pointer is locked.
    pub(super) fn is_locked(&self) -> bool {
        self.holds.locked()
    }

    /// Whether a pointer is over a scanout's picture.
    pub(super) fn points_at(&self, scanout: ScanoutId) -> bool {
        let mut pointers = self.seats.iter().filter_map(|seat| seat.pointer.as_ref());
        pointers.any(|pointer| pointer.over.picture() == Some(scanout))
    }

    /// Whether a pen is near a scanout's picture.
    pub(super) fn draws_on(&self, scanout: ScanoutId) -> bool {
        let mut tablets = self.seats.iter().filter_map(|seat| seat.tablets.as_ref());
        tablets.any(|tablets| tablets.is_near(scanout))
    }
}

impl State {
    /// The host has a seat.
    pub(super) fn seat_added(&mut self, registry: &WlRegistry, number: u32, version: u32) {
        let id = SeatId(number);
        let seats = &self.hands.seats;
        if seats.len() >= MAX_SEATS || seats.iter().any(|seat| seat.id == id) {
            return;
        }
        let handle = &self.handle;
        let proxy: WlSeat = registry.bind(number, version.min(VERSION), handle, id);
        let tablets = self.globals.hands.tablets.as_ref().map(|manager| {
            let seat = manager.get_tablet_seat(&proxy, handle, id);
            Tablets::new(seat)
        });
        self.hands.seats.push(Seat {
            id,
            proxy,
            keyboard: None,
            pointer: None,
            touch: None,
            tablets,
            inhibitors: Vec::new(),
        });
    }

    /// A global is gone that may have been a seat.
    pub(super) fn seat_removed(&mut self, number: u32) {
        self.empty_seat(SeatId(number));
        self.hands.seats.retain(|seat| seat.id != SeatId(number));
        self.settle_grab();
        self.report_hands();
    }

    /// The host is gone, and all hands with it.
    pub(super) fn hands_gone(&mut self) {
        let ids: Vec<SeatId> = self.hands.seats.iter().map(|seat| seat.id).collect();
        for SeatId(number) in ids {
            self.seat_removed(number);
        }
    }

    /// A scanout's window is about to go: hands are in it no more.
    pub(super) fn window_going(&mut self, scanout: ScanoutId) {
        self.release_grab(scanout);
        let hands = &mut self.hands;
        let focused: Vec<_> = hands.keys.focused().collect();
        for (seat, _) in focused.iter().filter(|(_, focus)| *focus == scanout) {
            hands.keys.leave(*seat, &mut hands.said);
        }
        for seat in &mut hands.seats {
            if let Some(pointer) = &mut seat.pointer
                && pointer.over.window() == Some(scanout)
            {
                pointer.over = Over::Nothing;
                hands.pointers.leave(seat.id, &mut hands.said);
            }
            if let Some(tablets) = &mut seat.tablets {
                tablets.leave(Some(scanout), &mut hands.said);
            }
        }
        hands.pointers.frame(&mut hands.said);
        hands.fingers.window_gone(scanout, &mut hands.said);
        self.settle_grab();
        self.report_hands();
    }

    /// The guest has been told that the pointer is there.
    fn pointed_at(&mut self, at: Position) {
        if let Some(record) = self.scanouts.get_mut(&at.scanout) {
            record.pointer.pointed_at(at.x, at.y);
        }
    }

    /// Queues what was said.
    fn report_hands(&mut self) {
        let said = self.hands.said.drain(..).map(DisplayEvent::Input);
        self.events.extend(said);
    }

    /// A seat has other devices now.
    fn set_capabilities(&mut self, id: SeatId, has: Capability) {
        let handle = self.handle.clone();
        let globals = &self.globals;
        let Some(seat) = self.hands.seats.iter_mut().find(|seat| seat.id == id) else {
            return;
        };
        let proxy = seat.proxy.clone();
        let lost = |capability: Capability, had: bool| had && !has.contains(capability);
        let lost = (
            lost(Capability::Keyboard, seat.keyboard.is_some()),
            lost(Capability::Pointer, seat.pointer.is_some()),
            lost(Capability::Touch, seat.touch.is_some()),
        );
        if has.contains(Capability::Keyboard) && seat.keyboard.is_none() {
            seat.keyboard = Some(proxy.get_keyboard(&handle, id));
        }
        if has.contains(Capability::Pointer) && seat.pointer.is_none() {
            let pointer = proxy.get_pointer(&handle, id);
            let shapes = globals.hands.shapes.as_ref();
            let shape = shapes.map(|shapes| shapes.get_pointer(&pointer, &handle, ()));
            seat.pointer = Some(Pointer::new(pointer, HostCursor::new(shape)));
        }
        if has.contains(Capability::Touch) && seat.touch.is_none() {
            seat.touch = Some(proxy.get_touch(&handle, id));
        }
        self.lose_devices(id, lost);
        self.settle_grab();
    }

    /// Lets go of what a seat's keyboard, pointer or touch screen held, and of the device.
    fn lose_devices(&mut self, id: SeatId, (keyboard, pointer, touch): (bool, bool, bool)) {
        let hands = &mut self.hands;
        let Some(seat) = hands.seats.iter_mut().find(|seat| seat.id == id) else {
            return;
        };
        if keyboard {
            hands.keys.leave(id, &mut hands.said);
            seat.inhibitors.clear();
            release_keyboard(seat.keyboard.take());
        }
        if pointer {
            hands.pointers.leave(id, &mut hands.said);
            hands.pointers.frame(&mut hands.said);
            seat.pointer = None;
        }
        if touch {
            hands.fingers.seat_gone(id, &mut hands.said);
            release_touch(seat.touch.take());
        }
    }

    fn empty_seat(&mut self, id: SeatId) {
        self.lose_devices(id, (true, true, true));
        let hands = &mut self.hands;
        let seat = hands.seats.iter_mut().find(|seat| seat.id == id);
        if let Some(tablets) = seat.and_then(|seat| seat.tablets.as_mut()) {
            tablets.leave(None, &mut hands.said);
        }
    }
}

impl Dispatch<WlSeat, SeatId> for State {
    fn event(
        state: &mut Self,
        _: &WlSeat,
        event: wl_seat::Event,
        id: &SeatId,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_seat::Event::Capabilities { capabilities } = event {
            let has = match capabilities {
                WEnum::Value(has) => has,
                // Some are known, and others came with a later version.
                WEnum::Unknown(bits) => Capability::from_bits_truncate(bits),
            };
            state.set_capabilities(*id, has);
            state.report_hands();
        }
    }
}
