//! An origin that is put back: copies of yesterday, of its state, of its docroot, or of both.

use std::fs;
use std::path::{Path, PathBuf};

use super::accidents::{copy, farm, restore};
use super::sample::write;
use crate::farm::{Farm, Node};
use crate::farm_command::eventually;
use crate::farm_walk::{differences, walk};

/// A farm with a history of two days; yesterday's state and docroot of the origin lie aside, and
/// the origin is down.
fn two_days() -> (Farm, PathBuf, PathBuf) {
    let mut farm = farm();
    write(&farm.origin().path("doomed.html"), "only yesterday");
    for page in 0..10 {
        write(&farm.origin().path(format!("section-1/page-{page}.html")), "yesterday");
    }
    farm.converges();
    farm.origin_mut().stop();
    let (state, docroot) = (farm.directory().join("state-1"), farm.directory().join("www-1"));
    copy(&farm.origin().state(), &state);
    copy(&farm.origin().docroot(), &docroot);
    farm.origin_mut().start();
    fs::remove_file(farm.origin().path("doomed.html")).unwrap();
    for page in 0..10 {
        write(&farm.origin().path(format!("section-1/page-{page}.html")), format!("today {page}"));
    }
    write(&farm.origin().path("new/today.html"), "today");
    let (from, to) = ("section-2/page-0.html", "new/moved.html");
    fs::rename(farm.origin().path(from), farm.origin().path(to)).unwrap();
    farm.converges();
    farm.origin_mut().stop();
    (farm, state, docroot)
}

fn put_state_back(farm: &Farm, state: &Path) {
    fs::remove_dir_all(farm.origin().state()).unwrap();
    copy(state, &farm.origin().state());
}

#[test]
fn an_origin_restored_to_yesterday_publishes_nothing_of_yesterday() {
    let (mut farm, state, docroot) = two_days();
    let mut today = walk(&farm.replica().docroot());
    put_state_back(&farm, &state);
    restore(&docroot, &farm.origin().docroot());
    // What was edited since is an edit, whatever else is going on.
    write(&farm.origin().path("section-3/page-0.html"), "edited after it was put back");
    farm.origin_mut().start();
    farm.converges();
    let name = b"section-3/page-0.html".to_vec();
    assert_eq!(
        fs::read(farm.replica().path("section-3/page-0.html")).unwrap(),
        b"edited after it was put back"
    );
    let mut now = walk(&farm.replica().docroot());
    assert!(today.remove(&name).is_some() && now.remove(&name).is_some());
    let found = differences(&today, &now);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(farm.replica().refused("equivocation"), 0);
    // And it goes on.
    write(&farm.origin().path("later.html"), "later");
    farm.converges();
    farm.origin_mut().stop();
    farm.origin_mut().start();
    write(&farm.origin().path("later.html"), "much later");
    farm.converges();
}

#[test]
fn an_origin_whose_state_alone_is_of_yesterday_publishes_nothing_new() {
    let (mut farm, state, _) = two_days();
    let today = walk(&farm.replica().docroot());
    put_state_back(&farm, &state);
    farm.origin_mut().start();
    farm.converges();
    assert!(differences(&today, &walk(&farm.replica().docroot())).is_empty());
    assert_eq!(farm.replica().refused("equivocation"), 0);
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0);
    write(&farm.origin().path("later.html"), "later");
    farm.converges();
}

#[test]
fn a_docroot_alone_put_back_is_an_edit() {
    let (mut farm, _, docroot) = two_days();
    let yesterday = walk(&docroot);
    restore(&docroot, &farm.origin().docroot());
    farm.origin_mut().start();
    farm.converges();
    assert!(differences(&yesterday, &walk(&farm.replica().docroot())).is_empty());
}

// ------------------------------------------------------------------ published alone

/// An origin with a copy of yesterday of it; all daemons are down, and today is what the replica
/// holds.
struct Yesterday {
    farm: Farm,
    state: PathBuf,
    docroot: PathBuf,
}

const PAGES: usize = 10;

fn page(number: usize) -> String {
    format!("section-1/page-{number}.html")
}

impl Yesterday {
    /// `live`: the copy is of an origin that runs on, so that today's numbers are of the block that
    /// was reserved already. Else it had ended, and today's are of the next.
    fn of(farm: Farm, live: bool) -> Yesterday {
        Yesterday::changed(farm, live, |_| ())
    }

