//! Which window is where, which covers which, and which one has the keyboard.
//!
//! Pure: windows are numbers here; nothing knows Wayland, pixels or guests' processes.
//!
//! A guest's scanout `k` is at the top left of output `k`, counted around if there are fewer
//! outputs. Guests' windows keep the order in which the guests first connected, so one that is
//! restarted comes back to where it was; ordinary clients lie above them, the newest on top,
//! each a little lower and more to the right than the one before.

#[cfg(test)]
mod tests;

/// How far a cascaded window is from the one before, both ways, in logical pixels.
const CASCADE_STEP: i32 = 32;

/// Names a window; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(u64);

/// Whose window it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A guest's device.
    Guest {
        /// The guest's name.
        name: String,
        /// Which of its virtual monitors; `None` until its device has said so.
        scanout: Option<u8>,
    },
    /// Any other client.
    Client,
}

/// Where a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The index of its output.
    pub output: usize,
    /// The left edge from that of the output, in logical pixels.
    pub x: i32,
    /// The top edge from that of the output, in logical pixels.
    pub y: i32,
}

/// A window on the desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    id: WindowId,
    owner: Owner,
    place: Place,
    layer: Layer,
}

/// What decides which window covers which, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// A guest's monitor, by the guest's rank.
    Guest(usize),
    /// Cascaded, in this slot of its cascade.
    Cascade(usize),
}

impl Window {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> WindowId {
        self.id
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether it shows a virtual monitor of a guest, pixel for pixel.
    #[must_use]
    pub fn is_scanout(&self) -> bool {
        matches!(self.layer, Layer::Guest(_))
    }
}

/// All windows on all outputs.
#[derive(Debug, Clone)]
pub struct Desktop {
    /// The outputs' sizes in logical pixels; never empty.
    outputs: Vec<(i32, i32)>,
    /// Guests by the time of their first connection: the index is the rank.
    guests: Vec<String>,
    /// The lowest first.
    windows: Vec<Window>,
    /// The oldest first.
    by_age: Vec<WindowId>,
    next_id: u64,
}

impl Desktop {
    /// A desktop without windows on outputs of these sizes (width and height in logical pixels).
    /// Without any output there is one of no size, so that a place always has an output.
    #[must_use]
    pub fn new(mut outputs: Vec<(i32, i32)>) -> Self {
        if outputs.is_empty() {
            outputs.push((0, 0));
        }
        Self {
            outputs,
            guests: Vec::new(),
            windows: Vec::new(),
            by_age: Vec::new(),
            next_id: 0,
        }
    }

    /// A guest connected. Its first connection decides which guests its windows cover.
    pub fn guest_connected(&mut self, name: &str) {
        self.rank(name);
    }

    /// A window appeared. It gets the keyboard.
    pub fn add(&mut self, owner: Owner) -> WindowId {
        let id = WindowId(self.next_id);
        self.next_id += 1;
        self.by_age.push(id);
        self.insert(id, owner);
        id
    }

    /// A window disappeared; the newest of the others gets the keyboard.
    pub fn remove(&mut self, id: WindowId) {
        self.windows.retain(|window| window.id != id);
        self.by_age.retain(|other| *other != id);
    }

    /// A guest's device said which virtual monitor a window shows. Nothing happens to windows of
    /// other clients.
    pub fn set_scanout(&mut self, id: WindowId, scanout: u8) {
        let Some(index) = self.windows.iter().position(|window| window.id == id) else {
            return;
        };
        let Owner::Guest { name, .. } = &self.windows[index].owner else {
            return;
        };
        let owner = Owner::Guest {
            name: name.clone(),
            scanout: Some(scanout),
        };
        self.windows.remove(index);
        self.insert(id, owner);
    }

