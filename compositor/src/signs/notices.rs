//! Notices and when they go. Pure.

use std::time::Duration;

/// More at once would be a page to read; the oldest goes.
const MOST: usize = 3;

/// What is to be read for a while.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// The oldest first.
    list: Vec<Notice>,
    /// Counts the changes.
    revision: u64,
}

#[derive(Debug)]
struct Notice {
    text: String,
    /// When it goes, on the clock of [`now`](crate::backend::now).
    until: Duration,
}

impl Notices {
    /// Shows a text; one that is shown already stays longer.
    pub(super) fn add(&mut self, text: &str, until: Duration) {
        if let Some(notice) = self.list.iter_mut().find(|notice| notice.text == text) {
            notice.until = notice.until.max(until);
            return;
        }
        if self.list.len() == MOST {
            self.list.remove(0);
        }
        self.list.push(Notice {
            text: text.to_owned(),
            until,
        });
        self.revision += 1;
    }

    /// Takes away what was to be read long enough. Returns whether anything was.
    pub(super) fn expire(&mut self, now: Duration) -> bool {
        let before = self.list.len();
        self.list.retain(|notice| notice.until > now);
        let changed = self.list.len() != before;
        self.revision += u64::from(changed);
        changed
    }

    /// When the next one goes.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.list.iter().map(|notice| notice.until).min()
    }

    /// Those to be read, the oldest first.
    pub(super) fn texts(&self) -> Vec<&str> {
        self.list
            .iter()
            .map(|notice| notice.text.as_str())
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Another number for other texts.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_notice_goes_at_its_time() {
        let mut notices = Notices::default();
        notices.add("a", at(5));
        notices.add("b", at(3));
        assert_eq!(notices.deadline(), Some(at(3)));
        assert!(!notices.expire(at(2)));
        assert!(notices.expire(at(3)));
        assert_eq!(notices.texts(), ["a"]);
        assert!(notices.expire(at(9)));
        assert_eq!((notices.is_empty(), notices.deadline()), (true, None));
    }

    #[test]
    fn a_notice_that_is_given_again_stays_longer() {
        let mut notices = Notices::default();
        notices.add("a", at(5));
        let revision = notices.revision();
        notices.add("a", at(8));
        notices.add("a", at(2));
        assert_eq!(notices.deadline(), Some(at(8)));
        assert_eq!(notices.revision(), revision, "it looks the same");
    }

    #[test]
    fn there_are_never_many() {
        let mut notices = Notices::default();
        for text in ["a", "b", "c", "d"] {
            notices.add(text, at(1));
        }
        assert_eq!(notices.texts(), ["b", "c", "d"]);
    }
}