    fn changed(mut farm: Farm, live: bool, change: impl FnOnce(&Node)) -> Yesterday {
        let (state, docroot) = (farm.directory().join("state-1"), farm.directory().join("www-1"));
        if live {
            farm.origin().pause();
        } else {
            farm.origin_mut().stop();
        }
        copy(&farm.origin().state(), &state);
        copy(&farm.origin().docroot(), &docroot);
        if live {
            farm.origin().go_on();
        } else {
            farm.origin_mut().start();
        }
        change(farm.origin());
        for number in 0..PAGES {
            write(&farm.origin().path(page(number)), format!("today {number}"));
        }
        write(&farm.origin().path("new/today.html"), "today");
        fs::remove_file(farm.origin().path("section-3/page-1.html")).unwrap();
        settles(&farm);
        farm.origin().cli(&["config", "set", "excludes", "[\"cache/\"]"]).done();
        settles(&farm);
        for node in farm.nodes.iter_mut().filter(|node| node.runs()) {
            node.stop();
        }
        Yesterday { farm, state, docroot }
    }

    /// Puts yesterday back and starts the origin, alone.
    fn comes_back(&mut self) {
        put_state_back(&self.farm, &self.state);
        restore(&self.docroot, &self.farm.origin().docroot());
        self.farm.origin_mut().start();
        // It has seen that all is as yesterday.
        self.farm.origin().until("it is scanned", |status| status["node"]["in_sync"] == true);
    }

    /// The origin publishes one more version of a page.
    #[track_caller]
    fn publishes(&self, version: usize) {
        let origin = self.farm.origin();
        let before = seq(origin);
        write(&origin.path("section-2/page-0.html"), format!("edited {version}"));
        origin.until("it publishes", |status| status["node"]["seq"].as_u64().unwrap() > before);
    }

    #[track_caller]
    fn today_is_everywhere(&self) {
        self.farm.converges();
        let replica = self.farm.replica();
        for number in 0..PAGES {
            let found = fs::read_to_string(replica.path(page(number))).unwrap();
            assert_eq!(found, format!("today {number}"));
        }
        assert_eq!(fs::read(replica.path("new/today.html")).unwrap(), b"today");
        assert!(!replica.path("section-3/page-1.html").exists());
        assert!(self.farm.origin().cli(&["config", "show"]).done().contains("cache/"));
        for replica in &self.farm.nodes[1..] {
            assert_eq!(replica.refused("equivocation"), 0);
            assert_eq!(replica.status()["node"]["set_aside"], 0);
        }
    }

    #[track_caller]
    fn edit_is_everywhere(&self, version: usize) {
        let found = fs::read_to_string(self.farm.replica().path("section-2/page-0.html")).unwrap();
        assert_eq!(found, format!("edited {version}"));
    }

    /// The replica comes, when the origin has published these many versions alone.
    #[track_caller]
    fn meets_the_replica(&mut self, edits: usize) {
        self.farm.replica_mut().start();
        self.today_is_everywhere();
        if edits > 0 {
            self.edit_is_everywhere(edits - 1);
        }
        self.goes_on();
    }

    /// And it goes on.
    #[track_caller]
    fn goes_on(&mut self) {
        write(&self.farm.origin().path("later.html"), "later");
        self.farm.converges();
        self.farm.origin_mut().stop();
        self.farm.origin_mut().start();
        write(&self.farm.origin().path("later.html"), "much later");
        self.farm.converges();
    }
}

/// Every replica that runs has what there is.
#[track_caller]
fn settles(farm: &Farm) {
    let running = farm.nodes[1..].iter().filter(|node| node.runs()).map(|node| node.name.clone());
    let names = running.collect::<Vec<_>>().join(",");
    farm.origin().cli(&["wait", "--members", &names, "--timeout", "60s"]).done();
}

fn seq(node: &Node) -> u64 {
    node.status()["node"]["seq"].as_u64().unwrap()
}

fn two_replicas() -> Farm {
    let mut farm = farm();
    farm.add();
    farm.converges();
    farm
}

#[test]
fn today_comes_back_to_an_origin_that_published_alone() {
    for live in [false, true] {
        for edits in [0, 1, 4] {
            let mut yesterday = Yesterday::of(farm(), live);
            yesterday.comes_back();
            for edit in 0..edits {
                yesterday.publishes(edit);
            }
            yesterday.meets_the_replica(edits);
        }
    }
}

#[test]
fn today_comes_back_to_an_origin_that_started_twice_alone() {
    for live in [false, true] {
        for edits in [0, 1] {
            let mut yesterday = Yesterday::of(farm(), live);
            yesterday.comes_back();
            (0..edits).for_each(|edit| yesterday.publishes(edit));
            // What it publishes when nobody speaks is published.
            yesterday.farm.origin().cli(&["wait", "--live", "--timeout", "60s"]).done();
            yesterday.farm.origin_mut().stop();
            yesterday.farm.origin_mut().start();
            yesterday.farm.origin().cli(&["wait", "--live", "--timeout", "60s"]).done();
            yesterday.meets_the_replica(edits);
        }
    }
}

