//! What each of the guest's input devices says of itself.
//!
//! udev and libinput of a guest tell devices apart by what they have: a device with a pen's tool is
//! a tablet, with [`INPUT_PROP_DIRECT`] a touch screen, with the buttons of a mouse and absolute
//! axes a pointer (`udev-builtin-input_id.c` of systemd). So each device has what its kind needs and
//! nothing else.

use protocols::virtio_input::{
    AbsInfo, Answer, Bitmap, ConfigSelect, DeviceIds, EV_ABS, EV_KEY, EV_LED, EV_REL, EV_REP,
    Selection,
};

use super::{InputKind, codes::*};

/// The largest value of an absolute place, on both axes, as QEMU's tablet has it.
pub const PLACE_MAX: i32 = 0x7fff;

/// The fingers that a touch screen tells apart.
pub const FINGERS: usize = 10;

/// Units a millimetre of the touch screen and the tablet. libinput takes no tablet without a size;
/// what size it is does not matter, since only the shape of what is drawn is seen.
const PLACE_RESOLUTION: i32 = 100;

/// Units a radian of a pen's tilt in degrees: 180/π.
const TILT_RESOLUTION: i32 = 57;

/// `BUS_VIRTUAL` of Linux.
const BUS_VIRTUAL: u16 = 6;

/// Which devices these are. The vendor is nobody's: numbers mean something on their bus only.
const VENDOR: u16 = 0x4c75;

/// What one device says of itself.
#[derive(Debug, Clone)]
pub struct Description {
    name: &'static str,
    ids: DeviceIds,
    properties: Bitmap,
    /// The codes of each event type that the device has.
    codes: Vec<(u16, Bitmap)>,
    axes: Vec<(u16, AbsInfo)>,
}

impl Description {
    /// The device of this kind.
    pub fn of(kind: InputKind) -> Self {
        match kind {
            InputKind::Keyboard => keyboard(),
            InputKind::Pointer => pointer(),
            InputKind::Mouse => mouse(),
            InputKind::Touch => touch(),
            InputKind::Pen => pen(),
        }
    }

    /// What a guest's question is answered with.
    pub fn answer(&self, selection: Selection) -> Answer<'_> {
        let subsel = u16::from(selection.subsel);
        match selection.kind() {
            Some(ConfigSelect::IdName) if subsel == 0 => Answer::Text(self.name),
            Some(ConfigSelect::IdDevids) if subsel == 0 => Answer::Ids(self.ids),
            Some(ConfigSelect::PropBits) if subsel == 0 => Answer::Bits(&self.properties),
            Some(ConfigSelect::EvBits) => {
                let found = self.codes.iter().find(|(kind, _)| *kind == subsel);
                found.map_or(Answer::Unsupported, |(_, codes)| Answer::Bits(codes))
            }
            Some(ConfigSelect::AbsInfo) => {
                let found = self.axes.iter().find(|(axis, _)| *axis == subsel);
                found.map_or(Answer::Unsupported, |(_, info)| Answer::Abs(*info))
            }
            Some(
                ConfigSelect::IdName
                | ConfigSelect::IdSerial
                | ConfigSelect::IdDevids
                | ConfigSelect::PropBits,
            )
            | None => Answer::Unsupported,
        }
    }

    fn new(name: &'static str, product: u16) -> Self {
        Self {
            name,
            ids: DeviceIds {
                bustype: BUS_VIRTUAL,
                vendor: VENDOR,
                product,
                version: 1,
            },
            properties: Bitmap::default(),
            codes: Vec::new(),
            axes: Vec::new(),
        }
    }

    fn property(mut self, property: u16) -> Self {
        self.properties.insert(property);
        self
    }

    fn with(mut self, kind: u16, codes: impl IntoIterator<Item = u16>) -> Self {
        self.codes.push((kind, codes.into_iter().collect()));
        self
    }

    fn with_axes(mut self, axes: &[(u16, AbsInfo)]) -> Self {
        self.axes = axes.to_vec();
        self.with(EV_ABS, axes.iter().map(|(axis, _)| *axis))
    }
}

fn keyboard() -> Description {
    Description::new("Lucarne keyboard", 1)
        .with(EV_KEY, (0..=0x2ff).filter(|code| is_key(*code)))
        .with(EV_LED, [LED_NUML, LED_CAPSL, LED_SCROLL_LOCK])
        .with(EV_REP, REPEATS)
}

