//! A view as a page of text: the verdict first, then the members, then only what needs a look.

use super::super::output::{Output, Tone};
use super::super::text::{self, count, seconds, short, size};
use crate::core::view::{MemberView, NodeView, PathView, SkippedView, View};

/// Most paths of one list; the rest is counted.
const LISTED: usize = 20;

/// The page, line by line.
pub(crate) fn page(view: &View, output: Output) -> Vec<String> {
    let (tone, sentence) = verdict(view);
    let mut lines = vec![output.paint(tone, sentence)];
    lines.extend(facts(view).into_iter().map(|line| output.paint(Tone::Faint, line)));
    lines.push(String::new());
    lines.extend(members(view, output));
    lists(&view.node, output, &mut lines);
    lines
}

/// What matters, in one line.
fn verdict(view: &View) -> (Tone, String) {
    let node = &view.node;
    let seq = node.seq.map_or("none yet".to_owned(), |seq| seq.to_string());
    if node.activity == "removed" {
        return (Tone::Bad, "REMOVED: this node is no member of the cluster any more".into());
    }
    if let Some(held) = &node.held {
        let going = match held.deletes {
            0 => String::new(),
            deletes => format!(" ({} would go)", count(deletes, "file")),
        };
        return (Tone::Bad, format!("HELD: {}{going}", held.reason));
    }
    if node.role == "origin" {
        return origin_verdict(view, &seq);
    }
    let heard = match node.heard_seconds {
        Some(since) => format!("heard {} ago", seconds(since)),
        None => "never heard".to_owned(),
    };
    let origin = &view.cluster.origin;
    match (node.in_sync, node.fresh) {
        (true, true) => {
            (Tone::Good, format!("in sync with {origin} (origin), seq {seq}, fresh, {heard}"))
        }
        (true, false) => (
            Tone::Attention,
            format!("NOT fresh: {origin} (origin) {heard}; in sync with its last known seq {seq}"),
        ),
        (false, _) => (Tone::Attention, behind(node, &heard)),
    }
}

fn origin_verdict(view: &View, seq: &str) -> (Tone, String) {
    let node = &view.node;
    let others = view.cluster.members.iter().filter(|member| member.id != node.id);
    let (mut total, mut in_sync) = (0, 0);
    for member in others {
        total += 1;
        in_sync += u64::from(member.alive && member.in_sync && member.seq == node.seq);
    }
    if !node.in_sync {
        let errors = match node.errors.len() as u64 + node.errors_more {
            0 => String::new(),
            errors => format!(", {} in error", count(errors, "path")),
        };
        let sentence = format!("origin, NOT all published: {}{errors}", doing(node));
        return (Tone::Attention, sentence);
    }
    let published = format!("{} ({})", count(node.files, "file"), size(node.bytes));
    let others = match total {
        0 => "no other member yet".to_owned(),
        total => format!("{in_sync} of {} in sync", count(total, "other member")),
    };
    let tone = if in_sync == total { Tone::Good } else { Tone::Attention };
    (tone, format!("origin, seq {seq}, {published} published, {others}"))
}

fn behind(node: &NodeView, heard: &str) -> String {
    let mut parts = vec![format!(
        "NOT in sync: {} ({}) to go",
        count(node.pending_files, "file"),
        size(node.pending_bytes)
    )];
    let errors = node.errors.len() as u64 + node.errors_more;
    if errors > 0 {
        parts.push(format!("{errors} in error"));
    }
    parts.push(doing(node));
    if node.lag_seconds > 0.0 && node.role != "origin" {
        parts.push(format!("{} behind", seconds(node.lag_seconds)));
    }
    if !node.fresh {
        parts.push(format!("NOT fresh, origin {heard}"));
    }
    parts.join(", ")
}

fn doing(node: &NodeView) -> String {
    match node.activity.as_str() {
        "" => "starting".into(),
        activity => activity.to_owned(),
    }
}

/// Two lines about this node.
fn facts(view: &View) -> Vec<String> {
    let (node, cluster) = (&view.node, &view.cluster);
    let watch = match node.watch.backend.as_str() {
        "" => String::new(),
        backend if node.watch.watches > 0 => {
            let limit = match node.watch.limit {
                0 => String::new(),
                limit => format!(" of {limit}"),
            };
            format!("{backend}, {}{limit} watches ({})", node.watch.watches, node.watch.reason)
        }
        backend => format!("{backend} ({})", node.watch.reason),
    };
    let root = node.root.as_deref().map_or("none yet", short);
    let mut rows = vec![
        vec!["node".into(), format!("{}, {}, {}", node.name, node.role, node.address)],
        vec![
            "docroot".into(),
            format!("{}, {}, {}", node.docroot, count(node.files, "file"), size(node.bytes)),
        ],
        vec!["root".into(), format!("{root}, epoch {}, term {}", node.epoch, node.term)],
        vec!["watch".into(), watch],
        vec!["cluster".into(), short(&cluster.id).to_owned()],
    ];
    if node.role == "witness" {
        rows.retain(|row| row[0] != "docroot" && row[0] != "watch");
    }
    rows.retain(|row| !row[1].is_empty());
    text::table(&rows)
}

