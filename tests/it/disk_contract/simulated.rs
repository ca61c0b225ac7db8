//! The contract on the simulated disk, and on ones that lack something.

use mirrormesh_simulation::disk::{Listing, Options, Policy, SimDisk, WorkPlace};

use super::User;

struct SimUser(SimDisk);

impl User for SimUser {
    fn write(&self, path: &str, bytes: &[u8]) {
        // Time passes between what users do.
        let mut now = self.0.now();
        now.seconds += 1;
        self.0.set_clock(now);
        self.0.user_write(path, bytes).expect("write");
    }

    fn replace(&self, path: &str, bytes: &[u8]) {
        self.0.user_replace(path, bytes).expect("replace");
    }

    fn make_fifo(&self, path: &str) {
        self.0.user_mkfifo(path).expect("make");
    }

    fn link(&self, old: &str, new: &str) {
        self.0.user_link(old, new).expect("link");
    }

    fn open<'a>(&'a self, path: &str) -> Box<dyn FnOnce() + 'a> {
        let file = self.0.user_open(path).expect("open");
        Box::new(move || self.0.user_close(file))
    }

    fn switch_docroot(&self) {
        self.0.docroot_vanishes().expect("vanish");
        self.0.docroot_appears().expect("appear");
    }
}

fn run(options: Options) {
    let disk = SimDisk::new(options);
    super::contract(&disk, &SimUser(disk.clone()));
    assert_eq!(disk.open_handles(), 0, "every handle was given back");
}

#[test]
fn a_capable_simulated_disk_keeps_the_contract() {
    run(Options::default());
}

#[test]
fn simulated_disks_that_lack_something_keep_the_contract() {
    for seed in 0..40 {
        run(Options { work: WorkPlace::Beside, ..Options::draw(seed) });
    }
    run(Options { listing: Listing::Shuffled, short_reads: true, ..Options::default() });
}

#[test]
fn the_simulated_ordered_store_keeps_a_prefix() {
    for seed in 0..20 {
        let mut crashes = 0;
        super::ordered_store::restarts(SimDisk::new(Options::default()), &mut |disk| {
            crashes += 1;
            disk.crash(Policy::ALL[(seed % 5) as usize], seed + 100 * crashes).reopen()
        });
    }
}
