//! What was set aside: lists it, copies it back into the docroot, removes it for good.
//!
//! A restored thing is a copy, staged and durable before it is visible; what it takes the place of
//! is set aside in its turn, and the original stays until it is dropped. The index says nothing of
//! it: it is an edit like any other, and is observed. Never overwrites, never moves.

use mirrormesh_merkle::{Name, Path, Record};

use super::area::Area;
use super::aside::{About, manifest, manifests, remove_manifest, set_aside};
use super::copy::copy_file;
use super::disk::{
    Batch, Disk, DiskError, DiskErrorKind, DiskResult, FileKind, Filesystem, Rename, Stat, Table,
};
use super::doubt::same_or_doubtful;
use super::intent::{self, Intent, Role};
use super::job::{JobError, KeptDone, KeptJob, KeptReason, Manifest};
use super::new_file::{give_directory_metadata, give_link_to_owner, give_metadata};
use super::pending::Pending;
use super::plan::as_file;
use super::reason::reason;
use super::remove_tree::remove_any;
use super::resolve::Resolver;
use super::rows;
use super::temporary::{TemporaryNames, work_name};

/// Most manifests of one list.
const LISTED: usize = 256;

/// Does what an operator asks of what was set aside.
pub fn kept<D: Disk>(disk: &D, job: &KeptJob) -> Result<KeptDone, JobError> {
    let mut pending = Pending::new(disk);
    match job {
        KeptJob::List { after, limit } => {
            Ok(KeptDone::List(manifests(&pending, *after, (*limit).min(LISTED))?))
        }
        KeptJob::Drop { ids } => {
            let dropped = drop_kept(disk, &mut pending, ids)?;
            pending.commit(true)?;
            Ok(dropped)
        }
        KeptJob::Restore { id, to } => {
            let Some(manifest) = manifest(&pending, *id)? else {
                return Ok(KeptDone::Refused(unknown(*id)));
            };
            let path = to.clone().unwrap_or_else(|| manifest.path.clone());
            if path.is_root() || path.is_reserved() {
                return Ok(KeptDone::Refused(format!("{path} cannot be restored to")));
            }
            match Restore::new(disk, manifest, path.clone())?.run(&mut pending) {
                Ok(()) => {}
                Err(Stop::Refused(reason)) => return Ok(KeptDone::Refused(reason)),
                Err(Stop::Disk(error)) if error.kind == DiskErrorKind::Crashed => {
                    return Err(error.into());
                }
                Err(Stop::Disk(error)) => return Ok(KeptDone::Refused(reason(&error))),
                Err(Stop::Job(error)) => return Err(error),
            }
            pending.commit(true)?;
            Ok(KeptDone::Restored(path))
        }
    }
}

/// What is said of a number that nothing has.
pub fn unknown(id: u64) -> String {
    format!("nothing kept has the number {id}")
}

