//! On our own compositor: monitors, and a pointer that moves without commits.

use protocols::wayland::server::lucarne_guest_scanout_v1::Extent;

use super::*;
use crate::{
    display::Monitor,
    memory::{DmaBufMaker, Piece},
};

fn ours() -> Offer {
    Offer {
        guests: true,
        ..Offer::default()
    }
}

fn wall() -> Monitor {
    Monitor {
        make: "DEL".to_owned(),
        model: "Wall".to_owned(),
        serial: "ABC".to_owned(),
        width_mm: 597,
        height_mm: 336,
        width: 1920,
        height: 1080,
        millihertz: 75_000,
        filled: true,
    }
}

fn told(monitor: Monitor) -> DisplayEvent {
    DisplayEvent::Monitor {
        scanout: SCREEN,
        monitor,
    }
}

fn image(side: u32, hot_x: u32, hot_y: u32) -> CursorImage {
    CursorImage {
        width: side,
        height: side,
        hot_x,
        hot_y,
        pixels: vec![0xff; usize::try_from(side * side * 4).unwrap()],
    }
}

fn show(image: CursorImage, x: i32, y: i32) -> CursorUpdate {
    CursorUpdate::Image { image, x, y }
}

#[test]
fn monitors_are_known_before_there_is_a_window() {
    let mut scene = Scene::with(ours());
    let at_once: Vec<_> = scene.display.take_events().collect();
    assert_eq!(at_once, [told(wall())]);
    assert_eq!(scene.log(), ["scanout 0 of guest"]);
}

#[test]
fn a_window_says_which_scanout_it_shows_before_its_first_commit() {
    let mut scene = Scene::with(ours());
    scene.import_shm(A);
    scene.present(A);
    let log = scene.log_of("window 0");
    let place = |wanted: &str| log.iter().position(|line| line == wanted);
    assert!(place("shows scanout 0") < place("commit"), "{log:?}");
    assert!(place("shows scanout 0").is_some(), "{log:?}");
    assert_eq!(place("tag scanout-0"), None, "{log:?}");
}

#[test]
fn a_monitor_is_reported_once_for_each_time_that_it_changes() {
    let mut scene = Scene::running_with(ours());
    scene.host.announce(0, "Desk", Extent::Part);
    let desk = Monitor {
        model: "Desk".to_owned(),
        filled: false,
        ..wall()
    };
    assert_eq!(scene.events(), [told(desk)]);
}

#[test]
fn a_monitor_that_is_unplugged_and_comes_back_is_reported() {
    let mut scene = Scene::running_with(ours());
    scene.host.unplug_scanout(0);
    assert_eq!(scene.events(), [DisplayEvent::Unplugged(SCREEN)]);
    scene.host.announce(0, "Wall", Extent::Whole);
    assert_eq!(scene.events(), [told(wall())]);
}

#[test]
fn the_compositors_word_on_monitors_is_the_only_one() {
    let mut scene = Scene::running_with(ours());
    scene.host.plug_output();
    scene.pump();
    scene.host.output_mode(0, 60_000);
    scene.host.enter(0, 0);
    assert_eq!(scene.events(), []);
}

#[test]
fn a_pointer_appears_with_its_hotspot_and_without_a_commit_of_the_window() {
    let mut scene = Scene::running_with(ours());
    scene.display.cursor(SCREEN, show(image(16, 3, 4), -3, 7));
    assert_eq!(
        scene.log(),
        [
            "pool 1: 32768 bytes",
            "pointer 1: on scanout 0",
            "pointer 1: move to 0,11",
            "buffer 1: 16x16 at 0 stride 64 Argb8888 of pool 1",
            "pointer 1: attach buffer 1",
            "pointer 1: damage 0,0 16x16",
            "pointer 1: hotspot 3,4",
            "pointer 1: commit",
            "pointer 1: show",
        ]
    );
}

#[test]
fn moves_commit_nothing() {
    let mut scene = Scene::running_with(ours());
    scene.display.cursor(SCREEN, show(image(16, 1, 2), 0, 0));
    scene.log();
    for x in 1..=500 {
        scene.display.cursor(SCREEN, CursorUpdate::Move { x, y: 5 });
        let tip = x + 1;
        assert_eq!(scene.log(), [format!("pointer 1: move to {tip},7")]);
    }
    // Those that come together are one.
    for x in 1..=100 {
        scene.display.cursor(SCREEN, CursorUpdate::Move { x, y: 5 });
    }
    assert_eq!(scene.log(), ["pointer 1: move to 101,7"]);
}

