//! Commands of operators.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mirrormesh_gossip::{
    Document, DocumentError, DocumentText, MemberRole, NodeId, Token, TokenRecord,
};
use mirrormesh_merkle::Path;
use serde_bytes::ByteBuf;

use super::command::{Answer, Command, CommandId, HoldLine, KeptLine, PathLine};
use super::event::{Effect, Moment};
use super::jobs::{Purpose, Then};
use super::node::Node;
use super::publish::AfterChange;
use super::state;
use super::wire::{Frame, LeaveFrame};
use crate::store::{
    Batch, Compare, Depth, Done, Item, Job, JobError, KeptDone, KeptJob, KeptReason, Manifest,
    Verify,
};
use mirrormesh_merkle::Record;

/// Why an origin cannot be taken out.
const ORIGIN_STAYS: &str = "no other node can take its place yet";
/// Manifests of one answer.
const KEPT_PAGE: usize = 256;

/// Long answers under way.
#[derive(Debug, Default)]
pub(super) struct Operator {
    verifying: BTreeMap<CommandId, (u64, u64, u64)>,
    /// Repairing verifies that wait for the tree.
    waiting: VecDeque<(CommandId, Option<Path>)>,
    comparing: BTreeMap<CommandId, (mirrormesh_merkle::Hash, mirrormesh_merkle::Hash)>,
}

impl Node {
    pub(super) fn command(&mut self, id: CommandId, command: Command) {
        match command {
            Command::Status => {
                let view = self.view(Moment { now: self.now, wall: self.wall });
                self.answer(id, Answer::Status(Box::new(view)), true);
            }
            Command::Wait { scope, timeout_milliseconds } => {
                self.wait(id, scope, Duration::from_millis(timeout_milliseconds));
            }
            Command::Token { role, lifetime_seconds, uses } => {
                self.token(id, &role, lifetime_seconds, uses);
            }
            Command::Confirm { list } => self.confirm(id, list),
            Command::ConfigShow => {
                let text = self.document().map(Document::to_text).unwrap_or_default();
                self.answer(id, Answer::Text(text), true);
            }
            Command::ConfigReplace { text } => self.config_replace(id, &text),
            Command::ConfigSet { key, value } => {
                self.change_config(id, |draft| {
                    let set = |draft: &mut Document| {
                        let before = draft.get(&key)?;
                        draft.set(&key, &value)?;
                        Ok(format!("{key} = {} (it was {before}); ", draft.get(&key)?))
                    };
                    set(draft).map_err(|error: DocumentError| error.to_string())
                });
            }
            Command::Remove { node } => self.remove(id, &node),
            Command::Leave => self.leave(id),
            Command::KeptList => {
                self.operator_job(id, Job::Kept(KeptJob::List { after: 0, limit: KEPT_PAGE }));
            }
            Command::KeptRestore { id: kept, to } => self.kept_restore(id, kept, to),
            Command::KeptDrop { ids } => {
                self.operator_job(id, Job::Kept(KeptJob::Drop { ids }));
            }
            Command::Verify { repair } => {
                self.operator.verifying.insert(id, (0, 0, 0));
                self.verify_on(id, repair, None);
            }
            Command::Diff { left, right } => self.diff(id, &left, &right),
            Command::Stop => {
                self.answer_done(id, "stopping".into());
                self.stop();
            }
        }
    }

    pub(super) fn cancelled(&mut self, id: CommandId) {
        self.waits.cancel(id);
        self.operator.verifying.remove(&id);
        self.operator.comparing.remove(&id);
    }

    // ------------------------------------------------------------------ answers

    pub(super) fn answer(&mut self, id: CommandId, answer: Answer, last: bool) {
        self.out.push(Effect::Answer { id, answer, last });
    }

    pub(super) fn answer_done(&mut self, id: CommandId, text: String) {
        self.answer(id, Answer::Done(text), true);
    }

    pub(super) fn answer_refused(&mut self, id: CommandId, exit: u8, message: &str, hint: &str) {
        let (message, hint) = (message.to_string(), hint.to_string());
        self.answer(id, Answer::Refused { exit, message, hint }, true);
    }

