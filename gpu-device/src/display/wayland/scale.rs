//! How many pixels the host's monitors have to a logical one, where a window is.
//!
//! The host says so in up to three ways, of which the best that it knows counts: the
//! fractional-scale protocol; what it prefers of a surface; the scales of the monitors that the
//! window is on. Our own compositor counts a guest's windows in pixels and is not asked.

use wayland_client::{Connection, Dispatch, QueueHandle, delegate_noop};
use wayland_protocols::wp::fractional_scale::v1::client::{
    wp_fractional_scale_manager_v1::WpFractionalScaleManagerV1,
    wp_fractional_scale_v1::{self, WpFractionalScaleV1},
};

use super::{
    State,
    preferences::Scale,
    window::{Owner, Window},
};
use crate::display::ScanoutId;

/// A whole scale in the parts of [`Scale`].
const WHOLE: u32 = 120;

/// What the host has said about the scale of one window.
#[derive(Debug, Default)]
pub(super) struct Told {
    object: Option<WpFractionalScaleV1>,
    exact: Option<Scale>,
    /// Of `wl_surface`.
    preferred: Option<Scale>,
}

impl Told {
    /// Lets the host say what it likes about a window's surface.
    pub(super) fn new(object: Option<WpFractionalScaleV1>) -> Self {
        Self {
            object,
            ..Self::default()
        }
    }

    /// The host prefers this whole scale.
    pub(super) fn prefer(&mut self, factor: i32) {
        self.preferred = whole(factor);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(object) = &self.object {
            object.destroy();
        }
    }
}

impl State {
    /// Brings a window to the scale of where it is now.
    pub(super) fn rescale(&mut self, scanout: ScanoutId) {
        let Some(record) = self.scanouts.get_mut(&scanout) else {
            return;
        };
        let Some(window) = record.window.as_mut() else {
            return;
        };
        if record.link.is_some() {
            return;
        }
        let outputs = &self.outputs;
        let of_outputs = |window: &Window| {
            let scales = window.outputs.iter().map(|output| outputs.scale(output));
            scales.max().and_then(whole)
        };
        let told = window.scale.exact.or(window.scale.preferred);
        let host = told.or_else(|| of_outputs(window)).unwrap_or_default();
        window.host_scale = host;
        let ask = window
            .geometry
            .set_scale(self.preferences.scale.unwrap_or(host));
        self.redress(scanout);
        self.ask_guest(scanout, ask);
    }

    /// Brings all windows to the scale of where they are now.
    pub(super) fn rescale_all(&mut self) {
        let scanouts: Vec<ScanoutId> = self.scanouts.keys().copied().collect();
        for scanout in scanouts {
            self.rescale(scanout);
        }
    }
}

fn whole(factor: i32) -> Option<Scale> {
    let factor = u32::try_from(factor).ok().filter(|factor| *factor > 0)?;
    Some(Scale::from_parts(factor.saturating_mul(WHOLE)))
}

impl Dispatch<WpFractionalScaleV1, Owner> for State {
    fn event(
        state: &mut Self,
        _: &WpFractionalScaleV1,
        event: wp_fractional_scale_v1::Event,
        owner: &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let wp_fractional_scale_v1::Event::PreferredScale { scale } = event else {
            return;
        };
        if let Some(window) = state.window(owner.0) {
            window.scale.exact = Some(Scale::from_parts(scale));
        }
        state.rescale(owner.0);
    }
}

delegate_noop!(State: ignore WpFractionalScaleManagerV1);
