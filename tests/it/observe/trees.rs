//! Jobs on stored trees: proving by deltas and by walking, the journal, comparing, collecting.

use std::collections::BTreeMap;

use bytes::Bytes;
use mirrormesh::store::collect::collect_within;
use mirrormesh::store::journal::{journal_account_within, journal_append};
use mirrormesh::store::pending::Pending;
use mirrormesh::store::request::{MAX_NODES, decode_list};
use mirrormesh::store::{
    Batch, Collect, Compare, Disk, Done, Excludes, Job, JobError, MakeDelta, Persist, Prove,
    Proved, ServeNodes, ServeSince, Since, Table, WalkStep, WalkStepped, Weigh, run,
};
use mirrormesh_merkle::{
    Change, Delta, File, Hash, Path, Record, Tree, Walk, content_hash, update,
};
use mirrormesh_simulation::disk::{CrashPlan, Options, Policy, SimDisk};

use super::fixture::{Random, path};
use super::model::stored;

fn disk() -> SimDisk {
    SimDisk::new(Options::default())
}

fn file(bytes: &[u8]) -> Record {
    Record::File(File {
        mode: 0o644,
        mtime: Default::default(),
        size: bytes.len() as u64,
        content: content_hash(bytes),
        unserved: false,
        attributes: None,
    })
}

fn directory() -> Record {
    Record::Directory { mode: 0o755, attributes: None }
}

/// Stores the tree that changes lead to.
fn change(disk: &SimDisk, base: &Tree, changes: &[(Path, Option<Record>)]) -> Tree {
    let changes: BTreeMap<_, _> = changes.iter().cloned().collect();
    let changes: Vec<Change> =
        changes.into_iter().map(|(path, record)| Change { path, record }).collect();
    let mut pending = Pending::new(disk);
    let tree = update(&mut pending, base, &changes).unwrap();
    pending.commit(false).unwrap();
    tree
}

/// A tree of some directories with some files each.
fn farm(disk: &SimDisk, directories: usize, files: usize) -> Tree {
    let mut changes = Vec::new();
    for number in 0..directories {
        changes.push((path(&format!("d{number}")), Some(directory())));
        for name in 0..files {
            let at = format!("d{number}/f{name}");
            changes.push((path(&at), Some(file(at.as_bytes()))));
        }
    }
    change(disk, &Tree::empty(), &changes)
}

fn delta(disk: &SimDisk, base: &Tree, target: &Tree) -> Bytes {
    let job = Job::MakeDelta(MakeDelta { base: *base, target: *target });
    let Ok(Done::MakeDelta(made)) = run(job, disk) else { panic!("no delta") };
    made.delta.unwrap()
}

fn prove(disk: &SimDisk, base: Tree, deltas: Vec<Bytes>, target: Hash) -> Result<Proved, JobError> {
    let job = Prove { base, deltas, target, current: base, inline: vec![content_hash(b"inline")] };
    match run(Job::Prove(job), disk)? {
        Done::Prove(proved) => Ok(proved),
        _ => panic!("another answer"),
    }
}

#[test]
fn deltas_prove_a_target_or_nothing() {
    let (origin, replica) = (disk(), disk());
    let base = farm(&origin, 3, 4);
    farm(&replica, 3, 4);
    let first = change(
        &origin,
        &base,
        &[
            (path("d0/f0"), Some(file(b"changed"))),
            (path("d0/new"), Some(file(b"inline"))),
            (path("d1"), None),
            (path("d2/f1"), Some(directory())),
        ],
    );
    let second = change(&origin, &first, &[(path("d0/f1"), None), (path("d2"), None)]);
    let steps = [delta(&origin, &base, &first), delta(&origin, &first, &second)];

    let proved = prove(&replica, base, vec![steps[0].clone()], first.root).unwrap();
    assert_eq!((proved.tree, proved.removed), (first, 5));
    let parcel = proved.parcel.unwrap();
    let wants: Vec<String> = parcel.wants.iter().map(|want| want.path.to_string()).collect();
    assert_eq!(wants, ["d0/f0"], "the other one came inline");
    assert_eq!(parcel.items.len(), 8);
    assert_eq!(stored(&replica, &first), stored(&origin, &first));

    let proved = prove(&replica, base, steps.to_vec(), second.root).unwrap();
    assert_eq!((proved.tree, proved.removed), (second, 9));
    assert!(proved.parcel.is_none());

    let refused = [
        prove(&replica, base, steps.to_vec(), first.root),
        prove(&replica, base, vec![steps[1].clone()], second.root),
        prove(&replica, base, vec![Bytes::from_static(b"D nonsense")], first.root),
        prove(&replica, base, vec![], first.root),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(JobError::Unproved(_))));
    }
}

