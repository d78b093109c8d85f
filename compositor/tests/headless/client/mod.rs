//! A Wayland client for tests. It notes down what it is told and does nothing by itself except
//! acknowledging configures.

mod ears;
mod events;
mod guest;
mod monitors;

use std::{
    collections::HashMap,
    fs::File,
    io::{ErrorKind, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum,
    backend::{WaylandError, protocol::ProtocolError},
    protocol::{
        wl_buffer::WlBuffer,
        wl_compositor::WlCompositor,
        wl_keyboard::WlKeyboard,
        wl_registry::WlRegistry,
        wl_seat::{self, WlSeat},
        wl_shm::{self, WlShm},
        wl_shm_pool::WlShmPool,
        wl_subcompositor::WlSubcompositor,
        wl_subsurface::WlSubsurface,
        wl_surface::WlSurface,
    },
};
use wayland_protocols::{
    wp::{
        linux_dmabuf::zv1::client::{
            zwp_linux_buffer_params_v1::ZwpLinuxBufferParamsV1,
            zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1,
        },
        presentation_time::client::{wp_presentation::WpPresentation, wp_presentation_feedback},
        single_pixel_buffer::v1::client::wp_single_pixel_buffer_manager_v1::WpSinglePixelBufferManagerV1,
        viewporter::client::{wp_viewport::WpViewport, wp_viewporter::WpViewporter},
    },
    xdg::{
        shell::client::{
            xdg_surface::XdgSurface, xdg_toplevel::XdgToplevel, xdg_wm_base::XdgWmBase,
        },
        toplevel_tag::v1::client::xdg_toplevel_tag_manager_v1::XdgToplevelTagManagerV1,
    },
};

pub use ears::{Ears, is};
pub use guest::Announced;
pub use monitors::Monitors;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Presented {
        at: Duration,
        refresh: Duration,
        sequence: u64,
        flags: WEnum<wp_presentation_feedback::Kind>,
    },
    Discarded,
}

/// A configure of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configure {
    pub width: i32,
    pub height: i32,
    pub activated: bool,
    pub fullscreen: bool,
}

/// What a client was told so far.
#[derive(Debug, Default)]
pub struct Seen {
    globals: HashMap<String, (u32, u32)>,
    syncs: Vec<u32>,
    /// Numbers of the frame callbacks that were answered.
    pub callbacks: Vec<u32>,
    /// By the number of the frame.
    pub shown: HashMap<u32, Shown>,
    pub configures: Vec<Configure>,
    pub released: Vec<WlBuffer>,
    pub modes: Vec<(i32, i32, i32)>,
    pub monitors: Monitors,
    pub announcements: guest::Announcements,
    pub keyboard_focus: Option<WlSurface>,
    pub pointer_focus: Option<WlSurface>,
    /// The serial with which the pointer entered last.
    pub entered: Option<u32>,
    pub capabilities: Option<wl_seat::Capability>,
    /// Rate and delay of held keys.
    pub repeat: Option<(i32, i32)>,
    /// What the seat's devices did, in words.
    pub heard: Vec<String>,
    pub dmabufs_created: Vec<WlBuffer>,
    pub dmabufs_failed: usize,
    pub menus_closed: usize,
}

pub struct Client {
    connection: Connection,
    queue: EventQueue<Seen>,
    registry: WlRegistry,
    next: u32,
    /// It does not read what it is told.
    pub deaf: bool,
    /// The compositor has closed the connection.
    pub hung_up: bool,
    pub seen: Seen,
}

/// A toplevel.
#[derive(Clone)]
pub struct Window {
    pub surface: WlSurface,
    pub xdg_surface: XdgSurface,
    pub toplevel: XdgToplevel,
}

/// A colour as DRM XRGB8888 has it in memory.
pub type Bgrx = [u8; 4];

/// The same colour in a picture.
pub fn rgba([b, g, r, _]: Bgrx) -> [u8; 4] {
    [r, g, b, 255]
}

/// A pattern in which no two pixels of a row or column nearby are alike.
pub fn pattern(x: u32, y: u32) -> Bgrx {
    let byte = |value: u32| u8::try_from(value % 256).unwrap();
    [byte(x * 7 + 3), byte(y * 11 + 5), byte(x * 3 + y * 5), 0]
}

/// Memory of clients.
pub fn memfd(size: usize) -> File {
    let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let file = File::from(fd);
    file.set_len(size.try_into().unwrap()).unwrap();
    file
}

/// Memory of clients that can't shrink.
pub fn sealed_memfd(size: usize) -> File {
    let file = memfd(size);
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    file
}

impl Client {
    pub fn new(end: OwnedFd) -> Self {
        let connection = Connection::from_socket(UnixStream::from(end)).unwrap();
        let queue = connection.new_event_queue();
        let registry = connection.display().get_registry(&queue.handle(), ());
        Self {
            connection,
            queue,
            registry,
            next: 0,
            deaf: false,
            hung_up: false,
            seen: Seen::default(),
        }
    }

    pub fn flush(&mut self) {
        if let Err(WaylandError::Io(error)) = self.connection.flush() {
            self.hung_up |= error.kind() != ErrorKind::WouldBlock;
        }
    }

    pub fn read(&mut self) {
        if self.deaf {
            return;
        }
        if let Some(guard) = self.connection.prepare_read() {
            // An error is what some tests provoke; what was said before it still counts.
            let _ = guard.read();
        }
        let _ = self.queue.dispatch_pending(&mut self.seen);
    }

