//! Guests on monitors, one at a time: switching, fitting, and monitors that come and go.

use compositor::{
    backend::Monitor,
    desktop::{Fit, Placement},
    host::Host as _,
    render::RendererChoice,
    wayland::WindowInfo,
};
use protocols::ipc::ErrorCode;
use smithay::output::Mode;
use wayland_protocols::xdg::shell::client::xdg_wm_base::XdgWmBase;

use crate::{
    client::{Bgrx, Configure, Window, pattern, rgba},
    fixture::{ClientId, Fixture, renderers},
    hands::{WithHands as _, keys},
};

const RED: Bgrx = [0, 0, 255, 0];
const GREEN: Bgrx = [0, 255, 0, 0];
const BLUE: Bgrx = [255, 0, 0, 0];
const BLACK: [u8; 4] = [0, 0, 0, 255];

const LEFT: (u32, u32) = (200, 150);
const RIGHT: (u32, u32) = (100, 80);

fn kiosk(renderer: RendererChoice) -> Fixture {
    let monitors = vec![
        monitor("left", pixels(LEFT)),
        monitor("right", pixels(RIGHT)),
    ];
    Fixture::kiosk(renderer, monitors)
}

fn two_monitors() -> Fixture {
    kiosk(RendererChoice::Pixman)
}

/// A monitor that refreshes fast.
fn monitor(name: &str, (width, height): (i32, i32)) -> Monitor {
    let mode = Mode {
        size: (width, height).into(),
        refresh: 240_000,
    };
    Monitor::new(name, mode)
}

fn pixels((width, height): (u32, u32)) -> (i32, i32) {
    (width.cast_signed(), height.cast_signed())
}

fn show(fixture: &mut Fixture, id: ClientId, window: &Window, size: (u32, u32), colour: Bgrx) {
    show_pattern(fixture, id, window, size, |_, _| colour);
}

fn show_pattern(
    fixture: &mut Fixture,
    id: ClientId,
    window: &Window,
    size: (u32, u32),
    pixel: impl Fn(u32, u32) -> Bgrx,
) {
    fixture.round_trip(id);
    let client = fixture.client(id);
    let buffer = client.buffer(size, pixel);
    client.present(&window.surface, &buffer);
    fixture.round_trip(id);
}

/// A guest's device with one scanout of this colour, and its window.
fn guest(fixture: &mut Fixture, name: &str, size: (u32, u32), colour: Bgrx) -> (ClientId, Window) {
    let id = fixture.add_guest(name);
    let window = fixture.client(id).scanout(0);
    show(fixture, id, &window, size, colour);
    (id, window)
}

fn told(fixture: &mut Fixture, id: ClientId) -> Configure {
    fixture.round_trip(id);
    fixture.client(id).seen.configures.last().unwrap().clone()
}

fn size(configure: &Configure) -> (i32, i32) {
    assert!(configure.fullscreen, "{configure:?}");
    (configure.width, configure.height)
}

/// The names of the outputs that guests are on, by the guests' names.
fn outputs_of_guests(fixture: &mut Fixture) -> Vec<(String, String)> {
    let windows = fixture.state().windows().into_iter();
    let mut outputs: Vec<_> = windows
        .filter_map(|window: WindowInfo| Some((window.guest?, window.output)))
        .collect();
    outputs.sort();
    outputs
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(guest, output)| ((*guest).to_owned(), (*output).to_owned()))
        .collect()
}

#[test]
fn a_guest_is_told_its_monitors_size_before_it_draws() {
    let mut fixture = two_monitors();
    let id = fixture.add_guest("a");
    fixture.client(id).scanout(0);
    assert_eq!(size(&told(&mut fixture, id)), (200, 150));
    fixture.client(id).scanout(1);
    assert_eq!(size(&told(&mut fixture, id)), (100, 80));
}

