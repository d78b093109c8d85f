//! A scene as damage trackers and display controllers see it.

use smithay::{
    backend::renderer::{
        ImportAll, ImportDma, ImportMem, Renderer,
        element::{
            Element, Id, Kind, RenderElement, UnderlyingStorage, render_elements,
            surface::{WaylandSurfaceRenderElement, render_elements_from_surface_tree},
        },
        utils::{CommitCounter, DamageSet, OpaqueRegions},
    },
    utils::{Buffer, Physical, Point, Rectangle, Scale, Transform},
};
use tracing::debug;

use super::{Content, Layer, Role};
use crate::signs::SignElement;

render_elements! {
    /// Anything that a scene consists of.
    pub(crate) SceneElement<R> where R: ImportAll + ImportMem;
    Surface=Scaled<R>,
    Sign=SignElement<R>,
}

/// A surface with a scale of its own.
///
/// The damage tracker has one scale for all elements. Here guests' surfaces, fitted to their
/// monitor, are beside ordinary windows that follow the output's scale, so each element brings its
/// scale along and the tracker's is ignored.
#[derive(Debug)]
pub(crate) struct Scaled<R: Renderer> {
    element: WaylandSurfaceRenderElement<R>,
    scale: Scale<f64>,
}

/// The elements of a scene, front to back. What can't be imported is left out; the log says so.
pub(super) fn elements<R>(renderer: &mut R, scene: &[Layer]) -> Vec<SceneElement<R>>
where
    R: Renderer + ImportAll + ImportDma + ImportMem,
    R::TextureId: Clone + 'static,
{
    let mut elements = Vec::with_capacity(scene.len());
    for layer in scene {
        let kind = match layer.role {
            Role::Window => Kind::Unspecified,
            Role::Cursor => Kind::Cursor,
        };
        match &layer.content {
            Content::Surface(surface) => {
                let surfaces: Vec<WaylandSurfaceRenderElement<R>> =
                    render_elements_from_surface_tree(
                        renderer,
                        surface,
                        layer.at,
                        layer.scale,
                        1.0,
                        kind,
                    );
                let scale = layer.scale;
                let surfaces = surfaces
                    .into_iter()
                    .map(|element| SceneElement::Surface(Scaled { element, scale }));
                elements.extend(surfaces);
            }
            Content::Sign(sign) => match SignElement::new(renderer, sign, layer.at, kind) {
                Ok(sign) => elements.push(SceneElement::Sign(sign)),
                Err(error) => debug!("Leaving a sign out: {error}"),
            },
        }
    }
    elements
}

impl<R: Renderer + ImportAll> Element for Scaled<R> {
    fn id(&self) -> &Id {
        self.element.id()
    }

    fn current_commit(&self) -> CommitCounter {
        self.element.current_commit()
    }

    fn location(&self, _: Scale<f64>) -> Point<i32, Physical> {
        self.element.location(self.scale)
    }

    fn src(&self) -> Rectangle<f64, Buffer> {
        self.element.src()
    }

    fn transform(&self) -> Transform {
        self.element.transform()
    }

    fn geometry(&self, _: Scale<f64>) -> Rectangle<i32, Physical> {
        self.element.geometry(self.scale)
    }

    fn damage_since(
        &self,
        _: Scale<f64>,
        commit: Option<CommitCounter>,
    ) -> DamageSet<i32, Physical> {
        self.element.damage_since(self.scale, commit)
    }

    fn opaque_regions(&self, _: Scale<f64>) -> OpaqueRegions<i32, Physical> {
        self.element.opaque_regions(self.scale)
    }

    fn alpha(&self) -> f32 {
        self.element.alpha()
    }

    fn kind(&self) -> Kind {
        self.element.kind()
    }
}

impl<R> RenderElement<R> for Scaled<R>
where
    R: Renderer + ImportAll,
    R::TextureId: 'static,
{
    fn draw(
        &self,
        frame: &mut R::Frame<'_, '_>,
        src: Rectangle<f64, Buffer>,
        dst: Rectangle<i32, Physical>,
        damage: &[Rectangle<i32, Physical>],
        opaque_regions: &[Rectangle<i32, Physical>],
    ) -> Result<(), R::Error> {
        // Clients choose sizes and scales that a renderer can't draw, and cut their memory off. That
        // is no reason to draw nothing else.
        if let Err(error) = self.element.draw(frame, src, dst, damage, opaque_regions) {
            debug!("Leaving a surface out: {error}");
        }
        Ok(())
    }

    fn underlying_storage(&self, renderer: &mut R) -> Option<UnderlyingStorage<'_>> {
        self.element.underlying_storage(renderer)
    }
}
