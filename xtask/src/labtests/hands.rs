//! What is done with a guest's keyboard, pointer and touch screen over the control socket, as an unmodified driver,
//! evtest and libinput in the guest see it; and the other way, a light of its keyboard.

use std::{cell::RefCell, collections::BTreeMap, fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use protocols::ipc::{InputAction, Press, Request, TouchPoint};

use super::{
    Bench, GuestFolder, Place,
    compositor::Compositor,
    inside::{
        hands::{self, Guest, stroke},
        kms::orders::{Frame, Frames},
    },
    qemu, uml, until,
};

/// The guest's screen.
const MODE: &str = "640x480";
const SIZE: (u32, u32) = (640, 480);

/// From a guest's start to its programs, without KVM.
const BOOT: Duration = Duration::from_secs(60);

const SOON: Duration = Duration::from_secs(10);

const EV_REL: u16 = 2;
const KEY_A: u16 = 30;
const KEY_LEFTCTRL: u16 = 29;
const KEY_LEFTALT: u16 = 56;
const KEY_F2: u16 = 60;
const BTN_LEFT: u16 = 0x110;
const BTN_SIDE: u16 = 0x113;
const REL_X: u16 = 0;
const REL_Y: u16 = 1;
const REL_HWHEEL: u16 = 6;
const REL_WHEEL: u16 = 8;
const REL_WHEEL_HI_RES: u16 = 0x0b;
const REL_HWHEEL_HI_RES: u16 = 0x0c;

/// A guest's program: evtest on every input device, printing to a file, until the file `done` is there. Meanwhile the
/// light of Caps Lock is switched on and off when it is asked for.
const WATCH: &str = r#"
for device in /sys/class/input/event*; do
    case $(cat $device/device/name) in Lucarne*) ;; *) continue ;; esac
    kind=$(awk '{ print $2 }' $device/device/name)
    [ $kind != keyboard ] || keyboard=/dev/input/${device##*/}
    stdbuf -oL evtest /dev/input/${device##*/} >/lab/$kind.evtest 2>&1 &
done
lit=
while [ ! -e /lab/done ]; do
    if [ -e /lab/light-on ] && [ -z "$lit" ]; then
        printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\021\0\001\0\001\0\0\0' >$keyboard
        lit=1
    elif [ -e /lab/light-off ] && [ "$lit" = 1 ]; then
        printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\021\0\001\0\0\0\0\0' >$keyboard
        lit=0
    fi
    sleep 0.05
done
"#;

/// What goes before it where libinput watches, too. It takes udev's word for what a device is.
const LIBINPUT: &str = r#"
export SYSTEMD_IGNORE_CHROOT=1
mkdir -p /run/udev
/usr/lib/systemd/systemd-udevd >/lab/udev.log 2>&1 &
while [ ! -e /run/udev/control ]; do sleep 0.02; done
udevadm trigger --action=add --subsystem-match=input
udevadm settle
stdbuf -oL libinput debug-events --show-keycodes >/lab/libinput 2>&1 &
"#;

/// An unmodified driver with long queues.
pub fn uml(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", &format!("{LIBINPUT}{WATCH}"))?;
    let compositor = uml::start(bench, place, &folder, &[MODE])?;
    until(BOOT, || {
        let devices = libinput(&folder).matches("DEVICE_ADDED").count();
        Ok((devices >= KINDS.len()).then_some(()))
    })
    .with_context(|| {
        format!(
            "Waiting until libinput knows {} devices; it said {}",
            KINDS.len(),
            libinput(&folder)
        )
    })?;
    let note = check(&compositor, &folder)?;
    seen_by_libinput(&folder)?;
    uml::end(compositor, &folder)?;
    Ok(note)
}

/// The same in QEMU, whose queues have four entries.
pub fn qemu(bench: &Bench, place: &Place) -> Result<String> {
    let (program, more) = qemu::in_tree(bench, WATCH);
    let folder = place.guest("guest", &program)?;
    let compositor = qemu::start(bench, place, &folder, "generic", &more, MODE)?;
    let note = check(&compositor, &folder)?;
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    compositor.quit()?;
    Ok(note)
}

const KINDS: [&str; 5] = ["keyboard", "pointer", "mouse", "touch", "pen"];

fn check(compositor: &Compositor, folder: &GuestFolder) -> Result<String> {
    until(BOOT, || {
        let ready = KINDS.iter().all(|kind| {
            let file = folder.file(&format!("{kind}.evtest"));
            fs::read_to_string(file).is_ok_and(|text| text.contains("interrupt to exit"))
        });
        Ok(ready.then_some(()))
    })
    .with_context(|| {
        format!(
            "Waiting until evtest knows {} devices; the guest said {}",
            KINDS.len(),
            folder.printed()
        )
    })?;
    let seen = RefCell::new(BTreeMap::new());
    let mut guest = Guest::new(SIZE, || new_frames(folder, &mut seen.borrow_mut()));
    let act = |action: InputAction| -> Result<()> {
        compositor.ask(&Request::Input {
            guest: "guest".to_owned(),
            action,
        })?;
        Ok(())
    };
    keys(&mut guest, &act)?;
    pointer(&mut guest, &act)?;
    mouse(&mut guest, &act)?;
    hands::fingers(&mut guest, |places, _| {
        act(InputAction::Touch(
            (0..10)
                .map(|finger| {
                    let place = places.and_then(|all| all.get(usize::from(finger)).copied());
                    let (x, y) = place.unwrap_or_default();
                    TouchPoint {
                        finger,
                        scanout: 0,
                        x,
                        y,
                        down: place.is_some(),
                    }
                })
                .collect(),
        ))
    })?;
    light(compositor, folder)?;
    let stats = compositor.device_stats("guest")?;
    let slowest = stats
        .hands
        .iter()
        .filter_map(|hand| hand.latency_p99_us)
        .max();
    ensure!(
        stats.hands.iter().all(|hand| hand.frames_dropped == 0),
        "Frames were left out: {:?}",
        stats.hands
    );
    Ok(format!(
        "99 of 100 events were in the guest's queue after {} µs at most",
        slowest.unwrap_or_default()
    ))
}

/// A chord's keys come one by one, in its order.
fn keys(guest: &mut Guest<'_>, act: &impl Fn(InputAction) -> Result<()>) -> Result<()> {
    let chord = [KEY_LEFTCTRL, KEY_LEFTALT, KEY_F2];
    act(InputAction::Chords(vec![chord.to_vec(), vec![KEY_A]]))?;
    let down = chord.iter().map(|code| stroke(*code, true));
    let up = chord.iter().rev().map(|code| stroke(*code, false));
    let wanted: Vec<Frame> = down
        .chain(up)
        .chain([stroke(KEY_A, true), stroke(KEY_A, false)])
        .collect();
    guest.expect("keyboard", "two chords", &wanted)
}

/// A place, a click there, and a place at the edge.
fn pointer(guest: &mut Guest<'_>, act: &impl Fn(InputAction) -> Result<()>) -> Result<()> {
    for (x, y) in [(320, 240), (1, 479), (639, 0)] {
        act(InputAction::PointerTo { scanout: 0, x, y })?;
        guest.expect_pointer((x, y))?;
    }
    for code in [BTN_LEFT, BTN_SIDE] {
        act(InputAction::Button {
            code,
            action: Press::Click,
        })?;
        let wanted = [stroke(code, true), stroke(code, false)];
        guest.expect("pointer", "a click", &wanted)?;
    }
    Ok(())
}

/// Steps, and both wheels; a third of a notch is told as that, and the notch when it is whole.
fn mouse(guest: &mut Guest<'_>, act: &impl Fn(InputAction) -> Result<()>) -> Result<()> {
    act(InputAction::PointerBy { dx: 5, dy: -3 })?;
    let wanted = [vec![(EV_REL, REL_X, 5), (EV_REL, REL_Y, -3)]];
    guest.expect("mouse", "a step", &wanted)?;
    for _ in 0..3 {
        act(InputAction::Scroll {
            horizontal: 0,
            vertical: 40,
        })?;
    }
    let third = vec![(EV_REL, REL_WHEEL_HI_RES, -40)];
    let last = [third.clone(), vec![(EV_REL, REL_WHEEL, -1)]].concat();
    guest.expect(
        "mouse",
        "a notch in three steps",
        &[third.clone(), third, last],
    )?;
    act(InputAction::Scroll {
        horizontal: 120,
        vertical: 0,
    })?;
    let wanted = [vec![
        (EV_REL, REL_HWHEEL_HI_RES, 120),
        (EV_REL, REL_HWHEEL, 1),
    ]];
    guest.expect("mouse", "a notch to the right", &wanted)
}

/// libinput has made of it what a desktop in the guest would get.
fn seen_by_libinput(folder: &GuestFolder) -> Result<()> {
    until(SOON, || {
        let text = libinput(folder);
        let all = [
            ("KEY_F2 (60) pressed", 1),
            ("KEY_F2 (60) released", 1),
            ("POINTER_MOTION_ABSOLUTE", 3),
            ("BTN_LEFT (272) pressed", 1),
            ("POINTER_MOTION ", 1),
            ("POINTER_SCROLL_WHEEL", 2),
            ("TOUCH_DOWN", 10),
            ("TOUCH_UP", 10),
        ];
        let missing = all
            .iter()
            .find(|(word, least)| text.matches(word).count() < *least);
        Ok(missing.is_none().then_some(()))
    })
    .with_context(|| {
        format!(
            "Waiting for libinput's events; it said\n{}",
            libinput(folder)
        )
    })
}

fn libinput(folder: &GuestFolder) -> String {
    fs::read_to_string(folder.file("libinput")).unwrap_or_default()
}

/// The guest's light of Caps Lock is in the counters.
fn light(compositor: &Compositor, folder: &GuestFolder) -> Result<()> {
    for (file, on) in [("light-on", true), ("light-off", false)] {
        folder.signal(file)?;
        until(SOON, || {
            let stats = compositor.device_stats("guest")?;
            let lit = stats
                .hands
                .iter()
                .any(|hand| hand.lights.iter().any(|light| light == "caps"));
            Ok((lit == on).then_some(()))
        })
        .with_context(|| {
            format!(
                "Waiting for the guest's Caps Lock light, on: {on}; the counters are {:?}",
                compositor.device_stats("guest").map(|stats| stats.hands)
            )
        })?;
    }
    Ok(())
}

/// What every evtest has printed since the last time; `seen` counts the frames of before.
fn new_frames(folder: &GuestFolder, seen: &mut BTreeMap<&'static str, usize>) -> Result<Frames> {
    let mut new = Frames::new();
    for kind in KINDS {
        let text = fs::read_to_string(folder.file(&format!("{kind}.evtest")))?;
        let frames = frames(&text);
        let before = seen.entry(kind).or_default();
        let rest = frames.get(*before..).unwrap_or_default();
        *before += rest.len();
        new.insert(kind.to_owned(), rest.to_vec());
    }
    Ok(new)
}

/// The whole frames in evtest's text; those in which the kernel repeats a key by itself are left out.
fn frames(text: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut frame = Frame::new();
    for line in text.lines().filter(|line| line.starts_with("Event: ")) {
        if line.contains("SYN_REPORT") {
            frames.push(std::mem::take(&mut frame));
        } else if let Some(event) = event(line) {
            frame.push(event);
        }
    }
    frames.retain(|frame| {
        !frame
            .iter()
            .all(|(kind, _, value)| (*kind, *value) == (1, 2))
    });
    frames
}

/// "Event: time 3.215, type 1 (EV_KEY), code 30 (KEY_A), value 1"
fn event(line: &str) -> Option<(u16, u16, i32)> {
    let number = |name: &str| {
        let (_, rest) = line.split_once(&format!(", {name} "))?;
        rest.split([' ', ',']).next()
    };
    Some((
        number("type")?.parse().ok()?,
        number("code")?.parse().ok()?,
        number("value")?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evtests_text_is_read_frame_by_frame() {
        let text = "Testing ... (interrupt to exit)\n\
            Event: time 1.5, type 3 (EV_ABS), code 0 (ABS_X), value 16384\n\
            Event: time 1.5, type 3 (EV_ABS), code 1 (ABS_Y), value -7\n\
            Event: time 1.5, -------------- SYN_REPORT ------------\n\
            Event: time 1.6, type 1 (EV_KEY), code 30 (KEY_A), value 2\n\
            Event: time 1.6, -------------- SYN_REPORT ------------\n\
            Event: time 1.7, type 1 (EV_KEY), code 30 (KEY_A), value 0\n";
        assert_eq!(frames(text), [[(3, 0, 16_384), (3, 1, -7)]]);
    }
}
