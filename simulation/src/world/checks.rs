//! The checkers that look after each event at what a node says and what its docroot shows.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use mirrormesh::core::View;
use mirrormesh::store::Table;
use mirrormesh_merkle::{Differences, Hash, NodeSource, empty_node};

use super::World;
use crate::disk::{Seen, SimDisk};
use crate::ledger::Published;
use crate::network::HostId;
use crate::outcome::Verdict;
use crate::shape::{Listing, Shape, first_difference, listing_of};

/// Most streams a host has open at a time.
const MAX_STREAMS: usize = 16 * 80;

/// Tree nodes as they lie in a machine's store.
struct StoredNodes<'a>(&'a SimDisk);

impl NodeSource for StoredNodes<'_> {
    type Error = Infallible;

    fn node(&self, hash: &Hash) -> Result<Option<Bytes>, Infallible> {
        // A generation of four bytes precedes the node.
        Ok(self.0.value(Table::Nodes, hash.as_bytes()).map(|value| value.slice(4..)))
    }
}

impl World {
    pub(crate) fn violated(&mut self, checker: &'static str, text: String) {
        self.ledger.borrow_mut().violation(checker, text);
    }

    /// Ends the world if a checker has found something.
    pub(crate) fn collect_violations(&mut self) {
        let told = self.ledger.borrow_mut().told.as_mut().map(std::mem::take);
        for line in told.into_iter().flatten() {
            self.trace.remark(|| line);
        }
        for fault in std::mem::take(&mut self.network.faults) {
            self.violated("bounds", fault);
        }
        if self.verdict.is_some() {
            return;
        }
        let found = self.ledger.borrow().violations.first().cloned();
        if let Some((checker, text)) = found {
            self.verdict = Some(Verdict::Violated { checker, text });
        }
    }

    pub(crate) fn view(&self, host: HostId) -> Option<View> {
        Some(self.hosts[host].node()?.view(self.moment(host)))
    }

    /// A node has done something: is what it says true?
    pub(crate) fn check(&mut self, host: HostId) {
        self.statistics.checks += 1;
        if self.network.open_streams(host) > MAX_STREAMS {
            self.violated("bounds", format!("host {host} has too many streams"));
        }
        let changes = self.ledger.borrow().hosts[host].changes;
        let is_news = self.hosts[host].compared.as_ref().is_none_or(|(at, _)| *at != changes);
        if !is_news && !self.statistics.checks.is_multiple_of(16) {
            return;
        }
        let Some(view) = self.view(host) else { return };
        self.check_fence(host, &view);
        if view.node.errors.len() > 256 {
            self.violated("bounds", "more than 256 errors in a view".into());
        }
        let root = view.node.root.clone().unwrap_or_default();
        if host == 0 || !view.node.in_sync {
            return;
        }
        if view.node.root != view.node.newest_root {
            let text =
                format!("host {host}: {:?} is not {:?}", view.node.root, view.node.newest_root);
            self.violated("in sync", text);
        }
        if self.hosts[host].compared.as_ref() == Some(&(changes, root.clone())) {
            return;
        }
        self.compare(host, &root);
        self.hosts[host].compared = Some((changes, root));
    }

    /// What a node has accepted never goes back while it runs, and what it had in line never.
    fn check_fence(&mut self, host: HostId, view: &View) {
        let newest = (view.node.epoch, view.node.newest_seq.unwrap_or(0));
        if newest < self.hosts[host].newest {
            let text = format!("host {host} went from {:?} to {newest:?}", self.hosts[host].newest);
            self.violated("fence", text);
        }
        self.hosts[host].newest = newest;
    }

    /// A replica says it is in sync with a root: its docroot is that tree.
    fn compare(&mut self, host: HostId, root: &str) {
        let ledger = self.ledger.borrow();
        let difference = match ledger.head_of(root) {
            None => Some(format!("nobody published {root}")),
            Some(number) => {
                first_difference(&ledger.heads[number].tree, &ledger.hosts[host].names, |path| {
                    ledger.is_touched(host, path) || ledger.is_above_touched(host, path)
                })
            }
        };
        drop(ledger);
        self.statistics.compared += 1;
        if let Some(difference) = difference {
            self.violated("in sync", format!("host {host} says so, but {difference}"));
        }
    }

