//! Signs: pictures of the compositor's own, over guests or in place of them.
//!
//! - a *status picture* fills a monitor whose guest shows nothing or does not run: which guest, how it is,
//!   and, after a failure, what its processes wrote last;
//! - the *switcher* is a strip with all guests, of which one is marked;
//! - *notices* are sentences that go by themselves;
//! - *pointers* are for clients that ask for one by name.
//!
//! Each is a picture of its own, in a dma-buf where there is something to show it without drawing:
//! a guest below keeps its plane. All but pointers are opaque rectangles, and those that lie over
//! windows never lie over each other, because planes of most hardware must not overlap.
//!
//! Signs know names and words. They must not know processes, windows or what is where.

mod draw;
mod element;
mod notices;
mod pictures;
mod planes;
mod sign;
mod slot;
mod status;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use calloop::LoopHandle;
use gpu_device::memory::{DmaBufMaker, Udmabuf};
use protocols::ipc::GuestState;
use smithay::{
    backend::renderer::{element::Id, utils::CommitCounter},
    input::pointer::CursorIcon,
    reexports::wayland_server::DisplayHandle,
    utils::{Physical, Point, Rectangle, Size},
};
use tracing::{info, warn};

use crate::{
    alarm::Alarm,
    backend::{OutputId, now},
    state::{HasState, State},
};

pub use element::SignElement;
pub use sign::Sign;
pub use status::GuestStatus;

/// The font of everything that is written on a screen, as a TrueType file.
pub(crate) const FONT: &[u8] = draw::text::FONT_BYTES;

use self::{
    draw::Picture,
    notices::Notices,
    pictures::{Screen, notice, pointer, status as status_picture, switcher},
    planes::Planes,
    slot::Slot,
};

/// All signs, and what they tell.
#[derive(Debug)]
pub struct Signs {
    /// Puts signs where planes can show them; `None` where nothing has planes.
    planes: Option<Planes>,
    guests: BTreeMap<String, Told>,
    switcher: Option<Switcher>,
    notices: Notices,
    alarm: Alarm,
    /// The pictures that are shown.
    outputs: BTreeMap<OutputId, OutputSigns>,
    pointers: BTreeMap<(pointer::Shape, usize), Pointer>,
    /// Counts the changes of guests and of the switcher.
    revision: u64,
}

/// What was told of a guest.
#[derive(Debug, Default)]
struct Told {
    status: GuestStatus,
    /// The number of the change that this was.
    revision: u64,
}

/// A sign and where it is.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The sign.
    pub sign: Sign,
    /// Its top left corner, in the output's pixels.
    pub at: Point<i32, Physical>,
}

/// A pointer's image.
#[derive(Debug, Clone)]
pub struct Pointer {
    /// The image, with alpha.
    pub sign: Sign,
    /// The place in it that points, in pixels from its top left corner.
    pub hotspot: Point<i32, Physical>,
}

/// The switcher, while it is shown.
#[derive(Debug, PartialEq, Eq)]
struct Switcher {
    names: Vec<String>,
    chosen: usize,
}

/// One output's pictures, each kept until it has to look different.
#[derive(Debug, Default)]
struct OutputSigns {
    status: Slot<(Size<i32, Physical>, String, u64)>,
    switcher: Slot<(Size<i32, Physical>, u64)>,
    notices: Slot<(Size<i32, Physical>, u64)>,
}

impl Signs {
    /// None yet, and all in ordinary memory.
    pub(crate) fn new<D: HasState>(handle: &LoopHandle<'static, D>) -> Self {
        Self {
            planes: None,
            guests: BTreeMap::new(),
            switcher: None,
            notices: Notices::default(),
            alarm: Alarm::new(handle, State::notices_due),
            outputs: BTreeMap::new(),
            pointers: BTreeMap::new(),
            revision: 0,
        }
    }

