use super::business;
use crate::core::View;
use crate::core::view::{HeldView, MemberView};

fn view(activity: &str) -> View {
    let mut view = View::default();
    view.node.activity = activity.into();
    (view.node.files, view.node.bytes) = (3, 3_000);
    view
}

#[test]
fn a_first_scan_counts_and_knows_no_end() {
    let shown = business(&view("scanning"));
    assert_eq!(shown, Some(("scanning: 3 files, 3.0 kB".into(), 0, 0)));
}

#[test]
fn a_fetch_is_measured_in_bytes() {
    let mut view = view("applying");
    (view.node.pending_files, view.node.pending_bytes) = (1, 9_000);
    let shown = business(&view);
    assert_eq!(shown, Some(("fetching: 1 file, 9.0 kB to go".into(), 3_000, 12_000)));
}

#[test]
fn who_is_reached_and_behind_is_named() {
    let mut view = view("publishing");
    view.node.role = "origin".into();
    let member = |name: &str, alive, in_sync| MemberView {
        name: name.into(),
        alive,
        in_sync,
        ..MemberView::default()
    };
    view.cluster.members = vec![member("web1", true, true), member("web2", false, false)];
    assert_eq!(business(&view), None);
    view.cluster.members.push(member("web3", true, false));
    assert_eq!(business(&view), Some(("waiting for web3".into(), 0, 0)));
    view.cluster.members.push(member("web4", true, false));
    assert_eq!(business(&view), Some(("waiting for web3 and 1 more".into(), 0, 0)));
}

#[test]
fn who_holds_is_not_busy() {
    let mut view = view("held");
    view.node.pending_files = 7;
    view.node.held = Some(HeldView::default());
    assert_eq!(business(&view), None);
}
