//! Mistakes in a configuration file, as they are shown to the person who made them.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do, where something is known.
    pub hint: Option<String>,
    /// The offending line, without its line feed.
    pub text: String,
    /// How many characters of the line from `column` on are meant, at least 1.
    pub length: usize,
}

/// All mistakes of one file, in the order of its text. Shown as a compiler shows them:
///
/// ```text
/// /home/ann/.config/lucarne/config.toml:12:1: Unknown key `memroy`
///    12 | memroy = "2G"
///       | ^^^^^^
///    Hint: Did you mean `memory`?
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: Option<PathBuf>,
    list: Vec<Problem>,
}

impl Problem {
    /// `span` is a range of bytes of `source`; without one the first line is blamed.
    pub(crate) fn new(
        source: &str,
        span: Option<Range<usize>>,
        message: String,
        hint: Option<String>,
    ) -> Self {
        let span = span.unwrap_or(0..0);
        // A span at the end of the text lies behind the last line feed; a span in the middle of
        // a character would be a defect of the parser, and no reason to fail here.
        let start = floor_boundary(source, span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |at| start + at);
        let end = floor_boundary(source, span.end).clamp(start, line_end);
        Self {
            line: source[..line_start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            message,
            hint,
            text: source[line_start..line_end]
                .trim_end_matches('\r')
                .to_owned(),
            length: source[start..end].chars().count().max(1),
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

impl Problems {
    pub(crate) fn new(mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.line, problem.column));
        Self { file: None, list }
    }

    pub(crate) fn in_file(mut self, path: &Path) -> Self {
        self.file = Some(path.to_owned());
        self
    }

    /// The mistakes; at least one.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if let Some(file) = &self.file {
                write!(f, "{}:", file.display())?;
            }
            let Problem {
                line,
                column,
                message,
                hint,
                text,
                length,
            } = problem;
            writeln!(f, "{line}:{column}: {message}")?;
            let number = format!("{line:5}");
            writeln!(f, "{number} | {text}")?;
            let blank = " ".repeat(number.len());
            // Tabs must be repeated for the marks to stand below what they mark.
            let indent: String = text
                .chars()
                .take(column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "{blank} | {indent}{}", "^".repeat(*length))?;
            if let Some(hint) = hint {
                write!(f, "\n{blank} Hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
