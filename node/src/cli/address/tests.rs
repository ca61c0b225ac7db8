use super::*;

fn choose(listen: Option<&str>, advertise: Option<&str>) -> Addresses {
    Addresses::choose(listen.map(|text| text.parse().unwrap()), advertise).unwrap()
}

#[test]
fn port_zero_becomes_a_port_that_is_kept() {
    let chosen = choose(Some("127.0.0.1:0"), None);
    assert_ne!(chosen.listen.port(), 0);
    assert_eq!(chosen.advertise, chosen.listen.to_string());
    let chosen = choose(Some("127.0.0.1:0"), Some("web0.example:0"));
    assert_eq!(chosen.advertise, format!("web0.example:{}", chosen.listen.port()));
}

#[test]
fn what_is_given_is_kept() {
    let chosen = choose(Some("192.0.2.7:7440"), None);
    assert_eq!(chosen.advertise, "192.0.2.7:7440");
    let chosen = choose(Some("[2001:db8::7]:1"), None);
    assert_eq!(chosen.advertise, "[2001:db8::7]:1");
    assert_eq!(choose(Some("0.0.0.0:1"), Some("web0:2")).advertise, "web0:2");
}

#[test]
fn what_is_chosen_can_be_dialled() {
    let chosen = choose(None, None);
    assert_eq!(chosen.listen.port(), DEFAULT_PORT);
    assert!(mirrormesh_gossip::is_address(&chosen.advertise), "{}", chosen.advertise);
    assert!(!chosen.advertise.starts_with("0.0.0.0") && !chosen.advertise.starts_with("[::]"));
}

#[test]
fn host_names_become_member_names() {
    assert_eq!(sanitised("web0.example"), "web0.example");
    assert_eq!(sanitised("büro 7"), "b-ro-7");
    assert_eq!(sanitised("---"), "node");
    assert_eq!(sanitised(""), "node");
    assert!(mirrormesh_gossip::is_member_name(&host_name()));
}
