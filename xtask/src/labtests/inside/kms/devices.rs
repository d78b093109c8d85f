//! A keyboard, a mouse and a touch screen that the kernel makes for this program: uinput.

use std::{
    fs::File,
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::udev;
use crate::labtests::inside::ioctl::{self, Has};

/// From one key to the next when typing. An event device keeps 64 events, and forgets what a reader on a
/// slow machine has not taken by then.
const TYPIST: Duration = Duration::from_millis(10);

const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const EV_REL: u16 = 2;
const EV_ABS: u16 = 3;
const REL_X: u16 = 0;
const REL_Y: u16 = 1;
const ABS_MT_SLOT: u16 = 0x2f;
const ABS_MT_POSITION_X: u16 = 0x35;
const ABS_MT_POSITION_Y: u16 = 0x36;
const ABS_MT_TRACKING_ID: u16 = 0x39;
const BTN_LEFT: u16 = 0x110;
const BTN_TOUCH: u16 = 0x14a;
const INPUT_PROP_DIRECT: u16 = 1;

/// Keys by their numbers in `linux/input-event-codes.h`.
pub mod key {
    pub const TAB: u16 = 15;
    pub const A: u16 = 30;
    pub const LEFT_CTRL: u16 = 29;
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
        Self::make("Lab keyboard", &[(Has::Kind, EV_KEY)], keys, &[])
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

    fn make(
        name: &str,
        kinds: &[(Has, u16)],
        has: impl Iterator<Item = (Has, u16)>,
        axes: &[(u16, i32)],
    ) -> Result<Self> {
        let mut file = File::options()
            .write(true)
            .open("/dev/uinput")
            .context("Opening /dev/uinput")?;
        for (what, code) in kinds.iter().copied().chain(has) {
            ioctl::uinput_has(&file, what, code)
                .with_context(|| format!("Telling uinput what {name} has ({code})"))?;
        }
        file.write_all(&description(name, axes)?)
            .with_context(|| format!("Describing {name} to uinput"))?;
        ioctl::uinput_create(&file).with_context(|| format!("Making {name}"))?;
        // Not before udev has told libinput what it is.
        udev::settle()?;
        Ok(Self(file))
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
