//! A keyboard, a mouse, a touch screen and a pen that the kernel makes for this program: uinput.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::udev;
use crate::labtests::inside::ioctl::{self, Has};

/// From one key to the next when typing. An event device keeps 64 events, and forgets what a reader on a
/// slow machine has not taken by then.
const TYPIST: Duration = Duration::from_millis(10);

const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const EV_REL: u16 = 2;
const EV_ABS: u16 = 3;
const EV_LED: u16 = 0x11;
const REL_X: u16 = 0;
const REL_Y: u16 = 1;
const REL_HWHEEL: u16 = 6;
const REL_WHEEL: u16 = 8;
const REL_WHEEL_HI_RES: u16 = 0x0b;
const REL_HWHEEL_HI_RES: u16 = 0x0c;
const ABS_X: u16 = 0;
const ABS_Y: u16 = 1;
const ABS_PRESSURE: u16 = 0x18;
const ABS_TILT_X: u16 = 0x1a;
const ABS_TILT_Y: u16 = 0x1b;
const ABS_MT_SLOT: u16 = 0x2f;
const ABS_MT_POSITION_X: u16 = 0x35;
const ABS_MT_POSITION_Y: u16 = 0x36;
const ABS_MT_TRACKING_ID: u16 = 0x39;
const BTN_LEFT: u16 = 0x110;
const BTN_TOOL_PEN: u16 = 0x140;
const BTN_TOUCH: u16 = 0x14a;
const BTN_STYLUS: u16 = 0x14b;
const INPUT_PROP_DIRECT: u16 = 1;

/// Keys by their numbers in `linux/input-event-codes.h`.
pub mod key {
    pub const TAB: u16 = 15;
    pub const A: u16 = 30;
    pub const LEFT_CTRL: u16 = 29;
    pub const LEFT_SHIFT: u16 = 42;
    pub const X: u16 = 45;
    pub const LEFT_ALT: u16 = 56;
    pub const F2: u16 = 60;
    pub const LEFT_META: u16 = 125;
}

/// The rows of a keyboard of the layout `us`, each with the number of its first key.
const ROWS: [(u16, &str); 4] = [
    (16, "qwertyuiop"),
    (28, "\n"),
    (30, "asdfghjkl"),
    (44, "zxcvbnm,./"),
];

const SPACE: u16 = 57;

/// A notch of a wheel in its finest steps.
const NOTCH: i32 = 120;

/// The range of the pen's pressure.
pub const PRESSURE: i32 = 2047;

/// Events that belong to a keyboard's light: `LED_CAPSL`.
pub const CAPS_LIGHT: u16 = 1;

/// For what the host does to a device of ours.
const ANSWER: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// An input device of this program's.
pub struct Device(File);

/// One event: kind, code, value.
type Event = (u16, u16, i32);

impl Device {
    /// A keyboard with the keys of any.
    ///
    /// # Errors
    ///
    /// When the machine has no uinput.
    pub fn keyboard() -> Result<Self> {
        let keys = (1..=127).map(|code| (Has::Key, code));
        let lights = (0..3).map(|code| (Has::Light, code));
        Self::make(
            "Lab keyboard",
            &[(Has::Kind, EV_KEY), (Has::Kind, EV_LED)],
            keys.chain(lights),
            &[],
        )
    }

    /// A mouse.
    ///
    /// # Errors
    ///
    /// When the machine has no uinput.
    pub fn mouse() -> Result<Self> {
        let has = [
            (Has::Key, BTN_LEFT),
            (Has::Key, BTN_LEFT + 1),
            (Has::Relative, REL_X),
            (Has::Relative, REL_Y),
            (Has::Relative, REL_WHEEL),
            (Has::Relative, REL_HWHEEL),
            (Has::Relative, REL_WHEEL_HI_RES),
            (Has::Relative, REL_HWHEEL_HI_RES),
        ];
        Self::make(
            "Lab mouse",
            &[(Has::Kind, EV_KEY), (Has::Kind, EV_REL)],
            has.into_iter(),
            &[],
        )
    }

    /// A touch screen whose own pixels are `width` by `height`.
    ///
    /// # Errors
    ///
    /// When the machine has no uinput.
    pub fn touch_screen(width: i32, height: i32) -> Result<Self> {
        let axes = [
            (ABS_MT_SLOT, 9),
            (ABS_MT_TRACKING_ID, 0xffff),
            (ABS_MT_POSITION_X, width - 1),
            (ABS_MT_POSITION_Y, height - 1),
            (0, width - 1),
            (1, height - 1),
        ];
        let has = axes
            .iter()
            .map(|(axis, _)| (Has::Absolute, *axis))
            .chain([(Has::Key, BTN_TOUCH), (Has::Property, INPUT_PROP_DIRECT)]);
        Self::make(
            "Lab touch screen",
            &[(Has::Kind, EV_KEY), (Has::Kind, EV_ABS)],
            has,
            &axes,
        )
    }

