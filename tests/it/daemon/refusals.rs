//! What cannot be done: one clear line, the right exit code, nothing changed.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::sample::{fifo, site, write};
use crate::farm::{Farm, Node};
use crate::farm_command::{Said, program, remark, run};

/// A failure with this code, told in a line and a hint.
#[track_caller]
fn refused(said: Said, code: i32, word: &str) -> String {
    assert_eq!(said.stdout, "", "data although it failed");
    let told = said.failed(code);
    assert!(told.contains(word), "{word:?} is not in: {told}");
    assert!(told.starts_with("mirrormesh: ") && told.lines().count() <= 2, "{told}");
    told
}

#[test]
fn places_that_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::at(directory.path().join("node"), "node");
    let init = |docroot: &Path| {
        let docroot = docroot.to_str().unwrap();
        node.cli(&["init", "--name", "n", "--listen", node.address(), "--docroot", docroot])
    };
    refused(init(&directory.path().join("nowhere")), 1, "does not exist");
    let file = directory.path().join("file");
    write(&file, "");
    refused(init(&file), 1, "is not a directory");
    refused(init(&node.state()), 1, "");
    assert!(!node.state().exists(), "nothing was made");

    fs::create_dir(node.state()).unwrap();
    write(&node.state().join("foreign"), "stays");
    refused(init(&node.state()), 1, "overlap");
    refused(init(directory.path()), 1, "overlap");
    fs::create_dir(node.state().join("below")).unwrap();
    refused(init(&node.state().join("below")), 1, "overlap");
    let alias = directory.path().join("alias");
    std::os::unix::fs::symlink(node.state(), &alias).unwrap();
    refused(init(&alias), 1, "overlap");
    refused(node.cli(&["run"]), 10, &format!("no cluster in {}", node.state().display()));
    assert_eq!(fs::read_dir(node.state()).unwrap().count(), 2, "nothing was made");

    let docroot = node.docroot();
    let work = node.docroot().join("work");
    let work = work.to_str().unwrap();
    refused(node.init(&["--work", work]), 1, "work");
    let said = node.init(&["--exclude", "["]).failed(2);
    assert!(said.contains("character class"), "{said}");
    node.init(&[]).done();
    assert_eq!(fs::read(node.state().join("foreign")).unwrap(), b"stays");
    let mode = fs::metadata(node.state()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    refused(node.init(&[]), 10, "belongs to");
    let other = Node::at(directory.path().join("other"), "other");
    let docroot = docroot.to_str().unwrap();
    let fixed = ["init", "--name", "o", "--listen", other.address(), "--docroot", docroot];
    // Two nodes on one docroot would fight; the work directory tells.
    refused(other.cli(&fixed), 1, "");
}

#[test]
fn usage_is_2_and_a_missing_daemon_11() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::at(directory.path().join("node"), "node");
    refused(node.cli(&["status"]), 11, "no daemon");
    refused(node.cli(&["token"]), 11, "no daemon");
    refused(node.cli(&["confirm"]), 11, "no daemon");
    refused(node.cli(&["kept", "list"]), 11, "no daemon");
    let said = node.cli(&["wait", "--timeout", "300ms"]).failed(124);
    assert!(said.contains("this node"), "{said}");
    for wrong in [
        &["init"][..],
        &["no-such-verb"],
        &["wait", "--all", "--live"],
        &["wait", "--timeout", "soon"],
        &["token", "--uses", "many"],
        &["token", "--ttl", "0s"],
        &["kept", "drop"],
        &["kept", "show", "first"],
        &["status", "--no-such-flag"],
        &["init", "--docroot", "/tmp", "--listen", "nowhere"],
        &["init", "--docroot", "/tmp", "--name", "a/b"],
    ] {
        let said = node.cli(wrong);
        assert_eq!(said.code, 2, "{wrong:?}: {}{}", said.stdout, said.stderr);
        assert_eq!(said.stdout, "", "{wrong:?}");
    }
    assert!(!node.state().exists(), "a question makes no state");
    let said = node.cli(&["status", "--json"]).failed(11);
    let error: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(error["error"]["exit"], 11, "{said}");
    assert!(error["error"]["message"].is_string() && error["error"]["hint"].is_string());
    let said = node.cli(&["wait", "--json", "--timeout", "soon"]).failed(2);
    let error: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(error["error"]["exit"], 2, "{said}");
    run(program().arg("--help")).done();
    run(program().arg("--version")).done();
    run(program().args(["completions", "bash"])).done();
}

#[test]
fn a_pipe_among_the_state_hangs_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::at(directory.path().join("node"), "node");
    let said = node.init(&[]);
    let start = format!("start it: mirrormesh run --state {}", node.state().display());
    assert!(said.stderr.contains(&start), "{}", said.stderr);
    said.done();
    for name in ["mirrormesh.toml", "node.key", "lock"] {
        let path = node.state().join(name);
        let aside = node.state().join("aside");
        let had = fs::rename(&path, &aside).is_ok();
        fifo(&path);
        refused(node.cli(&["run"]), 1, "not a regular file");
        fs::remove_file(&path).unwrap();
        if had {
            fs::rename(&aside, &path).unwrap();
        }
    }
    fs::remove_dir(node.docroot()).unwrap();
    refused(node.cli(&["verify"]), 1, "is it mounted?");
}

