//! Doing what the redraw state machines say: composing outputs, and telling clients at the vblank.

use std::{mem, time::Duration};

use smithay::{
    reexports::wayland_server::protocol::wl_surface::WlSurface, wayland::presentation::Refresh,
};
use tracing::{debug, trace, warn};

use super::{Composition, Due, Vblank};
use crate::{
    backend::{HostOutput, OutputId, now},
    render::{Composed, Layer, RenderError, Shown, Work},
    state::State,
};

impl State {
    /// Something on an output changed.
    pub fn queue_redraw(&mut self, output: OutputId) {
        if let Some(output) = self.outputs.get_mut(output) {
            output.redraw.queue(now());
        }
    }

    /// Something changed, and it is not known where.
    pub fn queue_redraw_all(&mut self) {
        let now = now();
        for (_, output) in self.outputs.iter_mut() {
            output.redraw.queue(now);
        }
    }

    /// A surface has committed. Outputs that waited for nobody else wait no longer.
    pub(crate) fn surface_arrived(&mut self, surface: &WlSurface) {
        for (_, output) in self.outputs.iter_mut() {
            if output.frame.arrived(surface) {
                output.redraw.all_here(now());
            }
        }
    }

    /// A display has flipped to the last composed picture of an output: at this time on
    /// `CLOCK_MONOTONIC`, zero if the driver has no such clock, and at the vblank of this number.
    /// Flips that nobody waits for, because they were given up, are ignored.
    pub fn flipped(&mut self, id: OutputId, at: Duration, sequence: u64) {
        let now = now();
        if let Some(output) = self.outputs.get_mut(id) {
            match output.redraw.flipped(now, at, sequence) {
                Some(vblank) => {
                    output.lost = 0;
                    output.presented(vblank);
                    self.backend.presented(id);
                }
                None => debug!("{} flipped out of turn", output.name()),
            }
        }
        self.settle_frames();
    }

    /// Nothing can be shown for now: the seat is somebody else's, or the screens are off. Clients
    /// get no more vblanks; their surfaces are as good as covered.
    pub fn pause(&mut self) {
        self.paused = true;
        let now = now();
        for (_, output) in self.outputs.iter_mut() {
            output.redraw.pause();
            output.frame.give_up(now);
        }
        self.settle();
    }

    /// What is on the outputs can be seen again. All are composed at once.
    pub fn resume(&mut self) {
        self.paused = false;
        let now = now();
        for (_, output) in self.outputs.iter_mut() {
            output.redraw.resume(now);
        }
        self.settle();
    }

    /// The outputs' timer may have gone off.
    pub(crate) fn serve_timer(&mut self) {
        if self.timer.take() {
            self.timer_went_off();
        }
    }

    /// The time that some output waits for has come.
    pub(crate) fn timer_went_off(&mut self) {
        self.timer.went_off();
        let mut next = self.outputs.first();
        while let Some(id) = next {
            self.output_due(id);
            next = self.outputs.after(id);
        }
        self.hidden.answer(now());
        self.departed.forget(self.clients.display(), now());
        self.settle_frames();
    }

    /// When [`State::timer_went_off`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let outputs = self.outputs.iter();
        outputs
            .filter_map(|(_, output)| output.redraw.deadline())
            .chain(self.hidden.deadline())
            .chain(self.departed.deadline())
            .min()
    }

    fn output_due(&mut self, id: OutputId) {
        while let Some(output) = self.outputs.get_mut(id) {
            match output.redraw.due(now()) {
                Some(Due::Compose) => self.compose(id),
                Some(Due::Vblank(vblank)) => {
                    if output.vblank(vblank) {
                        self.backend.presented(id);
                    }
                }
                Some(Due::Lost) => output.flip_lost(),
                None => break,
            }
        }
    }

    fn compose(&mut self, id: OutputId) {
        let started = now();
        let mut scene = mem::take(&mut self.scene);
        self.fill_scene(id, &mut scene);
        self.compose_scene(id, &scene, started);
        // Emptied at once: surfaces and buffers must not be held until the next frame.
        scene.clear();
        self.scene = scene;
    }

    fn compose_scene(&mut self, id: OutputId, scene: &[Layer], started: Duration) {
        let Some(output) = self.outputs.get_mut(id) else {
            return;
        };
        let size = output.size();
        let composed = self.backend.compose(id, &mut self.renderer, size, scene);
        let mut composition = Composition {
            started,
            finished: started,
            shown: Shown::AtVblank,
            fresh: false,
            complete: true,
        };
        match composed {
            Ok(composed) => {
                composition.shown = composed.shown;
                composition.fresh = composed.work != Work::None || composed.shown == Shown::Flip;
                composition.complete = composed.sync.is_reached();
                output.undrawn = 0;
                output.count(&composed);
                let (frame, seen) = (&mut output.frame, &output.output);
                frame.collect(scene, &composed, seen, &mut self.hidden, now());
            }
            Err(error) => output.not_drawn(&error),
        }
        composition.finished = now();
        output.redraw.composed(&composition);
        let took = composition.finished.saturating_sub(started);
        trace!(output = output.name(), ?took, "Composed");
    }
}

impl HostOutput {
    fn count(&mut self, composed: &Composed) {
        match composed.work {
            Work::None => {}
            Work::Direct => self.counted.direct += 1,
            Work::Drawn => self.counted.composited += 1,
        }
    }

    /// The clock has reached the vblank that a composed picture waits for. Whether it shows it.
    fn vblank(&mut self, vblank: Vblank) -> bool {
        let complete = self.frame.is_complete();
        if complete {
            self.presented(vblank);
        } else {
            self.redraw.missed_vblank(now());
        }
        complete
    }

    fn presented(&mut self, vblank: Vblank) {
        let period = self.redraw.clock().period();
        let refresh = match self.redraw.vrr() {
            true => Refresh::variable(period),
            false => Refresh::fixed(period),
        };
        if self.frame.presented(&self.output, refresh, vblank) {
            self.redraw.wait_for_clients();
        }
    }

    // A driver that fails at every frame is not to fill the log.

    fn not_drawn(&mut self, error: &RenderError) {
        self.undrawn += 1;
        match self.undrawn {
            1 => warn!("Output {}: {error}", self.name()),
            times => debug!("Output {}, {times} times in a row: {error}", self.name()),
        }
    }

    fn flip_lost(&mut self) {
        self.frame.give_up(now());
        self.lost += 1;
        match self.lost {
            1 => warn!("{} did not flip; trying again", self.name()),
            lost => debug!("{} did not flip, {lost} times in a row", self.name()),
        }
    }
}