#[test]
fn weighing_and_comparing_say_what_differs() {
    let disk = disk();
    let base = farm(&disk, 2, 200);
    let target = change(
        &disk,
        &base,
        &[
            (path("d0"), None),
            (path("d1/f0"), Some(file(b"12345"))),
            (path("e"), Some(directory())),
        ],
    );
    let weigh = |excludes: &[&str]| {
        let excludes: Vec<String> = excludes.iter().map(ToString::to_string).collect();
        let excludes = Excludes::new(&excludes).unwrap().into();
        let job = Job::Weigh(Weigh { current: base, target, excludes });
        let Ok(Done::Weigh(weighed)) = run(job, &disk) else { panic!("no answer") };
        (weighed.removed, weighed.files, weighed.bytes)
    };
    assert_eq!(weigh(&[]), (200, 1, 5));
    assert_eq!(weigh(&["d0/"]), (0, 1, 5), "what is excluded is no delete");
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let job = Compare { old: base.root, new: target.root, after: after.clone() };
        let Ok(Done::Compare(compared)) = run(Job::Compare(job), &disk) else {
            panic!("no answer")
        };
        assert!(compared.items.len() <= 256);
        items.extend(compared.items);
        after = compared.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(items.len(), 203);
}

/// Walks from one disk to another; `lose` says which answers lose their tail.
fn walk(from: &SimDisk, to: &SimDisk, target: Hash, mut lose: impl FnMut() -> bool) -> Tree {
    let mut walk = Box::new(Walk::new(target));
    let mut reply = Vec::new();
    for _ in 0..10_000 {
        let step = WalkStep { walk, reply };
        match run(Job::WalkStep(step), to).unwrap() {
            Done::WalkStep(WalkStepped::Finished(tree)) => return tree,
            Done::WalkStep(WalkStepped::Ask { walk: next, wanted, .. }) => {
                assert!(!wanted.is_empty() && wanted.len() <= MAX_NODES);
                let budget = if lose() { 1 } else { 20_000 };
                let job = ServeNodes { wanted, levels: next.levels(), budget };
                let Ok(Done::ServeNodes(bytes)) = run(Job::ServeNodes(job), from) else {
                    panic!("no answer");
                };
                reply = decode_list(&bytes).unwrap();
                walk = next;
            }
            _ => panic!("another answer"),
        }
    }
    panic!("the walk does not end");
}

fn count(disk: &SimDisk, table: Table) -> usize {
    let mut count = 0;
    disk.range(table, &[], None, &mut |_, _| {
        count += 1;
        true
    })
    .unwrap();
    count
}

#[test]
fn a_walk_ends_whatever_answers_leave_out() {
    let (origin, replica) = (disk(), disk());
    let base = farm(&origin, 400, 3);
    farm(&replica, 390, 3);
    let mut random = Random(1);
    let tree = walk(&origin, &replica, base.root, || random.below(3) == 0);
    assert_eq!(tree, base);
    assert_eq!(stored(&replica, &tree), stored(&origin, &base));
    assert_eq!(count(&replica, Table::Incoming), 0);
    // Nothing is asked for that is held.
    let again = WalkStep { walk: Box::new(Walk::new(base.root)), reply: Vec::new() };
    let again = run(Job::WalkStep(again), &replica).unwrap();
    assert!(matches!(again, Done::WalkStep(WalkStepped::Finished(_))));
}

/// One step of a walk with a short answer; `None` when it has ended.
fn short_step(
    from: &SimDisk,
    to: &SimDisk,
    (walk, reply): (Box<Walk>, Vec<Bytes>),
) -> Option<(Box<Walk>, Vec<Bytes>)> {
    let step = WalkStep { walk, reply };
    let Done::WalkStep(stepped) = run(Job::WalkStep(step), to).unwrap() else {
        panic!("another answer");
    };
    let WalkStepped::Ask { walk, wanted, .. } = stepped else { return None };
    let job = ServeNodes { wanted, levels: 0, budget: 600 };
    let Ok(Done::ServeNodes(bytes)) = run(Job::ServeNodes(job), from) else { panic!("no answer") };
    Some((walk, decode_list(&bytes).unwrap()))
}