    fn refuse_elsewhere(&mut self, id: CommandId) {
        let origin = self.name_of(self.authority.origin());
        let message = format!("this node is not the origin; {origin} is");
        self.answer_refused(id, 12, &message, &format!("run this on {origin}"));
    }

    /// Nothing begins any more.
    pub(super) fn answer_stopping(&mut self, id: CommandId) {
        self.answer_refused(id, 1, "the node is stopping", "try again when it is back");
    }

    fn operator_job(&mut self, command: CommandId, job: Job) {
        if self.stopping {
            return self.answer_stopping(command);
        }
        self.jobs.start(job, Purpose::Operator { command }, &mut self.out);
    }

    // ------------------------------------------------------------------ cluster

    fn token(&mut self, id: CommandId, role: &str, lifetime_seconds: u64, uses: u32) {
        if !self.is_origin() {
            return self.refuse_elsewhere(id);
        }
        let role = match role {
            "replica" => MemberRole::Replica,
            "candidate" => MemberRole::Candidate,
            "witness" => {
                let hint = "use --role replica or --role candidate";
                return self.answer_refused(id, 12, "witnesses come with failover", hint);
            }
            other => {
                let message = format!("there is no role {other:?}");
                return self.answer_refused(id, 2, &message, "replica, candidate or witness");
            }
        };
        let mut secret = [0; 16];
        self.entropy.fill(&mut secret);
        let expires = self.wall.after(Duration::from_secs(lifetime_seconds));
        let uses = (uses > 0).then_some(uses);
        self.tokens.add(self.wall, TokenRecord::new(&secret, role, expires, uses));
        let token = Token {
            cluster: self.authority.cluster(),
            issuer: self.id,
            addresses: self.setup.addresses.clone(),
            secret,
            role,
            expires,
        };
        let mut batch = Batch::default();
        self.put_tokens(&mut batch);
        self.persist(batch, true, vec![Then::Token(id, token.to_string())]);
    }

    pub(super) fn put_tokens(&mut self, batch: &mut Batch) {
        if let Ok(bytes) = self.tokens.encode() {
            state::put(batch, state::TOKENS, bytes);
        }
    }

    fn confirm(&mut self, id: CommandId, list: bool) {
        match list {
            true => {
                let lines = self.held_lines();
                self.answer(id, Answer::Held(lines), true);
            }
            false => self.look_and_confirm(id),
        }
    }

    /// Releases what is held here; else what members hold.
    pub(super) fn confirm_now(&mut self, id: CommandId) {
        if let Some(reason) = self.brake.cannot_release() {
            let message = format!("a confirmation cannot release this: {reason}");
            let hint = "bring the directory back, and it goes on by itself";
            return self.answer_refused(id, 1, &message, hint);
        }
        let lines = self.held_lines();
        if self.brake.holds() {
            self.confirm_hold();
        } else if self.regaining_view().is_some() {
            self.confirm_regaining();
        } else if !lines.is_empty() {
            self.confirm_drop();
        }
        self.answer(id, Answer::Held(lines), true);
    }

    /// What is held here; else on an origin what members hold.
    fn held_lines(&self) -> Vec<HoldLine> {
        let mut lines = Vec::new();
        if let Some(held) = self.held_view() {
            let member = self.name_of(&self.id);
            lines.push(HoldLine { member, reason: held.reason, deletes: held.deletes });
        } else if self.is_origin() {
            lines = self.held_by_members();
        }
        lines
    }

    /// What connected members say they hold.
    fn held_by_members(&self) -> Vec<HoldLine> {
        let live = self.peers.members.iter().filter(|(_, peer)| peer.primary.is_some());
        live.filter_map(|(id, peer)| {
            let (reason, deletes) = peer.report.as_ref()?.held.clone()?;
            Some(HoldLine { member: self.name_of(id), reason, deletes })
        })
        .collect()
    }

