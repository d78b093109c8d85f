//! What clients' requests lead to: times, and the least that a compositor has to answer.

use smithay::{
    backend::{allocator::dmabuf::Dmabuf, renderer::buffer_dimensions},
    delegate_compositor, delegate_dmabuf, delegate_output, delegate_presentation, delegate_seat,
    delegate_shm, delegate_viewporter, delegate_xdg_decoration, delegate_xdg_shell,
    input::{Seat, SeatHandler, SeatState, pointer::CursorImageStatus},
    reexports::{
        wayland_protocols::xdg::decoration::zv1::server::zxdg_toplevel_decoration_v1::Mode,
        wayland_server::{
            Client, Resource as _,
            protocol::{wl_buffer::WlBuffer, wl_seat::WlSeat, wl_surface::WlSurface},
        },
    },
    utils::Serial,
    wayland::{
        buffer::BufferHandler,
        compositor::{
            BufferAssignment, CompositorClientState, CompositorHandler, CompositorState, Damage,
            SurfaceAttributes, add_pre_commit_hook, get_role, with_states,
        },
        dmabuf::{DmabufGlobal, DmabufHandler, DmabufState, ImportNotifier},
        output::OutputHandler,
        shell::xdg::{
            PopupSurface, PositionerState, ToplevelSurface, XDG_TOPLEVEL_ROLE, XdgShellHandler,
            XdgShellState, decoration::XdgDecorationHandler,
        },
        shm::{ShmHandler, ShmState},
    },
};

use super::{
    Arrival, What,
    guests::POINTER_ROLE,
    screen::replace_buffer,
    server::{ClientState, State},
    wire::Opcode,
};
use crate::backend::now;

/// The role of a part of a window, as smithay names it. There are no frames to draw around windows
/// here, so the only part that a device's window has is the guest's pointer.
const PART_ROLE: &str = "subsurface";

/// The number of `wl_surface.commit`.
const COMMIT: Opcode = 6;

/// What a surface is to a guest.
pub(super) fn what(surface: &WlSurface) -> What {
    match get_role(surface) {
        Some(XDG_TOPLEVEL_ROLE) => What::Window,
        Some(PART_ROLE | POINTER_ROLE) => What::Pointer,
        _ => What::Other,
    }
}

impl State {
    /// A commit was taken from the socket; nothing has been done about it yet.
    fn arrived(&mut self, surface: &WlSurface) {
        let at = self.came(surface);
        let (buffer, damage) = with_states(surface, |states| {
            let mut attributes = states.cached_state.get::<SurfaceAttributes>();
            let pending = attributes.pending();
            let buffer = match &pending.buffer {
                Some(BufferAssignment::NewBuffer(buffer)) => buffer_dimensions(buffer),
                _ => None,
            };
            (buffer, pending.damage.iter().map(pixels).sum())
        });
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        // Fails where nobody listens any more.
        let _ = self.reports.arrivals.send(Arrival {
            at,
            guest: Self::guest_of(surface),
            what: what(surface),
            buffer: buffer.map(|size| (number(size.w), number(size.h))),
            damage,
        });
    }
}

fn pixels(damage: &Damage) -> u64 {
    let (width, height) = match damage {
        Damage::Surface(rect) => (rect.size.w, rect.size.h),
        Damage::Buffer(rect) => (rect.size.w, rect.size.h),
    };
    let side = |side: i32| u64::try_from(side).unwrap_or_default();
    side(width).saturating_mul(side(height))
}

impl CompositorHandler for State {
    fn compositor_state(&mut self) -> &mut CompositorState {
        &mut self.compositor
    }

