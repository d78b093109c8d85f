//! Scenes that are one client's buffer and nothing else, so that nothing has to be drawn.

use smithay::{
    backend::renderer::{
        BufferType, buffer_type,
        element::{Id, RenderElementPresentationState, RenderElementState, RenderElementStates},
        utils::{Buffer, CommitCounter, RendererSurfaceState, RendererSurfaceStateUserData},
    },
    utils::{Physical, Point, Rectangle, Scale, Size, Transform},
};

use super::{Content, Layer};

/// A buffer that is all of a scene, pixel for pixel. While this exists the client does not get the
/// buffer back.
#[derive(Debug)]
pub(crate) struct Direct {
    surface: Id,
    buffer: Buffer,
    commit: CommitCounter,
}

impl Direct {
    /// The buffer that a scene of this size is; `None` where it has to be drawn.
    ///
    /// That is asked as a display controller asks it: an opaque surface covers everything, neither
    /// scaled nor turned, and nothing lies above it.
    pub(crate) fn of(size: Size<i32, Physical>, scene: &[Layer]) -> Option<Self> {
        for layer in scene {
            let Content::Surface(_) = layer.content else {
                return None;
            };
            let (mut mapped, mut found) = (0, None);
            layer.for_each_surface(|surface, states| {
                let state = states.data_map.get::<RendererSurfaceStateUserData>();
                let Some(Ok(state)) = state.map(|state| state.lock()) else {
                    return;
                };
                if state.view().is_none() {
                    return;
                }
                mapped += 1;
                let buffer = state.buffer().filter(|_| covers(&state, layer, size));
                found = buffer
                    .filter(|buffer| has_pixels(buffer))
                    .map(|buffer| Self {
                        surface: Id::from_wayland_resource(surface),
                        buffer: buffer.clone(),
                        commit: state.current_commit(),
                    });
            });
            match mapped {
                // Nothing of it is to be seen.
                0 => {}
                1 => return found,
                _ => return None,
            }
        }
        None
    }

    /// Whether it shows the same pixels as another one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.surface, self.commit) == (&other.surface, other.commit)
            && *self.buffer == *other.buffer
    }

    /// What became of the surfaces of its scene: this one is seen, and no other.
    pub(crate) fn states(&self, size: Size<i32, Physical>) -> RenderElementStates {
        let side = |length: i32| usize::try_from(length).unwrap_or(0);
        let state = RenderElementState {
            visible_area: side(size.w).saturating_mul(side(size.h)),
            presentation_state: RenderElementPresentationState::ZeroCopy,
        };
        RenderElementStates {
            states: [(self.surface.clone(), state)].into(),
        }
    }
}

/// Whether a surface of a layer covers all of a picture with pixels of its own size.
fn covers(state: &RendererSurfaceState, layer: &Layer, size: Size<i32, Physical>) -> bool {
    let Some(view) = state.view() else {
        return false;
    };
    let whole = Rectangle::from_size(view.dst);
    let is_opaque = state
        .opaque_regions()
        .is_some_and(|regions| regions.iter().any(|region| region.contains_rect(whole)));
    let shown = view.dst.to_f64().to_physical(layer.scale);
    let pixels = view
        .src
        .size
        .to_physical(Scale::from(f64::from(state.buffer_scale())));
    is_opaque
        && state.buffer_transform() == Transform::Normal
        && (layer.at, view.offset) == (Point::default(), Point::default())
        && (shown, pixels) == (size.to_f64(), size.to_f64())
}

/// Whether a buffer has pixels that could be read by whatever shows them.
fn has_pixels(buffer: &Buffer) -> bool {
    matches!(buffer_type(buffer), Some(BufferType::Shm | BufferType::Dma))
}
