//! Faults begin and end.

use mirrormesh::core::{Command, Hint, HintKind};
use mirrormesh::store::DiskErrorKind;
use mirrormesh_merkle::Path;

use super::operators::Asked;
use super::{Happening, SECOND, World};
use crate::disk::{CrashPlan, FailedSync};
use crate::host::Watch;
use crate::network::HostId;
use crate::plan::Action;

impl World {
    pub(crate) fn begin_fault(&mut self, index: usize) {
        if self.calm.has_begun {
            return;
        }
        let step = self.plan.steps[index].clone();
        self.trace.remark(|| format!("fault: {step:?}"));
        let mut ends = true;
        let hits = match step.action {
            Action::Crash { host, policy } => {
                ends = false;
                let is_up = self.hosts[host].is_up();
                if is_up {
                    self.crash(host, policy, step.lasts);
                }
                is_up
            }
            Action::CrashInJob { host, policy, primitives } => {
                ends = false;
                self.hosts[host].crash_plan = Some((policy, step.lasts));
                if let Some(disk) = &self.hosts[host].disk {
                    disk.plan_crash(CrashPlan::BeforePrimitive(primitives));
                }
                // It counts when it strikes.
                false
            }
            Action::Stop { host } => {
                ends = false;
                self.ask(host, Command::Stop, Asked::Other).is_some()
            }
            Action::Cut { links } => {
                links.iter().for_each(|&(from, to)| self.network.set_link(from, to, false));
                true
            }
            Action::Spike { from, to, extra } => {
                self.network.set_spike(from, to, extra);
                true
            }
            Action::Hints { host, doubled } => {
                let watcher = &mut self.hosts[host].watcher;
                if doubled {
                    watcher.doubles = true
                } else {
                    watcher.loses = true
                }
                true
            }
            Action::Clock { host, by } => {
                ends = false;
                self.hosts[host].clock_error += by;
                self.hosts[host].clock_leapt |= by > 60 * SECOND as i64;
                true
            }
            Action::Full { host, bytes } => {
                self.hosts[host].is_full = true;
                if let Some(disk) = &self.hosts[host].disk {
                    disk.leave_room(bytes, bytes / 64);
                }
                true
            }
            Action::FailSync { host, looks_clean } => {
                ends = false;
                let how = if looks_clean { FailedSync::LooksClean } else { FailedSync::Vanishes };
                if let Some(disk) = &self.hosts[host].disk {
                    disk.fail_next_sync(DiskErrorKind::Failed, how);
                }
                self.hosts[host].disk.is_some()
            }
            Action::Vanish { mount } => {
                let is_up = self.hosts[0].is_up() && !self.ledger.borrow().is_away;
                ends = is_up;
                is_up && self.take_docroot_away(mount)
            }
            Action::Remove { host } => {
                ends = false;
                let name = self.hosts[host].name.clone();
                let is_member = self.hosts[host].is_member;
                // Whoever is removed before it knows that it is in, never gets in.
                is_member && self.ask(0, Command::Remove { node: name }, Asked::Other).is_some()
            }
        };
        *self.statistics.faults.entry(step.kind).or_default() += u64::from(hits);
        if ends {
            self.schedule.put(self.now() + step.lasts, Happening::FaultOver(index));
        }
    }

    pub(crate) fn end_fault(&mut self, index: usize) {
        let step = self.plan.steps[index].clone();
        match step.action {
            Action::Cut { links } => {
                links.iter().for_each(|&(from, to)| self.network.set_link(from, to, true));
            }
            Action::Spike { from, to, .. } => self.network.set_spike(from, to, 0),
            Action::Hints { host, doubled: true } => self.hosts[host].watcher.doubles = false,
            Action::Hints { host, doubled: false } => self.watcher_recovers(host),
            Action::Full { host, .. } => self.give_room(host),
            Action::Vanish { .. } => self.bring_docroot_back(),
            _ => {}
        }
    }

    /// Nobody edits meanwhile, and nothing of what is not there may be published.
    fn take_docroot_away(&mut self, mount: bool) -> bool {
        let Some(disk) = self.hosts[0].disk.clone() else { return false };
        self.ledger.borrow_mut().is_away = true;
        let done = match mount {
            true => disk.mount_over_docroot(),
            false => disk.docroot_vanishes(),
        };
        if done.is_err() {
            self.ledger.borrow_mut().is_away = false;
        }
        self.collect_hints(0);
        done.is_ok()
    }

    pub(crate) fn bring_docroot_back(&mut self) {
        if !self.ledger.borrow().is_away {
            return;
        }
        if let Some(disk) = self.hosts[0].disk.clone() {
            // A power cut takes mounts along; what was not renamed away is not renamed back.
            if disk.docroot_returns().is_err() {
                let _ = disk.unmount_docroot();
            }
            let mut ledger = self.ledger.borrow_mut();
            ledger.is_away = false;
            ledger.reopened(0, &disk);
            drop(ledger);
            self.collect_hints(0);
        }
    }

    /// The watcher loses nothing more, and says that it did.
    pub(crate) fn watcher_recovers(&mut self, host: HostId) {
        self.collect_hints(host);
        let watcher = &mut self.hosts[host].watcher;
        watcher.loses = false;
        if std::mem::take(&mut watcher.missed) {
            *self.statistics.faults.entry("overflow").or_default() += 1;
            self.watcher_says_lost(host);
        }
    }

    pub(crate) fn watcher_says_lost(&mut self, host: HostId) {
        let hint = Hint { path: Path::root(), kind: HintKind::Lost };
        self.hosts[host].watcher.queue.push_back(Watch::Hint(hint));
        self.watch_soon(self.hosts[host].life);
    }

    pub(crate) fn give_room(&mut self, host: HostId) {
        self.hosts[host].is_full = false;
        if let Some(disk) = &self.hosts[host].disk {
            disk.leave_room(1 << 40, 1 << 32);
        }
    }
}