    #[expect(
        clippy::expect_used,
        reason = "the trait has no way to say no, and clients are only ever added with this data"
    )]
    fn client_compositor_state<'a>(&self, client: &'a Client) -> &'a CompositorClientState {
        &client
            .get_data::<ClientState>()
            .expect("State::insert gives every client its state")
            .compositor
    }

    fn new_surface(&mut self, surface: &WlSurface) {
        let number = surface.id().protocol_id();
        self.wire_of(surface, |wire| wire.await_from(number, COMMIT));
        add_pre_commit_hook::<Self, _>(surface, |state, _, surface| state.arrived(surface));
    }

    fn commit(&mut self, surface: &WlSurface) {
        let has_picture = with_states(surface, replace_buffer);
        if what(surface) == What::Window {
            match has_picture {
                true => self.focus_first(surface),
                false => self.configure(surface),
            }
        }
        self.screen.add(surface, now());
    }

    fn destroyed(&mut self, surface: &WlSurface) {
        let number = surface.id().protocol_id();
        self.wire_of(surface, |wire| wire.forget(number));
    }
}

impl State {
    /// Answers a window's first commit, which has no buffer, with its first size.
    fn configure(&mut self, window: &WlSurface) {
        let mut toplevels = self.xdg_shell.toplevel_surfaces().iter();
        let Some(toplevel) = toplevels.find(|toplevel| toplevel.wl_surface() == window) else {
            return;
        };
        if toplevel.is_initial_configure_sent() {
            return;
        }
        // Our own compositor has guests fill its monitors; on a desktop a window is as large as what
        // it shows.
        if self.setup.manner.knows_guests {
            let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
            let (width, height) = self.setup.size;
            toplevel.with_pending_state(|state| {
                state.size = Some((number(width), number(height)).into());
            });
        }
        toplevel.send_configure();
        self.screen.output.enter(window);
    }
}

impl XdgShellHandler for State {
    fn xdg_shell_state(&mut self) -> &mut XdgShellState {
        &mut self.xdg_shell
    }

    fn new_toplevel(&mut self, _: ToplevelSurface) {}

    fn toplevel_destroyed(&mut self, toplevel: ToplevelSurface) {
        let is_it = |focus: &mut WlSurface| focus == toplevel.wl_surface();
        self.focus.take_if(is_it);
    }

    // Devices have no menus.
    fn new_popup(&mut self, _: PopupSurface, _: PositionerState) {}

    fn reposition_request(&mut self, _: PopupSurface, _: PositionerState, _: u32) {}

    fn grab(&mut self, _: PopupSurface, _: WlSeat, _: Serial) {}
}

impl XdgDecorationHandler for State {
    fn new_decoration(&mut self, toplevel: ToplevelSurface) {
        toplevel.with_pending_state(|state| state.decoration_mode = Some(Mode::ServerSide));
    }

    fn request_mode(&mut self, _: ToplevelSurface, _: Mode) {}

    fn unset_mode(&mut self, _: ToplevelSurface) {}
}

impl SeatHandler for State {
    type KeyboardFocus = WlSurface;
    type PointerFocus = WlSurface;
    type TouchFocus = WlSurface;

    fn seat_state(&mut self) -> &mut SeatState<Self> {
        &mut self.seats
    }

    fn focus_changed(&mut self, _: &Seat<Self>, _: Option<&WlSurface>) {}

    fn cursor_image(&mut self, _: &Seat<Self>, _: CursorImageStatus) {}
}

impl DmabufHandler for State {
    fn dmabuf_state(&mut self) -> &mut DmabufState {
        &mut self.dmabuf
    }

    /// Nothing reads it, so all of it is as good as any.
    fn dmabuf_imported(&mut self, _: &DmabufGlobal, _: Dmabuf, notifier: ImportNotifier) {
        // An error says that the device went away meanwhile.
        let _ = notifier.successful::<Self>();
    }
}

impl ShmHandler for State {
    fn shm_state(&self) -> &ShmState {
        &self.shm
    }
}

impl BufferHandler for State {
    fn buffer_destroyed(&mut self, _: &WlBuffer) {}
}

impl OutputHandler for State {}

delegate_compositor!(State);
delegate_dmabuf!(State);
delegate_output!(State);
delegate_presentation!(State);
delegate_seat!(State);
delegate_shm!(State);
delegate_viewporter!(State);
delegate_xdg_decoration!(State);
delegate_xdg_shell!(State);
