//! A device, its guest's RAM, a display that notes everything down, and a clock.

use std::{
    cell::RefCell,
    fs::File,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use protocols::{
    ipc::ScanoutStats,
    virtio_gpu::{Command, ErrorCode, Format, Header, MemEntry, Rect, Response},
};
use vm_memory::GuestMemoryMmap;

use crate::{
    display::{
        BufferId, DisplayEvent, Frame, FrameId, PixelMemory, Refused, ScanoutId,
        recording::{Call, RecordingDisplay},
    },
    gpu::{Context, Gpu, HostVisible, Limits, Mapping, Mode, Options, PlugError, Prefer, Reply},
    memory::{DmaBufMaker, GuestRam, Piece, testing},
    renderer::{Done, Renderer, RendererEvent, Ticket, recording::RecordingRenderer},
};

/// Bytes of the guest's RAM.
pub(super) const RAM: usize = 4 << 20;

/// The host's refresh period.
pub(super) const REFRESH: Duration = Duration::from_micros(16_667);

pub(super) const SCREEN: ScanoutId = ScanoutId(0);

/// What a fake dma-buf was made of: offset and length of each piece.
pub(super) type Made = Rc<RefCell<Vec<Vec<(u64, u64)>>>>;

/// Makes "dma-bufs" that are the memfd of the first piece.
#[derive(Debug, Default)]
pub(super) struct FakeUdmabuf {
    pub(super) made: Made,
    pub(super) refuse: Option<Refused>,
}

impl DmaBufMaker for FakeUdmabuf {
    fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
        if let Some(refused) = self.refuse {
            return Err(refused);
        }
        self.made
            .borrow_mut()
            .push(pieces.iter().map(|p| (p.offset, p.len)).collect());
        Ok(pieces[0].fd.try_clone_to_owned().unwrap())
    }
}

/// A VMM's window that notes down what it is asked for, and answers when the test says so.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) size: u64,
    pub(super) maps: Vec<(Ticket, Mapping)>,
    pub(super) unmaps: Vec<(Ticket, u64, u64)>,
}

impl HostVisible for Window {
    fn size(&self) -> u64 {
        self.size
    }

    fn map(&mut self, ticket: Ticket, mapping: Mapping) {
        self.maps.push((ticket, mapping));
    }

    fn unmap(&mut self, ticket: Ticket, offset: u64, len: u64) {
        self.unmaps.push((ticket, offset, len));
    }
}

pub(super) struct Fixture {
    pub(super) gpu: Gpu,
    pub(super) display: RecordingDisplay,
    pub(super) renderer: RecordingRenderer,
    pub(super) window: Window,
    pub(super) ram: GuestRam,
    pub(super) map: Arc<GuestMemoryMmap>,
    pub(super) file: File,
    pub(super) now: Instant,
    fence: u64,
}

impl Fixture {
    /// One scanout, no dma-bufs.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// One scanout, and dma-bufs.
    pub(super) fn with_dma_bufs() -> (Self, Made) {
        let maker = FakeUdmabuf::default();
        let made = Rc::clone(&maker.made);
        (
            Self::with(|options| options.dma_bufs = Some(Box::new(maker))),
            made,
        )
    }

    /// One scanout, dma-bufs, a renderer with one capset, and a window of sixteen pages.
    pub(super) fn with_renderer() -> Self {
        let (mut fixture, _) = Self::with_dma_bufs();
        fixture.renderer = RecordingRenderer::virgl();
        fixture.window.size = 16 * 4096;
        fixture
    }

