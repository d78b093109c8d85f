//! Numbers and names, for people.

/// A name as it is in the JSON.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', "-"),
        _ => "-".to_owned(),
    }
}

pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

pub(super) fn mode(width: u32, height: u32, millihertz: u32) -> String {
    config::Mode {
        width,
        height,
        millihertz,
    }
    .to_string()
}

pub(super) fn milliseconds(microseconds: Option<u64>) -> String {
    or_dash(microseconds.map(|us| format!("{}.{} ms", us / 1000, us % 1000 / 100)))
}

/// `0 B`, `12.3 MiB`.
pub(super) fn bytes(count: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if count / unit < 1024 || name == "TiB" {
            return match unit {
                1 => format!("{count} {name}"),
                _ => format!("{}.{} {name}", count / unit, count % unit * 10 / unit),
            };
        }
        unit *= 1024;
    }
    format!("{count} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_readable() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
