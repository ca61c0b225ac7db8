//! Looks at the names of a directory, and for a scan at everything below it.
//!
//! A scan looks at a name, then at what is below it, then at the next name: the order of paths. So
//! one path says how far it is, and a later job goes on after that path, whether or not it is still
//! there. The stack holds the names of the directories that lead to the current one; a directory
//! that a later job comes back to is listed again, from where it was left.

use mirrormesh_merkle::{Name, Path};

use super::leftover::is_leftover;
use super::listing::{Listing, Next};
use super::look::is_directory;
use super::observation::{LISTED, Observation, Step};
use crate::store::disk::{Disk, DiskError, FileKind, Watched};
use crate::store::failed_name::{FailedName, failed_name};
use crate::store::index::IndexRow;
use crate::store::job::{Depth, JobError, Look, Unlisted};
use crate::store::reason::failed_at;
use crate::store::temporary::{WORK_INSIDE, work_name};

/// A directory on the way to where the scan is.
pub(super) struct Frame<D: Disk> {
    directory: Path,
    /// The last name that was dealt with.
    last: Option<Name>,
    /// Whether all names were looked at by this job.
    whole: bool,
    /// Names still to be looked at, once read.
    listing: Option<Listing>,
    /// Open while it is the deepest.
    handle: Option<D::Directory>,
}

impl<D: Disk> Frame<D> {
    fn new(directory: Path, last: Option<Name>) -> Frame<D> {
        let whole = last.is_none();
        Frame { directory, last, whole, listing: None, handle: None }
    }
}

