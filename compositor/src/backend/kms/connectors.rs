//! What is plugged in: connectors, the monitors on them, and what drives them now.

use smithay::{
    output::Subpixel,
    reexports::drm::control::{
        Device, Mode, ResourceHandle, connector,
        connector::{Interface, State, SubPixel},
        crtc, property,
    },
};
use tracing::debug;

use super::identity::Identity;

/// A connector with a monitor on it.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// The connector.
    pub connector: connector::Handle,
    /// The connector's name, as `DP-1`.
    pub name: String,
    /// Who the monitor says it is.
    pub identity: Identity,
    /// Width and height in millimetres; 0 if unknown.
    pub size: (i32, i32),
    /// How its pixels are made of colours.
    pub subpixel: Subpixel,
    /// What it can show; never empty.
    pub modes: Vec<Mode>,
    /// The CRTCs that can drive it.
    pub possible: Vec<crtc::Handle>,
    /// The one that does.
    pub current: Option<crtc::Handle>,
}

/// What a look at a card finds.
#[derive(Debug, Default)]
pub struct Found {
    /// The monitors.
    pub monitors: Vec<Monitor>,
    /// There is one more that has no modes. Drivers make some up for monitors that say nothing, so
    /// its words were lost, as they are while a KVM switch switches.
    pub unready: bool,
}

/// Looks at every connector. The drivers ask the monitors anew, which takes some milliseconds
/// each on real cables.
///
/// # Errors
/// The card does not answer.
pub fn scan(card: &impl Device) -> std::io::Result<Found> {
    let resources = card.resource_handles()?;
    let mut found = Found::default();
    for handle in resources.connectors() {
        let info = match card.get_connector(*handle, true) {
            Ok(info) => info,
            // It may have been unplugged as a whole, as docks are.
            Err(error) => {
                debug!("Passing over a connector: {error}");
                continue;
            }
        };
        let name = info.to_string();
        if info.interface() == Interface::Writeback || info.state() != State::Connected {
            continue;
        }
        if value(card, *handle, "non-desktop").is_some_and(|value| value != 0) {
            debug!("Passing over {name}: what is plugged in is no monitor");
            continue;
        }
        if info.modes().is_empty() {
            debug!("Passing over {name}: its monitor has no modes");
            found.unready = true;
            continue;
        }
        let encoders = info.encoders().iter();
        let mut possible: Vec<crtc::Handle> = encoders
            .filter_map(|encoder| card.get_encoder(*encoder).ok())
            .flat_map(|encoder| resources.filter_crtcs(encoder.possible_crtcs()))
            .collect();
        possible.sort_by_key(|crtc| u32::from(*crtc));
        possible.dedup();
        let encoder = info.current_encoder();
        let millimetres = |size: u32| i32::try_from(size).unwrap_or_default();
        let (width, height) = info.size().unwrap_or_default();
        found.monitors.push(Monitor {
            connector: *handle,
            identity: identity(card, *handle),
            size: (millimetres(width), millimetres(height)),
            subpixel: subpixel(info.subpixel()),
            modes: info.modes().to_vec(),
            possible,
            current: encoder.and_then(|encoder| card.get_encoder(encoder).ok()?.crtc()),
            name,
        });
    }
    Ok(found)
}

/// The raw value of a property by its name; `None` if there is none, or the card does not answer.
pub fn value<T: ResourceHandle>(card: &impl Device, object: T, name: &str) -> Option<u64> {
    let properties = card.get_properties(object).ok()?;
    let (handles, values) = properties.as_props_and_values();
    let is_it = |handle: &property::Handle| {
        let info = card.get_property(*handle);
        info.is_ok_and(|info| info.name().to_bytes() == name.as_bytes())
    };
    let mut pairs = handles.iter().zip(values);
    pairs
        .find(|(handle, _)| is_it(handle))
        .map(|(_, value)| *value)
}

fn identity(card: &impl Device, connector: connector::Handle) -> Identity {
    let blob = value(card, connector, "EDID").filter(|blob| *blob != 0);
    let edid = blob.and_then(|blob| card.get_property_blob(blob).ok());
    Identity::of(&edid.unwrap_or_default())
}

fn subpixel(subpixel: SubPixel) -> Subpixel {
    match subpixel {
        SubPixel::HorizontalRgb => Subpixel::HorizontalRgb,
        SubPixel::HorizontalBgr => Subpixel::HorizontalBgr,
        SubPixel::VerticalRgb => Subpixel::VerticalRgb,
        SubPixel::VerticalBgr => Subpixel::VerticalBgr,
        SubPixel::None => Subpixel::None,
        _ => Subpixel::Unknown,
    }
}
