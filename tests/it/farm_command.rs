//! The command line as a script calls it, and waiting for what it leads to.
//!
//! Invariants: a command that does not end fails the test; ports lie outside the range from which
//! the kernel gives ports away, so that a node that is down finds its own again.

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);
/// First and one past the last port that is tried.
const PORTS: (u16, u16) = (20_000, 32_000);
const PROGRAM: &str = env!("CARGO_BIN_EXE_mirrormesh-under-test");

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// What a command came to.
pub(crate) struct Said {
    /// Exit code; -1 if a signal ended it.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it said.
    pub(crate) stderr: String,
}

impl Said {
    /// What it printed, if it ended with 0.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        self.with(0)
    }

    /// What it printed, if it ended with this code.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> String {
        let Said { stdout, stderr, .. } = &self;
        assert_eq!(self.code, code, "stdout: {stdout}\nstderr: {stderr}");
        self.stdout
    }

    /// What it said, if it failed with this code, in one line and perhaps a hint.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        let Said { stdout, stderr, .. } = &self;
        assert_eq!(self.code, code, "stdout: {stdout}\nstderr: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        self.stderr
    }
}

/// The program under test, with nothing of the caller's surroundings.
pub(crate) fn program() -> Command {
    plain(Command::new(PROGRAM))
}

/// The same in a network namespace.
pub(crate) fn program_in(namespace: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, PROGRAM]);
    plain(command)
}

fn plain(mut command: Command) -> Command {
    command.stdin(Stdio::null()).env_remove("MIRRORMESH_STATE").env_remove("RUST_LOG");
    command
}

/// Held for reading by who has a file of a docroot open for writing. A program that is started then
/// has it open too, until it is loaded: to a daemon it is one that somebody still writes.
pub(crate) static WRITING: RwLock<()> = RwLock::new(());

/// Starts a program while no test thread has a file of a docroot open for writing.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let _nobody = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Runs a command that must end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Said {
    let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
    let stdout = reader(child.stdout.take().unwrap());
    let stderr = reader(child.stderr.take().unwrap());
    let Some(status) = ends(&mut child, PATIENCE * 2) else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("{command:?} does not end; it said: {}", stderr.join().unwrap());
    };
    let code = status.code().unwrap_or(-1);
    Said { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// How a process ends, if it does in time.
pub(crate) fn ends(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if began.elapsed() >= patience {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "in vain waited: {what}");
        thread::sleep(PAUSE);
    }
}

/// Something to know if the test fails.
#[expect(clippy::print_stderr, reason = "it is shown with the test's output")]
pub(crate) fn remark(text: &str) {
    eprintln!("{text}");
}

/// A UDP address of loopback that nobody uses, and what keeps other tests from it, in this process
/// and in others: a daemon that is down does not hold it.
pub(crate) fn free_address() -> (String, TcpListener) {
    let (first, end) = PORTS;
    let start = u16::try_from(std::process::id() % u32::from(end - first)).unwrap_or_default();
    loop {
        let step = NEXT_PORT.fetch_add(7, Ordering::Relaxed);
        let port = first + start.wrapping_add(step) % (end - first);
        let Ok(claim) = TcpListener::bind(("127.0.0.2", port)) else { continue };
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return (format!("127.0.0.1:{port}"), claim);
        }
    }
}
