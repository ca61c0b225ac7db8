//! The ledger: what users wrote, what was published, what shows on each host, and since when.
//!
//! It is written by what anybody can see (visible changes of docroots, notes, views) and by the
//! users of the simulated machines, never by looking into a node. Checkers that must look at every
//! visible change live here, since a change shows in the middle of a job: no half file, no missing
//! name, no lost edit, hands off the origin's docroot.
//!
//! Versions of a path on the origin are numbered; what is published of a path goes through them in
//! one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use mirrormesh_merkle::{Hash, content_hash};

use crate::disk::{Actor, SimDisk, VisibleChange};
use crate::network::HostId;
use crate::shape::{Listing, Shape, is_reserved, listing_of, show};

/// A published tree.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) root: Hash,
    pub(crate) tree: Rc<Listing>,
}

/// What one path was in published trees: from this head on (by number), until the next era.
#[derive(Debug, Clone)]
pub(crate) struct Era {
    pub(crate) from: usize,
    pub(crate) shape: Option<Shape>,
}

/// An edit of a replica's user that mirrormesh took away and must have kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) host: HostId,
    pub(crate) path: Vec<u8>,
    pub(crate) content: Hash,
}

/// What shows on one host.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) names: Listing,
    /// Counts changes.
    pub(crate) changes: u64,
    /// Paths that local users changed and mirrormesh did not bring in line since.
    pub(crate) touched: BTreeSet<Vec<u8>>,
    /// Contents that local users wrote, by path.
    pub(crate) local: BTreeMap<Vec<u8>, BTreeSet<Hash>>,
    /// Names that mirrormesh made since the host was last in line: those may go again.
    pub(crate) fresh: BTreeSet<Vec<u8>>,
    /// Whether local users have moved directories.
    pub(crate) user_moves: bool,
    /// Number of the newest head that the host said it had in line.
    pub(crate) applied: Option<usize>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) hosts: Vec<Shown>,
    /// The host that publishes.
    pub(crate) origin: HostId,
    /// Everything each path of the origin's docroot was, oldest first; before the first: nothing.
    pub(crate) history: BTreeMap<Vec<u8>, Vec<Option<Shape>>>,
    pub(crate) heads: Vec<Published>,
    pub(crate) eras: BTreeMap<Vec<u8>, Vec<Era>>,
    /// Which version of each path was published last.
    published: BTreeMap<Vec<u8>, usize>,
    pub(crate) owed: Vec<Owed>,
    /// Whether the origin may bring its docroot in line with what it published (it lost power).
    pub(crate) origin_repairs: bool,
    /// The origin's docroot is not there: what shows in its place is nobody's version.
    pub(crate) is_away: bool,
    /// What a power cut made of published files of the origin, by path.
    pub(crate) damaged: BTreeMap<Vec<u8>, Shape>,
    /// The origin lost power, and has not started since.
    pub(crate) is_cut: bool,
    /// Paths of the origin that this changed.
    crashed: BTreeSet<Vec<u8>>,
    /// What went wrong.
    pub(crate) violations: Vec<(&'static str, String)>,
    pub(crate) checked_changes: u64,
    /// Whether files may have several names.
    pub(crate) has_links: bool,
    /// Visible changes in words, if somebody wants to hear of them.
    pub(crate) told: Option<Vec<String>>,
}

impl Ledger {
    pub(crate) fn new(hosts: usize, has_links: bool) -> Ledger {
        let hosts = (0..hosts).map(|_| Shown::default()).collect();
        Ledger { hosts, has_links, ..Ledger::default() }
    }

    pub(crate) fn violation(&mut self, checker: &'static str, text: String) {
        if self.violations.len() < 16 {
            self.violations.push((checker, text));
        }
    }

    /// A disk shows something that the ledger did not watch: a start, or what a crash left.
    pub(crate) fn reopened(&mut self, host: HostId, disk: &SimDisk) {
        if host != self.origin || !self.is_away {
            self.replace(host, listing_of(disk), None);
        }
    }

