//! The fence: below it a node takes nothing.
//!
//! Purpose: an origin of the past, however late it wakes, and a relay with old heads, however
//! convincing, change nothing here.
//!
//! State: the newest (term, seq) taken. The caller makes it durable before the node shows, by any
//! byte it sends, that it has moved.
//!
//! Invariants: it never goes back, across restarts; what is admitted lies strictly above it.
//!
//! Never looks at signatures.

use crate::codec::{DecodeError, Reader, Writer};
use crate::term::Term;

/// The newest (term, seq) taken. A new node's lies below everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fence {
    position: Option<(Term, u64)>,
}

impl Fence {
    /// Longest encoding in bytes.
    pub const MAX_ENCODED: usize = 96;

    /// A fence below everything.
    pub const fn open() -> Fence {
        Fence { position: None }
    }

    /// A fence at (term, seq).
    pub const fn at(term: Term, seq: u64) -> Fence {
        Fence { position: Some((term, seq)) }
    }

    /// Its term, if it ever moved.
    pub fn term(&self) -> Option<&Term> {
        self.position.as_ref().map(|(term, _)| term)
    }

    /// Its number in the term; 0 if it never moved.
    pub fn seq(&self) -> u64 {
        self.position.map_or(0, |(_, seq)| seq)
    }

    /// Whether (term, seq) lies strictly above.
    pub fn admits(&self, term: &Term, seq: u64) -> bool {
        Some((*term, seq)) > self.position
    }

    /// Moves up to (term, seq). False, and nothing moves, if that is not above.
    pub fn raise(&mut self, term: Term, seq: u64) -> bool {
        let is_above = self.admits(&term, seq);
        if is_above {
            self.position = Some((term, seq));
        }
        is_above
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(1);
        writer.optional(self.position.as_ref(), |writer, (term, seq)| {
            term.write(writer);
            writer.number(*seq);
        });
        writer.finish()
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// Any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Fence, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.version("fence", 1)?;
        let position =
            reader.optional("fence", |reader| Ok((Term::read(reader)?, reader.number()?)))?;
        reader.finish()?;
        Ok(Fence { position })
    }
}

#[cfg(test)]
pub(crate) mod tests;
