//! Monitors that the user plugs in and out while the guest runs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use protocols::virtio_gpu::{Command, Format, Response};

use super::fixture::*;
use crate::{
    display::{DisplayEvent, Monitor, Refused, ScanoutId, recording::Call},
    gpu::PlugError,
};

const WHOLE: protocols::virtio_gpu::Rect = protocols::virtio_gpu::Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};

const SECOND: ScanoutId = ScanoutId(1);

/// A guest with one monitor and room for others.
fn roomy(connectors: usize) -> Fixture {
    Fixture::with(|options| options.connectors = connectors)
}

fn enabled(f: &mut Fixture) -> Vec<bool> {
    let Response::OkDisplayInfo(info) = f.run(Command::GetDisplayInfo) else {
        panic!("no display info")
    };
    info.iter().take(5).map(|info| info.enabled).collect()
}

#[test]
fn spare_connectors_show_nothing_until_a_monitor_is_plugged_in() {
    let mut f = roomy(4);
    assert_eq!(f.gpu.scanouts(), 4);
    assert_eq!(enabled(&mut f), [true, false, false, false, false]);
    assert_eq!(f.gpu.stats().len(), 1, "nobody asked for the others");
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(1, 1, WHOLE));
    f.ok(flush(1, WHOLE));
    assert!(f.frames().is_empty());

    f.plug(SECOND, Some((800, 600))).unwrap();
    assert!(f.gpu.display_changed());
    assert_eq!(enabled(&mut f), [true, true, false, false, false]);
    // What the guest drew in the dark is there at once.
    let frames = f.display.take_frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].0, SECOND);
    assert_eq!(f.gpu.stats().len(), 2);
}

#[test]
fn window_of_a_monitor_that_is_plugged_out_goes_at_once() {
    let mut f = roomy(4);
    f.plug(SECOND, Some((64, 32))).unwrap();
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(1, 1, WHOLE));
    let pending = f.flush_later(1, WHOLE);
    assert_eq!(f.display.take_frames().len(), 1);
    f.gpu.display_changed();

    f.plug(SECOND, None).unwrap();
    assert!(f.display.take_calls().contains(&Call::Disable(SECOND)));
    assert_eq!(f.answered(), [pending]);
    assert!(f.gpu.display_changed());
    assert_eq!(enabled(&mut f)[..2], [true, false]);

    // A guest that has not noticed draws on, and is paced like a hidden one.
    for _ in 0..3 {
        let id = f.flush_later(1, WHOLE);
        assert!(f.answered().is_empty());
        let deadline = f.gpu.next_deadline().unwrap();
        f.wait(deadline - f.now);
        assert_eq!(f.answered(), [id]);
    }
    assert!(f.frames().is_empty());

    f.plug(SECOND, Some((64, 32))).unwrap();
    assert_eq!(f.display.take_frames().len(), 1);
}

#[test]
fn plugged_monitor_gets_another_size_without_its_window_going() {
    let mut f = roomy(1);
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(flush(1, WHOLE));
    f.frame();
    f.plug(SCREEN, Some((1024, 768))).unwrap();
    assert!(f.gpu.display_changed());
    assert!(f.display.take_calls().is_empty());
    let mode = f.gpu.mode(SCREEN).unwrap();
    assert_eq!((mode.width, mode.height), (1024, 768));
    f.plug(SCREEN, Some((1024, 768))).unwrap();
    assert!(!f.gpu.display_changed());
}

#[test]
fn impossible_wishes_are_explained_and_change_nothing() {
    let mut f = roomy(4);
    let missing = f.plug(ScanoutId(4), Some((800, 600))).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "Could not use scanout 4: the guest has 4, counted from 0. Raise max_scanouts and start it \
         again"
    );
    for size in [(0, 600), (31, 600), (800, 8193), (u32::MAX, u32::MAX)] {
        let error = f.plug(SECOND, Some(size)).unwrap_err();
        assert!(error.to_string().contains("from 32 to 8192"), "{error}");
    }
    f.gpu.set_tells_changes(false);
    for wish in [None, Some((800, 600))] {
        assert_eq!(f.plug(SCREEN, wish), Err(PlugError::CantTell));
    }
    assert!(!f.gpu.display_changed());
    assert_eq!(enabled(&mut f), [true, false, false, false, false]);
}

