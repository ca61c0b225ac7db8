//! The docroot to begin with: a copy of real files, or made ones.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::content;
use super::ledger::{Kind, Ledger, Site};
use super::random::Random;

/// Directories at the top of the docroot, each with a writer of its own.
const SITES: usize = 3;

/// Where the files come from.
pub(super) enum Source {
    /// Copied from here until there are enough.
    Directories(Vec<PathBuf>),
    /// Made.
    Made,
}

/// Fills a docroot.
pub(super) fn fill(docroot: &Path, source: &Source, files: usize) -> Ledger {
    let mut filling = Filling { docroot, wanted: files, have: 0, sites: Vec::new() };
    filling.sites.resize_with(SITES, Site::default);
    for site in 0..SITES {
        let path = PathBuf::from(format!("site-{site}"));
        fs::create_dir(docroot.join(&path)).unwrap();
        filling.sites[site].found(&path, Kind::Directory, None);
    }
    match source {
        Source::Directories(directories) => {
            for directory in directories {
                filling.copy(directory, Path::new(""));
            }
        }
        Source::Made => filling.make(),
    }
    assert!(filling.have >= files, "{} files are there, {files} were wanted", filling.have);
    Ledger::new(filling.sites)
}

struct Filling<'a> {
    docroot: &'a Path,
    wanted: usize,
    have: usize,
    sites: Vec<Site>,
}

impl Filling<'_> {
    /// The site whose turn it is: the first ones are filled first.
    fn site(&self) -> usize {
        (self.have * SITES / self.wanted).min(SITES - 1)
    }

    /// Makes the directories of a path in a site.
    fn directories(&mut self, site: usize, below: &Path) -> PathBuf {
        let mut path = PathBuf::from(format!("site-{site}"));
        for name in below {
            path.push(name);
            if self.sites[site].kind(&path).is_none() {
                fs::create_dir(self.docroot.join(&path)).unwrap();
                self.sites[site].found(&path, Kind::Directory, None);
            }
        }
        path
    }

    fn copy(&mut self, from: &Path, below: &Path) {
        let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(Result::unwrap).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.have >= self.wanted {
                return;
            }
            let kind = entry.file_type().unwrap();
            let (from, below) = (entry.path(), below.join(entry.file_name()));
            if kind.is_dir() {
                self.copy(&from, &below);
                continue;
            }
            let site = self.site();
            let parent = self.directories(site, below.parent().expect("it has a name"));
            let path = parent.join(entry.file_name());
            let to = self.docroot.join(&path);
            if fs::symlink_metadata(&to).is_ok() {
                continue;
            }
            if kind.is_symlink() {
                symlink(fs::read_link(&from).unwrap(), &to).unwrap();
                self.sites[site].found(&path, Kind::Symlink, None);
            } else if kind.is_file() {
                let bytes = fs::read(&from).unwrap();
                let metadata = entry.metadata().unwrap();
                fs::write(&to, &bytes).unwrap();
                let file = File::options().write(true).open(&to).unwrap();
                file.set_permissions(metadata.permissions()).unwrap();
                let times = FileTimes::new().set_modified(metadata.modified().unwrap());
                file.set_times(times).unwrap();
                self.sites[site].found(&path, Kind::File, Some(content::hash(&bytes)));
                self.have += 1;
            }
        }
    }

    fn make(&mut self) {
        let mut random = Random::new(0);
        while self.have < self.wanted {
            let site = self.site();
            let number = self.have;
            let below = PathBuf::from(format!("part-{}/section-{}", number % 3, number % 7));
            let path = self.directories(site, &below).join(format!("page-{number}.html"));
            let bytes = content::draw(&mut random);
            fs::write(self.docroot.join(&path), &bytes).unwrap();
            self.sites[site].found(&path, Kind::File, Some(content::hash(&bytes)));
            self.have += 1;
        }
    }
}
