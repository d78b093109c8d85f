//! What the guest's hands learn of its screens.

use protocols::virtio_gpu::{Command, Format};

use super::fixture::*;
use crate::{display::ScanoutId, gpu::Mode};

fn two() -> Fixture {
    let mode = |width, height| Mode {
        width,
        height,
        millihertz: 60_000,
    };
    Fixture::with(|options| {
        options.scanouts = vec![mode(640, 480), mode(800, 600)];
        options.connectors = 3;
    })
}

#[test]
fn screens_are_side_by_side_as_large_as_what_they_show() {
    let mut f = two();
    let (first, second) = (ScanoutId(0), ScanoutId(1));
    let offered = [
        (first, rect(0, 0, 640, 480)),
        (second, rect(640, 0, 800, 600)),
    ];
    assert_eq!(f.gpu.screens(), offered);
    // The guest takes another mode than it was offered.
    f.create(1, 320, 200, 0);
    f.ok(set_scanout(0, 1, rect(0, 0, 320, 200)));
    let shown = [
        (first, rect(0, 0, 320, 200)),
        (second, rect(320, 0, 800, 600)),
    ];
    assert_eq!(f.gpu.screens(), shown);
}

#[test]
fn a_pointer_is_seen_while_any_screen_shows_it() {
    let mut f = two();
    assert!(!f.gpu.shows_pointer());
    f.ok(create_2d(1, Format::Bgra8888, 64, 64));
    let update = |scanout_id, resource_id| Command::UpdateCursor {
        scanout_id,
        x: 0,
        y: 0,
        resource_id,
        hot_x: 0,
        hot_y: 0,
    };
    f.ok(update(1, 1));
    assert!(f.gpu.shows_pointer());
    f.ok(update(0, 0));
    assert!(f.gpu.shows_pointer());
    f.ok(update(1, 0));
    assert!(!f.gpu.shows_pointer());
}