#[test]
fn what_no_member_serves_of_today_is_waited_for() {
    let mut yesterday = Yesterday::of(two_replicas(), false);
    // Of the first replica most is gone.
    fs::remove_dir_all(yesterday.farm.replica().path("section-1")).unwrap();
    yesterday.comes_back();
    yesterday.farm.replica_mut().start();
    let origin = yesterday.farm.origin();
    let status = origin.until("it holds", |status| !status["node"]["held"].is_null());
    assert!(status["node"]["held"]["reason"].as_str().unwrap().contains("rolled back"));
    write(&origin.path("section-2/page-0.html"), "edited 7");
    origin.cli(&["wait", "--live", "--timeout", "300ms"]).with(124);
    yesterday.farm.nodes[2].start();
    yesterday.today_is_everywhere();
    yesterday.edit_is_everywhere(7);
    yesterday.goes_on();
}

#[test]
fn what_no_member_serves_of_today_is_given_up_by_confirm() {
    let mut yesterday = Yesterday::of(farm(), false);
    fs::remove_file(yesterday.farm.replica().path(page(0))).unwrap();
    yesterday.comes_back();
    yesterday.farm.replica_mut().start();
    let origin = yesterday.farm.origin();
    origin.until("it holds", |status| !status["node"]["held"].is_null());
    origin.cli(&["confirm"]).done();
    origin.until("it goes on", |status| status["node"]["held"].is_null());
    yesterday.farm.converges();
    let read = |number| fs::read(yesterday.farm.replica().path(page(number))).unwrap();
    assert_ne!(read(0), b"today 0");
    assert_eq!(read(1), b"today 1");
    yesterday.goes_on();
}

#[test]
fn a_replica_that_dies_while_today_is_taken_back_is_waited_for() {
    let farm = farm();
    let big = vec![7; 20 << 20];
    for number in 0..6 {
        write(&farm.origin().path(format!("big/{number}")), "yesterday");
    }
    farm.converges();
    let mut yesterday = Yesterday::changed(farm, false, |origin| {
        for number in 0..6 {
            let mut content = big.clone();
            content[0] = number;
            write(&origin.path(format!("big/{number}")), &content);
        }
    });
    yesterday.comes_back();
    yesterday.farm.replica_mut().start();
    let taken = |number: u8| {
        fs::metadata(yesterday.farm.origin().path(format!("big/{number}"))).unwrap().len() > 9
    };
    eventually("some is back", || (0..6).any(taken));
    yesterday.farm.replica_mut().kill9();
    let origin = yesterday.farm.origin();
    if !(0..6).all(|number| fs::metadata(origin.path(format!("big/{number}"))).unwrap().len() > 9) {
        origin.until("it holds", |status| !status["node"]["held"].is_null());
    }
    yesterday.farm.replica_mut().start();
    yesterday.farm.converges();
    for number in 0..6 {
        let length = fs::metadata(yesterday.farm.replica().path(format!("big/{number}"))).unwrap();
        assert_eq!(length.len(), 20 << 20);
    }
    yesterday.today_is_everywhere();
}

#[test]
fn an_origin_that_ends_while_today_is_taken_back_goes_on_with_it() {
    const MANY: usize = 600;
    for kill in [false, true] {
        let farm = farm();
        let name = |number: usize| format!("many-{}/{number}", number % 9);
        for number in 0..MANY {
            write(&farm.origin().path(name(number)), "yesterday");
        }
        farm.converges();
        let mut yesterday = Yesterday::changed(farm, false, |origin| {
            for number in 0..MANY {
                write(&origin.path(name(number)), format!("today {number}"));
            }
        });
        yesterday.comes_back();
        yesterday.farm.replica_mut().start();
        let origin = yesterday.farm.origin_mut();
        eventually("it takes back", || origin.log().contains("up again"));
        match kill {
            true => origin.kill9(),
            false => origin.stop(),
        }
        origin.start();
        yesterday.today_is_everywhere();
        for number in 0..MANY {
            let found = fs::read_to_string(yesterday.farm.replica().path(name(number))).unwrap();
            assert_eq!(found, format!("today {number}"));
        }
        yesterday.goes_on();
    }
}