    pub(super) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            name: "guest".to_owned(),
            scanouts: vec![Mode {
                width: 640,
                height: 480,
                millihertz: 60_000,
            }],
            connectors: 1,
            limits: Limits::default(),
            prefer: Prefer::Auto,
            dma_bufs: None,
        };
        change(&mut options);
        let file = testing::memfd(RAM as u64);
        let map = testing::map(&[(0, RAM, &file, 0)]);
        Self {
            gpu: Gpu::new(options),
            display: RecordingDisplay::new(),
            renderer: RecordingRenderer::default(),
            window: Window::default(),
            ram: GuestRam::new(Arc::clone(&map)),
            map,
            file,
            now: Instant::now(),
            fence: 0,
        }
    }

    pub(super) fn reply(&mut self, fenced: bool, command: Command) -> Reply {
        self.fence += 1;
        self.execute(
            Header {
                kind: command.kind(),
                fence: fenced.then_some(self.fence),
                ..Header::default()
            },
            command,
        )
    }

    /// Carries out a command of 3D context 1, without a fence. It is answered later.
    #[track_caller]
    pub(super) fn later(&mut self, command: Command) -> Ticket {
        let text = format!("{command:?}");
        let header = Header {
            ctx_id: 1,
            ..Header::default()
        };
        match self.execute(header, command) {
            Reply::Later(ticket) => ticket,
            Reply::Now(response) => panic!("{text} was answered at once: {response:?}"),
        }
    }

    /// The renderer answers the oldest request that it has, and what it reads back is all 9.
    pub(super) fn renderer_does(&mut self, outcome: Result<Done, ErrorCode>) {
        self.renderer.answer(0, outcome, 9);
        self.hear_renderer();
    }

    /// The renderer does all that it was asked for.
    pub(super) fn renderer_does_all(&mut self) {
        while !self.renderer.sent.is_empty() {
            self.renderer_does(Ok(Done::Nothing));
        }
    }

    /// The renderer dies.
    pub(super) fn renderer_dies(&mut self) {
        self.renderer.die();
        self.hear_renderer();
    }

    pub(super) fn hear_renderer(&mut self) {
        for event in self.renderer.take_events() {
            self.renderer_event(event);
        }
    }

    fn renderer_event(&mut self, event: RendererEvent) {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        self.gpu.handle_renderer(event, &mut context);
        self.gpu.verify_invariants();
    }

    /// The VMM has done what it was asked for, or not.
    pub(super) fn window_did(&mut self, ticket: Ticket, done: bool) {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        self.gpu.handle_window(ticket, done, &mut context);
        self.gpu.verify_invariants();
    }

    /// Carries out a command with this header.
    pub(super) fn execute(&mut self, header: Header, command: Command) -> Reply {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        let reply = match command {
            Command::Submit3d { commands } => self.gpu.submit(&header, &commands, &mut context),
            command => self.gpu.execute(&header, command, &mut context),
        };
        self.gpu.verify_invariants();
        reply
    }

    /// Carries out a command without a fence.
    pub(super) fn run(&mut self, command: Command) -> Response {
        match self.reply(false, command) {
            Reply::Now(response) => response,
            Reply::Later(id) => panic!("an unfenced command is answered later: {id:?}"),
        }
    }

    #[track_caller]
    pub(super) fn ok(&mut self, command: Command) {
        let text = format!("{command:?}");
        assert_eq!(self.run(command), Response::OkNodata, "{text}");
    }

    #[track_caller]
    pub(super) fn refuse(&mut self, command: Command, code: ErrorCode) {
        let text = format!("{command:?}");
        assert_eq!(self.run(command), Response::Err(code), "{text}");
    }

    /// Flushes with a fence; the answer comes later.
    #[track_caller]
    pub(super) fn flush_later(&mut self, resource_id: u32, rect: Rect) -> Ticket {
        match self.reply(true, Command::ResourceFlush { rect, resource_id }) {
            Reply::Later(id) => id,
            Reply::Now(response) => panic!("a fenced flush was answered at once: {response:?}"),
        }
    }

    pub(super) fn event(&mut self, event: DisplayEvent) {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        self.gpu.handle_display(event, &mut context);
        self.gpu.verify_invariants();
    }

    pub(super) fn wait(&mut self, duration: Duration) {
        self.now += duration;
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        self.gpu.expire(&mut context);
        self.gpu.verify_invariants();
    }

    pub(super) fn plug(
        &mut self,
        scanout: ScanoutId,
        size: Option<(u32, u32)>,
    ) -> Result<(), PlugError> {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        let outcome = self.gpu.plug(scanout, size, &mut context);
        self.gpu.verify_invariants();
        outcome
    }

    /// The guest is stopped.
    pub(super) fn stop(&mut self) {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        self.gpu.keep_pictures(&mut context);
        self.gpu.verify_invariants();
    }

    /// The host is gone; what it knew is forgotten.
    pub(super) fn lose_host(&mut self) {
        self.gpu.host_gone();
        self.display = RecordingDisplay::new();
        self.gpu.verify_invariants();
    }

    /// Another host is there.
    pub(super) fn find_host(&mut self) {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        self.gpu.host_is_there(&mut context);
        self.gpu.verify_invariants();
    }

    pub(super) fn reset(&mut self) {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        self.gpu.reset(&mut context);
        self.gpu.verify_invariants();
    }

    pub(super) fn change_ram(&mut self, ram: GuestRam) {
        self.ram = ram;
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        self.gpu.ram_changed(&mut context);
        self.gpu.verify_invariants();
    }

    /// What was answered since the last time, and how.
    pub(super) fn answers(&mut self) -> Vec<(Ticket, Response)> {
        self.gpu.take_answered().collect()
    }

    /// What was answered since the last time, all of it with success.
    pub(super) fn answered(&mut self) -> Vec<Ticket> {
        let answered = self.gpu.take_answered();
        answered
            .map(|(ticket, response)| {
                assert_eq!(response, Response::OkNodata);
                ticket
            })
            .collect()
    }

    /// The frames since the last call.
    pub(super) fn frames(&mut self) -> Vec<Frame> {
        self.display
            .take_frames()
            .into_iter()
            .map(|(_, frame)| frame)
            .collect()
    }

    /// The only frame since the last call.
    #[track_caller]
    pub(super) fn frame(&mut self) -> Frame {
        let mut frames = self.frames();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// The host shows a frame and takes the next.
    pub(super) fn shown(&mut self, frame: FrameId) {
        self.presented(frame, false);
        self.event(DisplayEvent::Ready(SCREEN));
    }

    pub(super) fn presented(&mut self, frame: FrameId, zero_copy: bool) {
        let (scanout, refresh) = (SCREEN, REFRESH);
        self.event(DisplayEvent::Presented {
            scanout,
            frame,
            at: None,
            refresh,
            zero_copy,
        });
    }

    pub(super) fn stats(&self) -> ScanoutStats {
        self.gpu.stats().remove(0)
    }

    /// Writes into the guest's RAM.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) {
        testing::write(&self.map, address, bytes);
    }

    /// Makes a 2D resource with its backing.
    pub(super) fn create(&mut self, id: u32, width: u32, height: u32, address: u64) {
        self.ok(create_2d(id, Format::Bgrx8888, width, height));
        self.ok(attach(id, address, width * height * 4));
    }

    /// Makes a blob with its memory.
    pub(super) fn create_blob(&mut self, id: u32, address: u64, size: u32) {
        self.ok(create_blob(id, size.into(), &[(address, size)]));
    }

    /// What the host sees of a buffer that it was given: the first byte of each pixel of `rect`.
    pub(super) fn seen(&self, buffer: BufferId, rect: Rect) -> Vec<u8> {
        let (layout, memory) = &self.display.buffers[&buffer];
        let fd = match memory {
            PixelMemory::DmaBuf(fd) | PixelMemory::Shm { fd, .. } => fd.as_fd(),
            PixelMemory::Image(image) => image.planes[0].fd.as_fd(),
        };
        let file = File::from(fd.try_clone_to_owned().unwrap());
        let mut seen = Vec::new();
        for y in rect.y..rect.y + rect.height {
            let mut row = vec![0; (rect.width * 4) as usize];
            let at = layout.offset + y * layout.stride + rect.x * 4;
            file.read_exact_at(&mut row, at.into()).unwrap();
            seen.extend(row.chunks(4).map(|pixel| pixel[0]));
        }
        seen
    }

    /// The imports since the last look at the calls, as (buffer, is a dma-buf).
    pub(super) fn imports(&self) -> Vec<(BufferId, bool)> {
        let imports = self.display.calls.iter().filter_map(|call| match call {
            Call::Import {
                buffer, dma_buf, ..
            } => Some((*buffer, *dma_buf)),
            _ => None,
        });
        imports.collect()
    }
}

