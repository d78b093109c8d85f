//! Where windows are, who has the keyboard, and other sizes.

use compositor::{
    render::RendererChoice,
    screenshot::{ScreenshotError, ScreenshotTarget},
    wayland::ResizeError,
};
use wayland_client::protocol::wl_output::WlOutput;

use crate::{
    client::{Bgrx, Configure, Window, rgba},
    fixture::{ClientId, Fixture, output},
};

const RED: Bgrx = [0, 0, 255, 0];
const GREEN: Bgrx = [0, 255, 0, 0];
const BLUE: Bgrx = [255, 0, 0, 0];

fn two_outputs() -> Fixture {
    let outputs = vec![output("left", 200, 150), output("right", 100, 80)];
    Fixture::with(RendererChoice::Pixman, outputs)
}

fn show(fixture: &mut Fixture, id: ClientId, window: &Window, size: (u32, u32), colour: Bgrx) {
    fixture.round_trip(id);
    let client = fixture.client(id);
    let buffer = client.plain_buffer(size, colour);
    client.present(&window.surface, &buffer);
    fixture.round_trip(id);
}

#[test]
fn clients_see_the_outputs() {
    let mut fixture = two_outputs();
    let id = fixture.add_client();
    let client = fixture.client(id);
    assert!(client.version("zwp_linux_dmabuf_v1") >= 4);
    assert!(client.has_global("zxdg_output_manager_v1"));
    client.bind::<WlOutput>();
    fixture.round_trip(id);
    assert_eq!(fixture.client(id).seen.modes, [(100, 80, 240_000)]);

    let outputs = fixture.state().outputs();
    let found: Vec<_> = outputs
        .iter()
        .map(|output| (output.name.as_str(), output.width, output.position.x))
        .collect();
    assert_eq!(found, [("left", 200, 0), ("right", 100, 200)]);
}

#[test]
fn scanouts_are_on_the_outputs_of_their_number() {
    let mut fixture = two_outputs();
    let guest = fixture.add_guest("a");
    let windows = [0, 1, 2].map(|number| fixture.client(guest).scanout(number));
    for (window, colour) in windows.iter().zip([RED, GREEN, BLUE]) {
        show(&mut fixture, guest, window, (50, 40), colour);
    }
    let found: Vec<_> = fixture
        .state()
        .windows()
        .into_iter()
        .map(|window| (window.scanout.unwrap(), window.output, (window.x, window.y)))
        .collect();
    assert_eq!(
        found,
        [
            (0, "left".to_owned(), (0, 0)),
            (1, "right".to_owned(), (0, 0)),
            (2, "left".to_owned(), (0, 0)),
        ]
    );
    assert_eq!(fixture.screenshot("right").pixel(0, 0), Some(rgba(GREEN)));
    assert_eq!(fixture.screenshot("left").pixel(0, 0), Some(rgba(BLUE)));
    // The one that is covered can still be looked at.
    assert_eq!(
        fixture.guest_screenshot("a", 0).pixel(0, 0),
        Some(rgba(RED))
    );
}

#[test]
fn a_tag_that_comes_late_moves_the_window() {
    let mut fixture = two_outputs();
    let guest = fixture.add_guest("a");
    let window = fixture.client(guest).window();
    show(&mut fixture, guest, &window, (50, 40), RED);
    assert_eq!(fixture.screenshot("left").pixel(0, 0), Some(rgba(RED)));

    fixture.client(guest).tag(&window, "scanout-1");
    fixture.round_trip(guest);
    assert_eq!(fixture.screenshot("left").pixel(0, 0), Some([0, 0, 0, 255]));
    assert_eq!(fixture.screenshot("right").pixel(0, 0), Some(rgba(RED)));
    let window = fixture.state().windows().remove(0);
    assert_eq!(
        (window.guest.as_deref(), window.scanout),
        (Some("a"), Some(1))
    );
}

#[test]
fn an_ordinary_client_can_not_pass_for_a_guest() {
    let mut fixture = two_outputs();
    let id = fixture.add_client();
    let window = fixture.client(id).scanout(1);
    show(&mut fixture, id, &window, (50, 40), RED);
    let window = fixture.state().windows().remove(0);
    assert_eq!((window.guest, window.scanout), (None, None));
    assert_eq!(window.output, "left");
}