#[test]
fn two_guests_have_two_monitors_and_a_third_is_switched_in() {
    let mut fixture = two_monitors();
    let (a, _) = guest(&mut fixture, "a", LEFT, RED);
    guest(&mut fixture, "b", RIGHT, GREEN);
    let (c, window) = guest(&mut fixture, "c", LEFT, BLUE);
    fixture.client(a).keyboard();
    fixture.client(c).keyboard();
    assert_eq!(fixture.screenshot("left").pixel(10, 10), Some(rgba(RED)));
    assert_eq!(fixture.screenshot("right").pixel(10, 10), Some(rgba(GREEN)));
    assert_eq!(
        outputs_of_guests(&mut fixture),
        named(&[("a", "left"), ("b", "right"), ("c", "")])
    );
    fixture.wait_until("the first guest has the keyboard", |fixture| {
        fixture.client(a).seen.keyboard_focus.is_some()
    });
    // What can't be seen can still be looked at.
    assert_eq!(
        fixture.guest_screenshot("c", 0).pixel(0, 0),
        Some(rgba(BLUE))
    );

    fixture.state().focus("c").unwrap();
    assert_eq!(fixture.screenshot("left").pixel(10, 10), Some(rgba(BLUE)));
    assert_eq!(fixture.screenshot("right").pixel(10, 10), Some(rgba(GREEN)));
    fixture.wait_until("the keyboard follows", |fixture| {
        fixture.client(c).seen.keyboard_focus.as_ref() == Some(&window.surface)
            && fixture.client(a).seen.keyboard_focus.is_none()
    });
    assert!(told(&mut fixture, c).activated);
    assert!(!told(&mut fixture, a).activated);
}

#[test]
fn a_guest_that_nobody_knows_is_not_switched_to() {
    let mut fixture = two_monitors();
    fixture.add_guest("a");
    let error = fixture.state().focus("x").unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownGuest);
    assert!(error.text.ends_with("there is a"), "{}", error.text);
}

#[test]
fn a_hidden_guest_draws_on_seldom() {
    let mut fixture = two_monitors();
    for name in ["a", "b"] {
        guest(&mut fixture, name, LEFT, RED);
    }
    let (hidden, window) = guest(&mut fixture, "hidden", LEFT, GREEN);
    let buffer = fixture.client(hidden).plain_buffer(LEFT, BLUE);
    let frame = fixture.client(hidden).present(&window.surface, &buffer);
    fixture.run_for(std::time::Duration::from_millis(200));
    assert!(!fixture.client(hidden).seen.callbacks.contains(&frame));
    fixture.wait_until("it may draw", |fixture| {
        fixture.client(hidden).seen.callbacks.contains(&frame)
    });
}

#[test]
fn pictures_of_other_sizes_are_fitted_to_the_monitor() {
    for renderer in renderers() {
        let mut fixture = kiosk(renderer);
        let (id, window) = guest(&mut fixture, "a", LEFT, RED);
        let fit = |fixture: &mut Fixture, fit| {
            let placement = Placement {
                fit,
                ..Placement::default()
            };
            fixture.state().place_guest("a", placement);
            fixture.screenshot("left")
        };

        show_pattern(&mut fixture, id, &window, (80, 50), pattern);
        let image = fit(&mut fixture, Fit::None);
        assert_eq!(image.pixel(60, 50), Some(rgba(pattern(0, 0))));
        assert_eq!(image.pixel(139, 99), Some(rgba(pattern(79, 49))));
        assert_eq!(image.pixel(59, 60), Some(BLACK));
        assert_eq!(image.pixel(140, 60), Some(BLACK));

        let image = fit(&mut fixture, Fit::Integer);
        assert_eq!(image.pixel(20, 25), Some(rgba(pattern(0, 0))));
        assert_eq!(image.pixel(21, 26), Some(rgba(pattern(0, 0))));
        assert_eq!(image.pixel(22, 27), Some(rgba(pattern(1, 1))));
        assert_eq!(image.pixel(179, 124), Some(rgba(pattern(79, 49))));
        assert_eq!(image.pixel(180, 124), Some(BLACK));

        show(&mut fixture, id, &window, (80, 50), GREEN);
        let image = fit(&mut fixture, Fit::Letterbox);
        assert_eq!(image.pixel(0, 13), Some(rgba(GREEN)));
        assert_eq!(image.pixel(199, 136), Some(rgba(GREEN)));
        assert_eq!(image.pixel(100, 11), Some(BLACK));
        assert_eq!(image.pixel(100, 138), Some(BLACK));

        let image = fit(&mut fixture, Fit::Stretch);
        for (x, y) in [(0, 0), (199, 0), (0, 149), (199, 149)] {
            assert_eq!(image.pixel(x, y), Some(rgba(GREEN)));
        }
    }
}

