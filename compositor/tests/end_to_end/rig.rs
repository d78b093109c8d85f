//! A running `lucarne headless` with its guests, asked through its control socket.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use compositor::{
    ipc::client::{self, Error},
    screenshot::Image,
};
use guest::{
    driver::{Driver, DriverOptions},
    frontend::Dialect,
    input::{InputDriver, InputOptions},
    ram::RamOptions,
};
use protocols::ipc::{
    Answer, DeviceStats, ErrorCode, Guest, GuestState, Request, ScanoutStats, Screenshot,
    ScreenshotTarget,
};

/// How long anything may take before a test gives up: much longer than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two questions to the control socket, which leaves the processors to those who work.
const PAUSE: Duration = Duration::from_millis(5);

/// Memory of a guest, in bytes: its rings and some pictures.
const RAM: u64 = 64 << 20;

/// The program while it runs. Killed with its guests when it goes out of scope.
pub struct Rig {
    child: Child,
    socket: PathBuf,
    folder: tempfile::TempDir,
}

/// What `lucarne headless` is started with.
pub struct Setup {
    config: String,
    renderer: &'static str,
    environment: Vec<(&'static str, &'static str)>,
}

impl Setup {
    /// Nothing but outputs of these modes, drawn by Pixman.
    pub fn new(outputs: &[&str]) -> Self {
        let output = |mode: &&str| format!("[[output]]\nmode = \"{mode}\"\n");
        Self {
            config: outputs.iter().map(output).collect(),
            renderer: "pixman",
            environment: Vec::new(),
        }
    }

    /// How long a guest's renderer may take over one command, in milliseconds.
    pub fn renderer_patience(mut self, milliseconds: &'static str) -> Self {
        self.environment
            .push(("LUCARNE_RENDERER_PATIENCE_MS", milliseconds));
        self
    }

    pub fn renderer(self, renderer: &'static str) -> Self {
        Self { renderer, ..self }
    }

    /// A guest whose driver the test itself is; see [`Rig::driver`].
    pub fn guest(mut self, name: &str, scanouts: &[&str]) -> Self {
        self.config.push_str(&format!(
            "[guest.{name}]\nscanouts = {scanouts:?}\nsocket = \"{name}.gpu\"\n\
             vmm = {{ kind = \"external\" }}\n"
        ));
        self
    }

    /// The same with 3D, which the host draws on its CPU where it has no graphics card.
    pub fn guest_3d(self, name: &str, scanouts: &[&str]) -> Self {
        let mut setup = self.guest(name, scanouts);
        // The guest's table is the last one; `vmm` above is a table of one line.
        setup.config.push_str("gpu = \"virgl\"\n");
        setup
    }

    /// The same with Vulkan.
    pub fn guest_with_vulkan(self, name: &str, scanouts: &[&str]) -> Self {
        let mut setup = self.guest(name, scanouts);
        setup.config.push_str("gpu = \"venus\"\n");
        setup
    }

    /// A guest with a VMM process that draws animated cards.
    pub fn animated_guest(mut self, name: &str, scanout: &str) -> Self {
        self.config.push_str(&format!(
            "[guest.{name}]\nscanouts = [\"{scanout}\"]\n\
             [guest.{name}.vmm]\nkind = \"custom\"\nprogram = \"{}\"\n\
             arguments = [\"software-guest\", \"--socket\", \"{{socket}}\", \"--rate\", \"30\"]\n",
            env!("CARGO_BIN_EXE_lucarne"),
        ));
        self
    }

    /// Starts it, and waits until all guests' devices can be connected to.
    pub fn start(self) -> Rig {
        let rig = self.try_start().expect("lucarne headless starts");
        rig.wait_for("the devices", |rig| {
            let ready =
                |guest: &Guest| !matches!(guest.state, GuestState::Starting | GuestState::Stopped);
            rig.guests().iter().all(ready).then_some(())
        });
        rig
    }

