//! A user who changes one site of the origin's docroot in every way that there is.
//!
//! Invariant: the ledger hears of a change before it is made, and names in one site are changed by
//! one writer only.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::content;
use super::ledger::{Kind, Ledger, Site};
use super::random::Random;

/// Most names that are moved or copied at once.
const MAX_MOVED: usize = 2_000;
/// Most names that are removed at once.
const MAX_REMOVED: usize = 60;

/// Its name, how often it is done among all that is, and what does it: None if it cannot be.
type Operation<'a> = (&'static str, usize, fn(&mut Writer<'a>) -> Option<()>);

fn operations<'a>() -> Vec<Operation<'a>> {
    vec![
        ("create", 10, Writer::create),
        ("create many", 1, Writer::create_many),
        ("make a directory", 2, Writer::make_directory),
        ("overwrite by rename", 14, Writer::overwrite_by_rename),
        ("overwrite by truncation", 8, Writer::overwrite_by_truncation),
        ("overwrite in place", 6, Writer::overwrite_in_place),
        ("overwrite in place, mtime put back", 3, Writer::overwrite_with_old_mtime),
        ("overwrite twice", 3, Writer::overwrite_twice),
        ("overwrite slowly", 1, Writer::overwrite_slowly),
        ("append", 8, Writer::append),
        ("append slowly", 1, Writer::append_slowly),
        ("rename", 8, Writer::rename),
        ("rename onto another", 4, Writer::rename_onto),
        ("swap two", 2, Writer::swap),
        ("move a directory", 3, Writer::move_directory),
        ("copy a directory", 1, Writer::copy_directory),
        ("delete", 8, Writer::delete),
        ("delete a directory", 1, Writer::delete_directory),
        ("chmod", 6, Writer::chmod),
        ("chmod a directory", 2, Writer::chmod_directory),
        ("touch", 6, Writer::touch),
        ("symlink", 3, Writer::symlink),
        ("change the type", 3, Writer::change_type),
        ("exchange file and directory", 1, Writer::exchange_types),
    ]
}

/// One user.
pub(super) struct Writer<'a> {
    docroot: &'a Path,
    ledger: &'a Ledger,
    index: usize,
    random: Random,
    serial: u64,
    /// How many files the site should keep.
    wanted: usize,
    done: BTreeMap<&'static str, u64>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        docroot: &'a Path,
        ledger: &'a Ledger,
        index: usize,
        random: Random,
    ) -> Writer<'a> {
        let wanted = ledger.site(index).live();
        Writer { docroot, ledger, index, random, serial: 0, wanted, done: BTreeMap::new() }
    }

    /// Changes things until `end`: in bursts, and at a walking pace.
    pub(super) fn run(mut self, end: Instant) -> BTreeMap<&'static str, u64> {
        let operations = operations();
        let weights: usize = operations.iter().map(|(_, weight, _)| weight).sum();
        let (mut left, mut pause) = (0, 0);
        while Instant::now() < end {
            if left == 0 {
                (left, pause) = match self.random.below(3) {
                    0 => (100 + self.random.below(200), 0),
                    1 => (20 + self.random.below(100), 20),
                    _ => (3, 400),
                };
            }
            left -= 1;
            thread::sleep(Duration::from_millis(self.random.below(pause + 1) as u64));
            let mut drawn = self.random.below(weights);
            let chosen = operations.iter().find(|(_, weight, _)| {
                let found = drawn < *weight;
                drawn = drawn.saturating_sub(*weight);
                found
            });
            let Some((name, _, operation)) = chosen else { continue };
            if operation(&mut self).is_some() {
                *self.done.entry(name).or_default() += 1;
            }
        }
        self.done
    }

    fn site(&self) -> MutexGuard<'a, Site> {
        self.ledger.site(self.index)
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.docroot.join(path)
    }

    fn some_file(&mut self) -> Option<PathBuf> {
        let ledger = self.ledger;
        ledger.site(self.index).some_file(&mut self.random)
    }

    fn some_directory(&mut self) -> Option<PathBuf> {
        let ledger = self.ledger;
        ledger.site(self.index).some_directory(&mut self.random)
    }

    /// A directory that is not the site itself, with at most so many names below.
    fn small_directory(&mut self, most: usize) -> Option<PathBuf> {
        let directory = self.some_directory()?;
        let fits =
            directory.components().count() > 1 && self.site().below(&directory).len() <= most;
        fits.then_some(directory)
    }

    /// A name that nothing ever had.
    fn new_name(&mut self) -> Option<PathBuf> {
        let directory = self.some_directory()?;
        self.serial += 1;
        let suffix = ["html", "css", "png", "php"][self.random.below(4)];
        let number = self.random.next() >> 40;
        Some(directory.join(format!("new-{}-{number:x}.{suffix}", self.serial)))
    }

    fn draw(&mut self) -> Vec<u8> {
        content::draw(&mut self.random)
    }

    fn file_becomes(&self, path: &Path, bytes: &[u8]) {
        self.site().becomes(path, Kind::File, Some(content::hash(bytes)));
    }

    fn open_to_write(&self, path: &Path) -> File {
        File::options().write(true).open(self.at(path)).unwrap()
    }

    // ------------------------------------------------------------------ create

    fn create(&mut self) -> Option<()> {
        let path = self.new_name()?;
        let bytes = self.draw();
        self.file_becomes(&path, &bytes);
        if self.random.percent(50) {
            self.save(&path, &bytes);
        } else {
            fs::write(self.at(&path), &bytes).unwrap();
        }
        Some(())
    }

    fn create_many(&mut self) -> Option<()> {
        if self.site().live() > self.wanted {
            return None;
        }
        let missing = self.wanted - self.site().live();
        for _ in 0..missing.min(100) {
            self.create()?;
        }
        Some(())
    }

    fn make_directory(&mut self) -> Option<()> {
        let path = self.new_name()?.with_extension("");
        self.site().becomes(&path, Kind::Directory, None);
        fs::create_dir(self.at(&path)).unwrap();
        for name in ["one", "two", "three"].iter().take(self.random.below(4)) {
            let bytes = self.draw();
            self.file_becomes(&path.join(name), &bytes);
            fs::write(self.at(&path.join(name)), &bytes).unwrap();
        }
        Some(())
    }

    // ------------------------------------------------------------------ contents

    /// As editors save: under another name first.
    fn save(&mut self, path: &Path, bytes: &[u8]) {
        self.serial += 1;
        let new = self.at(&path.with_file_name(format!(".save-{}~", self.serial)));
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, self.at(path)).unwrap();
    }

    fn overwrite_by_rename(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let bytes = self.draw();
        self.file_becomes(&path, &bytes);
        self.save(&path, &bytes);
        Some(())
    }

    fn overwrite_by_truncation(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let bytes = self.draw();
        self.file_becomes(&path, &bytes);
        // Not `fs::write`: nothing is there between two calls that could be taken as complete.
        let mut file = File::options().write(true).truncate(true).open(self.at(&path)).unwrap();
        file.write_all(&bytes).unwrap();
        Some(())
    }

    /// A part in the middle, the size unchanged.
    fn patch(&mut self, path: &Path) -> Option<(usize, Vec<u8>)> {
        let mut bytes = fs::read(self.at(path)).unwrap();
        if bytes.is_empty() {
            return None;
        }
        let at = self.random.below(bytes.len());
        let length = (bytes.len() - at).min(5_000);
        let new = content::of_size(&mut self.random, length);
        bytes[at..at + length].copy_from_slice(&new);
        self.file_becomes(path, &bytes);
        Some((at, new))
    }

    fn overwrite_in_place(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let (at, new) = self.patch(&path)?;
        let mut file = self.open_to_write(&path);
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&new).unwrap();
        Some(())
    }

    fn overwrite_with_old_mtime(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let (at, new) = self.patch(&path)?;
        let before = fs::metadata(self.at(&path)).unwrap().modified().unwrap();
        let mut file = self.open_to_write(&path);
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&new).unwrap();
        file.set_times(FileTimes::new().set_modified(before)).unwrap();
        Some(())
    }

    /// Two versions, the second at once, of the same size.
    fn overwrite_twice(&mut self) -> Option<()> {
        let path = self.some_file()?;
        for _ in 0..2 {
            let (at, new) = self.patch(&path)?;
            let mut file = self.open_to_write(&path);
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&new).unwrap();
        }
        Some(())
    }

    fn overwrite_slowly(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let bytes = self.draw();
        self.file_becomes(&path, &bytes);
        let file = File::options().write(true).truncate(true).open(self.at(&path)).unwrap();
        self.write_slowly(file, &bytes);
        Some(())
    }

    fn append(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let more = self.appended(&path)?;
        let mut file = File::options().append(true).open(self.at(&path)).unwrap();
        file.write_all(&more).unwrap();
        Some(())
    }

    fn append_slowly(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let more = self.appended(&path)?;
        let file = File::options().append(true).open(self.at(&path)).unwrap();
        self.write_slowly(file, &more);
        Some(())
    }

    fn appended(&mut self, path: &Path) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.at(path)).unwrap();
        let size = 1 + self.random.below(8_000);
        let more = content::of_size(&mut self.random, size);
        bytes.extend_from_slice(&more);
        self.file_becomes(path, &bytes);
        Some(more)
    }

    /// Keeps the file open, half written.
    fn write_slowly(&mut self, mut file: File, bytes: &[u8]) {
        let parts = 2 + self.random.below(4);
        for part in bytes.chunks((bytes.len() / parts).max(1)) {
            file.write_all(part).unwrap();
            thread::sleep(Duration::from_millis(self.random.below(400) as u64));
        }
    }

    // ------------------------------------------------------------------ names

    fn rename(&mut self) -> Option<()> {
        let from = self.some_file()?;
        let to = match self.random.percent(60) {
            true => from.with_file_name(self.new_name()?.file_name()?),
            false => self.new_name()?,
        };
        self.site().moves(&from, &to);
        fs::rename(self.at(&from), self.at(&to)).unwrap();
        Some(())
    }

    fn rename_onto(&mut self) -> Option<()> {
        let (from, to) = (self.some_file()?, self.some_file()?);
        if from == to {
            return None;
        }
        self.site().moves(&from, &to);
        fs::rename(self.at(&from), self.at(&to)).unwrap();
        Some(())
    }

    fn swap(&mut self) -> Option<()> {
        let (one, other) = (self.some_file()?, self.some_file()?);
        if one == other {
            return None;
        }
        self.exchange(&one, &other);
        Some(())
    }

    fn exchange(&mut self, one: &Path, other: &Path) {
        self.site().exchange(one, other);
        let (one, other) = (self.at(one), self.at(other));
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
    }

    fn move_directory(&mut self) -> Option<()> {
        let from = self.small_directory(MAX_MOVED)?;
        let to = match self.random.percent(50) {
            true => from.with_file_name(self.new_name()?.with_extension("").file_name()?),
            false => self.new_name()?.with_extension(""),
        };
        if to.starts_with(&from) {
            return None;
        }
        self.site().moves(&from, &to);
        fs::rename(self.at(&from), self.at(&to)).unwrap();
        Some(())
    }

    fn copy_directory(&mut self) -> Option<()> {
        let from = self.small_directory(MAX_REMOVED)?;
        let to = self.new_name()?.with_extension("");
        if to.starts_with(&from) {
            return None;
        }
        let below = self.site().below(&from);
        self.site().becomes(&to, Kind::Directory, None);
        fs::create_dir(self.at(&to)).unwrap();
        for path in below {
            let place = to.join(path.strip_prefix(&from).expect("it lies below"));
            let kind = self.site().kind(&path);
            match kind {
                Some(Kind::File) => {
                    let bytes = fs::read(self.at(&path)).unwrap();
                    self.file_becomes(&place, &bytes);
                    fs::copy(self.at(&path), self.at(&place)).unwrap();
                }
                Some(Kind::Directory) => {
                    self.site().becomes(&place, Kind::Directory, None);
                    fs::create_dir(self.at(&place)).unwrap();
                }
                Some(Kind::Symlink) => {
                    self.site().becomes(&place, Kind::Symlink, None);
                    let target = fs::read_link(self.at(&path)).unwrap();
                    symlink(target, self.at(&place)).unwrap();
                }
                None => {}
            }
        }
        Some(())
    }

    fn delete(&mut self) -> Option<()> {
        if self.site().live() < self.wanted * 9 / 10 {
            return None;
        }
        let path = self.some_file()?;
        self.site().goes(&path);
        fs::remove_file(self.at(&path)).unwrap();
        Some(())
    }

    fn delete_directory(&mut self) -> Option<()> {
        let path = self.small_directory(MAX_REMOVED)?;
        self.site().goes(&path);
        fs::remove_dir_all(self.at(&path)).unwrap();
        Some(())
    }

    // ------------------------------------------------------------------ metadata

    fn chmod(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let mode = [0o644, 0o600, 0o755, 0o444, 0o640, 0o664][self.random.below(6)];
        fs::set_permissions(self.at(&path), Permissions::from_mode(mode)).unwrap();
        Some(())
    }

    fn chmod_directory(&mut self) -> Option<()> {
        let path = self.some_directory()?;
        let mode = [0o755, 0o750, 0o700, 0o775, 0o2755][self.random.below(5)];
        fs::set_permissions(self.at(&path), Permissions::from_mode(mode)).unwrap();
        Some(())
    }

    fn touch(&mut self) -> Option<()> {
        let path = self.some_file()?;
        let since = Duration::from_nanos(self.random.next() % 8_000_000_000_000_000_000);
        let mtime = match self.random.below(10) {
            0 => UNIX_EPOCH - since / 10,
            _ => UNIX_EPOCH + since,
        };
        let times = FileTimes::new().set_modified(mtime);
        // As touch(1) does: without write access.
        File::open(self.at(&path)).unwrap().set_times(times).unwrap();
        Some(())
    }

    // ------------------------------------------------------------------ kinds

    /// Where a symlink may lead: nowhere, out, or to what is a file now.
    fn target(&mut self) -> Option<PathBuf> {
        self.serial += 1;
        Some(match self.random.below(4) {
            0 => PathBuf::from(format!("missing-{}", self.serial)),
            1 => PathBuf::from(format!("/nowhere/{}", self.serial)),
            2 => PathBuf::from(format!("../../{}/..", self.serial)),
            _ => self.some_file()?.file_name()?.into(),
        })
    }

    fn symlink(&mut self) -> Option<()> {
        let path = self.new_name()?;
        let target = self.target()?;
        self.site().becomes(&path, Kind::Symlink, None);
        symlink(target, self.at(&path)).unwrap();
        if self.random.percent(50) {
            // Led elsewhere, as releases are switched.
            let (target, new) = (self.target()?, self.at(&path.with_extension("new")));
            symlink(target, &new).unwrap();
            fs::rename(new, self.at(&path)).unwrap();
        }
        Some(())
    }

    fn change_type(&mut self) -> Option<()> {
        let path = self.some_file()?;
        match self.random.below(4) {
            // To a symlink, at once.
            0 => {
                let (target, new) = (self.target()?, self.new_name()?);
                let new = self.at(&new);
                self.site().becomes(&path, Kind::Symlink, None);
                symlink(target, &new).unwrap();
                fs::rename(new, self.at(&path)).unwrap();
            }
            // There and back, at once.
            1 => {
                let (target, new) = (self.target()?, self.new_name()?);
                let new = self.at(&new);
                let bytes = self.draw();
                self.site().becomes(&path, Kind::Symlink, None);
                symlink(target, &new).unwrap();
                fs::rename(new, self.at(&path)).unwrap();
                self.file_becomes(&path, &bytes);
                self.save(&path, &bytes);
            }
            // To a directory.
            2 => {
                let bytes = self.draw();
                let inside = path.join("index.html");
                self.site().goes(&path);
                fs::remove_file(self.at(&path)).unwrap();
                self.site().becomes(&path, Kind::Directory, None);
                fs::create_dir(self.at(&path)).unwrap();
                self.file_becomes(&inside, &bytes);
                fs::write(self.at(&inside), &bytes).unwrap();
            }
            // A directory to a file.
            _ => {
                let path = self.small_directory(MAX_REMOVED)?;
                let bytes = self.draw();
                self.site().goes(&path);
                fs::remove_dir_all(self.at(&path)).unwrap();
                self.file_becomes(&path, &bytes);
                fs::write(self.at(&path), &bytes).unwrap();
            }
        }
        Some(())
    }

    fn exchange_types(&mut self) -> Option<()> {
        let (file, directory) = (self.some_file()?, self.small_directory(MAX_REMOVED)?);
        if file.starts_with(&directory) {
            return None;
        }
        self.exchange(&file, &directory);
        Some(())
    }
}