    /// A tablet with a pen; its surface is `width` by `height`, a hundred units a millimetre.
    ///
    /// # Errors
    ///
    /// When the machine has no uinput.
    pub fn pen(width: i32, height: i32) -> Result<Self> {
        let axes = [
            (ABS_X, (0, width - 1), 100),
            (ABS_Y, (0, height - 1), 100),
            (ABS_PRESSURE, (0, PRESSURE), 0),
            (ABS_TILT_X, (-90, 90), 57),
            (ABS_TILT_Y, (-90, 90), 57),
        ];
        let buttons = [BTN_TOOL_PEN, BTN_TOUCH, BTN_STYLUS].map(|code| (Has::Key, code));
        let mut file = Self::prepare(
            "Lab pen",
            &[(Has::Kind, EV_KEY), (Has::Kind, EV_ABS)],
            buttons
                .into_iter()
                .chain(axes.map(|(code, ..)| (Has::Absolute, code))),
            &[],
        )?;
        for (code, range, resolution) in axes {
            ioctl::uinput_axis(&file, code, range, resolution)
                .with_context(|| format!("Telling uinput of the axis {code}"))?;
        }
        Self::create(&mut file, "Lab pen")?;
        Ok(Self(file))
    }

    fn make(
        name: &str,
        kinds: &[(Has, u16)],
        has: impl Iterator<Item = (Has, u16)>,
        axes: &[(u16, i32)],
    ) -> Result<Self> {
        let mut file = Self::prepare(name, kinds, has, axes)?;
        Self::create(&mut file, name)?;
        Ok(Self(file))
    }

