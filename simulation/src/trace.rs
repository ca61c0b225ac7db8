//! The trace: a rolling hash over everything that happened and everything that was done about it.
//!
//! Two runs of one seed have the same trace or the program is not deterministic. For each event the
//! hash so far is remembered, so that the first event that differs can be named.

use std::fmt::{self, Write};

use mirrormesh::core::{Effect, Event, StreamEvent};
use mirrormesh::store::Done;

/// See the module's head.
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    /// A digest a happening.
    marks: Vec<u64>,
    /// Happenings to be told in words, and where.
    words: Option<Words>,
}

/// What of a trace is told in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// Nothing.
    Nothing,
    /// One happening, by number.
    One(u64),
    /// Everything, to be kept as the last lines (so many).
    Last(usize),
}

struct Words {
    telling: Telling,
    lines: std::collections::VecDeque<String>,
}

impl Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.hasher.update(text.as_bytes());
        Ok(())
    }
}

impl Trace {
    pub(crate) fn new(telling: Telling) -> Trace {
        let words = (telling != Telling::Nothing)
            .then(|| Words { telling, lines: std::collections::VecDeque::new() });
        Trace { hasher: blake3::Hasher::new(), marks: Vec::new(), words }
    }

    /// Something happens.
    pub(crate) fn happening(&mut self, at: u64, what: &dyn fmt::Debug) {
        if !self.marks.is_empty() || at > 0 {
            let digest = self.hasher.finalize();
            let mark = digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
            self.marks.push(u64::from_le_bytes(mark));
            self.hasher.reset();
            self.hasher.update(digest.as_bytes());
        } else {
            self.marks.push(0);
        }
        let _ = write!(self, "{at} {what:?}");
        self.tell(|| format!("{:>12.6} {what:?}", at as f64 / 1e9));
    }

    /// A node is told something.
    pub(crate) fn event(&mut self, host: usize, event: &Event) {
        let _ = write!(self, "{host}<");
        match event {
            Event::Frame { connection, bytes } => {
                let _ = write!(self, "F{}", connection.0);
                self.hasher.update(bytes);
            }
            Event::Opened { stream, connection, request } => {
                let _ = write!(self, "O{} {}", stream.0, connection.0);
                self.hasher.update(request);
            }
            Event::Stream { stream, event: StreamEvent::Chunk(bytes) } => {
                let _ = write!(self, "C{}", stream.0);
                self.hasher.update(bytes);
            }
            Event::Done { job, result } => {
                let _ = write!(self, "J{}", job.0);
                self.done(result);
            }
            other => {
                let _ = write!(self, "{other:?}");
            }
        }
        self.tell(|| format!("{:>14}{host} < {}", "", clipped(event)));
    }

    fn done(&mut self, result: &Result<Done, mirrormesh::store::JobError>) {
        let _ = match result {
            Ok(Done::Observe(it)) => write!(self, "{} {} {:?}", it.tree.root, it.changes, it.more),
            Ok(Done::Apply(it)) => write!(self, "{} {} {:?}", it.tree.root, it.files, it.failed),
            Ok(Done::Prove(it)) => write!(self, "{} {}", it.tree.root, it.removed),
            Ok(Done::Pack(it)) => write!(self, "{} {}", it.chunk.len(), it.next),
            Ok(Done::Plan(it)) => write!(self, "{:?}", it.next),
            Ok(other) => write!(self, "{:?}", std::mem::discriminant(other)),
            Err(error) => write!(self, "{error}"),
        };
    }

    /// A node does something.
    pub(crate) fn effect(&mut self, host: usize, effect: &Effect) {
        let _ = write!(self, "{host}>");
        let _ = match effect {
            Effect::Frame { connection, bytes } => {
                let written = write!(self, "F{}", connection.0);
                self.hasher.update(bytes);
                written
            }
            Effect::Open { stream, connection, request } => {
                let written = write!(self, "O{} {}", stream.0, connection.0);
                self.hasher.update(request);
                written
            }
            Effect::Write { stream, bytes } => {
                let written = write!(self, "W{}", stream.0);
                self.hasher.update(bytes);
                written
            }
            Effect::Job { id, job } => {
                write!(self, "J{} {:?}", id.0, std::mem::discriminant(job))
            }
            other => write!(self, "{other:?}"),
        };
        self.tell(|| format!("{:>14}{host} > {}", "", clipped(effect)));
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        let number = self.marks.len() as u64 - 1;
        let Some(words) = &mut self.words else { return };
        match words.telling {
            Telling::Nothing => {}
            Telling::One(wanted) if wanted != number => {}
            Telling::One(_) => words.lines.push_back(line()),
            Telling::Last(most) => {
                if words.lines.len() >= most {
                    words.lines.pop_front();
                }
                words.lines.push_back(line());
            }
        }
    }

    /// A remark of the world, for who reads the trace.
    pub(crate) fn remark(&mut self, text: impl FnOnce() -> String) {
        if !self.marks.is_empty() {
            self.tell(|| format!("{:>14}* {}", "", text()));
        }
    }

    /// The hash, the digest of each happening, and what was told in words.
    pub(crate) fn finish(self) -> (blake3::Hash, Vec<u64>, Vec<String>) {
        let lines = self.words.map(|words| words.lines.into()).unwrap_or_default();
        (self.hasher.finalize(), self.marks, lines)
    }
}

fn clipped(what: &dyn fmt::Debug) -> String {
    const MOST: usize = 400;
    let mut text = format!("{what:?}");
    if text.len() > MOST {
        let end = (0..=MOST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
