//! From text to [`Config`], section by section, so that one mistake does not hide the others.

use std::ops::Range;

use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use crate::{Config, Guest, Input, Keys, Kiosk, Kms, Log, Output, Problem, Problems, guest};

/// What is wrong with a section whose keys are all right by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}. {hint}")]
pub struct Mistake {
    /// The key to blame; the whole section where `None`.
    key: Option<&'static str>,
    message: String,
    hint: String,
}

impl Mistake {
    pub(crate) fn at(
        key: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            key: Some(key),
            message: message.into(),
            hint: hint.into(),
        }
    }

    pub(crate) fn whole(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            key: None,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

pub(crate) fn config(text: &str) -> Result<Config, Problems> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut parser = Parser {
        text,
        problems: Vec::new(),
    };
    if !errors.is_empty() {
        // What follows from a syntax error would only be noise.
        errors.iter().for_each(|error| parser.toml_error(error));
        return Err(Problems::new(parser.problems));
    }
    let config = parser.document(document.into_inner());
    if parser.problems.is_empty() {
        Ok(config)
    } else {
        Err(Problems::new(parser.problems))
    }
}

struct Parser<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Parser<'t> {
    fn document(&mut self, table: DeTable<'t>) -> Config {
        const KNOWN: [&str; 8] = [
            "renderer", "guest", "output", "kms", "kiosk", "input", "keys", "log",
        ];
        let mut config = Config::default();
        for (key, value) in table {
            match key.as_ref().as_ref() {
                "renderer" => {
                    if let Some(renderer) = self.section(value) {
                        config.renderer = renderer;
                    }
                }
                "guest" => self.guests(value, &mut config),
                "output" => self.outputs(value, &mut config),
                "kms" => {
                    if let Some(kms) = self.section::<Kms>(value) {
                        config.kms = kms;
                    }
                }
                "kiosk" => {
                    if let Some(kiosk) = self.checked_section(&key, value, Kiosk::check) {
                        config.kiosk = kiosk;
                    }
                }
                "input" => {
                    if let Some(input) = self.checked_section(&key, value, Input::check) {
                        config.input = input;
                    }
                }
                "keys" => {
                    if let Some(keys) = self.section::<Keys>(value) {
                        config.keys = keys;
                    }
                }
                "log" => {
                    if let Some(log) = self.section::<Log>(value) {
                        config.log = log;
                    }
                }
                unknown => {
                    let hint = nearest_hint(unknown, KNOWN.into_iter());
                    self.problem(
                        Some(key.span()),
                        format!("Unknown key `{unknown}`"),
                        Some(hint),
                    );
                }
            }
        }
        config
    }

    fn guests(&mut self, value: Spanned<DeValue<'t>>, config: &mut Config) {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.problem(
                Some(span),
                "Could not read `guest` as a table".to_owned(),
                Some("Write [guest.NAME] with a name of your choice".to_owned()),
            );
            return;
        };
        for (name, value) in table {
            if let Err(reason) = guest::check_name(name.as_ref()) {
                self.problem(Some(name.span()), reason.to_owned(), None);
            }
            if !value.as_ref().is_table() {
                let message = format!("Could not read guest.{} as a guest", name.as_ref());
                let hint = "Write [guest.NAME] with a name of your choice, and this key below it";
                self.problem(Some(name.span()), message, Some(hint.to_owned()));
                continue;
            }
            let spans = spans_of(&name, &value);
            if let Some(guest) = self.section::<Guest>(value)
                && self.checked(guest.check(), &spans)
            {
                config.guests.insert(name.into_inner().into_owned(), guest);
            }
        }
    }

    fn outputs(&mut self, value: Spanned<DeValue<'t>>, config: &mut Config) {
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            self.problem(
                Some(span),
                "Could not read `output` as a list of outputs".to_owned(),
                Some("Write [[output]], with two brackets".to_owned()),
            );
            return;
        };
        let mut outputs: Vec<Output> = Vec::new();
        for (position, value) in array.into_iter().enumerate() {
            let section = Spanned::new(value.span(), "output".into());
            let spans = spans_of(&section, &value);
            let Some(output) = self.section::<Output>(value) else {
                continue;
            };
            if !self.checked(output.check(), &spans) {
                continue;
            }
            let earlier = outputs.iter().enumerate();
            let found = earlier
                .filter(|(at, other)| {
                    let (name, other_name) = (output.name_at(position), other.name_at(*at));
                    name.eq_ignore_ascii_case(&other_name) || output.is_about_the_same_as(other)
                })
                .count();
            if found > 0 {
                let (key, which) = output.called_at(position);
                let message = format!("Two outputs are {which}");
                let hint = "Write all that is wanted of it in one section";
                self.checked(Err(Mistake::at(key, message, hint)), &spans);
            }
            outputs.push(output);
        }
        if !outputs.is_empty() {
            config.outputs = outputs;
        }
    }

    fn section<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'t>>) -> Option<T> {
        let span = value.span();
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| {
                let (message, hint) = in_our_words(error.message());
                self.problem(error.span().or(Some(span)), message, hint);
            })
            .ok()
    }

    fn checked_section<T: DeserializeOwned>(
        &mut self,
        key: &Key<'t>,
        value: Spanned<DeValue<'t>>,
        check: impl Fn(&T) -> Result<(), Mistake>,
    ) -> Option<T> {
        let spans = spans_of(key, &value);
        let section = self.section(value)?;
        self.checked(check(&section), &spans).then_some(section)
    }

    fn checked(&mut self, result: Result<(), Mistake>, spans: &Spans) -> bool {
        let Err(Mistake { key, message, hint }) = result else {
            return true;
        };
        let span = key
            .and_then(|key| spans.keys.iter().find(|(name, _)| name == key))
            .map_or_else(|| spans.section.clone(), |(_, span)| span.clone());
        self.problem(Some(span), message, Some(hint));
        false
    }

    fn toml_error(&mut self, error: &toml::de::Error) {
        let (message, hint) = in_our_words(error.message());
        self.problem(error.span(), message, hint);
    }

    fn problem(&mut self, span: Option<Range<usize>>, message: String, hint: Option<String>) {
        self.problems
            .push(Problem::new(self.text, span, message, hint));
    }
}