#[test]
fn a_picture_of_the_monitors_size_is_shown_pixel_for_pixel_on_a_scaled_monitor() {
    let mut scaled = monitor("left", pixels(LEFT));
    scaled.scale = 1.5;
    let mut fixture = Fixture::kiosk(RendererChoice::Pixman, vec![scaled]);
    let (id, window) = guest(&mut fixture, "a", LEFT, RED);
    assert_eq!(size(&told(&mut fixture, id)), (200, 150));
    show_pattern(&mut fixture, id, &window, LEFT, pattern);
    let image = fixture.screenshot("left");
    for (x, y) in [(0, 0), (17, 31), (199, 149)] {
        assert_eq!(image.pixel(x, y), Some(rgba(pattern(x, y))));
    }
}

#[test]
fn a_picture_that_its_device_has_scaled_to_the_monitor_is_fitted_all_the_same() {
    let mut fixture = two_monitors();
    let (id, window) = guest(&mut fixture, "a", LEFT, RED);
    let placement = Placement {
        fit: Fit::None,
        ..Placement::default()
    };
    fixture.state().place_guest("a", placement);
    let viewport = fixture.client(id).viewport(&window.surface);
    viewport.set_destination(200, 150);
    show_pattern(&mut fixture, id, &window, (80, 50), pattern);
    let image = fixture.screenshot("left");
    assert_eq!(image.pixel(60, 50), Some(rgba(pattern(0, 0))));
    assert_eq!(image.pixel(100, 70), Some(rgba(pattern(40, 20))));
    assert_eq!(image.pixel(59, 60), Some(BLACK));
}

#[test]
fn a_picture_in_picture_has_its_own_size_above_the_guest_that_fills_the_monitor() {
    let mut fixture = two_monitors();
    let placement = Placement {
        outputs: vec!["left".to_owned()],
        position: Some((120, 10)),
        ..Placement::default()
    };
    fixture.state().place_guest("small", placement);
    guest(&mut fixture, "a", LEFT, RED);
    let (small, _) = guest(&mut fixture, "small", (40, 30), GREEN);
    let configure = told(&mut fixture, small);
    assert_eq!((configure.width, configure.height), (0, 0));
    assert!(!configure.fullscreen);

    let image = fixture.screenshot("left");
    assert_eq!(image.pixel(119, 10), Some(rgba(RED)));
    assert_eq!(image.pixel(120, 10), Some(rgba(GREEN)));
    assert_eq!(image.pixel(159, 39), Some(rgba(GREEN)));
    assert_eq!(image.pixel(160, 40), Some(rgba(RED)));
}

