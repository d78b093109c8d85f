//! The globals that clients see.

use smithay::{
    backend::allocator::{Format, Modifier, format::get_bpp},
    input::{Seat, SeatState, keyboard::XkbConfig},
    reexports::{
        rustix::fs::stat,
        wayland_protocols::xdg::shell::server::xdg_toplevel::WmCapabilities,
        wayland_server::{DisplayHandle, backend::GlobalId},
    },
    wayland::{
        compositor::CompositorState,
        cursor_shape::CursorShapeManagerState,
        dmabuf::{DmabufFeedbackBuilder, DmabufGlobal, DmabufState},
        drm_syncobj::DrmSyncobjState,
        fractional_scale::FractionalScaleManagerState,
        idle_inhibit::IdleInhibitManagerState,
        keyboard_shortcuts_inhibit::KeyboardShortcutsInhibitState,
        output::OutputManagerState,
        pointer_constraints::PointerConstraintsState,
        pointer_gestures::PointerGesturesState,
        presentation::PresentationState,
        relative_pointer::RelativePointerManagerState,
        selection::data_device::DataDeviceState,
        shell::xdg::{XdgShellState, decoration::XdgDecorationState},
        shm::ShmState,
        single_pixel_buffer::SinglePixelBufferState,
        tablet_manager::TabletManagerState,
        viewporter::ViewporterState,
        xdg_toplevel_tag::XdgToplevelTagManager,
    },
};
use tracing::{info, warn};

use super::{CLOCK_ID, handlers::idle_notifier_global, protocols::guest::Guests};
use crate::{keymap, render::Renderer, state::State};

/// Milliseconds until a held key repeats.
const REPEAT_DELAY: i32 = 600;

/// Repeats a second of a held key.
const REPEAT_RATE: i32 = 25;

/// smithay's state of each protocol.
#[derive(Debug)]
pub struct Protocols {
    pub(crate) compositor: CompositorState,
    pub(crate) shm: ShmState,
    pub(crate) dmabuf: DmabufState,
    /// Only where the card can wait for its clients' points in time.
    pub(crate) syncobj: Option<DrmSyncobjState>,
    pub(crate) xdg_shell: XdgShellState,
    pub(crate) seats: SeatState<State>,
    pub(crate) seat: Seat<State>,
    pub(crate) shortcuts_inhibit: KeyboardShortcutsInhibitState,
    pub(crate) data_device: DataDeviceState,
    pub(crate) guests: Guests,
    /// These have nothing to ask; they live as long as their globals.
    _globals: Globals,
}

#[derive(Debug)]
struct Globals {
    _cursor_shape: CursorShapeManagerState,
    _dmabuf: Option<DmabufGlobal>,
    _decoration: XdgDecorationState,
    _fractional_scale: FractionalScaleManagerState,
    _idle_inhibit: IdleInhibitManagerState,
    _idle_notifier: GlobalId,
    _outputs: OutputManagerState,
    _pointer_constraints: PointerConstraintsState,
    _pointer_gestures: PointerGesturesState,
    _presentation: PresentationState,
    _relative_pointer: RelativePointerManagerState,
    _single_pixel: SinglePixelBufferState,
    _tablets: TabletManagerState,
    _toplevel_tag: XdgToplevelTagManager,
    _viewporter: ViewporterState,
}

