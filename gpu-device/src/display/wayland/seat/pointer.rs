//! Pointers.
//!
//! Versions before 5 have no frames: there each event is one of its own. Whether the pointer is
//! locked, and by how much it moves then, is `grab`'s concern.

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, WEnum,
    protocol::{
        wl_pointer::{self, ButtonState, WlPointer},
        wl_surface::WlSurface,
    },
};
use wayland_protocols::wp::cursor_shape::v1::client::wp_cursor_shape_device_v1::Shape;

use super::{
    super::{
        State,
        cursor::HostCursor,
        decoration::{Hand, Part, SurfaceRole},
    },
    SeatId,
    grab::Lock,
    held::{Held, code},
    scroll::Scroll,
};
use crate::{
    display::ScanoutId,
    input::{HostInput, Position},
};

/// The version that brought frames.
const VERSION_FRAME: u32 = 5;

/// The version that lets a client say that it is done with a pointer.
const VERSION_RELEASE: u32 = 3;

/// A seat's pointer.
#[derive(Debug)]
pub(in super::super) struct Pointer {
    pub(in super::super) proxy: WlPointer,
    pub(in super::super) over: Over,
    pub(super) lock: Option<Lock>,
    /// What it looks like over our windows.
    pub(in super::super) cursor: HostCursor,
    scroll: Scroll,
}

/// What a pointer is over. `serial` is the one of its coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Over {
    /// Nothing of ours.
    Nothing,
    /// A scanout's picture.
    Picture { scanout: ScanoutId, serial: u32 },
    /// Something around one, where it has this shape.
    Decoration {
        scanout: ScanoutId,
        part: Part,
        serial: u32,
        shape: Shape,
    },
}

impl Over {
    /// The scanout whose picture it is over.
    pub(in super::super) fn picture(self) -> Option<ScanoutId> {
        match self {
            Self::Picture { scanout, .. } => Some(scanout),
            Self::Nothing | Self::Decoration { .. } => None,
        }
    }

    /// The scanout whose window it is over, on the picture or beside it.
    pub(super) fn window(self) -> Option<ScanoutId> {
        match self {
            Self::Nothing => None,
            Self::Picture { scanout, .. } | Self::Decoration { scanout, .. } => Some(scanout),
        }
    }
}

impl Pointer {
    pub(super) fn new(proxy: WlPointer, cursor: HostCursor) -> Self {
        Self {
            proxy,
            over: Over::Nothing,
            lock: None,
            cursor,
            scroll: Scroll::default(),
        }
    }
}

impl Drop for Pointer {
    fn drop(&mut self) {
        // What was made with it goes first.
        self.lock = None;
        if self.proxy.version() >= VERSION_RELEASE {
            self.proxy.release();
        }
    }
}

/// What the guest knows of pointers.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    /// The seats whose pointers are over a picture.
    over: Vec<SeatId>,
    buttons: Held,
    /// Something was said since the last frame.
    open: bool,
}

impl Pointers {
    fn enter(&mut self, seat: SeatId, at: Position, said: &mut Vec<HostInput>) {
        // Without a leave before it, it is a host's mistake.
        self.let_go(seat, said);
        self.over.push(seat);
        self.say(HostInput::PointerEnter(at), said);
    }

    /// A seat has no pointer any more, or it is over none of the guest's pictures.
    pub(super) fn leave(&mut self, seat: SeatId, said: &mut Vec<HostInput>) {
        if self.over.contains(&seat) {
            self.let_go(seat, said);
            if self.over.is_empty() {
                self.say(HostInput::PointerLeave, said);
            }
        }
    }

    /// Buttons are released in the window that the pointer leaves: hosts don't say so later.
    fn let_go(&mut self, seat: SeatId, said: &mut Vec<HostInput>) {
        self.over.retain(|other| *other != seat);
        for code in self.buttons.let_go(seat) {
            let pressed = false;
            self.say(HostInput::Button { code, pressed }, said);
        }
    }

    fn button(&mut self, seat: SeatId, number: u32, pressed: bool, said: &mut Vec<HostInput>) {
        let Some(code) = code(number) else {
            return;
        };
        let is_news = match pressed {
            true => self.buttons.press(seat, code),
            false => self.buttons.release(seat, code),
        };
        if is_news {
            self.say(HostInput::Button { code, pressed }, said);
        }
    }

    pub(super) fn say(&mut self, input: HostInput, said: &mut Vec<HostInput>) {
        self.open = true;
        said.push(input);
    }

    pub(super) fn frame(&mut self, said: &mut Vec<HostInput>) {
        if std::mem::take(&mut self.open) {
            said.push(HostInput::PointerFrame);
        }
    }
}

impl State {
    fn pointer_enter(&mut self, id: SeatId, serial: u32, surface: &WlSurface, (x, y): (f64, f64)) {
        self.pointer_leave(id);
        let over = match self.surface_role(surface) {
            SurfaceRole::Unknown => Over::Nothing,
            SurfaceRole::Scanout(scanout) => {
                let at = self.position(scanout, x, y);
                self.pointed_at(at);
                let hands = &mut self.hands;
                hands.pointers.enter(id, at, &mut hands.said);
                Over::Picture { scanout, serial }
            }
            SurfaceRole::Decoration(scanout, part) => Over::Decoration {
                scanout,
                part,
                serial,
                shape: self.decoration_hand(id, (scanout, part), Hand::At { x, y }),
            },
        };
        if let Some(pointer) = self.hands.pointer(id) {
            pointer.over = over;
        }
        self.settle_grab();
    }

