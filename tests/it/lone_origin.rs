//! One node and its simulated disk, without network or threads: what a disk that fails now and then
//! does to looking.

use std::collections::VecDeque;
use std::time::Duration;

use mirrormesh::core::join::{Founding, found};
use mirrormesh::core::{Answer, Command, Effect, Event, Moment, Node, Settings, Setup};
use mirrormesh::core::{CommandId, WaitScope};
use mirrormesh::store::{Disk as _, DiskErrorKind, Durability, Table, recover, run};
use mirrormesh_gossip::{Entropy, Instant, SecretKey, Wall};
use mirrormesh_simulation::disk::{Options, Policy, SimDisk};

/// An origin, and what it has answered.
struct Lone {
    disk: SimDisk,
    node: Node,
    now: Instant,
    answers: Vec<Answer>,
    /// The watcher does not answer.
    is_mute: bool,
    has_stopped: bool,
}

impl Lone {
    fn new(disk: SimDisk) -> Lone {
        Lone::started(disk, |_| ())
    }

    /// One that has been started; `happens` comes before its first job.
    fn started(disk: SimDisk, happens: impl FnOnce(&SimDisk)) -> Lone {
        recover(&disk).expect("recovers");
        let secret = SecretKey::from_seed([3; 32]);
        let founding = Founding {
            name: "origin".into(),
            addresses: vec!["10.0.0.1:7440".into()],
            excludes: Vec::new(),
            wall: Wall(0),
            token_lifetime: Duration::from_secs(60),
        };
        let mut entropy = Entropy::new([5; 32]);
        let founded = found(&secret, founding, &mut entropy).expect("founds");
        disk.commit(founded.batch, true).expect("commit");
        let setup = Setup {
            secret,
            docroot: "/srv/www".into(),
            addresses: Vec::new(),
            settings: Settings { durability: Durability::Durable, keep_bytes: 1 << 30 },
            boot: "boot".into(),
            boot_wall: Wall(0),
        };
        let recovered = recover(&disk).expect("recovers");
        let moment = Moment { now: Instant::ZERO, wall: Wall(0) };
        let mut effects = Vec::new();
        let node = Node::new(setup, recovered, entropy, moment, &mut effects).expect("starts");
        let now = Instant::ZERO;
        let mut lone =
            Lone { disk, node, now, answers: Vec::new(), is_mute: false, has_stopped: false };
        happens(&lone.disk);
        lone.perform(effects);
        lone
    }

    /// Carries effects out in their order, and what follows from them.
    fn perform(&mut self, effects: Vec<Effect>) {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            let event = match effect {
                Effect::Job { id, job } => Event::Done { job: id, result: run(job, &self.disk) },
                Effect::Barrier(_) if self.is_mute => continue,
                Effect::Barrier(barrier) => {
                    let hints = self.disk.take_hints().into_iter().collect();
                    queue.extend(self.handled(Event::Hints(hints)));
                    Event::Barrier { barrier, covered: true }
                }
                Effect::Answer { answer, .. } => {
                    self.answers.push(answer);
                    continue;
                }
                Effect::Stop(_) => {
                    self.has_stopped = true;
                    continue;
                }
                _ => continue,
            };
            queue.extend(self.handled(event));
        }
    }

    fn handled(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.node.handle(Moment { now: self.now, wall: Wall(0) }, event, &mut effects);
        effects
    }

    fn tell(&mut self, event: Event) {
        let effects = self.handled(event);
        self.perform(effects);
    }

    /// Hands over the hints that wait.
    fn tell_hints(&mut self) {
        let hints = self.disk.take_hints().into_iter().collect();
        self.tell(Event::Hints(hints));
    }

    /// Goes on until the condition is met, for at most ten minutes of its own time.
    #[track_caller]
    fn until(&mut self, condition: impl Fn(&Lone) -> bool) {
        while !condition(self) {
            let next = self.node.deadline().expect("it has something to do");
            assert!(next < Instant::ZERO + Duration::from_secs(600), "it goes on for ever");
            self.now = next;
            self.tell(Event::Tick);
        }
    }

    /// Files that it holds back.
    fn held(&self) -> Option<u64> {
        let node = self.node.view(Moment { now: self.now, wall: Wall(0) }).node;
        node.held.map(|held| held.deletes)
    }

    /// Files in its tree, if that is published.
    fn published(&self) -> Option<u64> {
        let node = self.node.view(Moment { now: self.now, wall: Wall(0) }).node;
        (node.root == node.newest_root).then_some(node.files)
    }

    /// Files in its tree, once it has published one.
    fn files(&self) -> Option<u64> {
        let node = self.node.view(Moment { now: self.now, wall: Wall(0) }).node;
        node.newest_seq.map(|_| node.files)
    }
}