    /// The origin starts, and knows heads up to number `durable`. If it lost power: which published
    /// files did that change?
    pub(crate) fn started(&mut self, durable: u64) {
        // Without any, it knows of nothing published: what it cannot read now, is in no tree.
        let head = self.heads.iter().rev().find(|head| head.seq <= durable);
        let tree = head.map(|head| Rc::clone(&head.tree)).unwrap_or_default();
        let newest = self.heads.last().map(|head| Rc::clone(&head.tree)).unwrap_or_default();
        // What nobody serves, or cannot be read yet, stays as the origin knows it to be published.
        for (path, last) in &mut self.published {
            let versions = self.history.get(path).map(Vec::as_slice).unwrap_or_default();
            let known = versions.iter().rposition(|it| it.as_ref() == tree.get(path));
            if newest.get(path) != tree.get(path) {
                *last = known.map_or(*last, |known| known.min(*last));
            }
        }
        for (path, shown) in &self.hosts[self.origin].names {
            let versions = self.history.get(path).map(Vec::as_slice).unwrap_or_default();
            let before = versions.len().checked_sub(2).and_then(|at| versions[at].as_ref());
            let (Some(before), Some(published)) = (before, tree.get(path)) else { continue };
            let is_published = before == published && newest.get(path) == Some(published);
            let differs = shown.content().is_some()
                && published.content().is_some()
                && shown.content() != published.content();
            if is_published && differs && self.crashed.contains(path) {
                self.damaged.insert(path.clone(), shown.clone());
            }
        }
        self.crashed.clear();
        self.is_cut = false;
    }

    /// Changes showed on a host, all at once.
    pub(crate) fn changed(&mut self, host: HostId, changes: &[VisibleChange], disk: &SimDisk) {
        if host == self.origin && self.is_away {
            return;
        }
        let changes: Vec<&VisibleChange> =
            changes.iter().filter(|change| !is_reserved(&change.path)).collect();
        let Some(first) = changes.first() else { return };
        let is_directory = |seen: &Option<crate::disk::Seen>| {
            seen.as_ref().is_some_and(|seen| seen.kind == mirrormesh::store::FileKind::Directory)
        };
        let moves = changes.len() > 1 && changes.iter().any(|it| is_directory(&it.before));
        if moves && first.actor == Actor::User && host != self.origin {
            let shown = &mut self.hosts[host];
            shown.user_moves = true;
            // A directory that another one took the place of looks as it did.
            let new = changes.iter().filter(|change| is_directory(&change.after));
            shown.touched.extend(new.map(|change| change.path.clone()));
        }
        // A file that changes under one name changes under its other names too.
        if self.has_links
            || changes.iter().any(|it| is_directory(&it.before) || is_directory(&it.after))
        {
            return self.replace(host, listing_of(disk), Some(first.actor));
        }
        for change in changes {
            let after = change.after.as_ref().map(Shape::of_seen);
            self.set(host, change.path.clone(), after, Some(change.actor));
        }
    }

    /// Everything on a host is looked at again.
    fn replace(&mut self, host: HostId, new: Listing, actor: Option<Actor>) {
        let old = std::mem::take(&mut self.hosts[host].names);
        self.hosts[host].names = old.clone();
        for path in old.keys().filter(|path| !new.contains_key(*path)) {
            self.set(host, path.clone(), None, actor);
        }
        for (path, shape) in &new {
            if old.get(path) != Some(shape) {
                self.set(host, path.clone(), Some(shape.clone()), actor);
            }
        }
    }

    /// One path shows something else. Without an actor it was a crash.
    fn set(&mut self, host: HostId, path: Vec<u8>, after: Option<Shape>, actor: Option<Actor>) {
        let shown = &mut self.hosts[host];
        shown.changes += 1;
        let before = match &after {
            Some(shape) => shown.names.insert(path.clone(), shape.clone()),
            None => shown.names.remove(&path),
        };
        if before == after {
            return;
        }
        self.checked_changes += 1;
        if let Some(told) = &mut self.told {
            let who = actor.map_or("crash".into(), |actor| format!("{actor:?}"));
            told.push(format!("{host} shows {}: {before:?} -> {after:?} ({who})", show(&path)));
        }
        if host == self.origin {
            let is_back = || {
                let was = |shape: &Shape| self.was_published(&path, shape, 0);
                self.origin_repairs && after.as_ref().is_none_or(was)
            };
            if actor == Some(Actor::Mirrormesh) && !is_back() {
                let text = format!("{}: {before:?} became {after:?}", show(&path));
                self.violation("hands off the origin", text);
            }
            if actor.is_none() && self.is_cut {
                self.crashed.insert(path.clone());
            } else {
                self.crashed.remove(&path);
                self.damaged.remove(&path);
            }
            return self.history.entry(path).or_insert_with(|| vec![None]).push(after);
        }
        match actor {
            Some(Actor::Mirrormesh) => self.brought(host, path, before, after),
            Some(Actor::User) => {
                let shown = &mut self.hosts[host];
                if let Some(content) = after.as_ref().and_then(Shape::content) {
                    shown.local.entry(path.clone()).or_default().insert(content);
                }
                shown.touched.insert(path);
            }
            None => {
                // What users wrote and nobody flushed may be torn; it is theirs all the same. Below
                // the stat of a published version, nobody can tell.
                let known = after.as_ref().is_none_or(|shape| {
                    self.was_published(&path, shape, 0)
                        || self.eras_of(&path).any(|published| published.has_stat_of(shape))
                });
                if !known {
                    let shown = &mut self.hosts[host];
                    let content = after.as_ref().and_then(Shape::content);
                    shown.local.entry(path.clone()).or_default().extend(content);
                    shown.touched.insert(path);
                }
            }
        }
    }

