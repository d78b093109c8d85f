//! `lucarne msg key` and `lucarne msg type`

use std::io::Read as _;

use anyhow::{Context as _, bail};
use clap::Args;
use protocols::{
    ipc::{InputAction, Request},
    keys::{self, Chord, ParseChordError},
};

use super::{Ask, guest::OfGuest, typing::Typist};

/// Chords of one request, so that none is longer than a line may be.
const AT_ONCE: usize = 256;

/// Chords that a device keeps until it has pressed them.
const MOST: usize = 4096;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Keys have the names of Linux' input-event-codes.h without KEY_, and the usual ones: ctrl, alt, shift,
super, altgr, enter, esc, del. A name is a place on the keyboard: y is where the American layout has it.

Examples:
  lucarne msg key ctrl+alt+f2
  lucarne msg key --guest debian super a enter
  lucarne msg key --down shift      and leave it pressed for the next ones
  lucarne msg key right right
  lucarne msg key --up shift")]
pub(super) struct Key {
    #[command(flatten)]
    guest: OfGuest,
    /// Press the keys and leave them pressed
    #[arg(long, conflicts_with = "up")]
    down: bool,
    /// Let go of the keys
    #[arg(long)]
    up: bool,
    /// Keys that are pressed together, with + between them; one chord after the other
    #[arg(required = true, value_name = "CHORD", value_parser = chord)]
    chords: Vec<Chord>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Line ends are Enter, tabs are Tab. The guest must use the same keyboard layout.

Examples:
  lucarne msg type 'echo Hello'
  lucarne msg type --layout de --guest debian $'Grüße\\n'
  cat script.sh | lucarne msg type -")]
pub(super) struct Type {
    #[command(flatten)]
    guest: OfGuest,
    /// The guest's keyboard layout, as XKB names it, with a variant after a colon
    #[arg(long, default_value = "us", value_name = "LAYOUT[:VARIANT]")]
    layout: String,
    /// What to type; - for standard input
    #[arg(allow_hyphen_values = true)]
    text: String,
}

/// A chord; for a key that is not known the nearest one is suggested.
fn chord(text: &str) -> Result<Chord, String> {
    text.parse().map_err(|error: ParseChordError| match &error {
        ParseChordError::Unknown(name) => match config::nearest(name, keys::names()) {
            Some(nearest) => format!("{error}. Did you mean `{nearest}`?"),
            None => error.to_string(),
        },
        _ => error.to_string(),
    })
}

impl Key {
    pub(super) fn requests(self, ask: Ask<'_>) -> anyhow::Result<Vec<Request>> {
        let guest = self.guest.name(ask)?;
        let chords = self.chords.iter().map(Chord::codes);
        let actions = match (self.down, self.up) {
            (false, false) => pieces(chords.collect()),
            (true, _) => keys(chords.flatten(), true),
            // In the reverse order, as hands do.
            (false, true) => {
                let codes: Vec<u16> = chords.flatten().collect();
                keys(codes.into_iter().rev(), false)
            }
        };
        Ok(requests(&guest, actions))
    }
}

impl Type {
    pub(super) fn requests(self, ask: Ask<'_>) -> anyhow::Result<Vec<Request>> {
        let mut text = self.text;
        if text == "-" {
            text.clear();
            let mut input = std::io::stdin();
            input
                .read_to_string(&mut text)
                .context("Could not read the text to type from standard input")?;
        }
        let chords = Typist::new(&self.layout)?.chords(&text)?;
        if chords.is_empty() {
            bail!("Could not type nothing. Give a text");
        }
        if chords.len() > MOST {
            bail!(
                "Could not type {} characters at once. Type at most {MOST}, and the rest a minute \
                 later",
                chords.len()
            );
        }
        Ok(requests(&self.guest.name(ask)?, pieces(chords)))
    }
}

fn keys(codes: impl Iterator<Item = u16>, pressed: bool) -> Vec<InputAction> {
    codes
        .map(|code| InputAction::Key { code, pressed })
        .collect()
}

fn pieces(chords: Vec<Vec<u16>>) -> Vec<InputAction> {
    let pieces = chords.chunks(AT_ONCE);
    pieces
        .map(|piece| InputAction::Chords(piece.to_vec()))
        .collect()
}

pub(super) fn requests(guest: &str, actions: Vec<InputAction>) -> Vec<Request> {
    let request = |action| Request::Input {
        guest: guest.to_owned(),
        action,
    };
    actions.into_iter().map(request).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_gets_the_nearest_name() {
        assert_eq!(chord("ctrl+alt+f2").unwrap().codes(), [29, 56, 60]);
        let error = chord("ctrl+entre").unwrap_err();
        assert!(error.contains("`entre`"), "{error}");
        assert!(error.ends_with("Did you mean `enter`?"), "{error}");
        assert!(!chord("xyzzyxyzzy").unwrap_err().contains("Did you mean"));
        assert!(chord("ctrl+ctrl").is_err());
    }

    #[test]
    fn long_texts_go_in_pieces() {
        let chords = vec![vec![30]; 2 * AT_ONCE + 1];
        let lengths: Vec<usize> = pieces(chords)
            .iter()
            .map(|action| match action {
                InputAction::Chords(chords) => chords.len(),
                other => panic!("it is {other:?}"),
            })
            .collect();
        assert_eq!(lengths, [AT_ONCE, AT_ONCE, 1]);
    }
}
