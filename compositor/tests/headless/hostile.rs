//! What a hostile client, or a guest's device that was taken over, can do to everybody else: nothing.

use std::{
    fs::File,
    time::{Duration, Instant},
};

use compositor::{backend::Monitor, render::RendererChoice};
use smithay::output::Mode;
use wayland_client::protocol::{
    wl_compositor::WlCompositor, wl_subcompositor::WlSubcompositor, wl_surface::WlSurface,
};
use wayland_protocols::{
    ext::idle_notify::v1::client::ext_idle_notifier_v1::ExtIdleNotifierV1,
    wp::{
        idle_inhibit::zv1::client::zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1,
        keyboard_shortcuts_inhibit::zv1::client::zwp_keyboard_shortcuts_inhibit_manager_v1::ZwpKeyboardShortcutsInhibitManagerV1,
        linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Flags,
        pointer_constraints::zv1::client::zwp_pointer_constraints_v1::{
            Lifetime, ZwpPointerConstraintsV1,
        },
    },
    xdg::shell::client::xdg_wm_base::XdgWmBase,
};

use crate::{
    client::{Bgrx, Window, rgba, sealed_memfd},
    fixture::{ClientId, Fixture, not_tested, output, renderers},
    hands::{WithHands as _, keys},
};

const RED: Bgrx = [0, 0, 255, 0];
const GREEN: Bgrx = [0, 255, 0, 0];
const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");

fn show(fixture: &mut Fixture, id: ClientId, surface: &WlSurface, size: (u32, u32), colour: Bgrx) {
    let client = fixture.client(id);
    let buffer = client.plain_buffer(size, colour);
    client.present(surface, &buffer);
    fixture.round_trip(id);
}

fn window(fixture: &mut Fixture, size: (u32, u32)) -> (ClientId, Window) {
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    fixture.round_trip(id);
    show(fixture, id, &window.surface, size, RED);
    (id, window)
}

fn kiosk(renderer: RendererChoice) -> Fixture {
    let mode = |width, height| Mode {
        size: (width, height).into(),
        refresh: 240_000,
    };
    let monitors = vec![
        Monitor::new("left", mode(256, 192)),
        Monitor::new("right", mode(100, 80)),
    ];
    Fixture::kiosk(renderer, monitors)
}

/// Has the compositor read what a client has said in so many steps, every hundred of them: libwayland
/// of before 1.23 gives a connection up that is full.
fn heard(fixture: &mut Fixture, steps: u32) {
    if steps.is_multiple_of(100) {
        fixture.run_for(Duration::from_millis(1));
    }
}

/// Everybody else is still served.
#[track_caller]
fn assert_alive(fixture: &mut Fixture, output: &str) {
    let (id, _) = window(fixture, (20, 20));
    assert!(fixture.client(id).protocol_error().is_none());
    fixture.screenshot(output);
}

/// Trees of surfaces are walked by recursion.
#[test]
fn a_tower_of_subsurfaces_ends_its_client_only() {
    let mut fixture = Fixture::new();
    let (id, window) = window(&mut fixture, (40, 30));
    let mut top = window.surface.clone();
    for number in 0..10_000 {
        let client = fixture.client(id);
        let (surface, _) = client.subsurface(&top);
        surface.commit();
        top = surface;
        if client.hung_up {
            break;
        }
        heard(&mut fixture, number);
    }
    window.surface.commit();
    fixture.wait_for_protocol_error(id);
    assert_alive(&mut fixture, "HEADLESS-1");
}

/// One that is built from its top: each new parent already carries a tower.
#[test]
fn a_tower_of_subsurfaces_that_is_built_from_its_top_ends_its_client_only() {
    let mut fixture = Fixture::new();
    let (id, _) = window(&mut fixture, (40, 30));
    let mut bottom = fixture.client(id).surface();
    for number in 0..2_000 {
        let client = fixture.client(id);
        let parent = client.surface();
        client
            .bind::<WlSubcompositor>()
            .get_subsurface(&bottom, &parent, &client.handle(), ());
        bottom = parent;
        heard(&mut fixture, number);
    }
    fixture.wait_for_protocol_error(id);
    assert_alive(&mut fixture, "HEADLESS-1");
}

