//! A sign as renderers and damage trackers see it.

use std::fmt;

use smithay::{
    backend::renderer::{
        Frame as _, ImportDma, ImportMem, Renderer,
        element::{Element, Id, Kind, RenderElement, UnderlyingStorage},
        utils::{CommitCounter, OpaqueRegions},
    },
    utils::{Buffer, Physical, Point, Rectangle, Scale, Transform},
};
use tracing::debug;

use super::Sign;

/// A sign somewhere on an output, pixel for pixel.
pub struct SignElement<R: Renderer> {
    sign: Sign,
    at: Point<i32, Physical>,
    kind: Kind,
    texture: R::TextureId,
}

impl<R: Renderer> fmt::Debug for SignElement<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignElement")
            .field("sign", &self.sign)
            .field("at", &self.at)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl<R> SignElement<R>
where
    R: Renderer + ImportDma + ImportMem,
    R::TextureId: Clone + 'static,
{
    /// A sign with its top left corner at a place, in the picture's pixels.
    ///
    /// # Errors
    /// The renderer has no memory left for it.
    pub fn new(
        renderer: &mut R,
        sign: &Sign,
        at: Point<i32, Physical>,
        kind: Kind,
    ) -> Result<Self, R::Error> {
        Ok(Self {
            texture: sign.texture(renderer)?,
            sign: sign.clone(),
            at,
            kind,
        })
    }
}

impl<R: Renderer> Element for SignElement<R> {
    fn id(&self) -> &Id {
        self.sign.id()
    }

    fn current_commit(&self) -> CommitCounter {
        self.sign.commit()
    }

    fn src(&self) -> Rectangle<f64, Buffer> {
        let size = self.sign.size().to_logical(1);
        Rectangle::from_size(size.to_buffer(1, Transform::Normal).to_f64())
    }

    fn geometry(&self, _: Scale<f64>) -> Rectangle<i32, Physical> {
        Rectangle::new(self.at, self.sign.size())
    }

    fn opaque_regions(&self, _: Scale<f64>) -> OpaqueRegions<i32, Physical> {
        if self.sign.is_opaque() {
            OpaqueRegions::from_slice(&[Rectangle::from_size(self.sign.size())])
        } else {
            OpaqueRegions::default()
        }
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

impl<R: Renderer> RenderElement<R> for SignElement<R> {
    fn draw(
        &self,
        frame: &mut R::Frame<'_, '_>,
        src: Rectangle<f64, Buffer>,
        dst: Rectangle<i32, Physical>,
        damage: &[Rectangle<i32, Physical>],
        opaque_regions: &[Rectangle<i32, Physical>],
    ) -> Result<(), R::Error> {
        let drawn = frame.render_texture_from_to(
            &self.texture,
            src,
            dst,
            damage,
            opaque_regions,
            Transform::Normal,
            1.0,
        );
        // A sign that is missing is no reason to draw nothing else.
        if let Err(error) = drawn {
            debug!("Leaving a sign out: {error}");
        }
        Ok(())
    }

    fn underlying_storage(&self, _: &mut R) -> Option<UnderlyingStorage<'_>> {
        Some(self.sign.storage())
    }
}
