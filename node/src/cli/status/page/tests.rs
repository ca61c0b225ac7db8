use super::*;
use crate::core::view::{ClusterView, HeldView};

fn plain() -> Output {
    Output::new(true)
}

fn member(name: &str, role: &str, seq: u64) -> MemberView {
    MemberView {
        name: name.into(),
        id: format!("id of {name}"),
        role: role.into(),
        address: format!("{name}:7440"),
        alive: true,
        seq: Some(seq),
        in_sync: true,
        fresh: true,
        ..MemberView::default()
    }
}

fn replica() -> View {
    let node = NodeView {
        name: "web1".into(),
        id: "id of web1".into(),
        role: "replica".into(),
        activity: "following".into(),
        seq: Some(184),
        in_sync: true,
        fresh: true,
        heard_seconds: Some(0.42),
        ..NodeView::default()
    };
    let members = vec![member("web0", "origin", 184), member("web1", "replica", 184)];
    let cluster = ClusterView { origin: "web0".into(), members, ..ClusterView::default() };
    View { node, cluster }
}

fn first(view: &View) -> String {
    page(view, plain()).swap_remove(0)
}

#[test]
fn the_verdict_comes_first() {
    let mut view = replica();
    assert_eq!(first(&view), "in sync with web0 (origin), seq 184, fresh, heard 0.4 s ago");
    view.node.fresh = false;
    view.node.heard_seconds = Some(34.0);
    assert!(first(&view).starts_with("NOT fresh: web0 (origin) heard 34 s ago"));
    view.node.in_sync = false;
    view.node.pending_files = 12;
    view.node.pending_bytes = 3_400_000;
    view.node.activity = "fetching".into();
    let line = first(&view);
    assert!(line.starts_with("NOT in sync: 12 files (3.4 MB) to go, fetching"), "{line}");
    view.node.held = Some(HeldView { reason: "too many".into(), deletes: 30 });
    assert!(first(&view).starts_with("HELD: too many (30 files would go)"));
}

#[test]
fn an_origin_counts_the_others() {
    let mut view = replica();
    view.node.id = "id of web0".into();
    view.node.role = "origin".into();
    assert!(first(&view).ends_with("1 of 1 other member in sync"), "{}", first(&view));
    view.cluster.members[1].alive = false;
    assert!(first(&view).ends_with("0 of 1 other member in sync"));
}

#[test]
fn lists_are_there_only_if_there_is_something() {
    let mut view = replica();
    let lines = page(&view, plain());
    assert!(lines.last().unwrap().contains("web1"), "{lines:?}");
    let raw = PathView { path_hex: Some("ff".into()), reason: "no space".into(), path: None };
    view.node.errors = vec![raw];
    assert!(page(&view, plain()).contains(&r#"  "\377": no space"#.to_owned()));
}