#[test]
fn a_menu_that_asks_to_be_closed_again_and_again_is_closed_once() {
    let mut fixture = Fixture::new();
    let (id, window) = window(&mut fixture, (40, 30));
    let ears = fixture.client(id).listen();
    let client = fixture.client(id);
    let wm_base = client.bind::<XdgWmBase>();
    let positioner = wm_base.create_positioner(&client.handle(), ());
    positioner.set_size(10, 10);
    positioner.set_anchor_rect(5, 5, 1, 1);
    let surface = client.surface();
    let xdg_surface = wm_base.get_xdg_surface(&surface, &client.handle(), ());
    let popup = xdg_surface.get_popup(Some(&window.xdg_surface), &positioner, &client.handle(), ());
    for _ in 0..1000 {
        popup.grab(&ears.seat, 1);
    }
    surface.commit();
    fixture.round_trip(id);
    show(&mut fixture, id, &surface, (10, 10), GREEN);
    self::window(&mut fixture, (20, 20));
    fixture.round_trip(id);
    assert_eq!(fixture.client(id).seen.menus_closed, 1);
}

/// A client can ask to be told after no time at all, and itself see to it that the time is never up.
#[test]
fn waiting_for_nobody_costs_nothing() {
    let mut fixture = Fixture::new();
    let (id, window) = window(&mut fixture, (200, 150));
    let ears = fixture.client(id).listen();
    let client = fixture.client(id);
    client.bind::<ZwpIdleInhibitManagerV1>().create_inhibitor(
        &window.surface,
        &client.handle(),
        (),
    );
    fixture.round_trip(id);
    let client = fixture.client(id);
    client
        .bind::<ExtIdleNotifierV1>()
        .get_idle_notification(0, &ears.seat, &client.handle(), ());
    fixture.round_trip(id);
    fixture.run_for(Duration::from_millis(200));
    let turns = fixture.turns_in(Duration::from_millis(300));
    assert!(turns < 10, "{turns} wake-ups with nobody there");
}

/// Memory that its owner can cut off while it is read.
#[test]
fn a_file_is_no_dma_buf() {
    for renderer in renderers() {
        let mut fixture = Fixture::with(renderer, vec![output("HEADLESS-1", 64, 48)]);
        let id = fixture.add_client();
        if !fixture.client(id).has_global("zwp_linux_dmabuf_v1") {
            not_tested(&format!("{renderer:?} takes no dma-bufs"));
            continue;
        }
        // Not in /tmp, which may be a tmpfs: those files have seals.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = File::create_new(folder.path().join("memory")).unwrap();
        drop(file);
        let file = File::options()
            .read(true)
            .write(true)
            .open(folder.path().join("memory"))
            .unwrap();
        file.set_len(64 * 1024).unwrap();
        let mut taken = Vec::new();
        for memory in [&sealed_memfd(64 * 1024), &file] {
            let seen = |fixture: &mut Fixture| {
                let seen = &fixture.client(id).seen;
                (seen.dmabufs_created.len(), seen.dmabufs_failed)
            };
            let before = seen(&mut fixture);
            let params = fixture.client(id).dmabuf(memory, 128, 0);
            params.create(32, 24, XRGB8888, Flags::empty());
            fixture.wait_until("the compositor decides", |fixture| seen(fixture) != before);
            taken.push(seen(&mut fixture).0 > before.0);
        }
        if !taken[0] {
            not_tested(&format!("{renderer:?} takes no memfd for a dma-buf"));
        }
        assert!(!taken[1]);
    }
}

#[test]
fn a_guest_may_crop_its_picture_to_less_than_a_pixel() {
    for renderer in renderers() {
        let mut fixture = kiosk(renderer);
        let id = fixture.add_guest("a");
        let ears = fixture.client(id).listen();
        let client = fixture.client(id);
        let scanout = client.guest_scanout(0);
        let window = client.window();
        scanout.set_window(&window.surface);
        fixture.round_trip(id);
        let client = fixture.client(id);
        let viewport = client.viewport(&window.surface);
        viewport.set_source(1.0, 1.0, 0.25, 0.25);
        viewport.set_destination(256, 192);
        show(&mut fixture, id, &window.surface, (8, 8), RED);
        let image = fixture.screenshot("left");
        assert_eq!(image.pixel(128, 180), Some(rgba(RED)));
        let (surface, cursor) = fixture.client(id).guest_cursor(&scanout);
        cursor.show();
        show(&mut fixture, id, &surface, (4, 4), GREEN);
        fixture.state().move_to(0.3, 0.3);
        let client = fixture.client(id);
        client.bind::<ZwpPointerConstraintsV1>().confine_pointer(
            &window.surface,
            &ears.pointer,
            None,
            Lifetime::Persistent,
            &client.handle(),
            (),
        );
        fixture.round_trip(id);
        fixture.state().move_by(3.0, 4.0);
        fixture.state().move_by(-3000.0, 4.0);
        fixture.round_trip(id);
        assert!(fixture.client(id).protocol_error().is_none());
        fixture.screenshot("left");
        assert_alive(&mut fixture, "left");
    }
}