#[test]
fn a_later_guest_covers_an_earlier_one_and_clients_cover_both() {
    let mut fixture = two_outputs();
    let first = fixture.add_guest("first");
    let second = fixture.add_guest("second");
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    show(&mut fixture, id, &window, (10, 10), BLUE);
    let window = fixture.client(second).scanout(0);
    show(&mut fixture, second, &window, (100, 100), GREEN);
    let window = fixture.client(first).scanout(0);
    show(&mut fixture, first, &window, (150, 100), RED);

    let image = fixture.screenshot("left");
    assert_eq!(image.pixel(9, 9), Some(rgba(BLUE)));
    assert_eq!(image.pixel(10, 10), Some(rgba(GREEN)));
    assert_eq!(image.pixel(120, 10), Some(rgba(RED)));
}

#[test]
fn a_client_that_draws_its_own_shadow_is_placed_by_what_is_inside() {
    let mut fixture = Fixture::new();
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    window.xdg_surface.set_window_geometry(5, 7, 20, 20);
    fixture.round_trip(id);
    let client = fixture.client(id);
    let buffer = client.buffer((30, 34), |x, y| {
        let inside = (5..25).contains(&x) && (7..27).contains(&y);
        if inside { GREEN } else { RED }
    });
    client.present(&window.surface, &buffer);
    fixture.round_trip(id);
    let image = fixture.screenshot("HEADLESS-1");
    assert_eq!(image.pixel(0, 0), Some(rgba(GREEN)));
    assert_eq!(image.pixel(19, 19), Some(rgba(GREEN)));
    assert_eq!(image.pixel(20, 20), Some(rgba(RED)));
}

#[test]
fn the_newest_window_has_the_keyboard() {
    let mut fixture = Fixture::new();
    let guest = fixture.add_guest("a");
    fixture.client(guest).keyboard();
    let scanout = fixture.client(guest).scanout(0);
    show(&mut fixture, guest, &scanout, (50, 40), RED);
    assert_eq!(
        fixture.client(guest).seen.keyboard_focus.as_ref(),
        Some(&scanout.surface)
    );
    assert!(last_configure(&mut fixture, guest).activated);

    let id = fixture.add_client();
    let window = fixture.client(id).window();
    show(&mut fixture, id, &window, (10, 10), BLUE);
    fixture.round_trip(guest);
    assert_eq!(fixture.client(guest).seen.keyboard_focus, None);
    assert!(!last_configure(&mut fixture, guest).activated);
    let focused: Vec<_> = fixture
        .state()
        .windows()
        .into_iter()
        .map(|window| (window.guest, window.focused))
        .collect();
    assert_eq!(focused, [(Some("a".to_owned()), false), (None, true)]);

    fixture.kill(id);
    fixture.wait_until("the guest has the keyboard again", |fixture| {
        fixture.client(guest).seen.keyboard_focus.is_some()
    });
}

fn last_configure(fixture: &mut Fixture, id: ClientId) -> Configure {
    fixture.client(id).seen.configures.last().unwrap().clone()
}

#[test]
fn a_guest_is_asked_for_another_size_once() {
    let mut fixture = Fixture::new();
    let guest = fixture.add_guest("a");
    let scanout = fixture.client(guest).scanout(0);
    show(&mut fixture, guest, &scanout, (50, 40), RED);
    let first = &fixture.client(guest).seen.configures[0];
    assert_eq!((first.width, first.height), (0, 0), "the guest's own size");

    fixture.state().resize("a", 0, 120, 90).unwrap();
    fixture.round_trip(guest);
    let configure = last_configure(&mut fixture, guest);
    assert_eq!((configure.width, configure.height), (120, 90));
    assert!(configure.activated);

    // What comes for another reason leaves the size to the guest.
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    show(&mut fixture, id, &window, (10, 10), BLUE);
    fixture.round_trip(guest);
    let configure = last_configure(&mut fixture, guest);
    assert_eq!((configure.width, configure.height), (0, 0));
    assert!(!configure.activated);
}

#[test]
fn what_can_not_be_resized_or_seen_is_named() {
    let mut fixture = two_outputs();
    let guest = fixture.add_guest("a");
    let scanout = fixture.client(guest).scanout(0);
    show(&mut fixture, guest, &scanout, (50, 40), RED);

    let state = fixture.state();
    assert!(matches!(
        state.resize("a", 1, 100, 100),
        Err(ResizeError::NothingShown { scanout: 1, .. })
    ));
    assert!(matches!(
        state.resize("a", 0, 0, 100),
        Err(ResizeError::Size { .. })
    ));
    let guest = |name: &str, scanout| ScreenshotTarget::Guest {
        name: name.to_owned(),
        scanout,
    };
    assert!(matches!(
        state.screenshot(&guest("b", 0)),
        Err(ScreenshotError::NothingShown { .. })
    ));
    let output = ScreenshotTarget::Output {
        name: "middle".to_owned(),
    };
    let error = state.screenshot(&output).unwrap_err().to_string();
    assert!(error.contains("left, right"), "{error}");
}