#[test]
fn an_image_changes_together_with_its_hotspot() {
    let mut scene = Scene::running_with(ours());
    scene.display.cursor(SCREEN, show(image(16, 1, 2), 10, 10));
    scene.log();
    // The same place is pointed at: Linux moves the corner by as much as the hotspot.
    scene.display.cursor(SCREEN, show(image(32, 5, 6), 6, 6));
    assert_eq!(
        scene.log_of("pointer 1"),
        [
            "move to 11,12",
            "attach buffer 2",
            "damage 0,0 32x32",
            "hotspot 5,6",
            "commit",
        ]
    );
}

#[test]
fn a_hotspot_waits_with_its_image_until_there_is_memory_for_it() {
    let mut scene = Scene::running_with(ours());
    for _ in 0..2 {
        scene.display.cursor(SCREEN, show(image(16, 1, 2), 0, 0));
        scene.pump();
    }
    scene.log();
    scene.display.cursor(SCREEN, show(image(16, 5, 6), 0, 0));
    assert_eq!(scene.log(), ["pointer 1: move to 5,6"]);
    scene.host.release(1);
    let log = scene.log_of("pointer 1");
    assert!(log.ends_with(&["hotspot 5,6".to_owned(), "commit".to_owned()]));
}

#[test]
fn a_hidden_pointer_comes_back_with_an_image() {
    let mut scene = Scene::running_with(ours());
    scene.display.cursor(SCREEN, show(image(16, 0, 0), 0, 0));
    scene.log();
    scene.display.cursor(SCREEN, CursorUpdate::Hide);
    assert_eq!(scene.log(), ["pointer 1: hide"]);
    scene.display.cursor(SCREEN, CursorUpdate::Hide);
    assert_eq!(scene.log(), [""; 0]);
    scene.display.cursor(SCREEN, show(image(16, 0, 0), 0, 0));
    assert!(scene.log().ends_with(&["pointer 1: show".to_owned()]));
}

#[test]
fn a_scaled_window_leaves_its_pointer_to_the_compositor() {
    let mut scene = Scene::running_with(ours());
    scene.display.cursor(SCREEN, show(image(16, 0, 0), 10, 10));
    scene.log();
    scene.configure((128, 96), &[]);
    assert_eq!(scene.log_of("pointer 1"), [""; 0]);
    scene
        .display
        .cursor(SCREEN, CursorUpdate::Move { x: 11, y: 10 });
    assert_eq!(scene.log_of("pointer 1"), ["move to 11,10"]);
}

#[test]
fn a_pointer_survives_its_window() {
    let mut scene = Scene::running_with(ours());
    scene.display.cursor(SCREEN, show(image(16, 1, 1), 10, 10));
    scene.log();
    scene.display.disable(SCREEN);
    assert_eq!(
        scene.log()[..4],
        [
            "pointer 1: destroy role",
            "pointer 1: destroy",
            "buffer 1: destroy",
            "pool 1: destroy",
        ]
    );
    scene.present(A);
    scene.pump();
    scene.host.configure(2, (0, 0), &[]);
    let log = scene.log();
    for line in ["pointer 3: move to 11,11", "pointer 3: show"] {
        assert!(log.contains(&line.to_owned()), "{log:?}");
    }
}

#[test]
fn a_scanout_that_is_plugged_in_later_is_announced_with_its_window() {
    let mut scene = Scene::with(ours());
    scene.import_shm(A);
    scene.events();
    scene.present_on(OTHER_SCREEN, A);
    let log = scene.log();
    assert!(log.contains(&"scanout 1 of guest".to_owned()), "{log:?}");
    assert!(
        log.contains(&"window 0: shows scanout 1".to_owned()),
        "{log:?}"
    );
    let told = scene.events().into_iter().any(
        |event| matches!(event, DisplayEvent::Monitor { scanout, .. } if scanout == OTHER_SCREEN),
    );
    assert!(told);
}

/// Makes "dma-bufs" that are the memfd itself.
#[derive(Debug)]
struct Maker;

impl DmaBufMaker for Maker {
    fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
        assert_eq!(pieces.iter().map(|p| p.len).collect::<Vec<_>>(), [16_384]);
        Ok(pieces[0].fd.try_clone_to_owned().unwrap())
    }
}

/// A window whose pointer's images can be dma-bufs.
fn with_dma_bufs(offer: Offer, formats: &[Format]) -> Scene {
    let mut scene = Scene::running_with(offer);
    scene.host.formats_changed(formats);
    scene.display.use_dma_bufs(Box::new(Maker));
    scene.pump();
    scene
}

const IMPORT: &str = "import 64x64 at 0 stride 256 AR24";