    fn config_replace(&mut self, id: CommandId, text: &str) {
        match DocumentText::parse(text) {
            Ok(parsed) => self.change_config(id, |draft| {
                parsed.apply(draft);
                Ok(String::new())
            }),
            Err(error) => {
                let message =
                    format!("line {}, column {}: {}", error.line, error.column, error.message);
                self.answer_refused(
                    id,
                    1,
                    &message,
                    "nothing was changed; correct it and try again",
                );
            }
        }
    }

    fn change_config(
        &mut self,
        id: CommandId,
        change: impl FnOnce(&mut Document) -> Result<String, String>,
    ) {
        if !self.is_origin() {
            return self.refuse_elsewhere(id);
        }
        let Some(mut draft) = self.document_draft() else { return self.refuse_elsewhere(id) };
        let before = draft.clone();
        let checked = change(&mut draft)
            .and_then(|what| match draft.validate_publishable(&self.id) {
                Ok(()) => Ok(what),
                Err(error) => Err(error.to_string()),
            })
            .and_then(|what| {
                // What was accepted once stays: only what is new is checked.
                match draft.excludes == before.excludes {
                    true => Ok(what),
                    false => crate::store::Excludes::checked(&draft.excludes)
                        .map(|_| what)
                        .map_err(|error| format!("excludes: {error}")),
                }
            });
        let what = match checked {
            Ok(what) => what,
            Err(message) => return self.answer_refused(id, 1, &message, "nothing was changed"),
        };
        if draft == before {
            let version = draft.version.saturating_sub(1);
            let text = format!("{what}nothing changed, the cluster document has version {version}");
            return self.answer_done(id, text);
        }
        let text = format!("{what}the cluster document has version {} now", draft.version);
        if !self.change_document(draft, AfterChange::Answer(id, text)) {
            self.answer_refused(id, 1, "too many changes wait", "try again later");
        }
    }

    fn remove(&mut self, id: CommandId, node: &str) {
        if !self.is_origin() {
            return self.refuse_elsewhere(id);
        }
        let found = self.document().and_then(|document| document.find(node)).map(|it| it.id);
        match found {
            Some(member) if member == self.id => {
                self.answer_refused(id, 12, "the origin cannot be removed", ORIGIN_STAYS);
            }
            Some(member) => self.remove_member(Some(id), member),
            None => {
                let message = format!("there is no member {node:?}");
                self.answer_refused(id, 12, &message, "see `mirrormesh status`");
            }
        }
    }

    fn remove_member(&mut self, command: Option<CommandId>, member: NodeId) {
        let name = self.name_of(&member);
        let Some(mut draft) = self.document_draft() else { return };
        if draft.remove_member(&member).is_err() {
            return;
        }
        self.note(super::note::Note::Removed { member });
        let then = match command {
            Some(id) => AfterChange::Answer(id, format!("{name} is removed, and its key revoked")),
            None => AfterChange::Nothing,
        };
        self.change_document(draft, then);
    }

    fn leave(&mut self, id: CommandId) {
        if self.is_origin() {
            return self.answer_refused(id, 12, "the origin cannot leave", ORIGIN_STAYS);
        }
        let Some(connection) = self.peers.primary(self.authority.origin()) else {
            let hint = "run `mirrormesh remove` on the origin, or try again when it is back";
            return self.answer_refused(id, 1, "the origin is not connected", hint);
        };
        let bytes = Frame::Leave(LeaveFrame {}).encode();
        self.out.push(Effect::Frame { connection, bytes });
        self.answer_done(id, "the origin was asked to remove this node".into());
    }

    /// A member asks to be removed.
    pub(super) fn leave_asked(&mut self, member: NodeId) {
        if self.is_origin() {
            self.remove_member(None, member);
        }
    }

    // ------------------------------------------------------------------ kept

    fn kept_restore(&mut self, id: CommandId, kept: u64, to: Option<ByteBuf>) {
        if !self.is_origin() {
            let hint = "use --to with a path outside the docroot";
            let message = "a replica's docroot is not written to by hand";
            return self.answer_refused(id, 12, message, hint);
        }
        let to = match to.map(|to| Path::from_bytes(&to)).transpose() {
            Ok(to) => to,
            Err(error) => {
                return self.answer_refused(id, 2, &error.to_string(), "a path below the docroot");
            }
        };
        self.operator_job(id, Job::Kept(KeptJob::Restore { id: kept, to }));
    }

