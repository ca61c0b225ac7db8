//! After the faults: within a bound everything converges, and goes quiet.

use std::collections::BTreeMap;

use bytes::Bytes;
use mirrormesh::core::Command;
use mirrormesh::store::{Done, JobError};

use super::operators::{Asked, raw_path};
use super::{Happening, World};
use crate::network::HostId;
use crate::outcome::Verdict;
use crate::schedule::{MILLISECOND, SECOND, Time};
use crate::shape::{first_difference, listing_of};

/// Within this time after the last fault everything converges.
const BOUND: Time = 120 * SECOND;
/// So long nothing happens but heartbeats and reports.
const QUIET: Time = 3 * SECOND;
/// Kinds of frames that go on for ever: heartbeats, reports, rows.
const IDLE_FRAMES: std::ops::RangeInclusive<u16> = 3..=5;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Calm {
    pub(crate) has_begun: bool,
    began: Time,
    converged: Option<Time>,
    /// What happened since the last judgement that should not in a quiet world.
    noise: BTreeMap<&'static str, u64>,
    last_noise: BTreeMap<&'static str, u64>,
}

impl Calm {
    /// A frame is sent.
    pub(crate) fn frame(&mut self, bytes: &Bytes) {
        let kind = bytes.first_chunk::<2>().map_or(0, |kind| u16::from_be_bytes(*kind));
        if !IDLE_FRAMES.contains(&kind) {
            self.make_noise("frames");
        }
    }

    /// A stream is opened.
    pub(crate) fn stream(&mut self) {
        self.make_noise("streams");
    }

    /// A job was run.
    pub(crate) fn job(&mut self, result: &Result<Done, JobError>) {
        let what = match result {
            // The state is written now and then.
            Ok(Done::Persist) => return,
            Ok(Done::Observe(observed)) if observed.changes == 0 => return,
            Ok(Done::Observe(_)) => "changes",
            Ok(Done::Plan(_)) => "plans",
            Ok(Done::Apply(_)) => "applies",
            Ok(_) => "other jobs",
            Err(_) => "failed jobs",
        };
        self.make_noise(what);
    }

    fn make_noise(&mut self, what: &'static str) {
        if self.converged.is_some() {
            *self.noise.entry(what).or_default() += 1;
        }
    }
}

impl World {
    /// Faults and users end; everything is mended and started.
    pub(crate) fn become_calm(&mut self) {
        self.calm.has_begun = true;
        self.calm.began = self.now();
        self.network.heal();
        self.bring_docroot_back();
        for host in 0..self.hosts.len() {
            self.give_room(host);
            self.watcher_recovers(host);
            if self.plan.is_on("links") {
                // No watcher sees that a file changes under its other names: that is what the
                // hourly scan is for, which comes now.
                self.watcher_says_lost(host);
            }
            self.hosts[host].watcher.doubles = false;
            let open: Vec<u64> = self.hosts[host].held.iter().map(|held| held.number).collect();
            for number in open {
                self.go_on_writing(host, number);
            }
            if let Some(disk) = &self.hosts[host].disk {
                disk.plan_crash(crate::disk::CrashPlan::BeforePrimitive(u64::MAX));
            }
            if !self.hosts[host].is_up() {
                self.restart_later(host, SECOND / 2);
            }
        }
        self.schedule.put(self.now() + SECOND, Happening::Judge);
    }

    /// Is everything in line, and quiet?
    pub(crate) fn judge(&mut self) {
        let pending = self.pending();
        let now = self.now();
        if pending.is_empty() {
            let since = *self.calm.converged.get_or_insert(now);
            if now >= since + QUIET {
                if self.calm.noise.is_empty() {
                    return self.hold();
                }
                self.calm.converged = None;
                self.calm.last_noise = std::mem::take(&mut self.calm.noise);
            }
        } else {
            self.calm.converged = None;
            self.calm.last_noise = std::mem::take(&mut self.calm.noise);
            self.confirm_holds();
        }
        // What converged in time may take its time to show that it is quiet.
        let is_late = self.calm.converged.is_none() || now > self.calm.began + BOUND + 5 * QUIET;
        if now > self.calm.began + BOUND && is_late {
            let mut pending = pending;
            if pending.is_empty() {
                pending.push(format!("it does not go quiet: {:?}", self.calm.last_noise));
            }
            self.verdict = Some(Verdict::NoConvergence { pending });
            return;
        }
        self.schedule.put(now + 250 * MILLISECOND, Happening::Judge);
    }

