//! One node and its simulated disk, without network or threads: what a disk that fails now and then
//! does to looking.

use std::collections::VecDeque;
use std::time::Duration;

use mirrormesh::core::join::{Founding, found};
use mirrormesh::core::{Answer, Command, Effect, Event, Moment, Node, Settings, Setup};
use mirrormesh::core::{CommandId, WaitScope};
use mirrormesh::store::{Disk as _, DiskErrorKind, Durability, recover, run};
use mirrormesh_gossip::{Entropy, Instant, SecretKey, Wall};
use mirrormesh_simulation::disk::{Options, SimDisk};

/// An origin, and what it has answered.
struct Lone {
    disk: SimDisk,
    node: Node,
    now: Instant,
    answers: Vec<Answer>,
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
        let mut lone = Lone { disk, node, now: Instant::ZERO, answers: Vec::new() };
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
                Effect::Barrier(barrier) => Event::Barrier { barrier, covered: true },
                Effect::Answer { answer, .. } => {
                    self.answers.push(answer);
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
