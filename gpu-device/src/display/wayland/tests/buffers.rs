//! Imports, and when memory may be written again.

use super::{
    requests::{TILED, send_formats},
    *,
};
use crate::display::{Image, ImagePlane};

fn refused(buffer: BufferId) -> DisplayEvent {
    DisplayEvent::ImportRefused(buffer, Refused::ImportFailed)
}

#[test]
fn dmabuf_is_imported_opaque_and_linear() {
    let mut scene = Scene::new();
    let layout = PixelLayout {
        offset: 4096,
        height: 16,
        ..layout(WIDTH, HEIGHT)
    };
    scene
        .display
        .import(A, layout, dmabuf(WIDTH, HEIGHT))
        .unwrap();
    assert_eq!(scene.log(), ["import 64x16 at 4096 stride 256 XR24"]);
}

#[test]
fn dmabuf_that_the_compositor_would_end_the_connection_over_is_refused_here() {
    let mut scene = Scene::new();
    for wrong in [
        PixelLayout {
            offset: 1,
            ..layout(WIDTH, HEIGHT)
        },
        PixelLayout {
            stride: 252,
            ..layout(WIDTH, HEIGHT)
        },
        PixelLayout {
            height: HEIGHT + 1,
            ..layout(WIDTH, HEIGHT)
        },
        PixelLayout {
            width: 0,
            ..layout(WIDTH, HEIGHT)
        },
        PixelLayout {
            height: u32::MAX,
            stride: u32::MAX,
            ..layout(WIDTH, HEIGHT)
        },
    ] {
        let refused = scene.display.import(A, wrong, dmabuf(WIDTH, HEIGHT));
        assert_eq!(refused, Err(Refused::ImportFailed), "{wrong:?}");
    }
    assert_eq!(scene.log(), Vec::<String>::new());
}

/// What a graphics card has drawn, in two memories.
fn image(modifier: u64, bottom_up: bool) -> PixelMemory {
    let plane = |offset, stride| ImagePlane {
        fd: memory(4096).try_clone().unwrap(),
        offset,
        stride,
    };
    PixelMemory::Image(Arc::new(Image {
        width: WIDTH,
        height: HEIGHT,
        fourcc: Format::Bgra8888.drm_fourcc(),
        modifier,
        bottom_up,
        planes: vec![plane(0, 512), plane(4096, 64)],
    }))
}

#[test]
fn image_of_a_graphics_card_is_imported_as_its_driver_laid_it_out() {
    let mut scene = Scene::running();
    let layout = layout(WIDTH, HEIGHT);
    scene.display.import(B, layout, image(TILED, true)).unwrap();
    assert_eq!(
        scene.log(),
        [
            "import 64x32 at 0 stride 512 in 1230000:456789ab and at 4096 stride 64 in \
             1230000:456789ab XR24 upside down"
        ]
    );
    scene.present(B);
    scene.pump();
    let log = scene.log();
    assert!(log.iter().any(|line| line.contains("attach")), "{log:?}");
}

#[test]
fn image_in_a_layout_that_the_host_does_not_take_is_refused() {
    let mut scene = Scene::new();
    let layout = layout(WIDTH, HEIGHT);
    let refused = scene.display.import(A, layout, image(TILED + 1, false));
    assert_eq!(refused, Err(Refused::FormatNotOffered));
    assert_eq!(scene.log(), Vec::<String>::new());
}

#[test]
fn formats_of_the_feedback_decide() {
    let mut scene = Scene::new();
    let mut import = |format| {
        let layout = PixelLayout {
            format,
            ..layout(WIDTH, HEIGHT)
        };
        scene.display.import(A, layout, dmabuf(WIDTH, HEIGHT))
    };
    assert_eq!(import(Format::Rgba8888), Ok(()));
    // Offered in an unknown layout only.
    assert_eq!(import(Format::Xbgr8888), Err(Refused::FormatNotOffered));
    assert_eq!(import(Format::Xrgb8888), Err(Refused::FormatNotOffered));
}

#[test]
fn formats_can_change_while_running() {
    let mut scene = Scene::new();
    scene.host.formats_changed(&[Format::Xrgb8888]);
    scene.pump();
    let mut import = |format| {
        let layout = PixelLayout {
            format,
            ..layout(WIDTH, HEIGHT)
        };
        scene.display.import(A, layout, dmabuf(WIDTH, HEIGHT))
    };
    assert_eq!(import(Format::Xrgb8888), Ok(()));
    assert_eq!(import(Format::Bgrx8888), Err(Refused::FormatNotOffered));
}

