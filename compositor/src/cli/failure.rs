//! How an error is shown.

use std::io::{self, Write as _};

use tracing::Level;

use crate::service::journal;

/// Writes an error and its causes to standard error. What a cause says is left out where the
/// message before it says it already.
pub(super) fn show(error: &anyhow::Error) {
    let text = format!("lucarne: {}\n", text(error));
    let text = match journal::is_standard_error() {
        true => journal::with_priority(Level::ERROR, &text),
        false => text,
    };
    // Nobody to tell if this fails.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn text(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str("\n  Cause: ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let cause = io::Error::other("disk on fire");
        let error = anyhow::Error::new(cause).context("Could not read x: disk on fire. Try y");
        assert_eq!(text(&error), "Could not read x: disk on fire. Try y");

        let error = anyhow::Error::msg("first")
            .context("second")
            .context("third");
        assert_eq!(text(&error), "third\n  Cause: second\n  Cause: first");
    }
}
