//! The nodes of the demo: processes of this very program.
//!
//! Invariants: every process started here ends at the latest when the farm is dropped, or when this
//! process dies by whatever cause; all files lie in one directory that goes with it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::super::failure::Failure;
use super::super::scratch::Scratch;

/// How long a node may take until it answers, or ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of a log that are shown when something went wrong.
const LOG_LINES: usize = 15;

/// Origin and replicas.
pub(super) struct Farm {
    /// Dropped before the directory goes.
    nodes: Vec<Node>,
    scratch: Scratch,
    program: PathBuf,
    token: String,
}

struct Node {
    name: String,
    daemon: Option<Child>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // One that has ended already is no error.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Farm {
    /// Makes the directories of `count` nodes: `web0`, the origin, and its replicas.
    pub(super) fn new(count: usize) -> Result<Farm, Failure> {
        let scratch = Scratch::new("demo")?;
        let program =
            std::env::current_exe().map_err(|error| Failure::failed(error.to_string()))?;
        let nodes = (0..count).map(|index| Node { name: format!("web{index}"), daemon: None });
        let farm = Farm { nodes: nodes.collect(), scratch, program, token: String::new() };
        for index in 0..count {
            let docroot = farm.docroot(index);
            fs::create_dir_all(&docroot).map_err(|error| Failure::failed(error.to_string()))?;
        }
        Ok(farm)
    }

    /// Number of nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Names of the nodes.
    pub(super) fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// The document root of a node.
    pub(super) fn docroot(&self, index: usize) -> PathBuf {
        self.place(index).join("www")
    }

    /// Whether a node's daemon is up.
    pub(super) fn runs(&self, index: usize) -> bool {
        self.nodes[index].daemon.is_some()
    }

    /// Makes the cluster and starts the origin. Returns its address.
    pub(super) async fn found(&mut self) -> Result<String, Failure> {
        let docroot = self.docroot(0);
        let name = self.nodes[0].name.clone();
        let mut command = self.command(0, "init");
        command.args(["--listen", "127.0.0.1:0", "--json", "--name", &name]);
        let told = answer(command.arg("--docroot").arg(docroot))?;
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        self.start(0).await?;
        let mut command = self.command(0, "token");
        self.token = answer(command.args(["--uses", "0", "--ttl", "1h"]))?.trim().to_owned();
        Ok(told["address"].as_str().unwrap_or_default().to_owned())
    }

    /// Makes a node a member and starts it. Returns its address.
    pub(super) async fn join(&mut self, index: usize) -> Result<String, Failure> {
        let docroot = self.docroot(index);
        let name = self.nodes[index].name.clone();
        let mut command = self.command(index, "join");
        command.args([&self.token, "--listen", "127.0.0.1:0", "--name", &name]);
        command.args(["--timeout", "30s", "--docroot"]);
        answer(command.arg(docroot))?;
        self.start(index).await
    }

    /// Starts a daemon and waits until it answers. Returns its address.
    pub(super) async fn start(&mut self, index: usize) -> Result<String, Failure> {
        let log = self.place(index).join("log");
        let log = fs::File::options().create(true).append(true).open(log);
        let log = log.map_err(|error| Failure::failed(error.to_string()))?;
        let mut command = self.command(index, "run");
        command.arg("--die-with-parent").stdout(Stdio::null()).stderr(log);
        let daemon = command.spawn().map_err(|error| Failure::failed(error.to_string()))?;
        self.nodes[index].daemon = Some(daemon);
        let began = Instant::now();
        loop {
            if let Ok(told) = answer(self.command(index, "status").arg("--json")) {
                let told: Value = serde_json::from_str(&told).unwrap_or_default();
                return Ok(told["node"]["address"].as_str().unwrap_or_default().to_owned());
            }
            let ended = match &mut self.nodes[index].daemon {
                Some(daemon) => daemon.try_wait().is_ok_and(|status| status.is_some()),
                None => true,
            };
            if ended || began.elapsed() > PATIENCE {
                let name = &self.nodes[index].name;
                let log = self.log_end(index).join("\n");
                return Err(Failure::failed(format!("{name} does not start")).hint(log));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends a daemon as a power cut would.
    pub(super) fn kill(&mut self, index: usize) -> Result<(), Failure> {
        if let Some(mut daemon) = self.nodes[index].daemon.take() {
            let killed = daemon.kill().and_then(|()| daemon.wait());
            killed.map_err(|error| Failure::failed(error.to_string()))?;
        }
        Ok(())
    }

    /// Waits until every change so far is on every node.
    pub(super) fn wait_for_all(&self, patience: Duration) -> Result<(), Failure> {
        let timeout = format!("{}s", patience.as_secs());
        answer(self.command(0, "wait").args(["--all", "--timeout", &timeout])).map(drop)
    }

    /// Waits until every change so far is on one node.
    pub(super) fn wait_for(&self, index: usize, patience: Duration) -> Result<(), Failure> {
        let timeout = format!("{}s", patience.as_secs());
        let name = &self.nodes[index].name;
        let mut command = self.command(0, "wait");
        answer(command.args(["--members", name, "--timeout", &timeout])).map(drop)
    }

    /// Asks every daemon to end, and waits a little.
    pub(super) async fn stop(&mut self) {
        for node in &self.nodes {
            if let Some(pid) =
                node.daemon.as_ref().and_then(|daemon| Pid::from_child(daemon).into())
            {
                // One that has ended already is no error.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let began = Instant::now();
        for node in &mut self.nodes {
            while let Some(daemon) = &mut node.daemon
                && began.elapsed() < Duration::from_secs(3)
            {
                if daemon.try_wait().is_ok_and(|status| status.is_none()) {
                    sleep(Duration::from_millis(10)).await;
                } else {
                    node.daemon = None;
                }
            }
        }
    }

    /// The last lines of every log, each with its node.
    pub(super) fn log_ends(&self) -> Vec<String> {
        (0..self.len()).flat_map(|index| self.log_end(index)).collect()
    }

    fn log_end(&self, index: usize) -> Vec<String> {
        let text = fs::read(self.place(index).join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
        end.iter().map(|line| format!("{}: {line}", self.nodes[index].name)).collect()
    }

    fn place(&self, index: usize) -> PathBuf {
        self.scratch.path().join(&self.nodes[index].name)
    }

    fn command(&self, index: usize, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg("--state").arg(self.place(index).join("state"));
        // Ctrl-C is for this process; it ends the others itself.
        command.stdin(Stdio::null()).process_group(0);
        command
    }
}

/// What a command prints; what it says on stderr if it fails.
fn answer(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| Failure::failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let verb = command.get_args().next().unwrap_or_default().to_string_lossy().into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it failed without a word");
    Err(Failure::failed(format!("{verb}: {said}")))
}