#[test]
fn what_the_host_takes_of_a_window_counts_while_there_is_the_window() {
    let mut scene = Scene::running();
    let own = scene.host.desk.feedbacks[1].clone();
    let import = |scene: &mut Scene, format| {
        let layout = PixelLayout {
            format,
            ..layout(WIDTH, HEIGHT)
        };
        scene.display.import(B, layout, dmabuf(WIDTH, HEIGHT))
    };
    // What is known already is no news.
    send_formats(&own, &[Format::Bgrx8888]);
    assert_eq!(scene.events(), []);
    send_formats(&own, &[Format::Xrgb8888]);
    assert_eq!(scene.events(), [DisplayEvent::FormatsChanged]);
    assert_eq!(import(&mut scene, Format::Xrgb8888), Ok(()));
    assert_eq!(import(&mut scene, Format::Bgrx8888), Ok(()));

    scene.display.disable(SCREEN);
    assert_eq!(
        import(&mut scene, Format::Xrgb8888),
        Err(Refused::FormatNotOffered)
    );
}

#[test]
fn formats_of_version_3_decide_where_there_is_no_feedback() {
    let mut scene = Scene::with(Offer {
        dmabuf: 3,
        ..Offer::default()
    });
    let mut import = |format| {
        let layout = PixelLayout {
            format,
            ..layout(WIDTH, HEIGHT)
        };
        scene.display.import(A, layout, dmabuf(WIDTH, HEIGHT))
    };
    assert_eq!(import(Format::Bgra8888), Ok(()));
    assert_eq!(import(Format::Xbgr8888), Err(Refused::FormatNotOffered));
}

#[test]
fn compositor_without_dmabufs_or_with_an_old_version_takes_none() {
    for version in [0, 2] {
        let mut scene = Scene::with(Offer {
            dmabuf: version,
            ..Offer::default()
        });
        let refused = scene
            .display
            .import(A, layout(WIDTH, HEIGHT), dmabuf(WIDTH, HEIGHT));
        assert_eq!(refused, Err(Refused::NoLinuxDmabuf));
    }
}

#[test]
fn frame_waits_for_the_compositors_decision() {
    let mut scene = Scene::running();
    scene.host.desk.imports = Imports::Hold;
    scene.import_dmabuf(B);
    scene.log();
    scene.present(B);
    assert_eq!(scene.log(), Vec::<String>::new());
    scene.host.import_held();
    let log = scene.log();
    assert_eq!(
        log[..2],
        ["window 0: attach buffer 1", "window 0: damage 1,2 3x4"]
    );
    assert_eq!(scene.events(), []);
}

#[test]
fn failed_import_drops_its_frames_and_the_next_one_shows_everything() {
    let mut scene = Scene::running();
    scene.host.desk.imports = Imports::Hold;
    scene.import_dmabuf(B);
    scene.present(B);
    scene.log();
    scene.host.refuse_held();
    assert_eq!(scene.events(), [refused(B)]);
    // The core may not have heard yet.
    scene.present(B);
    assert_eq!(scene.log(), Vec::<String>::new());
    scene.present(A);
    assert!(
        scene
            .log()
            .contains(&"window 0: damage 0,0 64x32".to_owned())
    );
    scene.display.forget(B);
    assert_eq!(scene.events(), []);
}

#[test]
fn buffer_forgotten_during_its_import_leaves_nothing_behind() {
    let mut scene = Scene::running();
    scene.host.desk.imports = Imports::Hold;
    scene.import_dmabuf(B);
    let frame = scene.present(B);
    scene.display.forget(B);
    assert_eq!(scene.events(), [discarded(frame), released(B), READY]);
    scene.log();
    scene.host.import_held();
    assert_eq!(scene.log(), ["buffer 1: destroy"]);
    assert_eq!(scene.events(), []);
}

#[test]
fn buffers_in_one_file_share_a_pool() {
    let mut scene = Scene::new();
    let PixelMemory::Shm { fd, .. } = shm(WIDTH, 2 * HEIGHT) else {
        unreachable!()
    };
    let memory = PixelMemory::Shm {
        fd,
        size: u64::from(WIDTH * 4 * 2 * HEIGHT),
    };
    let second = PixelLayout {
        offset: WIDTH * 4 * HEIGHT,
        ..layout(WIDTH, HEIGHT)
    };
    scene
        .display
        .import(A, layout(WIDTH, HEIGHT), memory.clone())
        .unwrap();
    scene.display.import(B, second, memory).unwrap();
    assert_eq!(
        scene.log(),
        [
            "pool 0: 16384 bytes",
            "buffer 0: 64x32 at 0 stride 256 Xrgb8888 of pool 0",
            "buffer 1: 64x32 at 8192 stride 256 Xrgb8888 of pool 0",
        ]
    );
    scene.display.forget(A);
    assert_eq!(scene.log(), ["buffer 0: destroy"]);
    scene.display.forget(B);
    assert_eq!(scene.log(), ["buffer 1: destroy", "pool 0: destroy"]);
}

