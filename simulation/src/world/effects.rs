//! Carries out what a node wants done.

use mirrormesh::core::{Answer, CommandId, Effect, Event, Note};
use mirrormesh::store::Lane;

use super::{Happening, World};
use crate::host::{Watch, host_at};
use crate::network::Life;
use crate::schedule::{MILLISECOND, SECOND};

/// Most effects of one event: more is a node that does not bound its work.
const MAX_EFFECTS: usize = 4_096;
/// Most hints that the watcher gives at once.
const MAX_HINTS: usize = mirrormesh::core::MAX_HINTS;

impl World {
    /// Carries out the effects of one event, in order.
    pub(crate) fn perform(&mut self, life: Life, effects: Vec<Effect>) {
        let host = life.host;
        if effects.len() > MAX_EFFECTS {
            self.violated("bounds", format!("{} effects of one event", effects.len()));
        }
        let mut stopped = None;
        for effect in effects {
            self.trace.effect(host, &effect);
            if stopped.is_some() {
                self.violated("the dead do nothing", format!("{effect:?} after the stop"));
            }
            match effect {
                Effect::Dial { peer, addresses } => self.dial(life, peer, &addresses),
                Effect::Close { connection, reason } => self.network.close(connection, reason),
                Effect::Frame { connection, bytes } => {
                    self.calm.frame(&bytes);
                    self.network.frame(connection, bytes);
                }
                // Memory of connections is not modelled: members and strangers cost the same.
                Effect::Admit { .. } | Effect::EndJobs => {}
                Effect::GrantFrames { connection, frames } => {
                    self.network.grant_frames(connection, frames);
                }
                Effect::Open { stream, connection, request } => {
                    self.calm.stream();
                    self.network.open(host, stream, connection, request);
                }
                Effect::Grant { stream, bytes } => self.network.grant(host, stream, bytes),
                Effect::Write { stream, bytes } => self.network.write(host, stream, bytes),
                Effect::Finish { stream } => self.network.finish(host, stream),
                Effect::Reset { stream } => self.network.reset(host, stream),
                Effect::Job { id, job } => {
                    self.check_job(&job);
                    self.hosts[host].jobs += 1;
                    match job.lane() {
                        Lane::Tree => self.enqueue(life, true, id, job),
                        Lane::Stage => self.enqueue(life, false, id, job),
                        Lane::Read => self.read_soon(life, id, job),
                    }
                }
                Effect::Barrier(barrier) => {
                    self.hosts[host].watcher.queue.push_back(Watch::Barrier(barrier));
                    self.watch_soon(life);
                }
                Effect::Answer { id, answer, last } => self.answered(life, id, answer, last),
                Effect::Note(note) => self.noted(life, note),
                Effect::Stop(reason) => stopped = Some(reason),
            }
        }
        match stopped {
            Some(reason) => self.stopped(host, reason),
            None => {
                self.schedule_tick(life);
                self.check(host);
            }
        }
    }

    fn dial(&mut self, life: Life, peer: mirrormesh_gossip::NodeId, addresses: &[String]) {
        let to = addresses
            .iter()
            .filter_map(|address| host_at(address))
            .find(|&to| self.hosts.get(to).is_some_and(|host| host.secret.public() == peer));
        self.statistics.dials += 1;
        let fails = self.plan.is_on("dial")
            && !self.calm.has_begun
            && self.draws.of("dial-fails", self.statistics.dials).one_in(4);
        self.network.dial(life, to, peer, fails);
    }

    /// The node's deadline, once.
    pub(crate) fn schedule_tick(&mut self, life: Life) {
        let base = self.moment(life.host).now.0 - self.now();
        let own = &mut self.hosts[life.host];
        let Some(deadline) = own.node().and_then(|node| node.deadline()) else { return };
        let at = deadline.0.saturating_sub(base).max(self.schedule.now());
        if own.tick_at.is_none_or(|planned| planned > at) {
            own.tick_at = Some(at);
            self.schedule.put(at, Happening::Tick(life));
        }
    }

