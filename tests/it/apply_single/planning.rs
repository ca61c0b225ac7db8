//! What goes into a parcel, and in what order.

use std::collections::{BTreeMap, BTreeSet};

use mirrormesh::store::plan::{PlanLimits, plan, plan_within};
use mirrormesh::store::{Phase, Plan, PlanCursor};
use mirrormesh_simulation::disk::Options;

use super::{bytes_at, converged, disk_at, things};
use crate::apply_world::{Docroot, Follower, Outcome, current, directory, file, path, store_tree};

#[test]
fn only_the_named_paths_and_the_directories_above_them() {
    let old = things([("keep", file("old"))]);
    let new = things([("keep", file("new")), ("a/b/c", file("1")), ("a/b/d", file("2"))]);
    let disk = disk_at(Options::default(), &old, &new);
    let mut follower = Follower::new(&disk, &new);
    let job = Plan {
        current: current(&disk),
        target: follower.target,
        cursor: PlanCursor { phase: Phase::Add, after: None },
        only: Some(vec![path("a/b/c"), path("not/there")]),
        in_transfer: Vec::new(),
        unedited_since: None,
    };
    let planned = plan(&disk, &job).expect("plans");
    assert_eq!(planned.next, None);
    let parcel = planned.parcel.expect("something");
    let paths: Vec<String> = parcel.items.iter().map(|item| item.path.to_string()).collect();
    assert_eq!(paths, ["a", "a/b", "a/b/c"]);
    follower.parcel(parcel, &mut Outcome::default()).expect("applies");
    assert_eq!(bytes_at(&disk, "a/b/c"), Some(b"1".to_vec()));
    assert_eq!(bytes_at(&disk, "keep"), Some(b"old".to_vec()));
}

#[test]
fn large_files_come_alone_and_not_twice() {
    let new = things([("big", file("b".repeat(5_000))), ("small", file("s"))]);
    let disk = disk_at(Options::default(), &Docroot::new(), &new);
    let follower = Follower::new(&disk, &new);
    let limits = PlanLimits { large_bytes: 1_000, ..PlanLimits::FULL };
    let mut found = BTreeMap::new();
    for in_transfer in [vec![], vec![path("big")]] {
        let mut cursor = Some(PlanCursor { phase: Phase::Add, after: None });
        let mut parcels = Vec::new();
        while let Some(at) = cursor {
            let job = Plan {
                current: current(&disk),
                target: follower.target,
                cursor: at,
                only: None,
                in_transfer: in_transfer.clone(),
                unedited_since: None,
            };
            let planned = plan_within(&disk, &job, &limits).expect("plans");
            if let Some(parcel) = planned.parcel {
                parcels.push((parcel.items.len(), parcel.large.is_some()));
            }
            cursor = planned.next;
        }
        parcels.sort();
        found.insert(in_transfer.len(), parcels);
    }
    // Nothing is applied between the plans: each phase is planned on.
    assert_eq!(found[&0], [(1, false), (1, true)]);
    assert_eq!(found[&1], [(1, false)]);
}

#[test]
fn an_item_that_the_target_has_left_behind_is_left_out() {
    let (old, middle) = (things([("a", file("1"))]), things([("a", file("2"))]));
    let newest = things([("a", file("3"))]);
    let disk = disk_at(Options::default(), &old, &middle);
    store_tree(&disk, &newest);
    let mut follower = Follower::new(&disk, &middle);
    let job = Plan {
        current: current(&disk),
        target: follower.target,
        cursor: PlanCursor { phase: Phase::Add, after: None },
        only: None,
        in_transfer: Vec::new(),
        unedited_since: None,
    };
    let parcel = plan(&disk, &job).expect("plans").parcel.expect("something");
    follower.target = Follower::new(&disk, &newest).target;
    let mut outcome = Outcome::default();
    follower.parcel(parcel, &mut outcome).expect("applies");
    assert_eq!(bytes_at(&disk, "a"), Some(b"1".to_vec()));
    assert_eq!((outcome.failed, outcome.look), (vec![], BTreeSet::new()));
}

#[test]
fn more_files_than_may_be_open_take_more_parcels() {
    let new: Docroot =
        (0..300).map(|number| (format!("f{number}"), file(format!("{number}")))).collect();
    let disk = disk_at(Options { open_limit: 100, ..Options::default() }, &Docroot::new(), &new);
    let mut follower = Follower::new(&disk, &new);
    let outcome = follower.pass().expect("applies");
    assert_eq!(outcome.failed, [], "that is no error of any path");
    converged(&disk, &mut follower, &new);
}

#[test]
fn only_what_was_not_edited_since_is_taken_back() {
    let then = things([("a", file("1")), ("b", file("1")), ("d/x", file("1")), ("e/x", file("1"))]);
    let mut now = then.clone();
    now.insert("a".into(), file("edited"));
    now.insert("d/y".into(), file("edited"));
    now.insert("g".into(), directory());
    now.insert("g/y".into(), file("edited"));
    let published =
        things([("a", file("2")), ("b", file("2")), ("d", file("2")), ("e", file("2"))]);
    let disk = disk_at(Options::default(), &now, &published);
    let since = store_tree(&disk, &then);
    let mut follower = Follower::new(&disk, &published);
    let mut cursor = Some(PlanCursor { phase: Phase::Add, after: None });
    let mut outcome = Outcome::default();
    while let Some(at) = cursor {
        let job = Plan {
            current: current(&disk),
            target: follower.target,
            cursor: at,
            only: None,
            in_transfer: Vec::new(),
            unedited_since: Some(since),
        };
        let planned = plan(&disk, &job).expect("plans");
        if let Some(parcel) = planned.parcel {
            follower.parcel(parcel, &mut outcome).expect("applies");
        }
        cursor = planned.next;
    }
    assert_eq!((outcome.failed, outcome.look), (vec![], BTreeSet::new()));
    for (path, content) in [
        ("a", "edited"),
        ("b", "2"),
        ("d/x", "1"),
        ("d/y", "edited"),
        ("e", "2"),
        ("g/y", "edited"),
    ] {
        assert_eq!(bytes_at(&disk, path), Some(content.as_bytes().to_vec()), "{path}");
    }
}
