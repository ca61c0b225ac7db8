//! Local users: what they do to a docroot, drawn edit by edit.
//!
//! Every content is written once and nowhere else: each 16 bytes of it say which edit wrote them
//! and where, so that a mix of two versions is never mistaken for a version.

use std::cell::RefCell;
use std::rc::Rc;

use mirrormesh_merkle::Time;

use crate::disk::{SimDisk, UserFile};
use crate::draw::{Draw, Draws};
use crate::ledger::Ledger;
use crate::network::HostId;
use crate::shape::Shape;

/// Kinds of edits, and how often each is drawn.
const EDITS: &[(&str, u64)] = &[
    ("replace", 8),
    ("write", 6),
    ("append", 2),
    ("rename", 3),
    ("move-directory", 1),
    ("delete", 4),
    ("delete-directory", 1),
    ("chmod", 2),
    ("touch", 2),
    ("symlink", 2),
    ("mkdir", 2),
    ("link", 1),
    ("types", 2),
    ("bulk", 1),
    ("fifo", 1),
];

const DIRECTORIES: &[&str] = &["", "", "a/", "b/", "a/c/", "blog/", "blog/2026/", "d/e/f/"];
const ENDS: &[&str] = &["html", "css", "js", "php", "png", "txt"];

/// See the module's head.
pub(crate) struct Users {
    draws: Draws,
    /// Kinds of edits that this run has.
    kinds: Vec<(&'static str, u64)>,
    large: bool,
    larges: u64,
    edits: u64,
    pub(crate) done: u64,
    ledger: Rc<RefCell<Ledger>>,
}

impl Users {
    pub(crate) fn new(
        draws: Draws,
        on: impl Fn(&str) -> bool,
        ledger: Rc<RefCell<Ledger>>,
    ) -> Users {
        let kinds = EDITS
            .iter()
            .filter(|(name, _)| match *name {
                "replace" | "write" => true,
                "types" | "bulk" => on(name),
                "link" => on("links"),
                _ => draws.of("edit-kind", 0).next() ^ draws.of(name, 77).next() < u64::MAX / 4 * 3,
            })
            .copied()
            .collect();
        Users { draws, kinds, large: on("large"), larges: 0, edits: 0, done: 0, ledger }
    }

    /// Draws an edit and does it.
    pub(crate) fn edit(&mut self, host: HostId, disk: &SimDisk) {
        if host == 0 && self.ledger.try_borrow().is_ok_and(|ledger| ledger.is_away) {
            return;
        }
        self.edits += 1;
        let number = self.edits;
        let mut draw = self.draws.of("edit", number);
        let whole: u64 = self.kinds.iter().map(|(_, weight)| weight).sum();
        let mut drawn = draw.below(whole);
        let kind = self.kinds.iter().find(|(_, weight)| {
            let is_it = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            is_it
        });
        let Some((kind, _)) = kind.copied() else { return };
        let done = self.edit_by_kind(kind, host, disk, number, &mut draw);
        self.done += u64::from(done.is_some());
    }

    fn edit_by_kind(
        &mut self,
        kind: &str,
        host: HostId,
        disk: &SimDisk,
        number: u64,
        draw: &mut Draw,
    ) -> Option<()> {
        let old = self.existing(host, draw, |shape| !shape.is_directory());
        let file = self.existing(host, draw, |shape| shape.content().is_some());
        let directory = self.existing(host, draw, Shape::is_directory);
        let new = self.new_name(disk, draw);
        let target = match (draw.one_in(3), &file) {
            (false, Some(file)) => file.clone(),
            _ => new.clone(),
        };
        match kind {
            "replace" => {
                let content = self.content(number, draw);
                let replaced = disk.user_replace(&target, &content).ok();
                let end = target.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
                let part = [&target[..end], b".", &target[end..], b".part"].concat();
                closed(disk, &part, replaced)
            }
            "write" => {
                let content = self.content(number, draw);
                closed(disk, &target, disk.user_write(&target, &content).ok())
            }
            "append" => {
                let file = file?;
                let size = self.size(host, &file)?;
                disk.user_write_at(&file, size, &bytes_of(number, draw.spread(1, 2_000))).ok()
            }
            "rename" => disk.user_rename(old?, if draw.one_in(3) { target } else { new }).ok(),
            "move-directory" => {
                let to = format!("m{}", draw.below(6));
                disk.user_rename(directory?, to).ok()
            }
            "delete" => disk.user_remove(old?).ok(),
            "delete-directory" => disk.user_remove(directory?).ok(),
            "chmod" => {
                let modes = [0o644, 0o600, 0o664, 0o755, 0o444];
                disk.user_chmod(old?, *draw.pick(&modes)?).ok()
            }
            "touch" => {
                let seconds = 1_500_000_000 + draw.below(300_000_000) as i64;
                let nanoseconds = draw.below(1_000_000_000) as u32;
                disk.user_touch(file?, Time { seconds, nanoseconds }).ok()
            }
            "symlink" => disk.user_symlink(new, format!("to-{number}").as_bytes()).ok(),
            "mkdir" => disk.user_mkdir(format!("n{}/x{}", draw.below(4), draw.below(3))).ok(),
            "link" => disk.user_link(file?, new).ok(),
            "types" => self.change_type(disk, old.or(directory)?, number, draw),
            "bulk" => {
                for index in 0..draw.spread(2, 60) {
                    let path = format!("bulk{}/f{index}.txt", draw.below(2));
                    let _ = disk.user_mkdir(path.split('/').next()?);
                    let content = bytes_of(number << 8 | index, draw.below(300));
                    let written = disk.user_write(&path, &content).ok();
                    let _ = closed(disk, path.as_bytes(), written);
                }
                Some(())
            }
            "fifo" => disk.user_mkfifo(new).ok(),
            _ => None,
        }
    }

