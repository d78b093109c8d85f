//! Where reports go.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::bench::report::{self, model::Report};

/// Places that could be written to when it all began.
#[derive(Debug)]
pub(super) struct Outputs {
    json: Option<Json>,
    folder: Option<PathBuf>,
}

#[derive(Debug)]
enum Json {
    StandardOutput,
    File(PathBuf, File),
}

/// Whether a path means standard output.
pub(super) fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

impl Outputs {
    /// Opens a file, and makes a folder. What is in them stays until there is something better.
    pub(super) fn open(json: Option<&Path>, folder: Option<&Path>) -> anyhow::Result<Self> {
        let json = match json {
            None => None,
            Some(path) if is_standard_output(path) => Some(Json::StandardOutput),
            Some(path) => {
                let mut options = File::options();
                let file = options.write(true).create(true).truncate(false).open(path);
                let file = file.with_context(|| unwritable(path))?;
                Some(Json::File(path.to_owned(), file))
            }
        };
        if let Some(folder) = folder {
            fs::create_dir_all(folder).with_context(|| unwritable(folder))?;
        }
        Ok(Self {
            json,
            folder: folder.map(Path::to_owned),
        })
    }

    /// Writes a report to all of them.
    pub(super) fn write(self, report: &Report) -> anyhow::Result<()> {
        if let Some(json) = self.json {
            let text = report::json::text(report)?;
            match json {
                Json::StandardOutput => io::stdout()
                    .write_all(text.as_bytes())
                    .context("Could not write to standard output")?,
                Json::File(path, file) => {
                    replace(file, &text).with_context(|| unwritable(&path))?;
                }
            }
        }
        if let Some(folder) = self.folder {
            report::save(report, &folder)?;
            // Nobody to tell if this fails.
            let _ = writeln!(
                io::stderr(),
                "The report is {}",
                folder.join("index.html").display()
            );
        }
        Ok(())
    }
}

fn replace(mut file: File, text: &str) -> io::Result<()> {
    // A pipe or a terminal has no length.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

fn unwritable(path: &Path) -> String {
    format!(
        "Could not write {}. Check that there is room and that you may write there",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_tried_before_anything_is_measured() {
        let error = Outputs::open(Some(Path::new("/nowhere/a.json")), None).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("Could not write /nowhere/a.json. ")
        );
        let error = Outputs::open(None, Some(Path::new("/proc/nowhere"))).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("Could not write /proc/nowhere. ")
        );
    }

    #[test]
    fn an_older_report_stays_until_there_is_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "something older, which is longer").unwrap();
        let outputs = Outputs::open(Some(&path), None).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "something older, which is longer"
        );
        let Some(Json::File(_, file)) = outputs.json else {
            panic!("it is a file");
        };
        replace(file, "newer").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
    }
}
