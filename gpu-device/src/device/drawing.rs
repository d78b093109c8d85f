//! The process that draws for the guest: its answers in the loop, what came of them in the core, its
//! losses for those who ask.
//!
//! Who measures what that process costs has the device itself draw, by [`HERE`].

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    path::PathBuf,
    time::Instant,
};

use protocols::ipc::{GuestRenderer, RendererKind, device::DeviceEvent};

use super::{HostDisplay, Process};
use crate::{
    gpu::HostVisible as _,
    renderer::{
        Capset, NoRenderer, Renderer, RendererEvent, Versions,
        choice::{self, Choice, GpuKind, Impossible, Lack, Machine, Missing, Offer, Start, Wanted},
        process::Here,
        remote::{Remote, Spawn},
        virgl::Settings,
    },
    vhost_user::window::{WINDOW_OF_VENUS, WINDOW_OF_VIRGL, Window},
};

/// The variable of the environment that has the device itself draw, for measuring.
const HERE: &str = "LUCARNE_RENDERER_HERE";

/// What draws for the guest, if anything does.
#[derive(Debug)]
pub(super) enum Drawing {
    Nothing(NoRenderer),
    Process(Box<Remote>),
    Here(Box<Here>),
}

impl Drawing {
    pub(super) fn renderer(&mut self) -> &mut dyn Renderer {
        match self {
            Self::Nothing(none) => none,
            Self::Process(remote) => &mut **remote,
            Self::Here(here) => &mut **here,
        }
    }

    /// Starts what was chosen.
    fn start(start: &Start) -> Result<Self, Lack> {
        if std::env::var_os(HERE).is_none() {
            return Remote::start(Spawn::this_program(start)).map(|it| Self::Process(Box::new(it)));
        }
        let settings = Settings {
            virgl: start.virgl,
            venus: start.venus,
            node: start.node.clone(),
        };
        match Here::start(&settings) {
            Ok(here) => Ok(Self::Here(Box::new(here))),
            Err(lacking) => Err(Lack::new(Missing::Other, lacking.text)),
        }
    }

    fn remote(&mut self) -> Option<&mut Remote> {
        match self {
            Self::Nothing(_) | Self::Here(_) => None,
            Self::Process(remote) => Some(remote),
        }
    }

    /// What is readable when there is something to do, where anything ever is.
    pub(super) fn readable(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Nothing(_) => None,
            Self::Process(remote) => Some(remote.as_fd()),
            Self::Here(here) => here.readable(),
        }
    }

    /// Does what is due.
    fn step(&mut self, readable: bool) {
        match self {
            Self::Nothing(_) => {}
            Self::Process(remote) => {
                if readable {
                    remote.dispatch();
                }
                remote.expire(Instant::now());
            }
            Self::Here(here) => here.look(),
        }
    }

    /// When [`Process::serve_renderer`] has something to do although nothing came.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Nothing(_) => None,
            Self::Process(remote) => remote.next_deadline(),
            Self::Here(here) => here.next_deadline(),
        }
    }
}

impl Offer for Drawing {
    fn capsets(&self) -> &[Capset] {
        match self {
            Self::Nothing(none) => none.capsets(),
            Self::Process(remote) => Offer::capsets(&**remote),
            Self::Here(here) => Offer::capsets(&**here),
        }
    }

    fn versions(&self) -> &Versions {
        match self {
            Self::Nothing(_) => Versions::NONE,
            Self::Process(remote) => remote.versions(),
            Self::Here(here) => Offer::versions(&**here),
        }
    }
}

/// What is to draw for the guest, as far as this machine can.
///
/// # Errors
/// What was demanded can't be.
pub(super) fn choose(kind: GpuKind, node: Option<PathBuf>) -> Result<Choice<Drawing>, Impossible> {
    let wanted = Wanted { kind, node };
    let machine = Machine::look(wanted.node.as_deref());
    let choice = choice::choose(&wanted, &machine, Drawing::start)?;
    if let Some(note) = &choice.note {
        note.log();
    }
    Ok(choice)
}

impl<D: HostDisplay + 'static> Process<D> {
    /// Gives the guest what was chosen to draw for it, before any VMM has connected.
    pub(super) fn give_renderer(&mut self, choice: Choice<Drawing>) {
        self.report = choice.report;
        let Some(drawing) = choice.renderer else {
            return;
        };
        self.around.window = Window::new(match self.report.kind {
            RendererKind::Venus => WINDOW_OF_VENUS,
            _ => WINDOW_OF_VIRGL,
        });
        self.around.drawing = drawing;
    }

    /// Takes in what the renderer has answered, and tells the core.
    pub(super) fn serve_renderer(&mut self) {
        let readable = std::mem::take(&mut self.ready.renderer);
        self.around.drawing.step(readable);
        // What the core does about an answer may be answered on the spot.
        loop {
            let events = self.around.drawing.renderer().take_events();
            if events.is_empty() {
                return;
            }
            for event in events {
                let lost = matches!(event, RendererEvent::Lost);
                let mut context = self.around.context();
                self.gpu.handle_renderer(event, &mut context);
                if lost {
                    self.renderer_was_lost();
                }
            }
        }
    }

    /// Wakes the renderer for what it was sent in this turn.
    pub(super) fn flush_renderer(&mut self) {
        if let Some(remote) = self.around.drawing.remote() {
            remote.flush();
        }
    }

    fn renderer_was_lost(&mut self) {
        let losses = self.around.drawing.remote().map_or(0, |it| it.losses());
        self.report.restarts = losses.into();
        self.tell(&DeviceEvent::Renderer(self.report.clone()));
    }

    /// A driver is at work: whether its VMM has what the guest was promised.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn check_window(&self, vmm: &str) -> Result<(), Impossible> {
        if self.report.kind == RendererKind::Venus && self.around.window.size() == 0 {
            let vmm = vmm.to_owned();
            return Err(Impossible::NoWindow { vmm });
        }
        Ok(())
    }

    /// What draws for the guest, for those who ask.
    pub(super) fn renderer_report(&self) -> GuestRenderer {
        self.report.clone()
    }
}
