//! A device process in a thread, with a recording display.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use calloop::channel::{Event, Sender, channel};
use protocols::ipc::{
    DeviceStats, GuestRenderer,
    device::{DeviceEvent, DeviceRequest},
};

use super::super::*;
use crate::{
    display::{
        BufferId, CursorUpdate, Display, DisplayEvent, Frame, Lacking, PixelLayout, PixelMemory,
        Refused, ScanoutId,
        recording::{Call, RecordingDisplay},
    },
    input::{Grab, HandsOptions, InputKind, Leds},
    memory::Piece,
};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce(&mut Process<TestDisplay>) + Send>;

/// A recording display whose reports the test makes up.
#[derive(Default)]
pub struct TestDisplay {
    /// What it was asked for.
    pub recording: RecordingDisplay,
    /// How the guest's machine is said to be.
    pub machine: Option<String>,
    reports: Vec<DisplayEvent>,
}

impl Display for TestDisplay {
    fn import(
        &mut self,
        buffer: BufferId,
        layout: PixelLayout,
        memory: PixelMemory,
    ) -> Result<(), Refused> {
        self.recording.import(buffer, layout, memory)
    }

    fn forget(&mut self, buffer: BufferId) {
        self.recording.forget(buffer);
    }

    fn present(&mut self, scanout: ScanoutId, frame: Frame) {
        self.recording.present(scanout, frame);
    }

    fn disable(&mut self, scanout: ScanoutId) {
        self.recording.disable(scanout);
    }

    fn cursor(&mut self, scanout: ScanoutId, update: CursorUpdate) {
        self.recording.cursor(scanout, update);
    }

    fn set_grab(&mut self, grab: Grab) {
        self.recording.set_grab(grab);
    }

    fn set_pointer_follows(&mut self, follows: bool) {
        self.recording.set_pointer_follows(follows);
    }

    fn set_leds(&mut self, leds: Leds) {
        self.recording.set_leds(leds);
    }

    fn toggle_fullscreen(&mut self, scanout: ScanoutId) {
        self.recording.toggle_fullscreen(scanout);
    }
}

impl HostDisplay for TestDisplay {
    fn watched(&self) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }

    fn dispatch(&mut self) -> Result<(), Lost> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Lost> {
        Ok(())
    }

    fn wants_write(&self) -> bool {
        false
    }

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn take_events(&mut self) -> Vec<DisplayEvent> {
        std::mem::take(&mut self.reports)
    }

    fn set_machine(&mut self, words: Option<&str>) {
        self.machine = words.map(str::to_owned);
    }

    fn lacking(&self) -> Vec<Lacking> {
        vec![Lacking::Tablets]
    }

    fn fills_monitors(&self) -> bool {
        false
    }
}

/// Whether hosts are there, for [`Device::host`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostIs {
    /// Not there.
    Gone,
    /// There, but it says nothing before the deadline.
    Silent,
    /// There, and taking what it is given.
    Well,
}

/// A host that answers at once, or not at all.
struct TestAttempt {
    is: HostIs,
    deadline: Instant,
}

impl Attempt<TestDisplay> for TestAttempt {
    fn watched(&self) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }

    fn step(&mut self) -> Result<Option<TestDisplay>, ConnectError> {
        match self.is {
            HostIs::Well => Ok(Some(TestDisplay::default())),
            _ if self.deadline <= Instant::now() => Err(ConnectError::TimedOut),
            _ => Ok(None),
        }
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Takes the file of the first piece for a dma-buf.
#[derive(Debug)]
struct FirstPiece;

impl DmaBufMaker for FirstPiece {
    fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
        Ok(pieces[0].fd.try_clone_to_owned().unwrap())
    }
}

/// What the device calls, and what it finds there.
#[derive(Debug)]
struct Called {
    is: HostIs,
    calls: Vec<String>,
}

