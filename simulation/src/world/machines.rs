//! Machines start, stop and crash.

use std::cell::RefCell;
use std::rc::Rc;

use mirrormesh::core::{Node, Settings, Setup, StopReason};
use mirrormesh::store::{Durability, recover};
use mirrormesh_gossip::Wall;

use super::{BEGINNING, Happening, World};
use crate::disk::{Policy, SimDisk};
use crate::host::Program;
use crate::network::HostId;
use crate::outcome::Verdict;
use crate::schedule::{MILLISECOND, SECOND, Time};

impl World {
    /// The checkers watch a disk, and users edit in the middle of jobs.
    pub(crate) fn attach(&self, host: HostId, disk: &SimDisk) {
        let ledger = Rc::clone(&self.ledger);
        disk.on_visible_change(move |changes, disk| {
            ledger.borrow_mut().changed(host, changes, disk)
        });
        if !self.plan.is_on("edits-in-jobs") {
            return;
        }
        let edits_here = host == 0 || self.plan.is_on("local-edits");
        if !edits_here {
            return;
        }
        let (users, draws) = (Rc::clone(&self.users), self.draws);
        let boot = disk.boot();
        let until = BEGINNING + self.plan.duration as i64;
        let busy = RefCell::new(());
        disk.before_primitive(move |_, primitives, disk| {
            let mut draw = draws.of_pair("edit-in-job", host as u64, boot, primitives);
            let now = disk.now().seconds.saturating_mul(1_000_000_000);
            if !draw.one_in(400) || now > until || now < BEGINNING + SECOND as i64 {
                return;
            }
            let Ok(_busy) = busy.try_borrow_mut() else { return };
            if let Ok(mut users) = users.try_borrow_mut() {
                // Time goes on within a job.
                let mut now = disk.now();
                now.nanoseconds =
                    (now.nanoseconds + 1_000 + draw.below(1_000_000) as u32).min(999_999_999);
                disk.set_clock(now);
                users.edit(host, disk);
            }
        });
    }

    /// A machine starts, and the program on it.
    pub(crate) fn start(&mut self, host: HostId) {
        self.hosts[host].starts_at = None;
        if self.hosts[host].is_up() || self.hosts[host].is_removed {
            return;
        }
        if host == 0 && self.ledger.borrow().is_away && self.hosts[0].disk.is_none() {
            // A machine that boots has its docroot.
            self.switch_on(0);
            self.bring_docroot_back();
        }
        if host == 0 && self.ledger.borrow().is_away {
            // No program starts without a docroot.
            return self.restart_later(host, SECOND);
        }
        self.switch_on(host);
        self.set_clock(host);
        if !self.hosts[host].is_full {
            self.give_room(host);
        }
        let life = self.hosts[host].life;
        if !self.hosts[host].is_member {
            if self.begin_joining(host) {
                self.network.started(life, false);
                self.schedule.put(self.now(), Happening::Join(life));
            }
            return;
        }
        let Some(disk) = self.hosts[host].disk.clone() else { return };
        if self.hosts[host].boot.0 != disk.boot() {
            // Time stamps of files are as coarse as this at most.
            let wall = self.moment(host).wall.0;
            self.hosts[host].boot = (disk.boot(), wall - wall.rem_euclid(SECOND as i64));
        }
        if self.plan.is_on("job-crash") {
            let mut draw = self.draws.of_pair("crash-in-recovery", host as u64, life.number, 0);
            if draw.one_in(6) && !self.calm.has_begun {
                disk.plan_crash(crate::disk::CrashPlan::BeforePrimitive(draw.below(60)));
                let policy = if host == 0 { Policy::Killed } else { Policy::Hostile };
                self.hosts[host].crash_plan = Some((policy, SECOND));
            }
        }
        let recovered = recover(&disk);
        if disk.is_crashed() {
            return self.crashed_in_job(host);
        }
        self.statistics.starts += 1;
        let recovered = match recovered {
            Ok(recovered) => recovered,
            Err(error) if self.hosts[host].is_full => {
                self.trace.remark(|| format!("no start on a full disk: {error}"));
                return self.restart_later(host, SECOND);
            }
            Err(error) => {
                let text = format!("host {host} cannot start: {error}");
                self.verdict = Some(Verdict::violated("starts again", text));
                return;
            }
        };
        let mut effects = Vec::new();
        let setup = self.setup(host, &disk);
        let entropy = self.entropy(life);
        match Node::new(setup, recovered, entropy, self.moment(host), &mut effects) {
            Ok(node) => {
                if host == 0 {
                    let durable = node.view(self.moment(0)).node.newest_seq.unwrap_or(0);
                    self.ledger.borrow_mut().started(durable);
                }
                self.hosts[host].program = Program::Running(Box::new(node));
                self.network.started(life, true);
                self.perform(life, effects);
            }
            Err(error) => {
                let text = format!("host {host} does not start: {error}");
                self.verdict = Some(Verdict::violated("starts again", text));
            }
        }
    }

