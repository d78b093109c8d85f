//! Monitors come and go, and change.

use tracing::info;

use super::State;
use crate::backend::{Change, HostOutput, OutputId, now};

impl State {
    /// A monitor was plugged in: clients see an output, and windows may move there.
    pub fn add_output(&mut self, mut output: HostOutput) -> OutputId {
        let display = self.clients.display();
        output.global = Some(output.output.create_global::<Self>(display));
        if self.paused {
            output.redraw.pause();
        }
        let size = output.size();
        info!("Output {} has {}x{} pixels", output.name(), size.w, size.h);
        let screen = (&output).into();
        let id = self.outputs.insert(output);
        self.outputs.arrange();
        self.windows.desktop.add_output(id, screen);
        self.queue_redraw_all();
        self.settle();
        id
    }

    /// A monitor was unplugged: its windows go elsewhere, or wait for a place. Nothing happens if
    /// there is no such output.
    pub fn remove_output(&mut self, id: OutputId) {
        let Some(mut output) = self.outputs.remove(id) else {
            return;
        };
        let now = now();
        info!("Output {} is gone", output.name());
        output
            .frame
            .leave_all(&output.output, &mut self.hidden, now);
        self.renderer.paint().forget(id);
        self.backend.forget(id);
        self.signs.forget(id);
        self.windows.desktop.remove_output(id);
        self.departed.add(
            self.clients.display(),
            output.output,
            output.global.take(),
            now,
        );
        self.outputs.arrange();
        self.queue_redraw_all();
        self.settle();
    }

    /// Something about a monitor is different: clients are told, and windows fitted anew. Nothing
    /// happens if there is no such output.
    pub fn change_output(&mut self, id: OutputId, change: &Change) {
        let Some(output) = self.outputs.get_mut(id) else {
            return;
        };
        output.change(change, now());
        let screen = (&*output).into();
        self.windows.desktop.change_output(id, screen);
        self.outputs.arrange();
        self.queue_redraw_all();
        self.settle();
    }
}