#[test]
fn a_walk_goes_on_after_a_crash() {
    let (origin, mut replica) = (disk(), disk());
    let base = farm(&origin, 300, 2);
    farm(&replica, 100, 2);
    for round in 0..6_u64 {
        let mut at = (Box::new(Walk::new(base.root)), Vec::new());
        for _ in 0..4 {
            at = short_step(&origin, &replica, at).expect("there is more to come");
        }
        replica.commit(Batch::default(), round % 2 == 0).unwrap();
        replica = replica.crash(Policy::Hostile, round).reopen();
    }
    let tree = walk(&origin, &replica, base.root, || false);
    assert_eq!(stored(&replica, &tree), stored(&origin, &base));
}

#[test]
fn a_walk_whose_nodes_are_collected_asks_for_them_again() {
    for collect_at in 0..60 {
        let (origin, replica) = (disk(), disk());
        let base = farm(&origin, 160, 2);
        farm(&replica, 100, 2);
        let mut at = Some((Box::new(Walk::new(base.root)), Vec::new()));
        let mut steps = 0;
        while let Some(now) = at {
            if steps == collect_at {
                collect_within(&Collect { roots: vec![] }, &replica, 10).unwrap();
            }
            at = short_step(&origin, &replica, now);
            steps += 1;
        }
        assert_eq!(stored(&replica, &base), stored(&origin, &base));
    }
}

#[test]
fn nodes_that_were_not_asked_for_are_refused() {
    let (origin, replica) = (disk(), disk());
    let base = farm(&origin, 3, 3);
    let step = WalkStep { walk: Box::new(Walk::new(base.root)), reply: Vec::new() };
    let Done::WalkStep(WalkStepped::Ask { walk, .. }) = run(Job::WalkStep(step), &replica).unwrap()
    else {
        panic!("another answer");
    };
    let step = WalkStep { walk, reply: vec![Bytes::from_static(b"L junk")] };
    assert!(matches!(run(Job::WalkStep(step), &replica), Err(JobError::Unproved(_))));
}

#[test]
fn collecting_keeps_the_roots_and_nothing_else() {
    for noted in [2, 5, 1 << 20] {
        let disk = disk();
        let first = farm(&disk, 30, 2);
        let kept = change(&disk, &first, &[(path("d3/f0"), Some(file(b"kept")))]);
        let lost = change(&disk, &kept, &[(path("d9/f0"), Some(file(b"lost")))]);
        let mut all = count(&disk, Table::Nodes);
        let job = Collect { roots: vec![first.root, kept.root, Hash::ZERO] };
        let collected = collect_within(&job, &disk, noted).unwrap();
        assert_eq!(collected.removed, 2, "the docroot's node and that of d9");
        all -= 2;
        assert_eq!(collected.live, all as u64);
        assert_eq!(count(&disk, Table::Nodes), all);
        let (first, kept) = (stored(&disk, &first), stored(&disk, &kept));
        assert_eq!(first.len(), kept.len());
        let again = collect_within(&job, &disk, noted).unwrap();
        assert_eq!(again.removed, 0);
        let delta = run(Job::MakeDelta(MakeDelta { base: lost, target: lost }), &disk);
        assert!(matches!(delta, Ok(_) | Err(JobError::Inconsistent(_))));
    }
}

#[test]
fn a_crash_within_a_collection_leaves_no_node_that_passes_for_whole() {
    for count in 0.. {
        let mut disk = disk();
        let first = farm(&disk, 20, 2);
        let lost = change(&disk, &first, &[(path("d9/f0"), Some(file(b"lost")))]);
        disk.commit(Batch::default(), true).unwrap();
        disk.plan_crash(CrashPlan::BeforeChange(count));
        let job = Collect { roots: vec![first.root] };
        let result = collect_within(&job, &disk, 7);
        let crashed = disk.is_crashed();
        assert_eq!(result.is_err(), crashed);
        disk = disk.crash(Policy::Hostile, count).reopen();
        assert_eq!(stored(&disk, &first).len(), 60);
        // A walk to what was given up finds out what is missing.
        let other = SimDisk::new(Options::default());
        let base = farm(&other, 20, 2);
        change(&other, &base, &[(path("d9/f0"), Some(file(b"lost")))]);
        assert_eq!(walk(&other, &disk, lost.root, || false), lost);
        assert_eq!(stored(&disk, &lost).len(), 60);
        if !crashed {
            return;
        }
    }
}

