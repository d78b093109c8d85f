//! What clients are told about buffers for a monitor: which kinds of them its planes can show.

use smithay::{
    backend::allocator::Format,
    reexports::wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_feedback_v1::TrancheFlags,
    wayland::{
        compositor::SurfaceData,
        dmabuf::{DmabufFeedback, DmabufFeedbackBuilder, SurfaceDmabufFeedbackState},
    },
};
use tracing::warn;

/// Feedback that prefers what planes show. `main` is the device and formats of the renderer,
/// `card` those of the display controller.
#[must_use]
pub fn feedback(main: (u64, &[Format]), card: (u64, &[Format])) -> Option<DmabufFeedback> {
    // What no plane shows can still be drawn; what can't be drawn must not be offered at all.
    let both = card.1.iter().filter(|format| main.1.contains(format));
    let built = DmabufFeedbackBuilder::new(main.0, main.1.iter().copied())
        .add_preference_tranche(card.0, Some(TrancheFlags::Scanout), both.copied())
        .build();
    match built {
        Ok(feedback) => Some(feedback),
        Err(error) => {
            warn!("Clients are not told what planes show: {error}");
            None
        }
    }
}

/// Tells a surface's client, if it asked and does not know yet.
pub fn tell(surface: &SurfaceData, feedback: &DmabufFeedback) {
    if let Some(state) = SurfaceDmabufFeedbackState::from_states(surface) {
        state.set_feedback(feedback);
    }
}