    /// mirrormesh changed a name on a replica.
    fn brought(
        &mut self,
        host: HostId,
        path: Vec<u8>,
        before: Option<Shape>,
        after: Option<Shape>,
    ) {
        let in_line = self.hosts[host].applied;
        let applied = in_line.unwrap_or(0);
        match &after {
            Some(shape) => {
                if before.is_none() {
                    self.hosts[host].fresh.insert(path.clone());
                }
                let is_same = before.as_ref().is_some_and(|before| before.holds_the_same(shape));
                let is_local =
                    shape.content().is_some_and(|content| self.is_local(host, &path, &content));
                // What was put into a directory that a user moves meanwhile, lands where that is.
                let moves = self.hosts[host].user_moves;
                let is_carried = || moves && self.is_anywhere(shape);
                let is_known = is_same
                    || is_local
                    || self.was_published(&path, shape, applied)
                    || is_carried();
                if !is_known {
                    let text = format!(
                        "host {host}: {} shows {shape:?}, which no head since {applied} has",
                        show(&path)
                    );
                    self.violation("no mixed file", text);
                }
            }
            None => {
                // Before that, directories of a parcel that failed may go again.
                let is_fresh = self.hosts[host].fresh.remove(&path);
                let is_old = in_line.is_some() && !is_fresh;
                if is_old && self.always_there(&path, applied) && !self.is_touched(host, &path) {
                    let text =
                        format!("host {host}: {} is missing, though in all heads", show(&path));
                    self.violation("never missing", text);
                }
            }
        }
        // What is being removed from a directory goes from where a user moves that meanwhile.
        let was_carried = before
            .as_ref()
            .is_some_and(|shape| self.is_below_touched(host, &path) && self.is_anywhere(shape));
        if let Some(content) = before.as_ref().and_then(Shape::content)
            && !was_carried
            && self.is_local(host, &path, &content)
            && !self.eras_of(&path).any(|shape| shape.content() == Some(content))
            && after.as_ref().and_then(Shape::content) != Some(content)
            // There is nothing in it, and another like it anywhere.
            && content != content_hash(&[])
        {
            self.owed.push(Owed { host, path: path.clone(), content });
        }
        let is_brought = match &after {
            Some(shape) => self.was_published(&path, shape, applied),
            None => true,
        };
        if is_brought {
            self.hosts[host].touched.remove(&path);
        }
    }

    fn is_local(&self, host: HostId, path: &[u8], content: &Hash) -> bool {
        self.hosts[host].local.get(path).is_some_and(|contents| contents.contains(content))
    }

    fn eras_of(&self, path: &[u8]) -> impl Iterator<Item = &Shape> {
        self.eras.get(path).into_iter().flatten().filter_map(|era| era.shape.as_ref())
    }

    /// Whether some head from number `since` on has this there, metadata apart.
    fn was_published(&self, path: &[u8], shape: &Shape, since: usize) -> bool {
        let Some(eras) = self.eras.get(path) else { return false };
        eras.iter().enumerate().any(|(index, era)| {
            let is_over = eras.get(index + 1).is_some_and(|next| next.from <= since);
            !is_over
                && era
                    .shape
                    .as_ref()
                    .is_some_and(|it| it.holds_the_same(shape) || matches!(it, Shape::Unserved))
        })
    }

    /// Whether some head has this under any name.
    fn is_anywhere(&self, shape: &Shape) -> bool {
        let mut eras = self.eras.values().flatten().filter_map(|era| era.shape.as_ref());
        eras.any(|other| other.holds_the_same(shape))
    }

    /// Whether a name is in every head from number `since` on, as the same kind of thing.
    fn always_there(&self, path: &[u8], since: usize) -> bool {
        let Some(eras) = self.eras.get(path) else { return false };
        let mut is_directory = None;
        eras.iter().enumerate().all(|(index, era)| {
            let is_over = eras.get(index + 1).is_some_and(|next| next.from <= since);
            let kind = era.shape.as_ref().map(Shape::is_directory);
            let is_same = is_over || is_directory.is_none_or(|known| Some(known) == kind);
            if !is_over {
                is_directory = kind;
            }
            is_over
                || is_same && era.shape.as_ref().is_some_and(|it| !matches!(it, Shape::Unserved))
        }) && eras.first().is_some_and(|era| era.from <= since || era.shape.is_some())
            && eras.first().is_some_and(|era| era.from <= since)
    }