fn drop_kept<D: Disk>(
    disk: &D,
    pending: &mut Pending<'_, D>,
    ids: &[u64],
) -> Result<KeptDone, JobError> {
    let area = Area::Kept.open(disk)?;
    let (mut count, mut bytes) = (0, 0_u64);
    let all: Vec<u64> = match ids.is_empty() {
        true => {
            manifests(pending, 0, usize::MAX)?.into_iter().map(|manifest| manifest.id).collect()
        }
        false => ids.to_vec(),
    };
    for id in &all {
        let Some(manifest) = manifest(pending, *id)? else { continue };
        if let Ok(name) = Name::new(&manifest.stored_as) {
            match remove_any(disk, &area, &name) {
                Err(error) if error.kind != DiskErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        remove_manifest(pending, &manifest)?;
        count += 1;
        bytes = bytes.saturating_add(manifest.bytes);
    }
    if let (0, Some(first)) = (count, ids.first()) {
        return Ok(KeptDone::Refused(unknown(*first)));
    }
    disk.sync_directory(&area)?;
    Ok(KeptDone::Dropped(count, bytes))
}

/// Why a restore ended early. Nothing is visible, but for directories made above the path.
enum Stop {
    Refused(String),
    Disk(DiskError),
    Job(JobError),
}

impl From<DiskError> for Stop {
    fn from(error: DiskError) -> Stop {
        Stop::Disk(error)
    }
}

impl From<JobError> for Stop {
    fn from(error: JobError) -> Stop {
        Stop::Job(error)
    }
}

struct Restore<'d, D: Disk> {
    disk: &'d D,
    manifest: Manifest,
    path: Path,
    docroot: Resolver<'d, D>,
    filesystem: Filesystem,
    kept: D::Directory,
    displaced: D::Directory,
    /// Name of the copy in `displaced`, and of what it displaces.
    copy: Name,
    old: Name,
}

impl<'d, D: Disk> Restore<'d, D> {
    fn new(disk: &'d D, manifest: Manifest, path: Path) -> Result<Restore<'d, D>, JobError> {
        let docroot = Resolver::new(disk)?;
        let filesystem = disk.filesystem(docroot.root())?;
        let kept = Area::Kept.open(disk)?;
        let displaced = Area::Displaced.open(disk)?;
        // The same thing restored twice meets its own name only after a crash and recovery.
        let mut names = TemporaryNames::new(manifest.id ^ 0x7265_7374_6f72_6521);
        let mut next = || loop {
            let name = names.next_name();
            let is_free = |at| {
                matches!(disk.stat(at, &name), Err(error)
                if error.kind != DiskErrorKind::Crashed)
            };
            if is_free(&kept) && is_free(&displaced) {
                return name;
            }
            if matches!(disk.stat(&kept, &name), Err(error) if error.kind == DiskErrorKind::Crashed)
            {
                return name;
            }
        };
        let (copy, old) = (next(), next());
        Ok(Restore { disk, manifest, path, docroot, filesystem, kept, displaced, copy, old })
    }

    fn run(mut self, pending: &mut Pending<'_, D>) -> Result<(), Stop> {
        let stored = Name::new(&self.manifest.stored_as)
            .map_err(|error| Stop::Refused(error.to_string()))?;
        let taken = self.what_is_there(pending)?;
        let (parent, name) = self.place();
        let directory = self.make_directories(&parent)?;
        let mut intents = Batch::default();
        for (name, role) in [(&self.copy, Role::Copy), (&self.old, Role::Kept)] {
            let intent = Intent {
                role,
                path: self.path.clone(),
                reason: KeptReason::Restored,
                wall: self.manifest.wall,
            };
            intents.put(Table::State, intent::key(name), intent.encode());
            pending.remove(Table::State, intent::key(name));
        }
        self.disk.commit(intents, true)?;
        if let Err(stop) = self.copy_all(&directory, &stored) {
            // A copy that is not whole is worth nothing.
            remove_any(self.disk, &self.displaced, &self.copy).ok();
            return Err(stop);
        }
        self.disk.sync_directory(&self.displaced)?;
        self.put(pending, &directory, &name, taken)?;
        self.disk.sync_directory(&directory)?;
        self.disk.sync_directory(&self.displaced)?;
        self.disk.sync_directory(&self.kept)?;
        Ok(())
    }

    fn place(&self) -> (Path, Name) {
        let name = self.path.name().unwrap_or_else(|| work_name(".mirrormesh"));
        (self.path.parent().unwrap_or_default(), name)
    }

    /// What has the name, which must be what the index says; `None` if the name is free.
    fn what_is_there(
        &mut self,
        pending: &Pending<'_, D>,
    ) -> Result<Option<(Option<Record>, Stat)>, Stop> {
        let row = rows::read(pending, &self.path)?;
        let (parent, name) = self.place();
        let stat = match self.docroot.directory(&parent) {
            Ok(directory) => self.disk.stat(&directory, &name),
            Err(error) => Err(error),
        };
        match (row, stat) {
            (Some(row), Ok(stat)) => {
                let is_known = match &row.record {
                    Record::Directory { .. } => row.seen.same_directory(&stat),
                    _ => same_or_doubtful(&row.seen, &stat),
                };
                if is_known {
                    return Ok(Some((Some(row.record), stat)));
                }
            }
            (None, Err(error)) if error.kind == DiskErrorKind::NotFound => return Ok(None),
            (_, Err(error)) if error.kind != DiskErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        Err(Stop::Refused(format!("{} has just been changed: try again", self.path)))
    }

    /// Opens the directory that will hold the path, and makes what is missing on the way.
    fn make_directories(&mut self, directory: &Path) -> DiskResult<D::Directory> {
        let mut above = self.docroot.root().clone();
        for depth in 1..=directory.depth() {
            let at = directory.ancestor(depth);
            let opened = match self.docroot.directory(&at) {
                Err(error) if error.kind == DiskErrorKind::NotFound => {
                    let Some(name) = at.name() else { break };
                    self.disk.make_directory(&above, &name, 0o755)?;
                    let made = self.disk.open_directory(&above, &name)?;
                    give_directory_metadata(self.disk, &above, &made, 0o755)?;
                    self.disk.sync_directory(&above)?;
                    self.docroot.directory(&at)
                }
                opened => opened,
            };
            above = opened?;
        }
        Ok(above)
    }

    /// Copies the kept thing to `displaced`, whole and durable.
    fn copy_all(&self, landing: &D::Directory, stored: &Name) -> Result<(), Stop> {
        let mut from = Resolver::at(self.disk, self.kept.clone());
        let mut to = Resolver::at(self.disk, self.displaced.clone());
        let mut open = vec![(Path::from(stored), Path::from(&self.copy))];
        let mut is_tree = false;
        while let Some((source, target)) = open.pop() {
            let Some((name, new)) = source.name().zip(target.name()) else { continue };
            let (above, above_new) = (
                from.directory(&source.parent().unwrap_or_default())?,
                to.directory(&target.parent().unwrap_or_default())?,
            );
            let stat = self.disk.stat(&above, &name)?;
            match stat.kind {
                FileKind::File => {
                    self.copy_file_to(
                        landing,
                        (&above, &name),
                        (&above_new, &new),
                        &stat,
                        !is_tree,
                    )?;
                }
                FileKind::Symlink => {
                    let link = self.disk.read_symlink(&above, &name)?;
                    self.disk.make_symlink(&above_new, &new, &link)?;
                    give_link_to_owner(self.disk, landing, &above_new, &new)?;
                }
                FileKind::Directory => {
                    is_tree = true;
                    self.disk.make_directory(&above_new, &new, stat.mode)?;
                    let made = to.directory(&target)?;
                    give_directory_metadata(self.disk, landing, &made, stat.mode)?;
                    let inside = from.directory(&source)?;
                    self.disk.list(&inside, &mut |name, _| {
                        open.push((source.join(&name), target.join(&name)));
                    })?;
                }
                // Sockets and the like mean nothing without the program that made them.
                FileKind::Fifo | FileKind::Socket | FileKind::Device => {}
            }
        }
        if is_tree {
            self.disk.sync_all(&self.displaced)?;
        }
        Ok(())
    }

    fn copy_file_to(
        &self,
        landing: &D::Directory,
        from: (&D::Directory, &Name),
        to: (&D::Directory, &Name),
        stat: &Stat,
        is_alone: bool,
    ) -> Result<(), Stop> {
        let source = self.disk.open_file(from.0, from.1)?;
        let copy = match is_alone && self.filesystem.unnamed_files {
            true => self.disk.create_unnamed(landing)?,
            false => self.disk.create(to.0, to.1)?,
        };
        let hash = copy_file(self.disk, &source, &copy, stat.size)?;
        let expected = as_file(self.manifest.record.as_ref()).map(|file| file.content);
        if is_alone && expected.is_some_and(|expected| expected != hash) {
            return Err(Stop::Refused("what was kept is damaged".into()));
        }
        give_metadata(self.disk, landing, &copy, stat.mode, stat.mtime)?;
        if is_alone {
            self.disk.sync_file(&copy)?;
            if self.filesystem.unnamed_files {
                self.disk.link(&copy, to.0, to.1)?;
            }
        }
        Ok(())
    }

    /// Puts the copy in its place, and sets aside what was there.
    fn put(
        &mut self,
        pending: &mut Pending<'_, D>,
        directory: &D::Directory,
        name: &Name,
        taken: Option<(Option<Record>, Stat)>,
    ) -> Result<(), Stop> {
        let (disk, displaced) = (self.disk, &self.displaced);
        let Some((record, stat)) = taken else {
            disk.rename(displaced, &self.copy, directory, name, Rename::Keep)?;
            return Ok(());
        };
        let old = &self.old;
        if self.filesystem.exchange {
            // From here on recovery keeps what has this name, for it may be either of the two.
            disk.rename(displaced, &self.copy, displaced, old, Rename::Keep)?;
            disk.rename(displaced, old, directory, name, Rename::Exchange)?;
        } else {
            disk.rename(directory, name, displaced, old, Rename::Keep)?;
            disk.rename(displaced, &self.copy, directory, name, Rename::Keep)?;
        }
        let bytes = match stat.kind {
            FileKind::Directory => size_below(disk, displaced, old)?,
            _ => stat.size,
        };
        let about = About {
            path: self.path.clone(),
            record,
            reason: KeptReason::Restored,
            wall: self.manifest.wall,
        };
        set_aside(disk, pending, displaced, &self.kept, old, about, bytes)?;
        Ok(())
    }
}

/// Bytes of the files below a directory.
pub(super) fn size_below<D: Disk>(disk: &D, at: &D::Directory, name: &Name) -> DiskResult<u64> {
    let mut resolver = Resolver::at(disk, at.clone());
    let mut open = vec![Path::from(name)];
    let mut bytes = 0_u64;
    while let Some(path) = open.pop() {
        let directory = resolver.directory(&path)?;
        let mut names = Vec::new();
        disk.list(&directory, &mut |name, _| names.push(name))?;
        for name in names {
            let stat = disk.stat(&directory, &name)?;
            match stat.kind {
                FileKind::File => bytes = bytes.saturating_add(stat.size),
                FileKind::Directory => open.push(path.join(&name)),
                _ => {}
            }
        }
    }
    Ok(bytes)
}
