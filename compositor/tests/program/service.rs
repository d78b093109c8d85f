//! What a service manager and its journal hear.

use std::{
    fs::{self, File},
    os::unix::{fs::MetadataExt as _, net::UnixDatagram},
    time::Duration,
};

use rustix::process::Signal;

use super::{Headless, Place};

/// A service manager's ear.
struct Manager(UnixDatagram);

impl Manager {
    fn new(place: &Place) -> Self {
        let socket = UnixDatagram::bind(place.path("notify")).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self(socket)
    }

    /// What is said up to the first message that is this one.
    #[track_caller]
    fn hear(&self, last: &str) -> Vec<String> {
        let mut heard: Vec<String> = Vec::new();
        while heard.last().is_none_or(|message| message != last) {
            let mut message = [0; 1000];
            match self.0.recv(&mut message) {
                Ok(length) => heard.push(String::from_utf8(message[..length].to_vec()).unwrap()),
                Err(error) => panic!("{last} was never said: {error}; but {heard:?}"),
            }
        }
        heard
    }
}

#[test]
fn a_service_manager_hears_how_it_goes_and_guests_know_nothing_of_it() {
    let place = Place::new();
    let vmm = place.script("vmm", "env >env.new; mv env.new env; exit 1");
    let text = format!(
        "[guest.a]\nvmm = {{ kind = \"custom\", program = \"{}\" }}\n",
        vmm.display()
    );
    place.file("c.toml", &text);
    let manager = Manager::new(&place);
    let mut command = place.lucarne(&["headless", "--renderer", "pixman", "--config", "c.toml"]);
    let headless = Headless::start(
        command
            .env("NOTIFY_SOCKET", place.path("notify"))
            .env("WATCHDOG_USEC", "200000"),
    );

    let heard = manager.hear("READY=1");
    assert_eq!(heard, ["STATUS=1 guest: a stopped", "READY=1"]);
    let heard = manager.hear("STATUS=1 guest: a failed");
    assert!(
        heard.contains(&"STATUS=1 guest: a starting".to_owned()),
        "{heard:?}"
    );
    manager.hear("WATCHDOG=1");
    headless.signal(Signal::TERM);
    manager.hear("STOPPING=1");
    assert_eq!(headless.wait(), Some(0));

    let environment = fs::read_to_string(place.path("env")).unwrap();
    assert!(environment.contains("LUCARNE_SOCKET="), "{environment}");
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        assert!(!environment.contains(name), "{environment}");
    }
}

#[test]
fn the_journal_hears_how_bad_it_is() {
    let place = Place::new();
    let log = File::create(place.path("log")).unwrap();
    let meta = log.metadata().unwrap();
    let status = place
        .lucarne(&["headless", "nobody"])
        .env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino()))
        .stderr(log)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let log = fs::read_to_string(place.path("log")).unwrap();
    assert!(
        log.starts_with("<3>lucarne: Could not find the guest nobody"),
        "{log}"
    );
}
