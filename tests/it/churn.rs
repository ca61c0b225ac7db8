//! A farm in churn: a docroot that changes in every way while daemons are killed, links are cut,
//! and readers poll the replicas; then all docroots must be equal, and say so.
//!
//! The long run wants root and ip(8), for each node lives in a network namespace, and real files:
//!
//!     TMPDIR=/mnt/data CHURN_FROM=/usr/share CHURN_FILES=30000 CHURN_SECONDS=300 CHURN_SEED=1 \
//!         cargo test --release -p mirrormesh-tests --test it churn::as_long_as -- --ignored --nocapture
//!
//! `TMPDIR` holds all docroots and states; `CHURN_FROM` is one directory or several with colons
//! between them; `CHURN_ROUNDS` repeats churn and comparison; with `CHURN_KEEP=1` a run that fails
//! leaves its docroots, states and logs there. What is changed and broken follows from the seed;
//! how the daemons take it does not.

mod content;
mod corpus;
mod ledger;
mod network;
mod random;
mod reader;
mod trouble;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::farm::{Farm, Node};
use crate::farm_command::{PAUSE, remark};
use corpus::{Source, fill};
use ledger::Ledger;
use network::Network;
use random::Random;
use reader::{Reader, Reads};
use trouble::Trouble;
use writer::Writer;

/// Longest time for the first copy, and for catching up after the churn.
const FIRST_COPY: Duration = Duration::from_secs(900);
const CATCH_UP: Duration = Duration::from_secs(180);

/// Violations that are told.
const MAX_TOLD: usize = 20;

struct Settings {
    source: Source,
    files: usize,
    seconds: u64,
    rounds: u64,
    replicas: usize,
    seed: u64,
    keep: bool,
}

#[test]
fn a_small_docroot_in_churn_comes_to_rest_equal() {
    run(&Settings {
        source: Source::Made,
        files: 400,
        seconds: 5,
        rounds: 2,
        replicas: 2,
        seed: 1,
        keep: false,
    });
}

#[test]
#[ignore = "minutes long; wants root and real files"]
fn as_long_as_wanted() {
    let number = |name: &str, otherwise: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}: {error}")),
        Err(_) => otherwise,
    };
    let from = std::env::var("CHURN_FROM").unwrap_or_else(|_| "/usr/share".into());
    run(&Settings {
        source: Source::Directories(from.split(':').map(PathBuf::from).collect()),
        files: number("CHURN_FILES", 30_000) as usize,
        seconds: number("CHURN_SECONDS", 300),
        rounds: number("CHURN_ROUNDS", 1),
        replicas: number("CHURN_REPLICAS", 4) as usize,
        seed: number("CHURN_SEED", 1),
        keep: number("CHURN_KEEP", 0) != 0,
    });
}

fn run(settings: &Settings) {
    let network = Network::new(settings.replicas + 1);
    if network.is_none() {
        remark("without root and ip(8): on loopback, no link is cut");
    }
    let node = |place: PathBuf, name: &str, index: usize| {
        let node = Node::at(place, name);
        match &network {
            Some(network) => node.in_namespace(network.namespace(index), network.address(index)),
            None => node,
        }
    };
    let directory = Farm::place();
    let origin = node(directory.path().join("origin"), "origin", 0);
    let docroot = origin.docroot();
    let ledger = fill(&docroot, &settings.source, settings.files);
    remark(&format!("{} files in {}", ledger.files(), docroot.display()));
    let began = Instant::now();
    let mut farm = Farm::of(directory, origin, &[]);
    if settings.keep {
        farm.keep();
    }
    for index in 1..=settings.replicas {
        let name = format!("web{index}");
        let replica = node(farm.directory().join(&name), &name, index);
        farm.admit(replica);
    }
    at_rest(&farm, FIRST_COPY);
    remark(&format!("first copy: {:.1} s", began.elapsed().as_secs_f64()));
    let mut seeds = Random::new(settings.seed);
    for round in 1..=settings.rounds {
        churn(&mut farm, network.as_ref(), &ledger, settings, &mut seeds);
        let last_change = Instant::now();
        at_rest(&farm, CATCH_UP);
        let seconds = last_change.elapsed().as_secs_f64();
        let mirrored = ledger.files();
        farm.assert_equal();
        remark(&format!(
            "round {round}: {mirrored} files, equal on {} nodes {seconds:.2} s after the last change",
            farm.nodes.len()
        ));
    }
    for node in &farm.nodes {
        assert!(!node.log().contains("panicked"), "{} panicked", node.name);
        remark(&format!("{}: peak memory {} MiB", node.name, peak_memory(node) / 1024));
    }
}

