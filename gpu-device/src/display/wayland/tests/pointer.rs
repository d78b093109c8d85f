//! The guest's pointer.

use super::*;

fn image(width: u32, height: u32) -> CursorImage {
    let pixels = vec![0xff; usize::try_from(width * height * 4).unwrap()];
    CursorImage {
        width,
        height,
        hot_x: 0,
        hot_y: 0,
        pixels,
    }
}

fn show(x: i32, y: i32) -> CursorUpdate {
    CursorUpdate::Image {
        image: image(16, 24),
        x,
        y,
    }
}

#[test]
fn pointer_is_a_subsurface_that_takes_no_input() {
    let mut scene = Scene::running();
    scene.display.cursor(SCREEN, show(-3, 7));
    assert_eq!(
        scene.log(),
        [
            "pool 1: 32768 bytes",
            "pointer 1: above surface 0",
            "pointer 1: desync",
            "pointer 1: input nothing",
            "pointer 1: position -3,7",
            "buffer 1: 16x24 at 0 stride 64 Argb8888 of pool 1",
            "pointer 1: attach buffer 1",
            "pointer 1: damage 0,0 16x24",
            "pointer 1: unscaled",
            "pointer 1: commit",
            "window 0: commit",
        ]
    );
}

#[test]
fn pointer_waits_for_the_window() {
    let mut scene = Scene::new();
    scene.display.cursor(SCREEN, show(1, 2));
    scene.import_shm(A);
    scene.present(A);
    assert!(!scene.log().iter().any(|line| line.starts_with("pointer")));
    scene.configure((0, 0), &[]);
    let log = scene.log();
    assert!(
        log.contains(&"pointer 1: position 1,2".to_owned()),
        "{log:?}"
    );
}

#[test]
fn movements_between_two_flushes_are_one() {
    let mut scene = Scene::running();
    scene.display.cursor(SCREEN, show(0, 0));
    scene.log();
    for x in 1..=100 {
        scene.display.cursor(SCREEN, CursorUpdate::Move { x, y: 5 });
    }
    assert_eq!(
        scene.log(),
        [
            "pointer 1: position 100,5",
            "pointer 1: commit",
            "window 0: commit",
        ]
    );
    scene
        .display
        .cursor(SCREEN, CursorUpdate::Move { x: 100, y: 5 });
    assert_eq!(scene.log(), Vec::<String>::new());
}

#[test]
fn hidden_pointer_comes_back_with_an_image() {
    let mut scene = Scene::running();
    scene.display.cursor(SCREEN, show(0, 0));
    scene.log();
    scene.display.cursor(SCREEN, CursorUpdate::Hide);
    assert_eq!(
        scene.log(),
        ["pointer 1: attach nothing", "pointer 1: commit"]
    );
    scene.display.cursor(SCREEN, CursorUpdate::Hide);
    assert_eq!(scene.log(), Vec::<String>::new());
    scene.display.cursor(SCREEN, show(0, 0));
    assert!(
        scene
            .log()
            .contains(&"pointer 1: attach buffer 2".to_owned())
    );
}

#[test]
fn image_is_not_written_over_one_that_the_compositor_still_reads() {
    let mut scene = Scene::running();
    for _ in 0..2 {
        scene.display.cursor(SCREEN, show(0, 0));
        scene.pump();
    }
    assert!(
        scene
            .log()
            .contains(&"buffer 2: 16x24 at 16384 stride 64 Argb8888 of pool 1".to_owned())
    );
    // Both places are taken: the newest of two more images waits for one.
    scene.display.cursor(
        SCREEN,
        CursorUpdate::Image {
            image: image(8, 8),
            x: 0,
            y: 0,
        },
    );
    scene.display.cursor(
        SCREEN,
        CursorUpdate::Image {
            image: image(4, 4),
            x: 0,
            y: 0,
        },
    );
    assert!(!scene.log().iter().any(|line| line.contains("attach")));
    scene.host.release(1);
    let log = scene.log();
    assert_eq!(
        log[..3],
        [
            "buffer 1: destroy",
            "buffer 3: 4x4 at 0 stride 16 Argb8888 of pool 1",
            "pointer 1: attach buffer 3",
        ]
    );
}

#[test]
fn pointer_is_scaled_with_the_picture() {
    let mut scene = Scene::running();
    scene.display.cursor(SCREEN, show(10, 10));
    scene.log();
    scene.configure((192, 96), &[]);
    let log = scene.log_of("pointer 1");
    assert!(log.contains(&"scaled to 48x72".to_owned()), "{log:?}");
    assert!(log.contains(&"position 30,30".to_owned()), "{log:?}");
}

#[test]
fn pointer_survives_its_window() {
    let mut scene = Scene::running();
    scene.display.cursor(SCREEN, show(10, 10));
    scene.log();
    scene.display.disable(SCREEN);
    let log = scene.log();
    let pointer: Vec<_> = log.iter().take(5).map(String::as_str).collect();
    assert_eq!(
        pointer,
        [
            "pointer 1: destroy viewport",
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
    assert!(
        log.contains(&"pointer 3: position 10,10".to_owned()),
        "{log:?}"
    );
}

#[test]
fn impossible_images_are_not_shown() {
    let mut scene = Scene::running();
    let mut short = image(8, 8);
    short.pixels.pop();
    for image in [image(65, 1), image(0, 0), short] {
        scene
            .display
            .cursor(SCREEN, CursorUpdate::Image { image, x: 0, y: 0 });
        assert_eq!(scene.log(), Vec::<String>::new());
    }
}

#[test]
fn nothing_piles_up_while_the_compositor_does_not_read() {
    let mut scene = Scene::running();
    scene.display.cursor(SCREEN, show(0, 0));
    scene.log();
    let mut x = 0;
    let mut advance = |scene: &mut Scene| {
        x += 1;
        scene.display.cursor(SCREEN, CursorUpdate::Move { x, y: 0 });
        scene.display.flush().unwrap();
        x
    };
    while !scene.display.wants_write() {
        advance(&mut scene);
    }
    let full_at = advance(&mut scene);
    for _ in 0..100_000 {
        advance(&mut scene);
    }
    let mut log = scene.log_of("pointer 1");
    log.retain(|line| line != "commit");
    let last = advance(&mut scene) - 1;
    assert_eq!(log.last().unwrap(), &format!("position {last},0"));
    assert!(
        i32::try_from(log.len()).unwrap() <= full_at + 1,
        "{} > {full_at}",
        log.len()
    );
    assert!(!scene.display.wants_write());
}
