//! How far long work is, drawn on stderr of a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;
use super::text;
use crate::core::Answer;

/// A line that is redrawn; on anything but a terminal, nothing.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Draws nothing until there is something to draw.
    pub(crate) fn new(output: Output) -> Progress {
        let target = if output.draws_progress() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        Progress { bar: ProgressBar::with_draw_target(None, target) }
    }

    /// Takes what the daemon says of its progress; other answers are passed over.
    pub(crate) fn take(&mut self, answer: &Answer) {
        let Answer::Progress { what, files, bytes, files_total, bytes_total } = answer else {
            return;
        };
        let mut sentence = format!("{what}: {}", text::count(*files, "file"));
        if *files_total > 0 {
            sentence = format!("{what}: {files} of {}", text::count(*files_total, "file"));
        }
        if *bytes > 0 {
            sentence.push_str(&format!(", {}", text::size(*bytes)));
        }
        let (done, total) =
            if *bytes_total > 0 { (*bytes, *bytes_total) } else { (*files, *files_total) };
        self.show(&sentence, done, total);
    }

    /// Shows a sentence, and a bar if `total` is known.
    pub(crate) fn show(&mut self, sentence: &str, done: u64, total: u64) {
        let template = if total > 0 { "{bar:30} {msg} {eta}" } else { "{spinner} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        if total > 0 {
            self.bar.set_length(total);
            self.bar.set_position(done.min(total));
        } else {
            self.bar.enable_steady_tick(Duration::from_millis(100));
        }
        self.bar.set_message(sentence.to_owned());
    }

    /// Does something that prints, with the line out of the way.
    pub(crate) fn suspend(&mut self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the line away.
    pub(crate) fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}
