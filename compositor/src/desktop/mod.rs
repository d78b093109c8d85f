//! Which window is where, which covers which, and which one has the keyboard.
//!
//! Pure: windows are numbers here; nothing knows Wayland, pixels or guests' processes. Monitors
//! come and go, down to none at all: windows without a monitor have no place, and get one back.
//! How windows are laid out is a [`Policy`].

mod arrange;
mod fit;
mod focus;
mod guests;
mod invariants;
mod screens;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;

use crate::backend::OutputId;

pub use fit::{Fit, Fitted};
pub use focus::UnknownGuest;
pub use guests::Placement;
pub use screens::Screen;
pub use window::{Owner, Place, Window, WindowId};

use arrange::Sight;
use focus::Target;
use guests::Guests;
use screens::{Screens, Slot};
use window::Layer;

/// How windows are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Everything is shown at once, pixel for pixel, for looking at from outside: a guest's scanout
    /// `k` is at the top left of the output that was named for it, else of output `k`, counted
    /// around if there are fewer outputs. Guests' windows keep the order in which the guests first
    /// connected, so one that is restarted comes back to where it was. The newest window has the
    /// keyboard.
    #[default]
    Headless,
    /// For people in front of monitors: a scanout fills a monitor, and where several guests belong
    /// on one, it shows the guest that was switched to last. Pictures in picture lie above. The
    /// guest that was switched to has the keyboard.
    Kiosk,
}

/// All windows on all outputs.
///
/// In both policies ordinary clients lie above guests, the newest or last clicked on top, each a
/// little lower and more to the right than the one before.
#[derive(Debug, Clone)]
pub struct Desktop {
    policy: Policy,
    screens: Screens,
    guests: Guests,
    /// The lowest first.
    windows: Vec<Window>,
    /// Who gets the keyboard, the first choice last.
    targets: Vec<Target>,
    /// The monitor that was last switched on or clicked on.
    active: Option<Slot>,
    /// The guest that each monitor shows, by rank.
    occupants: BTreeMap<OutputId, usize>,
    next_id: u64,
    next_order: u64,
    switches: u64,
    /// What was last to be seen.
    sight: Sight,
    changes: u64,
}