#[test]
fn a_guests_pointer_may_be_anywhere_and_point_with_anything() {
    const NUMBERS: [i32; 6] = [i32::MIN, i32::MIN + 1, -1, 1, i32::MAX - 1, i32::MAX];
    for renderer in renderers() {
        let mut fixture = kiosk(renderer);
        let id = fixture.add_guest("a");
        let client = fixture.client(id);
        let scanout = client.guest_scanout(0);
        let window = client.window();
        scanout.set_window(&window.surface);
        fixture.round_trip(id);
        show(&mut fixture, id, &window.surface, (64, 48), RED);
        let (surface, cursor) = fixture.client(id).guest_cursor(&scanout);
        cursor.show();
        show(&mut fixture, id, &surface, (4, 4), GREEN);
        let viewport = fixture.client(id).viewport(&surface);
        for x in NUMBERS {
            for y in NUMBERS {
                cursor.move_to(x, y);
                cursor.set_hotspot(y, x);
                viewport.set_destination(x.max(1), y.max(1));
                fixture.client(id).present_nothing_new(&surface);
                fixture.round_trip(id);
                fixture.state().move_by(1.0, 1.0);
                fixture.screenshot("left");
            }
        }
        assert_alive(&mut fixture, "left");
    }
}

#[test]
fn a_pointers_image_may_point_with_anything() {
    let mut fixture = Fixture::new();
    let (id, _) = window(&mut fixture, (200, 150));
    let ears = fixture.client(id).listen();
    fixture.round_trip(id);
    fixture.state().move_to(0.2, 0.2);
    fixture.state().move_by(1.0, 1.0);
    fixture.round_trip(id);
    let surface = fixture.client(id).surface();
    for number in [i32::MIN, -1, i32::MAX] {
        let serial = fixture.client(id).seen.entered.unwrap();
        ears.pointer
            .set_cursor(serial, Some(&surface), number, number);
        let buffer = fixture.client(id).plain_buffer((8, 8), GREEN);
        for delta in [i32::MIN, i32::MAX] {
            surface.attach(Some(&buffer), 0, 0);
            surface.offset(delta, delta);
            surface.commit();
            fixture.round_trip(id);
            fixture.state().move_by(1.0, 1.0);
            fixture.screenshot("HEADLESS-1");
        }
    }
    assert_alive(&mut fixture, "HEADLESS-1");
}

/// The way out has to stay one.
#[test]
fn a_window_that_was_denied_all_keys_does_not_get_them_by_asking_anew() {
    let mut fixture = Fixture::new();
    fixture.state().use_shortcuts(true);
    let id = fixture.add_guest("one");
    let window = fixture.client(id).scanout(0);
    fixture.round_trip(id);
    show(&mut fixture, id, &window.surface, (40, 30), RED);
    let id = fixture.add_guest("two");
    let ears = fixture.client(id).listen();
    let window = fixture.client(id).scanout(0);
    fixture.round_trip(id);
    show(&mut fixture, id, &window.surface, (40, 30), RED);
    fixture.state().focus_guest("two").unwrap();
    let client = fixture.client(id);
    let manager = client.bind::<ZwpKeyboardShortcutsInhibitManagerV1>();
    let inhibit = |fixture: &mut Fixture| {
        let handle = fixture.client(id).handle();
        manager.inhibit_shortcuts(&window.surface, &ears.seat, &handle, ())
    };
    let inhibitor = inhibit(&mut fixture);
    fixture.round_trip(id);
    fixture.state().chord(&[keys::LEFT_META, keys::ESC]);
    fixture.round_trip(id);
    inhibitor.destroy();
    let inhibitor = inhibit(&mut fixture);
    fixture.round_trip(id);
    fixture.client(id).heard();
    fixture.state().chord(&[keys::LEFT_META, keys::TAB]);
    fixture.round_trip(id);
    let heard = fixture.client(id).heard();
    assert!(
        !heard.iter().any(|line| line.starts_with("key 15")),
        "{heard:?}"
    );
    inhibitor.destroy();
}

