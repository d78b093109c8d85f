//! The host's monitors: which ones a window is on, how often they refresh, and in which scale they
//! show things.

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, WEnum,
    protocol::{
        wl_output::{self, Mode, WlOutput},
        wl_registry::{self, WlRegistry},
        wl_seat::WlSeat,
        wl_surface::{self, WlSurface},
    },
};

use super::{State, window::Owner};
use crate::display::{DisplayEvent, ScanoutId};

/// The newest version whose events are understood.
const VERSION: u32 = 4;

/// The version that lets a client say that it is done with an output.
const VERSION_RELEASE: u32 = 3;

/// The outputs that are plugged in.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    plugged: Vec<Output>,
}

#[derive(Debug)]
struct Output {
    /// The global's number, which its removal names.
    number: u32,
    proxy: WlOutput,
    millihertz: u32,
    scale: i32,
}

impl Outputs {
    /// The scale that an output's pictures had best have.
    pub(super) fn scale(&self, output: &WlOutput) -> i32 {
        let known = self.plugged.iter().find(|known| known.proxy == *output);
        known.map_or(1, |known| known.scale)
    }

    fn refresh(&self, output: &WlOutput) -> Option<u32> {
        let known = self.plugged.iter().find(|known| known.proxy == *output)?;
        (known.millihertz != 0).then_some(known.millihertz)
    }
}

impl State {
    /// Reports the refresh rate of the output that a window reached last, if that is news.
    fn report_refresh(&mut self, scanout: ScanoutId) {
        let Some(record) = self.scanouts.get_mut(&scanout) else {
            return;
        };
        // Our own compositor says more, and says it also where there is no window yet.
        if record.link.is_some() {
            return;
        }
        let on = record
            .window
            .as_ref()
            .and_then(|window| window.outputs.last());
        let Some(millihertz) = on.and_then(|output| self.outputs.refresh(output)) else {
            return;
        };
        if record.refresh.replace(millihertz) != Some(millihertz) {
            self.events.push_back(DisplayEvent::RefreshChanged {
                scanout,
                millihertz,
            });
        }
    }

    fn output_removed(&mut self, number: u32) {
        let plugged = &mut self.outputs.plugged;
        let Some(index) = plugged.iter().position(|output| output.number == number) else {
            return;
        };
        let output = plugged.swap_remove(index).proxy;
        for window in self
            .scanouts
            .values_mut()
            .filter_map(|record| record.window.as_mut())
        {
            window.outputs.retain(|on| *on != output);
        }
        if output.version() >= VERSION_RELEASE {
            output.release();
        }
        self.report_all_refreshes();
        self.rescale_all();
    }

    fn report_all_refreshes(&mut self) {
        let scanouts: Vec<ScanoutId> = self.scanouts.keys().copied().collect();
        for scanout in scanouts {
            self.report_refresh(scanout);
        }
    }
}

impl Dispatch<WlRegistry, ()> for State {
    fn event(
        state: &mut Self,
        registry: &WlRegistry,
        event: wl_registry::Event,
        (): &(),
        _: &Connection,
        handle: &QueueHandle<Self>,
    ) {
        match event {
            wl_registry::Event::Global {
                name: number,
                interface,
                version,
            } if interface == WlOutput::interface().name => {
                let proxy = registry.bind(number, version.min(VERSION), handle, ());
                state.outputs.plugged.push(Output {
                    number,
                    proxy,
                    millihertz: 0,
                    scale: 1,
                });
            }
            wl_registry::Event::Global {
                name: number,
                interface,
                version,
            } if interface == WlSeat::interface().name => {
                state.seat_added(registry, number, version);
            }
            wl_registry::Event::GlobalRemove { name } => {
                state.output_removed(name);
                state.seat_removed(name);
            }
            _ => {}
        }
    }
}

impl Dispatch<WlOutput, ()> for State {
    fn event(
        state: &mut Self,
        output: &WlOutput,
        event: wl_output::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let mut plugged = state.outputs.plugged.iter_mut();
        let Some(known) = plugged.find(|known| known.proxy == *output) else {
            return;
        };
        match event {
            wl_output::Event::Mode {
                flags: WEnum::Value(flags),
                refresh,
                ..
            } if flags.contains(Mode::Current) => {
                known.millihertz = u32::try_from(refresh).unwrap_or(0);
                state.report_all_refreshes();
            }
            wl_output::Event::Scale { factor } => {
                known.scale = factor;
                state.rescale_all();
            }
            _ => {}
        }
    }
}

impl Dispatch<WlSurface, Owner> for State {
    fn event(
        state: &mut Self,
        _: &WlSurface,
        event: wl_surface::Event,
        owner: &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(window) = state.window(owner.0) else {
            return;
        };
        match event {
            wl_surface::Event::Enter { output } => {
                window.outputs.retain(|on| *on != output);
                window.outputs.push(output);
            }
            wl_surface::Event::Leave { output } => window.outputs.retain(|on| *on != output),
            wl_surface::Event::PreferredBufferScale { factor } => window.scale.prefer(factor),
            // The transform: a guest's pixels are what they are.
            _ => return,
        }
        state.report_refresh(owner.0);
        state.rescale(owner.0);
    }
}
