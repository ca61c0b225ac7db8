//! Finds the next parcel of differences between the current tree and the target.
//!
//! The differences are walked once a phase, so that no page comes before an asset it may need and
//! nothing goes before what takes its place has come; a parcel that is not full goes on into the
//! next phase, for Apply orders what is in one parcel. Memory: one parcel, and in the last phase
//! the way down to one directory.
//!
//! Directories that go are put out in post-order: one is held back until the walk has left it. A
//! plan that goes on puts the directories above the place where it stopped back on that stack, so
//! that one pass is enough, however many parcels it takes. Never changes anything.

use mirrormesh_merkle::{Difference, Differences, Entry, File, Kind, Path, Record, Tree, lookup};

use super::disk::Disk;
use super::job::{
    Item, JobError, LARGE_BYTES, PARCEL_BYTES, PARCEL_ITEMS, Phase, Plan, PlanCursor, Planned,
};
use super::pending::Pending;

mod parcel;

pub use parcel::is_page;
use parcel::{Builder, Offer};

/// Bounds of a parcel.
#[derive(Debug, Clone, Copy)]
pub struct PlanLimits {
    /// Most items.
    pub items: usize,
    /// Most items that need a file of their own to be staged: each is an open file.
    pub placed: usize,
    /// Most bytes that have to be fetched.
    pub bytes: u64,
    /// Most bytes of all paths.
    pub path_bytes: usize,
    /// Files above this size are transferred alone.
    pub large_bytes: u64,
}

impl PlanLimits {
    /// What the formats and the program promise.
    pub const FULL: PlanLimits = PlanLimits {
        items: PARCEL_ITEMS,
        placed: PARCEL_ITEMS / 2,
        bytes: PARCEL_BYTES,
        path_bytes: 256 * 1024,
        large_bytes: LARGE_BYTES,
    };
}

/// Most items of a parcel over given paths: no more than Apply lists, so that each that fails is
/// known by name.
const GIVEN_ITEMS: usize = 256;

const PHASES: [Phase; 6] = [
    Phase::Add,
    Phase::AddPages,
    Phase::ReplaceAssets,
    Phase::ReplacePages,
    Phase::Remove,
    Phase::RemoveDirectories,
];

/// Plans the next parcel.
pub fn plan<D: Disk>(disk: &D, job: &Plan) -> Result<Planned, JobError> {
    plan_within(disk, job, &PlanLimits::FULL)
}

/// Plans a parcel within limits of one's own.
pub fn plan_within<D: Disk>(
    disk: &D,
    job: &Plan,
    limits: &PlanLimits,
) -> Result<Planned, JobError> {
    let pending = Pending::new(disk);
    let items = match job.only {
        Some(_) => limits.items.min(GIVEN_ITEMS),
        None => limits.items,
    };
    let limits = &PlanLimits { items, ..*limits };
    let builder = Builder::new(&pending, limits, &job.in_transfer);
    match &job.only {
        Some(paths) => plan_only(&pending, job, paths, builder),
        None => plan_phases(&pending, job, builder),
    }
}

fn plan_phases<'p, D: Disk>(
    pending: &'p Pending<'_, D>,
    job: &Plan,
    mut builder: Builder<'p, '_, D>,
) -> Result<Planned, JobError> {
    for phase in PHASES.into_iter().filter(|phase| *phase >= job.cursor.phase) {
        let after = if phase == job.cursor.phase { job.cursor.after.clone() } else { None };
        let pass = Pass { pending, job, phase, last: after };
        let stopped = match phase {
            Phase::RemoveDirectories => pass.directories(&mut builder)?,
            _ => pass.items(&mut builder)?,
        };
        if let Some(after) = stopped {
            let next = Some(PlanCursor { phase, after });
            return Ok(Planned { parcel: builder.finish(), next });
        }
    }
    Ok(Planned { parcel: builder.finish(), next: None })
}

/// One walk over the differences for one phase.
struct Pass<'p, 'd, 'j, D: Disk> {
    pending: &'p Pending<'d, D>,
    job: &'j Plan,
    phase: Phase,
    /// Everything up to here is done.
    last: Option<Path>,
}

/// Where a pass stopped because the parcel is full; `None` if it came to the end.
type Stopped = Option<Option<Path>>;