#[test]
fn images_are_dma_bufs_that_are_imported_once() {
    let mut scene = with_dma_bufs(ours(), &[Format::Bgra8888]);
    scene.display.cursor(SCREEN, show(image(16, 3, 4), 0, 0));
    assert_eq!(
        scene.log(),
        [
            IMPORT,
            IMPORT,
            "pointer 1: on scanout 0",
            "pointer 1: move to 3,4",
            "pointer 1: attach buffer 1",
            "pointer 1: damage 0,0 64x64",
            "pointer 1: hotspot 3,4",
            "pointer 1: commit",
            "pointer 1: show",
        ]
    );
    for (attached, released) in [(2, 1), (1, 2), (2, 1)] {
        scene.display.cursor(SCREEN, show(image(32, 3, 4), 0, 0));
        let log = scene.log_of("pointer 1");
        assert!(
            log.contains(&format!("attach buffer {attached}")),
            "{log:?}"
        );
        scene.host.release(released);
        scene.pump();
    }
    scene.display.cursor(SCREEN, show(image(64, 3, 4), 0, 0));
    scene.log();
    scene.display.cursor(SCREEN, show(image(64, 3, 4), 0, 0));
    assert_eq!(scene.log(), [""; 0], "the host reads both");

    scene.display.disable(SCREEN);
    let log = scene.log();
    for line in ["buffer 1: destroy", "buffer 2: destroy"] {
        assert!(log.contains(&line.to_owned()), "{log:?}");
    }
}

#[test]
fn a_pointer_waits_for_the_compositor_to_take_its_memory() {
    let mut scene = with_dma_bufs(ours(), &[Format::Bgra8888]);
    scene.host.desk.imports = Imports::Hold;
    scene.display.cursor(SCREEN, show(image(16, 3, 4), 0, 0));
    let log = scene.log();
    assert!(!log.iter().any(|line| line.contains("attach")), "{log:?}");
    scene.host.import_held();
    let log = scene.log_of("pointer 1");
    assert!(log.contains(&"attach buffer 1".to_owned()), "{log:?}");
    assert!(log.ends_with(&["show".to_owned()]), "{log:?}");
}

#[test]
fn refused_dma_bufs_of_images_become_shared_memory() {
    let mut scene = with_dma_bufs(ours(), &[Format::Bgra8888]);
    scene.host.desk.imports = Imports::Hold;
    scene.display.cursor(SCREEN, show(image(16, 3, 4), 0, 0));
    scene.log();
    scene.host.refuse_held();
    assert_eq!(
        scene.log(),
        [
            "pool 1: 32768 bytes",
            "buffer 1: 16x16 at 0 stride 64 Argb8888 of pool 1",
            "pointer 1: attach buffer 1",
            "pointer 1: damage 0,0 16x16",
            "pointer 1: hotspot 3,4",
            "pointer 1: commit",
            "pointer 1: show",
        ]
    );
    // It is not tried again.
    scene.display.disable(SCREEN);
    scene.present(A);
    scene.pump();
    scene.host.configure(2, (0, 0), &[]);
    let log = scene.log();
    assert!(!log.contains(&IMPORT.to_owned()), "{log:?}");
    assert!(log.contains(&"pointer 3: show".to_owned()), "{log:?}");
}

#[test]
fn an_image_that_is_refused_after_its_window_went_is_nobodys() {
    let mut scene = with_dma_bufs(ours(), &[Format::Bgra8888]);
    scene.host.desk.imports = Imports::Hold;
    scene.display.cursor(SCREEN, show(image(16, 3, 4), 0, 0));
    scene.pump();
    scene.display.disable(SCREEN);
    scene.log();
    scene.host.import_held();
    assert_eq!(scene.log(), ["buffer 1: destroy", "buffer 2: destroy"]);
}

#[test]
fn images_are_shared_memory_where_dma_bufs_gain_nothing_or_are_not_taken() {
    let no_dma_bufs = Offer {
        dmabuf: 0,
        ..ours()
    };
    for (offer, format) in [
        (Offer::default(), Format::Bgra8888),
        (ours(), Format::Bgrx8888),
        (no_dma_bufs, Format::Bgra8888),
    ] {
        let mut scene = with_dma_bufs(offer, &[format]);
        scene.display.cursor(SCREEN, show(image(16, 0, 0), 0, 0));
        let log = scene.log();
        assert!(log.contains(&"pool 1: 32768 bytes".to_owned()), "{log:?}");
        assert!(!log.contains(&IMPORT.to_owned()), "{log:?}");
    }
}
