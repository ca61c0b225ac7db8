use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use mirrormesh::core::{Hint, HintKind};
use mirrormesh::store::{
    Batch, Disk, DiskErrorKind, FileKind, Metadata, Place, Rename, Table, Watched, Writing,
};
use mirrormesh_merkle::{Name, Path, Time, content_hash};

use super::*;

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn disk() -> SimDisk {
    SimDisk::new(Options::default())
}

fn docroot(disk: &SimDisk) -> SimDirectory {
    disk.open_place(Place::Docroot).expect("docroot")
}

/// Content of a file, by path.
fn content(image: &Image, path: &str) -> Option<Vec<u8>> {
    Some(image.tree_of_docroot().get(path.as_bytes())?.content.as_ref()?.bytes())
}

fn paths(image: &Image) -> Vec<String> {
    let tree = image.tree_of_docroot();
    tree.into_keys().map(|path| String::from_utf8(path).expect("text")).collect()
}

/// Stages `bytes` without a name, flushed if `sync`, and gives it the name.
fn put(disk: &SimDisk, at: &SimDirectory, to: &str, bytes: &[u8], sync: bool) -> SimFile {
    let file = disk.create_unnamed(at).expect("create");
    disk.write(&file, 0, bytes).expect("write");
    if sync {
        disk.sync_file(&file).expect("sync");
    }
    disk.link(&file, at, &name(to)).expect("link");
    file
}

mod content_of_files;
mod crashes;
mod faults;
mod files;
mod histories;
mod ordered_store;
mod users;