fn site() -> SimDisk {
    let disk = SimDisk::new(Options::default());
    for directory in ["a", "b"] {
        disk.user_mkdir(directory).unwrap();
        for number in 0..3 {
            disk.user_write(format!("{directory}/{number}"), b"page").unwrap();
        }
    }
    disk
}

#[test]
fn a_first_scan_that_fails_is_made_again() {
    for primitive in ["list", "stat", "open_file"] {
        let disk = site();
        let mut lone = Lone::started(disk, |disk| {
            disk.fail_next(primitive, DiskErrorKind::TooManyOpen);
        });
        lone.until(|lone| lone.files() == Some(6));
    }
}

#[test]
fn a_wait_goes_on_until_a_look_that_failed_is_made_again() {
    let mut lone = Lone::new(site());
    lone.until(|lone| lone.files() == Some(6));
    lone.disk.user_write("a/new", b"new").unwrap();
    lone.disk.fail_next("stat", DiskErrorKind::TooManyOpen);
    let hints = lone.disk.take_hints();
    lone.tell(Event::Hints(hints.into_iter().collect()));
    let (scope, timeout_milliseconds) = (WaitScope::Own, 60_000);
    let command = Command::Wait { scope, timeout_milliseconds };
    lone.tell(Event::Command { id: CommandId(1), command });
    lone.until(|lone| !lone.answers.is_empty());
    assert!(matches!(lone.answers[..], [Answer::Waited { .. }]), "{:?}", lone.answers);
    assert_eq!(lone.files(), Some(7), "it has seen what was there before");
}

/// What a power cut leaves of an origin that has published and was stopped.
fn cut_after_a_stop(happens: impl FnOnce(&SimDisk)) -> SimDisk {
    let mut lone = Lone::new(site());
    lone.until(|lone| lone.published() == Some(6));
    happens(&lone.disk);
    lone.tell(Event::Command { id: CommandId(1), command: Command::Stop });
    assert!(lone.has_stopped);
    lone.disk.crash(Policy::Strict, 0).reopen()
}

#[test]
fn what_was_published_before_a_clean_stop_survives_a_power_cut_after_it() {
    let disk = cut_after_a_stop(|_| ());
    assert_eq!(disk.value(Table::State, b"core/boot"), None, "it is recorded");
    let shown = disk.tree_of_docroot();
    let files =
        shown.values().filter(|seen| seen.content.as_ref().is_some_and(|it| it.size() == 4));
    assert_eq!(files.count(), 6);
}

#[test]
fn a_stop_after_which_published_files_may_be_lost_is_no_clean_one() {
    let disk = cut_after_a_stop(|disk| disk.fail_next("sync_all", DiskErrorKind::Failed));
    assert!(disk.value(Table::State, b"core/boot").is_some());
}

/// An origin whose files go: those below `seen` are known to be gone, and held; those below
/// `unseen` are not.
fn emptied() -> Lone {
    let disk = SimDisk::new(Options::default());
    for (directory, files) in [("seen", 120), ("unseen", 60), ("stays", 20)] {
        disk.user_mkdir(directory).unwrap();
        for number in 0..files {
            disk.user_write(format!("{directory}/{number}"), b"page").unwrap();
        }
    }
    let mut lone = Lone::new(disk);
    lone.until(|lone| lone.files() == Some(200));
    (0..120).for_each(|number| lone.disk.user_remove(format!("seen/{number}")).unwrap());
    lone.tell_hints();
    lone.until(|lone| lone.held() == Some(120));
    (0..60).for_each(|number| lone.disk.user_remove(format!("unseen/{number}")).unwrap());
    lone
}