/// Changes, trouble and readers for a while; then every daemon runs and every link is whole.
fn churn(
    farm: &mut Farm,
    network: Option<&Network>,
    ledger: &Ledger,
    settings: &Settings,
    seeds: &mut Random,
) {
    let over = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_secs(settings.seconds);
    let docroot = farm.origin().docroot();
    let replicas: Vec<PathBuf> = farm.nodes[1..].iter().map(Node::docroot).collect();
    let mut trouble = Trouble::new(network, seeds.fork());
    let (operations, reads) = thread::scope(|scope| {
        let writers: Vec<_> = (0..ledger.sites())
            .map(|site| {
                let writer = Writer::new(&docroot, ledger, site, seeds.fork());
                scope.spawn(move || writer.run(end))
            })
            .collect();
        let readers: Vec<_> = replicas
            .iter()
            .map(|replica| {
                let reader = Reader::new(replica, ledger, seeds.fork());
                let over = &over;
                scope.spawn(move || reader.run(over))
            })
            .collect();
        // Daemons die with the thread that started them: this one.
        trouble.run(farm, end);
        let operations: Vec<_> = writers.into_iter().map(|thread| thread.join()).collect();
        over.store(true, Ordering::Relaxed);
        let reads: Vec<_> = readers.into_iter().map(|thread| thread.join()).collect();
        (operations, reads)
    });
    let mut total = BTreeMap::new();
    for (name, count) in operations.into_iter().flat_map(|counts| counts.expect("it wrote")) {
        *total.entry(name).or_insert(0) += count;
    }
    let all: u64 = total.values().sum();
    remark(&format!("{all} operations: {total:?}"));
    remark(&format!("{trouble}"));
    let mut sum = Reads::default();
    for reads in reads {
        sum.add(reads.expect("it read"));
    }
    remark(&format!("{sum}"));
    sum.violations.truncate(MAX_TOLD);
    assert!(sum.violations.is_empty(), "seen on replicas:\n{}", sum.violations.join("\n"));
    assert!(sum.read > 0 && all > 0, "nothing happened");
}

/// Waits until every node says that it is in sync with the origin.
fn at_rest(farm: &Farm, patience: Duration) {
    let began = Instant::now();
    for node in &farm.nodes {
        let arguments: &[&str] = match node.name.as_str() {
            "origin" => &["wait", "--all", "--timeout", "20s"],
            _ => &["wait", "--timeout", "20s"],
        };
        let mut told = String::new();
        loop {
            let said = node.cli(arguments);
            if said.code == 0 {
                break;
            }
            let tried = format!("{}: {} {}", said.code, said.stdout.trim(), said.stderr.trim());
            if told != tried {
                remark(&format!("{}: wait: {tried}", node.name));
                told = tried;
            }
            thread::sleep(PAUSE * 10);
            if began.elapsed() > patience {
                for node in &farm.nodes {
                    remark(&format!("{}: {}", node.name, node.cli(&["status", "--json"]).stdout));
                }
                panic!("not at rest after {} s", patience.as_secs());
            }
        }
    }
}

/// In KiB.
fn peak_memory(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}
