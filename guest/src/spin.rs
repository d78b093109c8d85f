//! A spinning triangle on a screen with two buffers, drawn by the host's renderer: what a full-screen
//! OpenGL program does to the device.
//!
//! Draws as Mesa's virgl driver does and flips as Linux does: the frame's fence is waited for, then the
//! scanout is set to the other buffer and flushed (`virtio_gpu_primary_plane_update`; the wait is
//! `drm_gem_plane_helper_prepare_fb`'s).

use protocols::virtio_gpu::{CAPSET_VIRGL2, F_CONTEXT_INIT, Rect};

use crate::{
    driver::{Driver, DriverError, Texture, Ticket, Timeline},
    virgl::{
        Draw, Stream, Vertex,
        numbers::{FORMAT_B8G8R8X8, bind},
        triangle::{self, Canvas},
    },
};

/// Degrees from one frame to the next.
const STEP: f32 = 6.0;

/// What is behind the triangle.
pub const BACKGROUND: [f32; 4] = [0.0, 0.0, 0.4, 1.0];

/// A context with its two buffers.
#[derive(Debug)]
pub struct Spin {
    scanout: u32,
    context: u32,
    vertices: u32,
    canvases: [Canvas; 2],
    /// Frames drawn.
    frames: u32,
}

impl Spin {
    /// Makes a context and two screens of a size, and prepares to draw. Nothing is shown yet.
    ///
    /// # Errors
    /// The device has no 3D, or refuses.
    pub fn new(
        driver: &mut Driver,
        scanout: u32,
        (width, height): (u16, u16),
    ) -> Result<Self, DriverError> {
        let context = driver.new_context_id();
        let capset = if driver.has(F_CONTEXT_INIT) {
            CAPSET_VIRGL2
        } else {
            0
        };
        driver.create_context(context, capset, "spin")?;
        let vertices = driver.new_resource_id();
        driver.create_3d(
            vertices,
            Texture::buffer(3 * Vertex::SIZE, bind::VERTEX_BUFFER),
        )?;
        driver.attach_resource(context, vertices)?;
        let mut canvas = || -> Result<Canvas, DriverError> {
            let resource = driver.new_resource_id();
            let screen = Texture::screen(FORMAT_B8G8R8X8, width.into(), height.into());
            driver.create_3d(resource, screen)?;
            driver.attach_resource(context, resource)?;
            Ok(Canvas {
                resource,
                format: FORMAT_B8G8R8X8,
                width,
                height,
            })
        };
        let canvases = [canvas()?, canvas()?];
        driver.run_3d(context, &triangle::set_up(vertices, &canvases))?;
        Ok(Self {
            scanout,
            context,
            vertices,
            canvases,
            frames: 0,
        })
    }

    /// Its context.
    #[must_use]
    pub fn context(&self) -> u32 {
        self.context
    }

    /// The texture that the next frame is drawn on.
    #[must_use]
    pub fn back(&self) -> u32 {
        self.next().1.resource
    }

    /// The commands of the next frame, its triangle drawn `times` over: the more, the longer the
    /// renderer is at it.
    #[must_use]
    pub fn commands(&self, times: u32) -> Stream {
        let (index, canvas) = self.next();
        let degrees = f32::from(u16::try_from(self.frames % 60).unwrap_or(0)) * STEP;
        let mut stream = triangle::frame(index, &canvas, self.vertices, BACKGROUND, degrees);
        for _ in 1..times {
            stream.draw(Draw::triangles(3));
        }
        stream
    }

    /// Has the next frame drawn; the ticket is answered when it is. Does not wait.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn draw(&self, driver: &mut Driver, times: u32) -> Result<Ticket, DriverError> {
        driver.submit_3d(self.context, &self.commands(times), Timeline::Device)
    }

    /// Shows the frame that was drawn; the ticket is answered when the host has shown it. Does not wait.
    ///
    /// # Errors
    /// The device refuses, or the queue stays full.
    pub fn show(&mut self, driver: &mut Driver) -> Result<Ticket, DriverError> {
        let canvas = self.next().1;
        let whole = Rect::from_size(canvas.width.into(), canvas.height.into());
        self.frames += 1;
        driver.set_scanout(self.scanout, canvas.resource, whole)?;
        driver.flush_fenced(canvas.resource, whole)
    }

    /// Draws a frame, waits until it is drawn, and shows it.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn frame(&mut self, driver: &mut Driver) -> Result<Ticket, DriverError> {
        driver.run_3d(self.context, &self.commands(1))?;
        self.show(driver)
    }

    /// Frames shown.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// Destroys the context and its resources, whatever became of them.
    ///
    /// # Errors
    /// The device does not answer; that it refuses is no error, since a renderer may have died.
    pub fn destroy(self, driver: &mut Driver) -> Result<(), DriverError> {
        tolerate(driver.destroy_context(self.context))?;
        for canvas in self.canvases {
            tolerate(driver.unref(canvas.resource))?;
        }
        tolerate(driver.unref(self.vertices))
    }

    fn next(&self) -> (usize, Canvas) {
        let [first, second] = self.canvases;
        match self.frames % 2 {
            0 => (0, first),
            _ => (1, second),
        }
    }
}

fn tolerate(result: Result<(), DriverError>) -> Result<(), DriverError> {
    match result {
        Err(DriverError::Refused { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use protocols::virtio_gpu::Command;

    use super::*;
    use crate::{driver::DriverOptions, testing::TestDevice};

    #[test]
    fn frames_are_drawn_and_shown_on_two_textures_in_turn() {
        let device = TestDevice::new();
        let mut driver = Driver::connect(&device.socket, &DriverOptions::default()).unwrap();
        let mut spin = Spin::new(&mut driver, 0, (64, 32)).unwrap();
        let prepared = device.commands().len();
        for _ in 0..3 {
            let ticket = spin.frame(&mut driver).unwrap();
            let patience = driver.options().timeout;
            driver.wait(ticket, patience).unwrap().done().unwrap();
        }
        let shown: Vec<_> = device
            .commands()
            .into_iter()
            .skip(prepared)
            .filter_map(|command| match command {
                Command::SetScanout { resource_id, .. } => Some(("set", resource_id)),
                Command::ResourceFlush { resource_id, .. } => Some(("flush", resource_id)),
                Command::Submit3d { .. } => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("set", 2),
                ("flush", 2),
                ("set", 3),
                ("flush", 3),
                ("set", 2),
                ("flush", 2)
            ]
        );
        spin.destroy(&mut driver).unwrap();
    }

    #[test]
    fn a_longer_frame_has_more_commands_but_the_same_picture() {
        let device = TestDevice::new();
        let mut driver = Driver::connect(&device.socket, &DriverOptions::default()).unwrap();
        let spin = Spin::new(&mut driver, 0, (64, 32)).unwrap();
        let (short, long) = (spin.commands(1), spin.commands(3));
        assert!(long.words().starts_with(short.words()));
        assert_eq!(long.words().len() - short.words().len(), 2 * 13);
    }
}
