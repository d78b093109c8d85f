//! journald's way of reading a service's standard error: a priority in front of each line.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env, fmt,
    io::{self, Write as _},
    panic,
    sync::OnceLock,
};

use rustix::fs::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

/// Whether standard error is a pipe to journald: it says so by the pipe's device and inode.
pub(crate) fn is_standard_error() -> bool {
    static IS: OnceLock<bool> = OnceLock::new();
    *IS.get_or_init(|| {
        let Ok(stream) = env::var("JOURNAL_STREAM") else {
            return false;
        };
        fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
    })
}

/// Lines as journald wants them: with the priority in front (`sd-daemon(3)`), and without the time,
/// which it adds.
pub(crate) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        let mut text = format!("{}: ", meta.target());
        context.format_fields(Writer::new(&mut text), event)?;
        writer.write_str(&with_priority(*meta.level(), &text))
    }
}

/// Each line of a text with a priority in front. journald takes every line for a message.
pub(crate) fn with_priority(level: Level, text: &str) -> String {
    // The numbers of syslog(3).
    let priority = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    text.lines()
        .map(|line| format!("<{priority}>{line}\n"))
        .collect()
}

/// A line of a device process' log, which has its level behind its time, with the name of its guest.
pub(crate) fn of_guest(guest: &str, line: &str) -> String {
    let level = line.split_whitespace().nth(1);
    let level = level.and_then(|word| word.parse().ok());
    with_priority(level.unwrap_or(Level::INFO), &format!("[{guest}] {line}"))
}

/// Gives panics the priority of errors, each of their lines.
pub(crate) fn take_panics() {
    panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let mut text = panic.to_string();
        if backtrace.status() == BacktraceStatus::Captured {
            text.push_str(&format!("\n{backtrace}"));
        }
        // Nobody to tell if this fails.
        let _ = io::stderr().write_all(with_priority(Level::ERROR, &text).as_bytes());
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What a log wrote.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_journal_gets_priorities_and_no_times() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(Level::TRACE)
            .with_writer(move || writer.clone())
            .event_format(Lines)
            .finish();
        tracing::subscriber::with_default(log, || {
            tracing::warn!(target: "here", number = 1, "Something");
            tracing::trace!(target: "there", "two\nlines");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "<4>here: Something number=1\n<7>there: two\n<7>lines\n"
        );
    }

    #[test]
    fn a_device_s_line_keeps_its_level() {
        let line = "2026-01-02T03:04:05.678901Z  WARN gpu_device::gpu: too large";
        assert_eq!(of_guest("a", line), format!("<4>[a] {line}\n"));
        assert_eq!(of_guest("a", "no log"), "<6>[a] no log\n");
        assert_eq!(of_guest("a", ""), "<6>[a] \n");
    }
}