    /// From now on, signs are made so that planes can show them. Where the kernel makes no dma-bufs,
    /// they stay in ordinary memory and are drawn over guests.
    pub(crate) fn use_planes<D: HasState>(
        &mut self,
        display: &DisplayHandle,
        handle: &LoopHandle<'static, D>,
    ) {
        match Udmabuf::open() {
            Ok(udmabuf) => self.use_planes_with(display, handle, Box::new(udmabuf)),
            Err(error) => info!(
                "Drawing signs over guests, not on planes of their own: /dev/udmabuf: {error}. \
                 See `lucarne doctor`"
            ),
        }
    }

    fn use_planes_with<D: HasState>(
        &mut self,
        display: &DisplayHandle,
        handle: &LoopHandle<'static, D>,
        maker: Box<dyn DmaBufMaker>,
    ) {
        match Planes::new(display, handle, maker) {
            Ok(planes) => {
                self.planes = Some(planes);
                // What is in ordinary memory is made anew.
                self.outputs.clear();
                self.pointers.clear();
            }
            Err(error) => warn!("Drawing signs over guests, not on planes of their own: {error}"),
        }
    }

    /// Tells how a guest is. Returns whether it looks different now.
    pub(crate) fn set_status(&mut self, guest: &str, status: &GuestStatus) -> bool {
        if self
            .guests
            .get(guest)
            .is_some_and(|told| told.status == *status)
        {
            return false;
        }
        self.revision += 1;
        let told = Told {
            status: status.clone(),
            revision: self.revision,
        };
        self.guests.insert(guest.to_owned(), told);
        true
    }

    /// Shows the switcher on all outputs, with the `chosen`th of these guests marked.
    pub(crate) fn show_switcher(&mut self, names: &[String], chosen: usize) {
        let switcher = Switcher {
            names: names.to_vec(),
            chosen,
        };
        if self.switcher.as_ref() != Some(&switcher) {
            self.switcher = Some(switcher);
            self.revision += 1;
        }
    }

    /// Takes the switcher away.
    pub(crate) fn hide_switcher(&mut self) {
        self.switcher = None;
    }

    /// Shows a sentence on all outputs for a time.
    pub(crate) fn notice(&mut self, text: &str, time: Duration) {
        self.notices.add(text, now().saturating_add(time));
        self.alarm.set(self.notices.deadline());
    }

    /// When the next notice goes.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.notices.deadline()
    }

    /// What lies over the windows of an output of this size: the topmost first, and nothing over
    /// anything else.
    pub(crate) fn over_windows(
        &mut self,
        output: OutputId,
        size: Size<i32, Physical>,
    ) -> Vec<Placed> {
        let screen = Screen::new(size);
        let signs = self.outputs.entry(output).or_default();
        let mut placed: Vec<Placed> = Vec::new();

        if let Some(shown) = &self.switcher {
            let entries: Vec<switcher::Entry<'_>> = shown
                .names
                .iter()
                .map(|name| switcher::Entry {
                    name,
                    state: self.guests.get(name).map_or("", |told| told.status.word()),
                })
                .collect();
            let look = (size, self.revision);
            let sign = signs.switcher.get(look, &mut self.planes, || {
                switcher::draw(screen, &entries, shown.chosen)
            });
            placed.push(centred(sign, size, |room| room / 2));
        } else {
            signs.switcher.clear();
        }

        if self.notices.is_empty() {
            signs.notices.clear();
        } else {
            let look = (size, self.notices.revision());
            let sign = signs.notices.get(look, &mut self.planes, || {
                notice::draw(screen, &self.notices.texts())
            });
            let margin = i32::try_from(screen.em()).unwrap_or_default() * 2;
            let notices = centred(sign, size, |room| (room - margin).max(0));
            // Where there is no space for both, the switcher is what somebody looks at.
            if placed
                .iter()
                .all(|other| !other.area().overlaps(notices.area()))
            {
                placed.push(notices);
            }
        }
        placed
    }

    /// What lies below all windows of an output of this size: the status picture of the guest
    /// that would be there, if it shows nothing.
    pub(crate) fn under_windows(
        &mut self,
        output: OutputId,
        size: Size<i32, Physical>,
        vacant: Option<&str>,
    ) -> Option<Placed> {
        let signs = self.outputs.entry(output).or_default();
        let Some(guest) = vacant else {
            signs.status.clear();
            return None;
        };
        let unknown = Told::default();
        let told = self.guests.get(guest).unwrap_or(&unknown);
        let look = (size, guest.to_owned(), told.revision);
        let sign = signs.status.get(look, &mut self.planes, || {
            status_picture::draw(Screen::new(size), guest, &told.status)
        });
        Some(Placed {
            sign,
            at: Point::default(),
        })
    }

    /// Forgets the pictures of an output that is gone.
    pub(crate) fn forget(&mut self, output: OutputId) {
        self.outputs.remove(&output);
    }

    /// A pointer of a certain shape, as large as suits an output of this size.
    pub(crate) fn pointer(&mut self, icon: CursorIcon, size: Size<i32, Physical>) -> Pointer {
        let shape = pointer::Shape::of(icon);
        let side = pointer::side(Screen::new(size));
        let planes = &mut self.planes;
        let draw = || {
            let (picture, hotspot) = pointer::draw(shape, side);
            let identity = (Id::new(), CommitCounter::default());
            Pointer {
                sign: make(planes, identity, &picture, false),
                hotspot: hotspot.into(),
            }
        };
        self.pointers
            .entry((shape, side))
            .or_insert_with(draw)
            .clone()
    }
}

