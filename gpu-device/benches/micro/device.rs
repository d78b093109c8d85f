//! A device and its surroundings: a guest's RAM, and a host that takes everything and shows it at once.

use std::{
    fs::File,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use gpu_device::{
    Limits, Mode, Prefer,
    display::{
        BufferId, CursorUpdate, Display, DisplayEvent, Frame, PixelLayout, PixelMemory, Refused,
        ScanoutId,
    },
    gpu::{Context, Gpu, HostVisible, Mapping, Options, Reply},
    input::{Grab, Leds},
    memory::{DmaBufMaker, GuestRam, Piece},
    renderer::{NoRenderer, Ticket},
};
use protocols::virtio_gpu::{Command, Format, Header, MemEntry, Rect, Response};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap};

/// Bytes of a page.
pub const PAGE: u32 = 4096;

/// The refresh period of the host.
const REFRESH: Duration = Duration::from_micros(16_667);

/// The RAM of a guest, from address 0 on.
pub fn ram(bytes: usize) -> Arc<GuestMemoryMmap> {
    let fd = memfd_create("ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("a memfd");
    ftruncate(&fd, bytes as u64).expect("memory");
    let place = FileOffset::new(File::from(fd), 0);
    let ranges = [(GuestAddress(0), bytes, Some(place))];
    Arc::new(GuestMemoryMmap::from_ranges_with_files(ranges).expect("a mapping"))
}

/// Memory in one piece.
pub fn whole(addr: u64, length: u32) -> Vec<MemEntry> {
    vec![MemEntry { addr, length }]
}

/// Every second page, so that no two follow each other.
pub fn scattered(addr: u64, length: u32) -> Vec<MemEntry> {
    (0..length.div_ceil(PAGE))
        .map(|page| MemEntry {
            addr: addr + u64::from(page) * 2 * u64::from(PAGE),
            length: PAGE,
        })
        .collect()
}

/// A device with one monitor.
pub struct Device {
    gpu: Gpu,
    host: Host,
    renderer: NoRenderer,
    window: NoWindow,
    ram: GuestRam,
    now: Instant,
    fence: u64,
}

impl Device {
    /// One whose guest has so much RAM, none of it in use.
    pub fn new(ram_bytes: usize) -> Self {
        let options = Options {
            name: "guest".to_owned(),
            scanouts: vec![Mode::DEFAULT],
            connectors: 1,
            limits: Limits::default(),
            prefer: Prefer::Auto,
            dma_bufs: Some(Box::new(Cloned)),
        };
        Self {
            gpu: Gpu::new(options),
            host: Host::default(),
            renderer: NoRenderer::default(),
            window: NoWindow,
            ram: GuestRam::new(ram(ram_bytes)),
            now: Instant::now(),
            fence: 0,
        }
    }

    /// Has something done by the device, and what it is answered with.
    fn does<T>(&mut self, work: impl FnOnce(&mut Gpu, &mut Context<'_>) -> T) -> T {
        let mut context = Context {
            ram: &self.ram,
            display: &mut self.host,
            renderer: &mut self.renderer,
            window: &mut self.window,
            now: self.now,
        };
        work(&mut self.gpu, &mut context)
    }

    /// Carries out a command without a fence, which must go well.
    pub fn run(&mut self, command: Command) {
        let header = Header::default();
        let reply = self.does(|gpu, context| gpu.execute(&header, command, context));
        assert!(matches!(reply, Reply::Now(Response::OkNodata)));
    }

    /// Flushes with a fence; the host shows the frame, and releases the one before it.
    pub fn show(&mut self, rect: Rect, resource_id: u32) {
        self.fence += 1;
        let header = Header {
            fence: Some(self.fence),
            ..Header::default()
        };
        let flush = Command::ResourceFlush { rect, resource_id };
        let reply = self.does(|gpu, context| gpu.execute(&header, flush, context));
        assert!(matches!(reply, Reply::Later(_)));
        for event in self.host.shown() {
            self.does(|gpu, context| gpu.handle_display(event, context));
        }
        assert_eq!(self.gpu.take_answered().count(), 1);
        self.now += REFRESH;
    }

    /// A 2D resource with memory of the guest behind it.
    pub fn create_2d(&mut self, id: u32, format: Format, size: (u32, u32), backing: Vec<MemEntry>) {
        self.run(Command::ResourceCreate2d {
            resource_id: id,
            format: format as u32,
            width: size.0,
            height: size.1,
        });
        self.run(Command::ResourceAttachBacking {
            resource_id: id,
            entries: backing,
        });
    }
}

/// A host that shows each frame at the next vblank, and keeps its buffer until then.
#[derive(Debug, Default)]
struct Host {
    committed: Option<Frame>,
    shown: Option<BufferId>,
}

impl Host {
    /// What it reports of the last frame.
    fn shown(&mut self) -> impl Iterator<Item = DisplayEvent> + use<> {
        let scanout = ScanoutId(0);
        let frame = self.committed.take();
        let before = frame
            .as_ref()
            .and_then(|frame| self.shown.replace(frame.buffer));
        let presented = frame.map(|frame| DisplayEvent::Presented {
            scanout,
            frame: frame.id,
            at: None,
            refresh: REFRESH,
            zero_copy: false,
        });
        let released = before.map(DisplayEvent::Released);
        let ready = DisplayEvent::Ready(scanout);
        presented.into_iter().chain(released).chain([ready])
    }
}

impl Display for Host {
    fn import(&mut self, _: BufferId, _: PixelLayout, _: PixelMemory) -> Result<(), Refused> {
        Ok(())
    }

    fn forget(&mut self, _: BufferId) {}

    fn present(&mut self, _: ScanoutId, frame: Frame) {
        self.committed = Some(frame);
    }

    fn disable(&mut self, _: ScanoutId) {}

    fn cursor(&mut self, _: ScanoutId, _: CursorUpdate) {}

    fn set_grab(&mut self, _: Grab) {}

    fn set_pointer_follows(&mut self, _: bool) {}

    fn set_leds(&mut self, _: Leds) {}

    fn toggle_fullscreen(&mut self, _: ScanoutId) {}
}

/// Takes the guest's own memory for a dma-buf.
#[derive(Debug)]
struct Cloned;

impl DmaBufMaker for Cloned {
    fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
        let piece = pieces.first().ok_or(Refused::Unaligned)?;
        piece
            .fd
            .try_clone_to_owned()
            .map_err(|_| Refused::UdmabufFailed)
    }
}

#[derive(Debug)]
struct NoWindow;

impl HostVisible for NoWindow {
    fn size(&self) -> u64 {
        0
    }

    fn map(&mut self, _: Ticket, _: Mapping) {}

    fn unmap(&mut self, _: Ticket, _: u64, _: u64) {}
}
