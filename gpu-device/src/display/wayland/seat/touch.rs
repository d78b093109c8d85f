//! Touch screens.

use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::{
        wl_surface::WlSurface,
        wl_touch::{self, WlTouch},
    },
};

use super::{
    super::{
        State,
        decoration::{Hand, SurfaceRole},
    },
    SeatId,
};
use crate::{
    display::ScanoutId,
    input::{HostInput, Position},
};

/// How many fingers can touch at once; further ones are not seen. Twice as many as one person has,
/// for screens that two use.
pub(super) const MAX_FINGERS: usize = 20;

/// What a finger is to a title bar.
const BTN_LEFT: u32 = 0x110;

/// What the guest knows of fingers. A finger's place in the list is its number there: hosts
/// number those of each seat from zero.
#[derive(Debug, Default)]
pub(super) struct Fingers {
    down: [Option<Finger>; MAX_FINGERS],
    /// Something was said since the last frame.
    open: bool,
}

/// A finger, as the host knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Finger {
    seat: SeatId,
    id: i32,
    scanout: ScanoutId,
}

impl Fingers {
    fn down(&mut self, seat: SeatId, id: i32, at: Position, said: &mut Vec<HostInput>) {
        if self.find(seat, id).is_some() {
            return self.motion(seat, id, at, said);
        }
        let free = self.down.iter().position(Option::is_none);
        let Some((number, finger)) = free.and_then(|index| self.numbered(index)) else {
            return;
        };
        *finger = Some(Finger {
            seat,
            id,
            scanout: at.scanout,
        });
        self.say(HostInput::TouchDown { id: number, at }, said);
    }

    fn motion(&mut self, seat: SeatId, id: i32, at: Position, said: &mut Vec<HostInput>) {
        if let Some((number, _)) = self.find(seat, id) {
            self.say(HostInput::TouchMotion { id: number, at }, said);
        }
    }

    fn up(&mut self, seat: SeatId, id: i32, said: &mut Vec<HostInput>) {
        if let Some((number, finger)) = self.find(seat, id) {
            *finger = None;
            self.say(HostInput::TouchUp { id: number }, said);
        }
    }

    /// None of it counts, whoever's fingers they were: the guest knows one screen.
    fn cancel(&mut self, seat: SeatId, said: &mut Vec<HostInput>) {
        if self.down.iter().flatten().any(|finger| finger.seat == seat) {
            self.down = [None; MAX_FINGERS];
            self.say(HostInput::TouchCancel, said);
            self.frame(said);
        }
    }

    fn frame(&mut self, said: &mut Vec<HostInput>) {
        if std::mem::take(&mut self.open) {
            said.push(HostInput::TouchFrame);
        }
    }

    /// A seat has no touch screen any more.
    pub(super) fn seat_gone(&mut self, seat: SeatId, said: &mut Vec<HostInput>) {
        self.lift(|finger| finger.seat == seat, said);
    }

    /// A window is gone, and the fingers in it with it.
    pub(super) fn window_gone(&mut self, scanout: ScanoutId, said: &mut Vec<HostInput>) {
        self.lift(|finger| finger.scanout == scanout, said);
    }

    fn lift(&mut self, which: impl Fn(&Finger) -> bool, said: &mut Vec<HostInput>) {
        let mut gone = Vec::new();
        for index in 0..MAX_FINGERS {
            if let Some((number, finger)) = self.numbered(index)
                && finger.take_if(|finger| which(finger)).is_some()
            {
                gone.push(number);
            }
        }
        for id in gone {
            self.say(HostInput::TouchUp { id }, said);
        }
        self.frame(said);
    }

    fn say(&mut self, input: HostInput, said: &mut Vec<HostInput>) {
        self.open = true;
        said.push(input);
    }

    fn find(&mut self, seat: SeatId, id: i32) -> Option<(i32, &mut Option<Finger>)> {
        let is_it =
            |finger: &Option<Finger>| finger.is_some_and(|it| (it.seat, it.id) == (seat, id));
        let index = self.down.iter().position(is_it)?;
        self.numbered(index)
    }

    fn numbered(&mut self, index: usize) -> Option<(i32, &mut Option<Finger>)> {
        let number = i32::try_from(index).ok()?;
        Some((number, self.down.get_mut(index)?))
    }

    /// The scanout that a finger is on.
    fn scanout(&mut self, seat: SeatId, id: i32) -> Option<ScanoutId> {
        let (_, finger) = self.find(seat, id)?;
        finger.map(|finger| finger.scanout)
    }
}

impl State {
    fn touch_down(&mut self, seat: SeatId, event: &Down<'_>) {
        match self.surface_role(event.surface) {
            SurfaceRole::Scanout(scanout) => {
                let at = self.position(scanout, event.x, event.y);
                let hands = &mut self.hands;
                hands.fingers.down(seat, event.id, at, &mut hands.said);
            }
            SurfaceRole::Decoration(scanout, part) => {
                let Some(proxy) = self.hands.seat(seat).map(|seat| seat.proxy.clone()) else {
                    return;
                };
                let (x, y) = (event.x, event.y);
                // What follows is the host's, which is moving the window by now, or nothing at all:
                // no finger has to be remembered.
                for hand in [
                    Hand::At { x, y },
                    Hand::Pressed {
                        button: BTN_LEFT,
                        serial: event.serial,
                        time: event.time,
                    },
                    Hand::Released { button: BTN_LEFT },
                    Hand::Away,
                ] {
                    self.on_decoration(scanout, part, hand, &proxy);
                }
            }
            SurfaceRole::Unknown => {}
        }
    }

    fn touch_motion(&mut self, seat: SeatId, id: i32, x: f64, y: f64) {
        let Some(scanout) = self.hands.fingers.scanout(seat, id) else {
            return;
        };
        let at = self.position(scanout, x, y);
        let hands = &mut self.hands;
        hands.fingers.motion(seat, id, at, &mut hands.said);
    }
}

/// What `wl_touch.down` says.
struct Down<'a> {
    surface: &'a WlSurface,
    serial: u32,
    time: u32,
    id: i32,
    x: f64,
    y: f64,
}

impl Dispatch<WlTouch, SeatId> for State {
    fn event(
        state: &mut Self,
        touch: &WlTouch,
        event: wl_touch::Event,
        seat: &SeatId,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wl_touch::Event;
        // Objects of before version 3 can't be destroyed and may go on speaking.
        let known = state.hands.seat(*seat).and_then(|it| it.touch.as_ref());
        if known != Some(touch) {
            return;
        }
        let hands = &mut state.hands;
        match event {
            Event::Down {
                serial,
                time,
                surface,
                id,
                x,
                y,
            } => {
                let down = Down {
                    surface: &surface,
                    serial,
                    time,
                    id,
                    x,
                    y,
                };
                state.touch_down(*seat, &down);
            }
            Event::Motion { id, x, y, .. } => state.touch_motion(*seat, id, x, y),
            Event::Up { id, .. } => hands.fingers.up(*seat, id, &mut hands.said),
            Event::Frame => hands.fingers.frame(&mut hands.said),
            Event::Cancel => hands.fingers.cancel(*seat, &mut hands.said),
            // How large a finger is and how it is turned: a guest's screen does not tell.
            _ => {}
        }
        state.report_hands();
    }
}
