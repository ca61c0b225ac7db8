//! `init`: a new cluster, with this node as its origin.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::failure::{Failure, Outcome, exit};
use super::newcomer::{Given, Newcomer};
use super::output::Output;
use super::{text, values};
use crate::core::join::{Founded, Founding, found};
use crate::daemon::system;

/// How long the first token is valid.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Make a cluster with this node as its origin; prints the command that joins a replica.
///
/// Starts no daemon. The token in the command is valid once, for 24 hours.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The directory that is mirrored; a symlink is kept as given.
    #[arg(long, value_name = "DIR")]
    docroot: PathBuf,
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
    /// What is not mirrored; may be given several times.
    #[arg(long, value_name = "PATTERN", value_parser = values::exclude)]
    exclude: Vec<String>,
}

/// Runs the verb.
pub(crate) fn run(arguments: &InitArguments, state: &Path, output: Output) -> Outcome {
    let given = Given {
        docroot: Some(&arguments.docroot),
        work: arguments.work.as_deref(),
        name: arguments.name.as_deref(),
        listen: arguments.listen,
        advertise: arguments.advertise.as_deref(),
    };
    let newcomer = Newcomer::prepare(state, &given, output)?;
    let (name, address) = (newcomer.name.clone(), newcomer.advertise.clone());
    let founding = Founding {
        name: name.clone(),
        addresses: vec![address.clone()],
        excludes: arguments.exclude.clone(),
        wall: system::wall(),
        token_lifetime: TOKEN_LIFETIME,
    };
    let mut entropy = system::entropy().map_err(Failure::no_entropy)?;
    let Founded { batch, token } =
        found(&newcomer.secret, founding, &mut entropy).map_err(Failure::failed)?;
    let (id, docroot) = (newcomer.secret.public(), newcomer.config.docroot.clone());
    newcomer.settle(batch)?;

    let token_text = token.to_string();
    if output.json {
        output.value(&json!({
            "token": token_text, "address": address, "cluster": token.cluster.to_string(),
            "id": id.to_string(), "name": name,
        }));
    } else {
        let docroot = docroot.unwrap_or_default();
        let docroot = text::shell_word(&docroot.to_string_lossy());
        output.line(format!("mirrormesh join {token_text} --docroot {docroot}"));
        output.talk(format!(
            "{name} is the origin of a new cluster; start it: {}",
            text::run_command(state)
        ));
    }
    Ok(exit::DONE)
}