    fn change_type(
        &self,
        disk: &SimDisk,
        path: Vec<u8>,
        number: u64,
        draw: &mut Draw,
    ) -> Option<()> {
        disk.user_remove(&path).ok()?;
        match draw.below(3) {
            0 => disk.user_write(&path, &bytes_of(number, draw.below(500))).ok(),
            1 => disk.user_symlink(&path, b"elsewhere").ok(),
            _ => {
                disk.user_mkdir(&path).ok()?;
                let inside = [&path[..], b"/inside.html"].concat();
                disk.user_write(inside, &bytes_of(number, 40)).ok()
            }
        }
    }

    /// A path that is there.
    fn existing(
        &self,
        host: HostId,
        draw: &mut Draw,
        is_wanted: impl Fn(&Shape) -> bool,
    ) -> Option<Vec<u8>> {
        let ledger = self.ledger.borrow();
        let names = &ledger.hosts[host].names;
        let wanted: Vec<&Vec<u8>> =
            names.iter().filter(|(_, shape)| is_wanted(shape)).map(|(path, _)| path).collect();
        draw.pick(&wanted).map(|path| path.to_vec())
    }

    fn size(&self, host: HostId, path: &[u8]) -> Option<u64> {
        match self.ledger.borrow().hosts[host].names.get(path)? {
            Shape::File { size, .. } => Some(*size),
            _ => None,
        }
    }

    /// A name that may be there or not; the directories above it are.
    fn new_name(&self, disk: &SimDisk, draw: &mut Draw) -> Vec<u8> {
        let directory = draw.pick(DIRECTORIES).copied().unwrap_or("");
        let _ = disk.user_mkdir(directory.trim_end_matches('/'));
        let end = draw.pick(ENDS).copied().unwrap_or("txt");
        let mut path = format!("{directory}f{}.{end}", draw.below(30)).into_bytes();
        if draw.one_in(40) {
            path.extend_from_slice(&[0xff, b'\n', b'"']);
        }
        path
    }

    fn content(&mut self, number: u64, draw: &mut Draw) -> Vec<u8> {
        if self.large && self.larges < 2 && draw.one_in(25) {
            self.larges += 1;
            return bytes_of(number, mirrormesh::store::LARGE_BYTES + draw.below(1 << 20));
        }
        let size = match draw.below(40) {
            0..=2 => 0,
            3..=28 => draw.spread(1, 2_000),
            29..=38 => draw.spread(2_000, 30_000),
            _ => draw.spread(30_000, 300_000),
        };
        bytes_of(number, size)
    }

    /// Opens a file to be written to bit by bit.
    pub(crate) fn open(
        &mut self,
        host: HostId,
        disk: &SimDisk,
        number: u64,
    ) -> Option<(UserFile, Vec<u8>)> {
        // Nobody makes files in what lies in the place of the docroot.
        if host == 0 && self.ledger.try_borrow().is_ok_and(|ledger| ledger.is_away) {
            return None;
        }
        let mut draw = self.draws.of("open", number);
        let file = self.existing(host, &mut draw, |shape| shape.content().is_some());
        let path = match (draw.one_in(2), file) {
            (true, Some(file)) => file,
            _ => self.new_name(disk, &mut draw),
        };
        Some((disk.user_open(&path).ok()?, path))
    }
}

/// A write that failed half way closes the file all the same.
fn closed(disk: &SimDisk, path: &[u8], written: Option<()>) -> Option<()> {
    if written.is_none()
        && let Ok(file) = disk.user_open(path)
    {
        disk.user_close(file);
    }
    written
}

/// Content that nothing else has.
pub(crate) fn bytes_of(number: u64, size: u64) -> Vec<u8> {
    let size = size as usize;
    let mut bytes = Vec::with_capacity(size + 16);
    while bytes.len() < size {
        let piece = ((number as u128) << 64) | bytes.len() as u128 | 1 << 120;
        bytes.extend_from_slice(&piece.to_be_bytes());
    }
    bytes.truncate(size);
    if size > 0 && size < 16 {
        // What is too short to say it in the long way says it in the short.
        let short = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let most = size.min(8);
        bytes[..most].copy_from_slice(&short[..most]);
        bytes[0] |= 1;
    }
    bytes
}