impl Placed {
    fn area(&self) -> Rectangle<i32, Physical> {
        Rectangle::new(self.at, self.sign.size())
    }
}

/// In the middle of the width; how far down is computed from how far down it could be.
fn centred(sign: Sign, size: Size<i32, Physical>, down: impl Fn(i32) -> i32) -> Placed {
    let left = (size.w - sign.size().w).max(0) / 2;
    let top = down((size.h - sign.size().h).max(0));
    Placed {
        sign,
        at: (left, top).into(),
    }
}

impl State {
    /// Tells how a guest is. While it does not run, people in front of a kiosk's monitors see that in
    /// its place.
    pub fn set_guest_status(&mut self, guest: &str, status: &GuestStatus) {
        if self.signs.set_status(guest, status) {
            let runs = status.state == GuestState::Running;
            self.windows.desktop.set_running(guest, runs);
            self.signs_changed();
        }
    }

    /// Shows a sentence on all outputs for a time.
    pub fn notice(&mut self, text: &str, time: Duration) {
        self.signs.notice(text, time);
        self.signs_changed();
    }

    /// Shows the switcher on all outputs, with the `chosen`th of these guests marked.
    pub fn show_switcher(&mut self, names: &[String], chosen: usize) {
        self.signs.show_switcher(names, chosen);
        self.signs_changed();
    }

    /// Takes the switcher away.
    pub fn hide_switcher(&mut self) {
        self.signs.hide_switcher();
        self.signs_changed();
    }

    /// A notice was to be read long enough.
    fn notices_due(&mut self) {
        self.signs.notices.expire(now());
        self.signs.alarm.rang();
        self.signs.alarm.set(self.signs.notices.deadline());
        self.signs_changed();
    }

    fn signs_changed(&mut self) {
        self.queue_redraw_all();
        self.settle();
    }
}

/// Puts a picture into a sign, where planes can show it if possible.
fn make(
    planes: &mut Option<Planes>,
    identity: (Id, CommitCounter),
    picture: &Picture,
    opaque: bool,
) -> Sign {
    let shared = planes.as_mut().and_then(|planes| {
        planes
            .share(picture, opaque)
            .inspect_err(|error| warn!("A sign is drawn over guests, not on a plane: {error}"))
            .ok()
    });
    Sign::new(identity, (picture, opaque), shared)
}
