//! A coloured triangle: the streams that set a context up for it and that draw it.

use super::{
    Draw, Stream, Vertex,
    numbers::{SHADER_FRAGMENT, SHADER_VERTEX, object},
};

const VERTEX_SHADER: &str = "VERT\n\
    DCL IN[0]\n\
    DCL IN[1]\n\
    DCL OUT[0], POSITION\n\
    DCL OUT[1], COLOR\n\
    0: MOV OUT[0], IN[0]\n\
    1: MOV OUT[1], IN[1]\n\
    2: END\n";

const FRAGMENT_SHADER: &str = "FRAG\n\
    DCL IN[0], COLOR, LINEAR\n\
    DCL OUT[0], COLOR\n\
    0: MOV OUT[0], IN[0]\n\
    1: END\n";

/// The objects' numbers; surfaces come after them.
const BLEND: u32 = 1;
const DEPTH: u32 = 2;
const RASTERIZER: u32 = 3;
const ELEMENTS: u32 = 4;
const VERTEX: u32 = 5;
const FRAGMENT: u32 = 6;
const FIRST_SURFACE: u32 = 10;

/// A texture that the triangle is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// The texture, attached to the context.
    pub resource: u32,
    /// Its format, such as [`FORMAT_B8G8R8X8`](super::numbers::FORMAT_B8G8R8X8).
    pub format: u32,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

/// Prepares a context to draw triangles from the vertex buffer `vertices`, on each of the textures.
#[must_use]
pub fn set_up(vertices: u32, canvases: &[Canvas]) -> Stream {
    let mut stream = Stream::new();
    stream
        .enter_sub_context(1)
        .create_blend(BLEND)
        .bind(object::BLEND, BLEND)
        .create_depth_stencil_alpha(DEPTH)
        .bind(object::DSA, DEPTH)
        .create_rasterizer(RASTERIZER)
        .bind(object::RASTERIZER, RASTERIZER)
        .create_vertex_elements(ELEMENTS, 2)
        .bind(object::VERTEX_ELEMENTS, ELEMENTS)
        .create_shader(VERTEX, SHADER_VERTEX, VERTEX_SHADER)
        .bind_shader(VERTEX, SHADER_VERTEX)
        .create_shader(FRAGMENT, SHADER_FRAGMENT, FRAGMENT_SHADER)
        .bind_shader(FRAGMENT, SHADER_FRAGMENT)
        .set_vertex_buffer(vertices);
    for (index, canvas) in canvases.iter().enumerate() {
        stream.create_surface(surface(index), canvas.resource, canvas.format);
    }
    stream
}

/// The surface of a canvas; they are counted from 0 as [`set_up`] was given them.
#[must_use]
pub fn surface(canvas: usize) -> u32 {
    u32::try_from(canvas).map_or(u32::MAX, |canvas| FIRST_SURFACE.saturating_add(canvas))
}

/// Clears a canvas and draws a triangle on it, turned by so many degrees. `canvas` counts those that
/// [`set_up`] was given, from 0.
#[must_use]
pub fn frame(
    canvas: usize,
    on: &Canvas,
    vertices: u32,
    background: [f32; 4],
    degrees: f32,
) -> Stream {
    let mut stream = Stream::new();
    stream
        .set_framebuffer(&[surface(canvas)])
        .set_viewport(on.width, on.height)
        .clear(background)
        .write_vertices(vertices, &corners(degrees))
        .draw(Draw::triangles(3));
    stream
}

/// Red, green and blue, the first of them at the top when nothing is turned.
#[must_use]
pub fn corners(degrees: f32) -> [Vertex; 3] {
    let colors = [
        [1.0, 0.0, 0.0, 1.0],
        [0.0, 1.0, 0.0, 1.0],
        [0.0, 0.0, 1.0, 1.0],
    ];
    let mut angle = degrees.to_radians();
    colors.map(|color| {
        let (x, y) = angle.sin_cos();
        angle += std::f32::consts::TAU / 3.0;
        Vertex {
            place: [x * 0.8, y * 0.8, 0.0, 1.0],
            color,
        }
    })
}
