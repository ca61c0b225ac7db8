//! The load: users on the origin, and now and then on replicas.

use super::{Happening, World};
use crate::host::Held;
use crate::network::HostId;
use crate::schedule::{MILLISECOND, SECOND};
use crate::users::bytes_of;

impl World {
    /// What a docroot holds before the program ever ran.
    pub(crate) fn fill_docroot(&mut self, host: HostId) {
        let Some(disk) = self.hosts[host].disk.clone() else { return };
        let mut draw = self.draws.of("filling", host as u64);
        let is_filled = host == 0 && draw.one_in(2) || self.plan.is_on("adoption");
        if is_filled {
            for index in 0..draw.spread(1, 60) {
                let _ = disk.user_mkdir("blog");
                let path = match draw.one_in(2) {
                    true => format!("f{}.html", index % 30),
                    false => format!("blog/f{index}.css"),
                };
                // Some of it is what the origin has too.
                let number = if draw.one_in(2) { index } else { index + 1_000 * host as u64 };
                let _ = disk.user_write(path, &bytes_of(1 << 40 | number, 10 + number % 3_000));
            }
        }
        disk.write_back();
    }

    /// A user edits on the origin.
    pub(crate) fn edit(&mut self) {
        if self.calm.has_begun {
            return;
        }
        let number = self.statistics.turns;
        self.statistics.turns += 1;
        let mut draw = self.draws.of("turn", number);
        if self.ledger.borrow().is_away {
            self.schedule.put(self.now() + SECOND, Happening::Edit);
            return;
        }
        if let Some(disk) = self.hosts[0].disk.clone() {
            self.set_clock(0);
            // Users come in bursts.
            let count = if draw.one_in(8) { draw.spread(1, 12) } else { 1 };
            for _ in 0..count {
                self.users.borrow_mut().edit(0, &disk);
            }
            self.collect_hints(0);
        }
        let pause = 1_000 * SECOND / self.plan.pace;
        self.schedule.put(self.now() + draw.between(pause / 8, 2 * pause), Happening::Edit);
    }

    /// A user edits on a replica.
    pub(crate) fn edit_locally(&mut self) {
        if self.calm.has_begun {
            return;
        }
        let number = self.statistics.turns;
        self.statistics.turns += 1;
        let mut draw = self.draws.of("local-turn", number);
        let host = 1 + draw.below(self.hosts.len() as u64 - 1) as usize;
        if let Some(disk) = self.hosts[host].disk.clone() {
            self.set_clock(host);
            self.users.borrow_mut().edit(host, &disk);
            self.statistics.local_edits += 1;
            if draw.one_in(2) {
                disk.write_back();
            }
            self.collect_hints(host);
            self.check(host);
        }
        let pause = draw.spread(SECOND / 4, 5 * SECOND);
        self.schedule.put(self.now() + pause, Happening::LocalEdit);
    }

    /// A user opens a file for writing on the origin.
    pub(crate) fn open_file(&mut self) {
        if self.calm.has_begun {
            return;
        }
        let number = self.statistics.opened;
        self.statistics.opened += 1;
        let mut draw = self.draws.of("opens", number);
        if let Some(disk) = self.hosts[0].disk.clone() {
            self.set_clock(0);
            let opened = self.users.borrow_mut().open(0, &disk, number);
            if let Some((file, path)) = opened {
                let writes_left = draw.below(6);
                self.hosts[0].waits.values_mut().for_each(|wait| wait.open.push(path.clone()));
                self.hosts[0].held.push(Held { file, path, number, written: 0, writes_left });
                self.go_on_later(0, number, 0);
            }
            self.collect_hints(0);
        }
        let pause = draw.spread(SECOND / 4, 8 * SECOND);
        self.schedule.put(self.now() + pause, Happening::Open);
    }

    fn go_on_later(&mut self, host: HostId, number: u64, step: u64) {
        let mut draw = self.draws.of_pair("held", number, step, 0);
        let pause = draw.spread(MILLISECOND, 6 * SECOND);
        self.schedule.put(self.now() + pause, Happening::Held(host, number));
    }

    /// A user goes on with an open file, or closes it.
    pub(crate) fn go_on_writing(&mut self, host: HostId, number: u64) {
        let Some(disk) = self.hosts[host].disk.clone() else { return };
        let Some(at) = self.hosts[host].held.iter().position(|held| held.number == number) else {
            return;
        };
        self.set_clock(host);
        let held = &mut self.hosts[host].held[at];
        if held.writes_left == 0 || self.calm.has_begun {
            let held = self.hosts[host].held.remove(at);
            disk.user_close(held.file);
        } else {
            held.writes_left -= 1;
            held.written += 1;
            let bytes = bytes_of(number << 20 | 1 << 50 | held.written, 500);
            let offset = (held.written - 1) * 300;
            let _ = disk.user_write_open(&held.file, offset, &bytes);
            let step = held.written;
            self.go_on_later(host, number, step);
        }
        self.collect_hints(host);
    }
}