/// Where a section and its keys are written.
struct Spans {
    section: Range<usize>,
    keys: Vec<(String, Range<usize>)>,
}

fn spans_of(section: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Spans {
    let keys = value.as_ref().as_table().into_iter().flatten();
    Spans {
        section: section.span(),
        keys: keys
            .map(|(key, _)| (key.as_ref().to_string(), key.span()))
            .collect(),
    }
}

/// serde's sentence about a mistake, made ours: a capital letter, "key" for "field", and the
/// nearest known word as a hint.
fn in_our_words(message: &str) -> (String, Option<String>) {
    for (prefix, kind) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        if let Some(rest) = message.strip_prefix(prefix) {
            // The pieces at odd positions are what stands between backticks.
            let mut pieces = rest.split('`');
            let unknown = pieces.next().unwrap_or_default();
            let known: Vec<&str> = pieces.skip(1).step_by(2).collect();
            let hint = nearest_hint(unknown, known.into_iter());
            return (format!("Unknown {kind} `{unknown}`"), Some(hint));
        }
    }
    let mut chars = message.trim().chars();
    let first = chars
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    (first + chars.as_str(), None)
}

/// The known word that was probably meant by one that is not known.
#[must_use]
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Beyond a third of the word another word is more likely than a slip of the fingers.
    let limit = unknown.chars().count().div_ceil(3);
    known
        .map(|word| (distance(unknown, word), word))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, word)| word)
}

fn nearest_hint<'a>(unknown: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(unknown, known.clone()) {
        Some(word) => format!("Did you mean `{word}`?"),
        None => format!("Known here: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// How many insertions, deletions, replacements and swaps of neighbours lie between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_neighbours_is_one_slip() {
        assert_eq!(distance("memroy", "memory"), 1);
        assert_eq!(distance("cpu", "cpus"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn a_word_unlike_all_others_gets_the_list() {
        let hint = nearest_hint("sound", ["disk", "kernel"].into_iter());
        assert_eq!(hint, "Known here: disk, kernel");
    }
}