#[test]
fn one_daemon_on_one_state_and_one_port() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    refused(farm.origin().cli(&["run"]), 1, "another mirrormesh");
    assert!(farm.origin_mut().lives());
    refused(farm.origin().init(&[]), 10, "belongs to");
    refused(farm.origin().join(farm.token(), &[]), 10, "belongs to");

    farm.origin_mut().stop();
    refused(farm.origin().init(&[]), 10, "belongs to");
    let taken = UdpSocket::bind(farm.origin().address()).unwrap();
    refused(farm.origin().cli(&["run"]), 1, farm.origin().address());
    drop(taken);
    let settings = farm.origin().state().join("mirrormesh.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{text}\nno_such_setting = 1\n")).unwrap();
    refused(farm.origin().cli(&["run"]), 1, "no_such_setting");
    fs::write(&settings, text).unwrap();
    farm.origin_mut().start();
}

/// What is wrong with a state directory, how it comes about, and what is said of it.
type Damage = (&'static str, fn(&Path), i32, &'static str);

const DAMAGES: &[Damage] = &[
    ("settings of noise", |state| noise(&state.join("mirrormesh.toml")), 1, "mirrormesh.toml"),
    ("empty settings", |state| write(&state.join("mirrormesh.toml"), ""), 1, "no docroot"),
    ("no settings", |state| gone(&state.join("mirrormesh.toml")), 1, "mirrormesh.toml"),
    ("a key of noise", |state| noise(&state.join("node.key")), 1, "node.key"),
    ("an empty key", |state| write(&state.join("node.key"), ""), 1, "node.key"),
    ("no key", |state| gone(&state.join("node.key")), 1, "node.key"),
    ("another key", |state| write(&state.join("node.key"), "07".repeat(32)), 1, "belongs to"),
    ("a store of noise", |state| noise(&state.join("store.redb")), 1, "store"),
    ("half a store", |state| shorten(&state.join("store.redb"), 2), 1, "store"),
    ("the start of a store", |state| shorten(&state.join("store.redb"), 500), 1, "store"),
    ("a store with a hole", |state| hole(&state.join("store.redb"), 4_096), 1, "store"),
    ("a store without a head", |state| hole(&state.join("store.redb"), 0), 1, "store"),
    ("an empty store", |state| write(&state.join("store.redb"), ""), 1, "store"),
    ("no store", |state| gone(&state.join("store.redb")), 1, "store"),
];

fn noise(path: &Path) {
    write(path, super::sample::content(1, 50_000));
}

fn gone(path: &Path) {
    fs::remove_file(path).unwrap();
}

fn shorten(path: &Path, part: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / part).unwrap();
}

fn hole(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at..at + 32_768].fill(0);
    write(path, bytes);
}

/// Files and their contents, but for the lock, which says who held it last.
fn files(state: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.file_name().unwrap() != "lock");
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_damaged_state_is_told_and_left_alone() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    farm.origin_mut().stop();
    let origin = farm.origin();
    let whole = files(&origin.state());
    for (name, damage, code, word) in DAMAGES {
        damage(&origin.state());
        let damaged = files(&origin.state());
        assert_ne!(damaged, whole, "{name}");
        remark(name);
        let told = refused(origin.cli(&["run"]), *code, word);
        if name.contains("store") {
            assert!(told.contains("join again"), "{name}: {told}");
            // It is a node all the same, and not a place for another cluster.
            refused(origin.init(&[]), 10, "belongs to a node");
        }
        let mut found = files(&origin.state());
        if !name.contains("store") || name.contains("hole") {
            // One that can be opened at first is marked as open by redb.
            let store = origin.state().join("store.redb");
            found.insert(store.clone(), damaged[&store].clone());
        }
        assert!(found == damaged, "{name}: something was changed");
        for (path, bytes) in &whole {
            fs::write(path, bytes).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    farm.origin_mut().start();
    farm.origin().cli(&["wait", "--timeout", "60s"]).done();
}

#[test]
fn a_state_is_its_users_alone() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    farm.origin_mut().stop();
    let state = farm.origin().state();
    let key = state.join("node.key");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    farm.origin_mut().start();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&key)), (0o700, 0o600));
    assert!(farm.origin().log().contains("was open to other users"));
    farm.origin_mut().stop();
    if !rustix::process::geteuid().is_root() {
        return remark("skipped: only root can give a directory away");
    }
    std::os::unix::fs::chown(&state, Some(12_345), None).unwrap();
    refused(farm.origin().cli(&["run"]), 1, "belongs to user 12345");
    std::os::unix::fs::chown(&state, Some(0), None).unwrap();
    farm.origin_mut().start();
}

