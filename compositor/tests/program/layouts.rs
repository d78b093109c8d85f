//! Machines without keyboard layouts.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::FileExt as _, unix::net::UnixStream},
    process::Stdio,
};

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle,
    protocol::{
        wl_keyboard::{self, WlKeyboard},
        wl_registry::{self, WlRegistry},
        wl_seat::WlSeat,
    },
};

use super::{Headless, Place, Ran};

/// A client that asks for the keyboard's layout, and does nothing else.
#[derive(Default)]
struct Reader {
    seat: Option<WlSeat>,
    layout: Option<(OwnedFd, u32)>,
}

impl Dispatch<WlRegistry, ()> for Reader {
    fn event(
        reader: &mut Self,
        registry: &WlRegistry,
        event: wl_registry::Event,
        &(): &(),
        _: &Connection,
        queue: &QueueHandle<Self>,
    ) {
        if let wl_registry::Event::Global {
            name, interface, ..
        } = event
            && interface == WlSeat::interface().name
        {
            reader.seat = Some(registry.bind(name, 1, queue, ()));
        }
    }
}

impl Dispatch<WlKeyboard, ()> for Reader {
    fn event(
        reader: &mut Self,
        _: &WlKeyboard,
        event: wl_keyboard::Event,
        &(): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_keyboard::Event::Keymap { fd, size, .. } = event {
            reader.layout = Some((fd, size));
        }
    }
}

wayland_client::delegate_noop!(Reader: ignore WlSeat);

/// The layout that clients of a compositor are given, as XKB writes it.
fn layout(place: &Place, headless: &Headless) -> String {
    let socket = place.runtime_dir().join(&headless.display);
    let connection = Connection::from_socket(UnixStream::connect(socket).unwrap()).unwrap();
    let mut queue = connection.new_event_queue();
    let handle = queue.handle();
    let mut reader = Reader::default();
    connection.display().get_registry(&handle, ());
    queue.roundtrip(&mut reader).unwrap();
    reader.seat.as_ref().unwrap().get_keyboard(&handle, ());
    queue.roundtrip(&mut reader).unwrap();
    let (fd, size) = reader.layout.expect("a keyboard with a layout");
    let mut text = vec![0; size.try_into().unwrap()];
    File::from(fd).read_exact_at(&mut text, 0).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_machine_without_layouts_has_the_american_keyboard_and_says_what_to_install() {
    for root in ["empty", "missing"] {
        let place = Place::new();
        std::fs::create_dir(place.path("empty")).unwrap();
        let log = place.path("log");
        let mut command = place.lucarne(&["headless", "--renderer", "pixman"]);
        command
            .env("XKB_CONFIG_ROOT", place.path(root))
            .env("XKB_CONFIG_EXTRA_PATH", place.path(root))
            .env("XKB_DEFAULT_LAYOUT", "de")
            .env("HOME", place.path(root))
            .stderr(Stdio::from(File::create(&log).unwrap()));
        let headless = Headless::start(&mut command);

        let layout = layout(&place, &headless);
        for part in ["English (US)", "<FK12>", "Super_L"] {
            assert!(layout.contains(part), "{root}: {layout}");
        }
        let log = std::fs::read_to_string(log).unwrap();
        for words in [
            "No keyboard layouts are installed",
            "American",
            "xkb-data",
            root,
        ] {
            assert!(log.contains(words), "{log}");
        }
    }
}

#[test]
fn without_layouts_nothing_can_be_typed_but_keys_can_be_pressed() {
    let place = Place::new();
    let headless = place.headless(&[]);
    let mut command = place.lucarne(&["msg", "type", "a"]);
    command
        .env("LUCARNE_SOCKET", &headless.socket)
        .env("XKB_CONFIG_ROOT", place.path("missing"))
        .env("XKB_CONFIG_EXTRA_PATH", place.path("missing"))
        .env("HOME", place.path("missing"));
    let message = Ran::of(&mut command).failure();
    for words in ["no layouts on this machine", "xkb-data", "lucarne msg key"] {
        assert!(message.contains(words), "{message}");
    }
}