    /// Whether local users changed a path or something above it.
    pub(crate) fn is_touched(&self, host: HostId, path: &[u8]) -> bool {
        self.hosts[host].touched.contains(path) || self.is_below_touched(host, path)
    }

    /// Whether local users changed something below a path.
    pub(crate) fn is_above_touched(&self, host: HostId, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let mut after = self.hosts[host].touched.range(below.clone()..);
        after.next().is_some_and(|touched| touched.starts_with(&below))
    }

    fn is_below_touched(&self, host: HostId, path: &[u8]) -> bool {
        let touched = &self.hosts[host].touched;
        let mut ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        !touched.is_empty() && ends.any(|(end, _)| touched.contains(&path[..end]))
    }

    /// Whether a directory stays for what it holds and is not mirrored.
    pub(crate) fn stays(&self, host: HostId, path: &[u8]) -> bool {
        let names = &self.hosts[host].names;
        names.get(path).is_some_and(|shape| crate::shape::stays(names, path, shape))
    }

    /// Number of the newest version of each path that the origin's docroot ever had.
    pub(crate) fn versions(&self) -> BTreeMap<Vec<u8>, usize> {
        self.history.iter().map(|(path, versions)| (path.clone(), versions.len() - 1)).collect()
    }

    /// Takes a published tree; checks that it says nothing that never was.
    pub(crate) fn publish(&mut self, head: Published) {
        let last = self.heads.last().map_or((0, 0), |last| (last.epoch, last.seq));
        if (head.epoch, head.seq) <= last {
            let text = format!("epoch {} seq {} after {last:?}", head.epoch, head.seq);
            self.violation("one head a number", text);
        }
        let number = self.heads.len();
        let empty = Rc::default();
        let before = self.heads.last().map_or(&empty, |head| &head.tree).clone();
        for path in before.keys().filter(|path| !head.tree.contains_key(*path)) {
            self.published_as(path, None, number);
        }
        for (path, shape) in head.tree.iter() {
            if before.get(path) != Some(shape) {
                self.published_as(path, Some(shape), number);
            }
        }
        self.heads.push(head);
    }

    fn published_as(&mut self, path: &[u8], shape: Option<&Shape>, number: usize) {
        let era = Era { from: number, shape: shape.cloned() };
        self.eras.entry(path.to_vec()).or_default().push(era);
        if matches!(shape, Some(Shape::Unserved)) {
            return;
        }
        if shape.is_some() && self.damaged.get(path) == shape {
            let text = format!("{} as a power cut left it: {shape:?}", show(path));
            self.violation("damage stays", text);
        }
        let last = self.published.get(path).copied().unwrap_or(0);
        let versions = self.history.get(path);
        let found = versions.and_then(|versions| {
            versions.iter().rposition(|version| {
                let skipped = matches!(version, Some(Shape::Other));
                version.as_ref() == shape || (skipped && shape.is_none())
            })
        });
        match found {
            Some(index) if index >= last => {
                self.published.insert(path.to_vec(), index);
            }
            _ if shape.is_some_and(|shape| self.was_carried_by(path, shape)) => {}
            _ => {
                let text = format!(
                    "{} as {shape:?}, which it never was since version {last}: {versions:?}",
                    show(path)
                );
                self.violation("published what was", text);
            }
        }
    }

    /// Whether a file was in a directory that has another name by now: it was seen there by who
    /// still looked into it under the old one.
    fn was_carried_by(&self, path: &[u8], shape: &Shape) -> bool {
        let Some(at) = path.iter().rposition(|byte| *byte == b'/') else { return false };
        let (above, name) = path.split_at(at);
        let went = |versions: &Vec<Option<Shape>>| {
            let was = versions.iter().flatten().any(Shape::is_directory);
            was && !versions.last().is_some_and(|now| now.as_ref().is_some_and(Shape::is_directory))
        };
        self.history.get(above).is_some_and(went)
            && self.history.iter().any(|(other, versions)| {
                other.ends_with(name) && versions.iter().flatten().any(|version| version == shape)
            })
    }

    /// The number of the head with a root, the newest first.
    pub(crate) fn head_of(&self, root: &str) -> Option<usize> {
        self.heads.iter().rposition(|head| head.root.to_string() == root)
    }
}
