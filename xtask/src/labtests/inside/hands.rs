//! What real input devices do on a host, and what has to arrive in the guest: the same for a kiosk and for a
//! window in somebody else's session.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use super::kms::{
    devices::{Device, PRESSURE, key},
    orders::{Frame, Frames, Order, Outcome, Painter},
};
use crate::labtests::until;

/// From what hands do to what the guest's driver sees.
const SOON: Duration = Duration::from_secs(10);

/// For a key that may have been pressed too early.
const MOMENT: Duration = Duration::from_millis(300);

const EV_KEY: u16 = 1;
pub const EV_REL: u16 = 2;
const EV_ABS: u16 = 3;
pub const REL_X: u16 = 0;
pub const REL_Y: u16 = 1;
const REL_WHEEL: u16 = 8;
const REL_WHEEL_HI_RES: u16 = 0x0b;
const ABS_PRESSURE: u16 = 0x18;
const ABS_TILT_X: u16 = 0x1a;
const ABS_TILT_Y: u16 = 0x1b;
const ABS_MT_SLOT: u16 = 0x2f;
const ABS_MT_POSITION_X: u16 = 0x35;
const ABS_MT_POSITION_Y: u16 = 0x36;
const ABS_MT_TRACKING_ID: u16 = 0x39;
pub const BTN_LEFT: u16 = 0x110;
const BTN_TOOL_PEN: u16 = 0x140;
const BTN_TOUCH: u16 = 0x14a;

/// The units of a guest's absolute axes across its screens.
const UNITS: usize = 32_768;

/// What has arrived in the guest.
pub struct Guest<'a> {
    /// Brings what is new since the last time.
    hear: Box<dyn FnMut() -> Result<Frames> + 'a>,
    arrived: Frames,
    /// Its only screen.
    size: (u32, u32),
}

impl<'a> Guest<'a> {
    /// A guest with one screen; `hear` brings what is new since the last time.
    pub fn new(size: (u32, u32), hear: impl FnMut() -> Result<Frames> + 'a) -> Self {
        Self {
            hear: Box::new(hear),
            arrived: BTreeMap::new(),
            size,
        }
    }

    /// A painter that is at its input devices.
    pub fn of(painter: &'a Painter, size: (u32, u32)) -> Self {
        Self::new(size, || match painter.order(&Order::Hands)? {
            Outcome::Hands(frames) => Ok(frames),
            other => bail!("Asking for what has arrived: the guest says {other:?}"),
        })
    }

    /// Waits until a device has brought frames in which something can be found. They count as seen then.
    pub fn wait<T>(
        &mut self,
        device: &str,
        what: &str,
        find: impl Fn(&[Frame]) -> Option<T>,
    ) -> Result<T> {
        self.wait_for(SOON, device, what, find)
    }

    fn wait_for<T>(
        &mut self,
        limit: Duration,
        device: &str,
        what: &str,
        find: impl Fn(&[Frame]) -> Option<T>,
    ) -> Result<T> {
        let found = until(limit, || {
            for (device, new) in (self.hear)()? {
                self.arrived.entry(device).or_default().extend(new);
            }
            Ok(find(self.arrived.get(device).map_or(&[], Vec::as_slice)))
        })
        .with_context(|| {
            format!(
                "Waiting for {what} from the guest's {device}; what arrived is {:?}",
                self.arrived
            )
        })?;
        self.arrived.remove(device);
        Ok(found)
    }

    /// Exactly these frames arrive next.
    pub fn expect(&mut self, device: &str, what: &str, wanted: &[Frame]) -> Result<()> {
        self.wait(device, what, |frames| {
            // Not before as many are there: fewer could still become these.
            (frames.len() >= wanted.len()).then(|| frames.to_vec())
        })
        .and_then(|frames| {
            ensure!(
                frames == wanted,
                "For {what} the guest's {device} brought {frames:?}, expected {wanted:?}"
            );
            Ok(())
        })
    }

    /// A device has brought nothing, up to what another one has brought.
    pub fn nothing(&self, device: &str) -> Result<()> {
        let frames = self.arrived.get(device).filter(|frames| !frames.is_empty());
        ensure!(
            frames.is_none(),
            "The guest's {device} was to be still, and brought {frames:?}"
        );
        Ok(())
    }

    /// A place in pixels in the units of an absolute axis.
    fn units(&self, (x, y): (i32, i32)) -> Result<(i32, i32)> {
        let along = |at: i32, all: u32| -> Result<i32> {
            let units = usize::try_from(at)? * UNITS;
            Ok(i32::try_from(units.div_ceil(usize::try_from(all)?))?)
        };
        Ok((along(x, self.size.0)?, along(y, self.size.1)?))
    }