    // ------------------------------------------------------------------ what notes say

    pub(crate) fn published(&mut self, host: HostId, seq: u64, root: Hash) {
        self.statistics.heads += 1;
        let Some(disk) = self.hosts[host].disk.clone() else { return };
        let epoch = self.view(host).map_or(0, |view| view.node.epoch);
        let before = self.ledger.borrow().heads.last().cloned();
        let tree = before
            .and_then(|before| follow(&disk, &before.tree, &before.root, &root))
            .or_else(|| follow(&disk, &Listing::new(), &empty_node().0, &root));
        match tree {
            Some(tree) => {
                self.statistics.published_files +=
                    tree.values().filter(|shape| shape.content().is_some()).count() as u64;
                let head = Published { epoch, seq, root, tree: Rc::new(tree) };
                self.ledger.borrow_mut().publish(head);
            }
            None => {
                let text = format!("host {host} published {root}, whose nodes it does not have");
                self.violated("published what was", text);
            }
        }
    }

    pub(crate) fn came_in_sync(&mut self, host: HostId, seq: u64, root: Hash) {
        self.statistics.in_sync += 1;
        let epoch = self.hosts[host].newest.0.max(1);
        let own = &mut self.hosts[host];
        own.in_line = own.in_line.max((epoch, seq));
        let mut ledger = self.ledger.borrow_mut();
        if let Some(number) = ledger.head_of(&root.to_string()) {
            let known = ledger.heads[number].seq <= seq;
            let shown = &mut ledger.hosts[host];
            shown.fresh.clear();
            if known {
                shown.applied = shown.applied.max(Some(number));
            }
        }
    }

    /// Hashes of all files in some places.
    pub(crate) fn contents_on(
        &self,
        docroot: &BTreeMap<Vec<u8>, Seen>,
        work: &BTreeMap<Vec<u8>, Seen>,
    ) -> BTreeSet<Hash> {
        docroot
            .values()
            .chain(work.values())
            .filter_map(|seen| Shape::of_seen(seen).content())
            .collect()
    }

    /// Nothing is lost: what replicas' users wrote and mirrormesh took away is kept.
    pub(crate) fn check_kept(&mut self) {
        let owed = self.ledger.borrow().owed.clone();
        self.statistics.owed += owed.len() as u64;
        for host in 0..self.hosts.len() {
            let Some(disk) = self.hosts[host].disk.clone() else { continue };
            if !owed.iter().any(|owed| owed.host == host) {
                continue;
            }
            let contents = self.contents_on(&disk.tree_of_docroot(), &disk.tree_of_work());
            let lost = owed
                .iter()
                .find(|owed| owed.host == host && !contents.contains(&owed.content))
                .cloned();
            if let Some(lost) = lost {
                let text = format!(
                    "{}: {lost:?} is neither there nor kept",
                    crate::shape::show(&lost.path)
                );
                self.violated("nothing lost", text);
            }
        }
    }

    /// The incremental picture is that of a naive walk.
    pub(crate) fn check_picture(&mut self, host: HostId) {
        let Some(disk) = self.hosts[host].disk.clone() else { return };
        let walked = listing_of(&disk);
        let is_same = self.ledger.borrow().hosts[host].names == walked;
        if !is_same {
            self.violated("the simulator sees", format!("host {host} shows something else"));
        }
    }
}

/// The tree with root `new`, from one with root `old`; `None` if nodes are missing.
fn follow(disk: &SimDisk, tree: &Listing, old: &Hash, new: &Hash) -> Option<Listing> {
    let mut tree = tree.clone();
    for difference in Differences::new(&StoredNodes(disk), old, new, None) {
        let difference = difference.ok()?;
        let path = difference.path.as_bytes().to_vec();
        match difference.new {
            Some(record) => tree.insert(path, Shape::of_record(&record)),
            None => tree.remove(&path),
        };
    }
    Some(tree)
}
