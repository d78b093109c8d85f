//! What is shown, and when a window goes.

use std::time::Duration;

use protocols::{
    edid::Edid,
    virtio_gpu::{Command, ErrorCode::*, Format, Response},
};

use super::fixture::*;
use crate::{
    display::{DisplayEvent, Monitor, ScanoutId, recording::Call},
    gpu::{Mode, scanouts::DISABLE_SETTLES},
};

const WHOLE: protocols::virtio_gpu::Rect = protocols::virtio_gpu::Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};

fn disabled(f: &mut Fixture) -> bool {
    f.display.take_calls().contains(&Call::Disable(SCREEN))
}

/// A device that shows resource 1.
fn showing() -> Fixture {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(flush(1, WHOLE));
    let frame = f.frame();
    f.shown(frame.id);
    f
}

#[test]
fn unknown_scanouts_are_refused_also_when_switched_off() {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    f.create_blob(2, 0, 64 * 32 * 4);
    for scanout in [1, 15, 16, 22, 1 << 31, u32::MAX] {
        f.refuse(set_scanout(scanout, 1, WHOLE), InvalidScanoutId);
        f.refuse(switch_off(scanout), InvalidScanoutId);
        f.refuse(set_blob(scanout, 2, (64, 32), WHOLE), InvalidScanoutId);
        f.refuse(set_blob(scanout, 0, (64, 32), WHOLE), InvalidScanoutId);
    }
}

#[test]
fn the_source_lies_inside_and_is_no_smaller_than_16() {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    f.create_blob(2, 0, 64 * 32 * 4);
    for wrong in [
        rect(0, 0, 65, 32),
        rect(0, 0, 64, 33),
        rect(49, 0, 16, 16),
        rect(0, 0, 15, 32),
        rect(0, 0, 64, 15),
        rect(0, 0, 0, 0),
        rect(u32::MAX, 0, 16, 16),
        rect(u32::MAX - 15, 0, 16, 16),
        rect(16, 0, u32::MAX, 16),
    ] {
        f.refuse(set_scanout(0, 1, wrong), InvalidParameter);
        f.refuse(set_blob(0, 2, (64, 32), wrong), InvalidParameter);
    }
    f.ok(set_scanout(0, 1, rect(48, 16, 16, 16)));
    f.ok(set_blob(0, 2, (64, 32), rect(48, 16, 16, 16)));
}

#[test]
fn what_has_no_backing_can_not_be_shown() {
    let mut f = Fixture::new();
    f.ok(create_2d(1, Format::Bgrx8888, 64, 32));
    f.ok(create_blob(2, 64 * 32 * 4, &[]));
    f.refuse(set_scanout(0, 1, WHOLE), Unspec);
    f.refuse(set_blob(0, 2, (64, 32), WHOLE), Unspec);
}

#[test]
fn pictures_and_blobs_have_their_own_commands() {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    f.create_blob(2, 0, 64 * 32 * 4);
    f.refuse(set_scanout(0, 2, WHOLE), InvalidParameter);
    f.refuse(set_blob(0, 1, (64, 32), WHOLE), InvalidParameter);
    // An image larger than the blob, see `BlobImage::layout` for all the others.
    f.refuse(set_blob(0, 2, (64, 33), WHOLE), InvalidParameter);
    f.refuse(
        Command::SetScanoutBlob {
            rect: WHOLE,
            scanout_id: 0,
            resource_id: 2,
            width: 64,
            height: 32,
            format: 3000,
            strides: [256; 4],
            offsets: [0; 4],
        },
        InvalidParameter,
    );
}

#[test]
fn only_the_source_is_shown() {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, rect(16, 8, 32, 16)));
    f.ok(flush(1, WHOLE));
    let frame = f.frame();
    assert_eq!(frame.source, rect(16, 8, 32, 16));
    assert_eq!(frame.damage, [rect(16, 8, 32, 16)]);
    assert_eq!((f.stats().width, f.stats().height), (32, 16));
}