    pub(super) fn operator_done(&mut self, id: CommandId, result: Result<Done, JobError>) {
        match result {
            Ok(Done::Kept(KeptDone::List(manifests))) => self.kept_page(id, manifests),
            Ok(Done::Kept(KeptDone::Restored(path))) => {
                self.dirty.look(path.clone(), Depth::Name, self.now);
                self.answer_done(id, format!("restored to {path}"));
            }
            Ok(Done::Kept(KeptDone::Dropped(0, _))) => {
                self.answer_done(id, "nothing is kept".into());
            }
            Ok(Done::Kept(KeptDone::Dropped(count, bytes))) => {
                self.kept = (self.kept.0.saturating_sub(count), self.kept.1.saturating_sub(bytes));
                // There is room for what had to stay where it lies.
                self.transfer.retry_now(self.now);
                if !self.transfer.errors.is_empty() {
                    self.follow.tried = None;
                }
                self.answer_done(id, format!("{count} dropped, {bytes} bytes freed"));
            }
            Ok(Done::Kept(KeptDone::Refused(reason))) => {
                self.answer_refused(id, 12, &reason, "see `mirrormesh kept list`");
            }
            Ok(Done::Compare(compared)) => self.compared(id, compared.items, compared.next),
            Ok(_) => self.answer_refused(id, 1, "an unexpected answer", "see the log"),
            Err(error) => {
                self.operator.comparing.remove(&id);
                self.answer_refused(id, 1, &error.to_string(), "see the log");
            }
        }
    }

    fn kept_page(&mut self, id: CommandId, manifests: Vec<Manifest>) {
        let last = manifests.len() < KEPT_PAGE;
        let after = manifests.last().map_or(0, |manifest| manifest.id);
        let lines = manifests.into_iter().map(kept_line).collect();
        self.answer(id, Answer::Kept(lines), last);
        if !last {
            self.operator_job(id, Job::Kept(KeptJob::List { after, limit: KEPT_PAGE }));
        }
    }

    // ------------------------------------------------------------------ verify, diff

    fn verify_on(&mut self, command: CommandId, repair: bool, after: Option<Path>) {
        if self.stopping {
            return self.answer_stopping(command);
        }
        if repair && self.jobs.is_busy() {
            self.operator.waiting.push_back((command, after));
            return;
        }
        let job = Job::Verify(Verify {
            current: self.current,
            after,
            repair,
            side: self.side(),
            excludes: std::sync::Arc::clone(&self.excludes),
        });
        self.jobs.start(job, Purpose::Verify { command, repair }, &mut self.out);
    }

    /// Goes on with a repairing verify that waited for the tree.
    pub(super) fn advance_verify(&mut self) {
        if self.jobs.is_busy() {
            return;
        }
        if let Some((command, after)) = self.operator.waiting.pop_front()
            && self.operator.verifying.contains_key(&command)
        {
            self.verify_on(command, true, after);
        }
    }

