//! The view: what the node says of itself.

use super::event::Moment;
use super::lists::path_view;
use super::node::Node;
use super::view::{ClusterView, CountView, MemberView, NodeView, View, WatchView};
use super::wire::Report;
use mirrormesh_gossip::{Member, MemberRole};
use mirrormesh_merkle::Hash;

/// Most errors in a view.
const MAX_SHOWN: usize = 256;

/// Why a replica lacks a file of the tree.
const UNSERVED: &str = "open for writing or not readable on the origin";

impl Node {
    /// The state of things; the driver adds how the docroot is watched.
    pub fn view(&self, moment: Moment) -> View {
        View { node: self.node_view(moment), cluster: self.cluster_view() }
    }

    fn node_view(&self, moment: Moment) -> NodeView {
        let authority = self.authority.view(moment.now);
        let head = self.authority.head();
        let (pending_files, pending_bytes) = match self.is_in_line() {
            true => (0, 0),
            false => self.transfer.pending,
        };
        NodeView {
            name: self.name_of(&self.id),
            id: self.id.to_string(),
            role: self.role_of(&self.id).to_string(),
            address: self.setup.addresses.first().cloned().unwrap_or_default(),
            docroot: self.setup.docroot.clone(),
            activity: self.activity().to_string(),
            watch: WatchView::default(),
            epoch: authority.term.epoch,
            term: authority.term.short(),
            seq: self.follow.applied.as_ref().map(|head| head.seq),
            root: head.is_some().then(|| self.current.root.to_string()),
            newest_root: head.map(|head| head.root.to_string()),
            newest_seq: head.map(|head| head.seq),
            in_sync: self.is_in_sync(),
            fresh: authority.is_fresh,
            heard_seconds: authority.heard.map(|heard| heard.as_secs_f64()),
            lag_seconds: self.lag().as_secs_f64(),
            lag_known: self.follow.lag_known,
            files: self.current.files,
            bytes: self.current.bytes,
            pending_files,
            pending_bytes,
            open_for_writing: self.lists.open(),
            skipped: self.lists.skipped(),
            unreadable: self.lists.unreadable(),
            unserved: self
                .left_out
                .iter()
                .take(MAX_SHOWN)
                .map(|path| path_view(path, UNSERVED.to_string()))
                .collect(),
            set_aside: self.kept.0,
            set_aside_bytes: self.kept.1,
            held: self.held_view(),
            errors: self
                .transfer
                .errors
                .iter()
                .chain(&self.transfer.lost)
                .take(MAX_SHOWN)
                .map(|(path, reason)| path_view(path, reason.clone()))
                .collect(),
            errors_more: self.transfer.errors_more
                + (self.transfer.errors.len() + self.transfer.lost.len()).saturating_sub(MAX_SHOWN)
                    as u64,
            warnings: self.warnings.values().cloned().collect(),
            refused: counts(self.refused.iter().map(|(name, count)| (*name, *count))),
            counters: counts(
                [
                    ("examined_names", self.watching.examined),
                    ("served_bytes", self.serve.bytes),
                    ("applied_files", self.transfer.files),
                    ("applied_bytes", self.transfer.bytes),
                    ("missing_contents", self.transfer.missing),
                    ("removed_calls", self.peers.removed_calls),
                    ("walked_nodes", self.follow.walked_nodes),
                ]
                .into_iter(),
            ),
        }
    }

    fn activity(&self) -> &'static str {
        if self.removed {
            "removed"
        } else if self.brake.holds() {
            "held"
        } else if !self.watching.scanned {
            if self.follow.target.is_some() || self.is_origin() { "scanning" } else { "starting" }
        } else if self.is_origin() {
            "publishing"
        } else if self.follow.newest_offer().is_some() {
            "proving"
        } else if self.transfer.is_active() {
            "applying"
        } else {
            "following"
        }
    }

    fn role_of(&self, id: &mirrormesh_gossip::NodeId) -> &'static str {
        if id == self.authority.origin() {
            return "origin";
        }
        match self.document().and_then(|document| document.member(id)) {
            Some(Member { role: MemberRole::Candidate, .. }) => "candidate",
            Some(Member { role: MemberRole::Witness, .. }) => "witness",
            _ => "replica",
        }
    }

    fn cluster_view(&self) -> ClusterView {
        let term = self.authority.term();
        let members = self.document().map_or(&[][..], |document| &document.members);
        let mut members: Vec<&Member> = members.iter().collect();
        let origin = self.authority.origin();
        members.sort_by_key(|member| (member.id != *origin, &member.name));
        ClusterView {
            id: self.authority.cluster().to_string(),
            epoch: term.epoch,
            term: term.short(),
            origin: self.name_of(self.authority.origin()),
            members: members.into_iter().map(|member| self.member_view(member)).collect(),
        }
    }

    fn member_view(&self, member: &Member) -> MemberView {
        let own = member.id == self.id;
        let report = match own {
            true => Some(self.own_report()),
            false => self.peers.members.get(&member.id).and_then(|peer| peer.report.clone()),
        };
        // What the origin published says more of it than any report.
        let report = if own { report } else { self.origin_report(member).or(report) };
        let alive = self.is_alive(&member.id);
        let shown = report.as_ref();
        MemberView {
            name: member.name.clone(),
            id: member.id.to_string(),
            role: self.role_of(&member.id).to_string(),
            address: member.addresses.first().cloned().unwrap_or_default(),
            alive,
            epoch: shown.map_or(0, |report| report.epoch),
            seq: shown.and_then(|report| report.seq.or(report.tried_seq)),
            root: shown.map(|report| Hash::from_bytes(*report.root).to_string()),
            in_sync: alive && shown.is_some_and(|report| report.in_sync),
            fresh: alive && shown.is_some_and(|report| report.fresh),
            lag_seconds: shown.map_or(0.0, |report| report.lag_milliseconds as f64 / 1_000.0),
            errors: shown.map_or(0, |report| report.errors),
            held: shown
                .and_then(|report| report.held.clone())
                .map(|(reason, deletes)| super::view::HeldView { reason, deletes }),
        }
    }

    /// What the newest head says of the origin, for whom it does not report to.
    fn origin_report(&self, member: &Member) -> Option<Report> {
        let head = self.authority.head().filter(|_| member.id == *self.authority.origin())?;
        Some(Report {
            epoch: head.epoch,
            seq: Some(head.seq),
            tried_seq: Some(head.seq),
            root: (*head.root.as_bytes()).into(),
            in_sync: true,
            fresh: self.authority.is_fresh(self.now),
            ..Report::default()
        })
    }
}

fn counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Vec<CountView> {
    counts.map(|(name, count)| CountView { name: name.to_string(), count }).collect()
}
