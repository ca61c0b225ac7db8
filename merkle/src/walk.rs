//! Fetches a tree of which only the root hash is known, and only the nodes that are missing.
//!
//! The walk says what to ask for next and takes what comes; who is asked, how often, and over what,
//! is the caller's. Nothing is kept that a hash which the target led to does not prove, and each
//! node is decoded for the place it was referred to from before it is stored. A walk holds no
//! state that is worth saving: a new one over the same store asks only for what is missing.
//!
//! It goes depth-first, so what it knows and has not looked at (the frontier) stays small; it is
//! bounded by [`MAX_FRONTIER`]. Nodes that are held are descended into without asking, unless the
//! store says that everything below is held too; that is what makes a walk between similar trees
//! cheap.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::error::DecodeError;
use crate::hash::Hash;
use crate::limits::{MAX_DEPTH, MAX_FRONTIER, MAX_WANTED};
use crate::node::{Node, decode_expected, empty_node, is_empty_node, node_hash};
use crate::position::Position;
use crate::serve::Wanted;
use crate::source::WalkStore;
use crate::totals::{Expected, Totals};

/// Most places remembered as dealt with (about 15 MB). Equal subtrees at many places are common,
/// and a tree can be made in which their number is exponential. Beyond it the walk forgets, which
/// costs only repeated reading.
const MAX_SEEN: usize = 131_072;

/// Why a walk cannot go on, or a message was refused. What was stored before it is proved and stays.
#[derive(Debug, thiserror::Error)]
pub enum WalkError<E> {
    /// The store failed. Its own error says what to do.
    #[error("the node store failed")]
    Source(#[source] E),
    /// The peer sent a node that was not asked for and that no accepted node refers to. The rest of
    /// the message was not looked at.
    #[error("node {0} was not asked for")]
    Unexpected(Hash),
    /// A node that the target refers to is not valid there. No peer is to blame: whoever signed the
    /// target is broken, and no peer can complete it.
    #[error("the target refers to node {hash}, which is invalid: {error}")]
    Decode {
        /// The node.
        hash: Hash,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The target has directories deeper than [`MAX_DEPTH`].
    #[error("the target is deeper than {MAX_DEPTH} directories")]
    Depth,
    /// The target branches out more than any real tree: more than [`MAX_FRONTIER`] nodes are known
    /// and not looked at. Start again with smaller requests.
    #[error("more than {MAX_FRONTIER} nodes are outstanding")]
    Frontier,
}

/// How far a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Nodes taken from peers so far.
    pub nodes: u64,
    /// Bytes of those nodes.
    pub bytes: u64,
    /// Totals of the target, once its root is known. Its `entries` are those of the docroot alone.
    pub target: Option<Totals>,
}

/// A place that refers to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Task {
    wanted: Wanted,
    expected: Expected,
    /// Directories between the docroot and this node's directory.
    depth: u16,
}

impl Task {
    /// The places that `node`, which is at this one, refers to.
    fn below(&self, node: &Node) -> Vec<Task> {
        let expected: Vec<(Expected, u16)> = match node {
            Node::Leaf(leaf) => leaf
                .entries
                .iter()
                .filter_map(|(_, entry)| entry.as_directory())
                .map(|directory| (directory.expected(), self.depth + 1))
                .collect(),
            Node::Interior(interior) => interior
                .children
                .iter()
                .map(|(_, child)| (Expected::Child(child.totals), self.depth))
                .collect(),
        };
        let wanted = self.wanted.below(node).into_iter();
        let tasks = wanted.zip(expected);
        tasks.map(|(wanted, (expected, depth))| Task { wanted, expected, depth }).collect()
    }

    fn key(&self) -> Key {
        (self.wanted, self.expected)
    }
}

/// What makes two places equal to a walk.
type Key = (Wanted, Expected);

/// A walk towards one root.
#[derive(Debug)]
pub struct Walk {
    target: Hash,
    /// Places not looked at yet, the next one last.
    pending: Vec<Task>,
    /// Nodes that were asked for, with the places that refer to them.
    outstanding: BTreeMap<Hash, Vec<Task>>,
    /// Number of those places.
    waiting: usize,
    /// Places whose node is held and whose children are pending or dealt with.
    seen: BTreeSet<Key>,
    progress: Progress,
    /// Of the places looked at lately: how many, and how many whose node was missing.
    looked_at: u32,
    missing: u32,
}

impl Walk {
    /// A walk to the tree with this root.
    pub fn new(target: Hash) -> Walk {
        let wanted = Wanted { hash: target, position: Position::ROOT };
        Walk {
            target,
            pending: vec![Task { wanted, expected: Expected::Nothing, depth: 0 }],
            outstanding: BTreeMap::new(),
            waiting: 0,
            seen: BTreeSet::new(),
            progress: Progress { nodes: 0, bytes: 0, target: None },
            looked_at: 0,
            missing: 0,
        }
    }

    /// The root the walk leads to.
    pub fn target(&self) -> Hash {
        self.target
    }

    /// Whether the target and everything below it is held.
    pub fn is_finished(&self) -> bool {
        self.pending.is_empty() && self.outstanding.is_empty()
    }

    /// How far the walk is.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Number of nodes that were asked for and have not come.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// How many levels of descendants are worth asking for: none where most of what was looked at
    /// lately is held, up to three where most of it is missing.
    pub fn levels(&self) -> u8 {
        match (self.missing * 4).checked_div(self.looked_at) {
            None | Some(1) => 1,
            Some(0) => 0,
            Some(2) => 2,
            Some(_) => 3,
        }
    }

