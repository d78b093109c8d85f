//! The report for programs, as a text that is small and that people can compare with another.

use anyhow::Context as _;
use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::model::Report;

/// The report as JSON: an entry a line, but all numbers of a list in one.
///
/// # Errors
/// It has a number that JSON can't express.
pub fn text(report: &Report) -> anyhow::Result<String> {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
    report
        .serialize(&mut serializer)
        .context("Could not write the report as JSON")?;
    Ok(with_short_lists(&String::from_utf8_lossy(&text)))
}

/// Puts numbers that have a line each into one. (A string begins with a quotation mark, so that nothing else
/// looks like them.)
fn with_short_lists(pretty: &str) -> String {
    let mut text = String::with_capacity(pretty.len());
    let mut in_list = false;
    for line in pretty.lines() {
        let word = line.trim_start();
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        if is_number || in_list {
            text.push_str(word);
        } else {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
        }
        // The bracket after the last one belongs to them.
        in_list = is_number;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::{
        super::{markdown, sample},
        *,
    };

    #[test]
    fn numbers_of_a_list_stand_in_one_line() {
        let pretty = "{\n \"a\": [\n  1.5,\n  -2\n ],\n \"b\": [\n  \"3\"\n ],\n \"c\": 4\n}";
        let short = "{\n \"a\": [1.5,-2],\n \"b\": [\n  \"3\"\n ],\n \"c\": 4\n}\n";
        assert_eq!(with_short_lists(pretty), short);
    }

    #[test]
    fn it_is_read_as_it_was() {
        let report = sample::report();
        let read: Report = serde_json::from_str(&text(&report).unwrap()).unwrap();
        // Not the reports themselves: the last bit of a number is not kept.
        assert_eq!(markdown::text(&read), markdown::text(&report));
    }
}