impl Protocols {
    /// Announces everything.
    pub(crate) fn new(display: &DisplayHandle, renderer: &mut Renderer) -> Self {
        let mut dmabuf = DmabufState::new();
        let globals = Globals {
            _cursor_shape: CursorShapeManagerState::new::<State>(display),
            _dmabuf: dmabuf_global(display, renderer, &mut dmabuf),
            _decoration: XdgDecorationState::new::<State>(display),
            _fractional_scale: FractionalScaleManagerState::new::<State>(display),
            _idle_inhibit: IdleInhibitManagerState::new::<State>(display),
            _idle_notifier: idle_notifier_global(display),
            _outputs: OutputManagerState::new_with_xdg_output::<State>(display),
            _pointer_constraints: PointerConstraintsState::new::<State>(display),
            _pointer_gestures: PointerGesturesState::new::<State>(display),
            _presentation: PresentationState::new::<State>(display, CLOCK_ID),
            _relative_pointer: RelativePointerManagerState::new::<State>(display),
            _single_pixel: SinglePixelBufferState::new::<State>(display),
            _tablets: TabletManagerState::new::<State>(display),
            _toplevel_tag: XdgToplevelTagManager::new::<State>(display),
            _viewporter: ViewporterState::new::<State>(display),
        };
        let mut seats = SeatState::new();
        let seat = seat(display, &mut seats);
        Self {
            compositor: CompositorState::new::<State>(display),
            shm: ShmState::new::<State>(display, renderer.paint().shm_formats()),
            dmabuf,
            syncobj: None,
            // No capabilities: windows stay where they are put.
            xdg_shell: XdgShellState::new_with_capabilities::<State>(
                display,
                Vec::<WmCapabilities>::new(),
            ),
            seats,
            seat,
            shortcuts_inhibit: KeyboardShortcutsInhibitState::new::<State>(display),
            data_device: DataDeviceState::new::<State>(display),
            guests: Guests::new(display),
            _globals: globals,
        }
    }
}

/// A seat that has a keyboard and a pointer, though no device moves them: many clients do not
/// start without.
fn seat(display: &DisplayHandle, seats: &mut SeatState<State>) -> Seat<State> {
    let mut seat = seats.new_wl_seat(display, "seat0");
    seat.add_pointer();
    if !keymap::is_installed() {
        warn!("Going on without a keyboard: there are no layouts. Install xkb-data");
    } else if let Err(error) = seat.add_keyboard(XkbConfig::default(), REPEAT_DELAY, REPEAT_RATE) {
        warn!(
            "Going on without a keyboard: {error}. Look at $XKB_DEFAULT_LAYOUT and the like, or \
             install xkb-data anew"
        );
    }
    seat
}

/// The formats of dma-bufs to offer: those that the renderer takes linearly and in one plane, which
/// guests' memory is, and those of the graphics card that draws, for what it has drawn for guests. A
/// software renderer's other layouts could not be checked against the memory's size.
fn formats_to_offer(renderer: &mut Renderer) -> Vec<Format> {
    let gpu = renderer.is_gpu();
    let mut formats = renderer.paint().dmabuf_formats();
    formats.retain(|format| match format.modifier {
        Modifier::Linear => get_bpp(format.code).is_some(),
        Modifier::Invalid => false,
        _ => gpu,
    });
    formats
}

/// The device that clients are to allocate dma-bufs on, and the formats that can be drawn.
pub(crate) fn dmabuf_offer(renderer: &mut Renderer) -> (u64, Vec<Format>) {
    let device = renderer
        .device()
        .or_else(any_drm_device)
        .unwrap_or_default();
    (device, formats_to_offer(renderer))
}

fn dmabuf_global(
    display: &DisplayHandle,
    renderer: &mut Renderer,
    state: &mut DmabufState,
) -> Option<DmabufGlobal> {
    let (device, formats) = dmabuf_offer(renderer);
    if formats.is_empty() {
        info!(
            "Clients have to use shared memory: {} takes no dma-bufs",
            renderer.description()
        );
        return None;
    }
    match DmabufFeedbackBuilder::new(device, formats).build() {
        Ok(feedback) => {
            Some(state.create_global_with_default_feedback::<State>(display, &feedback))
        }
        Err(error) => {
            warn!("Clients have to use shared memory: no memory for a list of formats: {error}");
            None
        }
    }
}

/// A device on which clients could allocate buffers for a renderer that has none itself. Clients
/// that don't find the device they are told fall back to shared memory.
fn any_drm_device() -> Option<u64> {
    let first_of = |kind: &str, first: u32| {
        (first..first + 16)
            .find_map(|number| stat(format!("/dev/dri/{kind}{number}")).ok())
            .map(|stat| stat.st_rdev)
    };
    first_of("renderD", 128).or_else(|| first_of("card", 0))
}
