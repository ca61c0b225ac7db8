//! Questions to the daemon of a state directory.
//!
//! Invariants: a refusal becomes a failure with the daemon's own exit code, message and hint; a
//! daemon that cannot be reached is exit code 11.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::failure::{Failure, Outcome, exit, with_state};
use crate::core::{Answer, Command, View};
use crate::daemon::control::{Client, ControlError};

/// How often a daemon that is not up yet is looked for.
const RETRY: Duration = Duration::from_millis(50);
/// How much longer than asked for an answer may take.
const GRACE: Duration = Duration::from_secs(2);

/// What takes answers, the last one included.
pub(crate) type Each<'a> = &'a mut dyn FnMut(Answer);

/// The daemon of a state directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Daemon<'a> {
    state: &'a Path,
}

/// Why there is no answer.
enum Silence {
    /// The daemon is not there, or went away before the last answer.
    Unreachable(Failure),
    /// It refused.
    Refused(Failure),
}

impl From<Silence> for Failure {
    fn from(silence: Silence) -> Failure {
        match silence {
            Silence::Unreachable(failure) | Silence::Refused(failure) => failure,
        }
    }
}

impl<'a> Daemon<'a> {
    /// The daemon of a state directory; nothing is asked yet.
    pub(crate) fn at(state: &'a Path) -> Daemon<'a> {
        Daemon { state }
    }

    /// Asks, and gives every answer to `each`.
    pub(crate) fn ask(self, command: Command, each: Each<'_>) -> Result<(), Failure> {
        Ok(runtime()?.block_on(self.converse(command, each))?)
    }

    /// Asks something that has one answer.
    pub(crate) fn answer(self, command: Command) -> Result<Answer, Failure> {
        let mut last = None;
        self.ask(command, &mut |answer| last = Some(answer))?;
        last.ok_or_else(|| self.unreachable("it ended the conversation").into())
    }

    /// The state of things.
    pub(crate) fn status(self) -> Result<View, Failure> {
        view(self.answer(Command::Status)?)
    }

    /// Asks for the state of things again and again, until `each` fails.
    pub(crate) fn repeat(
        self,
        every: Duration,
        each: &mut dyn FnMut(Result<View, Failure>) -> Result<(), Failure>,
    ) -> Outcome {
        runtime()?.block_on(async {
            loop {
                let mut last = None;
                let asked = self.converse(Command::Status, &mut |answer| last = Some(answer)).await;
                let answer = asked.map_err(Failure::from).and_then(|()| {
                    last.ok_or_else(|| self.unreachable("it ended the conversation").into())
                });
                each(answer.and_then(view))?;
                sleep(every).await;
            }
        })
    }

    /// Asks; a daemon that is not up yet, or restarts meanwhile, is waited for and asked again with
    /// what is left of the time.
    pub(crate) fn ask_until_up(
        self,
        patience: Duration,
        command: &mut dyn FnMut(Duration) -> Command,
        each: Each<'_>,
    ) -> Result<(), Failure> {
        runtime()?.block_on(async {
            let began = Instant::now();
            loop {
                let left = patience.saturating_sub(began.elapsed());
                let asked = self.converse(command(left), each);
                match timeout(left.saturating_add(GRACE), asked).await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(Silence::Refused(failure))) => return Err(failure),
                    Ok(Err(Silence::Unreachable(failure))) => {
                        if began.elapsed() >= patience {
                            let message =
                                format!("timed out; behind: this node: {}", failure.message);
                            return Err(Failure::new(exit::TIMEOUT, message).hint(failure.hint));
                        }
                    }
                    Err(_) => {
                        let message = "timed out; behind: this node: its daemon does not answer";
                        return Err(Failure::new(exit::TIMEOUT, message));
                    }
                }
                sleep(RETRY.min(left)).await;
            }
        })
    }

    async fn converse(self, command: Command, each: Each<'_>) -> Result<(), Silence> {
        let fail = |error: ControlError| self.unreachable(&error.to_string());
        let mut client = Client::connect(self.state).await.map_err(fail)?;
        let mut answers = client.ask(command).await.map_err(fail)?;
        loop {
            let (answer, last) = answers.next().await.map_err(fail)?;
            if let Answer::Refused { exit, message, hint } = answer {
                return Err(Silence::Refused(Failure { exit, message, hint }));
            }
            each(answer);
            if last {
                return Ok(());
            }
        }
    }

    fn unreachable(self, reason: &str) -> Silence {
        let message = format!("no daemon answers in {}: {reason}", self.state.display());
        let run = with_state(self.state, "run");
        let hint = format!("is it running? {run}, or systemctl status mirrormesh");
        Silence::Unreachable(Failure::new(exit::UNREACHABLE, message).hint(hint))
    }
}

/// An answer that does not fit the question: daemon and program are of different versions.
pub(crate) fn unexpected(answer: &Answer) -> Failure {
    let text = format!("{answer:?}");
    let kind: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
    Failure::failed(format!("the daemon gave an answer that does not fit ({kind})"))
        .hint("daemon and command line are of different versions: restart the daemon")
}

fn view(answer: Answer) -> Result<View, Failure> {
    match answer {
        Answer::Status(view) => Ok(*view),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(error.to_string()))
}
