//! The laws, as tests: what no lint says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is here")
}

/// Every source file below a folder of the workspace, tests apart.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![top().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "tests" && name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|kind| kind == "rs")
                && path.file_name().is_some_and(|name| name != "tests.rs")
            {
                let text = std::fs::read_to_string(&path).expect("sources can be read");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}: the layout has changed");
    found
}

/// Lines of code (comments apart) in which one of `words` stands.
fn offences(folder: &str, words: &[&str]) -> Vec<String> {
    let mut offences = Vec::new();
    for (path, text) in sources(folder) {
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in words.iter().filter(|word| code.contains(*word)) {
                offences.push(format!("{}:{}: {word}", path.display(), index + 1));
            }
        }
    }
    offences
}

#[track_caller]
fn none(offences: &[String]) {
    assert!(offences.is_empty(), "against the laws:\n{}", offences.join("\n"));
}

const AMBIENT: &[&str] = &[
    "tokio",
    "quinn",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "std::thread",
    "std::process",
    "Instant::now",
    "SystemTime",
    "getrandom",
    "thread_rng",
    "HashMap",
    "HashSet",
    "tracing",
    "println!",
    "rustix",
];

#[test]
fn pure_crates_touch_nothing() {
    for folder in ["merkle/src", "gossip/src", "node/src/core", "node/src/store"] {
        none(&offences(folder, AMBIENT));
    }
}

#[test]
fn simulator_is_deterministic() {
    let ambient = ["HashMap", "HashSet", "SystemTime", "thread_rng", "getrandom", "tokio"];
    none(&offences("simulation/src", &ambient));
}

#[test]
fn core_names_job_types_only() {
    let forbidden = ["impl Disk", "dyn Disk", "<D: Disk>", "store::run", "store::recover"];
    none(&offences("node/src/core", &forbidden));
}

#[test]
fn production_does_not_know_the_simulator() {
    for folder in ["merkle/src", "gossip/src", "node/src"] {
        none(&offences(folder, &["mirrormesh_simulation", "cfg(simulation)", "cfg(not(test))"]));
    }
}

#[test]
fn raw_files_only_where_they_belong() {
    // Besides the real disk: configuration, and the few files of the state directory.
    let allowed = [
        "daemon/disk",
        "daemon/config",
        "daemon/places",
        "daemon/lock",
        "daemon/key",
        "daemon/regular",
        "daemon/socket",
        "daemon/system",
        "daemon/log",
        "daemon/run",
        "/measure.rs",
    ];
    let raw = offences("node/src/daemon", &["std::fs::", "tokio::fs", "fs::write(", "fs::read("]);
    let raw: Vec<String> = raw
        .into_iter()
        .filter(|line| !allowed.iter().any(|allowed| line.contains(allowed)))
        .collect();
    none(&raw);
}

#[test]
fn clocks_only_in_the_driver() {
    let offences: Vec<String> = offences("node/src", &["Instant::now", "SystemTime::now"])
        .into_iter()
        .filter(|line| !line.contains("/daemon/") && !line.contains("/cli/"))
        .collect();
    none(&offences);
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    for folder in ["merkle/src", "gossip/src", "node/src", "simulation/src", "tests/it"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            if lines > 600 {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    none(&long);
}

#[test]
fn modules_say_what_they_are_for() {
    let mut silent = Vec::new();
    for folder in ["merkle/src", "gossip/src", "node/src", "simulation/src"] {
        for (path, text) in sources(folder) {
            if !text.starts_with("//!") {
                silent.push(path.display().to_string());
            }
        }
    }
    none(&silent);
}

/// Crates in the build tree of a package (normal edges).
fn dependencies(arguments: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(top())
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_string)
        .collect()
}

#[test]
fn the_arrows_point_down() {
    let merkle = dependencies(&["-p", "mirrormesh-merkle"]);
    assert!(!merkle.contains("mirrormesh-gossip") && !merkle.contains("mirrormesh"));
    let gossip = dependencies(&["-p", "mirrormesh-gossip"]);
    assert!(gossip.contains("mirrormesh-merkle") && !gossip.contains("mirrormesh"));
    let node = dependencies(&["-p", "mirrormesh"]);
    assert!(!node.contains("mirrormesh-simulation"));
}

#[test]
fn the_simulator_builds_without_the_world() {
    let tree = dependencies(&["-p", "mirrormesh-simulation"]);
    for forbidden in ["tokio", "quinn", "quinn-proto", "rustls", "getrandom", "redb"] {
        assert!(!tree.contains(forbidden), "the simulator depends on {forbidden}");
    }
}

#[test]
fn one_provider_of_cryptography() {
    let tree = dependencies(&["-p", "mirrormesh"]);
    assert!(tree.contains("aws-lc-rs") && !tree.contains("ring"));
}

/// The deliberate breakages that `tests/breakages/run` makes.
#[derive(serde::Deserialize)]
struct Breakages {
    breakage: Vec<Breakage>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Breakage {
    title: String,
    file: PathBuf,
    find: String,
    put: String,
    tests: String,
}

#[test]
fn deliberate_breakages_fit_the_code() {
    let list = std::fs::read_to_string(top().join("tests/breakages/breakages.toml"));
    let list: Breakages = toml::from_str(&list.expect("the list is there")).expect("it is TOML");
    let stale: Vec<String> = list
        .breakage
        .iter()
        .filter(|one| {
            let text = std::fs::read_to_string(top().join(&one.file)).unwrap_or_default();
            text.matches(&one.find).count() != 1 || one.put == one.find || one.tests.is_empty()
        })
        .map(|one| one.title.clone())
        .collect();
    none(&stale);
}
