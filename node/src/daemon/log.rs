//! The log.
//!
//! Purpose: lines for people or JSON objects. Under systemd the journal adds the time and wants the
//! level as a number in front.
//!
//! Invariants: one event, one line. `MIRRORMESH_LOG` says what is shown; `info` where it is unset.
//!
//! Never writes anything itself: who runs the daemon prints the lines.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::config::LogFormat;
use super::system;

/// Names what is shown.
const VARIABLE: &str = "MIRRORMESH_LOG";
/// What is shown where nothing is said: the libraries' chatter is not.
const DEFAULT: &str = "info,quinn=error,quinn_proto=error,quinn_udp=error,rustls=error";

/// Prints whole lines.
pub type Print = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Begins to log. A second call changes nothing.
pub(crate) fn start(format: LogFormat, print: Print) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Printer(print.clone()));
    // The second daemon of one process (in tests) keeps the log of the first.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.event_format(Text { journal: is_journal() }).try_init(),
    };
}

/// An event, which is written at once.
struct Printer(Print);

impl Write for Printer {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        (self.0)(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether stderr leads to the journal.
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    named == format!("{}:{}", stderr.dev(), stderr.ino())
}

/// Lines for people.
struct Text {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        if self.journal {
            write!(writer, "<{}>", priority(level))?;
        } else {
            write!(writer, "{} {level:<5} ", system::wall())?;
        }
        let mut line = Line { message: String::new(), fields: String::new() };
        event.record(&mut line);
        writeln!(writer, "{}{}", line.message, line.fields)
    }
}

/// The number of a level in the journal.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            // The name of a note is for machines; its sentence says the same.
            "note" => {}
            name => self.fields.push_str(&format!(" {name}={value:?}")),
        }
    }
}
