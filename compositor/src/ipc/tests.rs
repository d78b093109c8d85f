mod devices;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    time::Duration,
};

use calloop::EventLoop;
use protocols::ipc::{Answer, ErrorCode, Output, Reply, Request, ScreenshotTarget};

use super::*;
use crate::{
    app::{App, Lasts},
    guests::{DeviceOptions, Guests, runtime_dir::RuntimeDir},
    host::{Connection, Host},
    screenshot::Image,
    signs::GuestStatus,
    wait::{Beside, Woken},
};

/// A host with one red pixel.
struct Red;

impl Host for Red {
    fn connect_guest(&mut self, _guest: &str) -> io::Result<Connection> {
        Ok(Connection::Session)
    }

    fn guest_changed(&mut self, _guest: &str, _status: &GuestStatus) {}

    fn outputs(&self) -> Result<Vec<Output>, protocols::ipc::Error> {
        Ok(Vec::new())
    }

    fn screenshot(&mut self, target: &ScreenshotTarget) -> Result<Image, protocols::ipc::Error> {
        match target {
            ScreenshotTarget::Output { name } if name == "red" => Ok(Image {
                width: 1,
                height: 1,
                rgba: vec![255, 0, 0, 255],
            }),
            _ => Err(protocols::ipc::Error {
                code: ErrorCode::UnknownOutput,
                text: "no such output".to_owned(),
            }),
        }
    }

    fn resize(&mut self, _: &str, _: u8, _: u32, _: u32) -> Result<(), protocols::ipc::Error> {
        Ok(())
    }

    fn focus(&mut self, _: &str) -> Result<(), protocols::ipc::Error> {
        Ok(())
    }

    fn leave_loop(&mut self) {}

    fn beside(&self) -> Option<Beside<'_>> {
        None
    }

    fn serve(&mut self, _: Woken) {}
}

struct Fixture {
    app: App<Red>,
    event_loop: EventLoop<'static, App<Red>>,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), DeviceOptions::default())
    }

    fn with(folder: tempfile::TempDir, devices: DeviceOptions) -> Self {
        let event_loop = EventLoop::try_new().unwrap();
        let guests = Guests::new(RuntimeDir::new(folder.path()).unwrap(), devices);
        let app = App::new(Red, guests, &event_loop, Lasts::UntilQuit).unwrap();
        Self {
            app,
            event_loop,
            folder,
        }
    }

    fn client(&mut self) -> BufReader<UnixStream> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.app.ipc.add(theirs).unwrap();
        BufReader::new(ours)
    }

    /// Lets the server work until the client has a line to read.
    fn line(&mut self, client: &mut BufReader<UnixStream>) -> String {
        client.get_ref().set_nonblocking(true).unwrap();
        let mut line = String::new();
        for _ in 0..100 {
            let limit = Some(Duration::from_millis(100));
            self.event_loop.dispatch(limit, &mut self.app).unwrap();
            match client.read_line(&mut line) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    result.unwrap();
                    return line;
                }
            }
        }
        panic!("no answer came");
    }

    fn reply(&mut self, client: &mut BufReader<UnixStream>) -> Reply {
        let line = self.line(client);
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, request: &Request) -> Reply {
        let mut client = self.client();
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        client.get_mut().write_all(&line).unwrap();
        self.reply(&mut client)
    }
}

fn code(reply: Reply) -> ErrorCode {
    match reply {
        Reply::Error(error) => error.code,
        Reply::Ok(answer) => panic!("it worked: {answer:?}"),
    }
}

#[test]
fn requests_are_answered_in_their_order() {
    let mut fixture = Fixture::new();
    let mut client = fixture.client();
    client
        .get_mut()
        .write_all(b"\"guests\"\n\"outputs\"\n")
        .unwrap();

    assert_eq!(fixture.line(&mut client), "{\"ok\":{\"guests\":[]}}\n");
    assert_eq!(fixture.line(&mut client), "{\"ok\":{\"outputs\":[]}}\n");
}

#[test]
fn requests_may_arrive_in_pieces() {
    let mut fixture = Fixture::new();
    let mut client = fixture.client();
    client.get_mut().write_all(b"\"gue").unwrap();
    fixture
        .event_loop
        .dispatch(Some(Duration::ZERO), &mut fixture.app)
        .unwrap();
    client.get_mut().write_all(b"sts\"\n").unwrap();
    assert_eq!(fixture.line(&mut client), "{\"ok\":{\"guests\":[]}}\n");
}