impl<D: Disk> Observation<'_, D> {
    /// Does a look at a directory's names or at everything below it, or goes on with one.
    pub(super) fn scan(&mut self, look: Look) -> Result<(), JobError> {
        let deep = look.depth == Depth::Subtree;
        let mut last = look.after.clone().filter(|after| after.starts_with(&look.path));
        let mut stack = self.frames(&look, last.as_ref())?;
        let mut begun = false;
        while !stack.is_empty() {
            let Some((handle, path, next)) = self.next_name(&mut stack)? else { continue };
            if begun && self.is_full() {
                break;
            }
            begun = true;
            self.scanning = Some(Look { after: last.clone(), ..look.clone() });
            let step = self.examine_at(&handle, &path, &next.name, next.row)?;
            if step == Step::Full {
                break;
            }
            if let Some(frame) = stack.last_mut() {
                frame.last = Some(next.name);
            }
            match step {
                Step::Directory(_) if deep => {
                    // Directories on the way are opened again when the scan comes back to them.
                    stack.iter_mut().for_each(|frame| frame.handle = None);
                    stack.push(Frame::new(path.clone(), None));
                }
                Step::Directory(Some(depth)) => {
                    self.queue(Look { path: path.clone(), depth, after: None });
                }
                _ => {}
            }
            last = Some(path);
        }
        self.scanning = None;
        if !stack.is_empty() {
            self.leave(Look { after: last, ..look });
        }
        Ok(())
    }

    /// The stack of a look: where it goes on after `last`, or begins.
    fn frames(&self, look: &Look, last: Option<&Path>) -> Result<Vec<Frame<D>>, JobError> {
        let Some(last) = last else { return Ok(vec![Frame::new(look.path.clone(), None)]) };
        let names: Vec<Name> = last.components().collect();
        let depths = look.path.depth()..last.depth();
        let mut stack: Vec<Frame<D>> = depths
            .map(|depth| Frame::new(last.ancestor(depth), names.get(depth).cloned()))
            .collect();
        if look.depth == Depth::Directory {
            stack.truncate(1);
        } else if self.row(last)?.is_some_and(|row| is_directory(&row.record)) {
            stack.push(Frame::new(last.clone(), None));
        }
        Ok(stack)
    }

    /// The next name to be looked at in the deepest directory, with that directory's handle.
    /// `None`: a directory was read to its end or lost, and is off the stack.
    fn next_name(
        &mut self,
        stack: &mut Vec<Frame<D>>,
    ) -> Result<Option<(D::Directory, Path, Next)>, JobError> {
        let Some(frame) = stack.last_mut() else { return Ok(None) };
        if let Err(failure) = self.open_frame(frame)? {
            let directory = frame.directory.clone();
            stack.pop();
            self.lost(&directory, failure)?;
            // What was read of the rows above may not be so any more.
            stack.iter_mut().for_each(|frame| frame.listing = None);
            return Ok(None);
        }
        let (Some(handle), Some(listing)) = (&frame.handle, &mut frame.listing) else {
            return Ok(None);
        };
        while let Some(next) = listing.next(&self.pending)? {
            if next.name.is_reserved() && next.row.is_none() {
                if next.kind == Some(FileKind::File) && is_leftover(&next.name) {
                    self.leftover(handle, &frame.directory, &next.name)?;
                } else if !(frame.directory.is_root() && next.name == work_name(WORK_INSIDE)) {
                    self.unlist(&frame.directory.join(&next.name), Unlisted::Reserved);
                }
                continue;
            }
            let path = frame.directory.join(&next.name);
            let is_directory = next.kind == Some(FileKind::Directory);
            if next.row.is_none() && self.excludes.matches(&path, is_directory) {
                continue;
            }
            return Ok(Some((handle.clone(), path, next)));
        }
        let Some(frame) = stack.pop() else { return Ok(None) };
        if frame.whole && self.found.finished.len() < LISTED {
            self.found.finished.push(frame.directory);
        }
        Ok(None)
    }

    /// Opens the directory of a frame and lists it, where that is not done yet.
    fn open_frame(&mut self, frame: &mut Frame<D>) -> Result<Result<(), FailedName>, JobError> {
        let path = &frame.directory;
        if frame.handle.is_none() {
            match self.resolver.directory(path) {
                Ok(handle) => frame.handle = Some(handle),
                Err(error) => return failed_directory(error, path).map(Err),
            }
        }
        let Some(handle) = frame.handle.as_ref().filter(|_| frame.listing.is_none()) else {
            return Ok(Ok(()));
        };
        // The watch first: what changes after it is hinted at, what changed before it is listed.
        let watched = self.disk.watch(handle, path);
        match Listing::read(self.disk, handle, path, frame.last.as_ref()) {
            Ok(listing) => frame.listing = Some(listing),
            Err(error) => return failed_directory(error, path).map(Err),
        }
        self.names += 1;
        match watched {
            _ if frame.last.is_some() => {}
            Watched::Yes => self.found.watched += 1,
            Watched::No => self.found.unwatched += 1,
        }
        Ok(Ok(()))
    }

    /// A directory that the index knows could not be read.
    fn lost(&mut self, path: &Path, failure: FailedName) -> Result<(), JobError> {
        match failure {
            FailedName::Unreadable(reason) => {
                self.take_back(path)?;
                self.put_off(path, Unlisted::Unreadable(reason))?;
                if self.is_origin() && self.unserve_below(path)? == Step::Full {
                    self.leave(Look { path: path.clone(), depth: Depth::Subtree, after: None });
                }
                Ok(())
            }
            FailedName::Gone | FailedName::OtherKind | FailedName::Mount => {
                self.look_along(path)?;
                // If it is a directory all the same, this scan has passed it by.
                match self.row(path)? {
                    Some(row) if is_directory(&row.record) => self.put_off(path, Unlisted::Moving),
                    _ => Ok(()),
                }
            }
        }
    }

    /// A directory of the origin that cannot be listed stays as it was published, its own mode too:
    /// what is below could not be kept in step with it. One that is new is not published.
    fn take_back(&mut self, path: &Path) -> Result<(), JobError> {
        let old = match self.changes.get(path) {
            Some(changed) if self.is_origin() => changed.old.clone(),
            _ => return Ok(()),
        };
        let Some(row) = self.row(path)? else { return Ok(()) };
        match old {
            None => self.put_row(path, Some(&row), None),
            Some(record) if is_directory(&record) => {
                self.put_row(path, Some(&row), Some(IndexRow { record, ..row.clone() }));
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// What a failure says of a directory. Without the docroot itself there is nothing to go on with.
fn failed_directory(error: DiskError, path: &Path) -> Result<FailedName, JobError> {
    if path.is_root() { Err(failed_at(path, error)) } else { failed_name(error, path) }
}