    /// Starts it; `None` if it ends at once.
    pub fn try_start(self) -> Option<Rig> {
        let folder = tempfile::tempdir().unwrap();
        let runtime_dir = folder.path().join("run");
        std::fs::create_dir(&runtime_dir).unwrap();
        std::fs::write(folder.path().join("config.toml"), &self.config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucarne"));
        command
            .args([
                "headless",
                "--config",
                "config.toml",
                "--renderer",
                self.renderer,
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .env("XDG_RUNTIME_DIR", &runtime_dir)
            .env("XDG_CONFIG_HOME", folder.path())
            .envs(self.environment.iter().copied());
        for name in ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "LUCARNE_SOCKET"] {
            command.env_remove(name);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let socket = lines
            .map_while(Result::ok)
            .find_map(|line| Some(PathBuf::from(line.strip_prefix("LUCARNE_SOCKET=")?)));
        let Some(socket) = socket else {
            child.wait().unwrap();
            return None;
        };
        Some(Rig {
            child,
            socket,
            folder,
        })
    }
}

impl Rig {
    /// Asks until there is something.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = ask(self) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "waiting for {what} took too long"
            );
            thread::sleep(PAUSE);
        }
    }

    #[track_caller]
    pub fn ask(&self, request: &Request) -> Answer {
        client::ask(&self.socket, request).unwrap()
    }

    /// Asks for something that is done without an answer of its own.
    #[track_caller]
    pub fn done(&self, request: &Request) {
        assert_eq!(self.ask(request), Answer::Done);
    }

    /// Asks for something that is refused.
    #[track_caller]
    pub fn refused(&self, request: &Request) -> protocols::ipc::Error {
        match client::ask(&self.socket, request) {
            Err(Error::Refused(error)) => error,
            other => panic!("{request:?} led to {other:?}"),
        }
    }

    /// The process that is the compositor.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A program that is an ordinary client of the compositor.
    pub fn client(&self, program: &str) -> Command {
        let runtime_dir = self.folder.path().join("run");
        let display = std::fs::read_dir(&runtime_dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .find(|name| {
                let name = name.to_string_lossy();
                name.starts_with("wayland-") && !name.ends_with(".lock")
            });
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env("XDG_RUNTIME_DIR", &runtime_dir)
            .env("WAYLAND_DISPLAY", display.expect("the compositor listens"));
        command
    }

    pub fn guests(&self) -> Vec<Guest> {
        match self.ask(&Request::Guests) {
            Answer::Guests(guests) => guests,
            other => panic!("it is {other:?}"),
        }
    }

    #[track_caller]
    pub fn guest(&self, name: &str) -> Guest {
        let mut guests = self.guests().into_iter();
        guests.find(|guest| guest.name == name).unwrap()
    }

    /// The counters of all scanouts of a guest; `None` while there is no device that answers.
    pub fn try_stats(&self, guest: &str) -> Option<Vec<ScanoutStats>> {
        self.device_stats(guest).map(|device| device.scanouts)
    }

    /// All counters of a guest; `None` while there is no device that answers.
    pub fn device_stats(&self, guest: &str) -> Option<DeviceStats> {
        let guest = Some(guest.to_owned());
        match self.ask(&Request::Stats { guest }) {
            Answer::Stats(mut stats) => stats.pop().map(|stats| stats.device),
            other => panic!("it is {other:?}"),
        }
    }

    /// The counters of one scanout.
    #[track_caller]
    pub fn stats(&self, guest: &str, scanout: usize) -> ScanoutStats {
        self.try_stats(guest).unwrap().swap_remove(scanout)
    }

    /// Asks for a scanout's counters until they are as they should be.
    #[track_caller]
    pub fn wait_for_stats(
        &self,
        guest: &str,
        scanout: usize,
        accept: impl Fn(&ScanoutStats) -> bool,
    ) -> ScanoutStats {
        let mut last = None;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let stats = self.try_stats(guest);
            last = stats.map(|mut stats| stats.swap_remove(scanout));
            if let Some(stats) = last.take_if(|stats| accept(stats)) {
                return stats;
            }
            thread::sleep(PAUSE);
        }
        panic!("the counters do not become what they should be: {last:?}");
    }

    /// A picture; `None` while there is nothing to see.
    #[track_caller]
    pub fn try_shot(&self, target: &ScreenshotTarget) -> Option<Image> {
        let path = self.folder.path().join("shot.png");
        let request = Request::Screenshot {
            target: target.clone(),
            path: path.clone(),
        };
        match client::ask(&self.socket, &request) {
            Ok(Answer::Screenshot(Screenshot { width, height, .. })) => {
                let image = read_png(&path);
                assert_eq!((image.width, image.height), (width, height));
                Some(image)
            }
            Err(Error::Refused(error)) if error.code == ErrorCode::NothingShown => None,
            other => panic!("a screenshot led to {other:?}"),
        }
    }

