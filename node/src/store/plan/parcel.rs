//! Collects items into one parcel, within its limits.

use std::collections::BTreeSet;
use std::sync::Arc;

use mirrormesh_merkle::{File, Hash, Kind, Path, Record};

use super::super::disk::Disk;
use super::super::job::{Item, JobError, Parcel, Want};
use super::super::pending::Pending;
use super::super::{request, rows, sources};
use super::{PlanLimits, as_file};

/// What became of an item that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is in the parcel.
    Taken,
    /// It is in transfer already.
    LeftOut,
    /// It is in the parcel, and nothing else may be.
    Alone,
    /// There is no room for it; nothing has changed.
    Full,
}

pub(super) struct Builder<'p, 'd, D: Disk> {
    pending: &'p Pending<'d, D>,
    limits: &'p PlanLimits,
    in_transfer: &'p [Path],
    items: Vec<Item>,
    wants: Vec<Want>,
    wanted: BTreeSet<Hash>,
    large: Option<Want>,
    bytes: u64,
    path_bytes: usize,
    placed: usize,
}

/// How an item's content comes here.
enum Need {
    /// None is needed, or the docroot has it.
    Nothing,
    /// A file of its own is staged from what is here.
    Place,
    /// It is fetched among others.
    Fetch,
    /// It is fetched alone.
    Large,
}

impl<'p, 'd, D: Disk> Builder<'p, 'd, D> {
    pub(super) fn new(
        pending: &'p Pending<'d, D>,
        limits: &'p PlanLimits,
        in_transfer: &'p [Path],
    ) -> Builder<'p, 'd, D> {
        Builder {
            pending,
            limits,
            in_transfer,
            items: Vec::new(),
            wants: Vec::new(),
            wanted: BTreeSet::new(),
            large: None,
            bytes: 0,
            path_bytes: 0,
            placed: 0,
        }
    }

    /// Takes an item if there is room.
    pub(super) fn offer(&mut self, item: Item) -> Result<Offer, JobError> {
        let need = self.need(&item)?;
        let file = as_file(item.new.as_ref());
        let want =
            |file: &File| Want { content: file.content, size: file.size, path: item.path.clone() };
        if let (Need::Large, Some(file)) = (&need, file) {
            if self.in_transfer.contains(&item.path) {
                return Ok(Offer::LeftOut);
            }
            if !self.items.is_empty() {
                return Ok(Offer::Full);
            }
            self.large = Some(want(file));
            self.items.push(item);
            return Ok(Offer::Alone);
        }
        let fetched = match (&need, file) {
            (Need::Fetch, Some(file)) => Some(want(file)),
            _ => None,
        };
        let bytes = fetched.as_ref().map_or(0, |want| want.size);
        let is_first = self.items.is_empty();
        let path_bytes = self.path_bytes + item.path.as_bytes().len();
        let is_placed = !matches!(need, Need::Nothing);
        if !is_first
            && (self.items.len() >= self.limits.items
                || is_placed && self.placed >= self.limits.placed
                || self.bytes.saturating_add(bytes) > self.limits.bytes && bytes > 0
                || path_bytes > self.limits.path_bytes)
        {
            return Ok(Offer::Full);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.path_bytes = path_bytes;
        self.placed += usize::from(is_placed);
        if let Some(want) = fetched {
            self.wanted.insert(want.content);
            self.wants.push(want);
        }
        self.items.push(item);
        Ok(Offer::Taken)
    }

    /// Takes an item that needs nothing, whether there is room or not.
    pub(super) fn offer_beyond(&mut self, item: Item) -> Result<(), JobError> {
        self.path_bytes += item.path.as_bytes().len();
        self.items.push(item);
        Ok(())
    }

    /// Whether something is in the parcel and `more` items would not fit.
    pub(super) fn is_full_with(&self, more: usize) -> bool {
        let fits = self.items.len() + more <= self.limits.items;
        !self.items.is_empty() && (!fits || self.path_bytes > self.limits.path_bytes)
    }

    /// Whether so many items fit, as far as their number goes. The first ones always do.
    pub(super) fn has_room_for(&self, count: usize) -> bool {
        self.items.is_empty() || self.items.len() + count <= self.limits.items
    }

    /// The parcel, if anything is in it.
    pub(super) fn finish(self) -> Option<Arc<Parcel>> {
        let request = request::encode(&self.wants);
        let Builder { items, wants, large, .. } = self;
        (!items.is_empty()).then(|| Arc::new(Parcel { items, wants, large, request }))
    }

    fn need(&self, item: &Item) -> Result<Need, JobError> {
        let Some(file) = as_file(item.new.as_ref()) else {
            let is_link = item.new.as_ref().map(Record::kind) == Some(Kind::Symlink);
            return Ok(if is_link { Need::Place } else { Need::Nothing });
        };
        let row = rows::read(self.pending, &item.path)?;
        let readable = row.as_ref().filter(|row| sources::is_readable(row.seen.mode));
        let here = as_file(readable.map(|row| &row.record));
        if here.is_some_and(|here| here.content == file.content && here.size == file.size) {
            return Ok(Need::Nothing);
        }
        let is_here = file.size == 0
            || self.wanted.contains(&file.content)
            || !sources::of(self.pending, file)?.is_empty();
        Ok(match (is_here, file.size > self.limits.large_bytes) {
            (true, _) => Need::Place,
            // Nobody is asked for a large file that may be nowhere: its name is left out.
            (false, true) if file.unserved => Need::Nothing,
            (false, true) => Need::Large,
            (false, false) => Need::Fetch,
        })
    }
}

/// Whether a path names a page: something that refers to other files.
pub fn is_page(path: &Path) -> bool {
    const PAGES: [&[u8]; 16] = [
        b"html", b"htm", b"xhtml", b"shtml", b"shtm", b"php", b"phtml", b"asp", b"aspx", b"jsp",
        b"jspx", b"cgi", b"pl", b"py", b"rb", b"cfm",
    ];
    let bytes = path.as_bytes();
    let Some(dot) = bytes.iter().rposition(|byte| *byte == b'.') else { return false };
    PAGES.iter().any(|page| page.eq_ignore_ascii_case(&bytes[dot + 1..]))
}
