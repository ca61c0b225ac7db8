//! Where output goes: data to stdout, talk to stderr.
//!
//! Invariants: colours only on a terminal and without `NO_COLOR`; with `--json` stdout carries
//! nothing but JSON, one object a line, and a failure is one JSON object on stderr; a reader that
//! has gone away (`| head`) ends the program quietly.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde_json::Value;

use super::failure::Failure;

/// How output looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether data is JSON.
    pub(crate) json: bool,
    /// Whether stdout is a terminal.
    pub(crate) terminal: bool,
    colour: bool,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Worth a look.
    Attention,
    /// Wrong.
    Bad,
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
}

impl Output {
    /// Looks at terminal and environment.
    pub(crate) fn new(json: bool) -> Output {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let terminal = std::io::stdout().is_terminal();
        Output { json, terminal, colour: terminal && !json && !dumb && !set("NO_COLOR") }
    }

    /// Whether progress may be drawn on stderr.
    pub(crate) fn draws_progress(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// A line of data.
    pub(crate) fn line(self, text: impl AsRef<str>) {
        self.bytes(text.as_ref().as_bytes(), b"\n");
    }

    /// A line of JSON data.
    pub(crate) fn value(self, value: &Value) {
        self.line(value.to_string());
    }

    /// Raw data with what ends it.
    pub(crate) fn bytes(self, bytes: &[u8], end: &[u8]) {
        let mut stdout = std::io::stdout().lock();
        let written = stdout
            .write_all(bytes)
            .and_then(|()| stdout.write_all(end))
            .and_then(|()| stdout.flush());
        if let Err(error) = written {
            if error.kind() != ErrorKind::BrokenPipe {
                self.talk(format!("mirrormesh: stdout: {error}"));
            }
            std::process::exit(i32::from(super::failure::exit::FAILED));
        }
    }

    /// A sentence for people.
    pub(crate) fn talk(self, text: impl AsRef<str>) {
        // Nobody is left to be told if stderr is gone.
        let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
    }

    /// Talk that is whole lines already.
    pub(crate) fn talk_bytes(self, text: &[u8]) {
        // As above.
        let _ = std::io::stderr().lock().write_all(text);
    }

    /// Tells a failure.
    pub(crate) fn failure(self, failure: &Failure) {
        let Failure { exit, message, hint } = failure;
        if self.json {
            let error = serde_json::json!({ "exit": exit, "message": message, "hint": hint });
            self.talk(serde_json::json!({ "error": error }).to_string());
            return;
        }
        self.talk(format!("mirrormesh: {message}"));
        if !hint.is_empty() {
            self.talk(format!("  {hint}"));
        }
    }

    /// Text in the colour of its meaning.
    pub(crate) fn paint(self, tone: Tone, text: impl Into<String>) -> String {
        let text = text.into();
        if !self.colour || text.is_empty() {
            return text;
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Attention => "33",
            Tone::Bad => "1;31",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
