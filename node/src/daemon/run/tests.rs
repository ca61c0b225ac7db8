//! Real daemons in threads of this process, on loopback.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use mirrormesh_gossip::{SecretKey, Token};
use tokio::time::Instant;

use super::*;
use crate::core::join::{Founding, found};
use crate::core::{Answer, Command, View, WaitScope};
use crate::daemon::control::{Client, ControlError};
use crate::daemon::disk::OrderedStore;
use crate::daemon::join::{JoinError, JoinOptions, join};
use crate::daemon::{places, system};
use crate::store::Batch;

/// A daemon whose log goes nowhere.
fn silent(state: PathBuf) -> RunOptions {
    RunOptions { state, print: Arc::new(|_| {}) }
}

const PATIENCE: Duration = Duration::from_secs(60);

struct Site {
    directory: tempfile::TempDir,
    secret: SecretKey,
    listen: std::net::SocketAddr,
}

impl Site {
    fn new(seed: u8) -> Site {
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let listen = port.local_addr().unwrap();
        let site = Site { directory, secret: SecretKey::from_seed([seed; 32]), listen };
        std::fs::create_dir(site.docroot()).unwrap();
        places::prepare_state(&site.state()).unwrap();
        site
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn docroot(&self) -> PathBuf {
        self.directory.path().join("docroot")
    }

    fn settle(&self, name: &str, batch: Batch) {
        key::write(&self.state(), &self.secret).unwrap();
        let store = OrderedStore::open(&places::store_path(&self.state())).unwrap();
        store.commit(batch, true).unwrap();
        let config = Config {
            name: Some(name.to_owned()),
            docroot: Some(self.docroot()),
            listen: Some(self.listen),
            advertise: Some(self.listen.to_string()),
            ..Config::default()
        };
        config.store(&self.state()).unwrap();
    }

    fn found(&self) -> Token {
        let founding = Founding {
            name: "origin".to_owned(),
            addresses: vec![self.listen.to_string()],
            excludes: Vec::new(),
            wall: system::wall(),
            token_lifetime: PATIENCE,
        };
        let founded = found(&self.secret, founding, &mut system::entropy().unwrap()).unwrap();
        self.settle("origin", founded.batch);
        founded.token
    }

    fn run(&self) -> JoinHandle<Result<(), RunError>> {
        let options = silent(self.state());
        let thread = std::thread::spawn(move || run(options));
        let start = Instant::now();
        while let Err(error) = self.ask(Command::Status) {
            assert!(matches!(error, ControlError::NoDaemon), "{error}");
            assert!(!thread.is_finished(), "{:?}", thread.join());
            assert!(start.elapsed() < PATIENCE, "the daemon does not come up");
            std::thread::yield_now();
        }
        thread
    }

    fn ask(&self, command: Command) -> Result<Answer, ControlError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::connect(&self.state()).await?;
            let mut answers = client.ask(command).await?;
            loop {
                if let (answer, true) = answers.next().await? {
                    return Ok(answer);
                }
            }
        })
    }

    fn view(&self) -> View {
        match self.ask(Command::Status).unwrap() {
            Answer::Status(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    fn wait_for_all(&self) {
        let timeout_milliseconds = PATIENCE.as_millis() as u64;
        let command = Command::Wait { scope: WaitScope::All, timeout_milliseconds };
        match self.ask(command).unwrap() {
            Answer::Waited { errors, .. } => assert!(errors.is_empty(), "{errors:?}"),
            other => panic!("{other:?} {:#?}", self.view()),
        }
    }

    fn stop(&self, daemon: JoinHandle<Result<(), RunError>>) {
        self.ask(Command::Stop).unwrap();
        daemon.join().unwrap().unwrap();
        assert!(!self.state().join(control::SOCKET).exists());
    }

    fn join(&self, name: &str, token: Token) -> Result<Batch, JoinError> {
        let options = JoinOptions {
            token,
            secret: self.secret.clone(),
            name: name.to_owned(),
            addresses: vec![self.listen.to_string()],
            timeout: Some(PATIENCE),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(join(&options, &mut |sentence| tracing::info!("{sentence}")))
    }
}

fn write(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_file_travels_from_the_origin_to_a_replica() {
    let (origin, replica) = (Site::new(1), Site::new(2));
    write(&origin.docroot().join("index.html"), "hello");
    let token = origin.found();
    let first = origin.run();
    let batch = replica.join("replica", token.clone()).unwrap();
    replica.settle("replica", batch);
    let refused = Site::new(3).join("third", token);
    assert!(matches!(refused, Err(JoinError::Refused(_))), "a token is for one");
    let second = replica.run();
    origin.wait_for_all();
    assert_eq!(std::fs::read(replica.docroot().join("index.html")).unwrap(), b"hello");

    let mut latencies = Vec::new();
    for number in 0..50 {
        let name = format!("page-{number}.html");
        let start = Instant::now();
        write(&origin.docroot().join(&name), "a page");
        let target = replica.docroot().join(&name);
        while !target.exists() {
            assert!(start.elapsed() < PATIENCE, "{:#?} {:#?}", origin.view(), replica.view());
            std::thread::yield_now();
        }
        latencies.push(start.elapsed());
    }
    latencies.sort();
    tracing::info!("close to visible: median {:?}, worst {:?}", latencies[25], latencies[49]);

    let again = run(silent(origin.state())).unwrap_err();
    assert_eq!(again.exit, 1);
    assert!(again.message.contains("another mirrormesh"), "{again}");
    replica.stop(second);
    origin.stop(first);
}

#[test]
fn what_cannot_start_says_why_and_with_which_code() {
    let site = Site::new(4);
    assert_eq!(run(silent(site.state())).unwrap_err().exit, 10);
    let _token = site.found();
    let taken = std::net::UdpSocket::bind(site.listen).unwrap();
    let error = run(silent(site.state())).unwrap_err();
    assert_eq!(error.exit, 1);
    assert!(error.message.contains(&site.listen.to_string()), "{error}");
    drop(taken);
    std::fs::remove_dir(site.docroot()).unwrap();
    let error = run(silent(site.state())).unwrap_err();
    assert_eq!(error.exit, 1);
    assert!(error.message.contains("does not exist"), "{error}");
}