impl Desktop {
    /// A desktop without windows or outputs.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            screens: Screens::default(),
            guests: Guests::default(),
            windows: Vec::new(),
            targets: Vec::new(),
            active: None,
            occupants: BTreeMap::new(),
            next_id: 0,
            next_order: 0,
            switches: 0,
            sight: Sight::default(),
            changes: 0,
        }
    }

    /// How windows are laid out.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// A monitor was plugged in. Where it is one that was there before, what was on it comes back.
    pub fn add_output(&mut self, id: OutputId, screen: Screen) {
        self.screens.add(id, screen);
        self.arrange();
    }

    /// A monitor was unplugged.
    pub fn remove_output(&mut self, id: OutputId) {
        self.screens.remove(id);
        self.arrange();
    }

    /// A monitor has another mode or scale.
    pub fn change_output(&mut self, id: OutputId, screen: Screen) {
        self.screens.change(id, screen);
        self.arrange();
    }

    /// A guest connected. Its first connection decides which guests its windows cover, and when it
    /// is its turn to be switched to.
    pub fn guest_connected(&mut self, name: &str) {
        self.introduce(name);
        self.arrange();
    }

    /// A guest is going to connect, or its configuration changed.
    pub fn place_guest(&mut self, name: &str, placement: Placement) {
        let rank = self.introduce(name);
        self.guests.all[rank].placement = placement;
        self.arrange();
    }

    /// A guest's VMM runs from now on, or does so no more. One of which nothing was said runs.
    ///
    /// In [`Policy::Kiosk`] the windows of a guest that does not run give way to its status picture,
    /// and come back when it runs and has drawn: a picture that a VMM has left behind must not pass
    /// for the next one's. Where everything is looked at from outside they stay.
    pub fn set_running(&mut self, name: &str, runs: bool) {
        if self.policy == Policy::Headless {
            return;
        }
        let rank = self.introduce(name);
        self.guests.all[rank].runs = runs;
        if !runs {
            let windows = self.windows.iter_mut();
            for window in windows.filter(|window| window.layer.guest() == Some(rank)) {
                window.outlived = true;
            }
        }
        self.arrange();
    }

    /// A window shows something new. While its guest does not run that is nothing but the last
    /// picture again, which its device has put into safety.
    pub fn drew(&mut self, id: WindowId) {
        let Some(window) = self.get(id) else {
            return;
        };
        let rank = window.layer.guest();
        let runs = rank.is_some_and(|rank| self.guests.all[rank].runs);
        if window.outlived && runs {
            if let Some(window) = self.get_mut(id) {
                window.outlived = false;
            }
            self.arrange();
        }
    }

    /// A window appeared, with this size: see [`Desktop::set_size`].
    pub fn add(&mut self, owner: Owner, size: (i32, i32)) -> WindowId {
        let id = WindowId(self.next_id);
        self.next_id += 1;
        let layer = self.layer(&owner);
        let window = Window {
            id,
            owner,
            size,
            place: None,
            layer,
            order: self.next_order(),
            wish: self.active_slot(),
            fullscreen: false,
            outlived: false,
        };
        self.windows.push(window);
        if self.policy == Policy::Headless || layer.guest().is_none() {
            self.targets.push(Target::Window(id));
        }
        self.arrange();
        id
    }

    /// A window disappeared.
    pub fn remove(&mut self, id: WindowId) {
        self.windows.retain(|window| window.id != id);
        self.targets.retain(|target| *target != Target::Window(id));
        self.arrange();
    }

    /// A guest's device said which virtual monitor a window shows. Nothing happens to windows of
    /// other clients.
    pub fn set_scanout(&mut self, id: WindowId, number: u8) {
        let order = self.next_order();
        let Some(index) = self.windows.iter().position(|window| window.id == id) else {
            return;
        };
        let window = &mut self.windows[index];
        let Owner::Guest { scanout, .. } = &mut window.owner else {
            return;
        };
        *scanout = Some(number);
        window.order = order;
        let owner = window.owner.clone();
        self.windows[index].layer = self.layer(&owner);
        self.arrange();
    }

    /// A window's own size, without scaling, changed: of a guest's picture in the guest's pixels,
    /// of an ordinary client's window in logical pixels.
    pub fn set_size(&mut self, id: WindowId, size: (i32, i32)) {
        if let Some(window) = self.get_mut(id)
            && window.size != size
        {
            window.size = size;
            self.arrange();
        }
    }

    /// An ordinary client's window covers its monitor from now on, or does so no more.
    pub fn set_fullscreen(&mut self, id: WindowId, fullscreen: bool) {
        if let Some(window) = self.get_mut(id)
            && window.owner == Owner::Client
        {
            window.fullscreen = fullscreen;
            self.arrange();
        }
    }

    /// A window.
    #[must_use]
    pub fn get(&self, id: WindowId) -> Option<&Window> {
        self.windows.iter().find(|window| window.id == id)
    }

    /// All windows, the lowest first.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The windows on an output, the topmost first.
    pub fn on_output(&self, output: OutputId) -> impl Iterator<Item = &Window> {
        self.windows
            .iter()
            .rev()
            .filter(move |window| window.place.is_some_and(|place| place.output == output))
    }

    /// The window of a guest's virtual monitor; the newest, if the device made several.
    #[must_use]
    pub fn scanout(&self, guest: &str, scanout: u8) -> Option<WindowId> {
        let shows = |window: &&Window| {
            matches!(&window.owner, Owner::Guest { name, scanout: Some(number) }
                if name == guest && *number == scanout)
        };
        self.windows.iter().filter(shows).map(Window::id).max()
    }

    /// The output that a guest's scanout belongs on, whether it is to be seen there or another
    /// guest is; `None` while there is none for it.
    #[must_use]
    pub fn output_of_scanout(&self, guest: &str, scanout: u8) -> Option<OutputId> {
        let rank = self.guests.known(guest)?;
        self.screens.output(self.slot(rank, scanout)?)
    }

    /// The output that an ordinary client's next window appears on; `None` without any.
    #[must_use]
    pub fn output_of_clients(&self) -> Option<OutputId> {
        self.screens.output(self.active_slot()?)
    }

    /// A monitor.
    #[must_use]
    pub fn screen(&self, output: OutputId) -> Option<&Screen> {
        self.screens.get(output)
    }

    /// Whether a guest is to have the size of its monitors: in [`Policy::Kiosk`], unless it is a
    /// picture in picture.
    #[must_use]
    pub fn fills_monitors(&self, guest: &str) -> bool {
        let rank = self.guests.known(guest);
        let guest = rank.and_then(|rank| self.guests.all.get(rank));
        let in_picture = guest.is_some_and(|guest| guest.placement.position.is_some());
        self.policy == Policy::Kiosk && !in_picture
    }

    /// The guest that a monitor shows, if any.
    #[must_use]
    pub fn occupant(&self, output: OutputId) -> Option<&str> {
        let rank = *self.occupants.get(&output)?;
        self.guests.all.get(rank).map(|guest| guest.name.as_str())
    }

    /// The guest that a monitor is to show and that has nothing to show there, or does not run: a
    /// picture of how it is belongs in its place.
    #[must_use]
    pub fn vacant(&self, output: OutputId) -> Option<&str> {
        let shows_guest = |window: &Window| matches!(window.layer, Layer::Guest(_));
        if self.on_output(output).any(shows_guest) {
            return None;
        }
        self.occupant(output)
    }

    /// The names of all guests, in the order in which they are switched to.
    pub fn guests(&self) -> impl Iterator<Item = &str> {
        self.guests.all.iter().map(|guest| guest.name.as_str())
    }

    /// Grows with everything that changes what is to be seen where.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    fn introduce(&mut self, name: &str) -> usize {
        let rank = self.guests.rank(name);
        let target = Target::Guest(rank);
        if self.policy == Policy::Kiosk && !self.targets.contains(&target) {
            // Whoever has the keyboard keeps it.
            self.targets.insert(0, target);
        }
        rank
    }

    fn get_mut(&mut self, id: WindowId) -> Option<&mut Window> {
        self.windows.iter_mut().find(|window| window.id == id)
    }

    fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }
}