/// How the device under test is started.
#[derive(Debug)]
struct Start {
    prefer: Prefer,
    /// Where its host can be called again.
    home: Option<WaylandSource>,
    detached: bool,
    /// Whether it looks for its host from the beginning.
    seeks: bool,
    /// The only connection that it will have, instead of a socket to connect to.
    connection: Option<UnixStream>,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            prefer: Prefer::Shm,
            home: None,
            detached: false,
            seeks: false,
            connection: None,
        }
    }
}

/// A running device process.
pub struct Device {
    /// Where it listens.
    pub socket: PathBuf,
    jobs: Sender<Job>,
    thread: Option<JoinHandle<Result<(), DeviceError>>>,
    status: BufReader<UnixStream>,
    hosts: Arc<Mutex<Called>>,
    _folder: tempfile::TempDir,
}

impl Device {
    /// Starts one with one scanout and room for another, and waits until it listens.
    pub fn start() -> Self {
        Self::start_with(Start::default())
    }

    /// As [`Device::start`], where blobs can be shown in place.
    pub fn start_with_dma_bufs() -> Self {
        Self::start_with(Start {
            prefer: Prefer::Auto,
            ..Start::default()
        })
    }

    /// As [`Device::start`], on a host that can be called again at `/home`.
    pub fn start_at_home() -> Self {
        Self::start_with(Start {
            home: Some(WaylandSource::Display("/home".into())),
            ..Start::default()
        })
    }

    /// As [`Device::start_at_home`], but shown nowhere.
    pub fn start_detached() -> Self {
        let mut device = Self::start_with(Start {
            home: Some(WaylandSource::Display("/home".into())),
            detached: true,
            ..Start::default()
        });
        assert_eq!(device.next_status(), DeviceEvent::Detached);
        device
    }