pub(super) fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

pub(super) fn create_2d(resource_id: u32, format: Format, width: u32, height: u32) -> Command {
    Command::ResourceCreate2d {
        resource_id,
        format: format.into(),
        width,
        height,
    }
}

pub(super) fn attach(resource_id: u32, addr: u64, length: u32) -> Command {
    Command::ResourceAttachBacking {
        resource_id,
        entries: vec![MemEntry { addr, length }],
    }
}

pub(super) fn detach(resource_id: u32) -> Command {
    Command::ResourceDetachBacking { resource_id }
}

pub(super) fn unref(resource_id: u32) -> Command {
    Command::ResourceUnref { resource_id }
}

pub(super) fn create_blob(resource_id: u32, size: u64, entries: &[(u64, u32)]) -> Command {
    Command::ResourceCreateBlob {
        resource_id,
        blob_mem: 1,
        blob_flags: 2,
        blob_id: 0,
        size,
        entries: entries
            .iter()
            .map(|(addr, length)| MemEntry {
                addr: *addr,
                length: *length,
            })
            .collect(),
    }
}

pub(super) fn set_scanout(scanout_id: u32, resource_id: u32, rect: Rect) -> Command {
    Command::SetScanout {
        rect,
        scanout_id,
        resource_id,
    }
}

pub(super) fn switch_off(scanout_id: u32) -> Command {
    set_scanout(scanout_id, 0, Rect::default())
}

/// Shows a blob of XRGB8888 rows without gaps.
pub(super) fn set_blob(scanout_id: u32, resource_id: u32, size: (u32, u32), rect: Rect) -> Command {
    Command::SetScanoutBlob {
        rect,
        scanout_id,
        resource_id,
        width: size.0,
        height: size.1,
        format: Format::Bgrx8888.into(),
        strides: [size.0 * 4, 0, 0, 0],
        offsets: [0; 4],
    }
}

pub(super) fn transfer(resource_id: u32, rect: Rect, offset: u64) -> Command {
    Command::TransferToHost2d {
        rect,
        offset,
        resource_id,
    }
}

pub(super) fn flush(resource_id: u32, rect: Rect) -> Command {
    Command::ResourceFlush { rect, resource_id }
}
