//! What the host says about a window as a whole: its size, its states, whose its borders are, and
//! that the user wants it closed.

use wayland_client::{Connection, Dispatch, QueueHandle, WEnum};
use wayland_protocols::xdg::{
    decoration::zv1::client::zxdg_toplevel_decoration_v1::{self, ZxdgToplevelDecorationV1},
    shell::client::{
        xdg_surface::{self, XdgSurface},
        xdg_toplevel::{self, WmCapabilities, XdgToplevel},
    },
};

use super::{
    State,
    decoration::TITLE_HEIGHT,
    geometry::{Ask, Configure, Size},
    window::{Owner, Stage, Window},
};
use crate::{
    display::{DisplayEvent, ScanoutId},
    input::HostInput,
};

/// What a window is like just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Condition {
    /// The user is at work in it.
    pub(super) active: bool,
    pub(super) maximized: bool,
    pub(super) fullscreen: bool,
    /// It touches other windows or the edge of the screen.
    pub(super) tiled: bool,
}

impl Condition {
    /// Whether it must have the size that the host says.
    fn is_fixed(self) -> bool {
        self.maximized || self.fullscreen || self.tiled
    }
}

/// What the host can do with windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) maximize: bool,
    pub(super) minimize: bool,
    pub(super) menu: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        // Hosts that are older than the question can do all of it.
        Self {
            maximize: true,
            minimize: true,
            menu: true,
        }
    }
}

/// Who draws a window's borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Borders {
    /// The host, or nobody.
    Host,
    /// We do.
    Ours,
}

/// What the host has said since its last "that is all".
#[derive(Debug, Default)]
pub(super) struct Incoming {
    size: Size,
    condition: Condition,
    resizing: bool,
}

impl Incoming {
    fn read(size: (i32, i32), states: &[u8]) -> Self {
        use xdg_toplevel::State as Toplevel;
        let side = |side| u32::try_from(side).unwrap_or(0);
        let mut incoming = Self {
            size: Size {
                width: side(size.0),
                height: side(size.1),
            },
            ..Self::default()
        };
        let condition = &mut incoming.condition;
        for state in words(states) {
            match Toplevel::try_from(state) {
                Ok(Toplevel::Activated) => condition.active = true,
                Ok(Toplevel::Maximized) => condition.maximized = true,
                Ok(Toplevel::Fullscreen) => condition.fullscreen = true,
                Ok(
                    Toplevel::TiledLeft
                    | Toplevel::TiledRight
                    | Toplevel::TiledTop
                    | Toplevel::TiledBottom,
                ) => condition.tiled = true,
                Ok(Toplevel::Resizing) => incoming.resizing = true,
                _ => {}
            }
        }
        incoming
    }
}

/// The numbers of an array that the host sent.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| u32::from_ne_bytes(*word))
}

fn abilities(capabilities: &[u8]) -> Abilities {
    let has = |wanted: WmCapabilities| {
        words(capabilities).any(|word| WmCapabilities::try_from(word) == Ok(wanted))
    };
    Abilities {
        maximize: has(WmCapabilities::Maximize),
        minimize: has(WmCapabilities::Minimize),
        menu: has(WmCapabilities::WindowMenu),
    }
}

impl Window {
    /// Whether there is a title bar of ours.
    pub(super) fn has_title(&self) -> bool {
        self.borders == Borders::Ours && !self.condition.fullscreen
    }

    /// The host has said all about the window's new state.
    fn take_in(&mut self) -> Option<Ask> {
        let Incoming {
            size,
            condition,
            resizing,
        } = std::mem::take(&mut self.incoming);
        self.condition = condition;
        let title = if self.has_title() { TITLE_HEIGHT } else { 0 };
        self.geometry.configure(Configure {
            size,
            title,
            fixed: condition.is_fixed(),
            resizing,
        })
    }
}

impl State {
    /// See [`Display::toggle_fullscreen`](crate::display::Display::toggle_fullscreen).
    pub(super) fn toggle_fullscreen(&mut self, scanout: ScanoutId) {
        let Some(window) = self.window(scanout) else {
            return;
        };
        if window.condition.fullscreen {
            window.role.toplevel.unset_fullscreen();
        } else {
            // Where it is: a host could choose another monitor.
            window.role.toplevel.set_fullscreen(window.outputs.last());
        }
    }

    /// The host has said all about a window's new state.
    fn configured(&mut self, scanout: ScanoutId) {
        let Some(record) = self.scanouts.get_mut(&scanout) else {
            return;
        };
        let Some(window) = record.window.as_mut() else {
            return;
        };
        let before = window.condition.fullscreen;
        let ask = window.take_in();
        let fullscreen = window.condition.fullscreen;
        match window.stage {
            Stage::AwaitingConfigure => window.stage = Stage::Configured,
            // The host waits for a commit after every configure, changed or not.
            Stage::Configured | Stage::Mapped => window.dirty = true,
        }
        if fullscreen != before {
            let on = fullscreen;
            self.events
                .push_back(DisplayEvent::Input(HostInput::Fullscreen { scanout, on }));
        }
        // The old picture is laid into the new window at once; the guest's new one comes when it
        // comes.
        self.redress(scanout);
        self.ask_guest(scanout, ask);
    }

    /// Asks the guest for another size, where that is wanted.
    pub(super) fn ask_guest(&mut self, scanout: ScanoutId, ask: Option<Ask>) {
        let Some(Ask { size, dpi }) = ask else { return };
        self.events.push_back(DisplayEvent::Resized {
            scanout,
            width: size.width,
            height: size.height,
            dpi,
        });
    }
}

impl Dispatch<XdgToplevel, Owner> for State {
    fn event(
        state: &mut Self,
        _: &XdgToplevel,
        event: xdg_toplevel::Event,
        owner: &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(window) = state.window(owner.0) else {
            return;
        };
        match event {
            xdg_toplevel::Event::Configure {
                width,
                height,
                states,
            } => window.incoming = Incoming::read((width, height), &states),
            xdg_toplevel::Event::WmCapabilities { capabilities } => {
                window.abilities = abilities(&capabilities);
            }
            xdg_toplevel::Event::Close => {
                state
                    .events
                    .push_back(DisplayEvent::CloseRequested(owner.0));
            }
            // Bounds: a guest's first picture is as large as it is.
            _ => {}
        }
    }
}

impl Dispatch<XdgSurface, Owner> for State {
    fn event(
        state: &mut Self,
        xdg_surface: &XdgSurface,
        event: xdg_surface::Event,
        owner: &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let xdg_surface::Event::Configure { serial } = event else {
            return;
        };
        xdg_surface.ack_configure(serial);
        state.configured(owner.0);
        state.show(owner.0);
    }
}

impl Dispatch<ZxdgToplevelDecorationV1, Owner> for State {
    fn event(
        state: &mut Self,
        _: &ZxdgToplevelDecorationV1,
        event: zxdg_toplevel_decoration_v1::Event,
        owner: &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zxdg_toplevel_decoration_v1::{Event, Mode};
        let Event::Configure { mode } = event else {
            return;
        };
        // It takes effect with the configure that follows.
        if let Some(window) = state.window(owner.0) {
            window.borders = match mode {
                WEnum::Value(Mode::ClientSide) => Borders::Ours,
                _ => Borders::Host,
            };
        }
    }
}