#[test]
fn several_scanouts_show_parts_of_one_resource() {
    let mode = Mode {
        width: 32,
        height: 32,
        millihertz: 60_000,
    };
    let mut f = Fixture::with(|options| options.scanouts = vec![mode; 3]);
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, rect(0, 0, 32, 32)));
    f.ok(set_scanout(1, 1, rect(16, 0, 32, 32)));
    f.ok(flush(1, rect(0, 0, 20, 4)));

    let frames = f.display.take_frames();
    // The first frame of each is new as a whole.
    assert_eq!(frames[0].0, ScanoutId(0));
    assert_eq!(frames[0].1.damage, [rect(0, 0, 32, 32)]);
    assert_eq!(frames[1].0, ScanoutId(1));
    assert_eq!(frames[1].1.damage, [rect(16, 0, 32, 32)]);
    assert_eq!(frames.len(), 2);

    f.event(DisplayEvent::Ready(ScanoutId(0)));
    f.event(DisplayEvent::Ready(ScanoutId(1)));
    f.ok(flush(1, rect(2, 2, 20, 4)));
    let frames = f.display.take_frames();
    assert_eq!(frames[0].1.damage, [rect(2, 2, 20, 4)]);
    assert_eq!(frames[1].1.damage, [rect(16, 2, 6, 4)]);
    f.event(DisplayEvent::Ready(ScanoutId(0)));
    // Nobody shows this part.
    f.ok(flush(1, rect(60, 0, 4, 4)));
    assert!(f.display.take_frames().is_empty());
}

#[test]
fn a_window_goes_when_its_scanout_stays_off() {
    let mut f = showing();
    f.ok(switch_off(0));
    assert!(!disabled(&mut f));
    assert_eq!(f.gpu.next_deadline(), Some(f.now + DISABLE_SETTLES));
    f.wait(DISABLE_SETTLES - Duration::from_millis(1));
    assert!(!disabled(&mut f));
    f.wait(Duration::from_millis(1));
    assert!(disabled(&mut f));
    assert_eq!((f.stats().width, f.gpu.next_deadline()), (0, None));

    // It comes back with the next frame.
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(flush(1, WHOLE));
    assert_eq!(f.frame().damage, [WHOLE]);
}

#[test]
fn a_mode_set_keeps_the_window() {
    let mut f = showing();
    // Linux: off, then on again.
    f.ok(switch_off(0));
    f.wait(DISABLE_SETTLES / 2);
    f.ok(set_scanout(0, 1, rect(0, 0, 32, 32)));
    f.wait(DISABLE_SETTLES * 2);
    assert!(!disabled(&mut f));

    // Windows: destroys the resource, switches off, makes a new one.
    f.ok(detach(1));
    f.ok(unref(1));
    f.ok(switch_off(0));
    f.create(2, 32, 32, 0);
    f.ok(set_scanout(0, 2, rect(0, 0, 32, 32)));
    f.wait(DISABLE_SETTLES * 2);
    assert!(!disabled(&mut f));
}

#[test]
fn destroying_what_is_shown_is_safe_and_closes_the_window_in_the_end() {
    let mut f = showing();
    f.ok(transfer(1, WHOLE, 0));
    let pending = f.flush_later(1, WHOLE);
    f.ok(unref(1));
    assert_eq!(f.answered(), [pending]);
    f.refuse(flush(1, WHOLE), InvalidResourceId);
    f.wait(DISABLE_SETTLES);
    assert!(disabled(&mut f));
}

#[test]
fn a_scanout_that_never_showed_anything_has_no_window_to_close() {
    let mut f = Fixture::new();
    f.ok(switch_off(0));
    assert_eq!(f.gpu.next_deadline(), None);
}

#[test]
fn setting_the_same_again_is_no_new_picture() {
    let mut f = showing();
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(flush(1, rect(1, 1, 2, 2)));
    assert_eq!(f.frame().damage, [rect(1, 1, 2, 2)]);
}

#[test]
fn a_reset_keeps_the_windows_but_nothing_else() {
    let mut f = showing();
    let pending = f.flush_later(1, WHOLE);
    f.frames();
    f.reset();
    f.wait(DISABLE_SETTLES * 2);
    assert!(!disabled(&mut f));
    assert!(f.answered().is_empty(), "{pending:?} has no ring any more");
    f.refuse(flush(1, WHOLE), InvalidResourceId);

    // The next driver begins anew; the host is still busy with the last frame of the old one.
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(flush(1, WHOLE));
    assert!(f.frames().is_empty());
    f.event(DisplayEvent::Ready(SCREEN));
    assert_eq!(f.frame().damage, [WHOLE]);
}

#[test]
fn the_next_driver_may_close_a_window_of_the_last() {
    let mut f = showing();
    f.reset();
    f.ok(switch_off(0));
    f.wait(DISABLE_SETTLES);
    assert!(disabled(&mut f));
}