#[test]
fn shared_memory_is_released_once_for_each_frame() {
    let mut scene = Scene::running();
    scene.import_shm(B);
    scene.present(B);
    scene.pump();
    scene.host.release(0);
    assert_eq!(scene.events(), [released(A)]);
    scene.host.release(1);
    assert_eq!(scene.events(), [released(B)]);
    // A release too many means nothing.
    scene.host.release(1);
    assert_eq!(scene.events(), []);
}

#[test]
fn release_of_an_earlier_frame_is_not_taken_for_that_of_a_later_one() {
    let mut scene = Scene::running();
    // The compositor has copied the first frame and says so, while the second one, from the same
    // memory, is on its way.
    scene.host.release(0);
    scene.present(A);
    assert_eq!(scene.events(), [released(A)]);
    let log = scene.log();
    assert!(
        log.contains(&"window 0: attach buffer 1".to_owned()),
        "{log:?}"
    );
    // The memory is free only now.
    scene.host.release(1);
    assert_eq!(scene.events(), [released(A)]);
    scene.present(A);
    let log = scene.log();
    assert!(
        log.contains(&"window 0: attach buffer 0".to_owned()),
        "{log:?}"
    );
}

#[test]
fn dmabuf_is_attached_again_and_its_one_release_counts_for_all_frames() {
    let mut scene = Scene::running();
    scene.import_dmabuf(B);
    scene.log();
    for _ in 0..3 {
        scene.present(B);
        assert_eq!(scene.log()[0], "window 0: attach buffer 1");
    }
    scene.host.release(0);
    assert_eq!(scene.events(), [released(A)]);
    scene.host.release(1);
    assert_eq!(scene.events(), [released(B), released(B), released(B)]);
}

#[test]
fn dmabuf_that_comes_back_before_its_release_is_another_wl_buffer() {
    let mut scene = Scene::running();
    scene.import_dmabuf(B);
    scene.pump();
    scene.present(B);
    scene.present(A);
    scene.log();
    // The release of B's first frame may be on its way.
    scene.present(B);
    let log = scene.log();
    assert!(
        log.contains(&"window 0: attach buffer 3".to_owned()),
        "{log:?}"
    );
    scene.host.release(1);
    assert_eq!(scene.events(), [released(B)]);
    scene.host.release(3);
    assert_eq!(scene.events(), [released(B)]);
}

#[test]
fn each_scanout_has_its_own_wl_buffer_of_a_mirrored_picture() {
    let mut scene = Scene::running();
    scene.import_dmabuf(B);
    scene.present(B);
    scene.present_on(OTHER_SCREEN, B);
    scene.pump();
    scene.host.configure(1, (0, 0), &[]);
    let log = scene.log();
    assert!(
        log.contains(&"window 0: attach buffer 1".to_owned()),
        "{log:?}"
    );
    assert!(
        log.contains(&"window 1: attach buffer 2".to_owned()),
        "{log:?}"
    );
    scene.host.release(1);
    scene.host.release(2);
    assert_eq!(scene.events(), [released(B), released(B)]);
}

#[test]
fn forgotten_buffer_stays_on_the_screen_until_it_is_replaced() {
    let mut scene = Scene::running();
    scene.display.forget(A);
    assert_eq!(scene.events(), [released(A)]);
    assert_eq!(scene.log(), ["pool 0: destroy"]);
    scene.import_shm(B);
    scene.present(B);
    scene.pump();
    scene.host.release(0);
    let log = scene.log();
    assert_eq!(log.last().unwrap(), "buffer 0: destroy");
    assert_eq!(scene.events(), []);
}

#[test]
fn forgotten_buffer_goes_with_its_window() {
    let mut scene = Scene::running();
    scene.display.forget(A);
    scene.forget_past();
    scene.display.disable(SCREEN);
    assert_eq!(scene.log().last().unwrap(), "buffer 0: destroy");
    assert_eq!(scene.events(), []);
}

#[test]
fn shared_memory_of_an_unusual_format_is_refused() {
    let mut scene = Scene::new();
    let layout = PixelLayout {
        format: Format::Rgbx8888,
        ..layout(WIDTH, HEIGHT)
    };
    let refused = scene.display.import(A, layout, shm(WIDTH, HEIGHT));
    assert_eq!(refused, Err(Refused::FormatNotOffered));
}
