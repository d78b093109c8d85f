//! Clients that die, misbehave or attack: they lose their own windows and nothing else.

use std::{io::Write, os::unix::net::UnixStream, time::Duration};

use compositor::render::RendererChoice;
use wayland_client::protocol::{wl_shm, wl_subcompositor::WlSubcompositor};
use wayland_protocols::xdg::shell::client::{
    xdg_positioner::XdgPositioner, xdg_wm_base::XdgWmBase,
};

use crate::{
    client::{Bgrx, Window, memfd, rgba},
    fixture::{ClientId, Fixture, output, renderers},
};

const RED: Bgrx = [0, 0, 255, 0];
const GREEN: Bgrx = [0, 255, 0, 0];

/// A guest whose window is shown, to see that it stays.
struct Bystander {
    id: ClientId,
    window: Window,
}

impl Bystander {
    fn new(fixture: &mut Fixture) -> Self {
        let id = fixture.add_guest("bystander");
        let window = fixture.client(id).scanout(0);
        fixture.round_trip(id);
        let bystander = Self { id, window };
        bystander.show(fixture, GREEN);
        bystander
    }

    fn show(&self, fixture: &mut Fixture, colour: Bgrx) {
        let client = fixture.client(self.id);
        let buffer = client.plain_buffer((200, 150), colour);
        client.present(&self.window.surface, &buffer);
        fixture.round_trip(self.id);
    }

    /// It is still there and still served.
    #[track_caller]
    fn assert_undisturbed(&self, fixture: &mut Fixture) {
        assert!(fixture.client(self.id).protocol_error().is_none());
        self.show(fixture, RED);
        assert_eq!(
            fixture.screenshot("HEADLESS-1").pixel(199, 149),
            Some(rgba(RED))
        );
        let windows = fixture.state().windows();
        assert_eq!(windows.len(), 1, "{windows:?}");
        assert_eq!(windows[0].guest.as_deref(), Some("bystander"));
    }
}

fn shown_window(fixture: &mut Fixture, id: ClientId) -> Window {
    let window = fixture.client(id).window();
    fixture.round_trip(id);
    let client = fixture.client(id);
    let buffer = client.plain_buffer((40, 30), RED);
    client.present(&window.surface, &buffer);
    fixture.round_trip(id);
    window
}

#[test]
fn a_client_that_dies_takes_its_windows_along() {
    let mut fixture = Fixture::new();
    let bystander = Bystander::new(&mut fixture);
    let id = fixture.add_client();
    shown_window(&mut fixture, id);
    assert_eq!(
        fixture.screenshot("HEADLESS-1").pixel(0, 0),
        Some(rgba(RED))
    );
    fixture.kill(id);
    fixture.wait_until("the window is gone", |fixture| {
        fixture.state().windows().len() == 1
    });
    assert_eq!(
        fixture.screenshot("HEADLESS-1").pixel(0, 0),
        Some(rgba(GREEN))
    );
    bystander.assert_undisturbed(&mut fixture);
}

#[test]
fn a_guests_device_can_come_again() {
    let mut fixture = Fixture::new();
    let bystander = Bystander::new(&mut fixture);
    for colour in [RED, GREEN] {
        let guest = fixture.add_guest("restarted");
        let window = fixture.client(guest).scanout(1);
        fixture.round_trip(guest);
        let client = fixture.client(guest);
        let buffer = client.plain_buffer((30, 30), colour);
        client.present(&window.surface, &buffer);
        fixture.round_trip(guest);
        assert_eq!(
            fixture.guest_screenshot("restarted", 1).pixel(0, 0),
            Some(rgba(colour))
        );
        fixture.kill(guest);
        fixture.wait_until("the window is gone", |fixture| {
            fixture.state().windows().len() == 1
        });
    }
    bystander.assert_undisturbed(&mut fixture);
}

#[test]
fn a_protocol_error_ends_one_client() {
    let mut fixture = Fixture::new();
    let bystander = Bystander::new(&mut fixture);
    let id = fixture.add_client();
    let window = shown_window(&mut fixture, id);
    // A surface has one role.
    let client = fixture.client(id);
    let other = client.surface();
    client
        .bind::<WlSubcompositor>()
        .get_subsurface(&window.surface, &other, &client.handle(), ());
    let error = fixture.wait_for_protocol_error(id);
    assert_eq!(error.object_interface, "wl_subcompositor");
    fixture.wait_until("the window is gone", |fixture| {
        fixture.state().windows().len() == 1
    });
    bystander.assert_undisturbed(&mut fixture);
}

