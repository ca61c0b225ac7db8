use super::*;

#[test]
fn durations_may_be_bare_seconds() {
    assert_eq!(duration("0").unwrap(), Duration::ZERO);
    assert_eq!(duration("30").unwrap(), Duration::from_secs(30));
    assert_eq!(duration("24h").unwrap(), Duration::from_secs(86_400));
    assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
    assert!(duration("soon").is_err());
    assert!(duration("-1").is_err());
}

#[test]
fn what_is_over_at_once_is_no_lifetime() {
    assert_eq!(lifetime("1s").unwrap(), Duration::from_secs(1));
    assert!(lifetime("0s").is_err() && lifetime("0").is_err() && lifetime("900ms").is_err());
}

#[test]
fn addresses_are_checked() {
    assert!(listen("[::]:7440").is_ok() && listen("127.0.0.1:0").is_ok());
    assert!(listen("7440").is_err() && listen("::7440").is_err());
    assert_eq!(advertise("web0.example:7440").unwrap(), "web0.example:7440");
    assert_eq!(advertise("192.0.2.1:0").unwrap(), "192.0.2.1:0");
    assert!(advertise("web0").is_err() && advertise(":7440").is_err());
}

#[test]
fn names_and_patterns_are_checked() {
    assert!(name("web0.example").is_ok());
    assert!(name("-all").is_err() && name("a b").is_err() && name("").is_err());
    assert!(exclude("*.tmp").is_ok());
    assert!(exclude("/").is_err() && exclude("[a").is_err());
}
