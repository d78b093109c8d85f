//! Pictures of every kind of guest, pixel for pixel, and what `stats` says of their way.

use guest::{
    driver::{Driver, DriverOptions},
    habit::Habit,
    kms::{BufferKind, Screen},
    pattern,
    ram::{Layout, Placement, RamOptions, Seals},
};
use protocols::{
    ipc::{PresentPath, ScanoutStats},
    virtio_gpu::{Format, Rect},
};

use super::{
    guest_side::{is_frame, is_picture, no_failures, screen, show},
    rig::{Rig, Setup, has_udmabuf, scanout},
};

const SIZE: (u32, u32) = (320, 240);
/// Bytes of a picture of that size.
const BYTES: u64 = 320 * 240 * 4;

fn rig() -> Rig {
    Setup::new(&["640x480"]).guest("g", &["320x240"]).start()
}

/// The code of a scanout's reason.
fn reason(stats: &ScanoutStats) -> Option<&str> {
    stats.reason.as_ref().map(|reason| reason.code.as_str())
}

/// That frames go the best way that this machine has, and that the reason is named why it is not
/// the very best.
#[track_caller]
fn assert_best_way(stats: &ScanoutStats, kind: BufferKind) {
    let expected = match kind {
        // Nothing is on a plane where there are no planes.
        _ if has_udmabuf() => (PresentPath::DmabufSampled, Some("not_on_plane")),
        BufferKind::Dumb2d => (PresentPath::SharedMemory, Some("no_udmabuf")),
        BufferKind::Blob => (PresentPath::Copy, Some("no_udmabuf")),
    };
    assert_eq!((stats.path, reason(stats)), expected);
    if has_udmabuf() && kind == BufferKind::Blob {
        assert_eq!(stats.bytes_copied, 0);
    }
}

#[test]
fn every_kind_of_guest_is_shown_pixel_for_pixel() {
    let rig = rig();
    for (frame, habit) in (1..).zip(Habit::ALL) {
        let before = rig.stats("g", 0);
        let mut driver = rig.driver_with("g", &habit.options(&Rig::options()));
        let mut desktop = habit.boot(&mut driver, 0, None).unwrap();
        assert_eq!(desktop.size(), SIZE);
        let image = pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, frame);
        desktop.show(&mut driver, &image).unwrap();

        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
        let stats = rig.wait_for_stats("g", 0, |stats| {
            stats.frames_presented > before.frames_presented
        });
        assert_eq!((stats.width, stats.height), SIZE);
        assert_eq!(stats.millihertz, 60_000);
        let kind = match habit {
            Habit::LinuxBlob => BufferKind::Blob,
            _ => BufferKind::Dumb2d,
        };
        if kind == BufferKind::Dumb2d {
            let copied = stats.bytes_copied - before.bytes_copied;
            assert!((BYTES..=4 * BYTES).contains(&copied), "{habit:?}: {copied}");
        } else if has_udmabuf() {
            assert_eq!(stats.bytes_copied, before.bytes_copied, "a blob was copied");
        }
        let stats = ScanoutStats {
            bytes_copied: 0,
            ..stats
        };
        assert_best_way(&stats, kind);
        desktop.shut_down(&mut driver).unwrap();
        no_failures(&mut driver);
    }
}

#[test]
fn gles_shows_the_same_pictures() {
    let setup = Setup::new(&["640x480"]).guest("g", &["320x240"]);
    let Some(rig) = setup.renderer("gles").try_start() else {
        // There is no EGL on this machine.
        return;
    };
    let mut driver = rig.driver("g");
    for (frame, kind) in [(1, BufferKind::Dumb2d), (2, BufferKind::Blob)] {
        let mut screen = screen(&mut driver, 0, SIZE, kind);
        show(&mut driver, &mut screen, frame);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
        let stats = rig.wait_for_stats("g", 0, |stats| stats.path != PresentPath::Nothing);
        assert!(stats.reason.is_some(), "{stats:?}");
        screen.destroy(&mut driver).unwrap();
    }
}

