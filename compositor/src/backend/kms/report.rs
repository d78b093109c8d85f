//! What is on which plane now, by the kernel's own word.

use smithay::{
    backend::{allocator::Fourcc, drm::PlaneInfo},
    reexports::drm::control::{Device as _, PlaneType},
};

use super::{
    connectors::value, framebuffers::Framebuffers, planes::PlaneKind, record::Owner, screen::Screen,
};

/// Whose picture a plane shows.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaneOwner {
    /// That of a client, or of the compositor.
    Of(Owner),
    /// The composed picture.
    Composed,
    /// Something of before, or of a client that is gone.
    Unknown,
}

/// A plane that shows something.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneReport {
    /// Its kind.
    pub kind: PlaneKind,
    /// The kernel's number of its framebuffer.
    pub framebuffer: u32,
    /// The framebuffer's format, as `XR24`; `None` if it is not ours.
    pub format: Option<Fourcc>,
    /// The framebuffer's width and height in pixels.
    pub size: (u32, u32),
    /// Where its top left corner is on the monitor, in pixels.
    pub position: (i32, i32),
    /// Whose it is.
    pub owner: PlaneOwner,
}

/// The planes of a screen that show something, the lowest first.
#[must_use]
pub fn planes(screen: &Screen, framebuffers: &Framebuffers) -> Vec<PlaneReport> {
    let surface = screen.surface();
    let others = surface.planes();
    let (overlays, cursors) = (others.overlay.iter(), others.cursor.iter());
    let primary = [surface.plane_info()].into_iter();
    let mut planes: Vec<&PlaneInfo> = primary.chain(overlays).chain(cursors).collect();
    planes.sort_by_key(|plane| plane.zpos.unwrap_or_default());
    planes
        .into_iter()
        .filter_map(|plane| report(screen, plane, framebuffers))
        .collect()
}

fn report(screen: &Screen, plane: &PlaneInfo, framebuffers: &Framebuffers) -> Option<PlaneReport> {
    let card = screen.surface();
    let shows = card.get_plane(plane.handle).ok()?;
    if shows.crtc() != Some(screen.crtc) {
        return None;
    }
    let framebuffer = shows.framebuffer()?;
    let known = framebuffers.get(framebuffer);
    // Properties hold signed numbers in 64 bits, and lengths within buffers as 16.16.
    let position = |name| {
        let value = value(card, plane.handle, name).unwrap_or_default();
        i32::try_from(value.cast_signed()).unwrap_or_default()
    };
    let length = |name| {
        let value = value(card, plane.handle, name).unwrap_or_default() >> 16;
        u32::try_from(value).unwrap_or_default()
    };
    let kind = match plane.type_ {
        PlaneType::Primary => PlaneKind::Primary,
        PlaneType::Overlay => PlaneKind::Overlay,
        PlaneType::Cursor => PlaneKind::Cursor,
    };
    let owner = match (&known, kind) {
        (Some(known), _) => match &known.buffer {
            Some(buffer) => screen.record.owner_of(buffer).map(PlaneOwner::Of),
            None => Some(PlaneOwner::Composed),
        },
        // smithay copies the pointer into a buffer of its own.
        (None, PlaneKind::Cursor) => screen.record.pointer().map(PlaneOwner::Of),
        (None, _) => None,
    };
    Some(PlaneReport {
        kind,
        framebuffer: framebuffer.into(),
        format: match (&known, kind) {
            (Some(known), _) => Some(known.format.code),
            (None, PlaneKind::Cursor) => Some(Fourcc::Argb8888),
            (None, _) => None,
        },
        size: match known {
            Some(known) => known.size,
            None => (length("SRC_W"), length("SRC_H")),
        },
        position: (position("CRTC_X"), position("CRTC_Y")),
        owner: owner.unwrap_or(PlaneOwner::Unknown),
    })
}