    pub fn protocol_error(&self) -> Option<ProtocolError> {
        self.connection.protocol_error()
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub fn sync(&mut self) -> u32 {
        let number = self.number();
        self.connection
            .display()
            .sync(&self.queue.handle(), Sync(number));
        number
    }

    pub fn is_synced(&self, sync: u32) -> bool {
        self.seen.syncs.contains(&sync)
    }

    pub fn has_global(&self, interface: &str) -> bool {
        self.seen.globals.contains_key(interface)
    }

    /// The version of a global that the compositor offers.
    pub fn version(&self, interface: &str) -> u32 {
        self.seen.globals[interface].1
    }

    pub fn bind<I>(&self) -> I
    where
        I: Proxy + 'static,
        Seen: Dispatch<I, ()>,
    {
        let name = I::interface().name;
        let (number, version) = *self
            .seen
            .globals
            .get(name)
            .unwrap_or_else(|| panic!("the compositor has no {name}"));
        let version = version.min(I::interface().version);
        self.registry
            .bind(number, version, &self.queue.handle(), ())
    }

    pub fn handle(&self) -> QueueHandle<Seen> {
        self.queue.handle()
    }

    pub fn surface(&self) -> WlSurface {
        self.bind::<WlCompositor>()
            .create_surface(&self.handle(), ())
    }

    /// A toplevel that has asked for its first configure.
    pub fn window(&self) -> Window {
        let surface = self.surface();
        let xdg_surface = self
            .bind::<XdgWmBase>()
            .get_xdg_surface(&surface, &self.handle(), ());
        let toplevel = xdg_surface.get_toplevel(&self.handle(), ());
        surface.commit();
        Window {
            surface,
            xdg_surface,
            toplevel,
        }
    }

    /// A toplevel that says which virtual monitor it shows, as a device does.
    pub fn scanout(&self, scanout: u8) -> Window {
        let window = self.window();
        self.tag(&window, &format!("scanout-{scanout}"));
        window
    }

    pub fn tag(&self, window: &Window, tag: &str) {
        self.bind::<XdgToplevelTagManagerV1>()
            .set_toplevel_tag(&window.toplevel, tag.to_owned());
    }

    pub fn subsurface(&self, parent: &WlSurface) -> (WlSurface, WlSubsurface) {
        let surface = self.surface();
        let subsurface =
            self.bind::<WlSubcompositor>()
                .get_subsurface(&surface, parent, &self.handle(), ());
        (surface, subsurface)
    }

    pub fn viewport(&self, surface: &WlSurface) -> WpViewport {
        self.bind::<WpViewporter>()
            .get_viewport(surface, &self.handle(), ())
    }

    /// A shared-memory buffer with rows of `stride` bytes.
    pub fn strided_buffer(
        &self,
        (width, height): (u32, u32),
        stride: u32,
        pixel: impl Fn(u32, u32) -> Bgrx,
    ) -> WlBuffer {
        let mut bytes = vec![0xee; (stride * height) as usize];
        for y in 0..height {
            for x in 0..width {
                let at = (y * stride + x * 4) as usize;
                bytes[at..at + 4].copy_from_slice(&pixel(x, y));
            }
        }
        let mut file = memfd(bytes.len());
        file.write_all(&bytes).unwrap();
        let pool = self.pool(&file, bytes.len());
        pool.create_buffer(
            0,
            width.try_into().unwrap(),
            height.try_into().unwrap(),
            stride.try_into().unwrap(),
            wl_shm::Format::Xrgb8888,
            &self.handle(),
            (),
        )
    }

    pub fn buffer(&self, size: (u32, u32), pixel: impl Fn(u32, u32) -> Bgrx) -> WlBuffer {
        self.strided_buffer(size, size.0 * 4, pixel)
    }

    pub fn plain_buffer(&self, size: (u32, u32), colour: Bgrx) -> WlBuffer {
        self.buffer(size, |_, _| colour)
    }

    pub fn pool(&self, file: &File, size: usize) -> WlShmPool {
        self.bind::<WlShm>()
            .create_pool(file.as_fd(), size.try_into().unwrap(), &self.handle(), ())
    }

    pub fn single_pixel(&self, [r, g, b, a]: [u32; 4]) -> WlBuffer {
        self.bind::<WpSinglePixelBufferManagerV1>()
            .create_u32_rgba_buffer(r, g, b, a, &self.handle(), ())
    }

    /// Parameters of a dma-buf with one plane.
    pub fn dmabuf(&self, file: &File, stride: u32, modifier: u64) -> ZwpLinuxBufferParamsV1 {
        let params = self
            .bind::<ZwpLinuxDmabufV1>()
            .create_params(&self.handle(), ());
        let half = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap();
        let (high, low) = (half(modifier >> 32), half(modifier));
        params.add(file.as_fd(), 0, 0, stride, high, low);
        params
    }

    /// Attaches a buffer, damages all and commits; asks for a frame callback and for presentation
    /// feedback under the returned number.
    pub fn present(&mut self, surface: &WlSurface, buffer: &WlBuffer) -> u32 {
        let number = self.number();
        surface.attach(Some(buffer), 0, 0);
        surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        self.request_frame(surface, number);
        surface.commit();
        number
    }

    /// Commits without a change; asks for a frame callback and for presentation feedback.
    pub fn present_nothing_new(&mut self, surface: &WlSurface) -> u32 {
        let number = self.number();
        self.request_frame(surface, number);
        surface.commit();
        number
    }

    fn request_frame(&self, surface: &WlSurface, number: u32) {
        surface.frame(&self.handle(), Frame(number));
        self.bind::<WpPresentation>()
            .feedback(surface, &self.handle(), number);
    }

    /// Listens to the seat's keyboard.
    pub fn keyboard(&self) -> WlKeyboard {
        self.bind::<WlSeat>().get_keyboard(&self.handle(), ())
    }
}

/// A `wl_callback` of `wl_display.sync`.
struct Sync(u32);

/// A `wl_callback` of `wl_surface.frame`.
struct Frame(u32);