#[test]
fn an_interrupted_init_is_done_again() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::at(directory.path().join("node"), "node");
    node.init(&[]).done();
    // Whoever is interrupted leaves a part of it: the work directory comes after the key.
    gone(&node.state().join("store.redb"));
    gone(&node.state().join("mirrormesh.toml"));
    write(&node.work().join("node"), "");
    node.init(&[]).done();
    assert_ne!(fs::read(node.work().join("node")).unwrap(), b"");
}

#[test]
fn questions_about_nobody() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    farm.add();
    farm.converges();
    let origin = farm.origin();
    refused(origin.cli(&["wait", "--members", "nobody"]), 12, "nobody");
    refused(origin.cli(&["remove", "nobody"]), 12, "nobody");
    refused(origin.cli(&["diff", "origin", "nobody"]), 12, "nobody");
    for verb in ["restore", "show", "drop"] {
        refused(origin.cli(&["kept", verb, "7"]), 12, "nothing kept has the number 7");
    }
    let said = origin.cli(&["kept", "drop", "--all"]);
    assert!(said.stderr.contains("nothing is kept"), "{}", said.stderr);
    said.done();
    refused(farm.replica().cli(&["token"]), 12, "not the origin");
    refused(farm.replica().cli(&["remove", "origin"]), 12, "not the origin");
    let id = origin.status()["node"]["id"].as_str().unwrap().to_owned();
    assert_eq!(farm.replica().cli(&["diff", &id, "web1"]).done(), "");
    let [a, b] = [origin.docroot(), farm.replica().docroot()];
    let [a, b] = [a.to_str().unwrap(), b.to_str().unwrap()];
    assert_eq!(run(program().args(["diff", a, b])).done(), "");
    let c = farm.directory().join("c");
    write(&c.join("section-0/page-0.html"), "other");
    write(&c.join("more"), "more");
    let said = run(program().args(["diff", a, c.to_str().unwrap()])).with(3);
    for line in ["+ more", "~ section-0/page-0.html", "- section-0/page-1.html"] {
        assert!(said.lines().any(|said| said == line), "{line:?} is not in {said}");
    }
    let content = fs::read(origin.path("section-0/page-0.html")).unwrap();
    let expected = mirrormesh_merkle::content_hash(&content).to_string();
    assert_eq!(
        run(program().args(["hash", a, "section-0/page-0.html"])).done().trim_end(),
        expected
    );
    run(program().args(["hash", a, "../x"])).failed(2);
    run(program().args(["hash", a, "nowhere"])).failed(1);
}

/// What the node answers over HTTP: the status code, and all of it.
fn ask(node: &Node, path: &str) -> (String, String) {
    use std::io::{Read as _, Write as _};
    let socket = node.state().join("http.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let code = answer.split_whitespace().nth(1).unwrap().to_owned();
    (code, answer)
}

#[test]
fn a_replica_that_comes_back_with_paths_in_error_is_not_ready() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    farm.add();
    farm.converges();
    farm.replica_mut().kill9();
    let replica = farm.replica();
    let settings = replica.state().join("mirrormesh.toml");
    let kept = fs::read_to_string(&settings).unwrap();
    // There is no room to keep what is edited, so that it stays.
    fs::write(&settings, format!("kept_percent = 0\n{kept}")).unwrap();
    fs::write(replica.path("section-0/page-0.html"), "edited here").unwrap();
    farm.replica_mut().start();
    farm.replica().until("it is heard, and in error", |status| {
        status["node"]["fresh"] == true && status["node"]["errors"] != serde_json::json!([])
    });
    let (code, answer) = ask(farm.replica(), "/readyz?max_lag=1h");
    assert_eq!(code, "503", "{answer}");
    farm.replica_mut().stop();
    fs::write(&settings, kept).unwrap();
    farm.replica_mut().start();
    farm.converges();
    let ready = || ask(farm.replica(), "/readyz").0 == "200";
    crate::farm_command::eventually("it is ready", ready);
}

#[test]
fn health_is_served_on_a_socket() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 1, 3));
    farm.add();
    farm.converges();
    for (path, origin, replica) in [
        ("/livez", "200", "200"),
        ("/readyz", "200", "200"),
        ("/readyz?max_lag=5s", "200", "200"),
        ("/origin", "200", "503"),
        ("/replica", "503", "200"),
        ("/metrics", "200", "200"),
        ("/nothing", "404", "404"),
    ] {
        assert_eq!(ask(farm.origin(), path).0, origin, "origin {path}");
        assert_eq!(ask(farm.replica(), path).0, replica, "replica {path}");
    }
    let metrics = ask(farm.replica(), "/metrics").1;
    assert!(metrics.contains("mirrormesh_"), "{metrics}");
    farm.origin_mut().stop();
    farm.replica().until("it is not fresh", |status| status["node"]["fresh"] == false);
    assert_eq!(ask(farm.replica(), "/readyz").0, "503");
    assert_eq!(ask(farm.replica(), "/livez").0, "200");
}
