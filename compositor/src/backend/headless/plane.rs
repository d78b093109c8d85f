//! What stands in for the plane of an output's display controller.

use crate::render::{Work, direct::Direct};

/// The buffer that an output shows without drawing it, and the one that it is about to show.
///
/// As with a display, a buffer is kept until the vblank that shows what comes after it, and not only
/// until that is composed: until then the old one is what is to be seen.
#[derive(Debug, Default)]
pub(super) struct Plane {
    shown: Shown,
    /// What was composed for the next vblank, if something was.
    coming: Option<Shown>,
}

/// What is to be seen.
#[derive(Debug, Default)]
enum Shown {
    /// A picture that was drawn.
    #[default]
    Drawn,
    /// A client's buffer.
    Buffer(Direct),
}

impl Plane {
    /// A buffer is to be shown.
    pub(super) fn take(&mut self, direct: Direct) -> Work {
        if let Shown::Buffer(last) = self.last()
            && last.is_same(&direct)
        {
            return Work::None;
        }
        self.coming = Some(Shown::Buffer(direct));
        Work::Direct
    }

    /// A picture is to be shown that took this work. Where a buffer was shown before, it is a new one
    /// even if nothing had to be drawn.
    pub(super) fn leave(&mut self, work: Work) -> Work {
        match self.last() {
            Shown::Drawn => work,
            Shown::Buffer(_) => {
                self.coming = Some(Shown::Drawn);
                Work::Drawn
            }
        }
    }

    /// What was composed has become visible. The client gets back what was shown until now.
    pub(super) fn presented(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.shown = coming;
        }
    }

    /// What was composed last.
    fn last(&self) -> &Shown {
        self.coming.as_ref().unwrap_or(&self.shown)
    }
}
