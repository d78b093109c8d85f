//! What a pen does, frame by frame.
//!
//! Pure. Hosts say what belongs together in any order, the place of a pen that comes near not
//! always first; the guest hears of it in one: near, where, how it is held, what is pressed, away.

use super::held::{MAX_HELD, code};
use crate::{
    display::ScanoutId,
    input::{HostInput, PenTool, Position},
};

/// A tool of a tablet: what the guest knows of it, and what it will hear at the end of the frame.
#[derive(Debug, Default)]
pub(super) struct Pen {
    /// Where the host has it.
    over: Option<ScanoutId>,
    /// Whether the guest knows that it is near.
    near: bool,
    tip: bool,
    buttons: Vec<u16>,
    next: Next,
}

/// What the frame has brought so far.
#[derive(Debug, Default)]
struct Next {
    at: Option<Position>,
    held: Holding,
    presses: Vec<Press>,
    away: bool,
}

/// How it is held.
#[derive(Debug, Default)]
struct Holding {
    pressure: Option<u16>,
    distance: Option<u16>,
    tilt: Option<(f64, f64)>,
}

/// Something that is pressed, or not any more.
#[derive(Debug, Clone, Copy)]
enum Press {
    Tip(bool),
    Button(u16, bool),
}

impl Pen {
    /// The scanout that it is over.
    pub(super) fn over(&self) -> Option<ScanoutId> {
        self.over
    }

    /// Whether the guest knows that it is near.
    pub(super) fn is_near(&self) -> bool {
        self.near
    }

    pub(super) fn proximity_in(&mut self, scanout: ScanoutId, said: &mut Vec<HostInput>) {
        // It went from one window to another within a frame.
        self.leave(said);
        self.over = Some(scanout);
    }

    pub(super) fn proximity_out(&mut self) {
        self.next.away = true;
    }

    pub(super) fn motion(&mut self, at: Position) {
        self.next.at = Some(at);
    }

    pub(super) fn pressure(&mut self, pressure: u32) {
        self.next.held.pressure = Some(u16::try_from(pressure).unwrap_or(u16::MAX));
    }

    pub(super) fn distance(&mut self, distance: u32) {
        self.next.held.distance = Some(u16::try_from(distance).unwrap_or(u16::MAX));
    }

    pub(super) fn tilt(&mut self, x: f64, y: f64) {
        self.next.held.tilt = Some((x.clamp(-90.0, 90.0), y.clamp(-90.0, 90.0)));
    }

    pub(super) fn tip(&mut self, down: bool) {
        self.press(Press::Tip(down));
    }

    pub(super) fn button(&mut self, number: u32, pressed: bool) {
        if let Some(code) = code(number) {
            self.press(Press::Button(code, pressed));
        }
    }

    fn press(&mut self, press: Press) {
        // What a host says beyond all measure within one frame is left out.
        if self.next.presses.len() < MAX_HELD {
            self.next.presses.push(press);
        }
    }

    /// The frame is complete. `is_free` if no other pen is near the guest: it can have one only, and
    /// the first stays until it is away.
    pub(super) fn frame(&mut self, tool: PenTool, is_free: bool, said: &mut Vec<HostInput>) {
        let before = said.len();
        match self.next.at.take() {
            Some(at) if self.near => said.push(HostInput::PenMotion(at)),
            Some(at) if is_free && self.over.is_some() => {
                self.near = true;
                said.push(HostInput::PenEnter { tool, at });
            }
            _ => {}
        }
        if self.near {
            self.hold(said);
            self.take_presses(said);
        } else if is_free && self.over.is_some() && !self.next.away {
            // The guest hears of all this with the pen's place, which is yet to come.
            return;
        }
        if self.next.away {
            return self.leave(said);
        }
        self.next = Next::default();
        if said.len() > before {
            said.push(HostInput::PenFrame);
        }
    }

    /// It is away, and so is everything that it did.
    pub(super) fn leave(&mut self, said: &mut Vec<HostInput>) {
        self.over = None;
        self.next = Next::default();
        let buttons = std::mem::take(&mut self.buttons);
        let tip = std::mem::take(&mut self.tip);
        if !std::mem::take(&mut self.near) {
            return;
        }
        if tip {
            said.push(HostInput::PenTip(false));
        }
        for code in buttons {
            let pressed = false;
            said.push(HostInput::PenButton { code, pressed });
        }
        said.extend([HostInput::PenLeave, HostInput::PenFrame]);
    }

    fn hold(&mut self, said: &mut Vec<HostInput>) {
        let held = std::mem::take(&mut self.next.held);
        said.extend(held.pressure.map(HostInput::PenPressure));
        said.extend(held.distance.map(HostInput::PenDistance));
        said.extend(held.tilt.map(|(x, y)| HostInput::PenTilt { x, y }));
    }

    fn take_presses(&mut self, said: &mut Vec<HostInput>) {
        for press in std::mem::take(&mut self.next.presses) {
            match press {
                Press::Tip(down) => {
                    if std::mem::replace(&mut self.tip, down) != down {
                        said.push(HostInput::PenTip(down));
                    }
                }
                Press::Button(code, pressed) => {
                    let held = self.buttons.iter().position(|held| *held == code);
                    match (held, pressed) {
                        (None, true) if self.buttons.len() < MAX_HELD => self.buttons.push(code),
                        (Some(index), false) => {
                            self.buttons.remove(index);
                        }
                        _ => continue,
                    }
                    said.push(HostInput::PenButton { code, pressed });
                }
            }
        }
    }
}
