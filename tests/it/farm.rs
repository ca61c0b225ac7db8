//! Real daemons on loopback: an origin and its replicas, each with a docroot of its own.
//!
//! State: one directory that goes with the farm; one child process a running node.
//!
//! Invariants: every daemon ends with its farm, and with the thread that started it; nothing waits
//! for a time, only for a condition, and then not for ever.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::farm_command::{
    PATIENCE, PAUSE, Said, ends, eventually, free_address, program, program_in, remark, run, spawn,
};
use crate::farm_walk::{differences, walk};

/// Lines of a log that are shown when a test fails.
const LOG_LINES: usize = 25;
/// One node.
pub(crate) struct Node {
    /// Its name in the cluster.
    pub(crate) name: String,
    place: PathBuf,
    listen: String,
    _claim: TcpListener,
    /// The network namespace it lives in, if not that of the test.
    namespace: Option<String>,
    /// Who runs it, if not the tests' own user.
    user: Option<u32>,
    daemon: Option<Child>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // One that has ended already is no error.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if thread::panicking() {
            remark(&format!("---- {}\n{}", self.name, self.log_end()));
        }
    }
}

impl Node {
    /// A node that is not made yet, below `place`, with an empty docroot.
    pub(crate) fn at(place: PathBuf, name: &str) -> Node {
        fs::create_dir_all(place.join("www")).unwrap();
        let (listen, claim) = free_address();
        let name = name.to_owned();
        Node { name, place, listen, _claim: claim, namespace: None, user: None, daemon: None }
    }

    /// The same node in a network namespace, with an address there.
    pub(crate) fn in_namespace(mut self, namespace: String, listen: String) -> Node {
        self.listen = listen;
        self.namespace = Some(namespace);
        self
    }

    /// Hands all that it has to another user, who runs it from now on.
    pub(crate) fn belongs_to(&mut self, user: u32) {
        let mut open = vec![self.place.clone()];
        while let Some(path) = open.pop() {
            lchown(&path, Some(user), Some(user)).unwrap();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        self.user = Some(user);
    }

    /// Its document root.
    pub(crate) fn docroot(&self) -> PathBuf {
        self.place.join("www")
    }

    /// Its state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.place.join("state")
    }

    /// Where kept and staged files lie.
    pub(crate) fn work(&self) -> PathBuf {
        self.place.join(".mirrormesh-www")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.listen
    }

