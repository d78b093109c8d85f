//! `wl_output` and `zxdg_output_manager_v1`: monitors come and go.

use std::{sync::Mutex, time::Duration};

use smithay::{
    delegate_output,
    output::Output,
    reexports::wayland_server::{
        DisplayHandle, Weak, backend::GlobalId, protocol::wl_output::WlOutput,
    },
    wayland::output::OutputHandler,
};

use crate::state::State;

/// How long clients may bind an output after they were told that it is gone. One that is slow to
/// read would be disconnected for it otherwise.
const GRACE: Duration = Duration::from_secs(5);

/// Clients' objects of an output, kept with it.
#[derive(Debug, Default)]
struct Bound(Mutex<Vec<Weak<WlOutput>>>);

/// Outputs that are gone, as long as clients may not know.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    outputs: Vec<Gone>,
}

#[derive(Debug)]
struct Gone {
    /// smithay panics over a client that asks for the `xdg_output` of one that was dropped.
    output: Output,
    /// What clients may still bind, and until when.
    global: Option<(GlobalId, Duration)>,
}

impl Departed {
    /// Tells clients that an output is gone.
    pub(crate) fn add(
        &mut self,
        display: &DisplayHandle,
        output: Output,
        global: Option<GlobalId>,
        now: Duration,
    ) {
        if let Some(global) = &global {
            display.disable_global::<State>(global.clone());
        }
        self.outputs.push(Gone {
            output,
            global: global.map(|global| (global, now.saturating_add(GRACE))),
        });
    }

    /// When [`Departed::forget`] has something to do; `None` while there is nothing.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let globals = self.outputs.iter().filter_map(|gone| gone.global.as_ref());
        globals.map(|(_, until)| *until).min()
    }

    /// Removes what no client can need any more. What a client holds on to is looked at again when
    /// the next output goes.
    pub(crate) fn forget(&mut self, display: &DisplayHandle, now: Duration) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        for gone in &mut self.outputs {
            if let Some((global, _)) = gone.global.take_if(|(_, until)| *until <= now) {
                display.remove_global::<State>(global);
            }
        }
        self.outputs
            .retain(|gone| gone.global.is_some() || is_bound(&gone.output));
    }
}

fn is_bound(output: &Output) -> bool {
    let bound = output.user_data().get::<Bound>();
    bound.is_some_and(|bound| {
        let objects = bound.0.lock();
        objects.is_ok_and(|objects| objects.iter().any(|object| object.upgrade().is_ok()))
    })
}

impl OutputHandler for State {
    fn output_bound(&mut self, output: Output, object: WlOutput) {
        use smithay::reexports::wayland_server::Resource as _;

        let bound = output.user_data().get_or_insert_threadsafe(Bound::default);
        if let Ok(mut objects) = bound.0.lock() {
            // Not for every one: a client can bind an output any number of times.
            if objects.len() == objects.capacity() {
                objects.retain(|object| object.upgrade().is_ok());
            }
            objects.push(object.downgrade());
        }
    }
}

delegate_output!(State);
