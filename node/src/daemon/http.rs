//! HTTP for monitors and load balancers: metrics and health.
//!
//! Purpose: `/metrics`, `/livez`, `/readyz`, `/origin` and `/replica`, on a Unix socket or a
//! loopback address.
//!
//! Invariants: reads only; connections are bounded; on TCP only a request that names this machine's
//! loopback is answered, so that no web page can make a browser ask. Every question to the core's
//! task has a time-out.
//!
//! Never shows a path or a name of a file.

mod health;
mod listener;
mod metrics;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::listener::Bounded;
use super::input::Inbox;
use super::notes::Notes;
use crate::core::View;

/// Name of the socket in the state directory.
pub(crate) const SOCKET: &str = "http.sock";
/// The core's task must answer within this time.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Media type of the metrics.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the handlers need.
#[derive(Clone)]
struct Shared {
    inbox: Inbox,
    notes: Arc<Notes>,
}

impl Shared {
    async fn view(&self) -> Result<View, Response> {
        match timeout(ANSWER_TIME, self.inbox.view()).await {
            Ok(Some(view)) => Ok(view),
            Ok(None) | Err(_) => {
                Err((StatusCode::SERVICE_UNAVAILABLE, "the node does not answer\n").into_response())
            }
        }
    }
}

/// Serves on a Unix socket until `stop`.
pub(crate) async fn serve_socket(
    listener: UnixListener,
    inbox: Inbox,
    notes: Arc<Notes>,
    stop: CancellationToken,
) {
    let router = router(Shared { inbox, notes });
    let served = axum::serve(Bounded::new(listener), router);
    let _ = served.with_graceful_shutdown(stop.cancelled_owned()).await;
}

/// Serves on a loopback address until `stop`.
pub(crate) async fn serve_address(
    listener: TcpListener,
    inbox: Inbox,
    notes: Arc<Notes>,
    stop: CancellationToken,
) {
    let router = router(Shared { inbox, notes }).layer(from_fn(only_loopback_names));
    let served = axum::serve(Bounded::new(listener), router);
    let _ = served.with_graceful_shutdown(stop.cancelled_owned()).await;
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/origin", get(health::origin))
        .route("/replica", get(health::replica))
        .with_state(shared)
}

async fn metrics(State(shared): State<Shared>) -> Result<Response, Response> {
    let view = shared.view().await?;
    match metrics::encode(&view, &shared.notes) {
        Ok(text) => Ok(([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response()),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    }
}

async fn only_loopback_names(headers: HeaderMap, request: Request, next: Next) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(names_loopback) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "not a name of this service\n").into_response()
    }
}

/// Whether a Host header names loopback, with or without a port.
fn names_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let is_address = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests;