impl<'p, 'd, D: Disk> Pass<'p, 'd, '_, D> {
    fn differences(&self) -> Differences<&'p Pending<'d, D>> {
        let (old, new) = (&self.job.current.root, &self.job.target.root);
        Differences::new(self.pending, old, new, self.last.as_ref())
    }

    fn items(mut self, builder: &mut Builder<'p, '_, D>) -> Result<Stopped, JobError> {
        let mut displaced = self.displaced_above()?;
        for difference in self.differences() {
            let difference = difference?;
            let path = difference.path.clone();
            if !is_below(&path, displaced.as_ref()) {
                displaced = is_displaced(&difference).then(|| path.clone());
                if phase_of(&difference) == self.phase
                    && is_unedited(self.pending, self.job, &path)?
                {
                    match builder.offer(item(difference))? {
                        Offer::Taken | Offer::LeftOut => {}
                        Offer::Alone => return Ok(Some(Some(path))),
                        Offer::Full => return Ok(Some(self.last)),
                    }
                }
            }
            self.last = Some(path);
        }
        Ok(None)
    }

    /// Removes directories deepest first. The stack holds directories that go and that the walk
    /// has not left yet, each one in the one before it.
    fn directories(mut self, builder: &mut Builder<'p, '_, D>) -> Result<Stopped, JobError> {
        let mut displaced = self.displaced_above()?;
        let mut stack = self.going_above()?;
        // A pass that goes on gets ahead each time, whatever cannot be removed.
        let mut may_stop = self.last.is_none();
        for difference in self.differences() {
            let difference = difference?;
            let path = difference.path.clone();
            while stack.last().is_some_and(|top| !path.starts_with(&top.path)) {
                stack.pop().map(|top| builder.offer_beyond(top)).transpose()?;
            }
            if may_stop && builder.is_full_with(stack.len() + 1) {
                return Ok(Some(self.last));
            }
            may_stop = true;
            if !is_below(&path, displaced.as_ref()) {
                displaced = is_displaced(&difference).then(|| path.clone());
                if !is_unedited(self.pending, self.job, &path)? {
                    // What is left in them keeps all directories above.
                    stack.clear();
                } else if phase_of(&difference) == self.phase {
                    stack.push(item(difference));
                }
            }
            self.last = Some(path);
        }
        for top in stack.into_iter().rev() {
            builder.offer_beyond(top)?;
        }
        Ok(None)
    }

    /// The directories at and above where the pass goes on that still have to go, from the top
    /// down. One that could not be removed may be among them once more.
    fn going_above(&self) -> Result<Vec<Item>, JobError> {
        let mut going = Vec::new();
        let Some(last) = &self.last else { return Ok(going) };
        for depth in 1..=last.depth() {
            let above = last.ancestor(depth);
            if lookup(self.pending, &self.job.target.root, &above)?.is_some() {
                continue;
            }
            let old = lookup(self.pending, &self.job.current.root, &above)?;
            if let Some(old @ Entry::Directory(_)) = &old {
                going.push(Item { path: above, old: Some(old.into()), new: None });
            }
        }
        Ok(going)
    }

    /// A directory above where the pass goes on in whose place the target has something else.
    fn displaced_above(&self) -> Result<Option<Path>, JobError> {
        let Some(last) = &self.last else { return Ok(None) };
        for depth in 1..=last.depth() {
            let above = last.ancestor(depth);
            let new = lookup(self.pending, &self.job.target.root, &above)?;
            match new {
                Some(Entry::Directory(_)) => {}
                Some(_) => return Ok(Some(above)),
                None => break,
            }
        }
        Ok(None)
    }
}

