//! Receives one large file into the work directory, resumably.
//!
//! A part has its content hash as name and grows at its end alone. How much of it is certainly on
//! the medium stands in the ordered store: after a crash the rest is cut off, so that a lost write
//! in the middle costs a few megabytes and not the transfer. The whole is hashed before it is
//! called whole. What does not fit is thrown away before the disk is full: small files, and whoever
//! else writes there, find room meanwhile. Never touches the docroot.

use bytes::Bytes;
use mirrormesh_merkle::{Hash, Path};

use super::area::{Area, large_name};
use super::copy::{hash_file, write_with_holes};
use super::disk::{Batch, Disk, DiskError, DiskErrorKind, DiskResult, FileKind, Table};
use super::job::{JobError, Stage, StageStep, Staged};
use super::reason::reason;

/// Keys in [`Table::State`] of how much of a part is on the medium begin with this.
pub const SYNCED_PREFIX: &[u8] = b"large/";

/// So many bytes of a part are made durable together.
const SYNC_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes that parts leave free on the disk.
pub const ROOM_LEFT: u64 = 4 * 1024 * 1024;

/// What did not fit is fetched again when it certainly fits, or when at least so many bytes more
/// are free, and a sixteenth of it.
const ROOM_MORE: u64 = 1024 * 1024;
/// What a key of a part in [`Table::State`] ends with, if it says how much room there was for a
/// content that did not fit. A start forgets these.
const NO_ROOM_SUFFIX: &[u8] = b"/room";

/// Does one step of staging.
pub fn stage<D: Disk>(disk: &D, job: &Stage) -> Result<Staged, JobError> {
    let large = Area::Large.open(disk)?;
    let part = Part { disk, large, content: job.content, size: job.size };
    let outcome = match &job.step {
        StageStep::Open => part.open().map(Staged::Partial),
        StageStep::Write { offset, chunks } => part.write(*offset, chunks),
        StageStep::Finish => part.finish(),
        StageStep::Discard => part.discard().map(|()| Staged::Partial(0)),
    };
    outcome.map_err(|error| {
        if error.kind == DiskErrorKind::NoSpace && part.length().is_ok_and(|length| length > 0) {
            part.discard().ok();
        }
        JobError::Disk { kind: error.kind, path: Path::root(), detail: reason(&error) }
    })
}

/// What does not fit.
fn no_space(free: u64) -> DiskError {
    let detail = format!("{free} bytes are free, and {ROOM_LEFT} are left to small files");
    DiskError { kind: DiskErrorKind::NoSpace, operation: "write", detail }
}

/// Key of how much of a part is on the medium.
pub fn synced_key(content: &Hash) -> Bytes {
    [SYNCED_PREFIX, content.to_string().as_bytes()].concat().into()
}

struct Part<'d, D: Disk> {
    disk: &'d D,
    large: D::Directory,
    content: Hash,
    size: u64,
}

impl<D: Disk> Part<'_, D> {
    /// How much is there. What did not fit is not fetched again before there is more room.
    fn open(&self) -> DiskResult<u64> {
        let length = self.length()?;
        if length == 0
            && let Some(bytes) = self.disk.get(Table::State, &self.no_room_key())?
            && let Ok(before) = <[u8; 8]>::try_from(&bytes[..])
        {
            let free = self.disk.filesystem(&self.large)?.free_bytes;
            let more = ROOM_MORE.max(self.size / 16);
            let fits = free >= self.size.saturating_add(ROOM_LEFT);
            if !fits && free < u64::from_be_bytes(before).saturating_add(more) {
                return Err(no_space(free));
            }
        }
        Ok(length)
    }

    fn no_room_key(&self) -> Vec<u8> {
        [&synced_key(&self.content)[..], NO_ROOM_SUFFIX].concat()
    }

    /// Throws away what there is of a content that does not fit. `room`: bytes there were for it.
    fn give_back(&self, room: u64) -> DiskResult<Staged> {
        self.discard()?;
        let mut batch = Batch::default();
        batch.put(Table::State, self.no_room_key(), room.to_be_bytes().to_vec());
        self.disk.commit(batch, false)?;
        Err(no_space(room))
    }

    /// How much is there. What cannot be the beginning of this file is thrown away.
    fn length(&self) -> DiskResult<u64> {
        match self.disk.stat(&self.large, &large_name(&self.content)) {
            Ok(stat) if stat.kind == FileKind::File && stat.size <= self.size => Ok(stat.size),
            Ok(_) => self.discard().map(|()| 0),
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn write(&self, offset: u64, chunks: &[Bytes]) -> DiskResult<Staged> {
        let name = large_name(&self.content);
        if self.length()? != offset {
            return self.length().map(Staged::Partial);
        }
        let wanted: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let room = self.disk.filesystem(&self.large)?;
        // Some file systems do not say.
        if room.total_bytes > 0 && room.free_bytes < wanted.saturating_add(ROOM_LEFT) {
            return self.give_back(room.free_bytes.saturating_add(offset));
        }
        let file = match self.disk.reopen(&self.large, &name) {
            Err(error) if error.kind == DiskErrorKind::NotFound => {
                self.disk.create(&self.large, &name)
            }
            opened => opened,
        }?;
        let mut end = offset;
        for chunk in chunks {
            let room = usize::try_from(self.size - end).unwrap_or(usize::MAX).min(chunk.len());
            if room > 0 {
                write_with_holes(self.disk, &file, end, &chunk[..room])?;
                end += room as u64;
            }
        }
        if end / SYNC_BYTES > offset / SYNC_BYTES {
            self.disk.sync_file(&file)?;
            self.disk.sync_directory(&self.large)?;
            let mut batch = Batch::default();
            batch.put(Table::State, synced_key(&self.content), end.to_be_bytes().to_vec());
            self.disk.commit(batch, false)?;
        }
        Ok(Staged::Partial(end))
    }

    fn finish(&self) -> DiskResult<Staged> {
        let length = self.length()?;
        if length < self.size {
            return Ok(Staged::Partial(length));
        }
        let name = large_name(&self.content);
        let file = self.disk.open_file(&self.large, &name)?;
        if hash_file(self.disk, &file, self.size)? != self.content {
            self.discard()?;
            return Ok(Staged::Wrong);
        }
        self.disk.sync_file(&file)?;
        self.disk.sync_directory(&self.large)?;
        let mut batch = Batch::default();
        batch.put(Table::State, synced_key(&self.content), length.to_be_bytes().to_vec());
        batch.remove(Table::State, self.no_room_key());
        self.disk.commit(batch, false)?;
        Ok(Staged::Whole)
    }

    fn discard(&self) -> DiskResult<()> {
        let removed =
            super::remove_tree::remove_any(self.disk, &self.large, &large_name(&self.content));
        match removed {
            Err(error) if error.kind != DiskErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut batch = Batch::default();
        batch.remove(Table::State, synced_key(&self.content));
        batch.remove(Table::State, self.no_room_key());
        self.disk.commit(batch, false)
    }
}