#[test]
fn the_journal_leads_from_root_to_root() {
    let disk = disk();
    let mut trees = vec![farm(&disk, 2, 3)];
    for number in 0..30_u64 {
        let before = trees[trees.len() - 1];
        let at = path(&format!("d{}/f{}", number % 2, number % 3));
        let content = number.to_string();
        let tree = change(&disk, &before, &[(at, Some(file(content.as_bytes())))]);
        let delta = delta(&disk, &before, &tree);
        let mut batch = Batch::default();
        let head = Bytes::from_static(b"head");
        journal_append(&mut batch, (1, 10 * number), before.root, tree.root, head, Some(delta));
        run(Job::Persist(Persist { batch, durable: false }), &disk).unwrap();
        trees.push(tree);
    }
    let since = |from: &Tree, to: &Tree, budget| {
        let job = ServeSince { from: from.root, to: to.root, budget };
        match run(Job::ServeSince(job), &disk).unwrap() {
            Done::ServeSince(since) => since,
            _ => panic!("another answer"),
        }
    };
    for from in 0..trees.len() {
        for to in from + 1..trees.len() {
            let Since::Deltas(deltas) = since(&trees[from], &trees[to], 1 << 20) else {
                panic!("not known");
            };
            assert_eq!(deltas.len(), 1, "folded");
            assert_eq!(deltas[0], delta(&disk, &trees[from], &trees[to]));
        }
    }
    assert!(matches!(since(&trees[0], &trees[9], 100), Since::Unknown), "too long");
    assert!(matches!(since(&trees[9], &trees[0], 1 << 20), Since::Unknown), "backwards");
    assert!(matches!(since(&Tree::empty(), &trees[0], 1 << 20), Since::Unknown));
    // What leads nowhere is not searched for: the rows are not read.
    let reads = || disk.counts().get("get").copied().unwrap_or_default();
    for (from, to) in [(&trees[0], &Tree::empty()), (&trees[20], &trees[3])] {
        let before = reads();
        assert!(matches!(since(from, to, 1 << 20), Since::Unknown));
        assert!(reads() - before <= 4, "{} reads", reads() - before);
    }
}

#[test]
fn the_journal_goes_through_a_root_that_came_twice() {
    let disk = disk();
    let a = farm(&disk, 1, 2);
    let b = change(&disk, &a, &[(path("d0/f0"), None)]);
    let c = change(&disk, &a, &[(path("d0/f1"), None)]);
    for (seq, (from, to)) in [(a, b), (b, a), (a, c)].into_iter().enumerate() {
        let mut batch = Batch::default();
        let delta = Some(delta(&disk, &from, &to));
        journal_append(&mut batch, (1, seq as u64), from.root, to.root, Bytes::new(), delta);
        run(Job::Persist(Persist { batch, durable: false }), &disk).unwrap();
    }
    let job = ServeSince { from: b.root, to: c.root, budget: 1 << 20 };
    let Ok(Done::ServeSince(Since::Deltas(deltas))) = run(Job::ServeSince(job), &disk) else {
        panic!("not known");
    };
    assert_eq!(deltas, [delta(&disk, &b, &c)]);
    assert!(Delta::decode(&deltas[0]).is_ok());
}

#[test]
fn the_journal_is_bounded() {
    let disk = disk();
    let root = |number: u64| content_hash(&number.to_be_bytes());
    for number in 0..100 {
        let mut batch = Batch::default();
        let head = Bytes::from(vec![0; 100]);
        journal_append(&mut batch, (2, number), root(number), root(number + 1), head, None);
        journal_account_within(&disk, &mut batch, 40, 1 << 20).unwrap();
        disk.commit(batch, false).unwrap();
        assert!(count(&disk, Table::Journal) <= 40);
    }
    assert_eq!(count(&disk, Table::Journal), 40);
    // One pointer a row, the newest root, and the size.
    assert_eq!(count(&disk, Table::State), 42);
    let mut batch = Batch::default();
    journal_append(&mut batch, (3, 0), root(100), root(0), Bytes::new(), None);
    journal_account_within(&disk, &mut batch, 1 << 20, 1_000).unwrap();
    disk.commit(batch, false).unwrap();
    assert_eq!(count(&disk, Table::Journal), 5);
}
