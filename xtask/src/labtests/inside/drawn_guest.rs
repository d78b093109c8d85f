//! A guest in user space whose pictures the host draws: it sends streams of virgl commands, and every
//! pixel of what they mean is known.

use std::path::Path;

use anyhow::{Context as _, Result};
use guest::{
    driver::{Driver, DriverOptions, LINUX_FEATURES_3D, Texture},
    virgl::{
        Draw, Stream, Vertex,
        numbers::{FORMAT_B8G8R8X8, bind},
        triangle::{self, Canvas},
    },
};
use protocols::virtio_gpu::{CAPSET_VIRGL2, Rect};

use super::software_guest::{PART, SIZE, part, wait};
use crate::{labtests::picture::Picture, report};

/// The number of steps.
pub const STEPS: u8 = 4;

/// The corners of a rectangle, twice three.
const CORNERS: u32 = 6;

/// What is behind, in each step.
fn background(number: u8) -> [u8; 3] {
    match number {
        0 => [255, 0, 0],
        1 => [0, 51, 255],
        _ => [0, 102, 51],
    }
}

/// The rectangle of the last steps.
fn foreground(number: u8) -> Option<[u8; 3]> {
    match number {
        2 => Some([255, 204, 0]),
        3 => Some([204, 255, 255]),
        _ => None,
    }
}

/// What is to be seen after the step `number`.
pub fn expected(number: u8) -> Picture {
    let (left, top, width, height) = PART;
    let inside = |x, y| (left..left + width).contains(&x) && (top..top + height).contains(&y);
    Picture::from_fn(SIZE.0.into(), SIZE.1.into(), |x, y| {
        match foreground(number) {
            Some(color) if inside(x, y) => color,
            _ => background(number),
        }
    })
}

/// Shows them, one for each file `stepN` in `folder`, on two textures in turn; in the last step only the
/// rectangle is drawn anew, and only that is flushed.
///
/// # Errors
///
/// When the device refuses something.
pub fn run(socket: &Path, folder: &Path) -> Result<()> {
    let options = DriverOptions {
        features: LINUX_FEATURES_3D,
        ..DriverOptions::default()
    };
    let mut driver = Driver::connect(socket, &options)
        .with_context(|| format!("Driving the device at {}", socket.display()))?;
    let context = driver.new_context_id();
    driver.create_context(context, CAPSET_VIRGL2, "drawn guest")?;
    let vertices = driver.new_resource_id();
    let buffer = Texture::buffer(CORNERS * Vertex::SIZE, bind::VERTEX_BUFFER);
    driver.create_3d(vertices, buffer)?;
    driver.attach_resource(context, vertices)?;
    let canvases = [canvas(&mut driver, context)?, canvas(&mut driver, context)?];
    driver.run_3d(context, &triangle::set_up(vertices, &canvases))?;

    let whole = Rect::from_size(SIZE.0.into(), SIZE.1.into());
    for step in 0..STEPS {
        wait(folder, &format!("step{step}"))?;
        // The last step stays on the texture of the one before.
        let index = usize::from(step.min(STEPS - 2) % 2);
        let Some(canvas) = canvases.get(index) else {
            continue;
        };
        let again = step == STEPS - 1;
        driver.run_3d(context, &commands(step, index, vertices, again))?;
        if !again {
            driver.set_scanout(0, canvas.resource, whole)?;
        }
        driver.flush(canvas.resource, if again { part() } else { whole })?;
        report::say(format!("step {step}"));
    }
    wait(folder, "done")
}

fn canvas(driver: &mut Driver, context: u32) -> Result<Canvas> {
    let resource = driver.new_resource_id();
    let screen = Texture::screen(FORMAT_B8G8R8X8, SIZE.0.into(), SIZE.1.into());
    driver.create_3d(resource, screen)?;
    driver.attach_resource(context, resource)?;
    Ok(Canvas {
        resource,
        format: FORMAT_B8G8R8X8,
        width: SIZE.0,
        height: SIZE.1,
    })
}

fn commands(step: u8, canvas: usize, vertices: u32, again: bool) -> Stream {
    let mut stream = Stream::new();
    stream
        .set_framebuffer(&[triangle::surface(canvas)])
        .set_viewport(SIZE.0, SIZE.1);
    if !again {
        stream.clear(floats(background(step)));
    }
    if let Some(color) = foreground(step) {
        stream
            .write_vertices(vertices, &rectangle(floats(color)))
            .draw(Draw::triangles(CORNERS));
    }
    stream
}

/// The part of the picture as two triangles, its edges on those of pixels.
fn rectangle(color: [f32; 4]) -> [Vertex; 6] {
    let across = |x: usize| number(x) / f32::from(SIZE.0) * 2.0 - 1.0;
    let up = |y: usize| 1.0 - number(y) / f32::from(SIZE.1) * 2.0;
    let (left, top, width, height) = PART;
    let (left, right) = (across(left), across(left + width));
    let (top, bottom) = (up(top), up(top + height));
    [
        (left, top),
        (right, top),
        (left, bottom),
        (left, bottom),
        (right, top),
        (right, bottom),
    ]
    .map(|(x, y)| Vertex {
        place: [x, y, 0.0, 1.0],
        color,
    })
}

fn number(value: usize) -> f32 {
    u16::try_from(value).map_or(0.0, f32::from)
}

fn floats([red, green, blue]: [u8; 3]) -> [f32; 4] {
    let [red, green, blue] = [red, green, blue].map(|value| f32::from(value) / 255.0);
    [red, green, blue, 1.0]
}