#[test]
fn a_client_that_hung_up_its_end_still_gets_its_answer() {
    let mut fixture = Fixture::new();
    let mut client = fixture.client();
    let path = fixture.folder.path().join("late.png");
    let target = ScreenshotTarget::Output {
        name: "red".to_owned(),
    };
    let mut line = serde_json::to_vec(&Request::Screenshot { target, path }).unwrap();
    line.push(b'\n');
    client.get_mut().write_all(&line).unwrap();
    client
        .get_ref()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();

    assert!(matches!(
        fixture.reply(&mut client),
        Reply::Ok(Answer::Screenshot(_))
    ));
    // Then the server hangs up too.
    assert_eq!(fixture.line(&mut client), "");
}

#[test]
fn nonsense_is_refused_and_the_client_stays() {
    let mut fixture = Fixture::new();
    let mut client = fixture.client();
    client.get_mut().write_all(b"hello\n\"guests\"\n").unwrap();
    assert_eq!(code(fixture.reply(&mut client)), ErrorCode::InvalidRequest);
    assert_eq!(fixture.line(&mut client), "{\"ok\":{\"guests\":[]}}\n");
}

#[test]
fn a_screenshot_becomes_a_file() {
    let mut fixture = Fixture::new();
    let path = fixture.folder.path().join("red.png");
    let target = ScreenshotTarget::Output {
        name: "red".to_owned(),
    };

    let reply = fixture.ask(&Request::Screenshot {
        target,
        path: path.clone(),
    });

    let Reply::Ok(Answer::Screenshot(screenshot)) = reply else {
        panic!("it is {reply:?}")
    };
    assert_eq!(
        (screenshot.width, screenshot.height, &screenshot.path),
        (1, 1, &path)
    );
    assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG"));
    let files = std::fs::read_dir(fixture.folder.path()).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().starts_with('.')),
        "{names:?}"
    );
}

#[test]
fn a_screenshot_that_cannot_be_had_or_written_is_refused() {
    let mut fixture = Fixture::new();
    let red = || ScreenshotTarget::Output {
        name: "red".to_owned(),
    };
    let blue = ScreenshotTarget::Output {
        name: "blue".to_owned(),
    };
    let nobody = ScreenshotTarget::Guest {
        name: "nobody".to_owned(),
        scanout: 0,
    };
    let mut shoot = |target, path: &str| {
        code(fixture.ask(&Request::Screenshot {
            target,
            path: path.into(),
        }))
    };
    assert_eq!(shoot(blue, "/tmp/x.png"), ErrorCode::UnknownOutput);
    assert_eq!(shoot(nobody, "/tmp/x.png"), ErrorCode::UnknownGuest);
    assert_eq!(shoot(red(), "x.png"), ErrorCode::InvalidPath);
    assert_eq!(shoot(red(), "/nowhere/x.png"), ErrorCode::Failed);
}

#[test]
fn unknown_guests_are_named() {
    let mut fixture = Fixture::new();
    let guest = || "x".to_owned();
    for request in [
        Request::Restart { guest: guest() },
        Request::Focus { guest: guest() },
        Request::Stats {
            guest: Some(guest()),
        },
        Request::Resize {
            guest: guest(),
            scanout: 0,
            width: 640,
            height: 480,
        },
    ] {
        assert_eq!(code(fixture.ask(&request)), ErrorCode::UnknownGuest);
    }
}

#[test]
fn stats_of_nobody_come_at_once() {
    let mut fixture = Fixture::new();
    let reply = fixture.ask(&Request::Stats { guest: None });
    assert_eq!(reply, Reply::Ok(Answer::Stats(Vec::new())));
}

#[test]
fn a_client_that_never_reads_is_dropped() {
    let mut fixture = Fixture::new();
    let client = fixture.client();
    client.get_ref().set_nonblocking(true).unwrap();
    // Its requests are refused with a text that is longer than they are.
    let mut dropped = false;
    for _ in 0..100_000 {
        match client.get_ref().write(b"x\n") {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => {
                dropped = true;
                break;
            }
        }
        fixture
            .event_loop
            .dispatch(Some(Duration::ZERO), &mut fixture.app)
            .unwrap();
    }
    assert!(dropped, "it is still connected");
}

#[test]
fn quit_is_answered_before_the_end() {
    let mut fixture = Fixture::new();
    let mut client = fixture.client();
    client.get_mut().write_all(b"\"quit\"\n").unwrap();
    fixture.app.run(&mut fixture.event_loop).unwrap();
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"ok\":\"done\"}\n");
}

#[test]
fn an_occupied_socket_is_left_to_its_owner_and_a_dead_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let owner = UnixListener::bind(&path).unwrap();
    assert!(matches!(
        Socket::at(path.clone()),
        Err(ListenError::Occupied(_))
    ));

    drop(owner);
    let socket = Socket::at(path.clone()).unwrap();
    assert!(path.exists());
    drop(socket);
    assert!(!path.exists());
}