    fn prepare(
        name: &str,
        kinds: &[(Has, u16)],
        has: impl Iterator<Item = (Has, u16)>,
        axes: &[(u16, i32)],
    ) -> Result<File> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .open("/dev/uinput")
            .context("Opening /dev/uinput")?;
        for (what, code) in kinds.iter().copied().chain(has) {
            ioctl::uinput_has(&file, what, code)
                .with_context(|| format!("Telling uinput what {name} has ({code})"))?;
        }
        file.write_all(&description(name, axes)?)
            .with_context(|| format!("Describing {name} to uinput"))?;
        Ok(file)
    }

    fn create(file: &mut File, name: &str) -> Result<()> {
        ioctl::uinput_create(&*file).with_context(|| format!("Making {name}"))?;
        // Not before udev has told libinput what it is.
        udev::settle()
    }

    /// Sends events that belong together.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    fn send(&mut self, events: &[Event]) -> Result<()> {
        let mut bytes = Vec::new();
        for (kind, code, value) in events.iter().chain(&[(EV_SYN, 0, 0)]) {
            // The kernel fills in the time.
            bytes.extend([0; 16]);
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(code.to_ne_bytes());
            bytes.extend(value.to_ne_bytes());
        }
        self.0.write_all(&bytes).context("Sending input events")
    }

    /// Presses keys one after the other and lets them go.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn press(&mut self, keys: &[u16]) -> Result<()> {
        for code in keys {
            self.send(&[(EV_KEY, *code, 1)])?;
        }
        for code in keys.iter().rev() {
            self.send(&[(EV_KEY, *code, 0)])?;
        }
        Ok(())
    }

    /// Presses a key or button, or lets it go.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn hold(&mut self, code: u16, down: bool) -> Result<()> {
        self.send(&[(EV_KEY, code, down.into())])
    }

    /// Turns the wheel so many steps of 1/120 notch away from the user.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn turn(&mut self, fine: i32) -> Result<()> {
        let mut events = vec![(EV_REL, REL_WHEEL_HI_RES, fine)];
        if fine % NOTCH == 0 {
            events.push((EV_REL, REL_WHEEL, fine / NOTCH));
        }
        self.send(&events)
    }

    /// Puts fingers down, moves those that are down, and lifts those without a place; all at once.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn touch(&mut self, fingers: &[(i32, Option<(i32, i32)>)], lands: bool) -> Result<()> {
        let mut events = Vec::new();
        for (slot, place) in fingers {
            events.push((EV_ABS, ABS_MT_SLOT, *slot));
            match place {
                Some((x, y)) => {
                    if lands {
                        events.push((EV_ABS, ABS_MT_TRACKING_ID, 100 + slot));
                    }
                    events.push((EV_ABS, ABS_MT_POSITION_X, *x));
                    events.push((EV_ABS, ABS_MT_POSITION_Y, *y));
                }
                None => events.push((EV_ABS, ABS_MT_TRACKING_ID, -1)),
            }
        }
        let down = fingers.iter().any(|(_, place)| place.is_some());
        events.push((EV_KEY, BTN_TOUCH, down.into()));
        self.send(&events)
    }

    /// Holds the pen somewhere, pressed so hard (0: above the surface) and leaning so far; away without a place.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn draw(
        &mut self,
        place: Option<(i32, i32)>,
        pressure: i32,
        tilt: (i32, i32),
    ) -> Result<()> {
        let mut events = vec![(EV_KEY, BTN_TOOL_PEN, place.is_some().into())];
        if let Some((x, y)) = place {
            events.extend([
                (EV_ABS, ABS_X, x),
                (EV_ABS, ABS_Y, y),
                (EV_ABS, ABS_TILT_X, tilt.0),
                (EV_ABS, ABS_TILT_Y, tilt.1),
            ]);
        }
        events.push((EV_ABS, ABS_PRESSURE, pressure));
        events.push((EV_KEY, BTN_TOUCH, (pressure > 0).into()));
        self.send(&events)
    }

    /// Waits until the host has switched a light on, or off.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub fn wait_for_light(&mut self, light: u16, on: bool) -> Result<()> {
        loop {
            let mut files = [PollFd::new(&self.0, PollFlags::IN)];
            ensure!(
                poll(&mut files, Some(&ANSWER))? > 0,
                "Waiting until light {light} is {}: it is not",
                if on { "on" } else { "off" }
            );
            let mut event = [0; 24];
            self.0.read_exact(&mut event)?;
            let [.., k0, k1, c0, c1, v0, v1, v2, v3] = event;
            let seen = (
                u16::from_ne_bytes([k0, k1]),
                u16::from_ne_bytes([c0, c1]),
                i32::from_ne_bytes([v0, v1, v2, v3]),
            );
            if seen == (EV_LED, light, on.into()) {
                return Ok(());
            }
        }
    }

    /// Types lower-case text.
    ///
    /// # Errors
    ///
    /// When the device is gone, or a keyboard has no such key.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        for character in text.chars() {
            let code = ROWS
                .iter()
                .find_map(|(first, row)| {
                    let place = row.chars().position(|key| key == character)?;
                    Some(first + u16::try_from(place).ok()?)
                })
                .or((character == ' ').then_some(SPACE))
                .with_context(|| format!("Typing {character:?}"))?;
            self.press(&[code])?;
            thread::sleep(TYPIST);
        }
        Ok(())
    }

    /// Moves the mouse by so many of its own steps.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn travel(&mut self, x: i32, y: i32) -> Result<()> {
        self.send(&[(EV_REL, REL_X, x), (EV_REL, REL_Y, y)])
    }

    /// Puts one finger down somewhere and lifts it again.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn tap(&mut self, x: i32, y: i32) -> Result<()> {
        self.send(&[
            (EV_ABS, ABS_MT_SLOT, 0),
            (EV_ABS, ABS_MT_TRACKING_ID, 1),
            (EV_ABS, ABS_MT_POSITION_X, x),
            (EV_ABS, ABS_MT_POSITION_Y, y),
            (EV_KEY, BTN_TOUCH, 1),
            (EV_ABS, 0, x),
            (EV_ABS, 1, y),
        ])?;
        self.send(&[(EV_ABS, ABS_MT_TRACKING_ID, -1), (EV_KEY, BTN_TOUCH, 0)])
    }

    /// Moves the mouse to and fro `rate` times a second for some time; how often it really did.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub fn wander(&mut self, rate: u32, time: Duration) -> Result<u32> {
        let started = Instant::now();
        let pause = Duration::from_secs(1) / rate;
        let mut moves = 0;
        while started.elapsed() < time {
            // A hundred steps one way, a hundred back: it stays near where it was.
            let step = if moves / 100 % 2 == 0 { 1 } else { -1 };
            self.travel(step, step)?;
            moves += 1;
            let next = pause * moves;
            thread::sleep(next.saturating_sub(started.elapsed()));
        }
        Ok(moves)
    }
}

/// `struct uinput_user_dev`: name, identity, and of each of 64 axes the maximum, the minimum and more.
fn description(name: &str, axes: &[(u16, i32)]) -> Result<Vec<u8>> {
    const NAME: usize = 80;
    const AXES: usize = 64;
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(NAME, 0);
    for identity in [3u16, 0x1209, 1, 1] {
        bytes.extend(identity.to_ne_bytes());
    }
    bytes.extend(0u32.to_ne_bytes());
    let mut maxima = [0i32; AXES];
    for (axis, maximum) in axes {
        *maxima
            .get_mut(usize::from(*axis))
            .context("There is no such axis")? = *maximum;
    }
    bytes.extend(maxima.iter().flat_map(|value| value.to_ne_bytes()));
    bytes.resize(bytes.len() + 3 * AXES * 4, 0);
    Ok(bytes)
}
