//! Starting and ending of the connection.

use std::time::Duration;

use super::{
    super::{Attempt, ConnectError, deadline},
    host::already,
    requests::{seat::HandOffer, windows::WindowOffer},
    *,
};

fn connect(offer: Offer) -> Result<WaylandDisplay, ConnectError> {
    let (host, socket) = Host::new(offer);
    let source = WaylandSource::Socket(socket);
    host.serve_while(|| WaylandDisplay::connect(source, "guest", 1))
        .1
}

#[test]
fn compositor_without_windows_is_named_as_such() {
    let error = connect(Offer {
        shell: false,
        ..Offer::default()
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "The Wayland compositor does not offer xdg_wm_base in version 1 or later, which Lucarne \
         needs. Use a newer compositor, or `lucarne headless`"
    );
}

#[test]
fn compositor_with_the_bare_minimum_will_do() {
    let least = Offer {
        shell: true,
        viewporter: false,
        presentation: false,
        decorations: false,
        windows: WindowOffer::default(),
        tags: false,
        guests: false,
        dmabuf: 0,
        clock: 0,
        hands: HandOffer::default(),
    };
    assert!(connect(least).is_ok());
}

#[test]
fn compositor_that_says_nothing_is_not_waited_for_without_end() {
    let (_host, socket) = Host::new(Offer::default());
    let source = WaylandSource::Socket(socket);
    let mut attempt = Attempt::begin(source, "guest", 1, already()).unwrap();
    let error = attempt.step().unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut), "{error}");
}

#[test]
fn a_slow_compositor_is_asked_step_by_step_and_never_waited_for() {
    let (mut host, socket) = Host::new(Offer::default());
    let source = WaylandSource::Socket(socket);
    let mut attempt = Attempt::begin(source, "guest", 1, deadline()).unwrap();
    let mut steps = 0;
    let display = loop {
        steps += 1;
        assert!(attempt.step().unwrap().is_none(), "nothing has arrived");
        host.serve();
        if let Some(display) = attempt.step().unwrap() {
            break display;
        }
    };
    assert_eq!(steps, 2, "the list, and then the rest");
    assert!(attempt.deadline() > already() + Duration::from_secs(1));
    assert!(!display.wants_write());
}

#[test]
fn compositor_that_hangs_up_at_once_is_reported() {
    let (host, socket) = Host::new(Offer::default());
    drop(host);
    let error = WaylandDisplay::connect(WaylandSource::Socket(socket), "guest", 1).unwrap_err();
    assert!(matches!(error, ConnectError::Lost(_)), "{error}");
}

#[test]
fn texts_for_users_say_what_to_do() {
    let text = ConnectError::NoDisplay.to_string();
    assert!(
        text.contains("Wayland session") && text.contains("lucarne headless"),
        "{text}"
    );
    let text = ConnectError::Unreachable("wayland-7".to_owned()).to_string();
    assert!(
        text.contains("wayland-7") && text.contains("XDG_RUNTIME_DIR"),
        "{text}"
    );
    let text = ConnectError::TimedOut.to_string();
    assert!(text.contains("within 5 s"), "{text}");
}

#[test]
fn loss_of_the_compositor_is_reported_once_and_the_display_stays_harmless() {
    let Scene {
        host, mut display, ..
    } = Scene::running();
    drop(host);

    let lost = display.dispatch().unwrap_err();
    assert!(
        lost.to_string().contains("the compositor closed it"),
        "{lost}"
    );
    assert!(display.take_events().eq([DisplayEvent::Lost]));

    display
        .import(B, layout(WIDTH, HEIGHT), shm(WIDTH, HEIGHT))
        .unwrap();
    display
        .import(BufferId(3), layout(WIDTH, HEIGHT), dmabuf(WIDTH, HEIGHT))
        .unwrap();
    for buffer in [A, B, BufferId(3)] {
        let (source, damage) = (Rect::from_size(WIDTH, HEIGHT), vec![rect(0, 0, 1, 1)]);
        display.present(
            SCREEN,
            Frame {
                id: FrameId(99),
                buffer,
                source,
                damage,
            },
        );
    }
    display.cursor(SCREEN, CursorUpdate::Hide);
    display.forget(A);
    display.disable(SCREEN);
    assert!(display.flush().is_err() && display.dispatch().is_err());
    assert!(!display.wants_write());
    assert!(
        !display
            .take_events()
            .any(|event| event == DisplayEvent::Lost)
    );
}

#[test]
fn protocol_errors_end_the_connection_and_are_named() {
    let mut scene = Scene::running();
    scene.host.post_error("nobody wanted that");
    scene.host.serve();
    let lost = scene.display.dispatch().unwrap_err().to_string();
    assert!(lost.contains("protocol error 4 of xdg_wm_base"), "{lost}");
    assert!(!lost.contains(": ."), "{lost}");
}

#[test]
fn pings_are_answered() {
    let mut scene = Scene::running();
    scene.host.ping();
    assert_eq!(scene.log(), ["pong 77"]);
}