#[test]
fn a_window_that_lost_the_pointer_does_not_get_it_by_another_surface() {
    let mut fixture = Fixture::new();
    fixture.state().use_shortcuts(true);
    let (id, window) = window(&mut fixture, (200, 150));
    let ears = fixture.client(id).listen();
    fixture.state().move_to(0.2, 0.2);
    fixture.state().move_by(1.0, 1.0);
    fixture.round_trip(id);
    let client = fixture.client(id);
    let constraints = client.bind::<ZwpPointerConstraintsV1>();
    let lock = |fixture: &mut Fixture, surface: &WlSurface| {
        let handle = fixture.client(id).handle();
        constraints.lock_pointer(
            surface,
            &ears.pointer,
            None,
            Lifetime::Persistent,
            &handle,
            (),
        );
        fixture.round_trip(id);
    };
    lock(&mut fixture, &window.surface);
    assert!(fixture.client(id).heard().contains(&"locked".to_owned()));
    fixture.state().chord(&[keys::LEFT_META, keys::ESC]);
    fixture.round_trip(id);
    assert!(fixture.client(id).heard().contains(&"unlocked".to_owned()));
    let (above, position) = fixture.client(id).subsurface(&window.surface);
    position.set_desync();
    lock(&mut fixture, &above);
    show(&mut fixture, id, &above, (200, 150), GREEN);
    fixture.client(id).present_nothing_new(&window.surface);
    fixture.round_trip(id);
    fixture.state().move_by(1.0, 1.0);
    fixture.round_trip(id);
    let heard = fixture.client(id).heard();
    assert!(!heard.contains(&"locked".to_owned()), "{heard:?}");
}

/// One surface for two pointers is one element twice.
#[test]
fn a_surface_may_be_the_pointer_of_two_scanouts() {
    for renderer in renderers() {
        let mut fixture = Fixture::with(renderer, vec![output("HEADLESS-1", 256, 192)]);
        let id = fixture.add_guest("a");
        let surface = fixture.client(id).surface();
        for number in 0..2 {
            let client = fixture.client(id);
            let scanout = client.guest_scanout(number);
            let window = client.window();
            scanout.set_window(&window.surface);
            let handle = fixture.client(id).handle();
            let cursor = scanout.get_cursor(&surface, &handle, ());
            cursor.move_to(20, 20);
            cursor.show();
            fixture.round_trip(id);
            show(&mut fixture, id, &window.surface, (64, 48), RED);
        }
        for colour in [GREEN, RED, GREEN] {
            show(&mut fixture, id, &surface, (4, 4), colour);
            fixture.screenshot("HEADLESS-1");
        }
        surface.destroy();
        fixture.round_trip(id);
        assert_alive(&mut fixture, "HEADLESS-1");
    }
}

/// What a client can grow by saying it again must not make everybody wait.
#[test]
fn many_requests_about_one_menu_are_answered_soon() {
    let mut fixture = Fixture::new();
    let (id, window) = window(&mut fixture, (40, 30));
    let ears = fixture.client(id).listen();
    let client = fixture.client(id);
    let wm_base = client.bind::<XdgWmBase>();
    let positioner = wm_base.create_positioner(&client.handle(), ());
    positioner.set_size(10, 10);
    positioner.set_anchor_rect(5, 5, 1, 1);
    let surface = client.surface();
    let xdg_surface = wm_base.get_xdg_surface(&surface, &client.handle(), ());
    let popup = xdg_surface.get_popup(Some(&window.xdg_surface), &positioner, &client.handle(), ());
    let start = Instant::now();
    for _ in 0..20 {
        for _ in 0..1000 {
            popup.grab(&ears.seat, 1);
        }
        fixture.round_trip(id);
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

/// What is opaque, and what is damaged, comes in rectangles of which a client may name any number.
#[test]
fn regions_of_many_pieces_hold_nobody_up() {
    for renderer in renderers() {
        let mut fixture = Fixture::with(renderer, vec![output("HEADLESS-1", 256, 192)]);
        let (below, other) = window(&mut fixture, (200, 150));
        let (id, window) = window(&mut fixture, (200, 150));
        let client = fixture.client(id);
        let compositor = client.bind::<WlCompositor>();
        let region = compositor.create_region(&client.handle(), ());
        for y in (0..150).step_by(2) {
            for x in (0..200).step_by(2) {
                region.add(x, y, 1, 1);
                window.surface.damage_buffer(x, y, 1, 1);
            }
            heard(&mut fixture, 0);
        }
        window.surface.set_opaque_region(Some(&region));
        window.surface.set_input_region(Some(&region));
        fixture.client(id).present_nothing_new(&window.surface);
        fixture.round_trip(id);
        let start = Instant::now();
        for colour in [RED, GREEN, RED] {
            show(&mut fixture, below, &other.surface, (200, 150), colour);
            fixture.screenshot("HEADLESS-1");
        }
        let took = start.elapsed();
        assert!(
            took < Duration::from_secs(10),
            "{took:?} for three pictures"
        );
    }
}

#[test]
fn a_guest_with_windows_without_end_is_disconnected() {
    let mut fixture = kiosk(RendererChoice::Pixman);
    let id = fixture.add_guest("a");
    for _ in 0..1000 {
        fixture.client(id).window();
    }
    fixture.wait_until("the device is disconnected", |fixture| {
        let client = fixture.client(id);
        client.sync();
        client.hung_up
    });
    assert_alive(&mut fixture, "left");
}