#[test]
fn bytes_that_are_no_wayland_end_one_client() {
    let mut fixture = Fixture::new();
    let bystander = Bystander::new(&mut fixture);
    let mut stream = UnixStream::from(fixture.guest_connection("garbage"));
    stream.write_all(&[0xff; 4096]).unwrap();
    fixture.run_for(Duration::from_millis(20));
    bystander.assert_undisturbed(&mut fixture);
}

#[test]
fn a_pool_can_not_be_resized_to_nothing() {
    for size in [0, -1, i32::MIN] {
        let mut fixture = Fixture::new();
        let bystander = Bystander::new(&mut fixture);
        let id = fixture.add_client();
        let client = fixture.client(id);
        client.pool(&memfd(4096), 4096).resize(size);
        let error = fixture.wait_for_protocol_error(id);
        assert_eq!(error.object_interface, "wl_shm_pool");
        bystander.assert_undisturbed(&mut fixture);
    }
}

/// The memory is cut off after the buffer was made: reading it raises SIGBUS.
#[test]
fn memory_that_goes_away_ends_one_client() {
    for renderer in renderers() {
        let mut fixture = Fixture::with(renderer, vec![output("HEADLESS-1", 256, 192)]);
        let bystander = Bystander::new(&mut fixture);
        let id = fixture.add_client();
        let window = shown_window(&mut fixture, id);
        let client = fixture.client(id);
        let file = memfd(64 * 64 * 4);
        let pool = client.pool(&file, 64 * 64 * 4);
        let buffer = pool.create_buffer(
            0,
            64,
            64,
            256,
            wl_shm::Format::Xrgb8888,
            &client.handle(),
            (),
        );
        fixture.round_trip(id);
        file.set_len(0).unwrap();
        fixture.client(id).present(&window.surface, &buffer);
        fixture.wait_for_protocol_error(id);
        fixture.wait_until("the window is gone", |fixture| {
            fixture.state().windows().len() == 1
        });
        bystander.assert_undisturbed(&mut fixture);
    }
}

#[test]
fn damage_may_be_any_numbers() {
    for renderer in renderers() {
        let mut fixture = Fixture::with(renderer, vec![output("HEADLESS-1", 256, 192)]);
        let bystander = Bystander::new(&mut fixture);
        let id = fixture.add_client();
        let window = shown_window(&mut fixture, id);
        let extremes = [i32::MIN, -1, 0, 1, i32::MAX];
        for x in extremes {
            for width in extremes {
                let client = fixture.client(id);
                let buffer = client.plain_buffer((40, 30), RED);
                window.surface.damage(x, width, width, x);
                window.surface.damage_buffer(width, x, width, width);
                client.present(&window.surface, &buffer);
                fixture.round_trip(id);
                fixture.screenshot("HEADLESS-1");
            }
        }
        assert!(fixture.client(id).protocol_error().is_none());
        fixture.kill(id);
        fixture.wait_until("the window is gone", |fixture| {
            fixture.state().windows().len() == 1
        });
        bystander.assert_undisturbed(&mut fixture);
    }
}

#[test]
fn positions_and_sizes_may_be_any_numbers() {
    for renderer in renderers() {
        let mut fixture = Fixture::with(renderer, vec![output("HEADLESS-1", 256, 192)]);
        let bystander = Bystander::new(&mut fixture);
        let id = fixture.add_client();
        let window = shown_window(&mut fixture, id);
        for number in [i32::MIN, -1, 1, i32::MAX] {
            let client = fixture.client(id);
            let (surface, position) = client.subsurface(&window.surface);
            position.set_position(number, -number.saturating_abs());
            let buffer = client.plain_buffer((8, 8), GREEN);
            surface.attach(Some(&buffer), 0, 0);
            surface.commit();
            window.xdg_surface.set_window_geometry(number, number, 1, 1);
            client
                .viewport(&surface)
                .set_destination(i32::MAX, number.max(1));
            surface.commit();
            client.present_nothing_new(&window.surface);
            fixture.round_trip(id);
            fixture.screenshot("HEADLESS-1");
        }
        fixture.kill(id);
        fixture.wait_until("the window is gone", |fixture| {
            fixture.state().windows().len() == 1
        });
        bystander.assert_undisturbed(&mut fixture);
    }
}

#[test]
fn a_picture_that_is_too_large_is_refused() {
    let mut fixture = Fixture::new();
    let id = fixture.add_guest("large");
    let window = fixture.client(id).scanout(0);
    fixture.round_trip(id);
    let client = fixture.client(id);
    client
        .viewport(&window.surface)
        .set_destination(i32::MAX, i32::MAX);
    let buffer = client.plain_buffer((8, 8), RED);
    client.present(&window.surface, &buffer);
    fixture.round_trip(id);
    let target = compositor::screenshot::ScreenshotTarget::Guest {
        name: "large".to_owned(),
        scanout: 0,
    };
    let error = fixture.state().screenshot(&target).unwrap_err().to_string();
    assert!(error.contains("2147483647x2147483647"), "{error}");
}