    /// The path of a name in its docroot.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.docroot().join(name)
    }

    /// A command line with its state directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.namespace {
            Some(namespace) => program_in(namespace),
            None => program(),
        };
        command.args(arguments).arg("--state").arg(self.state());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs a command.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Said {
        run(&mut self.command(arguments))
    }

    /// Runs a command that prints JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.cli(&[arguments, &["--json"]].concat()).done();
        serde_json::from_str(&said).expect("it is JSON")
    }

    /// `init` with this docroot.
    pub(crate) fn init(&self, more: &[&str]) -> Said {
        let docroot = self.docroot();
        let fixed = ["init", "--name", &self.name, "--listen", &self.listen, "--docroot"];
        self.cli(&[&fixed[..], &[docroot.to_str().unwrap()], more].concat())
    }

    /// `join` with this docroot.
    pub(crate) fn join(&self, token: &str, more: &[&str]) -> Said {
        let docroot = self.docroot();
        let fixed = ["join", token, "--name", &self.name, "--listen", &self.listen, "--docroot"];
        self.cli(&[&fixed[..], &[docroot.to_str().unwrap()], more].concat())
    }

    /// Starts the daemon and waits until it answers.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        self.start_through(&[]);
    }

    /// The same by way of another program, which becomes the daemon.
    #[track_caller]
    pub(crate) fn start_through(&mut self, through: &[&str]) {
        self.spawn_through(through);
        let began = Instant::now();
        while self.cli(&["status"]).code != 0 {
            let ended = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().unwrap());
            assert!(ended.is_none(), "{} ended: {ended:?}\n{}", self.name, self.log_end());
            assert!(began.elapsed() < PATIENCE, "{} does not answer", self.name);
            thread::sleep(PAUSE);
        }
    }

    /// Starts the daemon and waits for nothing.
    pub(crate) fn spawn(&mut self) {
        self.spawn_through(&[]);
    }

    fn spawn_through(&mut self, through: &[&str]) {
        assert!(self.daemon.is_none(), "{} runs already", self.name);
        let log = self.place.join("log");
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = self.command(&["run", "--die-with-parent"]);
        if let Some((first, rest)) = through.split_first() {
            let mut other = Command::new(first);
            other.args(rest).arg(command.get_program()).args(command.get_args());
            command = other;
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.daemon = Some(spawn(&mut command).unwrap());
    }

    /// Ends the daemon at once.
    pub(crate) fn kill9(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.kill().unwrap();
        let status = daemon.wait().unwrap();
        let (name, log) = (&self.name, self.log_end());
        assert_eq!(status.signal(), Some(9), "{name} had ended by itself: {status}\n{log}");
    }

    /// Asks the daemon to end, and sees it end cleanly.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let daemon = self.daemon.as_ref().expect("it runs");
        kill_process(Pid::from_child(daemon), Signal::TERM).unwrap();
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}: {status}\n{}", self.name, self.log_end());
    }

    /// Asks the daemon to read its settings again.
    #[track_caller]
    pub(crate) fn reload(&self) {
        let daemon = self.daemon.as_ref().expect("it runs");
        kill_process(Pid::from_child(daemon), Signal::HUP).unwrap();
    }

    /// Stops the daemon where it is, until [`Node::go_on`].
    #[track_caller]
    pub(crate) fn pause(&self) {
        let daemon = self.daemon.as_ref().expect("it runs");
        kill_process(Pid::from_child(daemon), Signal::STOP).unwrap();
        let threads = format!("/proc/{}/task", daemon.id());
        eventually("all threads stand", || {
            fs::read_dir(&threads).unwrap().all(|thread| {
                let stat = fs::read_to_string(thread.unwrap().path().join("stat"));
                stat.is_ok_and(|stat| stat.contains(") T "))
            })
        });
    }

    /// Lets a daemon go on that was paused.
    #[track_caller]
    pub(crate) fn go_on(&self) {
        let daemon = self.daemon.as_ref().expect("it runs");
        kill_process(Pid::from_child(daemon), Signal::CONT).unwrap();
    }

    /// Whether a daemon was started and not ended since.
    pub(crate) fn runs(&self) -> bool {
        self.daemon.is_some()
    }

    /// Waits until the daemon ends by itself.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("it runs");
        let status = ends(&mut daemon, PATIENCE);
        status.unwrap_or_else(|| panic!("{} does not end\n{}", self.name, self.log_end()))
    }

    /// Whether the daemon lives.
    pub(crate) fn lives(&mut self) -> bool {
        self.daemon.as_mut().is_some_and(|daemon| daemon.try_wait().unwrap().is_none())
    }

    /// The daemon's process.
    pub(crate) fn process(&self) -> u32 {
        self.daemon.as_ref().expect("it runs").id()
    }

    /// `status --json`.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        self.json(&["status"])
    }

    /// What a counter of the status says.
    #[track_caller]
    pub(crate) fn counter(&self, name: &str) -> u64 {
        count_of(&self.status()["node"]["counters"], name)
    }

    /// How many messages of a kind were refused.
    #[track_caller]
    pub(crate) fn refused(&self, name: &str) -> u64 {
        count_of(&self.status()["node"]["refused"], name)
    }

    /// Waits until the status fulfils a condition; returns it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status();
            if condition(&status) {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "{}: {what}: {status:#}", self.name);
            thread::sleep(PAUSE);
        }
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        let text = fs::read(self.place.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn log_end(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Mirrors the docroot's content by name, as `hash` sees it.
    #[track_caller]
    pub(crate) fn hash(&self) -> String {
        let docroot = self.docroot();
        self.cli(&["hash", docroot.to_str().unwrap()]).done().trim_end().to_owned()
    }
}

/// An origin and replicas.
pub(crate) struct Farm {
    /// The origin comes first. Dropped before the directory goes.
    pub(crate) nodes: Vec<Node>,
    directory: TempDir,
    token: String,
}

impl Farm {
    /// An origin and `replicas`, empty, all running.
    pub(crate) fn new(replicas: usize) -> Farm {
        let mut farm = Farm::founded(&[], |_| ());
        for _ in 0..replicas {
            farm.add();
        }
        farm
    }

    /// An origin alone, running; `prepare` fills its docroot before, `more` goes to `init`.
    pub(crate) fn founded(more: &[&str], prepare: impl FnOnce(&Path)) -> Farm {
        Farm::founded_by(None, more, prepare)
    }

    /// The same, with an origin that another user runs.
    pub(crate) fn founded_by(
        user: Option<u32>,
        more: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Farm {
        let directory = Farm::place();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut origin = Node::at(directory.path().join("origin"), "origin");
        prepare(&origin.docroot());
        if let Some(user) = user {
            origin.belongs_to(user);
        }
        Farm::of(directory, origin, more)
    }

    /// A directory for a farm; it goes with it.
    pub(crate) fn place() -> TempDir {
        tempfile::Builder::new().prefix("mirrormesh-farm-").tempdir().unwrap()
    }

    /// An origin alone that lies in `directory`, running; `more` goes to `init`.
    pub(crate) fn of(directory: TempDir, mut origin: Node, more: &[&str]) -> Farm {
        let line = origin.init(more).done();
        assert!(line.starts_with("mirrormesh join ") && line.lines().count() == 1, "{line}");
        origin.start();
        let token = origin.cli(&["token", "--uses", "0", "--ttl", "1h"]).done();
        let token = token.trim_end().to_owned();
        Farm { nodes: vec![origin], directory, token }
    }

    /// A node that is not a member yet.
    pub(crate) fn stranger(&self, name: &str) -> Node {
        Node::at(self.directory.path().join(name), name)
    }

    /// A token that any number of nodes may use.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// One more replica, empty, running.
    #[track_caller]
    pub(crate) fn add(&mut self) -> &mut Node {
        let node = self.stranger(&format!("web{}", self.nodes.len()));
        self.admit(node)
    }

    /// Makes a node a member and starts it.
    #[track_caller]
    pub(crate) fn admit(&mut self, mut node: Node) -> &mut Node {
        node.join(&self.token, &[]).done();
        node.start();
        self.nodes.push(node);
        self.nodes.last_mut().unwrap()
    }

    /// Leaves the directory behind, to be looked at.
    pub(crate) fn keep(&mut self) {
        self.directory.disable_cleanup(true);
    }

    /// Where anything else may be put.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The origin.
    pub(crate) fn origin(&self) -> &Node {
        &self.nodes[0]
    }

    /// The origin.
    pub(crate) fn origin_mut(&mut self) -> &mut Node {
        &mut self.nodes[0]
    }

    /// The replica that joined first.
    pub(crate) fn replica(&self) -> &Node {
        &self.nodes[1]
    }

    /// The replica that joined first.
    pub(crate) fn replica_mut(&mut self) -> &mut Node {
        &mut self.nodes[1]
    }

    /// `wait --all` on the origin.
    #[track_caller]
    pub(crate) fn wait_all(&self) {
        let said = self.origin().cli(&["wait", "--all", "--timeout", "60s"]);
        if said.code != 0 {
            let all = self
                .nodes
                .iter()
                .map(|node| format!("{}: {}", node.name, node.cli(&["status", "--json"]).stdout));
            let all = all.collect::<Vec<_>>().join("\n");
            panic!("wait --all: {}: {} {}\n{all}", said.code, said.stdout, said.stderr);
        }
    }

    /// All docroots are equal, all nodes say so, and `hash` agrees with them.
    #[track_caller]
    pub(crate) fn assert_equal(&self) {
        let expected = walk(&self.origin().docroot());
        let hash = self.origin().hash();
        for node in &self.nodes {
            let name = &node.name;
            let found = differences(&expected, &walk(&node.docroot()));
            assert!(found.is_empty(), "origin and {name} differ:\n{}", found.join("\n"));
            let status = node.status();
            assert_eq!(status["node"]["root"], hash.as_str(), "{name}: {status:#}");
            assert_eq!(status["node"]["in_sync"], true, "{name}: {status:#}");
            assert_eq!(node.hash(), hash, "{name}");
        }
    }

    /// Waits until every change of the origin is everywhere and no edit of a replica is left, and
    /// sees that all is equal.
    #[track_caller]
    pub(crate) fn converges(&self) {
        self.wait_all();
        for replica in &self.nodes[1..] {
            replica.cli(&["wait", "--timeout", "60s"]).done();
        }
        self.assert_equal();
    }
}

fn count_of(counts: &Value, name: &str) -> u64 {
    let counts = counts.as_array().expect("a list of counts");
    let found = counts.iter().find(|count| count["name"] == name);
    found.and_then(|count| count["count"].as_u64()).unwrap_or_default()
}
