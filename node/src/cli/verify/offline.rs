//! `verify` without a daemon: through the store, with the same job that the daemon runs.

use std::path::Path;

use mirrormesh_merkle::Tree;
use serde_bytes::ByteBuf;

use super::super::failure::{Failure, no_cluster};
use super::super::progress::Progress;
use super::super::text;
use super::{Found, Printer};
use crate::core::PathLine;
use crate::daemon::config::{CONFIG_FILE, Config, ConfigError};
use crate::daemon::disk::{RealDisk, RealDiskOptions};
use crate::daemon::lock::Lock;
use crate::daemon::places;
use crate::store::tree_value::decode_tree;
use crate::store::{Disk as _, Done, Excludes, Job, Side, Table, Verify, run, state as names};

/// Compares docroot and tree. Changes nothing in the docroot.
pub(super) fn verify(
    state: &Path,
    progress: &mut Progress,
    printer: &mut Printer,
) -> Result<Found, Failure> {
    let config = match Config::load(state) {
        Err(ConfigError::Missing(_)) => return Err(no_cluster(state)),
        other => other?,
    };
    let store = places::store_path(state);
    let Some(docroot) = config.docroot.filter(|_| store.exists()) else {
        return Err(no_cluster(state));
    };
    // A daemon that has just come up: it is to be asked.
    let _lock = Lock::take(state)?;
    let work = match config.work {
        Some(work) => work,
        None => places::default_work(&docroot)?,
    };
    if let Err(error) = std::fs::read_dir(&docroot) {
        let message = format!("the docroot {}: {error}", docroot.display());
        let hint = format!("bring it back (is it mounted?), or correct it in {CONFIG_FILE}");
        return Err(Failure::failed(message).hint(hint));
    }
    let options = RealDiskOptions { docroot, work, store, watcher: None };
    let fail = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let disk = RealDisk::open(options).map_err(|error| fail(&error))?;
    let current = disk.get(Table::State, names::CURRENT).map_err(|error| fail(&error))?;
    let current = match current {
        None => Tree::empty(),
        Some(bytes) => {
            decode_tree(&bytes).ok_or_else(|| Failure::failed("the store is damaged"))?
        }
    };
    let mut found = Found::default();
    let mut after = None;
    loop {
        let job = Verify {
            current,
            after: after.take(),
            repair: false,
            side: Side::Replica { target: None },
            // What is excluded is not in the index.
            excludes: Excludes::none().into(),
        };
        let done = run(Job::Verify(job), &disk).map_err(|error| fail(&error))?;
        let Done::Verify(part) = done else { return Err(Failure::failed("not verified")) };
        found.files += part.files;
        found.bytes += part.bytes;
        found.differs += part.differs.len() as u64;
        progress.suspend(|| {
            for (path, what) in part.differs {
                printer.line(&PathLine { path: ByteBuf::from(path.as_bytes()), what });
            }
        });
        let (read, size) = (text::count(found.files, "file"), text::size(found.bytes));
        progress.show(&format!("verifying: {read}, {size}"), found.bytes, current.bytes);
        after = part.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
