//! Faults that are in force, and the plan to end the process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mirrormesh::store::{DiskErrorKind, Writing};

use super::tree::Key;

/// When the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPlan {
    /// Before the n-th primitive from now on, counted from 0.
    BeforePrimitive(u64),
    /// Before the n-th primitive from now on that may change anything, counted from 0. What runs
    /// in two steps ([`mirrormesh::store::Disk::sync_files_and_commit`]) counts twice. Between
    /// two of these, all crashes leave the same images.
    BeforeChange(u64),
}

/// What a failed sync does to data that was not durable. The data is lost either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedSync {
    /// It can still be read, a further sync succeeds, and after a crash it is gone.
    LooksClean,
    /// It reads as it is on the medium at once.
    Vanishes,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Paths below the docroot that the process may neither read nor change names in.
    pub(super) denied: BTreeSet<Vec<u8>>,
    /// Inodes whose data cannot be read.
    pub(super) unreadable: BTreeSet<Key>,
    /// Path below the docroot -> what the system says of writers there.
    pub(super) writing: BTreeMap<Vec<u8>, Writing>,
    /// The next sync of a file fails like this.
    pub(super) sync: Option<(DiskErrorKind, FailedSync)>,
    /// Primitive -> how its next calls fail.
    pub(super) next: BTreeMap<&'static str, VecDeque<DiskErrorKind>>,
}

impl Faults {
    /// What outlives a crash: the state of the medium and of the tree, not of one process.
    pub(super) fn lasting(&self) -> Faults {
        Faults {
            denied: self.denied.clone(),
            unreadable: self.unreadable.clone(),
            ..Faults::default()
        }
    }

    pub(super) fn take(&mut self, operation: &'static str) -> Option<DiskErrorKind> {
        self.next.get_mut(operation)?.pop_front()
    }
}

/// One run of the program on the machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Process {
    pub(super) plan: Option<CrashPlan>,
    pub(super) crashed: bool,
    pub(super) primitives: u64,
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Process {
    /// Counts one step of the plan; `true` if the process ends before it.
    pub(super) fn ends_before(&mut self, is_primitive: bool, is_change: bool) -> bool {
        let left = match &mut self.plan {
            Some(CrashPlan::BeforePrimitive(left)) if is_primitive => left,
            Some(CrashPlan::BeforeChange(left)) if is_change => left,
            _ => return self.crashed,
        };
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => self.crashed = true,
        }
        self.crashed
    }
}
