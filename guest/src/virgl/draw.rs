//! What is drawn where: framebuffer, viewport, clearing, vertices.

use super::{
    Stream,
    numbers::{CLEAR_COLOR_0, TRIANGLES, command},
};

/// A corner: its place (x, y, z, w; -1 to 1 across the viewport) and its colour (red, green, blue,
/// alpha; 0 to 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vertex {
    /// Where it is.
    pub place: [f32; 4],
    /// Its colour.
    pub color: [f32; 4],
}

impl Vertex {
    /// Bytes from one to the next in a buffer.
    pub const SIZE: u32 = 32;

    fn words(&self) -> impl Iterator<Item = u32> {
        let all = self.place.into_iter().chain(self.color);
        all.map(f32::to_bits)
    }
}

/// The fields of DRAW_VBO that matter for drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The first vertex.
    pub start: u32,
    /// How many.
    pub count: u32,
    /// What they make: [`TRIANGLES`].
    pub mode: u32,
    /// Whether an index buffer says which.
    pub indexed: bool,
    /// How many times over.
    pub instances: u32,
}

impl Draw {
    /// Triangles of this many vertices.
    #[must_use]
    pub const fn triangles(count: u32) -> Self {
        Self {
            start: 0,
            count,
            mode: TRIANGLES,
            indexed: false,
            instances: 1,
        }
    }
}

impl Stream {
    /// Makes a sub-context, the place where objects live, and goes there.
    pub fn enter_sub_context(&mut self, number: u32) -> &mut Self {
        self.command(command::CREATE_SUB_CTX, 0, &[number]).command(
            command::SET_SUB_CTX,
            0,
            &[number],
        )
    }

    /// Draws into these surfaces from now on, without a depth buffer.
    pub fn set_framebuffer(&mut self, surfaces: &[u32]) -> &mut Self {
        let count = u32::try_from(surfaces.len()).unwrap_or(u32::MAX);
        let mut payload = vec![count, 0];
        payload.extend_from_slice(surfaces);
        self.command(command::SET_FRAMEBUFFER_STATE, 0, &payload)
    }

    /// Draws on all of a surface of so many pixels, y pointing down: the first row of the memory is
    /// the top one.
    pub fn set_viewport(&mut self, width: u16, height: u16) -> &mut Self {
        let (across, down) = (f32::from(width) / 2.0, f32::from(height) / 2.0);
        // The first slot; scale, then shift, of x, y and z.
        let [x, y, half] = [across, down, 0.5].map(f32::to_bits);
        let upside_down = (-down).to_bits();
        self.command(
            command::SET_VIEWPORT_STATE,
            0,
            &[0, x, upside_down, half, x, y, half],
        )
    }

    /// Fills the first surface with a colour (red, green, blue, alpha).
    pub fn clear(&mut self, color: [f32; 4]) -> &mut Self {
        let [red, green, blue, alpha] = color.map(f32::to_bits);
        // Then the depth, 64 bits, and the stencil.
        self.command(
            command::CLEAR,
            0,
            &[CLEAR_COLOR_0, red, green, blue, alpha, 0, 0, 0],
        )
    }

    /// Writes vertices to the start of a buffer.
    pub fn write_vertices(&mut self, buffer: u32, vertices: &[Vertex]) -> &mut Self {
        let words: Vec<u32> = vertices.iter().flat_map(Vertex::words).collect();
        self.write_inline(buffer, &words)
    }

    /// Writes words to the start of a buffer, from within the stream.
    pub fn write_inline(&mut self, buffer: u32, words: &[u32]) -> &mut Self {
        let bytes = u32::try_from(words.len() * 4).unwrap_or(u32::MAX);
        // Level, usage, strides; the box: a buffer is bytes in a row.
        let mut payload = vec![buffer, 0, 0, 0, 0, 0, 0, 0, bytes, 1, 1];
        payload.extend_from_slice(words);
        self.command(command::RESOURCE_INLINE_WRITE, 0, &payload)
    }

    /// Takes vertices from a buffer from now on.
    pub fn set_vertex_buffer(&mut self, buffer: u32) -> &mut Self {
        let payload = [Vertex::SIZE, 0, buffer];
        self.command(command::SET_VERTEX_BUFFERS, 0, &payload)
    }

    /// Draws.
    pub fn draw(&mut self, draw: Draw) -> &mut Self {
        let payload = [
            draw.start,
            draw.count,
            draw.mode,
            draw.indexed.into(),
            draw.instances,
            // Bias of indices, first instance, restarts and their index.
            0,
            0,
            0,
            0,
            // The smallest and the largest index.
            0,
            u32::MAX,
            0,
        ];
        self.command(command::DRAW_VBO, 0, &payload)
    }
}
