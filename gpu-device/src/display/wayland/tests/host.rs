//! A small compositor for tests: it notes down what its client asks for, and says what a test
//! tells it to say. What each request leads to is in `requests`.

use std::{
    io::Write,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    thread,
    time::Instant,
};

use protocols::{
    virtio_gpu::Format,
    wayland::server::{
        lucarne_guest_manager_v1::LucarneGuestManagerV1,
        lucarne_guest_scanout_v1::{Extent, LucarneGuestScanoutV1},
    },
};
use rustix::event::{PollFd, PollFlags, poll};
use wayland_protocols::{
    wp::{
        linux_dmabuf::zv1::server::{
            zwp_linux_buffer_params_v1::ZwpLinuxBufferParamsV1,
            zwp_linux_dmabuf_feedback_v1::ZwpLinuxDmabufFeedbackV1,
            zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1,
        },
        presentation_time::server::{
            wp_presentation::WpPresentation,
            wp_presentation_feedback::{Kind, WpPresentationFeedback},
        },
        viewporter::server::wp_viewporter::WpViewporter,
    },
    xdg::{
        decoration::zv1::server::zxdg_decoration_manager_v1::ZxdgDecorationManagerV1,
        shell::server::{
            xdg_surface::XdgSurface, xdg_toplevel::XdgToplevel, xdg_wm_base::XdgWmBase,
        },
        toplevel_tag::v1::server::xdg_toplevel_tag_manager_v1::XdgToplevelTagManagerV1,
    },
};
use wayland_server::{
    Client, Display, DisplayHandle, GlobalDispatch, Resource,
    backend::{ClientData, GlobalId},
    protocol::{
        wl_buffer::WlBuffer,
        wl_callback::WlCallback,
        wl_compositor::WlCompositor,
        wl_output::{Mode, WlOutput},
        wl_shm::WlShm,
        wl_subcompositor::WlSubcompositor,
        wl_surface::WlSurface,
    },
};

use super::requests::{
    seat::{HandOffer, Hands},
    windows::{Extras, WindowOffer},
};

/// What the compositor offers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    pub(super) shell: bool,
    pub(super) viewporter: bool,
    pub(super) presentation: bool,
    pub(super) decorations: bool,
    pub(super) tags: bool,
    /// Our own protocol.
    pub(super) guests: bool,
    /// The version of linux-dmabuf, zero for none.
    pub(super) dmabuf: u32,
    /// The number of the clock of presentation times.
    pub(super) clock: u32,
    /// For windows.
    pub(super) windows: WindowOffer,
    /// For hands.
    pub(super) hands: HandOffer,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            shell: true,
            viewporter: true,
            presentation: true,
            decorations: true,
            tags: true,
            guests: false,
            dmabuf: 5,
            clock: 1,
            windows: WindowOffer::default(),
            hands: HandOffer::default(),
        }
    }
}

/// The formats that the compositor takes as linear dma-bufs.
pub(super) const LINEAR_FORMATS: [Format; 2] = [Format::Bgrx8888, Format::Rgbx8888];

/// What the compositor does when it is to import a dma-buf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Imports {
    #[default]
    Accept,
    /// Not at once: when the test says so.
    Hold,
}

/// The compositor.
pub(super) struct Host {
    pub(super) display: Display<Desk>,
    pub(super) desk: Desk,
    client: Client,
    outputs: Vec<GlobalId>,
}

/// What the compositor knows.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) offer: Offer,
    pub(super) imports: Imports,
    pub(super) log: Vec<String>,
    pub(super) surfaces: Vec<Surface>,
    pub(super) buffers: Vec<WlBuffer>,
    pub(super) pools: usize,
    pub(super) undecided: Vec<ZwpLinuxBufferParamsV1>,
    pub(super) shells: Vec<XdgWmBase>,
    pub(super) outputs: Vec<WlOutput>,
    pub(super) scanouts: Vec<LucarneGuestScanoutV1>,
    pub(super) feedbacks: Vec<ZwpLinuxDmabufFeedbackV1>,
    pub(super) hands: Hands,
    serial: u32,
}

