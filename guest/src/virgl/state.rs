//! Objects that a context keeps under numbers of the guest's choice: made, then bound.

use super::{
    Stream,
    numbers::{FORMAT_R32G32B32A32_FLOAT, command, object},
    text_words,
};

/// Of tokens in a shader, where nobody has counted: the renderer reserves memory for so many.
const TOKENS: u32 = 300;

/// All four channels of a colour.
const ALL_CHANNELS: u32 = 0xf << 27;

/// Points lie in the middle of a pixel, as OpenGL and Gallium have it.
const HALF_PIXEL_CENTER: u32 = 1 << 29;

/// Depth is clipped.
const DEPTH_CLIP: u32 = 1 << 1;

impl Stream {
    /// A view of the first level and layer of a texture, to draw into.
    pub fn create_surface(&mut self, handle: u32, resource: u32, format: u32) -> &mut Self {
        self.create(object::SURFACE, handle, &[resource, format, 0, 0])
    }

    /// What is drawn replaces what is there.
    pub fn create_blend(&mut self, handle: u32) -> &mut Self {
        // Two words of switches, all off, then a word for each of eight colour buffers.
        self.create(
            object::BLEND,
            handle,
            &[0, 0, ALL_CHANNELS, 0, 0, 0, 0, 0, 0, 0],
        )
    }

    /// Depth and stencil are not looked at.
    pub fn create_depth_stencil_alpha(&mut self, handle: u32) -> &mut Self {
        self.create(object::DSA, handle, &[0; 4])
    }

    /// Triangles are filled, whichever way they face.
    pub fn create_rasterizer(&mut self, handle: u32) -> &mut Self {
        let one = 1.0f32.to_bits();
        let switches = HALF_PIXEL_CENTER | DEPTH_CLIP;
        // Size of points, sprites, stipples, width of lines, three of offsets.
        self.create(
            object::RASTERIZER,
            handle,
            &[switches, one, 0, 0, one, 0, 0, 0],
        )
    }

    /// A shader of a type such as [`SHADER_VERTEX`](super::numbers::SHADER_VERTEX), as TGSI text.
    pub fn create_shader(&mut self, handle: u32, kind: u32, text: &str) -> &mut Self {
        let length = u32::try_from(text.len() + 1).unwrap_or(u32::MAX);
        // The length counts the text with its zero; no streams of what comes out.
        let mut payload = vec![kind, length, TOKENS, 0];
        payload.extend(text_words(text));
        self.create(object::SHADER, handle, &payload)
    }

    /// Vertices of four floats for each of `count` inputs, one after the other in the first buffer.
    pub fn create_vertex_elements(&mut self, handle: u32, count: u32) -> &mut Self {
        // Each: offset in bytes, divisor of instances, number of the buffer, format.
        let payload: Vec<u32> = (0..count)
            .flat_map(|input| [input * 16, 0, 0, FORMAT_R32G32B32A32_FLOAT])
            .collect();
        self.create(object::VERTEX_ELEMENTS, handle, &payload)
    }

    /// Makes an object of any type.
    pub fn create(&mut self, kind: u32, handle: u32, fields: &[u32]) -> &mut Self {
        let mut payload = vec![handle];
        payload.extend_from_slice(fields);
        self.command(command::CREATE_OBJECT, kind, &payload)
    }

    /// Has an object used from now on.
    pub fn bind(&mut self, kind: u32, handle: u32) -> &mut Self {
        self.command(command::BIND_OBJECT, kind, &[handle])
    }

    /// Has a shader used from now on.
    pub fn bind_shader(&mut self, handle: u32, kind: u32) -> &mut Self {
        self.command(command::BIND_SHADER, 0, &[handle, kind])
    }

    /// Destroys an object.
    pub fn destroy(&mut self, kind: u32, handle: u32) -> &mut Self {
        self.command(command::DESTROY_OBJECT, kind, &[handle])
    }
}