    /// The pointer is at a place now.
    pub fn expect_pointer(&mut self, at: (i32, i32)) -> Result<()> {
        let wanted = self.units(at)?;
        self.wait(
            "pointer",
            &format!("the place {at:?}, {wanted:?}"),
            |frames| {
                let last = |axis| last_value(frames, EV_ABS, axis);
                (last(0) == Some(wanted.0) && last(1) == Some(wanted.1)).then_some(())
            },
        )
    }
}

/// The last value of an event in some frames.
pub fn last_value(frames: &[Frame], kind: u16, code: u16) -> Option<i32> {
    let mut events = frames.iter().flatten();
    events
        .rfind(|event| (event.0, event.1) == (kind, code))
        .map(|event| event.2)
}

/// A key or button by itself.
pub fn stroke(code: u16, down: bool) -> Frame {
    vec![(EV_KEY, code, down.into())]
}

/// A chord: each key by itself, in its order.
pub fn chord(guest: &mut Guest<'_>, keyboard: &mut Device) -> Result<()> {
    keyboard.press(&[key::LEFT_CTRL, key::A])?;
    let wanted = [
        stroke(key::LEFT_CTRL, true),
        stroke(key::A, true),
        stroke(key::A, false),
        stroke(key::LEFT_CTRL, false),
    ];
    guest.expect("keyboard", "a chord", &wanted)
}

/// A chord that is cut in two by `leave`, which takes the keyboard away from the guest, and `come_back`: nothing is
/// stuck.
pub fn cut_chord(
    guest: &mut Guest<'_>,
    keyboard: &mut Device,
    leave: impl FnOnce(&mut Device) -> Result<()>,
    come_back: impl FnOnce(&mut Device) -> Result<()>,
) -> Result<()> {
    keyboard.hold(key::LEFT_SHIFT, true)?;
    keyboard.hold(key::A, true)?;
    let down = [stroke(key::LEFT_SHIFT, true), stroke(key::A, true)];
    guest.expect("keyboard", "half a chord", &down)?;
    leave(keyboard)?;
    let held = |frames: &[Frame]| {
        let mut held = vec![key::LEFT_SHIFT, key::A];
        for (kind, code, value) in frames.iter().flatten() {
            held.retain(|other| (*kind, *code, *value) != (EV_KEY, *other, 0));
        }
        held
    };
    guest.wait("keyboard", "both keys to be let go", |frames| {
        held(frames).is_empty().then_some(())
    })?;
    keyboard.hold(key::A, false)?;
    keyboard.hold(key::LEFT_SHIFT, false)?;
    come_back(keyboard)?;
    // The host may take a moment until it listens to the keyboard again.
    let frames = until(SOON, || {
        keyboard.press(&[key::TAB])?;
        let tab = guest.wait_for(MOMENT, "keyboard", "a key after that", |frames| {
            let tab = frames.contains(&stroke(key::TAB, false));
            tab.then(|| frames.to_vec())
        });
        Ok(tab.ok())
    })
    .context("Waiting for a key after that")?;
    let again = frames
        .iter()
        .flatten()
        .find(|(_, code, _)| [key::A, key::LEFT_SHIFT].contains(code));
    ensure!(
        again.is_none(),
        "After the keyboard was away the guest got {again:?} of the chord before: {frames:?}"
    );
    Ok(())
}

/// A button, and a wheel in thirds of a notch. libinput waits until a wheel has turned half a notch and passes all of
/// it on then, so the sums are what is known.
pub fn wheel(guest: &mut Guest<'_>, mouse: &mut Device) -> Result<()> {
    mouse.press(&[BTN_LEFT])?;
    let wanted = [stroke(BTN_LEFT, true), stroke(BTN_LEFT, false)];
    guest.expect("pointer", "a click", &wanted)?;
    for _ in 0..3 {
        mouse.turn(-40)?;
    }
    guest.wait("pointer", "a notch in three steps", |frames| {
        let sum = |axis: u16| -> i32 {
            let events = frames.iter().flatten();
            events
                .filter(|event| (event.0, event.1) == (EV_REL, axis))
                .map(|event| event.2)
                .sum()
        };
        (sum(REL_WHEEL_HI_RES) == -120 && sum(REL_WHEEL) == -1).then_some(())
    })
}

/// A place of each of ten fingers.
fn hand(offset: i32) -> [(i32, i32); 10] {
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        .map(|finger| (50 + 60 * finger + offset, 40 + 30 * finger + offset))
}

