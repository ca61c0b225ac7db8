//! Names in `displaced`: each is the program's own and goes, or somebody's and is kept.

use mirrormesh_merkle::{Entry, Name, Path, Record, lookup};

use super::super::area::large_name;
use super::super::copy::hash_file;
use super::super::disk::{Disk, DiskErrorKind, DiskResult, FileKind, Rename, Table};
use super::super::intent::Role;
use super::super::job::{JobError, LARGE_BYTES};
use super::super::plan::as_file;
use super::super::remove_tree::remove_any;
use super::super::resolve::Resolver;
use super::super::{rows, stage};
use super::Recovery;

impl<D: Disk> Recovery<'_, D> {
    /// Empties `displaced`. Returns number and bytes of what is kept of it.
    pub(super) fn settle_displaced(&mut self) -> Result<(u64, u64), JobError> {
        let (mut count, mut bytes) = (0, 0_u64);
        for name in self.names(&self.displaced)? {
            let is_own = match self.is_own(&name) {
                Ok(is_own) => is_own,
                Err(JobError::Disk { kind, path, detail }) => {
                    if kind == DiskErrorKind::Crashed {
                        return Err(JobError::Disk { kind, path, detail });
                    }
                    // What cannot be read is kept.
                    false
                }
                Err(error) => return Err(error),
            };
            if is_own {
                self.drop_own(&name)?;
                continue;
            }
            if self.keep_now(&name)? {
                count += 1;
                bytes = bytes.saturating_add(self.add_lost_manifest(&name)?);
            } else {
                self.note(format!("{name} in the work directory cannot be moved to what is kept"));
            }
        }
        Ok((count, bytes))
    }

    /// Whether everything at and below a name is byte for byte what the index or the target has.
    fn is_own(&mut self, name: &Name) -> Result<bool, JobError> {
        let intent = self.intents.get(name);
        // What is to be kept is not asked whether the tree could do without it.
        let path = match intent.map(|intent| intent.role) {
            Some(Role::Copy) => return Ok(true),
            Some(Role::Kept) => None,
            _ => intent.map(|intent| intent.path.clone()),
        };
        let mut resolver = Resolver::at(self.disk, self.displaced.clone());
        let mut open = vec![(Path::from(name), path)];
        while let Some((at, path)) = open.pop() {
            let Some(name) = at.name() else { continue };
            // In a directory that was being made, such a name is a staged file without one.
            if at.depth() > 1 && name.is_reserved() {
                continue;
            }
            let directory = resolver.directory(&at.parent().unwrap_or_default())?;
            let kind = self.disk.stat(&directory, &name)?.kind;
            let is_own =
                match kind {
                    FileKind::Directory => {
                        let inside = resolver.directory(&at)?;
                        let mut names = Vec::new();
                        self.disk.list(&inside, &mut |name, _| names.push(name))?;
                        open.extend(names.into_iter().map(|name| {
                            (at.join(&name), path.as_ref().map(|path| path.join(&name)))
                        }));
                        path.is_some()
                    }
                    FileKind::File => self.is_own_file(&directory, &name, path.as_ref())?,
                    FileKind::Symlink => self.is_own_link(&directory, &name, path.as_ref())?,
                    _ => false,
                };
            if !is_own {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_own_file(
        &self,
        directory: &D::Directory,
        name: &Name,
        path: Option<&Path>,
    ) -> Result<bool, JobError> {
        let file = self.disk.open_file(directory, name)?;
        let size = self.disk.stat_file(&file)?.size;
        let content = hash_file(self.disk, &file, size)?;
        let is_this = |record: &Record| {
            as_file(Some(record)).is_some_and(|file| (file.content, file.size) == (content, size))
        };
        Ok(self.kept_contents.contains(&content) || self.is_known(path, is_this)?)
    }

    fn is_own_link(
        &self,
        directory: &D::Directory,
        name: &Name,
        path: Option<&Path>,
    ) -> Result<bool, JobError> {
        let target = self.disk.read_symlink(directory, name)?;
        self.is_known(
            path,
            |record| matches!(record, Record::Symlink(link) if link.target == target),
        )
    }

    /// Whether the index, as something of ours, or the target has this at a path.
    fn is_known(
        &self,
        path: Option<&Path>,
        is_this: impl Fn(&Record) -> bool,
    ) -> Result<bool, JobError> {
        let Some(path) = path else { return Ok(false) };
        let row = rows::read(&self.pending, path)?;
        if row.is_some_and(|row| !row.local && is_this(&row.record)) {
            return Ok(true);
        }
        let Some(target) = &self.target else { return Ok(false) };
        let entry = lookup(&self.pending, &target.root, path)?;
        Ok(entry.as_ref().map(Record::from).is_some_and(|record| is_this(&record)))
    }

    /// Removes what is the program's own. A large file that the target wants goes back to where
    /// it was staged: it may have taken hours.
    fn drop_own(&mut self, name: &Name) -> Result<(), JobError> {
        match self.put_back_large(name) {
            Ok(true) => return Ok(()),
            Err(error) if error.kind == DiskErrorKind::Crashed => return Err(error.into()),
            _ => {}
        }
        match remove_any(self.disk, &self.displaced, name) {
            Err(error) if error.kind == DiskErrorKind::Crashed => Err(error.into()),
            Err(error) => {
                self.note(format!("{name} in the work directory cannot be removed: {error}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn put_back_large(&mut self, name: &Name) -> DiskResult<bool> {
        let stat = self.disk.stat(&self.displaced, name)?;
        if stat.kind != FileKind::File || stat.size <= LARGE_BYTES {
            return Ok(false);
        }
        let (Some(target), Some(intent)) = (&self.target, self.intents.get(name)) else {
            return Ok(false);
        };
        let Ok(Some(Entry::File(file))) = lookup(&self.pending, &target.root, &intent.path) else {
            return Ok(false);
        };
        let open = self.disk.open_file(&self.displaced, name)?;
        if hash_file(self.disk, &open, stat.size)? != file.content {
            return Ok(false);
        }
        let large = large_name(&file.content);
        self.disk.rename(&self.displaced, name, &self.large, &large, Rename::Keep)?;
        let key = stage::synced_key(&file.content);
        self.pending.put(Table::State, key, stat.size.to_be_bytes().to_vec());
        Ok(true)
    }
}