/// One surface.
pub(super) struct Surface {
    pub(super) proxy: WlSurface,
    pub(super) role: &'static str,
    pub(super) xdg: Option<XdgSurface>,
    pub(super) toplevel: Option<XdgToplevel>,
    pub(super) callbacks: Vec<WlCallback>,
    pub(super) feedbacks: Vec<WpPresentationFeedback>,
    pub(super) extras: Extras,
}

struct NoData;
impl ClientData for NoData {}

impl Host {
    /// A compositor with one client, and the client's end of the connection.
    pub(super) fn new(offer: Offer) -> (Self, OwnedFd) {
        let display = Display::new().unwrap();
        let mut handle = display.handle();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let client = handle.insert_client(ours, Arc::new(NoData)).unwrap();
        global::<WlCompositor>(&handle, 6);
        global::<WlSubcompositor>(&handle, 1);
        global::<WlShm>(&handle, 1);
        if offer.shell {
            global::<XdgWmBase>(&handle, 6);
        }
        if offer.viewporter {
            global::<WpViewporter>(&handle, 1);
        }
        if offer.presentation {
            global::<WpPresentation>(&handle, 2);
        }
        if offer.decorations {
            global::<ZxdgDecorationManagerV1>(&handle, 1);
        }
        if offer.tags {
            global::<XdgToplevelTagManagerV1>(&handle, 1);
        }
        if offer.guests {
            global::<LucarneGuestManagerV1>(&handle, 1);
        }
        if offer.dmabuf > 0 {
            global::<ZwpLinuxDmabufV1>(&handle, offer.dmabuf);
        }
        offer.windows.announce(&handle);
        offer.hands.announce(&handle);
        let desk = Desk {
            offer,
            ..Desk::default()
        };
        let host = Self {
            display,
            desk,
            client,
            outputs: Vec::new(),
        };
        (host, theirs.into())
    }

    /// Serves the client on another thread until `until` returns, for calls that wait.
    pub(super) fn serve_while<T>(mut self, until: impl FnOnce() -> T) -> (Self, T) {
        let (mut done, finished) = UnixStream::pair().unwrap();
        let serving = thread::spawn(move || {
            loop {
                let watched = self
                    .display
                    .backend()
                    .poll_fd()
                    .try_clone_to_owned()
                    .unwrap();
                let (here, there) = (watched.as_fd(), finished.as_fd());
                if wait_for_either(here, there) {
                    return self;
                }
                self.serve();
            }
        });
        let result = until();
        done.write_all(&[0]).unwrap();
        (serving.join().unwrap(), result)
    }

    /// Reads and answers everything that has arrived. Returns how many requests that were.
    pub(super) fn serve(&mut self) -> usize {
        let served = self.display.dispatch_clients(&mut self.desk).unwrap();
        self.display.flush_clients().unwrap();
        served
    }

