//! ServeSince: what the journal holds between two roots, folded into as few deltas as possible.

use bytes::Bytes;
use mirrormesh_merkle::{Delta, Fold, MAX_DELTA_BYTES, MAX_DELTA_CHANGES};

use super::disk::Disk;
use super::job::{JobError, ServeSince, Since};
use super::journal::{JOURNAL_ROWS, Meets, meets, step_from};

/// Executes the job.
pub(crate) fn serve_since<D: Disk>(job: &ServeSince, disk: &D) -> Result<Since, JobError> {
    let end = match meets(disk, &job.to)? {
        _ if job.from == job.to => None,
        Meets::Anywhere => None,
        Meets::Before(place) => Some(place),
        Meets::Nowhere => return Ok(Since::Unknown),
    };
    let mut answer = Answer { budget: job.budget, ..Answer::default() };
    let mut at = job.from;
    let mut last = Bytes::new();
    for _ in 0..JOURNAL_ROWS {
        if at == job.to {
            return Ok(match answer.finish() {
                Some(deltas) => Since::Deltas(deltas),
                None => Since::Unknown,
            });
        }
        // Places only rise on the way, so that a root that came twice leads round no circle.
        let step = step_from(disk, &at)?.filter(|(key, _)| *key > last);
        let Some((key, row)) = step else { return Ok(Since::Unknown) };
        if end.as_ref().is_some_and(|end| key >= *end) {
            return Ok(Since::Unknown);
        }
        let Some(delta) = row.delta else { return Ok(Since::Unknown) };
        if answer.push(delta).is_none() {
            return Ok(Since::Unknown);
        }
        (at, last) = (row.to, key);
    }
    Ok(Since::Unknown)
}

/// Deltas that are folded as far as one has room for them.
#[derive(Default)]
struct Answer {
    fold: Fold,
    /// What is in the fold.
    folded: Vec<Bytes>,
    deltas: Vec<Bytes>,
    budget: usize,
}

impl Answer {
    /// Takes the next delta. `None`: it is damaged, or the answer becomes too long.
    fn push(&mut self, bytes: Bytes) -> Option<()> {
        let delta = Delta::decode(&bytes).ok()?;
        let changes = self.fold.len() + delta.changes.len();
        let bound = self.fold.bytes() + bytes.len();
        let has_room = changes <= MAX_DELTA_CHANGES && bound <= MAX_DELTA_BYTES;
        if (!has_room || !delta.moves.is_empty()) && !self.folded.is_empty() {
            self.flush()?;
        }
        if delta.moves.is_empty() {
            self.fold.push(&delta).ok()?;
            self.folded.push(bytes);
            return Some(());
        }
        self.spend(bytes.len())?;
        self.deltas.push(bytes);
        Some(())
    }

    fn flush(&mut self) -> Option<()> {
        let fold = std::mem::take(&mut self.fold);
        let folded = std::mem::take(&mut self.folded);
        if fold.is_empty() {
            return Some(());
        }
        let one = match folded.len() {
            1 => None,
            _ => fold.into_delta().and_then(|delta| delta.encode().ok()),
        };
        for delta in one.map_or(folded, |one| vec![one]) {
            self.spend(delta.len())?;
            self.deltas.push(delta);
        }
        Some(())
    }

    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.budget = self.budget.checked_sub(bytes)?;
        Some(())
    }

    fn finish(mut self) -> Option<Vec<Bytes>> {
        self.flush()?;
        Some(self.deltas)
    }
}
