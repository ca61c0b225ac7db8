//! What a file system can do, found out by trying.
//!
//! Trials leave no trace: files without names where there can be any, and names only in the work
//! directory, never below the docroot. What was found out is kept for each mount.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use mirrormesh_merkle::{Name, Time};
use rustix::rand::{GetRandomFlags, getrandom};

use super::error::failed;
use super::{content, metadata, names, status};
use crate::store::{DiskResult, Filesystem, Rename};

/// Mounts remembered at most; a docroot and a work directory lie on one.
const REMEMBERED: usize = 16;

/// What was found out about one mount.
#[derive(Clone, Copy)]
struct Abilities {
    unnamed_files: bool,
    exchange: bool,
    reflink: bool,
    time_step: u32,
    obeys_modes: bool,
}

/// What was found out about each mount.
#[derive(Default)]
pub(super) struct Known(Mutex<BTreeMap<u64, Abilities>>);

impl Known {
    /// Identity, room and abilities of the file system below `directory`. `work` opens the place
    /// where names may be tried, if it lies on the same mount.
    pub(super) fn filesystem(
        &self,
        directory: BorrowedFd<'_>,
        work: impl FnOnce() -> DiskResult<OwnedFd>,
    ) -> DiskResult<Filesystem> {
        let operation = "filesystem";
        let room = rustix::fs::fstatvfs(directory).map_err(failed(operation))?;
        let device = status::of_open(directory).map_err(failed(operation))?.device;
        let mount = status::mount_of(directory).map_err(failed(operation))?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let abilities = match known.get(&mount) {
            Some(abilities) => *abilities,
            None => {
                let work = work().ok().filter(|work| status::mount_of(work) == Ok(mount));
                let abilities = try_out(directory, work.as_ref().map(AsFd::as_fd));
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(mount, abilities);
                abilities
            }
        };
        Ok(Filesystem {
            device,
            mount,
            total_bytes: room.f_blocks.saturating_mul(room.f_frsize),
            free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
            unnamed_files: abilities.unnamed_files,
            exchange: abilities.exchange,
            reflink: abilities.reflink,
            time_step: abilities.time_step,
            obeys_modes: abilities.obeys_modes,
        })
    }
}

fn try_out(directory: BorrowedFd<'_>, work: Option<BorrowedFd<'_>>) -> Abilities {
    let place = work.unwrap_or(directory);
    let unnamed = content::create_unnamed(place).ok();
    let unnamed_files = unnamed.is_some();
    let one = unnamed.or_else(|| create_nameless(work?));
    let other = content::create_unnamed(place).ok().or_else(|| create_nameless(work?));
    Abilities {
        unnamed_files,
        exchange: work.is_some_and(|work| exchange_works(work).unwrap_or(false)),
        reflink: match (&one, &other) {
            (Some(one), Some(other)) => reflink_works(one, other),
            _ => false,
        },
        time_step: one.as_ref().map_or(1, |file| time_step(file.as_fd())),
        obeys_modes: obeys_modes(),
    }
}

/// A file in the work directory whose name is taken away at once.
fn create_nameless(work: BorrowedFd<'_>) -> Option<OwnedFd> {
    let name = trial_name();
    let file = content::create(work, &name).ok()?;
    names::remove(work, &name).ok()?;
    Some(file)
}

fn exchange_works(work: BorrowedFd<'_>) -> DiskResult<bool> {
    let (one, other) = (trial_name(), trial_name());
    content::create(work, &one)?;
    let works = content::create(work, &other)
        .and_then(|_| names::rename(work, &one, work, &other, Rename::Exchange))
        .is_ok();
    let _ = names::remove(work, &other);
    names::remove(work, &one)?;
    Ok(works)
}

fn reflink_works(from: &OwnedFd, to: &OwnedFd) -> bool {
    content::write(from, 0, &[1; 4096]).is_ok() && content::share(from, to).is_ok()
}

/// Whether this process lacks the capability to pass by permission bits.
fn obeys_modes() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    // Who cannot say is taken for a plain user.
    !capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::DAC_OVERRIDE))
}

/// Sets a time that every known step would change, and looks what became of it.
fn time_step(file: BorrowedFd<'_>) -> u32 {
    const SECONDS: i64 = 1_000_000_001;
    let trial = Time { seconds: SECONDS, nanoseconds: 123_456_789 };
    let _ = metadata::set_mtime(file, trial);
    match status::of_open(file).map(|stat| stat.mtime) {
        Ok(Time { seconds: SECONDS, nanoseconds }) => match nanoseconds {
            123_456_789 => 1,
            123_456_700 => 100,
            123_456_000 => 1_000,
            123_000_000 => 1_000_000,
            120_000_000 => 10_000_000,
            _ => 1_000_000_000,
        },
        // FAT keeps even seconds.
        Ok(_) => 2_000_000_000,
        Err(_) => 1,
    }
}

/// A reserved name that recovery removes should it be left behind.
fn trial_name() -> Name {
    let mut random = [0; 8];
    // A short answer leaves zeros; `create` refuses a name that is taken.
    let _ = getrandom(&mut random[..], GetRandomFlags::empty());
    let name = format!(".mirrormesh.tmp-trial-{:016x}", u64::from_le_bytes(random));
    Name::new(name).unwrap_or_else(|_| unreachable!("the name is valid"))
}
