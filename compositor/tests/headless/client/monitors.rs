//! What a client is told about monitors.

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, WEnum, delegate_noop,
    protocol::{
        wl_output::{self, WlOutput},
        wl_surface::{self, WlSurface},
    },
};
use wayland_protocols::{
    wp::fractional_scale::v1::client::{
        wp_fractional_scale_manager_v1::WpFractionalScaleManagerV1,
        wp_fractional_scale_v1::{self, WpFractionalScaleV1},
    },
    xdg::xdg_output::zv1::client::{
        zxdg_output_manager_v1::ZxdgOutputManagerV1, zxdg_output_v1::ZxdgOutputV1,
    },
};

use super::{Client, Seen};

/// All monitors, and where surfaces are.
#[derive(Debug, Default)]
pub struct Monitors {
    /// The numbers of the globals that are there.
    pub globals: Vec<u32>,
    /// By the client's objects, with what they said last.
    told: Vec<(WlOutput, Told)>,
    on: Vec<(WlSurface, WlOutput)>,
    /// The scales that a surface was told to draw with, in units of 1/120.
    pub scales: Vec<u32>,
}

/// What a monitor says about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    pub name: String,
    pub position: (i32, i32),
    pub millimetres: (i32, i32),
    pub model: String,
    /// Pixels and millihertz.
    pub mode: (i32, i32, i32),
    pub scale: i32,
    pub transform: Option<wl_output::Transform>,
    /// How often it has said all.
    pub done: usize,
}

impl Monitors {
    pub(super) fn announced(&mut self, interface: &str, name: u32) {
        if interface == WlOutput::interface().name {
            self.globals.push(name);
        }
    }

    pub(super) fn withdrawn(&mut self, name: u32) {
        self.globals.retain(|global| *global != name);
    }

    /// What the monitor of this name said last.
    #[track_caller]
    pub fn told(&self, name: &str) -> &Told {
        let found = self.told.iter().find(|(_, told)| told.name == name);
        &found.unwrap_or_else(|| panic!("no monitor {name}")).1
    }

    /// The names of the monitors that a surface is on.
    pub fn of(&self, surface: &WlSurface) -> Vec<&str> {
        let on = self.on.iter().filter(|(other, _)| other == surface);
        on.map(|(_, output)| {
            let told = self.told.iter().find(|(other, _)| other == output);
            told.map_or("", |(_, told)| told.name.as_str())
        })
        .collect()
    }

    fn told_by(&mut self, output: &WlOutput) -> &mut Told {
        let index = match self.told.iter().position(|(other, _)| other == output) {
            Some(index) => index,
            None => {
                self.told.push((output.clone(), Told::default()));
                self.told.len() - 1
            }
        };
        &mut self.told[index].1
    }
}

impl Client {
    /// Listens to the monitor with this global.
    pub fn monitor(&self, global: u32) -> WlOutput {
        self.registry.bind(global, 4, &self.handle(), ())
    }

    /// Listens to all monitors.
    pub fn bind_monitors(&self) -> Vec<WlOutput> {
        let globals = self.seen.monitors.globals.iter();
        globals.map(|global| self.monitor(*global)).collect()
    }

    /// Listens to the scale that a surface had best draw with.
    pub fn fractional_scale(&self, surface: &WlSurface) -> WpFractionalScaleV1 {
        self.bind::<WpFractionalScaleManagerV1>()
            .get_fractional_scale(surface, &self.handle(), ())
    }

    pub fn xdg_output(&self, output: &WlOutput) -> ZxdgOutputV1 {
        self.bind::<ZxdgOutputManagerV1>()
            .get_xdg_output(output, &self.handle(), ())
    }
}

impl Dispatch<WlOutput, ()> for Seen {
    fn event(
        seen: &mut Self,
        output: &WlOutput,
        event: wl_output::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let told = seen.monitors.told_by(output);
        match event {
            wl_output::Event::Geometry {
                x,
                y,
                physical_width,
                physical_height,
                model,
                transform,
                ..
            } => {
                told.position = (x, y);
                told.millimetres = (physical_width, physical_height);
                told.model = model;
                told.transform = match transform {
                    WEnum::Value(transform) => Some(transform),
                    WEnum::Unknown(_) => None,
                };
            }
            wl_output::Event::Mode {
                flags,
                width,
                height,
                refresh,
            } => {
                let flags = flags.into_result().unwrap();
                if flags.contains(wl_output::Mode::Current) {
                    told.mode = (width, height, refresh);
                    seen.modes.push((width, height, refresh));
                }
            }
            wl_output::Event::Scale { factor } => told.scale = factor,
            wl_output::Event::Name { name } => told.name = name,
            wl_output::Event::Done => told.done += 1,
            _ => {}
        }
    }
}

impl Dispatch<WlSurface, ()> for Seen {
    fn event(
        seen: &mut Self,
        surface: &WlSurface,
        event: wl_surface::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let on = &mut seen.monitors.on;
        match event {
            wl_surface::Event::Enter { output } => on.push((surface.clone(), output)),
            wl_surface::Event::Leave { output } => {
                on.retain(|other| *other != (surface.clone(), output.clone()));
            }
            _ => {}
        }
    }
}

impl Dispatch<WpFractionalScaleV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &WpFractionalScaleV1,
        event: wp_fractional_scale_v1::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wp_fractional_scale_v1::Event::PreferredScale { scale } = event {
            seen.monitors.scales.push(scale);
        }
    }
}

delegate_noop!(Seen: WpFractionalScaleManagerV1);
delegate_noop!(Seen: ZxdgOutputManagerV1);
delegate_noop!(Seen: ignore ZxdgOutputV1);
