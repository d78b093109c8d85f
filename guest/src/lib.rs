//! A software guest: drivers of virtio-gpu and virtio-input in user space that speak vhost-user as
//! the front-end.
//!
//! It plays the VMM and the guest's kernel at once, and is the other end of the tests, of the
//! demo and of the benchmark. It knows the bytes of `protocols` and nothing of the device's code.
//!
//! From the bottom up: [`ram`] is the guest's memory, [`virtqueue`] a queue in it, [`frontend`]
//! the VMM, [`driver`] the kernel's driver of the GPU, [`input`] that of a keyboard or a pointer,
//! [`kms`] what Linux's DRM does with the GPU, [`habit`] what other guests do, [`virgl`] what an OpenGL
//! driver writes and [`spin`] what it draws, [`card`] and [`pattern`] pictures to show, [`demo`] all of it
//! together.
//!
//! ```no_run
//! use guest::{driver::{Driver, DriverOptions}, kms::{Screen, ScreenOptions}, pattern};
//! use protocols::virtio_gpu::Format;
//!
//! # fn main() -> Result<(), guest::driver::DriverError> {
//! let mut driver = Driver::connect("/run/user/1000/gpu.sock".as_ref(), &DriverOptions::default())?;
//! let mut screen = Screen::new(&mut driver, 0, (1280, 800), ScreenOptions::default())?;
//! let ticket = screen.flip(&mut driver, &pattern::image(Format::Bgrx8888, 1280, 800, 1))?;
//! screen.wait(&mut driver, ticket)?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod card;
pub mod demo;
pub mod driver;
pub mod frontend;
pub mod habit;
pub mod input;
pub mod kms;
pub mod pattern;
pub mod ram;
pub mod spin;
pub mod virgl;
pub mod virtqueue;

pub use demo::{DemoOptions, DemoReport, run_demo};

#[cfg(test)]
mod testing;
