//! What hands do reaches the right client with the right numbers, and nobody else.

mod image;
mod keyboard;
mod pointer;
mod positions;
mod sleep;
mod storm;

use compositor::backend::OutputOptions;
use compositor::render::RendererChoice;

use crate::{
    client::{Bgrx, Ears, Window},
    fixture::{ClientId, Fixture, output},
};

const RED: Bgrx = [0, 0, 255, 0];

/// A client with a window, which listens to everything.
struct Listener {
    id: ClientId,
    window: Window,
    ears: Ears,
}

impl Listener {
    /// An ordinary client's window of this size, at the top left if it is the first one.
    fn new(fixture: &mut Fixture, size: (u32, u32)) -> Self {
        let id = fixture.add_client();
        let window = fixture.client(id).window();
        Self::show(fixture, id, window, size)
    }

    /// A guest's virtual monitor.
    fn guest(fixture: &mut Fixture, name: &str, scanout: u8, size: (u32, u32)) -> Self {
        let id = fixture.add_guest(name);
        let window = fixture.client(id).scanout(scanout);
        Self::show(fixture, id, window, size)
    }

    fn show(fixture: &mut Fixture, id: ClientId, window: Window, size: (u32, u32)) -> Self {
        let ears = fixture.client(id).listen();
        fixture.round_trip(id);
        let client = fixture.client(id);
        let buffer = client.plain_buffer(size, RED);
        client.present(&window.surface, &buffer);
        fixture.round_trip(id);
        let listener = Self { id, window, ears };
        listener.hears(fixture);
        listener
    }

    /// What it heard since this was asked last.
    fn hears(&self, fixture: &mut Fixture) -> Vec<String> {
        fixture.round_trip(self.id);
        fixture.client(self.id).heard()
    }

    /// What it heard, without what comes after each group of events.
    fn hears_of(&self, fixture: &mut Fixture, what: &str) -> Vec<String> {
        let mut heard = self.hears(fixture);
        heard.retain(|line| line.starts_with(what));
        heard
    }
}

fn two_monitors() -> Fixture {
    let right = OutputOptions {
        scale: 2.0,
        ..output("HEADLESS-2", 400, 300)
    };
    let outputs = vec![output("HEADLESS-1", 256, 192), right];
    Fixture::with(RendererChoice::Pixman, outputs)
}
