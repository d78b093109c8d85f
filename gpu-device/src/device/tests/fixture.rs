//! A device process in a thread, with a recording display.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use calloop::channel::{Event, Sender, channel};
use protocols::ipc::{
    DeviceStats,
    device::{DeviceEvent, DeviceRequest},
};

use super::super::*;
use crate::{
    display::{
        BufferId, CursorUpdate, Display, DisplayEvent, Frame, PixelLayout, PixelMemory, Refused,
        ScanoutId, recording::RecordingDisplay,
    },
    memory::Piece,
};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce(&mut Process<TestDisplay>) + Send>;

/// A recording display whose reports the test makes up.
pub struct TestDisplay {
    /// What it was asked for.
    pub recording: RecordingDisplay,
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

    fn take_events(&mut self) -> Vec<DisplayEvent> {
        std::mem::take(&mut self.reports)
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

/// A running device process.
pub struct Device {
    /// Where it listens.
    pub socket: PathBuf,
    jobs: Sender<Job>,
    thread: Option<JoinHandle<Result<(), DeviceError>>>,
    status: BufReader<UnixStream>,
    _folder: tempfile::TempDir,
}

impl Device {
    /// Starts one with one scanout, and waits until it listens.
    pub fn start() -> Self {
        Self::start_with(Prefer::Shm)
    }

    /// As [`Device::start`], where blobs can be shown in place.
    pub fn start_with_dma_bufs() -> Self {
        Self::start_with(Prefer::Auto)
    }

    fn start_with(prefer: Prefer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("gpu.sock");
        let (jobs, received) = channel::<Job>();
        let (status, theirs) = UnixStream::pair().unwrap();
        status.set_read_timeout(Some(PATIENCE)).unwrap();
        let source = SocketSource::Path(socket.clone());
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
                limits: Limits::default(),
                prefer,
                dma_bufs: Some(Box::new(FirstPiece)),
            });
            let listener = Listener::new(source)?;
            let status = StatusChannel::new(theirs.into()).map_err(io::Error::from)?;
            let display = TestDisplay {
                recording: RecordingDisplay::new(),
                reports: Vec::new(),
            };
            let mut process = Process::new(handle, gpu, display, listener, Some(status))?;
            process.run(&mut event_loop)
        });
        let mut device = Self {
            socket,
            jobs,
            thread: Some(thread),
            status: BufReader::new(status),
            _folder: folder,
        };
        assert_eq!(device.next_status(), DeviceEvent::Listening);
        device
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
        self.with(move |process| process.display().reports.push(event));
    }

    /// The next frame that is handed to the display.
    pub fn frame(&self) -> Frame {
        let deadline = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < deadline {
            let mut frames = self.with(|process| process.display().recording.take_frames());
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

    fn ask(&mut self, request: &DeviceRequest) {
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        self.status.get_mut().write_all(&line).unwrap();
    }

    fn next_status(&mut self) -> DeviceEvent {
        let mut line = String::new();
        self.status.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
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