    fn hold(&mut self) {
        for host in 0..self.hosts.len() {
            self.check_picture(host);
        }
        self.check_kept();
        self.statistics.converged_after = self.now() - self.calm.began;
        self.collect_violations();
        if self.verdict.is_none() {
            self.verdict = Some(Verdict::Held);
        }
    }

    /// An operator does what the errors and holds ask for.
    fn confirm_holds(&mut self) {
        for host in 0..self.hosts.len() {
            let errors = self.view(host).map(|view| view.node.errors).unwrap_or_default();
            for error in errors.iter().filter(|error| error.reason.contains("nobody")) {
                // Nobody has it: somebody writes it anew.
                if let Some(disk) = &self.hosts[host].disk {
                    self.set_clock(host);
                    let path = raw_path(error);
                    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
                    for (end, _) in ends {
                        let _ = disk.user_mkdir(&path[..end]);
                    }
                    if disk.user_write(&path, b"anew").is_err() {
                        let _ = disk.user_remove(&path);
                        let _ = disk.user_write(&path, b"anew");
                    }
                }
                self.collect_hints(host);
            }
            for error in errors.iter().filter(|error| error.reason.contains("not mirrored")) {
                if let Some(disk) = &self.hosts[host].disk {
                    let _ = disk.user_remove(raw_path(error));
                }
                self.collect_hints(host);
            }
            // A power cut tore it behind an unchanged stat while the origin's daemon was away: only
            // who wants it finds out.
            for error in errors.iter().filter(|error| error.reason.contains("not what it should")) {
                if let Some(disk) = &self.hosts[0].disk {
                    self.set_clock(0);
                    let _ = disk.user_write(raw_path(error), b"anew");
                }
                self.collect_hints(0);
            }
            let held = self.view(host).is_some_and(|view| view.node.held.is_some());
            if held {
                self.statistics.confirmed += 1;
                self.ask(host, Command::Confirm { list: false }, Asked::Other);
            }
        }
    }

    /// What keeps the world from being in line, for people.
    fn pending(&self) -> Vec<String> {
        let mut pending = Vec::new();
        for host in 0..self.hosts.len() {
            let own = &self.hosts[host];
            if own.is_removed {
                continue;
            }
            let Some(view) = self.view(host) else {
                let what = if own.is_up() { "is not a member yet" } else { "is down" };
                pending.push(format!("host {host} {what}"));
                continue;
            };
            let node = view.node;
            if !node.in_sync || !node.fresh || !node.errors.is_empty() {
                pending.push(format!(
                    "host {host} ({}): in_sync {} fresh {} seq {:?} of {:?} root {:?} of {:?} \
                     errors {:?} held {:?} jobs {} queues {}/{} open {:?} warnings {:?}",
                    node.activity,
                    node.in_sync,
                    node.fresh,
                    node.seq,
                    node.newest_seq,
                    node.root.map(|root| root[..8].to_string()),
                    node.newest_root.map(|root| root[..8].to_string()),
                    node.errors.first(),
                    node.held,
                    own.jobs,
                    own.tree.waiting.len(),
                    own.stage.waiting.len(),
                    node.open_for_writing.first(),
                    node.warnings,
                ));
            } else if let Some(difference) = self.differs(host) {
                pending.push(format!("host {host}: {difference}"));
            }
        }
        pending
    }

    /// How a docroot differs from the newest published tree. A head that an origin signed right
    /// before it lost power may have reached nobody: it goes on from the one it knows.
    fn differs(&self, host: HostId) -> Option<String> {
        let ledger = self.ledger.borrow();
        let known = self.view(0).and_then(|view| view.node.newest_seq);
        let stands = |seq: u64| !ledger.origin_repairs || known.is_none_or(|known| seq <= known);
        let Some(head) = ledger.heads.iter().rev().find(|head| stands(head.seq)) else {
            return Some("nothing is published".into());
        };
        let shown = listing_of(self.hosts[host].disk.as_ref()?);
        first_difference(&head.tree, &shown, |_| false)
    }
}
