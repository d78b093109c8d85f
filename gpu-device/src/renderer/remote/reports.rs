//! What the process says, and that it is lost.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    time::Duration,
};

use protocols::render::{Lack as Told, Report};
use tracing::{info, warn};

use super::{Life, Offered, Remote, received};
use crate::renderer::{
    Capset, RendererEvent,
    choice::{Lack, Missing},
};

impl Remote {
    /// Takes in what the process has said.
    pub(super) fn read_reports(&mut self) {
        while let Life::Alive(alive) = &mut self.life {
            let taken = match alive.next_report(&mut self.scratch) {
                Ok(None) => return,
                Ok(Some((report, descriptors))) => self.take_in(report, descriptors),
                Err(error) => Err(Lack::new(Missing::Answer, error.to_string())),
            };
            if let Err(lack) = taken {
                self.lose(lack);
            }
        }
    }

    /// # Errors
    /// The process is of no use.
    fn take_in(&mut self, report: Report, descriptors: Vec<OwnedFd>) -> Result<(), Lack> {
        let broken = || Lack::new(Missing::Answer, "it has answered what was not asked");
        let Life::Alive(alive) = &mut self.life else {
            return Ok(());
        };
        match (report, alive.has_said_hello()) {
            (Report::Hello { capsets, versions }, false) => {
                alive.says_hello();
                self.compare(Offered { capsets, versions })
            }
            (Report::Lacking { lack, text }, false) => Err(Lack::new(missing(lack), text)),
            (Report::Answer { number, outcome }, true) => {
                let entry = self.asked.take(number).ok_or_else(broken)?;
                let done = received::judge(entry.expects, outcome, descriptors);
                let done = done.ok_or_else(broken)?;
                if let Some(ticket) = entry.ticket {
                    self.events.push(RendererEvent::Answered(ticket, done));
                }
                Ok(())
            }
            _ => Err(broken()),
        }
    }

    /// A guest that runs relies on what it was offered, and goes on with the first capsets. What is in
    /// them may differ a little: some drivers tell how much memory is free.
    fn compare(&mut self, offered: Offered) -> Result<(), Lack> {
        let Some(first) = &self.offered else {
            self.offered = Some(offered);
            return Ok(());
        };
        let is_alike = |(one, other): (&Capset, &Capset)| {
            (one.id, one.version, one.data.len()) == (other.id, other.version, other.data.len())
        };
        let same_number = first.capsets.len() == offered.capsets.len();
        if !same_number || !first.capsets.iter().zip(&offered.capsets).all(is_alike) {
            let text = "it offers something else than before. Restart the guest";
            return Err(Lack::new(Missing::Other, text));
        }
        info!("The guest's 3D renderer was started again");
        Ok(())
    }

    /// The process is given up.
    pub(super) fn lose(&mut self, lack: Lack) {
        let age = match std::mem::replace(&mut self.life, Life::Absent) {
            Life::Absent => return,
            Life::Resting { .. } => Duration::ZERO,
            Life::Alive(mut alive) => {
                alive.child.kill();
                self.watched.remove(alive.link.as_fd());
                let age = alive.started.elapsed();
                match alive.child.ended() {
                    Some(_) => self.watched.remove(alive.child.as_fd()),
                    None => self.losses.dying.push(alive.child),
                }
                age
            }
        };
        self.is_lost(lack, age);
    }

    pub(super) fn is_lost(&mut self, lack: Lack, age: Duration) {
        if self.offered.is_some() {
            warn!(
                "The guest's 3D renderer is lost: {lack}. What the guest draws with it fails, the rest \
                 goes on"
            );
        }
        self.asked.clear();
        self.known.nothing_is_lent();
        self.losses.deaths.another(age);
        self.losses.last = Some(lack);
        self.losses.untold = true;
        self.events.push(RendererEvent::Lost);
    }
}

fn missing(told: Told) -> Missing {
    match told {
        Told::Library => Missing::Library,
        Told::NewerLibrary => Missing::NewerLibrary,
        Told::Egl => Missing::Egl,
        Told::Node => Missing::Node,
        Told::Permission => Missing::Permission,
        Told::Server => Missing::Server,
        Told::Vulkan => Missing::Vulkan,
        Told::Venus => Missing::Venus,
        Told::Other => Missing::Other,
    }
}