#[test]
fn a_crash_after_a_member_was_away_is_no_rollback() {
    let mut farm = two_replicas();
    farm.nodes[2].stop();
    farm.origin_mut().stop();
    farm.origin_mut().start();
    write(&farm.origin().path("section-1/page-0.html"), "published without web2");
    settles(&farm);
    write(&farm.origin().path("gone.html"), "gone while the origin is down");
    let replica = farm.replica().path("gone.html");
    eventually("it has come", || replica.exists());
    farm.origin_mut().kill9();
    fs::remove_file(farm.origin().path("gone.html")).unwrap();
    write(&farm.origin().path("section-2/page-0.html"), "edited while the origin is down");
    farm.origin_mut().start();
    settles(&farm);
    assert!(!farm.origin().path("gone.html").exists());
    assert!(!replica.exists());
    farm.nodes[2].start();
    farm.converges();
}

#[test]
fn today_comes_back_to_an_origin_that_was_edited_before_its_second_start() {
    for live in [false, true] {
        let mut yesterday = Yesterday::of(farm(), live);
        yesterday.comes_back();
        yesterday.farm.origin().cli(&["wait", "--live", "--timeout", "60s"]).done();
        yesterday.farm.origin_mut().stop();
        write(&yesterday.farm.origin().path("section-2/page-0.html"), "edited 0");
        yesterday.farm.origin_mut().start();
        yesterday.farm.origin().cli(&["wait", "--live", "--timeout", "60s"]).done();
        yesterday.meets_the_replica(1);
    }
}

#[test]
fn what_is_waited_for_is_waited_for_after_a_change_and_a_restart() {
    let mut yesterday = Yesterday::of(farm(), false);
    fs::remove_file(yesterday.farm.replica().path(page(0))).unwrap();
    yesterday.comes_back();
    yesterday.farm.replica_mut().start();
    let holds = |status: &serde_json::Value| !status["node"]["held"].is_null();
    let origin = yesterday.farm.origin_mut();
    origin.until("it holds", holds);
    origin.cli(&["config", "set", "docroot_switch", "follow"]).done();
    origin.kill9();
    origin.start();
    origin.until("it holds again", holds);
    origin.kill9();
    yesterday.farm.replica_mut().stop();
    let origin = yesterday.farm.origin_mut();
    origin.start();
    origin.until("it holds when nobody is there", holds);
    assert_eq!(fs::read(origin.path(page(1))).unwrap(), b"today 1");
    yesterday.farm.replica_mut().start();
    let origin = yesterday.farm.origin();
    origin.until("the replica does not serve all of it", |status| {
        let members = status["cluster"]["members"].as_array().unwrap();
        let is_there = members.iter().all(|member| member["alive"] == true);
        is_there && holds(status) && !status["node"]["errors"].as_array().unwrap().is_empty()
    });
    origin.cli(&["confirm"]).done();
    yesterday.farm.converges();
    assert!(yesterday.farm.origin().cli(&["config", "show"]).done().contains("follow"));
    yesterday.goes_on();
}

#[test]
fn today_comes_back_when_a_hold_over_lost_files_ends() {
    let mut yesterday = Yesterday::of(farm(), false);
    yesterday.comes_back();
    // Half of the files is back with the first; of the others, nothing was changed today.
    let sections = ["section-1", "section-0", "section-2"];
    let aside = yesterday.farm.directory().to_owned();
    for section in sections {
        fs::rename(yesterday.farm.origin().path(section), aside.join(section)).unwrap();
    }
    let lost = |status: &serde_json::Value| {
        let reason = status["node"]["held"]["reason"].as_str();
        reason.is_some_and(|reason| reason.contains("files left"))
    };
    yesterday.farm.origin().until("it holds", lost);
    yesterday.farm.replica_mut().start();
    let origin = yesterday.farm.origin();
    eventually("it has met today", || origin.log().contains("up again"));
    origin.until("it holds still", lost);
    for section in sections {
        fs::rename(aside.join(section), origin.path(section)).unwrap();
    }
    origin.until("it goes on", |status| status["node"]["held"].is_null());
    yesterday.today_is_everywhere();
    yesterday.goes_on();
}

#[test]
fn what_an_origin_published_without_them_members_take_from_it_alone() {
    let mut farm = two_replicas();
    farm.nodes[2].stop();
    let mut yesterday = Yesterday::of(farm, false);
    yesterday.comes_back();
    yesterday.farm.nodes[2].start();
    yesterday.publishes(0);
    settles(&yesterday.farm);
    yesterday.farm.origin_mut().stop();
    // The only member that has today meets the one that never heard of it.
    yesterday.farm.replica_mut().start();
    let name = yesterday.farm.nodes[2].name.clone();
    yesterday.farm.replica().until("it has met the other", |status| {
        let members = status["cluster"]["members"].as_array().unwrap();
        members.iter().any(|member| member["name"] == *name && member["alive"] == true)
    });
    yesterday.farm.origin_mut().start();
    yesterday.today_is_everywhere();
    yesterday.edit_is_everywhere(0);
    yesterday.goes_on();
}
