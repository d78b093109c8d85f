//! What planes are asked for, and what they made of it: from a scene's elements to the pure rooms
//! [`planes`](super::planes) and [`reasons`](super::reasons).

use smithay::{
    backend::renderer::element::RenderElementPresentationState,
    utils::{Physical, Size, Transform},
};

use super::{
    planes::{Arrangement, KeptOff, PlaneKind},
    reasons::{Seen, Storage, Way},
};
use crate::render::scanout::{Candidate, Pixels, Plane, Scanned};

/// What a plane would be asked to show; `None` for what no plane reads.
pub fn arrangement(candidate: &Candidate, picture: Size<i32, Physical>) -> Option<Arrangement> {
    let Pixels::Dmabuf(format) = candidate.pixels else {
        return None;
    };
    let source = candidate.source.size.to_i32_ceil::<i32>();
    let shown = candidate.shown.size;
    let plane = match candidate.pointer {
        true => PlaneKind::Cursor,
        false if shown == picture => PlaneKind::Primary,
        false => PlaneKind::Overlay,
    };
    Some(Arrangement {
        format,
        source: (source.w, source.h),
        shown: (shown.w, shown.h),
        plane,
    })
}

/// Whether an element is all of the picture, pixel for pixel: what a flip without atomic mode
/// setting can show.
pub fn fills(candidate: &Candidate, picture: Size<i32, Physical>) -> bool {
    candidate.source.loc == Default::default()
        && !is_scaled(candidate)
        && candidate.shown.loc == Default::default()
        && candidate.shown.size == picture
        && candidate.transform == Transform::Normal
}

/// What became of an element.
pub fn seen(
    scanned: &Scanned,
    candidate: &Candidate,
    plane: Option<Plane>,
    kept_off: Option<KeptOff>,
) -> Seen {
    let state = scanned.states.element_render_state(candidate.id.clone());
    let way = match (plane, state.map(|state| state.presentation_state)) {
        (Some(_), _) | (None, Some(RenderElementPresentationState::ZeroCopy)) => Way::Plane,
        (None, None | Some(RenderElementPresentationState::Skipped)) => Way::Hidden,
        (None, Some(RenderElementPresentationState::Rendering { reason })) => {
            Way::Composited(reason)
        }
    };
    Seen {
        geometry: candidate.shown,
        storage: match candidate.pixels {
            Pixels::Dmabuf(_) => Storage::Dmabuf,
            Pixels::Shared => Storage::Shared,
            Pixels::Colour => Storage::Other,
        },
        scaled: is_scaled(candidate),
        turned: candidate.transform != Transform::Normal,
        pointer: candidate.pointer,
        kept_off,
        way,
    }
}

fn is_scaled(candidate: &Candidate) -> bool {
    let (source, shown) = (candidate.source.size, candidate.shown.size);
    (source.w, source.h) != (f64::from(shown.w), f64::from(shown.h))
}
