//! The queue of looks: what is to be looked at, what a pending scan will come to anyway, and how
//! the way to a place is checked.

use mirrormesh_merkle::{Path, Record};

use super::name::Way;
use super::observation::{Observation, Step};
use crate::store::disk::Disk;
use crate::store::job::{Depth, JobError, Look, Unlisted};

/// From this many pending looks on, what is found in a directory is left to a scan of it.
const PENDING_LOOKS: usize = 512;

impl<D: Disk> Observation<'_, D> {
    /// Does all looks, and those that come of them, as far as the limits allow.
    pub(super) fn look_at(&mut self, looks: Vec<Look>) -> Result<(), JobError> {
        // What was hashed for this job comes first: left to another job, it would be hashed again.
        let (first, then): (Vec<_>, Vec<_>) =
            looks.into_iter().partition(|look| self.hashed.contains_key(&look.path));
        for look in first.into_iter().chain(then) {
            self.queue(look);
        }
        while let Some(look) = self.queue.pop_front() {
            if self.is_full() {
                self.leave(look);
            } else {
                self.look(look)?;
            }
        }
        Ok(())
    }

    /// Puts off a look, unless one that is pending comes to the same names.
    pub(super) fn queue(&mut self, look: Look) {
        let mut pending = self.queue.iter().chain(&self.scanning);
        if pending.any(|pending| covers(pending, &look)) {
            return;
        }
        if self.queue.len() >= PENDING_LOOKS
            && let Some(parent) = look.path.parent()
            && look.depth == Depth::Subtree
        {
            let after = Some(parent.clone());
            let wider = Look { path: parent, depth: Depth::Subtree, after };
            self.queue.retain(|pending| !covers(&wider, pending));
            self.queue.push_back(wider);
            return;
        }
        self.queue.push_back(look);
    }

    /// Leaves a look to a later job. What is left names each path once.
    pub(super) fn leave(&mut self, mut look: Look) {
        let more = &mut self.found.more;
        if more.iter().any(|left| covers(left, &look)) {
            return;
        }
        if let Some(left) = more.iter().find(|left| left.path == look.path) {
            // The wider look, from where the earlier one begins, comes to all of both.
            look.depth = look.depth.max(left.depth);
            look.after = look.after.min(left.after.clone());
        }
        more.retain(|left| left.path != look.path && !covers(&look, left));
        more.push(look);
    }

    fn look(&mut self, look: Look) -> Result<(), JobError> {
        let path = look.path.clone();
        if path.is_root() && look.depth == Depth::Name {
            // That the docroot is there was found out when it was opened.
            return Ok(());
        }
        if path.is_root() {
            return self.scan(look);
        }
        if !path.is_within_limits() {
            self.unlist(&path, Unlisted::TooLong);
            return Ok(());
        }
        if let Some(above) = self.unknown_above(&path)? {
            return self.look_at_name(&above);
        }
        let mut way = self.examine(&path)?;
        if way == Way::Barred {
            self.look_along(&path)?;
            way = self.examine(&path)?;
        }
        match way {
            // What lies on the way is listed; this look is repeated with it.
            Way::Barred => self.put_off(&path, Unlisted::Moving),
            Way::Open(Step::Done) => Ok(()),
            Way::Open(Step::Directory(found)) => self.look_inside(look, found),
            Way::Open(Step::Full) => {
                self.leave(look);
                Ok(())
            }
        }
    }

    /// Goes on with a look at a directory, of which its own name said how far it must be looked
    /// into.
    fn look_inside(&mut self, look: Look, found: Option<Depth>) -> Result<(), JobError> {
        let look = match found {
            // Its names are new, or those of another directory.
            Some(Depth::Subtree) => Look { depth: Depth::Subtree, after: None, ..look },
            Some(depth) if look.depth < depth => Look { depth, after: None, ..look },
            _ => look,
        };
        // Even if the limits are reached: a scan looks at one name at least, so that it ends.
        if look.depth == Depth::Name { Ok(()) } else { self.scan(look) }
    }

    /// The first directory on the way that is reserved, excluded, or that the index does not know
    /// as one.
    fn unknown_above(&self, path: &Path) -> Result<Option<Path>, JobError> {
        for depth in 1..path.depth() {
            let above = path.ancestor(depth);
            let known = self.row(&above)?.is_some_and(|row| is_directory(&row.record));
            if !known || self.excludes.matches(&above, true) {
                return Ok(Some(above));
            }
        }
        Ok(None)
    }

    /// Looks at one name. Where the way to it is barred, looks at the names on the way.
    fn look_at_name(&mut self, path: &Path) -> Result<(), JobError> {
        match self.examine(path)? {
            Way::Open(step) => self.follow(path, step),
            Way::Barred => self.look_along(path),
        }
    }

    /// Puts off what a look at a name left to do.
    fn follow(&mut self, path: &Path, step: Step) -> Result<(), JobError> {
        let path = path.clone();
        match step {
            Step::Done | Step::Directory(None) => {}
            Step::Directory(Some(depth)) => self.queue(Look { path, depth, after: None }),
            Step::Full => self.leave(Look { path, depth: Depth::Name, after: None }),
        }
        Ok(())
    }

    /// Looks at every name on the way to a path, from the top, until one is no directory.
    pub(super) fn look_along(&mut self, path: &Path) -> Result<(), JobError> {
        self.resolver.forget(&path.ancestor(1));
        for depth in 1..=path.depth() {
            let at = path.ancestor(depth);
            match self.examine(&at)? {
                Way::Open(Step::Directory(None)) => {}
                Way::Open(step) => return self.follow(&at, step),
                // It changed again while it was looked at.
                Way::Barred => return self.put_off(&at, Unlisted::Moving),
            }
        }
        Ok(())
    }
}

pub(super) fn is_directory(record: &Record) -> bool {
    matches!(record, Record::Directory { .. })
}

/// Whether a pending look will come to everything that `new` is about. Looks at a directory's names
/// and scans come to what lies after one path in the order of paths.
fn covers(pending: &Look, new: &Look) -> bool {
    if pending == new {
        return true;
    }
    let inside = match (pending.depth, new.depth) {
        (Depth::Name, _) | (Depth::Directory, Depth::Subtree) => false,
        // A look at a directory begins with its own name.
        (_, Depth::Name) if new.path == pending.path => return true,
        (Depth::Directory, Depth::Name) => new.path.parent().as_ref() == Some(&pending.path),
        (Depth::Directory, Depth::Directory) => new.path == pending.path,
        (Depth::Subtree, _) => new.path.starts_with(&pending.path),
    };
    inside
        && pending.after.as_ref().is_none_or(|after| match new.depth {
            Depth::Name => new.path > *after,
            _ => new.after.as_ref().unwrap_or(&new.path) >= after,
        })
}