const WHEELS: [u16; 4] = [REL_WHEEL, REL_HWHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES];

/// Without a property: it is a mouse for udev by its buttons, as QEMU's tablet is.
fn pointer() -> Description {
    Description::new("Lucarne pointer", 2)
        .with(EV_KEY, MOUSE_BUTTONS)
        .with(EV_REL, WHEELS)
        .with_axes(&[(ABS_X, upto(PLACE_MAX)), (ABS_Y, upto(PLACE_MAX))])
}

fn mouse() -> Description {
    Description::new("Lucarne mouse", 3)
        .with(EV_KEY, MOUSE_BUTTONS)
        .with(EV_REL, [REL_X, REL_Y].into_iter().chain(WHEELS))
}

fn touch() -> Description {
    let place = place();
    let slots = i32::try_from(FINGERS.saturating_sub(1)).unwrap_or(0);
    Description::new("Lucarne touch screen", 4)
        .property(INPUT_PROP_DIRECT)
        .with(EV_KEY, [BTN_TOUCH])
        .with_axes(&[
            (ABS_X, place),
            (ABS_Y, place),
            (ABS_MT_SLOT, upto(slots)),
            (ABS_MT_POSITION_X, place),
            (ABS_MT_POSITION_Y, place),
            (ABS_MT_TOOL_TYPE, upto(MT_TOOL_PALM)),
            (ABS_MT_TRACKING_ID, upto(i32::from(u16::MAX))),
        ])
}

/// Not a screen to draw on: a desktop would put such a one on a single monitor, and this pen is over
/// all of them.
fn pen() -> Description {
    let tilt = AbsInfo {
        min: -90,
        max: 90,
        res: TILT_RESOLUTION,
        ..AbsInfo::default()
    };
    let tools = [
        BTN_TOOL_PEN,
        BTN_TOOL_RUBBER,
        BTN_TOOL_BRUSH,
        BTN_TOOL_PENCIL,
        BTN_TOOL_AIRBRUSH,
        BTN_TOUCH,
    ];
    Description::new("Lucarne pen", 5)
        .property(INPUT_PROP_POINTER)
        .with(EV_KEY, tools.into_iter().chain(PEN_BUTTONS))
        .with_axes(&[
            (ABS_X, place()),
            (ABS_Y, place()),
            (ABS_PRESSURE, upto(i32::from(u16::MAX))),
            (ABS_DISTANCE, upto(i32::from(u16::MAX))),
            (ABS_TILT_X, tilt),
            (ABS_TILT_Y, tilt),
        ])
}

fn place() -> AbsInfo {
    AbsInfo {
        res: PLACE_RESOLUTION,
        ..upto(PLACE_MAX)
    }
}

