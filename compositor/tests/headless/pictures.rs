//! What is committed is what is seen, pixel for pixel, with every renderer of this machine.

use compositor::{render::RendererChoice, screenshot::Image};
use wayland_client::protocol::wl_subsurface::WlSubsurface;

use crate::{
    client::{Bgrx, pattern, rgba},
    fixture::{Fixture, output, renderers},
};

const BLACK: [u8; 4] = [0, 0, 0, 255];
const RED: Bgrx = [0, 0, 255, 0];
const BLUE: Bgrx = [255, 0, 0, 0];

fn fixture(renderer: RendererChoice) -> Fixture {
    Fixture::with(renderer, vec![output("HEADLESS-1", 160, 120)])
}

/// The first pixel that is not as wanted.
#[track_caller]
fn assert_picture(image: &Image, wanted: impl Fn(u32, u32) -> [u8; 4]) {
    for y in 0..image.height {
        for x in 0..image.width {
            let (found, wanted) = (image.pixel(x, y).unwrap(), wanted(x, y));
            assert_eq!(found, wanted, "at {x},{y}");
        }
    }
}

#[test]
fn a_guests_picture_is_at_the_top_left_in_its_natural_size() {
    for renderer in renderers() {
        let mut fixture = fixture(renderer);
        let guest = fixture.add_guest("a");
        let window = fixture.client(guest).scanout(0);
        fixture.round_trip(guest);

        let client = fixture.client(guest);
        let buffer = client.buffer((100, 70), pattern);
        client.present(&window.surface, &buffer);
        fixture.round_trip(guest);

        let image = fixture.screenshot("HEADLESS-1");
        assert_eq!((image.width, image.height), (160, 120));
        assert_picture(&image, |x, y| {
            if x < 100 && y < 70 {
                rgba(pattern(x, y))
            } else {
                BLACK
            }
        });
    }
}

#[test]
fn rows_may_be_longer_than_the_picture() {
    for renderer in renderers() {
        let mut fixture = fixture(renderer);
        let guest = fixture.add_guest("a");
        let window = fixture.client(guest).scanout(0);
        fixture.round_trip(guest);
        let client = fixture.client(guest);
        let buffer = client.strided_buffer((33, 21), 33 * 4 + 60, pattern);
        client.present(&window.surface, &buffer);
        fixture.round_trip(guest);
        let image = fixture.guest_screenshot("a", 0);
        assert_eq!((image.width, image.height), (33, 21));
        assert_picture(&image, |x, y| rgba(pattern(x, y)));
    }
}

#[test]
fn only_the_damage_is_drawn_again_and_all_of_it() {
    for renderer in renderers() {
        let mut fixture = fixture(renderer);
        let guest = fixture.add_guest("a");
        let window = fixture.client(guest).scanout(0);
        fixture.round_trip(guest);
        let client = fixture.client(guest);
        let first = client.plain_buffer((64, 64), RED);
        client.present(&window.surface, &first);
        fixture.round_trip(guest);
        fixture.screenshot("HEADLESS-1");

        // A device says what changed. A renderer that copies takes it at its word.
        let client = fixture.client(guest);
        let second = client.buffer((64, 64), |x, y| {
            if (10..20).contains(&x) && (30..50).contains(&y) {
                BLUE
            } else {
                RED
            }
        });
        window.surface.attach(Some(&second), 0, 0);
        window.surface.damage_buffer(10, 30, 10, 20);
        window.surface.commit();
        fixture.round_trip(guest);
        assert_picture(&fixture.screenshot("HEADLESS-1"), |x, y| {
            if (10..20).contains(&x) && (30..50).contains(&y) {
                rgba(BLUE)
            } else if x < 64 && y < 64 {
                rgba(RED)
            } else {
                BLACK
            }
        });
    }
}

