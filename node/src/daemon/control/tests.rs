use std::time::Duration;

use serde_bytes::ByteBuf;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::core::{Answer, Command, Event, PathLine};
use crate::daemon::input::{Inbox, Input, Reply};
use crate::daemon::socket;

const PATIENCE: Duration = Duration::from_secs(20);

struct Daemon {
    state: tempfile::TempDir,
    inputs: mpsc::Receiver<Input>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Daemon {
    fn new() -> Daemon {
        Daemon::in_directory(tempfile::tempdir().unwrap())
    }

    fn in_directory(state: tempfile::TempDir) -> Daemon {
        let (inbox, inputs) = Inbox::new();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let listener = socket::listen(&socket_path(state.path())).unwrap();
        tokio::spawn(serve(listener, inbox, tasks.clone(), stop.clone()));
        Daemon { state, inputs, stop, tasks }
    }

    async fn next(&mut self) -> Input {
        timeout(PATIENCE, self.inputs.recv()).await.expect("something happens").unwrap()
    }

    async fn command(&mut self) -> (Command, mpsc::Sender<Reply>) {
        match self.next().await {
            Input::Command { command, answers, .. } => (command, answers),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn commands_and_answers_make_the_round_trip() {
    let mut daemon = Daemon::new();
    let mut client = Client::connect(daemon.state.path()).await.unwrap();
    for _ in 0..2 {
        let question = Command::KeptRestore { id: 7, to: Some(ByteBuf::from(vec![0xff, b'/'])) };
        let asked = question.clone();
        let answering = async {
            let (command, answers) = daemon.command().await;
            assert_eq!(command, question);
            let line = PathLine { path: ByteBuf::from(vec![0xfe]), what: "+".to_owned() };
            let lines = Answer::Paths(vec![line; 256]);
            answers.send(Reply { answer: lines, last: false }).await.unwrap();
            let done = Answer::Done("done".to_owned());
            answers.send(Reply { answer: done, last: true }).await.unwrap();
        };
        let asking = async {
            let mut answers = client.ask(asked).await.unwrap();
            let (first, last) = answers.next().await.unwrap();
            assert!(matches!(first, Answer::Paths(lines) if lines.len() == 256) && !last);
            assert_eq!(answers.next().await.unwrap(), (Answer::Done("done".to_owned()), true));
        };
        tokio::join!(answering, asking);
    }
    daemon.stop.cancel();
    daemon.tasks.close();
    timeout(PATIENCE, daemon.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_cancels() {
    let mut daemon = Daemon::new();
    let mut client = Client::connect(daemon.state.path()).await.unwrap();
    let _ = client.ask(Command::Status).await.unwrap();
    let Input::Command { id, answers: _kept, .. } = daemon.next().await else { panic!() };
    drop(client);
    assert!(matches!(daemon.next().await, Input::Event(Event::Cancelled(found)) if found == id));
}

#[tokio::test]
async fn where_no_daemon_is_the_client_says_so() {
    let state = tempfile::tempdir().unwrap();
    let connected = Client::connect(state.path()).await;
    assert!(matches!(connected, Err(ControlError::NoDaemon)));
    drop(socket::listen(&socket_path(state.path())).unwrap());
    let connected = Client::connect(state.path()).await;
    assert!(matches!(connected, Err(ControlError::NoDaemon)));
    let _daemon = Daemon::in_directory(state);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_an_error_when_the_daemon_does() {
    let mut daemon = Daemon::new();
    let mut client = Client::connect(daemon.state.path()).await.unwrap();
    let mut answers = client.ask(Command::Stop).await.unwrap();
    drop(daemon.command().await);
    assert!(matches!(answers.next().await, Err(ControlError::Ended)));
}

#[tokio::test]
async fn what_is_not_understood_is_answered() {
    use tokio::io::AsyncWriteExt as _;
    let daemon = Daemon::new();
    let mut stream = socket::connect(&socket_path(daemon.state.path())).await.unwrap();
    stream.write_all(&[0, 0, 0, 1, 0xc1]).await.unwrap();
    let reply: Reply = wire::read(&mut stream, wire::MAX_ANSWER).await.unwrap().unwrap();
    assert!(matches!(reply.answer, Answer::Refused { exit: 1, .. }) && reply.last);
}

#[tokio::test]
async fn a_long_path_is_no_obstacle() {
    let outer = tempfile::tempdir().unwrap();
    let long = outer.path().join("d".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let state = tempfile::tempdir_in(&long).unwrap();
    let mut daemon = Daemon::in_directory(state);
    let mut client = Client::connect(daemon.state.path()).await.unwrap();
    let _answers = client.ask(Command::Status).await.unwrap();
    assert_eq!(daemon.command().await.0, Command::Status);
}