#[test]
fn a_confirmation_is_one_for_all_that_was_lost_before_it() {
    let mut lone = emptied();
    lone.tell(Event::Command { id: CommandId(1), command: Command::Confirm { list: false } });
    lone.tell_hints();
    lone.until(|lone| lone.published() == Some(20));
    assert_eq!(lone.held(), None);
    let [Answer::Held(lines)] = &lone.answers[..] else { panic!("{:?}", lone.answers) };
    assert_eq!(lines[0].deletes, 180, "it says what it releases");
}

#[test]
fn a_confirmation_does_not_wait_for_a_watcher_for_ever() {
    let mut lone = emptied();
    lone.is_mute = true;
    lone.tell(Event::Command { id: CommandId(1), command: Command::Confirm { list: false } });
    lone.until(|lone| !lone.answers.is_empty());
    assert!(matches!(&lone.answers[..], [Answer::Held(lines)] if lines[0].deletes == 120));
    lone.until(|lone| lone.published() == Some(80));
    assert_eq!(lone.held(), None);
}

/// Files that were moved, and those that stayed.
const MOVED: u64 = 100;
const STAYED: u64 = 60;

/// An origin that has just moved a directory, and knows it.
fn moved() -> Lone {
    let disk = SimDisk::new(Options::default());
    for (directory, files) in [("old", MOVED), ("stays", STAYED)] {
        disk.user_mkdir(directory).unwrap();
        for number in 0..files {
            disk.user_write(format!("{directory}/{number}"), b"page").unwrap();
        }
    }
    let mut lone = Lone::new(disk);
    lone.until(|lone| lone.published() == Some(MOVED + STAYED));
    lone.disk.user_rename("old", "new").unwrap();
    lone.tell_hints();
    lone.until(|lone| lone.published() == Some(2 * MOVED + STAYED));
    lone.until(|lone| lone.published() == Some(MOVED + STAYED));
    lone
}

#[test]
fn a_move_doubles_no_file_for_the_brake() {
    let mut lone = moved();
    // One that lay there stays below half of both names together, but not of what there was.
    let left = (MOVED + STAYED) / 2;
    (left..MOVED + STAYED)
        .map(|number| number - left)
        .for_each(|number| lone.disk.user_remove(format!("new/{number}")).unwrap());
    lone.tell_hints();
    lone.until(|lone| lone.published() == Some(left) || lone.held().is_some());
    assert_eq!(lone.held(), None);
    lone.disk.user_remove("stays/0").unwrap();
    lone.tell_hints();
    lone.until(|lone| lone.held().is_some());
    let node = lone.node.view(Moment { now: lone.now, wall: Wall(0) }).node;
    let reason = node.held.map(|held| held.reason).unwrap_or_default();
    assert!(reason.contains(&format!("{} of {} files", left - 1, MOVED + STAYED)), "{reason}");
}

#[test]
fn what_came_is_missed_when_it_goes_and_moves_make_nobody_forget_it() {
    let mut lone = moved();
    let files = 2 * (MOVED + STAYED);
    lone.disk.user_mkdir("more").unwrap();
    (STAYED + MOVED..files).for_each(|number| {
        lone.disk.user_write(format!("more/{number}"), b"page").unwrap();
        lone.tell_hints();
    });
    lone.until(|lone| lone.published() == Some(files));
    // One by one, with a move between any two.
    for number in STAYED + MOVED..files {
        lone.disk.user_remove(format!("more/{number}")).unwrap();
        lone.disk.user_rename("stays", "for-now").unwrap();
        lone.disk.user_rename("for-now", "stays").unwrap();
        lone.tell_hints();
        let left = files - 1 - (number - STAYED - MOVED);
        lone.until(|lone| lone.published() == Some(left));
    }
    lone.disk.user_remove("stays/1").unwrap();
    lone.tell_hints();
    lone.until(|lone| lone.held() == Some(1));
}
