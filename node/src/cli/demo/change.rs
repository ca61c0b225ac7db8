//! What the demo does on the origin, and how its arrival is seen on a replica.

use std::fs;
use std::path::{Path, PathBuf};

use mirrormesh_gossip::Entropy;

use super::super::failure::Failure;
use super::site;

/// Files of a new directory.
const ALBUM: u64 = 8;
/// Files above this size are not overwritten.
const OVERWRITE_BYTES: u64 = 512 * 1024;

/// One thing that was done.
pub(super) struct Change {
    /// What.
    pub(super) verb: &'static str,
    /// To what.
    pub(super) what: String,
    /// Bytes written.
    pub(super) bytes: u64,
    expected: Vec<Expected>,
}

enum Expected {
    Content(PathBuf, Vec<u8>),
    Absent(PathBuf),
}

impl Change {
    /// Whether a docroot shows it.
    pub(super) fn has_arrived(&self, docroot: &Path) -> bool {
        self.expected.iter().all(|expected| match expected {
            Expected::Content(path, content) => holds(&docroot.join(path), content),
            Expected::Absent(path) => docroot.join(path).symlink_metadata().is_err(),
        })
    }
}

fn holds(path: &Path, content: &[u8]) -> bool {
    let size = path.symlink_metadata().map(|metadata| metadata.len());
    size.is_ok_and(|size| size == content.len() as u64)
        && fs::read(path).is_ok_and(|read| read == content)
}

/// Makes one change after the other in the origin's docroot.
pub(super) struct Editor {
    docroot: PathBuf,
    entropy: Entropy,
    /// Files that may be overwritten, relative to the docroot.
    files: Vec<PathBuf>,
    number: u64,
}

impl Editor {
    pub(super) fn new(docroot: PathBuf, entropy: Entropy) -> Result<Editor, Failure> {
        let files = site::files(&docroot, OVERWRITE_BYTES)?;
        Ok(Editor { docroot, entropy, files, number: 0 })
    }

    /// Makes the next change.
    pub(super) fn next(&mut self) -> Result<Change, Failure> {
        self.number += 1;
        let round = self.number.div_ceil(7);
        let page = PathBuf::from(format!("news/{round}.html"));
        let final_page = PathBuf::from(format!("news/{round}-lead.html"));
        let image = PathBuf::from(format!("media/photo-{round}.jpg"));
        let album = PathBuf::from(format!("album-{round}"));
        let archive = PathBuf::from(format!("archive/album-{round}"));
        match self.number % 7 {
            1 => self.write("new page", page),
            2 => self.overwrite(),
            3 => self.write("new image", image),
            4 => self.rename(&page, final_page),
            5 => self.directory(&album),
            6 => self.rename(&album, archive),
            _ => self.remove(image),
        }
        .map_err(|error| Failure::failed(format!("a change on the origin: {error}")))
    }

    fn write(&mut self, verb: &'static str, path: PathBuf) -> std::io::Result<Change> {
        let content = match path.extension() {
            Some(extension) if extension == "jpg" => site::image(&mut self.entropy, 200_000),
            _ => site::page(&mut self.entropy, "News"),
        };
        self.put(&path, &content)?;
        Ok(Change {
            verb,
            what: path.display().to_string(),
            bytes: content.len() as u64,
            expected: vec![Expected::Content(path, content)],
        })
    }

    fn overwrite(&mut self) -> std::io::Result<Change> {
        let Some(path) = self.any_file() else {
            return self.write("new page", PathBuf::from(format!("news/{}.html", self.number)));
        };
        let mut content = fs::read(self.docroot.join(&path))?;
        content.extend_from_slice(format!("\n<!-- edit {} -->\n", self.number).as_bytes());
        self.put(&path, &content)?;
        Ok(Change {
            verb: "overwrite",
            what: path.display().to_string(),
            bytes: content.len() as u64,
            expected: vec![Expected::Content(path, content)],
        })
    }

    fn rename(&mut self, old: &Path, new: PathBuf) -> std::io::Result<Change> {
        let target = self.docroot.join(&new);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(self.docroot.join(old), &target)?;
        let is_directory = target.is_dir();
        let mut expected = vec![Expected::Absent(old.to_owned())];
        let moved = if is_directory { album_files(&new) } else { vec![new.clone()] };
        for path in moved {
            let content = fs::read(self.docroot.join(&path))?;
            expected.push(Expected::Content(path, content));
        }
        // Where the directory stays the same, the name alone says it.
        let shown = match new.file_name() {
            Some(name) if new.parent() == old.parent() => Path::new(name),
            _ => &new,
        };
        Ok(Change {
            verb: if is_directory { "move dir" } else { "rename" },
            what: format!("{} -> {}", old.display(), shown.display()),
            bytes: 0,
            expected,
        })
    }

    fn directory(&mut self, path: &Path) -> std::io::Result<Change> {
        let (mut bytes, mut expected) = (0, Vec::new());
        for file in album_files(path) {
            let content = site::image(&mut self.entropy, 20_000);
            self.put(&file, &content)?;
            bytes += content.len() as u64;
            expected.push(Expected::Content(file, content));
        }
        let what = format!("{}/, {ALBUM} files", path.display());
        Ok(Change { verb: "new dir", what, bytes, expected })
    }

    fn remove(&mut self, path: PathBuf) -> std::io::Result<Change> {
        fs::remove_file(self.docroot.join(&path))?;
        let what = path.display().to_string();
        Ok(Change { verb: "delete", what, bytes: 0, expected: vec![Expected::Absent(path)] })
    }

    fn put(&self, path: &Path, content: &[u8]) -> std::io::Result<()> {
        let path = self.docroot.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)
    }

    fn any_file(&mut self) -> Option<PathBuf> {
        let index = self.entropy.below(self.files.len() as u64);
        self.files.get(usize::try_from(index).ok()?).cloned()
    }
}

fn album_files(directory: &Path) -> Vec<PathBuf> {
    (1..=ALBUM).map(|number| directory.join(format!("{number:02}.jpg"))).collect()
}