/// Ten fingers come, move and go: `touch` puts them down, moves them, or lifts all if there are no places.
pub fn fingers(
    guest: &mut Guest<'_>,
    mut touch: impl FnMut(Option<[(i32, i32); 10]>, bool) -> Result<()>,
) -> Result<()> {
    let mut slots = Slots::default();
    for (lands, offset) in [(true, 0), (false, 7)] {
        let places = hand(offset);
        touch(Some(places), lands)?;
        let wanted = places
            .iter()
            .map(|place| guest.units(*place))
            .collect::<Result<Vec<_>>>()?;
        slots = guest
            .wait("touch", &format!("ten fingers, at {wanted:?}"), |frames| {
                let slots = slots.after(frames);
                let mut places: Vec<_> = slots.fingers.values().map(|slot| slot.place).collect();
                places.sort_unstable();
                (slots.touching() == 10 && places == wanted).then_some(slots)
            })
            .with_context(|| format!("After {offset} pixels"))?;
    }
    touch(None, false)?;
    guest.wait("touch", "no finger any more", |frames| {
        let up = last_value(frames, EV_KEY, BTN_TOUCH) == Some(0);
        (slots.after(frames).touching() == 0 && up).then_some(())
    })
}

/// The same with a touch screen of this machine's.
pub fn ten_fingers(guest: &mut Guest<'_>, screen: &mut Device) -> Result<()> {
    fingers(guest, |places, lands| {
        let fingers: Vec<_> = (0..10)
            .map(|finger| {
                let place = usize::try_from(finger)
                    .ok()
                    .and_then(|n| places?.get(n).copied());
                (finger, place)
            })
            .collect();
        screen.touch(&fingers, lands)
    })
}

/// The fingers as evdev's protocol B tells of them.
#[derive(Clone, Default)]
struct Slots {
    fingers: BTreeMap<i32, Slot>,
    /// The slot that the next event is about.
    current: i32,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    touch: Option<i32>,
    place: (i32, i32),
}

impl Slots {
    fn after(&self, frames: &[Frame]) -> Self {
        let mut slots = self.clone();
        for (kind, code, value) in frames.iter().flatten().copied() {
            if kind != EV_ABS {
                continue;
            }
            if code == ABS_MT_SLOT {
                slots.current = value;
                continue;
            }
            let slot = match code {
                ABS_MT_TRACKING_ID | ABS_MT_POSITION_X | ABS_MT_POSITION_Y => {
                    slots.fingers.entry(slots.current).or_default()
                }
                _ => continue,
            };
            match code {
                ABS_MT_TRACKING_ID => slot.touch = (value >= 0).then_some(value),
                ABS_MT_POSITION_X => slot.place.0 = value,
                _ => slot.place.1 = value,
            }
        }
        slots
    }

    fn touching(&self) -> usize {
        self.fingers
            .values()
            .filter(|slot| slot.touch.is_some())
            .count()
    }
}

/// A pen comes near, is pressed at half its strength and leans, and goes. All at once: libinput takes away a pen that
/// says nothing for a moment.
pub fn pen(guest: &mut Guest<'_>, pen: &mut Device) -> Result<()> {
    let at = (4000, 3000);
    pen.draw(Some(at), 0, (0, 0))?;
    for strength in [PRESSURE / 4, PRESSURE / 2] {
        pen.draw(Some((at.0 + 200, at.1 + 100)), strength, (30, -20))?;
    }
    pen.draw(None, 0, (0, 0))?;
    guest.wait("pen", "a pen that draws and goes", |frames| {
        let about = |axis: u16, wanted: i32, apart: i32| {
            let mut events = frames.iter().flatten();
            events.any(|(kind, code, value)| {
                (*kind, *code) == (EV_ABS, axis) && (value - wanted).abs() <= apart
            })
        };
        let down = |button: u16| {
            let mut events = frames.iter().flatten();
            events.any(|event| *event == (EV_KEY, button, 1))
        };
        (down(BTN_TOOL_PEN)
            && down(BTN_TOUCH)
            // libinput takes away what it thinks is the pen's own weight.
            && about(ABS_PRESSURE, 32_767, 2_000)
            && about(ABS_TILT_X, 30, 2)
            && about(ABS_TILT_Y, -20, 2)
            && last_value(frames, EV_KEY, BTN_TOUCH) == Some(0)
            && last_value(frames, EV_KEY, BTN_TOOL_PEN) == Some(0))
        .then_some(())
    })
}
