//! `lucarne nested`: one window of sway and one of an X server, in which two guests share the monitor that the
//! window is.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use protocols::ipc::Request;

use super::{
    Desk, FIRST, SOON,
    hosts::{Host, Session},
};
use crate::{
    labtests::{
        compositor::Compositor,
        inside::{
            hands::{self, Guest},
            kms::{
                devices::Device,
                orders::{self, Painter},
                seat::Seatd,
                udev::Udev,
            },
        },
        picture::Picture,
        until,
    },
    report,
};

const MONITOR: (u32, u32) = (1024, 768);

/// Key codes of `linux/input-event-codes.h`.
const KEY_A: u16 = 30;

/// How long a program is watched that is to do nothing.
const WATCHED: Duration = Duration::from_secs(1);

/// On sway: the window's size is the guests' mode, its title names the guest, what the guest draws is on the
/// host's screen pixel for pixel, hands reach it, a hidden window holds it up in nothing, and a window in which
/// nothing happens costs nothing.
pub fn wayland(desk: &Desk) -> Result<String> {
    let _udev = Udev::start(&desk.folder.join("udev.log"))?;
    let _seatd = Seatd::start(&desk.folder.join("seatd.log"))?;
    let mut keyboard = Device::keyboard()?;
    let _mouse = Device::mouse()?;
    let session = Session::start(Host::SwayWithHands, &desk.folder, MONITOR)?;
    let (config, one) = orders::guest_with_hands("one", &["640x480"], "")?;
    let (more, two) = orders::guest("two", &["640x480"], "")?;
    let lucarne = start(
        desk,
        ("WAYLAND_DISPLAY", session.display().display().to_string()),
        &format!("{config}{more}"),
    )?;
    let see = || session.screenshot();

    // The only window has all of the monitor.
    one.is_offered(0, MONITOR, FIRST)?;
    for (number, (command, size)) in [
        ("nop", MONITOR),
        ("floating enable, resize set 640 400", (640, 400)),
        ("resize set 896 700, move position 100 30", (896, 700)),
        ("fullscreen enable", MONITOR),
        ("fullscreen disable", (896, 700)),
    ]
    .into_iter()
    .enumerate()
    {
        session.sway(&format!("[app_id=\"lucarne\"] {command}"))?;
        follow(desk, &lucarne, &one, size, u32::try_from(number)?, &see)
            .with_context(|| format!("After swaymsg {command}"))?;
    }
    title(&session, "Lucarne – one")?;

    let mut guest = Guest::of(&one, (896, 700));
    session.sway("seat seat0 cursor set 300 150")?;
    guest.expect_pointer((200, 120))?;
    hands::chord(&mut guest, &mut keyboard)?;

    lucarne.ask(&Request::Focus {
        guest: "two".to_owned(),
    })?;
    follow(desk, &lucarne, &two, (896, 700), 7, &see)?;
    title(&session, "Lucarne – two")?;

    session.sway("[app_id=\"lucarne\"] move scratchpad")?;
    // Nobody sees them, and each is answered all the same.
    for picture in 8..40 {
        two.show(0, picture)?;
    }
    session.sway("[app_id=\"lucarne\"] scratchpad show, move position 0 0")?;
    expect(desk, &orders::picture(39, (896, 700)), &see)
        .context("After the window was hidden for a while")?;
    rests(&lucarne)?;

    session.sway("[app_id=\"lucarne\"] kill")?;
    ends(&lucarne)?;
    // The program's socket goes before its last process, and sway forgets a window when it has drawn without it.
    until(SOON, || Ok(session.windows()?.is_empty().then_some(())))
        .context("Waiting until the window that was closed is gone")?;
    Ok("on sway".to_owned())
}

/// The same on X11, as far as an X server without a window manager has it.
pub fn x11(desk: &Desk) -> Result<String> {
    let server = XServer::start(desk)?;
    let (config, one) = orders::guest_with_hands("one", &["640x480"], "")?;
    let lucarne = start(desk, ("DISPLAY", server.display.clone()), &config)?;
    let see = || server.picture();
    one.is_offered(0, (640, 400), FIRST)?;
    let place = follow(desk, &lucarne, &one, (640, 400), 1, &see)?;
    ensure!(place == (0, 0), "The window is at {place:?}");
    let window = server.xdotool(&["search", "--class", "^lucarne$"])?;
    let window = window.trim();
    let title = server.xdotool(&["getwindowname", window])?;
    ensure!(
        title.trim() == "Lucarne – one",
        "The window's title is {title:?}"
    );
    server.xdotool(&["windowsize", window, "800", "600"])?;
    follow(desk, &lucarne, &one, (800, 600), 2, &see)?;

    let mut guest = Guest::of(&one, (800, 600));
    server.xdotool(&["windowfocus", "--sync", window])?;
    server.xdotool(&["mousemove", "299", "199"])?;
    server.xdotool(&["mousemove", "300", "200"])?;
    guest.expect_pointer((300, 200))?;
    server.xdotool(&["key", "a"])?;
    guest.wait("keyboard", "a key", |frames| {
        let [down, up] = [true, false].map(|down| hands::stroke(KEY_A, down));
        frames
            .windows(2)
            .any(|two| two[0] == down && two[1] == up)
            .then_some(())
    })?;
    rests(&lucarne)?;

    // Only a window manager could close the window.
    lucarne.quit()?;
    Ok("on Xvfb".to_owned())
}