#[test]
fn monitor_of_the_host_does_not_bring_back_what_the_user_removed() {
    let mut f = roomy(2);
    f.plug(SCREEN, None).unwrap();
    f.event(DisplayEvent::Monitor {
        scanout: SCREEN,
        monitor: Monitor::default(),
    });
    assert_eq!(enabled(&mut f)[..2], [false, false]);
}

#[test]
fn guest_is_offered_whole_rows_once_the_host_refused_others() {
    let (mut f, _made) = Fixture::with_dma_bufs();
    let size = protocols::virtio_gpu::Rect::from_size(100, 50);
    f.create_blob(1, 0, 5 * 4096);
    f.ok(set_blob(0, 1, (100, 50), size));
    f.ok(flush(1, size));
    let frame = f.frame();
    f.event(DisplayEvent::Resized {
        scanout: SCREEN,
        width: 1001,
        height: 700,
        dpi: 96,
    });
    f.event(DisplayEvent::ImportRefused(
        frame.buffer,
        Refused::ImportFailed,
    ));
    let deadline = f.gpu.next_deadline().unwrap();
    f.wait(deadline - f.now);
    assert!(f.gpu.display_changed());
    let mode = f.gpu.mode(SCREEN).unwrap();
    assert_eq!((mode.width, mode.height), (960, 700));
}

/// What happens in a life with five monitors.
#[derive(Debug, Clone)]
enum Op {
    Plug(u8, bool),
    Show(u8),
    SwitchOff(u8),
    Flush(u8),
    HostTakes(u8),
    Reset,
}

fn any_op() -> impl Strategy<Value = Op> {
    let scanout = 0..5_u8;
    prop_oneof![
        3 => (scanout.clone(), any::<bool>()).prop_map(|(scanout, on)| Op::Plug(scanout, on)),
        3 => scanout.clone().prop_map(Op::Show),
        1 => scanout.clone().prop_map(Op::SwitchOff),
        6 => scanout.clone().prop_map(Op::Flush),
        4 => scanout.prop_map(Op::HostTakes),
        1 => Just(Op::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each scanout shows a resource of its own, so that a frame's buffer tells whose it is.
    #[test]
    fn no_frame_of_one_scanout_appears_in_another(ops in prop::collection::vec(any_op(), 0..80)) {
        let mut f = roomy(5);
        let mut plugged = [true, false, false, false, false];
        let mut owners = BTreeMap::new();
        let mut last = [None; 5];
        let mut showing = [false; 5];
        for op in ops {
            match op {
                Op::Plug(scanout, on) => {
                    let size = on.then_some((64, 32));
                    f.plug(ScanoutId(scanout), size).unwrap();
                    plugged[usize::from(scanout)] = on;
                }
                Op::Show(scanout) => {
                    let resource = u32::from(scanout) + 1;
                    // It may be there already.
                    f.run(create_2d(resource, Format::Bgrx8888, 64, 32));
                    f.run(attach(resource, u64::from(scanout) * 8192, 8192));
                    let shown = f.run(set_scanout(scanout.into(), resource, WHOLE));
                    showing[usize::from(scanout)] = shown == Response::OkNodata;
                }
                Op::SwitchOff(scanout) => {
                    f.ok(switch_off(scanout.into()));
                    showing[usize::from(scanout)] = false;
                }
                Op::Flush(scanout) => {
                    let fenced = f.reply(true, flush(u32::from(scanout) + 1, WHOLE));
                    drop(fenced);
                }
                Op::HostTakes(scanout) => {
                    let id = ScanoutId(scanout);
                    if let Some(frame) = last[usize::from(scanout)] {
                        f.event(DisplayEvent::Presented {
                            scanout: id,
                            frame,
                            at: None,
                            refresh: REFRESH,
                            zero_copy: false,
                        });
                        f.event(DisplayEvent::Ready(id));
                    }
                }
                Op::Reset => {
                    f.reset();
                    owners.clear();
                    showing = [false; 5];
                }
            }
            for (scanout, frame) in f.display.take_frames() {
                let index = usize::from(scanout.0);
                prop_assert!(plugged[index], "{scanout:?} has no monitor");
                prop_assert!(showing[index], "{scanout:?} shows nothing");
                let owner = owners.entry(frame.buffer).or_insert(scanout);
                prop_assert_eq!(*owner, scanout, "a buffer of another scanout");
                last[index] = Some(frame.id);
            }
            f.answered();
        }
    }
}
