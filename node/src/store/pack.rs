//! Pack: reads the next chunk of contents for a peer.
//!
//! A content is read where the index says it lies: at the path the peer named, or elsewhere. It is
//! only read while its stat is as the index says, so that what is sent has been hashed once. A
//! small file is sent in one chunk; one that is cut by a chunk's end and changes before the rest is
//! sent ends the stream. Holds nothing between two chunks. The receiver hashes what comes.

use bytes::{BufMut, BytesMut};
use mirrormesh_merkle::{File, Path, Record, Time};

use super::disk::Disk;
use super::doubt::same_or_doubtful;
use super::index::IndexRow;
use super::job::{JobError, LARGE_BYTES, Pack, Packed, Want};
use super::pending::Pending;
use super::reply::{GONE, WHOLE};
use super::resolve::Resolver;
use super::{rows, sources};

/// Length of what precedes a framed content.
const HEADER: usize = 9;

/// Executes the job.
pub(crate) fn pack<D: Disk>(job: &Pack, disk: &D) -> Result<Packed, JobError> {
    let mut packer = Packer {
        disk,
        resolver: Resolver::new(disk)?,
        pending: Pending::new(disk),
        chunk: BytesMut::with_capacity(expected(job)),
        next: job.next,
        offset: job.offset,
    };
    let whole = if job.framed { packer.framed(job)? } else { packer.raw(job)? };
    Ok(Packed {
        chunk: packer.chunk.freeze(),
        next: packer.next,
        offset: packer.offset,
        gone: !whole,
    })
}

/// About how long the chunk will be.
fn expected(job: &Pack) -> usize {
    let sizes = job.wants.iter().skip(job.next).map(|want| want.size.saturating_add(9));
    let all = sizes.fold(0_u64, u64::saturating_add);
    usize::try_from(all).unwrap_or(usize::MAX).min(job.budget)
}

struct Packer<'disk, D: Disk> {
    disk: &'disk D,
    resolver: Resolver<'disk, D>,
    pending: Pending<'disk, D>,
    chunk: BytesMut,
    next: usize,
    offset: u64,
}

impl<D: Disk> Packer<'_, D> {
    /// Many contents, each after its header. False: the one that was begun is gone.
    fn framed(&mut self, job: &Pack) -> Result<bool, JobError> {
        while let Some(want) = job.wants.get(self.next) {
            let room = job.budget.saturating_sub(self.chunk.len());
            if self.offset > 0 {
                if !self.append(want, room)? {
                    return Ok(false);
                }
                self.end_want(want);
                if self.offset > 0 {
                    return Ok(true);
                }
                continue;
            }
            let length = usize::try_from(want.size).unwrap_or(usize::MAX);
            if !self.chunk.is_empty() && length.saturating_add(HEADER) > room {
                return Ok(true);
            }
            let before = self.chunk.len();
            self.chunk.put_u8(WHOLE);
            self.chunk.put_u64(want.size);
            let room = room.saturating_sub(HEADER).max(1);
            if want.size > LARGE_BYTES || !self.append(want, room)? {
                self.chunk.truncate(before);
                self.chunk.put_u8(GONE);
                self.offset = 0;
                self.next += 1;
                continue;
            }
            self.end_want(want);
            if self.offset > 0 {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// One content from the offset on.
    fn raw(&mut self, job: &Pack) -> Result<bool, JobError> {
        let Some(want) = job.wants.get(self.next) else { return Ok(true) };
        if self.offset > want.size || !self.append(want, job.budget.max(1))? {
            return Ok(false);
        }
        self.end_want(want);
        Ok(true)
    }

    fn end_want(&mut self, want: &Want) {
        if self.offset >= want.size {
            self.next += 1;
            self.offset = 0;
        }
    }

    /// Appends up to `room` bytes of a content from the offset on. False: it is not here.
    fn append(&mut self, want: &Want, room: usize) -> Result<bool, JobError> {
        let left = want.size.saturating_sub(self.offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        if want.size == 0 {
            return Ok(true);
        }
        for (path, row) in self.places(want)? {
            let before = self.chunk.len();
            self.chunk.resize(before + length, 0);
            if self.read(&path, &row, before) {
                self.offset += length as u64;
                return Ok(true);
            }
            self.chunk.truncate(before);
        }
        Ok(false)
    }

    /// Where the index says that the content lies: the wanted path first.
    fn places(&self, want: &Want) -> Result<Vec<(Path, IndexRow)>, JobError> {
        let has_it = |file: &File| file.content == want.content && file.size == want.size;
        let mut places = Vec::new();
        if let Some(row) = rows::read(&self.pending, &want.path)?
            && matches!(&row.record, Record::File(file) if has_it(file))
        {
            places.push((want.path.clone(), row));
        }
        let file = File {
            mode: 0,
            mtime: Time::default(),
            size: want.size,
            content: want.content,
            unserved: false,
            attributes: None,
        };
        // What lies there may not be as its row says any more.
        places.extend(sources::of(&self.pending, &file)?);
        Ok(places)
    }

    /// Fills the chunk from `start` on with bytes of a file, if it is as its row says before and
    /// after.
    fn read(&mut self, path: &Path, row: &IndexRow, start: usize) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return false };
        let Ok(directory) = self.resolver.directory(&parent) else { return false };
        let Ok(file) = self.disk.open_file(&directory, &name) else { return false };
        let is_same =
            |disk: &D| disk.stat_file(&file).is_ok_and(|stat| same_or_doubtful(&row.seen, &stat));
        if !is_same(self.disk) {
            return false;
        }
        let mut filled = start;
        while filled < self.chunk.len() {
            let offset = self.offset + (filled - start) as u64;
            match self.disk.read(&file, offset, &mut self.chunk[filled..]) {
                Ok(count) if count > 0 => filled += count,
                _ => return false,
            }
        }
        is_same(self.disk)
    }
}
