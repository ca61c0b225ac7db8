use super::*;

#[test]
fn the_line_says_what_an_operator_wants_to_know() {
    let mut view = View::default();
    view.node.name = "web2".to_owned();
    view.node.role = "replica".to_owned();
    assert_eq!(status_line(&view), "web2 replica, no head yet, not in sync, origin not heard");
    view.node.seq = Some(7);
    view.node.in_sync = true;
    view.node.fresh = true;
    assert_eq!(status_line(&view), "web2 replica, seq 7, in sync");
    view.node.in_sync = false;
    view.node.lag_seconds = 3.2;
    assert_eq!(status_line(&view), "web2 replica, seq 7, not in sync, 3 s behind");
}