fn upto(max: i32) -> AbsInfo {
    AbsInfo {
        max,
        ..AbsInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use protocols::virtio_input::{
        CONFIG_SIZE, EV_MSC, EV_SND, EV_SW, config_payload, config_space,
    };

    use super::*;

    /// What a guest reads.
    fn ask(kind: InputKind, select: ConfigSelect, subsel: u16) -> Vec<u8> {
        let selection = Selection {
            select: select.into(),
            subsel: subsel.try_into().unwrap(),
        };
        let description = Description::of(kind);
        let space: [u8; CONFIG_SIZE] = config_space(selection, &description.answer(selection));
        config_payload(&space).to_vec()
    }

    fn bits(kind: InputKind, event: u16) -> Bitmap {
        Bitmap::from_bytes(&ask(kind, ConfigSelect::EvBits, event))
    }

    fn axis(kind: InputKind, axis: u16) -> Option<AbsInfo> {
        AbsInfo::decode(&ask(kind, ConfigSelect::AbsInfo, axis))
    }

    #[test]
    fn every_device_has_a_name_and_numbers_of_its_own() {
        let names: Vec<_> = InputKind::ALL
            .iter()
            .map(|kind| String::from_utf8(ask(*kind, ConfigSelect::IdName, 0)).unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "Lucarne keyboard",
                "Lucarne pointer",
                "Lucarne mouse",
                "Lucarne touch screen",
                "Lucarne pen"
            ]
        );
        for (product, kind) in (1..).zip(InputKind::ALL) {
            let ids = DeviceIds::decode(&ask(kind, ConfigSelect::IdDevids, 0)).unwrap();
            assert_eq!((ids.bustype, ids.product), (BUS_VIRTUAL, product));
        }
    }

    #[test]
    fn what_a_device_has_not_reads_as_nothing() {
        for kind in InputKind::ALL {
            for event in [EV_MSC, EV_SW, EV_SND] {
                assert!(ask(kind, ConfigSelect::EvBits, event).is_empty());
            }
            assert!(ask(kind, ConfigSelect::IdSerial, 0).is_empty());
            assert!(ask(kind, ConfigSelect::IdName, 1).is_empty());
            assert!(ask(kind, ConfigSelect::AbsInfo, 0x3f).is_empty());
        }
        assert!(ask(InputKind::Keyboard, ConfigSelect::EvBits, EV_REL).is_empty());
        assert!(ask(InputKind::Mouse, ConfigSelect::EvBits, EV_ABS).is_empty());
    }

    #[test]
    fn every_axis_has_a_range_and_no_other_has() {
        for kind in InputKind::ALL {
            let axes = bits(kind, EV_ABS);
            for code in 0..=0x3f {
                let info = axis(kind, code);
                assert_eq!(info.is_some(), axes.contains(code), "{kind} {code:#x}");
                assert!(info.is_none_or(|info| info.min < info.max));
            }
        }
    }

    /// The rules of systemd's `input_id`, as far as these devices come near them.
    fn udev_says(kind: InputKind) -> Vec<&'static str> {
        let (keys, rel, abs) = (bits(kind, EV_KEY), bits(kind, EV_REL), bits(kind, EV_ABS));
        let properties = Bitmap::from_bytes(&ask(kind, ConfigSelect::PropBits, 0));
        let direct = properties.contains(INPUT_PROP_DIRECT);
        let places = abs.contains(ABS_X) && abs.contains(ABS_Y);
        let pen = keys.contains(BTN_TOOL_PEN) || keys.contains(0x14b);
        let buttons = (0x110..0x120).any(|code| keys.contains(code));
        let moves = rel.contains(REL_X) && rel.contains(REL_Y);
        let mut says = Vec::new();
        if places && pen {
            says.push("tablet");
        } else if places && buttons {
            says.push("mouse");
        } else if places && (keys.contains(BTN_TOUCH) || direct) {
            says.push("touchscreen");
        }
        if buttons && (moves || !places) {
            says.push("mouse");
        }
        if (1..32).all(|code| keys.contains(code)) {
            says.push("keyboard");
        }
        if keys.contains(0x100) && keys.contains(0x101) {
            says.push("tablet pad");
        }
        if (0x120..0x140).any(|code| keys.contains(code)) || keys.contains(0x2c0) {
            says.push("joystick");
        }
        says
    }

    #[test]
    fn a_guest_takes_each_device_for_what_it_is() {
        assert_eq!(udev_says(InputKind::Keyboard), ["keyboard"]);
        assert_eq!(udev_says(InputKind::Pointer), ["mouse"]);
        assert_eq!(udev_says(InputKind::Mouse), ["mouse"]);
        assert_eq!(udev_says(InputKind::Touch), ["touchscreen"]);
        assert_eq!(udev_says(InputKind::Pen), ["tablet"]);
    }

    #[test]
    fn libinput_finds_what_it_refuses_a_tablet_without() {
        for code in [ABS_X, ABS_Y] {
            assert!(axis(InputKind::Pen, code).unwrap().res > 0);
        }
        // A tilt with a resolution is one in radians, if its middle is 0.
        let tilt = axis(InputKind::Pen, ABS_TILT_X).unwrap();
        assert!(tilt.min < 0 && tilt.max > 0);
        let degrees = f64::from(tilt.max) / f64::from(tilt.res) * 180.0 / std::f64::consts::PI;
        assert!((89.0..91.0).contains(&degrees));
    }

    #[test]
    fn a_touch_screen_tells_ten_fingers_apart() {
        assert_eq!(axis(InputKind::Touch, ABS_MT_SLOT).unwrap().max, 9);
        // udev takes a device with the axis below ABS_MT_SLOT for one that claims all axes.
        assert!(!bits(InputKind::Touch, EV_ABS).contains(ABS_MT_SLOT - 1));
    }

    #[test]
    fn a_guest_repeats_keys_and_switches_lights() {
        assert_eq!(ask(InputKind::Keyboard, ConfigSelect::EvBits, EV_REP), [3]);
        assert_eq!(ask(InputKind::Keyboard, ConfigSelect::EvBits, EV_LED), [7]);
    }
}
