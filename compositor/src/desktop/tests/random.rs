//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    /// The nth of a few monitors.
    Plug(u64, (i32, i32)),
    Unplug(u64),
    SetMode(u64, (i32, i32)),
    Connect(u8),
    Place(u8, Placement),
    AddGuest(u8, Option<u8>, (i32, i32)),
    AddClient,
    /// Of the nth window, counted around.
    Remove(usize),
    SetScanout(usize, u8),
    SetSize(usize, (i32, i32)),
    SetFullscreen(usize, bool),
    Click(usize),
    Focus(u8),
    Run(u8, bool),
    /// The nth window shows something new.
    Draw(usize),
    Next,
    Previous,
}

const MONITORS: u64 = 4;

fn size() -> impl Strategy<Value = (i32, i32)> {
    (0..4000i32, 0..4000i32)
}

fn placement() -> impl Strategy<Value = Placement> {
    let outputs = prop::collection::vec((0..=MONITORS).prop_map(|n| format!("M{n}")), 0..3);
    let fit = prop_oneof![
        Just(Fit::Stretch),
        Just(Fit::Letterbox),
        Just(Fit::Integer),
        Just(Fit::None)
    ];
    let position = prop::option::weighted(0.2, (-50..2000i32, -50..2000i32));
    (outputs, fit, position).prop_map(|(outputs, fit, position)| Placement {
        outputs,
        fit,
        position,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let guest = || 0..4u8;
    prop_oneof![
        (0..MONITORS, size()).prop_map(|(monitor, size)| Op::Plug(monitor, size)),
        (0..MONITORS).prop_map(Op::Unplug),
        (0..MONITORS, size()).prop_map(|(monitor, size)| Op::SetMode(monitor, size)),
        guest().prop_map(Op::Connect),
        (guest(), placement()).prop_map(|(guest, placement)| Op::Place(guest, placement)),
        (guest(), prop::option::of(0..5u8), size())
            .prop_map(|(guest, scanout, size)| Op::AddGuest(guest, scanout, size)),
        Just(Op::AddClient),
        any::<usize>().prop_map(Op::Remove),
        (any::<usize>(), 0..5u8).prop_map(|(window, scanout)| Op::SetScanout(window, scanout)),
        (any::<usize>(), size()).prop_map(|(window, size)| Op::SetSize(window, size)),
        any::<(usize, bool)>().prop_map(|(window, full)| Op::SetFullscreen(window, full)),
        any::<usize>().prop_map(Op::Click),
        guest().prop_map(Op::Focus),
        (guest(), any::<bool>()).prop_map(|(guest, runs)| Op::Run(guest, runs)),
        any::<usize>().prop_map(Op::Draw),
        Just(Op::Next),
        Just(Op::Previous),
    ]
}

/// A desktop and the monitors that are plugged in.
struct Scene {
    desktop: Desktop,
    plugged: BTreeMap<u64, OutputId>,
    next: u64,
}

impl Scene {
    fn new(policy: Policy) -> Self {
        Self {
            desktop: Desktop::new(policy),
            plugged: BTreeMap::new(),
            next: 0,
        }
    }

    fn plug(&mut self, monitor: u64, (width, height): (i32, i32)) {
        if self.plugged.contains_key(&monitor) {
            return;
        }
        let id = out(self.next);
        self.next += 1;
        self.plugged.insert(monitor, id);
        let screen = screen(&format!("M{monitor}"), width, height);
        self.desktop.add_output(id, screen);
    }

    fn apply(&mut self, op: Op) {
        let count = self.desktop.windows().len();
        let window = |n: usize| self.desktop.windows().get(n % count.max(1)).map(Window::id);
        match op {
            Op::Plug(monitor, size) => self.plug(monitor, size),
            Op::Unplug(monitor) => {
                if let Some(id) = self.plugged.remove(&monitor) {
                    self.desktop.remove_output(id);
                }
            }
            Op::SetMode(monitor, (width, height)) => {
                if let Some(id) = self.plugged.get(&monitor) {
                    let screen = screen(&format!("M{monitor}"), width, height);
                    self.desktop.change_output(*id, screen);
                }
            }
            Op::Connect(guest) => self.desktop.guest_connected(&guest.to_string()),
            Op::Place(guest, placement) => {
                self.desktop.place_guest(&guest.to_string(), placement);
            }
            Op::AddGuest(guest, scanout, size) => {
                let name = guest.to_string();
                self.desktop.add(Owner::Guest { name, scanout }, size);
            }
            Op::AddClient => {
                self.desktop.add(Owner::Client, (10, 10));
            }
            Op::Remove(n) => {
                if let Some(id) = window(n) {
                    self.desktop.remove(id);
                }
            }
            Op::SetScanout(n, scanout) => {
                if let Some(id) = window(n) {
                    self.desktop.set_scanout(id, scanout);
                }
            }
            Op::SetSize(n, size) => {
                if let Some(id) = window(n) {
                    self.desktop.set_size(id, size);
                }
            }
            Op::SetFullscreen(n, fullscreen) => {
                if let Some(id) = window(n) {
                    self.desktop.set_fullscreen(id, fullscreen);
                }
            }
            Op::Click(n) => self.click(window(n)),
            Op::Focus(guest) => self.focus_guest(&guest.to_string()),
            Op::Run(guest, runs) => self.run(guest, runs),
            Op::Draw(n) => {
                if let Some(id) = window(n) {
                    self.desktop.drew(id);
                }
            }
            Op::Next => {
                self.desktop.next_guest();
            }
            Op::Previous => {
                self.desktop.previous_guest();
            }
        }
        self.desktop.verify_invariants();
    }

    fn click(&mut self, window: Option<WindowId>) {
        let Some(id) = window else {
            return;
        };
        self.desktop.focus_window(id);
        if self.desktop.get(id).unwrap().place().is_some() {
            assert_eq!(self.desktop.focus(), Some(id), "a click gives the keyboard");
        }
    }

    /// Whose guest stops changes neither hands the keyboard nor its place on the desktop on.
    fn run(&mut self, guest: u8, runs: bool) {
        let name = guest.to_string();
        let knows = self.desktop.guests().any(|known| known == name);
        let occupants = |desktop: &Desktop| desktop.occupants.clone();
        let (focus, before) = (self.desktop.focus(), occupants(&self.desktop));
        self.desktop.set_running(&name, runs);
        if !knows {
            return;
        }
        assert_eq!(occupants(&self.desktop), before);
        let owner = |id| match self.desktop.get(id).unwrap().owner() {
            Owner::Guest { name, .. } => Some(name.clone()),
            Owner::Client => None,
        };
        if self.desktop.policy() == Policy::Kiosk
            && !runs
            && focus.and_then(owner).as_ref() == Some(&name)
        {
            assert_eq!(self.desktop.focus(), None, "it is nobody's to type at");
        } else if !runs || self.desktop.policy() == Policy::Headless {
            assert_eq!(self.desktop.focus(), focus);
        }
    }

    /// Switching shows all of a guest's windows that have a monitor.
    fn focus_guest(&mut self, name: &str) {
        if self.desktop.focus_guest(name).is_err() {
            assert!(self.desktop.guests().all(|guest| guest != name));
            return;
        }
        for scanout in 0..5 {
            let belongs_on = self.desktop.output_of_scanout(name, scanout);
            let Some(id) = self.desktop.scanout(name, scanout) else {
                continue;
            };
            let place = self.desktop.get(id).unwrap().place();
            let untold_covers = place.is_none() && scanout == 0;
            let is_past = self.desktop.is_past(self.desktop.get(id).unwrap());
            if !untold_covers && !is_past {
                assert_eq!(place.map(|place| place.output), belongs_on);
            }
        }
    }

    /// Which window is on which monitor.
    fn places(&self) -> Vec<(WindowId, Option<u64>)> {
        let monitor = |window: &Window| {
            let output = window.place()?.output;
            let found = self.plugged.iter().find(|(_, id)| **id == output);
            found.map(|(monitor, _)| *monitor)
        };
        let windows = self.desktop.windows().iter();
        windows
            .map(|window| (window.id(), monitor(window)))
            .collect()
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..60)
}

proptest! {
    #[test]
    fn invariants_hold_after_every_operation(
        kiosk in any::<bool>(), ops in ops(),
    ) {
        let policy = if kiosk { Policy::Kiosk } else { Policy::Headless };
        let mut scene = Scene::new(policy);
        for op in ops {
            scene.apply(op);
        }
    }

    #[test]
    fn what_was_on_a_monitor_comes_back_to_it(
        ops in ops(), monitors in 1..=MONITORS, pulled in prop::collection::vec(0..MONITORS, 1..4),
    ) {
        let mut scene = Scene::new(Policy::Kiosk);
        for monitor in 0..monitors {
            scene.plug(monitor, (640, 480));
        }
        for op in ops {
            if !matches!(op, Op::Plug(..) | Op::Unplug(_)) {
                scene.apply(op);
            }
        }
        let (before, focus) = (scene.places(), scene.desktop.focus());
        let pulled: std::collections::BTreeSet<_> = pulled.into_iter().filter(|n| *n < monitors).collect();
        for monitor in &pulled {
            scene.apply(Op::Unplug(*monitor));
        }
        for monitor in pulled.iter().rev() {
            scene.apply(Op::Plug(*monitor, (640, 480)));
        }
        prop_assert_eq!(scene.places(), before);
        prop_assert_eq!(scene.desktop.focus(), focus);
    }

    #[test]
    fn guests_that_stopped_are_back_where_they_were_once_they_run_and_draw(
        ops in ops(), stopped in prop::collection::vec(0..4u8, 1..4),
    ) {
        let mut scene = Scene::new(Policy::Kiosk);
        for op in ops {
            if !matches!(op, Op::Run(..)) {
                scene.apply(op);
            }
        }
        for guest in &stopped {
            if scene.desktop.guests().all(|known| known != guest.to_string()) {
                scene.apply(Op::Connect(*guest));
            }
        }
        let (before, focus) = (scene.places(), scene.desktop.focus());
        for guest in &stopped {
            scene.apply(Op::Run(*guest, false));
        }
        for (id, place) in scene.places() {
            let Owner::Guest { name, .. } = scene.desktop.get(id).unwrap().owner() else {
                continue;
            };
            let is_stopped = stopped.iter().any(|guest| guest.to_string() == *name);
            prop_assert!(!is_stopped || place.is_none(), "the past passes for the present");
        }
        for guest in &stopped {
            scene.apply(Op::Run(*guest, true));
        }
        for window in 0..scene.desktop.windows().len() {
            scene.apply(Op::Draw(window));
        }
        prop_assert_eq!(scene.places(), before);
        prop_assert_eq!(scene.desktop.focus(), focus);
    }

    #[test]
    fn nobody_is_hidden_while_there_are_enough_monitors(
        guests in 1..5u8, more in 0..3u64, order in any::<bool>(),
    ) {
        let mut scene = Scene::new(Policy::Kiosk);
        let monitors = 0..u64::from(guests) + more;
        if order {
            monitors.clone().for_each(|monitor| scene.plug(monitor, (640, 480)));
        }
        for guest in 0..guests {
            scene.apply(Op::AddGuest(guest, Some(0), (640, 480)));
        }
        monitors.for_each(|monitor| scene.plug(monitor, (640, 480)));
        let hidden = scene.places().into_iter().filter(|(_, place)| place.is_none());
        prop_assert_eq!(hidden.count(), 0);
    }
}
