//! What is remembered of a screen's frames: what planes made of each surface, and whose it was.

use std::{collections::HashMap, time::Duration};

use smithay::{
    backend::renderer::element::Id,
    reexports::wayland_server::{
        Resource as _, Weak, backend::ObjectId, protocol::wl_surface::WlSurface,
    },
    utils::{Physical, Size},
};

use super::{
    candidates::{arrangement, seen},
    framebuffers::Framebuffers,
    planes::{Arrangement, KeptOff, Outcome, Planes},
    reasons::{Abilities, Reason, Seen, Way, reason},
};
use crate::render::{
    Layer,
    scanout::{Candidate, Plane, Scanned},
};

/// More buffers than this are looked through for those that are gone.
const MOST_OWNERS: usize = 32;

/// Whose an element is.
#[derive(Debug, Clone, PartialEq)]
pub enum Owner {
    /// A client's surface.
    Surface(Weak<WlSurface>),
    /// The compositor itself.
    Sign,
}

/// What became of the frames.
#[derive(Debug, Default)]
pub struct Record {
    planes: Planes<Id>,
    /// Why planes refused what they are not offered for now.
    refused: HashMap<Arrangement, Reason>,
    /// Why things in the last frame were composited, front to back.
    reasons: Vec<Reason>,
    /// Whose buffers were on planes: the last frame's are not those that are shown.
    owners: HashMap<ObjectId, Owner>,
    /// Whose the pointer is that is on its plane.
    pointer: Option<Owner>,
}

/// A frame that was made.
#[derive(Debug)]
pub struct Made<'a> {
    /// What it was made of.
    pub scene: &'a [Layer],
    /// What it became.
    pub scanned: &'a Scanned,
    /// What was not offered to planes.
    pub kept_off: &'a HashMap<Id, KeptOff>,
    /// The picture's size.
    pub size: Size<i32, Physical>,
    /// Whether the driver refused it as a whole.
    pub failed: bool,
}

impl Record {
    /// Whether an element may be offered to planes.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_try(
        &self,
        candidate: &Candidate,
        size: Size<i32, Physical>,
        now: Duration,
    ) -> Result<(), KeptOff> {
        match arrangement(candidate, size) {
            Some(arrangement) => self.planes.may_try(&candidate.id, &arrangement, now),
            None => Ok(()),
        }
    }

    /// Remembers what became of every element.
    pub fn learn(&mut self, made: &Made<'_>, abilities: Abilities, now: Duration) {
        let elements = &made.scanned.elements;
        let frame: Vec<Seen> = elements
            .iter()
            .map(|(candidate, plane)| {
                let kept_off = made.kept_off.get(&candidate.id).copied();
                seen(made.scanned, candidate, *plane, kept_off)
            })
            .collect();
        let surfaces = surfaces(made.scene);
        self.reasons.clear();
        self.pointer = None;
        for (index, (candidate, plane)) in elements.iter().enumerate() {
            let arrangement = arrangement(candidate, made.size);
            let reason = reason(&frame, index, abilities)
                .map(|reason| self.first_reason(reason, arrangement.as_ref()));
            self.reasons.extend(reason);
            if let Some(plane) = plane {
                let surface = surfaces.get(&candidate.id);
                self.own(candidate, *plane, surface.cloned().unwrap_or(Owner::Sign));
            }
            let Some(arrangement) = arrangement else {
                continue;
            };
            if frame[index].kept_off == Some(KeptOff::Format) {
                // Nothing was refused, and nothing will change.
                continue;
            }
            let outcome = match (frame[index].way, reason) {
                (Way::Hidden, _) => continue,
                (Way::Plane, _) if made.failed => Outcome::Refused,
                (Way::Plane, _) => Outcome::OnPlane,
                (Way::Composited(_), Some(reason)) if reason.is_refusal() => Outcome::Refused,
                (Way::Composited(_), _) => Outcome::Composited,
            };
            self.planes.saw(&candidate.id, &arrangement, outcome, now);
        }
        self.planes.frame_made();
    }

    /// What is not offered to planes because they refused it was refused for a reason, which is
    /// more worth knowing.
    fn first_reason(&mut self, reason: Reason, arrangement: Option<&Arrangement>) -> Reason {
        let Some(arrangement) = arrangement else {
            return reason;
        };
        if reason == Reason::RefusedBefore {
            return self.refused.get(arrangement).copied().unwrap_or(reason);
        }
        if reason.is_refusal() {
            if self.refused.len() >= MOST_OWNERS {
                self.refused.clear();
            }
            self.refused.insert(*arrangement, reason);
        }
        reason
    }

    fn own(&mut self, candidate: &Candidate, plane: Plane, owner: Owner) {
        if let Some(buffer) = &candidate.buffer {
            self.owners.insert(buffer.clone(), owner.clone());
        }
        if plane == Plane::Cursor {
            self.pointer = Some(owner);
        }
    }

    /// Begins anew with planes: another mode, or somebody else had the screen.
    pub fn forget_refusals(&mut self) {
        self.planes.forget();
        self.refused.clear();
    }

    /// Forgets clients' buffers that are no framebuffers any more.
    pub fn forget_buffers(&mut self, framebuffers: &Framebuffers) {
        if self.owners.len() > MOST_OWNERS {
            let buffers = framebuffers.buffers();
            self.owners.retain(|buffer, _| buffers.contains(buffer));
        }
    }

    /// When something that is composited may be offered to planes again.
    #[must_use]
    pub fn next_try(&self, now: Duration) -> Option<Duration> {
        self.planes.next_try(now)
    }

    /// Whose a client's buffer was when it was last on a plane.
    #[must_use]
    pub fn owner_of(&self, buffer: &ObjectId) -> Option<Owner> {
        self.owners.get(buffer).cloned()
    }

    /// Whose the pointer is that is on its plane.
    #[must_use]
    pub fn pointer(&self) -> Option<Owner> {
        self.pointer.clone()
    }

    /// Why things in the last frame were composited, front to back.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }
}

fn surfaces(scene: &[Layer]) -> HashMap<Id, Owner> {
    let mut owners = HashMap::new();
    for layer in scene {
        layer.for_each_surface(|surface, _| {
            let owner = Owner::Surface(surface.downgrade());
            owners.insert(Id::from_wayland_resource(surface), owner);
        });
    }
    owners
}