#[test]
fn a_guests_pointer_is_a_subsurface_and_may_hang_over_the_edge() {
    for renderer in renderers() {
        let mut fixture = fixture(renderer);
        let guest = fixture.add_guest("a");
        let window = fixture.client(guest).scanout(0);
        fixture.round_trip(guest);
        let client = fixture.client(guest);
        let (cursor, position) = client.subsurface(&window.surface);
        position.set_position(-4, 90);
        let cursor_buffer = client.plain_buffer((16, 16), BLUE);
        cursor.attach(Some(&cursor_buffer), 0, 0);
        cursor.damage_buffer(0, 0, 16, 16);
        cursor.commit();
        let buffer = client.plain_buffer((160, 100), RED);
        client.present(&window.surface, &buffer);
        fixture.round_trip(guest);

        let in_cursor = |x: u32, y: u32| x < 12 && (90..106).contains(&y);
        assert_picture(&fixture.screenshot("HEADLESS-1"), |x, y| {
            match (in_cursor(x, y), y < 100) {
                (true, _) => rgba(BLUE),
                (false, true) => rgba(RED),
                (false, false) => BLACK,
            }
        });
        // The guest's own picture ends at its edge.
        let image = fixture.guest_screenshot("a", 0);
        assert_eq!((image.width, image.height), (160, 100));
        assert_picture(&image, |x, y| {
            rgba(if in_cursor(x, y) { BLUE } else { RED })
        });

        // It moves with the next commit of the window, and not before, also if it changes its
        // image by itself.
        for (left, set_mode) in [
            (100, WlSubsurface::set_sync as fn(&WlSubsurface)),
            (30, WlSubsurface::set_desync),
        ] {
            set_mode(&position);
            position.set_position(left, 50);
            fixture.round_trip(guest);
            let before = fixture.guest_screenshot("a", 0);
            let left = u32::try_from(left).unwrap();
            assert_eq!(before.pixel(left, 50), Some(rgba(RED)));
            let client = fixture.client(guest);
            client.present_nothing_new(&window.surface);
            fixture.round_trip(guest);
            assert_picture(&fixture.guest_screenshot("a", 0), |x, y| {
                let inside = (left..left + 16).contains(&x) && (50..66).contains(&y);
                rgba(if inside { BLUE } else { RED })
            });
        }
    }
}

#[test]
fn a_viewport_shows_its_part_of_the_buffer() {
    for renderer in renderers() {
        let mut fixture = fixture(renderer);
        let guest = fixture.add_guest("a");
        let window = fixture.client(guest).scanout(0);
        fixture.round_trip(guest);
        let client = fixture.client(guest);
        let viewport = client.viewport(&window.surface);
        viewport.set_source(13.0, 7.0, 40.0, 30.0);
        viewport.set_destination(40, 30);
        let buffer = client.buffer((100, 70), pattern);
        client.present(&window.surface, &buffer);
        fixture.round_trip(guest);
        let image = fixture.guest_screenshot("a", 0);
        assert_eq!((image.width, image.height), (40, 30));
        assert_picture(&image, |x, y| rgba(pattern(x + 13, y + 7)));
    }
}

#[test]
fn a_single_pixel_fills_a_viewport() {
    for renderer in renderers() {
        let mut fixture = fixture(renderer);
        let id = fixture.add_client();
        let window = fixture.client(id).window();
        fixture.round_trip(id);
        let client = fixture.client(id);
        client.viewport(&window.surface).set_destination(160, 120);
        let buffer = client.single_pixel([0, u32::MAX, 0, u32::MAX]);
        client.present(&window.surface, &buffer);
        fixture.round_trip(id);
        assert_picture(&fixture.screenshot("HEADLESS-1"), |_, _| [0, 255, 0, 255]);
    }
}

#[test]
fn a_window_that_goes_leaves_nothing_behind() {
    for renderer in renderers() {
        let mut fixture = fixture(renderer);
        let guest = fixture.add_guest("a");
        let window = fixture.client(guest).scanout(0);
        fixture.round_trip(guest);
        let client = fixture.client(guest);
        let buffer = client.buffer((100, 70), pattern);
        client.present(&window.surface, &buffer);
        fixture.round_trip(guest);
        fixture.screenshot("HEADLESS-1");

        window.surface.attach(None, 0, 0);
        window.surface.commit();
        fixture.round_trip(guest);
        assert!(fixture.state().windows().is_empty());
        assert_picture(&fixture.screenshot("HEADLESS-1"), |_, _| BLACK);
    }
}

#[test]
fn clients_follow_the_outputs_scale_and_guests_do_not() {
    for renderer in renderers() {
        let mut scaled = output("HEADLESS-1", 160, 120);
        scaled.scale = 2.0;
        let mut fixture = Fixture::with(renderer, vec![scaled]);
        let guest = fixture.add_guest("a");
        let scanout = fixture.client(guest).scanout(0);
        let id = fixture.add_client();
        let window = fixture.client(id).window();
        fixture.round_trip(guest);
        fixture.round_trip(id);

        let client = fixture.client(guest);
        let buffer = client.buffer((150, 110), pattern);
        client.present(&scanout.surface, &buffer);
        fixture.round_trip(guest);
        let client = fixture.client(id);
        let buffer = client.plain_buffer((10, 8), RED);
        client.present(&window.surface, &buffer);
        fixture.round_trip(id);

        assert_picture(&fixture.screenshot("HEADLESS-1"), |x, y| {
            if x < 20 && y < 16 {
                rgba(RED)
            } else if x < 150 && y < 110 {
                rgba(pattern(x, y))
            } else {
                BLACK
            }
        });
    }
}
