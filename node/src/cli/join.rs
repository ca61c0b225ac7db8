//! `join`: this node becomes a member.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use mirrormesh_gossip::Token;
use serde_json::json;
use tokio::time::timeout;

use super::ask::runtime;
use super::failure::{Failure, Outcome, exit};
use super::newcomer::{Given, Newcomer};
use super::output::Output;
use super::{text, values};
use crate::daemon::join::{JoinError, JoinOptions, join};
use crate::store::Batch;

/// Without `--timeout`: how long an origin that does not answer at all is tried.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the client says before anybody answered.
const UNANSWERED: &str = "no answer";

/// Make this node a member, with the token that the origin gave.
///
/// Starts no daemon. A docroot that holds files already is adopted: equal content is not fetched
/// again, what differs is set aside.
#[derive(Debug, Args)]
pub(crate) struct JoinArguments {
    /// The token.
    #[arg(value_name = "TOKEN")]
    token: String,
    /// The directory that is mirrored; a symlink is kept as given. A witness has none.
    #[arg(long, value_name = "DIR")]
    docroot: Option<PathBuf>,
    /// Where kept files and large files under way lie; on the docroot's mount [default:
    /// .mirrormesh-NAME beside the docroot].
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// This node's name in the cluster [default: the hostname].
    #[arg(long, value_name = "NAME", value_parser = values::name)]
    name: Option<String>,
    /// Where to listen; port 0 takes a free one and keeps it [default: [::]:7440].
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = values::listen)]
    listen: Option<SocketAddr>,
    /// Where others reach this node [default: the listen address, or the default route's].
    #[arg(long, value_name = "HOST:PORT", value_parser = values::advertise)]
    advertise: Option<String>,
    /// Give up after this time [default: 30s while nobody answers, else never].
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    timeout: Option<Duration>,
}

/// Runs the verb.
pub(crate) fn run(arguments: &JoinArguments, state: &Path, output: Output) -> Outcome {
    let token: Token = arguments.token.parse().map_err(|error| {
        Failure::new(exit::REFUSED, format!("{error}"))
            .hint("get one on the origin: mirrormesh token")
    })?;
    match (token.role.has_docroot(), &arguments.docroot) {
        (true, None) => {
            let message = format!("a {} needs a docroot", token.role);
            return Err(Failure::usage(message).hint("--docroot DIR"));
        }
        (false, Some(_)) => {
            return Err(Failure::usage("a witness has no docroot").hint("leave out --docroot"));
        }
        _ => {}
    }
    let given = Given {
        docroot: arguments.docroot.as_deref(),
        work: arguments.work.as_deref(),
        name: arguments.name.as_deref(),
        listen: arguments.listen,
        advertise: arguments.advertise.as_deref(),
    };
    let mut newcomer = Newcomer::prepare(state, &given, output)?;
    let options = JoinOptions {
        token,
        secret: newcomer.secret.clone(),
        name: newcomer.name.clone(),
        addresses: vec![newcomer.advertise.clone()],
        timeout: arguments.timeout,
    };
    let batch = match dial(&options, output) {
        Ok(batch) => batch,
        Err(failure) => {
            if failure.exit != exit::REFUSED {
                newcomer.keep_key();
            }
            return Err(failure);
        }
    };
    newcomer.keep_key();
    let (id, cluster) = (newcomer.secret.public(), options.token.cluster);
    newcomer.settle(batch)?;
    let (name, address, role) = (options.name, &options.addresses[0], options.token.role);
    if output.json {
        output.value(&json!({
            "cluster": cluster.to_string(), "id": id.to_string(), "name": name,
            "address": address, "role": role.word(),
        }));
    } else {
        output.talk(format!("{name} has joined as {role}; start it: {}", text::run_command(state)));
    }
    Ok(exit::DONE)
}

/// What to do about a refusal.
fn refusal_hint(sentence: &str) -> &'static str {
    if sentence.starts_with("the token") {
        "a new token: mirrormesh token, on the origin"
    } else if sentence.starts_with("the name") {
        "another name: --name NAME; the token is not used up"
    } else {
        ""
    }
}

fn dial(options: &JoinOptions, output: Output) -> Result<Batch, Failure> {
    let answered = std::cell::Cell::new(false);
    let mut progress = |sentence: &str| {
        if !sentence.starts_with(UNANSWERED) {
            answered.set(true);
        }
        output.talk(sentence);
    };
    let joined = runtime()?.block_on(async {
        let mut joining = std::pin::pin!(join(options, &mut progress));
        if options.timeout.is_some() {
            return joining.await;
        }
        loop {
            // The origin may scan for hours before its first head; a wrong address never answers.
            match timeout(PATIENCE, &mut joining).await {
                Ok(outcome) => return outcome,
                Err(_) if answered.get() => {}
                Err(_) => return Err(JoinError::TimedOut("nobody answers there".into())),
            }
        }
    });
    joined.map_err(|error| {
        let addresses = options.token.addresses.join(", ");
        match error {
            JoinError::Refused(sentence) => {
                let hint = refusal_hint(&sentence);
                Failure::new(exit::REFUSED, sentence).hint(hint)
            }
            JoinError::TimedOut(reason) if answered.get() => {
                Failure::new(exit::TIMEOUT, format!("timed out: {reason}"))
                    .hint("join again with the same token: it is not used up")
            }
            JoinError::TimedOut(reason) => {
                let message = format!("the origin cannot be reached at {addresses}: {reason}");
                Failure::new(exit::UNREACHABLE, message)
                    .hint("is it running, and is UDP to this port let through?")
            }
            other => Failure::failed(other.to_string()),
        }
    })
}
