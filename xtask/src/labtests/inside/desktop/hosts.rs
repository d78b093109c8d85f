//! The compositors of other people: started without a screen, asked for pictures with their own tools, ended.

use std::{
    fs::{self, File},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    labtests::{inside::kms::seat::Seatd, picture::Picture, until},
    report,
};

/// How long a session may take to be there; Mesa compiles its shaders on the CPU.
const START: Duration = Duration::from_secs(20);

/// The name of the socket that both take where it is free.
const SOCKET: &str = "wayland-1";

/// What a session is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// weston with OpenGL and the shell that puts windows beside each other.
    Weston,
    /// sway, of wlroots, with Pixman.
    Sway,
    /// The same with the machine's input devices.
    SwayWithHands,
}

/// A running session with one monitor.
pub struct Session {
    host: Host,
    child: Child,
    runtime: PathBuf,
    folder: PathBuf,
}

impl Session {
    /// Starts one whose monitor has `size`, and waits until programs can connect. Another one that ran in
    /// `folder` before has to have ended; this one has the same display.
    ///
    /// # Errors
    ///
    /// When it does not start; the message holds what it said.
    pub fn start(host: Host, folder: &Path, size: (u32, u32)) -> Result<Self> {
        let runtime = std::env::temp_dir().join("session");
        fs::create_dir_all(&runtime)?;
        // What a killed one left: whoever connects there waits for nobody.
        for name in [SOCKET.to_owned(), format!("{SOCKET}.lock")] {
            let _ = fs::remove_file(runtime.join(name));
        }
        let log = folder.join("session.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut command = match host {
            Host::Weston => weston(size),
            Host::Sway => sway(folder, size, "headless")?,
            Host::SwayWithHands => {
                let mut sway = sway(folder, size, "headless,libinput")?;
                sway.envs(Seatd::ENVIRONMENT);
                sway
            }
        };
        let child = command
            .env("XDG_RUNTIME_DIR", &runtime)
            .env_remove("WAYLAND_DISPLAY")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("Starting {host:?}"))?;
        let session = Self {
            host,
            child,
            runtime,
            folder: folder.to_owned(),
        };
        until(START, || Ok(UnixStream::connect(session.display()).ok())).with_context(|| {
            format!("Waiting for {host:?}; it said\n{}", report::tail(&log, 20))
        })?;
        Ok(session)
    }

    /// The path of its Wayland socket.
    pub fn display(&self) -> PathBuf {
        self.runtime.join(SOCKET)
    }

    /// What is on its monitor, by its own tool.
    ///
    /// # Errors
    ///
    /// When the tool fails.
    pub fn screenshot(&self) -> Result<Picture> {
        let place = std::env::temp_dir().join("pictures");
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place)?;
        let mut tool = match self.host {
            // It names its file after the time.
            Host::Weston => self.client("weston-screenshooter"),
            Host::Sway | Host::SwayWithHands => {
                let mut grim = self.client("grim");
                grim.arg("shot.png");
                grim
            }
        };
        report::output(tool.current_dir(&place)).context("Taking a picture of the session")?;
        let file = fs::read_dir(&place)?
            .flatten()
            .next()
            .context("Looking for the picture that the session's tool took")?;
        Picture::read_png(&file.path())
    }

    /// A program to be shown in it.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .env("WAYLAND_DISPLAY", self.display())
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Starts a program in it that ends when it is dropped.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_client(&self, program: &str, arguments: &[&str]) -> Result<Running> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("clients.log"))?;
        let child = self
            .client(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("Starting {program}"))?;
        Ok(Running(child))
    }

    /// Tells sway to do something, in its own words.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn sway(&self, command: &str) -> Result<()> {
        self.swaymsg(&[command])?;
        Ok(())
    }

    /// The windows that sway has.
    ///
    /// # Errors
    ///
    /// When it does not say.
    pub fn windows(&self) -> Result<Vec<Window>> {
        let tree: Value = serde_json::from_str(&self.swaymsg(&["-t", "get_tree"])?)?;
        let mut windows = Vec::new();
        collect(&tree, &mut windows);
        Ok(windows)
    }

    fn swaymsg(&self, arguments: &[&str]) -> Result<String> {
        let socket = fs::read_dir(&self.runtime)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                path.file_name().is_some_and(|name| {
                    name.to_string_lossy()
                        .ends_with(&format!(".{}.sock", self.child.id()))
                })
            })
            .context("Looking for sway's own socket")?;
        report::output(
            self.client("swaymsg")
                .arg("--socket")
                .arg(socket)
                .args(arguments),
        )
        .with_context(|| format!("Telling sway {arguments:?}"))
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub fn kill(mut self) -> Result<()> {
        ensure!(
            self.child.try_wait()?.is_none(),
            "The session has ended by itself: {}",
            report::tail(&self.folder.join("session.log"), 20)
        );
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program in a session.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A window, as sway describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Sway's own number for it (`con_id`).
    pub id: u64,
    pub app_id: String,
    pub title: String,
    /// Left, top, width and height of what the program draws.
    pub place: (usize, usize, usize, usize),
    pub focused: bool,
}

fn weston((width, height): (u32, u32)) -> Command {
    let mut command = Command::new("weston");
    command.args([
        "--no-config",
        "--backend=headless",
        "--renderer=gl",
        "--shell=lua",
        "--lua-script=/usr/libexec/shell.lua",
        // Its shell takes for granted that somebody sits there.
        "--fake-seat",
        "--refresh-rate=60000",
        "--idle-time=0",
        // Lets everybody take pictures.
        "--debug",
    ]);
    command
        .arg(format!("--width={width}"))
        .arg(format!("--height={height}"))
        .arg(format!("--socket={SOCKET}"));
    command
}

fn sway(folder: &Path, (width, height): (u32, u32), backends: &str) -> Result<Command> {
    let config = folder.join("sway.conf");
    fs::write(
        &config,
        format!(
            "output HEADLESS-1 mode {width}x{height}\ndefault_border none\ndefault_floating_border none\n"
        ),
    )?;
    let mut command = Command::new("sway");
    command
        .arg("--config")
        .arg(config)
        .env("WLR_BACKENDS", backends)
        .env("WLR_RENDERER", "pixman");
    Ok(command)
}

/// Every part of sway's tree that is a window.
fn collect(node: &Value, windows: &mut Vec<Window>) {
    let number = |value: &Value, name: &str| {
        let number = value.get(name).and_then(Value::as_i64).unwrap_or_default();
        usize::try_from(number).unwrap_or_default()
    };
    let text = |name: &str| {
        let text = node.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    if node.get("pid").is_some() {
        let (outer, inner) = (&node["rect"], &node["window_rect"]);
        windows.push(Window {
            id: node.get("id").and_then(Value::as_u64).unwrap_or_default(),
            app_id: text("app_id"),
            title: text("name"),
            place: (
                number(outer, "x") + number(inner, "x"),
                number(outer, "y") + number(inner, "y"),
                number(inner, "width"),
                number(inner, "height"),
            ),
            focused: node.get("focused").and_then(Value::as_bool) == Some(true),
        });
    }
    for list in ["nodes", "floating_nodes"] {
        for child in node
            .get(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            collect(child, windows);
        }
    }
}
