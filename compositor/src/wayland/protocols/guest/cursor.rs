//! A guest's pointer: its image is what is committed to a surface, everything else comes at once.

use std::sync::Mutex;

use protocols::wayland::server::{
    lucarne_guest_cursor_v1::{self, LucarneGuestCursorV1, Mode},
    lucarne_guest_scanout_v1::LucarneGuestScanoutV1,
};
use smithay::{
    backend::renderer::utils::with_renderer_surface_state,
    reexports::wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, New, Resource, WEnum, Weak, backend::ClientId,
        protocol::wl_surface::WlSurface,
    },
    utils::{Logical, Point},
    wayland::compositor::{Cacheable, add_post_commit_hook, get_role, give_role, with_states},
};

use super::{GuestCursor, lock, scanout::Scanout};
use crate::state::State;

/// The role of a pointer's surface.
const ROLE: &str = "lucarne_guest_cursor_v1";

/// Who moves a guest's pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CursorMode {
    /// The guest, by what a mouse reports: the pointer is where the guest says.
    #[default]
    Relative,
    /// The host's own pointer, which the guest's follows: while that is over the window, the
    /// guest's image is shown in its place.
    Absolute,
}

/// The data of a pointer's object.
#[derive(Debug)]
pub struct Cursor {
    scanout: Weak<LucarneGuestScanoutV1>,
    surface: WlSurface,
    placed: Mutex<Placed>,
}

/// What needs no commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Placed {
    position: Point<i32, Logical>,
    mode: CursorMode,
    shown: bool,
}

/// What comes with a commit of the surface.
#[derive(Debug, Clone, Copy, Default)]
struct Hotspot(Point<i32, Logical>);

impl Cacheable for Hotspot {
    fn commit(&mut self, _: &DisplayHandle) -> Self {
        *self
    }

    fn merge_into(self, into: &mut Self, _: &DisplayHandle) {
        *into = self;
    }
}

/// With a pointer's surface: the scanout that it is on.
#[derive(Debug, Default)]
struct ShownOn(Mutex<Option<Weak<LucarneGuestScanoutV1>>>);

/// Makes a surface the pointer of a scanout; `None` if it has another role.
pub(super) fn make(
    new: New<LucarneGuestCursorV1>,
    surface: WlSurface,
    scanout: &LucarneGuestScanoutV1,
    init: &mut DataInit<'_, State>,
) -> Option<LucarneGuestCursorV1> {
    let takes_role = get_role(&surface) == Some(ROLE) || give_role(&surface, ROLE).is_ok();
    if takes_role {
        let first = with_states(&surface, |states| {
            let first = states
                .data_map
                .insert_if_missing_threadsafe(ShownOn::default);
            if let Some(on) = states.data_map.get::<ShownOn>() {
                *lock(&on.0) = Some(scanout.downgrade());
            }
            *states.cached_state.get::<Hotspot>().pending() = Hotspot::default();
            first
        });
        if first {
            add_post_commit_hook::<State, _>(&surface, |state, _, surface| {
                let on = with_states(surface, |states| {
                    let on = states.data_map.get::<ShownOn>()?;
                    lock(&on.0).clone()
                });
                if let Some(scanout) = on {
                    state.redraw_scanout(&scanout);
                }
            });
        }
    }
    // Also one that is refused needs its object.
    let cursor = init.init(
        new,
        Cursor {
            scanout: scanout.downgrade(),
            surface,
            placed: Mutex::default(),
        },
    );
    takes_role.then_some(cursor)
}

/// The pointer of a scanout.
pub(super) fn of_scanout(scanout: &LucarneGuestScanoutV1) -> Option<GuestCursor> {
    let cursor = scanout.data::<Scanout>()?.cursor()?;
    let data = cursor.data::<Cursor>()?;
    if !data.surface.is_alive() {
        return None;
    }
    let placed = *lock(&data.placed);
    let Hotspot(hotspot) = with_states(&data.surface, |states| {
        *states.cached_state.get::<Hotspot>().current()
    });
    let image = with_renderer_surface_state(&data.surface, |state| state.buffer().is_some());
    Some(GuestCursor {
        surface: data.surface.clone(),
        hotspot,
        position: placed.position,
        mode: placed.mode,
        visible: placed.shown && image.unwrap_or_default(),
    })
}

impl Dispatch<LucarneGuestCursorV1, Cursor> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        cursor: &LucarneGuestCursorV1,
        request: lucarne_guest_cursor_v1::Request,
        data: &Cursor,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use lucarne_guest_cursor_v1::{Error, Request};
        let mut placed = *lock(&data.placed);
        match request {
            Request::SetHotspot { x, y } => {
                return with_states(&data.surface, |states| {
                    let hotspot = Hotspot((x, y).into());
                    *states.cached_state.get::<Hotspot>().pending() = hotspot;
                });
            }
            Request::MoveTo { x, y } => placed.position = (x, y).into(),
            Request::SetMode { mode } => match mode {
                WEnum::Value(Mode::Relative) => placed.mode = CursorMode::Relative,
                WEnum::Value(Mode::Absolute) => placed.mode = CursorMode::Absolute,
                _ => return cursor.post_error(Error::Mode, "there is no such mode"),
            },
            Request::Show => placed.shown = true,
            Request::Hide => placed.shown = false,
            _ => return,
        }
        let before = std::mem::replace(&mut *lock(&data.placed), placed);
        let seen = before.shown || placed.shown;
        if before != placed && seen {
            state.redraw_scanout(&data.scanout);
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, _: &LucarneGuestCursorV1, data: &Cursor) {
        state.redraw_scanout(&data.scanout);
    }
}
