//! Health, in the words of load balancers.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;

use super::{ANSWER_TIME, Shared};
use crate::core::View;

/// How far behind a node may be where nothing is said.
const MAX_LAG: &str = "5s";

type Health = (StatusCode, String);

/// What `/readyz` may be asked.
#[derive(Debug, Deserialize)]
pub(super) struct Readiness {
    max_lag: Option<String>,
}

/// 200 while the core's task answers.
pub(super) async fn live(State(shared): State<Shared>) -> Health {
    match timeout(ANSWER_TIME, shared.inbox.pulse()).await {
        Ok(true) => (StatusCode::OK, "live\n".to_owned()),
        Ok(false) | Err(_) => unavailable("the node does not answer"),
    }
}

/// 200 while this node is fresh and no further behind than asked.
pub(super) async fn ready(State(shared): State<Shared>, Query(asked): Query<Readiness>) -> Health {
    let max_lag = asked.max_lag.as_deref().unwrap_or(MAX_LAG);
    let Ok(max_lag) = humantime::parse_duration(max_lag) else {
        let message = "max_lag is a time such as 5s or 500ms\n".to_owned();
        return (StatusCode::BAD_REQUEST, message);
    };
    match shared.view().await {
        Ok(view) => judge(&view, max_lag.as_secs_f64()),
        Err(_) => unavailable("the node does not answer"),
    }
}

/// 200 on the origin.
pub(super) async fn origin(State(shared): State<Shared>) -> Health {
    role(&shared, |role| role == "origin").await
}

/// 200 on a node that follows.
pub(super) async fn replica(State(shared): State<Shared>) -> Health {
    role(&shared, |role| role == "replica" || role == "candidate").await
}

async fn role(shared: &Shared, is_right: fn(&str) -> bool) -> Health {
    match shared.view().await {
        Ok(view) if is_right(&view.node.role) => (StatusCode::OK, format!("{}\n", view.node.role)),
        Ok(view) => unavailable(&view.node.role),
        Err(_) => unavailable("the node does not answer"),
    }
}

/// In sync, or no longer out of it than `max_lag` seconds. What is held may stay so; and who has not
/// been in sync since it started may lack what is older than anybody knows.
pub(super) fn judge(view: &View, max_lag: f64) -> Health {
    let node = &view.node;
    if node.seq.is_none() {
        unavailable("no head yet")
    } else if !node.fresh {
        unavailable("the origin is not heard")
    } else if let Some(held) = &node.held {
        unavailable(&format!("held: {}", held.reason))
    } else if node.role != "origin" && matches!(&node.activity[..], "starting" | "scanning") {
        unavailable("its docroot has not been looked at since the start")
    } else if !node.in_sync && !node.lag_known {
        unavailable("not in sync since it started")
    } else if !node.in_sync && node.lag_seconds > max_lag {
        unavailable(&format!("{:.3} s behind", node.lag_seconds))
    } else {
        (StatusCode::OK, "ready\n".to_owned())
    }
}

fn unavailable(why: &str) -> Health {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
}