#[test]
fn clients_lie_above_guests_and_cover_the_monitor_if_they_wish() {
    let mut fixture = two_monitors();
    let (a, _) = guest(&mut fixture, "a", LEFT, RED);
    fixture.client(a).keyboard();
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    show(&mut fixture, id, &window, (20, 20), BLUE);
    let image = fixture.screenshot("left");
    assert_eq!(image.pixel(19, 19), Some(rgba(BLUE)));
    assert_eq!(image.pixel(20, 20), Some(rgba(RED)));
    fixture.round_trip(a);
    assert_eq!(fixture.client(a).seen.keyboard_focus, None);

    window.toplevel.set_fullscreen(None);
    assert_eq!(size(&told(&mut fixture, id)), (200, 150));
    window.toplevel.unset_fullscreen();
    let configure = told(&mut fixture, id);
    assert!(!configure.fullscreen);
    assert_eq!((configure.width, configure.height), (0, 0));
}

#[test]
fn an_unplugged_monitors_guests_move_and_go_back() {
    let mut fixture = two_monitors();
    let (a, _) = guest(&mut fixture, "a", LEFT, RED);
    let (b, _) = guest(&mut fixture, "b", RIGHT, GREEN);
    fixture.unplug("left");
    assert_eq!(
        outputs_of_guests(&mut fixture),
        named(&[("a", "right"), ("b", "")])
    );
    assert_eq!(size(&told(&mut fixture, a)), (100, 80));
    assert_eq!(size(&told(&mut fixture, b)), (100, 80));
    let image = fixture.screenshot("right");
    assert_eq!(image.pixel(50, 40), Some(rgba(RED)), "fitted meanwhile");

    fixture.plug(monitor("left", (160, 120)));
    assert_eq!(
        outputs_of_guests(&mut fixture),
        named(&[("a", "left"), ("b", "right")])
    );
    assert_eq!(size(&told(&mut fixture, a)), (160, 120));
    assert_eq!(size(&told(&mut fixture, b)), (100, 80));
    assert_eq!(fixture.screenshot("left").pixel(80, 60), Some(rgba(RED)));
    assert_eq!(fixture.screenshot("right").pixel(50, 40), Some(rgba(GREEN)));
}

#[test]
fn guests_outlive_a_time_without_any_monitor() {
    let mut fixture = two_monitors();
    let (a, window) = guest(&mut fixture, "a", LEFT, RED);
    fixture.client(a).keyboard();
    fixture.unplug("right");
    fixture.unplug("left");
    assert_eq!(outputs_of_guests(&mut fixture), named(&[("a", "")]));
    fixture.wait_until("nothing has the keyboard", |fixture| {
        fixture.client(a).seen.keyboard_focus.is_none()
    });
    // Its mode stays as it was, and it goes on drawing.
    assert_eq!(size(&told(&mut fixture, a)), (200, 150));
    let buffer = fixture.client(a).plain_buffer(LEFT, GREEN);
    let frame = fixture.client(a).present(&window.surface, &buffer);
    fixture.wait_until("it may draw", |fixture| {
        fixture.client(a).seen.callbacks.contains(&frame)
    });

    fixture.plug(monitor("left", (200, 150)));
    assert_eq!(fixture.screenshot("left").pixel(10, 10), Some(rgba(GREEN)));
    fixture.wait_until("it has the keyboard again", |fixture| {
        fixture.client(a).seen.keyboard_focus.is_some()
    });
}

#[test]
fn a_size_that_was_asked_for_stays_until_the_monitor_changes() {
    let mut fixture = two_monitors();
    let (a, _) = guest(&mut fixture, "a", LEFT, RED);
    fixture.state().resize("a", 0, 64, 48).unwrap();
    assert_eq!(size(&told(&mut fixture, a)), (64, 48));
    // The focus moves, and nothing else.
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    show(&mut fixture, id, &window, (10, 10), BLUE);
    assert_eq!(size(&told(&mut fixture, a)), (64, 48));
    fixture.unplug("left");
    assert_eq!(size(&told(&mut fixture, a)), (100, 80));
}

