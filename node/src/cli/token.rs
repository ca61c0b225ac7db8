//! `token`: a join token.

use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::ask::{Daemon, unexpected};
use super::failure::{Outcome, exit};
use super::output::Output;
use super::values::lifetime;
use crate::core::{Answer, Command};

/// Print a join token; asks the running origin.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// What the new member becomes.
    #[arg(long, value_enum, default_value_t = Role::Replica)]
    role: Role,
    /// How long the token is valid.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = lifetime)]
    ttl: Duration,
    /// How many members may join with it; 0: any number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    uses: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Follows.
    Replica,
    /// Follows, and may become origin. Trusted like the origin.
    Candidate,
    /// Has no docroot; votes and remembers heads.
    Witness,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::Replica => "replica",
            Role::Candidate => "candidate",
            Role::Witness => "witness",
        }
    }
}

/// Runs the verb.
pub(crate) fn run(arguments: &TokenArguments, state: &Path, output: Output) -> Outcome {
    let command = Command::Token {
        role: arguments.role.word().to_owned(),
        lifetime_seconds: arguments.ttl.as_secs(),
        uses: arguments.uses,
    };
    match Daemon::at(state).answer(command)? {
        Answer::Token(token) if output.json => {
            let ttl_seconds = arguments.ttl.as_secs();
            let (role, uses) = (arguments.role.word(), arguments.uses);
            output.value(&json!({
                "token": token, "role": role, "ttl_seconds": ttl_seconds, "uses": uses,
            }));
        }
        Answer::Token(token) => output.line(token),
        other => return Err(unexpected(&other)),
    }
    Ok(exit::DONE)
}
