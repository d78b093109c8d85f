//! What came out.
//!
//! [`model`] is the report for programs: what [`json`] writes. Everything else reads it and adds nothing:
//!
//! - [`quantity`]: what the figures are called, and their units.
//! - [`targets`]: whether Lucarne is where it wants to be.
//! - `merge`: one out of several.
//! - [`table`]: the summary on a terminal.
//! - [`markdown`]: all figures as a text to be kept.
//! - [`page`]: the same with plots, for a browser.

mod columns;
mod figure;
pub mod json;
pub mod markdown;
mod merge;
pub mod model;
pub mod page;
mod plots;
pub mod quantity;
#[cfg(test)]
mod sample;
mod svg;
pub mod table;
pub mod targets;

use std::{fs, path::Path};

use anyhow::Context as _;

pub use self::merge::merge;
use self::model::Report;

/// Writes a report into a folder, which is made if need be: `index.html` for people, `summary.md` to be
/// kept, `report.json` for programs.
///
/// # Errors
/// The folder or a file can't be written.
pub fn save(report: &Report, folder: &Path) -> anyhow::Result<()> {
    let described = || format!("Could not write the report into {}", folder.display());
    fs::create_dir_all(folder).with_context(described)?;
    let files = [
        ("report.json", json::text(report)?.into_bytes()),
        ("summary.md", markdown::text(report).into_bytes()),
        ("index.html", page::html(report).into_bytes()),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).with_context(described)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_report_can_be_read_again() {
        let report = sample::report();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made/if/need/be");
        save(&report, &folder).unwrap();
        let json = fs::read(folder.join("report.json")).unwrap();
        let read: Report = serde_json::from_slice(&json).unwrap();
        assert_eq!(markdown::text(&read), markdown::text(&report));
        for (name, start) in [("index.html", "<!DOCTYPE html>"), ("summary.md", "# ")] {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            assert!(text.starts_with(start), "{name}");
        }
    }
}