    #[track_caller]
    pub fn shot(&self, target: &ScreenshotTarget) -> Image {
        self.try_shot(target).expect("something is shown")
    }

    /// Takes pictures until one is as it should be. `check` says what is wrong with one.
    #[track_caller]
    pub fn wait_for_picture(
        &self,
        target: &ScreenshotTarget,
        check: impl Fn(&Image) -> Result<(), String>,
    ) -> Image {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shot = self.try_shot(target);
            let wrong = match &shot {
                None => "nothing is shown".to_owned(),
                Some(image) => match check(image) {
                    Ok(()) => return image.clone(),
                    Err(wrong) => wrong,
                },
            };
            if Instant::now() >= deadline {
                let kept = keep(shot.is_some().then(|| self.folder.path().join("shot.png")));
                panic!("{target:?}: {wrong}{kept}");
            }
            thread::sleep(PAUSE);
        }
    }

    /// Waits until nothing is shown any more.
    #[track_caller]
    pub fn wait_for_nothing(&self, target: &ScreenshotTarget) {
        self.wait_for("the window to go", |rig| match rig.try_shot(target) {
            None => Some(()),
            Some(_) => None,
        });
    }

    pub fn resize(&self, guest: &str, scanout: u8, (width, height): (u32, u32)) {
        let request = Request::Resize {
            guest: guest.to_owned(),
            scanout,
            width,
            height,
        };
        assert_eq!(self.ask(&request), Answer::Done);
    }

    /// The options of a guest's driver: Linux in QEMU's generic device.
    pub fn options() -> DriverOptions {
        DriverOptions {
            timeout: PATIENCE,
            ram: RamOptions {
                size: RAM,
                ..RamOptions::default()
            },
            ..DriverOptions::default()
        }
    }

    /// Connects to a guest's device as its VMM, and starts its driver.
    #[track_caller]
    pub fn driver(&self, guest: &str) -> Driver {
        self.driver_with(guest, &Self::options())
    }

    #[track_caller]
    pub fn driver_as(&self, guest: &str, dialect: Dialect) -> Driver {
        let options = DriverOptions {
            dialect,
            ..Self::options()
        };
        self.driver_with(guest, &options)
    }

    /// Connects to one of a guest's input devices, with queues of this size, and starts its driver.
    #[track_caller]
    pub fn hand(&self, guest: &str, kind: &str, dialect: Dialect, queue_size: u16) -> InputDriver {
        let socket = self.folder.path().join(format!("{guest}.{kind}"));
        let options = InputOptions {
            dialect,
            queue_size,
            timeout: PATIENCE,
            ..InputOptions::default()
        };
        InputDriver::connect(&socket, &options).unwrap()
    }

    #[track_caller]
    pub fn driver_with(&self, guest: &str, options: &DriverOptions) -> Driver {
        let socket = self.folder.path().join(format!("{guest}.gpu"));
        Driver::connect(&socket, options).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Its children are told to die with it.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A scanout of a guest, for screenshots.
pub fn scanout(guest: &str, scanout: u8) -> ScreenshotTarget {
    ScreenshotTarget::Guest {
        name: guest.to_owned(),
        scanout,
    }
}

/// The output of this number, counted from 1, for screenshots.
pub fn output(number: usize) -> ScreenshotTarget {
    ScreenshotTarget::Output {
        name: format!("HEADLESS-{number}"),
    }
}

/// Whether this machine can make dma-bufs of guests' memory.
pub fn has_udmabuf() -> bool {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).open("/dev/udmabuf").is_ok()
}

fn read_png(path: &Path) -> Image {
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut rgba = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgba).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgba);
    Image {
        width: info.width,
        height: info.height,
        rgba,
    }
}

/// Keeps a wrong picture for whoever looks into it.
fn keep(shot: Option<PathBuf>) -> String {
    let place = std::env::temp_dir().join(format!("lucarne-wrong-{}.png", std::process::id()));
    match shot {
        Some(shot) if std::fs::copy(&shot, &place).is_ok() => format!(" (see {})", place.display()),
        _ => String::new(),
    }
}