    pub(super) fn verified(
        &mut self,
        command: CommandId,
        repair: bool,
        result: Result<Done, JobError>,
    ) {
        let verified = match result {
            Ok(Done::Verify(verified)) => verified,
            Ok(_) => return,
            Err(error) => {
                self.operator.verifying.remove(&command);
                return self.answer_refused(command, 1, &error.to_string(), "see the log");
            }
        };
        if repair {
            self.current = verified.tree;
            self.found_damaged(&verified.damaged);
            self.unflushed.get_or_insert(self.now);
            if !verified.differs.is_empty() && !self.is_origin() {
                self.edited_here();
            }
        }
        let Some(sums) = self.operator.verifying.get_mut(&command) else { return };
        sums.0 += verified.files;
        sums.1 += verified.bytes;
        sums.2 += verified.differs.len() as u64;
        let (files, bytes, differs) = *sums;
        let lines: Vec<PathLine> = verified
            .differs
            .into_iter()
            .map(|(path, what)| PathLine { path: path.as_bytes().to_vec().into(), what })
            .collect();
        if !lines.is_empty() {
            self.answer(command, Answer::Paths(lines), false);
        }
        match verified.next {
            Some(after) => {
                let (files_total, bytes_total) = (self.current.files, self.current.bytes);
                let what = "verifying".to_string();
                let progress = Answer::Progress { what, files, bytes, files_total, bytes_total };
                self.answer(command, progress, false);
                self.verify_on(command, repair, Some(after));
            }
            None => {
                self.operator.verifying.remove(&command);
                self.answer(command, Answer::Verified { files, bytes, differs }, true);
            }
        }
    }

    fn diff(&mut self, id: CommandId, left: &str, right: &str) {
        let mut roots = Vec::new();
        for name in [left, right] {
            let found = self.document().and_then(|document| {
                // Whoever does not know its name says what it is.
                let origin = || document.member(self.authority.origin());
                document.find(name).or_else(|| origin().filter(|_| name == "origin"))
            });
            let Some(member) = found else {
                let message = format!("there is no member {name:?}");
                return self.answer_refused(id, 12, &message, "see `mirrormesh status`");
            };
            let origin = member.id == *self.authority.origin();
            match self.published_tree() {
                _ if member.id == self.id => roots.push(self.current.root),
                Some(tree) if origin => roots.push(tree.root),
                _ if let Some(root) = self.reported_root(&member.id) => roots.push(root),
                _ => {
                    let message = format!("this node does not have the tree of {name}");
                    return self.answer_refused(id, 12, &message, &format!("run this on {name}"));
                }
            }
        }
        self.operator.comparing.insert(id, (roots[0], roots[1]));
        let job = Job::Compare(Compare { old: roots[0], new: roots[1], after: None });
        self.operator_job(id, job);
    }

    /// The root a member reports, if its nodes are held here.
    fn reported_root(&self, member: &NodeId) -> Option<mirrormesh_merkle::Hash> {
        let report = self.peers.members.get(member)?.report.as_ref()?;
        let root = mirrormesh_merkle::Hash::from_bytes(*report.root);
        self.holds_root(root).then_some(root)
    }

    fn compared(&mut self, id: CommandId, items: Vec<Item>, next: Option<Path>) {
        let Some((old, new)) = self.operator.comparing.get(&id).copied() else { return };
        let lines = items.iter().map(difference_line).collect();
        self.answer(id, Answer::Paths(lines), next.is_none());
        match next {
            Some(after) => {
                self.operator_job(id, Job::Compare(Compare { old, new, after: Some(after) }));
            }
            None => {
                self.operator.comparing.remove(&id);
            }
        }
    }
}

fn difference_line(item: &Item) -> PathLine {
    let sign = match (&item.old, &item.new) {
        (None, _) => "+",
        (_, None) => "-",
        _ => "~",
    };
    PathLine { path: item.path.as_bytes().to_vec().into(), what: sign.to_string() }
}

fn kept_line(manifest: Manifest) -> KeptLine {
    let kind = match &manifest.record {
        Some(Record::Directory { .. }) => "directory",
        Some(Record::Symlink(_)) => "symlink",
        _ => "file",
    };
    let reason = match manifest.reason {
        KeptReason::LocalEdit => "edited on this replica",
        KeptReason::Adoption => "lay here when the node joined",
        KeptReason::Damage => "damaged, and fetched back",
        KeptReason::Rollback => "published by nobody",
        KeptReason::Crash => "found after a crash",
        KeptReason::Restored => "gave way to what was restored",
    };
    KeptLine {
        id: manifest.id,
        path: manifest.path.as_bytes().to_vec().into(),
        kind: kind.to_string(),
        bytes: manifest.bytes,
        reason: reason.to_string(),
        wall: manifest.wall,
        stored_as: manifest.stored_as,
    }
}