#[test]
fn the_pointer_counts_the_pixels_of_a_fitted_picture_and_finds_no_hidden_guest() {
    let monitors = vec![monitor("left", pixels(LEFT))];
    let mut fixture = Fixture::kiosk(RendererChoice::Pixman, monitors);
    let placement = Placement {
        fit: Fit::Integer,
        ..Placement::default()
    };
    fixture.state().place_guest("a", placement);
    let (a, _) = guest(&mut fixture, "a", (80, 50), RED);
    let (hidden, _) = guest(&mut fixture, "b", LEFT, GREEN);
    for id in [a, hidden] {
        fixture.client(id).listen();
        fixture.round_trip(id);
    }
    // Twice as large, from 20, 25 on.
    fixture.state().move_to(40.0 / 200.0, 35.0 / 150.0);
    fixture.round_trip(a);
    let heard = fixture.client(a).heard();
    assert!(heard.contains(&"enter 10 5".to_owned()), "{heard:?}");
    // The bars beside the picture are nobody's, also not those of the guest that is hidden.
    fixture.state().move_by(-30.0, 0.0);
    fixture.round_trip(a);
    let heard = fixture.client(a).heard();
    assert!(heard.contains(&"leave".to_owned()), "{heard:?}");
    fixture.round_trip(hidden);
    let heard = fixture.client(hidden).heard();
    assert!(
        !heard.iter().any(|line| line.starts_with("enter")),
        "{heard:?}"
    );

    fixture.state().focus("b").unwrap();
    fixture.round_trip(hidden);
    let heard = fixture.client(hidden).heard();
    assert!(heard.contains(&"enter 10 35".to_owned()), "{heard:?}");
}

#[test]
fn a_click_gives_a_guest_the_keyboard_and_hides_nobody() {
    let mut fixture = two_monitors();
    let (a, _) = guest(&mut fixture, "a", LEFT, RED);
    let (b, window) = guest(&mut fixture, "b", RIGHT, GREEN);
    fixture.client(a).keyboard();
    fixture.client(b).keyboard();
    // Both monitors together are 300 pixels wide and 150 high.
    fixture.state().move_to(250.0 / 300.0, 40.0 / 150.0);
    fixture.state().button(keys::BTN_LEFT, true);
    fixture.state().button(keys::BTN_LEFT, false);
    fixture.wait_until("the other guest has the keyboard", |fixture| {
        fixture.client(b).seen.keyboard_focus.as_ref() == Some(&window.surface)
    });
    assert_eq!(
        outputs_of_guests(&mut fixture),
        named(&[("a", "left"), ("b", "right")])
    );
}

#[test]
fn a_menu_is_closed_by_a_click_on_another_window() {
    let mut fixture = two_monitors();
    guest(&mut fixture, "a", LEFT, RED);
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    show(&mut fixture, id, &window, (40, 40), BLUE);
    let client = fixture.client(id);
    let shell: XdgWmBase = client.bind();
    let positioner = shell.create_positioner(&client.handle(), ());
    positioner.set_size(10, 10);
    positioner.set_anchor_rect(5, 5, 1, 1);
    let surface = client.surface();
    let xdg_surface = shell.get_xdg_surface(&surface, &client.handle(), ());
    let menu = xdg_surface.get_popup(Some(&window.xdg_surface), &positioner, &client.handle(), ());
    menu.grab(&client.bind(), 1);
    surface.commit();
    show(
        &mut fixture,
        id,
        &Window {
            surface,
            ..window.clone()
        },
        (10, 10),
        GREEN,
    );

    let click = |fixture: &mut Fixture, x: f64, y: f64| {
        fixture.state().move_to(x / 300.0, y / 150.0);
        fixture.state().button(keys::BTN_LEFT, true);
        fixture.state().button(keys::BTN_LEFT, false);
        fixture.round_trip(id);
        fixture.client(id).seen.menus_closed
    };
    assert_eq!(click(&mut fixture, 35.0, 35.0), 0, "its client's business");
    assert_eq!(click(&mut fixture, 150.0, 100.0), 1);
}