#[test]
fn a_window_that_is_resized_offers_its_size_once_it_has_settled() {
    let mut f = showing();
    for width in [700, 800, 900] {
        f.event(DisplayEvent::Resized {
            scanout: SCREEN,
            width,
            height: 500,
            dpi: 96,
        });
        assert!(!f.gpu.display_changed());
    }
    f.event(DisplayEvent::RefreshChanged {
        scanout: SCREEN,
        millihertz: 75_000,
    });
    let deadline = f.gpu.next_deadline().unwrap();
    f.wait(deadline - f.now);
    assert!(f.gpu.display_changed());
    assert!(!f.gpu.display_changed());
    let mode = Mode {
        width: 900,
        height: 500,
        millihertz: 75_000,
    };
    assert_eq!(f.gpu.mode(SCREEN), Some(mode));
}

#[test]
fn a_scanout_that_fills_a_monitor_has_that_monitors_edid() {
    let mut f = Fixture::new();
    let monitor = Monitor {
        make: "DEL".to_owned(),
        model: "DELL U2720Q".to_owned(),
        serial: "CN0A1B2C3".to_owned(),
        width_mm: 597,
        height_mm: 336,
        width: 3840,
        height: 2160,
        millihertz: 59_997,
        filled: true,
    };
    let told = |monitor: &Monitor| DisplayEvent::Monitor {
        scanout: SCREEN,
        monitor: monitor.clone(),
    };
    f.event(told(&monitor));
    assert!(f.gpu.display_changed());
    let Response::OkEdid(edid) = f.run(Command::GetEdid { scanout: 0 }) else {
        panic!("no EDID")
    };
    let edid = Edid::decode(&edid).unwrap();
    assert_eq!((&edid.manufacturer, &*edid.name), (b"DEL", "DELL U2720Q"));
    assert_eq!(edid.serial_text, "CN0A1B2C3");
    assert_eq!((edid.size.width_mm, edid.size.height_mm), (597, 336));
    assert_eq!((edid.preferred.width, edid.preferred.height), (3840, 2160));
    assert!(edid.preferred.millihertz.abs_diff(59_997) < 20);
    let Response::OkDisplayInfo(info) = f.run(Command::GetDisplayInfo) else {
        panic!("no display info")
    };
    assert_eq!((info[0].rect.width, info[0].rect.height), (3840, 2160));

    // The window's size, and the same once more, are no news.
    f.event(DisplayEvent::Resized {
        scanout: SCREEN,
        width: 3840,
        height: 2160,
        dpi: 96,
    });
    f.event(told(&monitor));
    assert_eq!(f.gpu.next_deadline(), None);
    assert!(!f.gpu.display_changed());
}

#[test]
fn flushes_of_a_scanout_whose_monitor_is_unplugged_are_answered() {
    let mut f = showing();
    f.event(DisplayEvent::Unplugged(SCREEN));
    assert!(f.gpu.display_changed());
    for _ in 0..3 {
        let id = f.flush_later(1, WHOLE);
        let deadline = f.gpu.next_deadline().unwrap();
        assert!(deadline - f.now < Duration::from_millis(50));
        f.wait(deadline - f.now);
        assert_eq!(f.answered(), [id]);
    }
    // Linux switches it off, and on again with the monitor.
    f.ok(switch_off(0));
    f.wait(DISABLE_SETTLES);
    assert!(disabled(&mut f));
    f.event(DisplayEvent::Monitor {
        scanout: SCREEN,
        monitor: Monitor::default(),
    });
    assert!(f.gpu.display_changed());
    f.ok(set_scanout(0, 1, WHOLE));
    let id = f.flush_later(1, WHOLE);
    let frame = f.frame();
    f.shown(frame.id);
    assert_eq!(f.answered(), [id]);
}

#[test]
fn events_of_unknown_scanouts_and_frames_are_ignored() {
    use crate::display::{BufferId, FrameId, Refused};
    let mut f = showing();
    let scanout = ScanoutId(200);
    f.event(DisplayEvent::Ready(scanout));
    f.event(DisplayEvent::Discarded {
        scanout,
        frame: FrameId(1),
    });
    f.event(DisplayEvent::Discarded {
        scanout: SCREEN,
        frame: FrameId(1 << 60),
    });
    f.event(DisplayEvent::Released(BufferId(1 << 60)));
    f.event(DisplayEvent::ImportRefused(
        BufferId(1 << 60),
        Refused::ImportFailed,
    ));
    f.event(DisplayEvent::Resized {
        scanout,
        width: 1,
        height: 1,
        dpi: 96,
    });
    f.event(DisplayEvent::RefreshChanged {
        scanout,
        millihertz: 0,
    });
    f.event(DisplayEvent::Monitor {
        scanout,
        monitor: Monitor::default(),
    });
    f.event(DisplayEvent::Unplugged(scanout));
    f.event(DisplayEvent::CloseRequested(scanout));
    f.event(DisplayEvent::Lost);
    assert!(f.display.take_calls().is_empty());
}