/// Starts `lucarne nested` with all guests of `config` in the session that a variable names.
fn start(desk: &Desk, (variable, value): (&str, String), config: &str) -> Result<Compositor> {
    Compositor::run(
        Command::new(&desk.files.lucarne)
            .arg("nested")
            .env(variable, value),
        &desk.folder.join("nested"),
        &desk.folder.join("lucarne.log"),
        config,
        &["--size", "640x400"],
    )
}

/// The guest is offered the window's size and uses it, and its picture is seen on the host, pixel for pixel, and
/// in lucarne's own screenshot. Returns where on the host.
fn follow(
    desk: &Desk,
    lucarne: &Compositor,
    painter: &Painter,
    size: (u32, u32),
    picture: u32,
    see: &impl Fn() -> Result<Picture>,
) -> Result<(usize, usize)> {
    painter.is_offered(0, size, SOON)?;
    painter.screen(0, size)?;
    painter.show(0, picture)?;
    let wanted = orders::picture(picture, size);
    let place = expect(desk, &wanted, see)?;
    lucarne.expect_output("WINDOW-1", &wanted, SOON)?;
    Ok(place)
}

fn expect(
    desk: &Desk,
    wanted: &Picture,
    see: &impl Fn() -> Result<Picture>,
) -> Result<(usize, usize)> {
    let mut last = None;
    until(SOON, || {
        let seen = see()?;
        let place = seen.find(wanted);
        last = Some(seen);
        Ok(place)
    })
    .or_else(|error| {
        wanted.write_png(&desk.folder.join("expected.png"))?;
        if let Some(seen) = last {
            seen.write_png(&desk.folder.join("seen.png"))?;
        }
        bail!(
            "Looking for the guest's picture of {}x{} on the host's screen: {error:#} (see expected.png \
             and seen.png in the test's folder)",
            wanted.width,
            wanted.height
        )
    })
}

fn title(session: &Session, wanted: &str) -> Result<()> {
    let mut last = Vec::new();
    until(SOON, || {
        last = session.windows()?;
        Ok(last
            .iter()
            .any(|window| window.title == wanted)
            .then_some(()))
    })
    .with_context(|| format!("Looking for a window titled {wanted:?}: there are {last:?}"))
}

/// Comes to rest: nothing in the program is woken up while nothing happens.
fn rests(lucarne: &Compositor) -> Result<()> {
    let mut last = 0;
    until(SOON, || {
        let before = switches(lucarne.pid())?;
        std::thread::sleep(WATCHED);
        last = switches(lucarne.pid())? - before;
        Ok((last == 0).then_some(()))
    })
    .with_context(|| {
        format!("Waiting until the program rests: it was woken up {last} times a second")
    })
}

/// How often the threads of a process have gone to sleep so far.
fn switches(process: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let count = line.context("Reading a thread's status: no context switches")?;
        sum += count.trim().parse::<u64>()?;
    }
    Ok(sum)
}

/// It ends in peace, with its guests.
fn ends(lucarne: &Compositor) -> Result<()> {
    until(SOON, || Ok((!lucarne.socket().exists()).then_some(())))
        .context("Waiting until lucarne ends because its window was closed")
}

/// An X server without a screen, whose pixels are in a file.
struct XServer {
    child: Child,
    display: String,
    pixels: PathBuf,
}

impl XServer {
    fn start(desk: &Desk) -> Result<Self> {
        let folder = std::env::temp_dir().join("x11");
        fs::create_dir_all(&folder)?;
        let log = desk.folder.join("session.log");
        let output = fs::File::create(&log)?;
        let child = Command::new("Xvfb")
            .args([":7", "-nolisten", "tcp", "-ac", "-screen", "0"])
            .arg(format!("{}x{}x24", MONITOR.0, MONITOR.1))
            .arg("-fbdir")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("Starting Xvfb")?;
        let server = Self {
            child,
            display: ":7".to_owned(),
            pixels: folder.join("Xvfb_screen0"),
        };
        until(FIRST, || {
            Ok(std::path::Path::new("/tmp/.X11-unix/X7")
                .exists()
                .then_some(()))
        })
        .with_context(|| format!("Waiting for Xvfb; it said\n{}", report::tail(&log, 20)))?;
        Ok(server)
    }

    fn xdotool(&self, arguments: &[&str]) -> Result<String> {
        report::output(
            Command::new("xdotool")
                .args(arguments)
                .env("DISPLAY", &self.display)
                .env("LC_ALL", "C.UTF-8"),
        )
        .with_context(|| format!("Running xdotool {arguments:?}"))
    }

    /// What is on its screen. The file is one of xwd's: a header of big-endian numbers, a map of colours, and
    /// rows of pixels as they are in memory.
    fn picture(&self) -> Result<Picture> {
        const COLOUR: usize = 12;
        let bytes = fs::read(&self.pixels)?;
        let number = |index: usize| -> Result<usize> {
            let field = bytes.get(index * 4..).and_then(<[u8]>::first_chunk);
            let field = field.context("Reading Xvfb's picture: its header is cut off")?;
            Ok(usize::try_from(u32::from_be_bytes(*field))?)
        };
        let (header, width, height) = (number(0)?, number(4)?, number(5)?);
        let (bits, stride, colours) = (number(11)?, number(12)?, number(19)?);
        ensure!(bits == 32, "Reading Xvfb's picture: {bits} bits a pixel");
        let pixels = bytes.get(header + colours * COLOUR..).unwrap_or_default();
        Picture::from_xrgb(pixels, width, height, stride)
    }
}

impl Drop for XServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