/// Explicit paths, and the directories above them, in path order; all phases at once.
fn plan_only<'p, D: Disk>(
    pending: &'p Pending<'_, D>,
    job: &Plan,
    paths: &[Path],
    mut builder: Builder<'p, '_, D>,
) -> Result<Planned, JobError> {
    let mut all: Vec<&Path> = paths.iter().filter(|path| !path.is_root()).collect();
    all.sort();
    let mut last: Option<Path> = job.cursor.after.clone();
    for path in all {
        if last.as_ref().is_some_and(|last| path <= last) {
            continue;
        }
        let mut missing = Vec::new();
        for depth in 1..=path.depth() {
            let at = path.ancestor(depth);
            let is_known = last.as_ref().is_some_and(|last| last.starts_with(&at));
            if !is_known && let Some(item) = item_at(pending, &job.current, &job.target, &at)? {
                // Of directories above, only those count that have to come first.
                let is_above = depth < path.depth();
                let makes_directory = matches!(item.new, Some(Record::Directory { .. }))
                    && !matches!(item.old, Some(Record::Directory { .. }));
                let may_change = is_unedited(pending, job, &at)?;
                if may_change && (!is_above || makes_directory) {
                    missing.push(item);
                }
            }
        }
        let stop = |after: Option<Path>, builder: Builder<'p, '_, D>| {
            let next = PlanCursor { phase: job.cursor.phase, after };
            Planned { parcel: builder.finish(), next: Some(next) }
        };
        if !builder.has_room_for(missing.len()) {
            return Ok(stop(last, builder));
        }
        for item in missing {
            match builder.offer(item)? {
                Offer::Taken | Offer::LeftOut => {}
                Offer::Alone => return Ok(stop(Some(path.clone()), builder)),
                Offer::Full => return Ok(stop(last, builder)),
            }
        }
        last = Some(path.clone());
    }
    Ok(Planned { parcel: builder.finish(), next: None })
}

fn item_at<D: Disk>(
    pending: &Pending<'_, D>,
    current: &Tree,
    target: &Tree,
    path: &Path,
) -> Result<Option<Item>, JobError> {
    let old = lookup(pending, &current.root, path)?.as_ref().map(Record::from);
    let new = lookup(pending, &target.root, path)?.as_ref().map(Record::from);
    Ok((old != new).then(|| Item { path: path.clone(), old, new }))
}

/// Whether a name still is as the tree has it in which it was last known not to be edited. A
/// directory is so with everything below it where something else comes in its place.
fn is_unedited<D: Disk>(
    pending: &Pending<'_, D>,
    job: &Plan,
    path: &Path,
) -> Result<bool, JobError> {
    let Some(since) = &job.unedited_since else { return Ok(true) };
    let then = lookup(pending, &since.root, path)?;
    let now = lookup(pending, &job.current.root, path)?;
    let target = lookup(pending, &job.target.root, path)?;
    let record = |entry: &Option<Entry>| entry.as_ref().map(Record::from);
    Ok(match (&now, &target) {
        (Some(Entry::Directory(_)), None | Some(Entry::Directory(_))) => {
            record(&then) == record(&now)
        }
        _ => then == now,
    })
}

fn item(difference: Difference) -> Item {
    Item { path: difference.path, old: difference.old, new: difference.new }
}

fn is_below(path: &Path, directory: Option<&Path>) -> bool {
    directory.is_some_and(|directory| path != directory && path.starts_with(directory))
}

/// A directory that gives way to another kind takes all below it along.
fn is_displaced(difference: &Difference) -> bool {
    let kind = |record: &Option<Record>| record.as_ref().map(Record::kind);
    let (old, new) = (kind(&difference.old), kind(&difference.new));
    old == Some(Kind::Directory) && new.is_some() && new != Some(Kind::Directory)
}

/// In which phase a difference is applied.
fn phase_of(difference: &Difference) -> Phase {
    let is_page = is_page(&difference.path);
    match (&difference.old, &difference.new) {
        (Some(Record::Directory { .. }), None) => Phase::RemoveDirectories,
        (_, None) => Phase::Remove,
        (Some(Record::Directory { .. }), Some(_)) => Phase::ReplacePages,
        (_, Some(Record::Directory { .. })) => Phase::Add,
        (None, Some(Record::File(_))) if !is_page => Phase::Add,
        (None, Some(_)) => Phase::AddPages,
        (Some(Record::File(_)), Some(Record::File(_))) if !is_page => Phase::ReplaceAssets,
        (Some(_), Some(_)) => Phase::ReplacePages,
    }
}

/// The file that a record describes.
pub(super) fn as_file(record: Option<&Record>) -> Option<&File> {
    match record {
        Some(Record::File(file)) => Some(file),
        _ => None,
    }
}
