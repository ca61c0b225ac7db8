//! Metrics, in the text form of OpenMetrics.
//!
//! Made from the view at each scrape: there is no second book that could contradict `status`.
//!
//! Label values come from fixed lists; none is a path, a name of a file, or chosen by a peer.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode as encode_text;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::core::View;
use crate::core::view::NodeView;
use crate::daemon::notes::Notes;

type Labels = [(&'static str, String); 1];
type Counters = Family<Labels, Counter>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// The metrics of this moment.
pub(super) fn encode(view: &View, notes: &Notes) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("mirrormesh");
    let version = ("version", env!("CARGO_PKG_VERSION"));
    registry.register("build", "The program", Info::new([version]));
    node(&mut registry, &view.node);
    members(&mut registry, view);
    counters(&mut registry, &view.node, notes);
    let mut text = String::new();
    encode_text(&mut text, &registry)?;
    Ok(text)
}

fn node(registry: &mut Registry, node: &NodeView) {
    let mut gauge = |name: &str, help: &str, value: f64| {
        registry.register(name, help, ConstGauge::new(value));
    };
    let flag = |value: bool| f64::from(u8::from(value));
    gauge("in_sync", "Applied root is the newest head's, no path in error", flag(node.in_sync));
    gauge("fresh", "The origin was heard within 10 s", flag(node.fresh));
    gauge("held", "The brake holds", flag(node.held.is_some()));
    let deletes = node.held.as_ref().map_or(0, |held| held.deletes);
    gauge("held_deletes", "Files that would go if the brake were released", deletes as f64);
    gauge("epoch", "Epoch of the newest head", node.epoch as f64);
    gauge("lag_seconds", "Age of the oldest change not applied", node.lag_seconds);
    gauge("files", "Files in the current tree", node.files as f64);
    gauge("bytes", "Bytes in the current tree", node.bytes as f64);
    gauge("pending_files", "Files not yet applied", node.pending_files as f64);
    gauge("pending_bytes", "Bytes not yet applied", node.pending_bytes as f64);
    let errors = node.errors.len() as u64 + node.errors_more;
    gauge("errors", "Paths in error", errors as f64);
    gauge("set_aside", "Things set aside", node.set_aside as f64);
    gauge("set_aside_bytes", "Bytes set aside", node.set_aside_bytes as f64);
    gauge("skipped", "Names that are not mirrored, as far as listed", node.skipped.len() as f64);
    let open = node.open_for_writing.len();
    gauge("open_for_writing", "Files not published because somebody writes them", open as f64);
    gauge("unreadable", "Files the origin cannot read", node.unreadable.len() as f64);
    gauge("unserved", "Files missing here until the origin can serve", node.unserved.len() as f64);
    gauge("watches", "Directories watched", node.watch.watches as f64);
    gauge("watches_limit", "Most directories that would be watched", node.watch.limit as f64);
    gauge("warnings", "Things an operator should know", node.warnings.len() as f64);
    // What is not known is left out: a zero would be a lie.
    if let Some(seq) = node.seq {
        gauge("seq", "Sequence number of the applied head", seq as f64);
    }
    if let Some(seq) = node.newest_seq {
        gauge("newest_seq", "Sequence number of the newest head", seq as f64);
    }
    if let Some(seconds) = node.heard_seconds {
        gauge("heard_seconds", "Time since the origin was heard", seconds);
    }
    let family = Gauges::default();
    for role in ["origin", "candidate", "replica", "witness"] {
        let value = flag(node.role == role);
        family.get_or_create(&[("role", role.to_owned())]).set(value);
    }
    registry.register("role", "1 for the role of this node", family);
    let family = Gauges::default();
    for backend in ["fanotify", "inotify", "scan"] {
        let value = flag(node.watch.backend == backend);
        family.get_or_create(&[("backend", backend.to_owned())]).set(value);
    }
    registry.register("watch_backend", "1 for the way the docroot is watched", family);
}

fn members(registry: &mut Registry, view: &View) {
    let members = &view.cluster.members;
    let family = Gauges::default();
    let count = |state: &str, count: usize| {
        family.get_or_create(&[("state", state.to_owned())]).set(count as f64);
    };
    count("listed", members.len());
    count("alive", members.iter().filter(|member| member.alive).count());
    count("fresh", members.iter().filter(|member| member.fresh).count());
    count("in_sync", members.iter().filter(|member| member.in_sync).count());
    count("held", members.iter().filter(|member| member.held.is_some()).count());
    registry.register("members", "Members of the roster, and how many of them are so", family);
}

fn counters(registry: &mut Registry, node: &NodeView, notes: &Notes) {
    let family = Counters::default();
    for (note, count) in notes.counts() {
        family.get_or_create(&[("note", note.to_owned())]).inc_by(count);
    }
    registry.register("notes", "What happened, by kind", family);
    let family = Counters::default();
    let mut sum = 0;
    for refused in &node.refused {
        family.get_or_create(&[("what", refused.name.clone())]).inc_by(refused.count);
        sum += refused.count;
    }
    registry.register("refused", "Messages from peers that were refused, by kind", family);
    registry.register(
        "refused_all",
        "Messages from peers that were refused",
        ConstCounter::new(sum),
    );
    let family = Counters::default();
    for counter in &node.counters {
        family.get_or_create(&[("name", counter.name.clone())]).inc_by(counter.count);
    }
    registry.register("work", "What the node did, by kind", family);
}