    pub(super) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.desk.log)
    }

    /// Tells a window its size and states.
    pub(super) fn configure(&mut self, surface: usize, size: (i32, i32), states: &[u32]) {
        let surface = &self.desk.surfaces[surface];
        let states = states
            .iter()
            .flat_map(|state| state.to_ne_bytes())
            .collect();
        surface
            .toplevel
            .as_ref()
            .unwrap()
            .configure(size.0, size.1, states);
        self.desk.serial += 1;
        surface.xdg.as_ref().unwrap().configure(self.desk.serial);
    }

    pub(super) fn close(&mut self, surface: usize) {
        self.desk.surfaces[surface]
            .toplevel
            .as_ref()
            .unwrap()
            .close();
    }

    /// Answers the frame callbacks of a surface.
    pub(super) fn frame_done(&mut self, surface: usize) {
        for callback in self.desk.surfaces[surface].callbacks.drain(..) {
            callback.done(0);
        }
    }

    /// Answers the oldest presentation feedback of a surface.
    pub(super) fn presented(&mut self, surface: usize, seconds: u32, kind: Kind) {
        let feedback = self.desk.surfaces[surface].feedbacks.remove(0);
        feedback.presented(0, seconds, 0, 16_666_667, 0, 0, kind);
    }

    pub(super) fn discarded(&mut self, surface: usize) {
        self.desk.surfaces[surface].feedbacks.remove(0).discarded();
    }

    pub(super) fn release(&mut self, buffer: usize) {
        self.desk.buffers[buffer].release();
    }

    /// Makes the buffers that were held back.
    pub(super) fn import_held(&mut self) {
        let handle = self.display.handle();
        for params in std::mem::take(&mut self.desk.undecided) {
            self.desk
                .import(&self.client, &handle, &params, Imports::Accept);
        }
    }

    pub(super) fn refuse_held(&mut self) {
        for params in self.desk.undecided.drain(..) {
            params.failed();
        }
    }

    pub(super) fn plug_output(&mut self) {
        let id = self
            .display
            .handle()
            .create_global::<Desk, WlOutput, ()>(4, ());
        self.outputs.push(id);
    }

    pub(super) fn unplug_output(&mut self, output: usize) {
        self.display
            .handle()
            .remove_global::<Desk>(self.outputs.remove(output));
    }

    pub(super) fn output_mode(&mut self, output: usize, millihertz: i32) {
        let output = &self.desk.outputs[output];
        output.mode(Mode::Current, 1920, 1080, millihertz);
        // One that is only possible.
        output.mode(Mode::Preferred, 1920, 1080, 144_000);
        output.done();
    }

    pub(super) fn enter(&mut self, surface: usize, output: usize) {
        self.desk.surfaces[surface]
            .proxy
            .enter(&self.desk.outputs[output]);
    }

    pub(super) fn leave(&mut self, surface: usize, output: usize) {
        self.desk.surfaces[surface]
            .proxy
            .leave(&self.desk.outputs[output]);
    }

    /// Tells on which monitor a scanout is.
    pub(super) fn announce(&mut self, scanout: usize, model: &str, extent: Extent) {
        super::requests::send_monitor(&self.desk.scanouts[scanout], model, extent);
    }

    /// Tells that there is no monitor for a scanout.
    pub(super) fn unplug_scanout(&mut self, scanout: usize) {
        let scanout = &self.desk.scanouts[scanout];
        scanout.unplugged();
        scanout.done();
    }

    pub(super) fn ping(&mut self) {
        self.desk.shells[0].ping(77);
    }

    /// Ends the connection over a mistake.
    pub(super) fn post_error(&mut self, text: &str) {
        self.desk.shells[0].post_error(4_u32, text);
    }

    pub(super) fn formats_changed(&mut self, formats: &[Format]) {
        self.desk
            .feedbacks
            .iter()
            .for_each(|feedback| super::requests::send_formats(feedback, formats));
    }
}

impl Desk {
    pub(super) fn note(&mut self, line: impl Into<String>) {
        self.log.push(line.into());
    }

    pub(super) fn note_for(&mut self, surface: usize, line: impl std::fmt::Display) {
        let role = self.surfaces[surface].role;
        self.log.push(format!("{role} {surface}: {line}"));
    }

    pub(super) fn surface(&self, proxy: &WlSurface) -> usize {
        self.surfaces
            .iter()
            .position(|surface| surface.proxy == *proxy)
            .unwrap()
    }

    pub(super) fn import(
        &mut self,
        client: &Client,
        handle: &DisplayHandle,
        params: &ZwpLinuxBufferParamsV1,
        how: Imports,
    ) {
        match how {
            Imports::Hold => self.undecided.push(params.clone()),
            Imports::Accept => {
                let number = self.buffers.len();
                let buffer = client.create_resource::<WlBuffer, _, Self>(handle, 1, number);
                let buffer = buffer.unwrap();
                params.created(&buffer);
                self.buffers.push(buffer);
            }
        }
    }
}

fn global<I>(handle: &DisplayHandle, version: u32)
where
    I: Resource + 'static,
    Desk: GlobalDispatch<I, ()>,
{
    handle.create_global::<Desk, I, ()>(version, ());
}

/// Waits until one of two descriptors can be read. Returns whether the second one can.
fn wait_for_either(first: BorrowedFd<'_>, second: BorrowedFd<'_>) -> bool {
    let mut fds = [
        PollFd::new(&first, PollFlags::IN),
        PollFd::new(&second, PollFlags::IN),
    ];
    poll(&mut fds, None).unwrap();
    !fds[1].revents().is_empty()
}

/// A moment that has passed: for waits that shall end at once.
pub(super) fn already() -> Instant {
    Instant::now()
}