#[test]
fn every_kind_of_guest_memory_is_shown() {
    let rig = rig();
    let mut frame = 0;
    let placements = [
        Placement::Contiguous,
        Placement::Scattered {
            seed: 7,
            longest: 1,
        },
    ];
    let seals = [Seals::Qemu, Seals::Crosvm, Seals::Open, Seals::Unsealable];
    for (seals, layout) in seals
        .into_iter()
        .zip([Layout::Flat, Layout::Split].repeat(2))
    {
        for placement in placements {
            frame += 1;
            let ram = RamOptions {
                size: 16 << 20,
                layout,
                seals,
                placement,
            };
            let mut driver = rig.driver_with(
                "g",
                &DriverOptions {
                    ram,
                    ..Rig::options()
                },
            );
            let mut screen = screen(&mut driver, 0, SIZE, BufferKind::Blob);
            let before = rig.stats("g", 0).frames_presented;
            show(&mut driver, &mut screen, frame);
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
            let stats = rig.wait_for_stats("g", 0, |stats| stats.frames_presented > before);
            match (has_udmabuf(), seals) {
                (true, Seals::Unsealable) => {
                    assert_eq!(stats.path, PresentPath::Copy);
                    assert_eq!(reason(&stats), Some("not_sealable"));
                }
                (true, _) => assert_eq!(stats.path, PresentPath::DmabufSampled),
                (false, _) => assert_best_way(&stats, BufferKind::Blob),
            }
        }
    }
}

#[test]
fn a_change_of_a_part_changes_that_part_and_copies_little_more() {
    let rig = rig();
    let mut driver = rig.driver("g");
    for kind in [BufferKind::Dumb2d, BufferKind::Blob] {
        let mut screen = screen(&mut driver, 0, SIZE, kind);
        show(&mut driver, &mut screen, 0);
        let copied: Vec<u64> = (0..ROUNDS)
            .map(|round| change_parts(&rig, &mut driver, &mut screen, round))
            .collect();
        // What is put into one slot is due in the others that take turns with it. A slot that is
        // new gets all of the picture, but there are no more than four.
        let damage: u64 = parts().iter().map(|part| part.area() * 4).sum();
        let cheap = copied.iter().filter(|copied| **copied <= 4 * damage);
        assert!(
            cheap.count() >= ROUNDS as usize - 3,
            "{copied:?} bytes for {damage}"
        );
        screen.destroy(&mut driver).unwrap();
    }
}

/// How often all [`parts`] change.
const ROUNDS: u32 = 6;

fn parts() -> Vec<Rect> {
    let part = |number: u32| Rect {
        x: number * 31,
        y: number * 23,
        width: 17,
        height: 11,
    };
    (0..10).map(part).collect()
}

/// Draws parts of the next picture into the picture of frame 0, one after the other. Returns how
/// many bytes were copied.
fn change_parts(rig: &Rig, driver: &mut Driver, screen: &mut Screen, round: u32) -> u64 {
    let before = rig.stats("g", 0).bytes_copied;
    let frame = round + 1;
    let new = pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, frame);
    for part in parts() {
        let ticket = screen.update(driver, &new, part).unwrap();
        screen.wait(driver, ticket).unwrap();
    }
    no_failures(driver);
    let changed = |x, y| {
        let pixel = Rect {
            x,
            y,
            width: 1,
            height: 1,
        };
        parts().iter().any(|part| part.contains(&pixel))
    };
    let mixed = |x, y| pattern::pixel(x, y, if changed(x, y) { frame } else { 0 });
    rig.wait_for_picture(&scanout("g", 0), is_picture(SIZE, mixed));
    rig.stats("g", 0).bytes_copied - before
}

#[test]
fn a_burst_without_fences_ends_with_the_last_picture() {
    let rig = rig();
    for habit in [Habit::Windows, Habit::Edk2] {
        let mut driver = rig.driver_with("g", &habit.options(&Rig::options()));
        let mut desktop = habit.boot(&mut driver, 0, None).unwrap();
        let before = rig.stats("g", 0);
        for frame in 10..60 {
            let image = pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, frame);
            desktop.show(&mut driver, &image).unwrap();
        }
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 59));
        // Every frame is accounted for: shown, or replaced by a later one.
        let stats = rig.wait_for_stats("g", 0, |stats| {
            let ended = stats.frames_presented + stats.frames_missed;
            ended == stats.frames_flushed
        });
        assert!(stats.frames_flushed >= before.frames_flushed + 50);
        assert!(stats.frames_presented > before.frames_presented);
        desktop.shut_down(&mut driver).unwrap();
        no_failures(&mut driver);
    }
}