    pub(crate) fn tick(&mut self, life: Life) {
        if self.hosts[life.host].life != life {
            return;
        }
        let now = self.moment(life.host).now;
        let own = &mut self.hosts[life.host];
        if own.tick_at.is_some_and(|at| at > self.schedule.now()) {
            return;
        }
        own.tick_at = None;
        let Some(deadline) = own.node().and_then(|node| node.deadline()) else { return };
        if deadline <= now {
            self.statistics.ticks += 1;
            self.tell(life, Event::Tick);
        } else {
            self.schedule_tick(life);
        }
    }

    // ------------------------------------------------------------------ the watcher

    /// Takes the hints that a disk has caused, as far as they are not lost.
    pub(crate) fn collect_hints(&mut self, host: usize) {
        let Some(disk) = self.hosts[host].disk.clone() else { return };
        let hints = disk.take_hints();
        if hints.is_empty() || self.hosts[host].node().is_none() {
            return;
        }
        let watcher = &mut self.hosts[host].watcher;
        if watcher.loses {
            watcher.missed = true;
            self.statistics.hints_lost += hints.len() as u64;
            return;
        }
        self.statistics.hints += hints.len() as u64;
        for hint in hints {
            if watcher.doubles {
                watcher.queue.push_front(Watch::Hint(hint.clone()));
                self.statistics.hints_doubled += 1;
            }
            watcher.queue.push_back(Watch::Hint(hint));
        }
        self.watch_soon(self.hosts[host].life);
    }

    pub(crate) fn watch_soon(&mut self, life: Life) {
        let watcher = &mut self.hosts[life.host].watcher;
        if !watcher.is_scheduled {
            watcher.is_scheduled = true;
            let now = self.now();
            let wait =
                self.draws.of_pair("watch", life.host as u64, now, 0).below(20 * MILLISECOND);
            self.schedule.put(now + wait, Happening::Watch(life));
        }
    }

    /// The watcher hands over what it has, up to the next barrier.
    pub(crate) fn watcher_speaks(&mut self, life: Life) {
        if self.hosts[life.host].life != life {
            return;
        }
        let watcher = &mut self.hosts[life.host].watcher;
        watcher.is_scheduled = false;
        let mut hints = Vec::new();
        while hints.len() < MAX_HINTS
            && let Some(Watch::Hint(_)) = watcher.queue.front()
            && let Some(Watch::Hint(hint)) = watcher.queue.pop_front()
        {
            hints.push(hint);
        }
        let event = if hints.is_empty() {
            match watcher.queue.pop_front() {
                Some(Watch::Barrier(barrier)) => {
                    Some(Event::Barrier { barrier, covered: !watcher.missed })
                }
                _ => None,
            }
        } else {
            Some(Event::Hints(hints))
        };
        if !self.hosts[life.host].watcher.queue.is_empty() {
            self.watch_soon(life);
        }
        if let Some(event) = event {
            self.tell(life, event);
        }
    }

    // ------------------------------------------------------------------ notes

    fn noted(&mut self, life: Life, note: Note) {
        *self.statistics.notes.entry(note.name()).or_default() += 1;
        match note {
            Note::Published { seq, root, .. } => self.published(life.host, seq, root),
            Note::InSync { seq, root } => self.came_in_sync(life.host, seq, root),
            Note::Applied { files, .. } => {
                self.statistics.parcels += 1;
                self.statistics.applied_files += files;
            }
            // What a member fails to bring in line does not hold a wait up.
            Note::PathFailed { path, .. } => {
                let path = path.as_bytes().to_vec();
                self.hosts[0].waits.values_mut().for_each(|wait| wait.open.push(path.clone()));
            }
            _ => {}
        }
    }

    fn answered(&mut self, life: Life, id: CommandId, answer: Answer, last: bool) {
        self.operator_hears(life, id, answer, last);
    }
}

/// A pause before something is done that takes no time worth naming.
pub(crate) const SOON: u64 = SECOND / 10_000;
