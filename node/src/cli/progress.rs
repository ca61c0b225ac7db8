//! How far long work is, drawn on stderr of a terminal.

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ask::Daemon;
use super::output::Output;
use super::text;
use crate::core::{Answer, View};

/// How often the daemon is asked how far it is.
const EVERY: Duration = Duration::from_millis(200);

/// A line that is redrawn; on anything but a terminal, nothing. A clone draws the same line.
#[derive(Clone)]
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
        let bar = ProgressBar::with_draw_target(None, target);
        // Nothing is to be seen before there is something to say.
        bar.finish_and_clear();
        Progress { bar }
    }

    /// Takes what the daemon says of its progress; other answers are passed over.
    pub(crate) fn take(&self, answer: &Answer) {
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

    /// Shows what a node is busy with; nothing where it is in sync or held.
    fn busy(&self, view: &View) {
        match business(view) {
            Some((sentence, done, total)) => self.show(&sentence, done, total),
            None => self.finish(),
        }
    }

    /// Shows a sentence, and a bar if `total` is known.
    pub(crate) fn show(&self, sentence: &str, done: u64, total: u64) {
        let template = if total > 0 { "{bar:30} {msg} {eta}" } else { "{spinner} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        if self.bar.is_finished() {
            self.bar.reset();
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
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the line away, until there is something to show again.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What a node is busy with, and how many bytes of how many are done (0 of 0: nobody knows).
fn business(view: &View) -> Option<(String, u64, u64)> {
    let node = &view.node;
    if node.held.is_some() {
        return None;
    }
    let files = text::count(node.files, "file");
    match node.activity.as_str() {
        "scanning" => Some((format!("scanning: {files}, {}", text::size(node.bytes)), 0, 0)),
        _ if node.pending_files > 0 => {
            let left = text::count(node.pending_files, "file");
            let sentence = format!("fetching: {left}, {} to go", text::size(node.pending_bytes));
            Some((sentence, node.bytes, node.bytes.saturating_add(node.pending_bytes)))
        }
        "proving" => Some(("proving what the origin published".to_owned(), 0, 0)),
        _ if node.role == "origin" => behind(view),
        _ => None,
    }
}

/// The members that are reached and behind.
fn behind(view: &View) -> Option<(String, u64, u64)> {
    let members = &view.cluster.members;
    let late: Vec<&str> = members
        .iter()
        .filter(|member| member.alive && !member.in_sync && member.held.is_none())
        .map(|member| member.name.as_str())
        .collect();
    let shown = match late.as_slice() {
        [] => return None,
        [one] => format!("waiting for {one}"),
        [one, rest @ ..] => format!("waiting for {one} and {} more", rest.len()),
    };
    Some((shown, 0, 0))
}

/// Draws what the daemon of a state directory is busy with, from a thread of its own, until it is
/// dropped.
pub(crate) struct Following {
    progress: Progress,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Following {
    /// Begins; on anything but a terminal nothing is asked.
    pub(crate) fn begin(state: &Path, output: Output) -> Following {
        let progress = Progress::new(output);
        let mut following = Following { progress, stop: None, thread: None };
        if output.draws_progress() {
            let (stop, stopped) = mpsc::channel();
            let (progress, state) = (following.progress.clone(), state.to_owned());
            following.stop = Some(stop);
            following.thread = Some(std::thread::spawn(move || {
                while stopped.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                    match Daemon::at(&state).status() {
                        Ok(view) => progress.busy(&view),
                        // It starts, or stops; whoever needs it says so.
                        Err(_) => progress.finish(),
                    }
                }
            }));
        }
        following
    }

    /// The line that is drawn.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It draws, and has nothing to tell.
            let _ = thread.join();
        }
        self.progress.finish();
    }
}

#[cfg(test)]
mod tests;
