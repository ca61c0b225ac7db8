//! A disk that exists in memory only, forgets what was not synced, and fails when told to.
//!
//! [`SimDisk`] is one machine's storage: a file system with a docroot and a work directory, and an
//! ordered store. It implements [`mirrormesh::store::Disk`] for the program under test; local
//! users edit the same files (`user_*`); tests and the world set the clock, plan faults and
//! crashes, and look. A crash leaves an [`Image`], of which [`Image::reopen`] makes the disk of the
//! next boot.
//!
//! Files and names that changed stay *pending* until a sync, and a crash may keep or lose them in
//! any combination that the syncs and a sane file system permit: see `pending.rs`. Sectors of 4096
//! bytes survive independently, sizes and times without data, names without either.
//!
//! The same options, seed and calls give the same results: no clock, no entropy, no threads, no
//! order that depends on addresses. Cloning a [`SimDisk`] shares the machine.

mod access;
mod content;
mod control;
mod crash;
mod draw;
mod each_crash;
mod faults;
mod handles;
mod images;
mod names;
mod options;
mod pending;
mod places;
mod primitives;
mod seen;
mod state;
mod tables;
mod tree;
mod users;
mod watches;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mirrormesh_merkle::Time;

pub use self::content::{Content, SECTOR};
pub use self::crash::{Hits, Policy};
pub use self::each_crash::{CrashReport, each_crash};
pub use self::faults::{CrashPlan, FailedSync};
pub use self::handles::{SimDirectory, SimFile};
pub use self::images::{Image, Images};
pub use self::options::{Listing, Options, WorkPlace};
pub use self::seen::{Actor, Seen, VisibleChange};
pub use self::users::UserFile;

use self::faults::{Faults, Process};
use self::pending::Pending;
use self::state::State;
use self::tables::OrderedStore;
use self::tree::{TOP, Tree};
use self::watches::Watches;

type Hook = Box<dyn FnMut(&'static str, u64, &SimDisk)>;
type Observer = Box<dyn FnMut(&[VisibleChange], &SimDisk)>;

#[derive(Default)]
struct Callbacks {
    hook: Option<Hook>,
    observer: Option<Observer>,
}

/// The storage of one simulated machine, for one run of the program. Cloning shares it.
#[derive(Clone)]
pub struct SimDisk {
    state: Rc<RefCell<State>>,
    callbacks: Rc<RefCell<Callbacks>>,
}

impl SimDisk {
    /// An empty docroot and an empty work directory, both durable; the clock says 2026-01-01.
    pub fn new(options: Options) -> SimDisk {
        let now = Time { seconds: 1_767_225_600, nanoseconds: 0 };
        let disk = SimDisk::with_state(State {
            options,
            live: Tree::default(),
            durable: Tree::default(),
            pending: Pending::default(),
            store: OrderedStore::default(),
            mounts: BTreeMap::new(),
            faults: Faults::default(),
            process: Process::default(),
            watches: Watches::default(),
            now,
            boot: 1,
            next_key: TOP,
            open: BTreeMap::new(),
            open_handles: 0,
            writers: BTreeMap::new(),
            unnamed: Default::default(),
            orphans: Default::default(),
            lossy: Default::default(),
            actor: Actor::User,
            operation: "new",
            is_observed: false,
            visible: Vec::new(),
        });
        let made = disk.edit("new", State::make_places);
        assert_eq!(made, Ok(()), "a disk has room for its two places");
        disk
    }

    fn on_image(image: &Image) -> SimDisk {
        SimDisk::with_state(State {
            options: image.options.clone(),
            live: image.tree.clone(),
            durable: image.tree.clone(),
            pending: Pending::after(image.last_change),
            store: OrderedStore::new(image.tables.clone()),
            mounts: image.mounts.clone(),
            faults: image.faults.clone(),
            process: Process::default(),
            watches: Watches::default(),
            now: image.now,
            boot: image.boot,
            next_key: image.next_key,
            open: BTreeMap::new(),
            open_handles: 0,
            writers: BTreeMap::new(),
            unnamed: Default::default(),
            orphans: Default::default(),
            lossy: Default::default(),
            actor: Actor::User,
            operation: "reopen",
            is_observed: false,
            visible: Vec::new(),
        })
    }

    fn with_state(state: State) -> SimDisk {
        SimDisk { state: Rc::new(RefCell::new(state)), callbacks: Rc::default() }
    }

    /// Calls the hook, which may edit files meanwhile.
    fn call_hook(&self, operation: &'static str) {
        let hook = self.callbacks.borrow_mut().hook.take();
        if let Some(mut hook) = hook {
            let primitives = self.primitives();
            hook(operation, primitives, self);
            self.callbacks.borrow_mut().hook.get_or_insert(hook);
        }
    }

    /// Tells the observer what became visible, also by what it does itself.
    fn tell_visible_changes(&self) {
        let observer = match self.state.borrow().visible.is_empty() {
            true => None,
            false => self.callbacks.borrow_mut().observer.take(),
        };
        let Some(mut observer) = observer else { return };
        loop {
            let groups = std::mem::take(&mut self.state.borrow_mut().visible);
            if groups.is_empty() {
                break;
            }
            groups.iter().for_each(|group| observer(group, self));
        }
        self.callbacks.borrow_mut().observer.get_or_insert(observer);
    }
}
