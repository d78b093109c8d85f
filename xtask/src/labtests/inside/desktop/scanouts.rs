//! Five monitors that come, move, change their size and go while the guest draws on all of them: nothing of one is
//! ever seen in another.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use protocols::ipc::Request;

use super::{
    Desk, FIRST,
    hosts::{Host, Session, Window},
};
use crate::labtests::{
    compositor::Compositor, inside::crowd, list, picture::Picture, quoted, until,
};

const MONITOR: (u32, u32) = (1280, 800);

/// From a monitor's coming to its picture.
const SOON: Duration = Duration::from_secs(10);

/// What can be seen in every window before the guest has drawn there.
const BLACK: [u8; 3] = [0; 3];

/// Where windows are put, far enough from each other for the largest.
const PLACES: [(i32, i32); 6] = [(0, 0), (420, 0), (840, 0), (0, 400), (420, 400), (840, 400)];

/// How often all windows are moved on by one place.
const ROUNDS: usize = 4;

/// The windows, and which monitor of the guest each one has shown so far.
struct Wall<'a> {
    desk: &'a Desk,
    session: Session,
    lucarne: Compositor,
    owners: BTreeMap<u64, u32>,
    screenshots: usize,
}

/// Two monitors at first.
pub fn run(desk: &Desk) -> Result<String> {
    let session = Session::start(Host::Sway, &desk.folder, MONITOR)?;
    session.sway("for_window [app_id=\"lucarne.*\"] floating enable")?;
    let program = std::env::current_exe()?;
    let arguments = ["inside", "crowd", "{socket}"].map(str::to_owned);
    let config = format!(
        "[guest.guest]\nscanouts = [\"400x300\", \"320x240\"]\nmax_scanouts = 5\nrestart = \"never\"\n\
         vmm = {{ kind = \"custom\", program = {}, arguments = {} }}\n",
        quoted(&program.display().to_string()),
        list(&arguments),
    );
    let lucarne = desk.lucarne(&session, &config, "guest")?;
    let mut wall = Wall {
        desk,
        session,
        lucarne,
        owners: BTreeMap::new(),
        screenshots: 0,
    };
    wall.settle(&[0, 1]).context("At first")?;
    for (number, size) in [(2, (256, 256)), (3, (384, 200)), (4, (320, 320))] {
        wall.plug(number, Some(size))?;
        let all: Vec<u32> = (0..=u32::from(number)).collect();
        wall.settle(&all)
            .with_context(|| format!("After scanout {number} came"))?;
    }
    let all = [0, 1, 2, 3, 4];
    for round in 0..ROUNDS {
        wall.arrange(round)?;
        wall.look()?;
        wall.resize(round)?;
        wall.settle(&all)
            .with_context(|| format!("After {} moves", round + 1))?;
    }
    for (number, left) in [(1, &[0, 2, 3, 4][..]), (3, &[0, 2, 4]), (0, &[2, 4])] {
        wall.plug(number, None)?;
        wall.settle(left)
            .with_context(|| format!("After scanout {number} went"))?;
    }
    wall.plug(1, Some((300, 300)))?;
    wall.settle(&[1, 2, 4])
        .context("After scanout 1 came back")?;
    let note = format!("{} screenshots", wall.screenshots);
    wall.lucarne.quit()?;
    Ok(note)
}

impl Wall<'_> {
    /// Plugs a monitor in, or out.
    fn plug(&self, scanout: u8, size: Option<(u32, u32)>) -> Result<()> {
        self.lucarne.ask(&Request::Scanout {
            guest: "guest".to_owned(),
            scanout,
            size,
        })?;
        Ok(())
    }

    /// Puts every window at a place of its own, another one in each round.
    fn arrange(&self, round: usize) -> Result<()> {
        for (number, window) in self.session.windows()?.iter().enumerate() {
            let (x, y) = PLACES[(number + round) % PLACES.len()];
            self.session.sway(&format!(
                "[con_id={}] move absolute position {x} {y}",
                window.id
            ))?;
        }
        Ok(())
    }

    /// Gives one window another size.
    fn resize(&self, round: usize) -> Result<()> {
        let windows = self.session.windows()?;
        let window = windows
            .get(round % windows.len().max(1))
            .context("There is no window")?;
        let (width, height) = (300 + 20 * round, 240 + 20 * round);
        self.session.sway(&format!(
            "[con_id={}] resize set {width} {height}",
            window.id
        ))
    }

    /// Waits until there is a window for each of these monitors of the guest, with its frames in it; in every
    /// screenshot until then, too, no window shows a frame of another.
    fn settle(&mut self, wanted: &[u32]) -> Result<()> {
        let wanted: BTreeSet<u32> = wanted.iter().copied().collect();
        let mut last = BTreeSet::new();
        until(if self.screenshots == 0 { FIRST } else { SOON }, || {
            let windows = self.session.windows()?;
            if windows.len() != wanted.len() {
                return Ok(None);
            }
            self.arrange(0)?;
            last = self.look()?;
            Ok((last == wanted).then_some(()))
        })
        .with_context(|| {
            format!("Waiting for windows of {wanted:?}; the last screenshot has those of {last:?}")
        })
    }

    /// Takes a screenshot and returns the monitors that are in it.
    fn look(&mut self) -> Result<BTreeSet<u32>> {
        let before = self.session.windows()?;
        let seen = self.session.screenshot()?;
        // A window that moved meanwhile is not where it was.
        let after = self.session.windows()?;
        self.screenshots += 1;
        let mut owners = BTreeSet::new();
        for window in before.iter().filter(|window| after.contains(window)) {
            let Some(owner) = owner_of(&seen, window).or_else(|wrong| {
                seen.write_png(&self.desk.folder.join("seen.png"))?;
                bail!("{wrong}, in {window:?} (see seen.png in the test's folder)")
            })?
            else {
                continue;
            };
            let known = *self.owners.entry(window.id).or_insert(owner);
            ensure!(
                known == owner,
                "A window of scanout {known} shows a frame of scanout {owner}: {window:?}"
            );
            ensure!(
                owners.insert(owner),
                "Two windows show scanout {owner}: {before:?}"
            );
        }
        Ok(owners)
    }
}

/// The monitor whose frame fills a window; nothing if it is black. What is wrong where frames are mixed.
fn owner_of(seen: &Picture, window: &Window) -> Result<Option<u32>, String> {
    let (left, top, width, height) = window.place;
    let mut colours = BTreeMap::new();
    for y in top..(top + height).min(seen.height) {
        for x in left..(left + width).min(seen.width) {
            *colours.entry(seen.at(x, y)).or_insert(0u32) += 1;
        }
    }
    colours.remove(&BLACK);
    let owners: BTreeSet<Option<u32>> =
        colours.keys().map(|colour| crowd::owner(*colour)).collect();
    match owners.into_iter().collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [Some(owner)] if colours.len() == 1 => Ok(Some(owner)),
        _ => Err(format!("There is more than one frame: {colours:?}")),
    }
}