fn positioner(fixture: &mut Fixture, id: ClientId) -> XdgPositioner {
    let client = fixture.client(id);
    let positioner = client
        .bind::<XdgWmBase>()
        .create_positioner(&client.handle(), ());
    positioner.set_size(10, 10);
    positioner.set_anchor_rect(5, 5, 1, 1);
    positioner
}

#[test]
fn a_menu_is_shown_at_its_anchor() {
    let mut fixture = Fixture::new();
    let id = fixture.add_client();
    let window = shown_window(&mut fixture, id);
    let positioner = positioner(&mut fixture, id);
    positioner.set_anchor_rect(20, 10, 1, 1);
    let client = fixture.client(id);
    let surface = client.surface();
    let xdg_surface = client
        .bind::<XdgWmBase>()
        .get_xdg_surface(&surface, &client.handle(), ());
    xdg_surface.get_popup(Some(&window.xdg_surface), &positioner, &client.handle(), ());
    surface.commit();
    fixture.round_trip(id);
    let client = fixture.client(id);
    let buffer = client.plain_buffer((10, 10), GREEN);
    client.present(&surface, &buffer);
    fixture.round_trip(id);
    let image = fixture.screenshot("HEADLESS-1");
    assert_eq!(image.pixel(20, 10), Some(rgba(GREEN)));
    assert_eq!(image.pixel(2, 2), Some(rgba(RED)));
}

#[test]
fn menus_can_not_be_each_others_parents() {
    let mut fixture = Fixture::with(RendererChoice::Pixman, vec![output("HEADLESS-1", 256, 192)]);
    let bystander = Bystander::new(&mut fixture);
    let id = fixture.add_client();
    let positioner = positioner(&mut fixture, id);
    let client = fixture.client(id);
    let wm_base = client.bind::<XdgWmBase>();
    let surfaces = [client.surface(), client.surface()];
    let [one, two] = surfaces
        .each_ref()
        .map(|surface| wm_base.get_xdg_surface(surface, &client.handle(), ()));
    one.get_popup(Some(&two), &positioner, &client.handle(), ());
    two.get_popup(Some(&one), &positioner, &client.handle(), ());
    for surface in &surfaces {
        surface.commit();
    }
    fixture.wait_for_protocol_error(id);
    bystander.assert_undisturbed(&mut fixture);
}

/// Requests about things that are gone in another order than the protocol wants.
#[test]
fn things_may_be_destroyed_in_any_order() {
    let mut fixture = Fixture::new();
    let bystander = Bystander::new(&mut fixture);
    let orders: [fn(&Window); 4] = [
        |window| {
            window.surface.destroy();
            window.toplevel.set_title("gone".to_owned());
        },
        |window| {
            window.xdg_surface.destroy();
            window.toplevel.destroy();
        },
        |window| {
            window.surface.destroy();
            window.toplevel.destroy();
            window.xdg_surface.destroy();
        },
        |window| {
            window.toplevel.destroy();
            window.surface.commit();
            window.xdg_surface.set_window_geometry(0, 0, 5, 5);
            window.surface.commit();
        },
    ];
    for order in orders {
        let id = fixture.add_client();
        let window = shown_window(&mut fixture, id);
        order(&window);
        let client = fixture.client(id);
        client.tag(&window, "scanout-1");
        let _ = client.sync();
        fixture.run_for(Duration::from_millis(20));
        fixture.screenshot("HEADLESS-1");
        fixture.kill(id);
        fixture.wait_until("the window is gone", |fixture| {
            fixture.state().windows().len() == 1
        });
    }
    bystander.assert_undisturbed(&mut fixture);
}

#[test]
fn a_client_that_does_not_read_is_given_up_in_the_end() {
    let mut fixture = Fixture::new();
    let bystander = Bystander::new(&mut fixture);
    let id = fixture.add_guest("deaf");
    shown_window(&mut fixture, id);
    fixture.client(id).deaf = true;
    // Each request has an answer; none is read.
    fixture.wait_until("the connection is closed", |fixture| {
        let client = fixture.client(id);
        for _ in 0..200 {
            client.sync();
        }
        client.hung_up
    });
    fixture.wait_until("the window is gone", |fixture| {
        fixture.state().windows().len() == 1
    });
    bystander.assert_undisturbed(&mut fixture);
}