    /// As a manager of virtual machines starts one: with the VMM's connection, before there need
    /// be a host. The other value is the VMM's end.
    pub fn start_managed() -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut device = Self::start_with(Start {
            home: Some(WaylandSource::Newest),
            detached: true,
            seeks: true,
            connection: Some(theirs),
            ..Start::default()
        });
        assert_eq!(device.next_status(), DeviceEvent::Detached);
        (device, ours)
    }

    fn start_with(start: Start) -> Self {
        let called = Arc::new(Mutex::new(Called {
            is: HostIs::Well,
            calls: Vec::new(),
        }));
        let hosts = Arc::clone(&called);
        let Start {
            prefer,
            home,
            detached,
            seeks,
            connection,
        } = start;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("gpu.sock");
        let (jobs, received) = channel::<Job>();
        let (status, theirs) = UnixStream::pair().unwrap();
        status.set_read_timeout(Some(PATIENCE)).unwrap();
        let source = match connection {
            Some(connection) => SocketSource::Inherited(connection.into()),
            None => SocketSource::Path(socket.clone()),
        };
        let inputs = InputKind::ALL.map(|kind| (kind, input_socket(&socket, kind)));
        let thread = std::thread::spawn(move || {
            let mut event_loop = EventLoop::try_new()?;
            let handle = event_loop.handle();
            handle
                .insert_source(received, |event, (), process| {
                    if let Event::Msg(job) = event {
                        let job: Job = job;
                        job(process);
                    }
                })
                .map_err(|error| error.error)?;
            let gpu = Gpu::new(gpu::Options {
                name: "test".to_owned(),
                scanouts: vec![Mode {
                    width: 1280,
                    height: 800,
                    millihertz: 60_000,
                }],
                connectors: 2,
                limits: Limits::default(),
                prefer,
                dma_bufs: Some(Box::new(FirstPiece)),
            });
            let listener = Listener::new(source)?;
            let listen = |(kind, path)| Ok((kind, Listener::new(SocketSource::Path(path))?));
            let inputs: Result<_, DeviceError> = inputs.map(listen).into_iter().collect();
            let inputs = inputs?;
            let status = StatusChannel::new(theirs.into()).map_err(io::Error::from)?;
            let hosts = Hosts {
                first: (!detached).then(TestDisplay::default),
                seeks,
                home,
                reach: Box::new(move |source| {
                    let mut called = called.lock().unwrap();
                    called.calls.push(format!("{source:?}"));
                    let (is, deadline) = (called.is, Instant::now() + Duration::from_millis(20));
                    match is {
                        HostIs::Gone => Err(ConnectError::Unreachable("it".to_owned())),
                        _ => Ok(Box::new(TestAttempt { is, deadline }) as Box<dyn Attempt<_>>),
                    }
                }),
            };
            let mut process = Process::new(handle, gpu, hosts, listener, Some(status))?;
            process.give_hands(inputs, HandsOptions::default())?;
            process.run(&mut event_loop)
        });
        let mut device = Self {
            socket,
            jobs,
            thread: Some(thread),
            status: BufReader::new(status),
            hosts,
            _folder: folder,
        };
        let renderer = GuestRenderer::default();
        assert_eq!(device.next_status(), DeviceEvent::Renderer(renderer));
        assert_eq!(device.next_status(), DeviceEvent::Listening);
        device
    }

    /// Where one of its input devices listens.
    pub fn input_socket(&self, kind: InputKind) -> PathBuf {
        input_socket(&self.socket, kind)
    }

    /// What the display was asked for since the last time, but for pictures.
    pub fn asked(&self) -> Vec<Call> {
        self.with(|process| {
            let display = process.display();
            display.map_or_else(Vec::new, |display| display.recording.take_calls())
        })
    }

    /// Runs something in the process, between two turns.
    pub fn with<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Process<TestDisplay>) -> R + Send + 'static,
    ) -> R {
        let (answer, answers) = mpsc::channel();
        let job: Job = Box::new(move |process| drop(answer.send(job(process))));
        self.jobs.send(job).unwrap();
        answers.recv_timeout(PATIENCE).unwrap()
    }

    /// The display reports something.
    pub fn report(&self, event: DisplayEvent) {
        self.with(move |process| process.display().unwrap().reports.push(event));
    }

    /// The next frame that is handed to the display.
    pub fn frame(&self) -> Frame {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let mut frames = self.with(|process| {
                let display = process.display();
                display.map_or_else(Vec::new, |display| display.recording.take_frames())
            });
            if let Some((_, frame)) = frames.pop() {
                return frame;
            }
            std::thread::yield_now();
        }
        panic!("no frame was presented");
    }

    /// The dialect that was told to the supervisor last, after a VMM has started.
    pub fn dialect(&mut self) -> String {
        self.stats().dialect.unwrap()
    }

    /// The counters.
    pub fn stats(&mut self) -> DeviceStats {
        self.ask(&DeviceRequest::Stats);
        loop {
            if let DeviceEvent::Stats(stats) = self.next_status() {
                return stats;
            }
        }
    }

    /// From now on this is what the device finds where it calls.
    pub fn host(&self, is: HostIs) {
        self.hosts.lock().unwrap().is = is;
    }

    /// Where it has called since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.hosts.lock().unwrap().calls)
    }

    /// Waits until the process has noticed that its VMM is gone.
    pub fn wait_for_disconnect(&mut self) {
        while self.next_status() != DeviceEvent::Disconnected {}
    }

    /// Ends the process as its supervisor does.
    pub fn ask_to_quit(&mut self) {
        self.ask(&DeviceRequest::Quit);
    }

    /// How the process ended.
    pub fn join(mut self) -> Result<(), DeviceError> {
        self.thread.take().unwrap().join().unwrap()
    }

    /// Sends a request as its supervisor does.
    pub fn ask(&mut self, request: &DeviceRequest) {
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        self.status.get_mut().write_all(&line).unwrap();
    }

    /// The supervisor's end of the status channel.
    pub fn status(&self) -> &UnixStream {
        self.status.get_ref()
    }

    /// What it tells next.
    pub fn next_status(&mut self) -> DeviceEvent {
        let mut line = String::new();
        self.status.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

fn input_socket(beside: &Path, kind: InputKind) -> PathBuf {
    beside.with_file_name(format!("{kind}.sock"))
}

impl Drop for Device {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        let _ = self.jobs.send(Box::new(Process::quit));
        let outcome = thread.join();
        if !std::thread::panicking() {
            outcome.unwrap().unwrap();
        }
    }
}