    /// What to ask for next: at most `limit` nodes, at most [`MAX_WANTED`]. Empty if the walk has
    /// finished or waits for what is outstanding.
    ///
    /// Reads held nodes until it has found that many: a job, not a step of the core.
    pub fn next_request<S: WalkStore>(
        &mut self,
        store: &S,
        limit: usize,
    ) -> Result<Vec<Wanted>, WalkError<S::Error>> {
        let crowded = self.pending.len() > MAX_FRONTIER / 2;
        let limit = if crowded { 1 } else { limit.min(MAX_WANTED) };
        let mut request = Vec::new();
        while request.len() < limit {
            let Some(task) = self.pending.pop() else { break };
            let hash = task.wanted.hash;
            if self.seen.contains(&task.key()) {
                continue;
            }
            if let Some(places) = self.outstanding.get_mut(&hash) {
                places.push(task);
                self.waiting += 1;
                continue;
            }
            if is_empty_node(&hash) {
                self.enter(&task, &empty_node().1)?;
                continue;
            }
            self.looked_at += 1;
            if store.is_complete(&hash).map_err(WalkError::Source)? {
                continue;
            }
            match store.node(&hash).map_err(WalkError::Source)? {
                Some(bytes) => {
                    let below = self.enter(&task, &bytes)?;
                    self.extend_pending(below)?;
                }
                None => {
                    self.missing += 1;
                    self.outstanding.insert(hash, vec![task]);
                    self.waiting += 1;
                    request.push(task.wanted);
                }
            }
        }
        // Old observations fade.
        if self.looked_at >= 64 {
            (self.looked_at, self.missing) = (self.looked_at / 2, self.missing / 2);
        }
        Ok(request)
    }

    /// Takes nodes that a peer sent: each one asked for, or referred to by one before it. Returns
    /// how many were taken.
    ///
    /// What a peer left out is still outstanding: see [`Walk::requeue`]. An answer to a request that
    /// was requeued must not be passed on, as it may by now be unexpected.
    pub fn accept<S: WalkStore>(
        &mut self,
        store: &mut S,
        nodes: &[Bytes],
    ) -> Result<usize, WalkError<S::Error>> {
        let mut offered: BTreeMap<Hash, Vec<Task>> = BTreeMap::new();
        let mut order = Vec::new();
        let taken = nodes.iter().try_fold(0, |taken, bytes| {
            self.accept_node(store, bytes, &mut offered, &mut order)?;
            Ok(taken + 1)
        });
        // Also after an error: the accepted nodes are stored, so what they refer to must be known.
        let left = order.iter().filter_map(|hash| offered.remove(hash)).flatten().collect();
        let kept = self.extend_pending(left);
        let taken = taken?;
        kept?;
        Ok(taken)
    }

    /// Takes one node; notes in `offered` what it refers to, and in `order` in which order.
    fn accept_node<S: WalkStore>(
        &mut self,
        store: &mut S,
        bytes: &Bytes,
        offered: &mut BTreeMap<Hash, Vec<Task>>,
        order: &mut Vec<Hash>,
    ) -> Result<(), WalkError<S::Error>> {
        let hash = node_hash(bytes);
        let mut places = self.take_outstanding(&hash);
        places.extend(offered.remove(&hash).unwrap_or_default());
        if places.is_empty() {
            return Err(WalkError::Unexpected(hash));
        }
        let mut below = Vec::new();
        for task in &places {
            if !self.seen.contains(&task.key()) {
                below.extend(self.enter(task, bytes)?);
            }
        }
        if !is_empty_node(&hash) {
            store.put(hash, bytes.clone()).map_err(WalkError::Source)?;
        }
        self.progress.nodes += 1;
        self.progress.bytes += bytes.len() as u64;
        for task in below {
            offered.entry(task.wanted.hash).or_default().push(task);
            order.push(task.wanted.hash);
        }
        Ok(())
    }

    /// Takes back what a request asked for and the peer did not send: it will be asked for again.
    pub fn requeue(&mut self, request: &[Wanted]) {
        for wanted in request.iter().rev() {
            let places = self.take_outstanding(&wanted.hash);
            self.pending.extend(places);
        }
    }

    fn take_outstanding(&mut self, hash: &Hash) -> Vec<Task> {
        let places = self.outstanding.remove(hash).unwrap_or_default();
        self.waiting -= places.len();
        places
    }

    /// Checks a node at one place; returns the places it refers to.
    fn enter<E>(&mut self, task: &Task, bytes: &[u8]) -> Result<Vec<Task>, WalkError<E>> {
        let Wanted { hash, position } = task.wanted;
        let (node, totals) = decode_expected(bytes, &position, &task.expected)
            .map_err(|error| WalkError::Decode { hash, error })?;
        if hash == self.target && task.depth == 0 && position == Position::ROOT {
            self.progress.target = Some(totals);
        }
        let below = task.below(&node);
        if below.iter().any(|task| usize::from(task.depth) > MAX_DEPTH) {
            return Err(WalkError::Depth);
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen.clear();
        }
        self.seen.insert(task.key());
        Ok(below)
    }

    fn extend_pending<E>(&mut self, tasks: Vec<Task>) -> Result<(), WalkError<E>> {
        if self.pending.len() + self.waiting + tasks.len() > MAX_FRONTIER {
            return Err(WalkError::Frontier);
        }
        self.pending.extend(tasks.into_iter().rev());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