fn members(view: &View, output: Output) -> Vec<String> {
    let heading = ["", "MEMBER", "ROLE", "STATE", "SEQ", "LAG", "ADDRESS"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    let mut tones = vec![Tone::Strong];
    for member in &view.cluster.members {
        let (tone, state) = member_state(member, view.node.seq);
        tones.push(tone);
        rows.push(vec![
            if member.id == view.node.id { "*".into() } else { String::new() },
            member.name.clone(),
            member.role.clone(),
            state,
            member.seq.map_or("-".into(), |seq| seq.to_string()),
            seconds(member.lag_seconds),
            member.address.clone(),
        ]);
    }
    let lines = text::table(&rows).into_iter().zip(tones);
    lines.map(|(line, tone)| output.paint(tone, line)).collect()
}

fn member_state(member: &MemberView, seq: Option<u64>) -> (Tone, String) {
    if !member.alive {
        return (Tone::Bad, "not reached".into());
    }
    if let Some(held) = &member.held {
        let state = match held.deletes {
            0 => "held".into(),
            deletes => format!("held ({})", count(deletes, "file")),
        };
        return (Tone::Bad, state);
    }
    if member.role == "witness" {
        let (tone, state) =
            if member.fresh { (Tone::Good, "fresh") } else { (Tone::Attention, "not fresh") };
        return (tone, state.into());
    }
    if member.errors > 0 {
        return (Tone::Bad, format!("{} in error", member.errors));
    }
    match (member.in_sync, member.fresh) {
        (true, true) if member.seq < seq => (Tone::Attention, "behind".into()),
        (true, true) => (Tone::Good, "in sync".into()),
        (true, false) => (Tone::Attention, "not fresh".into()),
        (false, _) => (Tone::Attention, "behind".into()),
    }
}

/// The lists that are not empty.
fn lists(node: &NodeView, output: Output, lines: &mut Vec<String>) {
    let heading = |lines: &mut Vec<String>, tone: Tone, text: String| {
        lines.push(String::new());
        lines.push(output.paint(tone, text));
    };
    for warning in &node.warnings {
        heading(lines, Tone::Bad, format!("warning: {warning}"));
    }
    let errors = node.errors.len() as u64 + node.errors_more;
    if errors > 0 {
        heading(lines, Tone::Bad, format!("in error ({errors}); each is tried again:"));
        paths(&node.errors, node.errors_more, lines);
    }
    if !node.open_for_writing.is_empty() {
        let files = count(node.open_for_writing.len() as u64, "file");
        let what = format!("open for writing, published when closed ({files}):");
        heading(lines, Tone::Attention, what);
        paths(&node.open_for_writing, 0, lines);
    }
    if !node.unreadable.is_empty() {
        let files = count(node.unreadable.len() as u64, "file");
        let what = format!("not readable, their last published version stays ({files}):");
        heading(lines, Tone::Attention, what);
        paths(&node.unreadable, 0, lines);
    }
    if !node.unserved.is_empty() {
        let files = count(node.unserved.len() as u64, "file");
        let what = format!("missing or older here until the origin can serve them ({files}):");
        heading(lines, Tone::Attention, what);
        paths(&node.unserved, 0, lines);
    }
    if !node.skipped.is_empty() {
        heading(lines, Tone::Attention, format!("not mirrored ({}):", node.skipped.len()));
        skipped(&node.skipped, lines);
    }
    if node.set_aside > 0 {
        let what = format!("set aside: {} ({})", node.set_aside, size(node.set_aside_bytes));
        heading(lines, Tone::Attention, what);
        lines.push("  look: mirrormesh kept list".into());
    }
    if !node.refused.is_empty() {
        heading(lines, Tone::Attention, "refused since the start:".into());
        lines.extend(node.refused.iter().map(|count| format!("  {}: {}", count.name, count.count)));
    }
}

fn paths(list: &[PathView], more: u64, lines: &mut Vec<String>) {
    for item in list.iter().take(LISTED) {
        let path = shown(item.path.as_deref(), item.path_hex.as_deref());
        match item.reason.as_str() {
            "" => lines.push(format!("  {path}")),
            reason => lines.push(format!("  {path}: {reason}")),
        }
    }
    and_more(list.len().saturating_sub(LISTED) as u64 + more, lines);
}

fn skipped(list: &[SkippedView], lines: &mut Vec<String>) {
    for item in list.iter().take(LISTED) {
        let path = shown(item.path.as_deref(), item.path_hex.as_deref());
        lines.push(format!("  {path}: {}", item.kind));
    }
    and_more(list.len().saturating_sub(LISTED) as u64, lines);
}

fn and_more(more: u64, lines: &mut Vec<String>) {
    if more > 0 {
        lines.push(format!("  and {more} more (--json lists what is kept of them)"));
    }
}

fn shown(path: Option<&str>, hex: Option<&str>) -> String {
    let decoded = hex.and_then(text::unhex);
    match (path, decoded) {
        (Some(path), _) => text::path(path.as_bytes()),
        (None, Some(bytes)) => text::path(&bytes),
        (None, None) => "?".into(),
    }
}

#[cfg(test)]
mod tests;