    /// The window with the keyboard: the newest.
    #[must_use]
    pub fn focus(&self) -> Option<WindowId> {
        self.by_age.last().copied()
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
    pub fn on_output(&self, output: usize) -> impl Iterator<Item = &Window> {
        self.windows
            .iter()
            .rev()
            .filter(move |window| window.place.output == output)
    }

    /// The window of a guest's virtual monitor; the newest, if the device made several.
    #[must_use]
    pub fn scanout(&self, guest: &str, scanout: u8) -> Option<WindowId> {
        let shows = |window: &Window| {
            matches!(&window.owner, Owner::Guest { name, scanout: Some(number) }
                if name == guest && *number == scanout)
        };
        let newest_first = self.by_age.iter().rev().copied();
        newest_first
            .into_iter()
            .find(|id| self.get(*id).is_some_and(shows))
    }

    fn insert(&mut self, id: WindowId, owner: Owner) {
        let (place, layer) = match &owner {
            Owner::Guest {
                name,
                scanout: Some(scanout),
            } => (
                Place {
                    output: usize::from(*scanout) % self.outputs.len(),
                    x: 0,
                    y: 0,
                },
                Layer::Guest(self.rank(name)),
            ),
            Owner::Guest { scanout: None, .. } | Owner::Client => {
                let slot = self.free_slot();
                (self.cascade(slot), Layer::Cascade(slot))
            }
        };
        // Cascaded windows lie in the order of their age, guests' in that of their ranks and,
        // within a guest, of their age.
        let covers = |below: &Window| match (below.layer, layer) {
            (Layer::Guest(below), Layer::Guest(rank)) => below <= rank,
            (Layer::Guest(_), Layer::Cascade(_)) | (Layer::Cascade(_), Layer::Cascade(_)) => true,
            (Layer::Cascade(_), Layer::Guest(_)) => false,
        };
        let index = self.windows.partition_point(covers);
        self.windows.insert(
            index,
            Window {
                id,
                owner,
                place,
                layer,
            },
        );
    }

    fn rank(&mut self, name: &str) -> usize {
        match self.guests.iter().position(|guest| guest == name) {
            Some(rank) => rank,
            None => {
                self.guests.push(name.to_owned());
                self.guests.len() - 1
            }
        }
    }

    /// The lowest slot of the cascade that no window has.
    fn free_slot(&self) -> usize {
        let taken = |slot: usize| {
            self.windows
                .iter()
                .any(|window| window.layer == Layer::Cascade(slot))
        };
        (0..=self.windows.len())
            .find(|slot| !taken(*slot))
            .unwrap_or_default()
    }

    /// The place of a slot: down the diagonal of the first output, and over again where the next
    /// step would leave less than half of the output to the window.
    fn cascade(&self, slot: usize) -> Place {
        let (width, height) = self.outputs[0];
        let steps = (width.min(height) / 2 / CASCADE_STEP).max(1);
        let step = i32::try_from(slot % usize::try_from(steps).unwrap_or(1)).unwrap_or_default();
        Place {
            output: 0,
            x: step * CASCADE_STEP,
            y: step * CASCADE_STEP,
        }
    }

    /// Checks what must hold after every operation.
    ///
    /// # Panics
    /// If it does not hold.
    pub fn verify_invariants(&self) {
        let mut ids: Vec<_> = self.windows.iter().map(|window| window.id).collect();
        let mut by_age = self.by_age.clone();
        assert!(
            by_age.is_sorted(),
            "windows are numbered in the order in which they appear"
        );
        ids.sort();
        by_age.sort();
        assert_eq!(ids, by_age, "every window has one age and one place");

        for window in &self.windows {
            let (width, height) = self.outputs[window.place.output];
            assert!(window.place.x >= 0 && window.place.y >= 0);
            match &window.owner {
                Owner::Guest {
                    name,
                    scanout: Some(scanout),
                } => {
                    let output = usize::from(*scanout) % self.outputs.len();
                    assert_eq!(window.place, Place { output, x: 0, y: 0 });
                    let Layer::Guest(rank) = window.layer else {
                        panic!("a scanout is among the cascaded windows");
                    };
                    assert_eq!(&self.guests[rank], name, "a guest's rank is its own");
                }
                Owner::Guest { scanout: None, .. } | Owner::Client => {
                    assert!(matches!(window.layer, Layer::Cascade(_)));
                    assert_eq!(window.place.output, 0);
                    let corner = window.place.x.max(window.place.y);
                    assert!(corner <= width.min(height) / 2, "a corner is far off");
                }
            }
        }

        for pair in self.windows.windows(2) {
            match (pair[0].layer, pair[1].layer) {
                (Layer::Guest(below), Layer::Guest(above)) => assert!(below <= above),
                (Layer::Guest(_), Layer::Cascade(_)) => {}
                (Layer::Cascade(below), Layer::Cascade(above)) => assert_ne!(below, above),
                (Layer::Cascade(_), Layer::Guest(_)) => panic!("a guest covers a client"),
            }
        }
        assert_eq!(self.focus(), self.windows.iter().map(Window::id).max());
    }
}
