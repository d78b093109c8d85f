//! Texts for people, from somebody who may want to write into their terminals.

use super::Malformed;

/// The longest text in bytes.
pub const MAX_TEXT: usize = 1024;

/// As much of a text as fits, with every character that is not to be shown made a space.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::new();
    for letter in text.trim().chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        if clean.len() + letter.len_utf8() > MAX_TEXT {
            break;
        }
        clean.push(letter);
    }
    clean
}

/// A text that [`clean`] has made.
pub(super) fn check(bytes: &[u8]) -> Result<String, Malformed> {
    if bytes.len() > MAX_TEXT {
        return Err(Malformed::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Text)?;
    match text.chars().any(char::is_control) {
        true => Err(Malformed::Text),
        false => Ok(text.to_owned()),
    }
}