    fn switch_on(&mut self, host: HostId) {
        if let Some(image) = self.hosts[host].image.take() {
            let disk = image.reopen();
            self.ledger.borrow_mut().reopened(host, &disk);
            self.attach(host, &disk);
            self.hosts[host].disk = Some(disk);
        }
    }

    fn setup(&self, host: HostId, disk: &SimDisk) -> Setup {
        let own = &self.hosts[host];
        Setup {
            secret: own.secret.clone(),
            docroot: format!("/srv/{}", own.name),
            addresses: vec![own.address()],
            settings: Settings { durability: Durability::Durable, keep_bytes: 1 << 40 },
            boot: format!("boot-{}", disk.boot()),
            boot_wall: Wall(own.boot.1),
        }
    }

    /// The program ends now: in the middle of whatever it does.
    pub(crate) fn crash(&mut self, host: HostId, policy: Policy, down: Time) {
        let Some(disk) = self.hosts[host].disk.take() else { return };
        let life = self.hosts[host].life;
        let seed = self.draws.of_pair("image", host as u64, life.number, 0).next();
        self.network.ended(host, false);
        self.hosts[host].forget_life();
        self.statistics.crashes += 1;
        let image = disk.crash(policy, seed);
        let hits = image.hits();
        self.statistics.crashes_with_pending += u64::from(hits.hit_pending());
        self.statistics.crashes_with_losses += u64::from(hits.lost_anything());
        self.trace.remark(|| format!("host {host} crashes: {policy:?} {hits:?}"));
        if policy == Policy::Killed {
            // What was not durable after such a leap looks like what a rolled back disk forgot.
            let leapt = std::mem::take(&mut self.hosts[host].clock_leapt);
            self.ledger.borrow_mut().origin_repairs |= host == 0 && leapt;
            // The machine goes on, and its users.
            self.hosts[host].image = Some(image);
            self.switch_on(host);
        } else {
            if host == 0 {
                let mut ledger = self.ledger.borrow_mut();
                ledger.origin_repairs = true;
                // What was written to what lay elsewhere for a while nobody saw.
                ledger.is_cut = !ledger.is_away;
            }
            // Users lose what was not durable, and are not owed it.
            let contents = self.contents_on(&image.tree_of_docroot(), &image.tree_of_work());
            let mut ledger = self.ledger.borrow_mut();
            ledger.owed.retain(|owed| owed.host != host || contents.contains(&owed.content));
            drop(ledger);
            self.hosts[host].image = Some(image);
        }
        self.hosts[host].held.clear();
        let off = if policy == Policy::Killed { down } else { down.max(2 * SECOND) };
        self.restart_later(host, off);
    }

    /// A planned crash has struck in a job.
    pub(crate) fn crashed_in_job(&mut self, host: HostId) {
        let (policy, down) = self.hosts[host].crash_plan.take().unwrap_or((Policy::Killed, SECOND));
        self.statistics.crashes_in_jobs += 1;
        *self.statistics.faults.entry("job-crash").or_default() += 1;
        self.crash(host, policy, down);
    }

    pub(crate) fn restart_later(&mut self, host: HostId, down: Time) {
        let at = self.now() + down.max(MILLISECOND);
        let own = &mut self.hosts[host];
        if !own.is_removed && own.starts_at.is_none_or(|planned| planned > at) {
            own.starts_at = Some(at);
            self.schedule.put(at, Happening::Start(host));
        }
    }

    /// The program has stopped by itself.
    pub(crate) fn stopped(&mut self, host: HostId, reason: StopReason) {
        self.trace.remark(|| format!("host {host} has stopped: {reason:?}"));
        self.network.ended(host, true);
        let Some(disk) = self.hosts[host].disk.take() else { return };
        self.hosts[host].forget_life();
        self.hosts[host].image = Some(disk.crash(Policy::Killed, 0));
        self.hosts[host].held.clear();
        self.switch_on(host);
        match reason {
            StopReason::Removed => self.hosts[host].is_removed = true,
            StopReason::Broken(_) => {
                self.statistics.broken += 1;
                self.restart_later(host, SECOND);
            }
            StopReason::Asked => self.restart_later(host, SECOND),
        }
    }

    /// The system writes back.
    pub(crate) fn write_back(&mut self, host: HostId) {
        if let Some(disk) = &self.hosts[host].disk {
            disk.write_back();
        }
        let number = self.now();
        let mut draw = self.draws.of_pair("write-back", host as u64, number, 0);
        self.schedule.put(number + draw.between(SECOND, 20 * SECOND), Happening::WriteBack(host));
    }
}
