//! What the windows of a guest are called.

use crate::display::ScanoutId;

/// Longer names are cut: a request must fit into the 4096 bytes of a Wayland message.
const MAX_TITLE: usize = 200;

/// What goes into the titles of a guest's windows.
#[derive(Debug)]
pub(super) struct Titles {
    guest: String,
    several: bool,
    /// Whose window holds the user's hands.
    grabbed: Option<ScanoutId>,
    /// How the guest's machine is, where that is worth a word.
    machine: Option<String>,
}

impl Titles {
    /// `scanouts` is how many screens the guest has to begin with.
    pub(super) fn new(guest: &str, scanouts: usize) -> Self {
        Self {
            guest: sendable(guest),
            several: scanouts > 1,
            grabbed: None,
            machine: None,
        }
    }

    /// How the guest's machine is; `None` for one that runs.
    pub(super) fn set_machine(&mut self, words: Option<&str>) {
        self.machine = words.map(sendable);
    }

    /// The guest's name, fit to be sent.
    pub(super) fn guest(&self) -> &str {
        &self.guest
    }

    /// There is a window for this scanout. Returns whether others are called otherwise from now on:
    /// screens are numbered where there are several.
    pub(super) fn opened(&mut self, scanout: ScanoutId) -> bool {
        let news = scanout.0 > 0 && !self.several;
        self.several |= news;
        news
    }

    /// The guest of this window holds the user's hands; `None` if none does. Returns the windows
    /// whose titles change by that.
    pub(super) fn set_grabbed(
        &mut self,
        scanout: Option<ScanoutId>,
    ) -> impl Iterator<Item = ScanoutId> + use<> {
        let before = std::mem::replace(&mut self.grabbed, scanout);
        let changed = before != scanout;
        before.into_iter().chain(scanout).filter(move |_| changed)
    }

    /// Whether the guest holds the user's hands in this window.
    pub(super) fn is_grabbed(&self, scanout: ScanoutId) -> bool {
        self.grabbed == Some(scanout)
    }

    /// A window's title. `release` is what gives the user's hands back, in words.
    pub(super) fn of(&self, scanout: ScanoutId, release: &str) -> String {
        let mut title = self.guest.clone();
        if self.several {
            title += &format!(" (screen {})", u32::from(scanout.0) + 1);
        }
        if let Some(machine) = &self.machine {
            title += &format!(" \u{2013} {machine}");
        }
        if self.is_grabbed(scanout) && !release.is_empty() {
            title += &format!(" \u{2013} {} releases", sendable(release));
        }
        title
    }
}

/// A zero byte can't travel in a Wayland string, and other control characters in no title.
fn sendable(text: &str) -> String {
    let seen = text.chars().filter(|c| !c.is_control());
    seen.take(MAX_TITLE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: ScanoutId = ScanoutId(0);
    const SECOND: ScanoutId = ScanoutId(1);

    #[test]
    fn screens_are_numbered_once_there_are_several() {
        let mut titles = Titles::new("web\0server\n", 1);
        assert!(!titles.opened(FIRST));
        assert_eq!(titles.of(FIRST, ""), "webserver");
        assert!(titles.opened(SECOND));
        assert!(!titles.opened(SECOND));
        assert_eq!(titles.of(FIRST, ""), "webserver (screen 1)");
        assert_eq!(titles.of(SECOND, ""), "webserver (screen 2)");
    }

    #[test]
    fn window_that_holds_the_hands_says_how_to_get_them_back() {
        let mut titles = Titles::new("web", 1);
        let changed: Vec<_> = titles.set_grabbed(Some(FIRST)).collect();
        assert_eq!(changed, [FIRST]);
        assert_eq!(titles.set_grabbed(Some(FIRST)).count(), 0);
        assert_eq!(
            titles.of(FIRST, "Ctrl+Alt"),
            "web \u{2013} Ctrl+Alt releases"
        );
        assert_eq!(titles.of(FIRST, ""), "web");
        assert_eq!(titles.of(SECOND, "Ctrl+Alt"), "web");
        let changed: Vec<_> = titles.set_grabbed(Some(SECOND)).collect();
        assert_eq!(changed, [FIRST, SECOND]);
        assert_eq!(titles.set_grabbed(None).collect::<Vec<_>>(), [SECOND]);
    }

    #[test]
    fn a_machine_that_does_not_run_is_said_to() {
        let mut titles = Titles::new("web", 1);
        titles.set_machine(Some("paused"));
        assert_eq!(titles.of(FIRST, ""), "web \u{2013} paused");
        titles.set_machine(None);
        assert_eq!(titles.of(FIRST, ""), "web");
    }

    #[test]
    fn long_names_fit_into_a_message() {
        let long = "\u{1f985}".repeat(1000);
        let mut titles = Titles::new(&long, 2);
        titles.set_machine(Some(&long));
        let _ = titles.set_grabbed(Some(FIRST)).count();
        assert!(titles.of(FIRST, &long).len() < 4000);
    }
}