    /// It is over nothing of ours.
    fn pointer_leave(&mut self, id: SeatId) {
        let hands = &mut self.hands;
        hands.pointers.leave(id, &mut hands.said);
        let Some(pointer) = hands.pointer(id) else {
            return;
        };
        pointer.scroll = Scroll::default();
        let over = std::mem::replace(&mut pointer.over, Over::Nothing);
        if let Over::Decoration { scanout, part, .. } = over {
            self.decoration_hand(id, (scanout, part), Hand::Away);
        }
    }

    fn pointer_motion(&mut self, id: SeatId, x: f64, y: f64) {
        let Some(pointer) = self.hands.pointer(id) else {
            return;
        };
        match pointer.over {
            Over::Nothing => {}
            // Where it is while it is locked means nothing.
            Over::Picture { .. } if pointer.is_locked() => {}
            Over::Picture { scanout, .. } => {
                let at = self.position(scanout, x, y);
                self.pointed_at(at);
                let hands = &mut self.hands;
                let motion = HostInput::PointerMotion(at);
                hands.pointers.say(motion, &mut hands.said);
            }
            Over::Decoration { scanout, part, .. } => {
                let now = self.decoration_hand(id, (scanout, part), Hand::At { x, y });
                let pointer = self.hands.pointer(id);
                if let Some(Over::Decoration { shape, .. }) = pointer.map(|it| &mut it.over) {
                    *shape = now;
                }
            }
        }
    }

    fn pointer_button(&mut self, id: SeatId, button: &Button) {
        let hands = &mut self.hands;
        let Some(over) = hands.pointer(id).map(|pointer| pointer.over) else {
            return;
        };
        match over {
            Over::Nothing => {}
            Over::Picture { .. } => {
                let (number, pressed) = (button.number, button.pressed);
                hands.pointers.button(id, number, pressed, &mut hands.said);
            }
            Over::Decoration { scanout, part, .. } => {
                let hand = match button.pressed {
                    true => Hand::Pressed {
                        button: button.number,
                        serial: button.serial,
                        time: button.time,
                    },
                    false => Hand::Released {
                        button: button.number,
                    },
                };
                self.decoration_hand(id, (scanout, part), hand);
            }
        }
    }

    fn decoration_hand(
        &mut self,
        seat: SeatId,
        (scanout, part): (ScanoutId, Part),
        hand: Hand,
    ) -> Shape {
        let proxy = self.hands.seat(seat).map(|seat| seat.proxy.clone());
        proxy.map_or(Shape::Default, |proxy| {
            self.on_decoration(scanout, part, hand, &proxy)
        })
    }

    /// What belongs together is complete.
    fn pointer_frame(&mut self, id: SeatId) {
        let hands = &mut self.hands;
        let Some(pointer) = hands.pointer(id) else {
            return;
        };
        let is_ours = pointer.over.picture().is_some();
        if let Some((horizontal, vertical)) = pointer.scroll.take().filter(|_| is_ours) {
            let scroll = HostInput::Scroll {
                horizontal,
                vertical,
            };
            hands.pointers.say(scroll, &mut hands.said);
        }
        hands.pointers.frame(&mut hands.said);
    }

    /// Ends a frame where the host does not say when it ends.
    pub(super) fn pointer_frame_without_frames(&mut self, id: SeatId, proxy: &WlPointer) {
        if proxy.version() < VERSION_FRAME {
            self.pointer_frame(id);
        }
    }
}

/// What `wl_pointer.button` says.
struct Button {
    serial: u32,
    time: u32,
    number: u32,
    pressed: bool,
}

impl Dispatch<WlPointer, SeatId> for State {
    fn event(
        state: &mut Self,
        proxy: &WlPointer,
        event: wl_pointer::Event,
        seat: &SeatId,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wl_pointer::Event;
        // Objects of before version 3 can't be destroyed and may go on speaking.
        let known = state.hands.pointer(*seat);
        let Some(pointer) = known.filter(|pointer| pointer.proxy == *proxy) else {
            return;
        };
        match event {
            Event::Enter {
                serial,
                surface,
                surface_x,
                surface_y,
            } => state.pointer_enter(*seat, serial, &surface, (surface_x, surface_y)),
            Event::Leave { .. } => {
                state.pointer_leave(*seat);
                state.settle_grab();
            }
            Event::Motion {
                surface_x,
                surface_y,
                ..
            } => state.pointer_motion(*seat, surface_x, surface_y),
            Event::Button {
                serial,
                time,
                button: number,
                state: WEnum::Value(button_state),
            } => {
                let button = Button {
                    serial,
                    time,
                    number,
                    pressed: button_state == ButtonState::Pressed,
                };
                state.pointer_button(*seat, &button);
            }
            Event::Frame => state.pointer_frame(*seat),
            other => hear_scroll(&mut pointer.scroll, &other),
        }
        state.pointer_frame_without_frames(*seat, proxy);
        state.report_hands();
    }
}

fn hear_scroll(scroll: &mut Scroll, event: &wl_pointer::Event) {
    use wl_pointer::Event;
    match event {
        Event::Axis {
            axis: WEnum::Value(axis),
            value,
            ..
        } => scroll.length(*axis, *value),
        Event::AxisDiscrete {
            axis: WEnum::Value(axis),
            discrete,
        } => scroll.notches(*axis, *discrete),
        Event::AxisValue120 {
            axis: WEnum::Value(axis),
            value120,
        } => scroll.units(*axis, *value120),
        Event::AxisSource {
            axis_source: WEnum::Value(source),
        } => scroll.source(*source),
        Event::AxisStop {
            axis: WEnum::Value(axis),
            ..
        } => scroll.stop(*axis),
        // The direction that fingers really went, see `scroll`; and what later versions bring.
        _ => {}
    }
}
