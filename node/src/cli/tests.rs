use clap::{CommandFactory as _, Parser as _};

use super::{Line, Verb};

fn parse(words: &str) -> Result<Line, clap::Error> {
    Line::try_parse_from(words.split(' '))
}

#[test]
fn the_definition_is_consistent() {
    Line::command().debug_assert();
}

#[test]
fn state_and_json_may_stand_anywhere() {
    let line = parse("mirrormesh status --json --state /s").unwrap();
    assert!(line.json && line.state.ends_with("s"));
    let line = parse("mirrormesh --state /s kept list").unwrap();
    assert!(!line.json && line.state.ends_with("s"));
}

#[test]
fn verbs_take_what_the_contract_says() {
    for words in [
        "mirrormesh init --docroot /d --work /w --name n --listen [::]:0 --advertise a:1 \
         --exclude *.tmp --exclude cache/",
        "mirrormesh token --role witness --ttl 1h --uses 0",
        "mirrormesh join TOKEN --docroot /d --timeout 5s",
        "mirrormesh join TOKEN --name n",
        "mirrormesh run",
        "mirrormesh status --watch",
        "mirrormesh wait --all --timeout 300s",
        "mirrormesh wait --members a,b --timeout 5",
        "mirrormesh diff a b -0",
        "mirrormesh hash /d blog",
        "mirrormesh verify --repair",
        "mirrormesh confirm --list",
        "mirrormesh config set excludes *.tmp",
        "mirrormesh config edit",
        "mirrormesh remove web1",
        "mirrormesh leave",
        "mirrormesh kept restore 7 --to /tmp/x",
        "mirrormesh kept drop 1 2",
        "mirrormesh demo --nodes 3 --for 0",
        "mirrormesh completions bash",
        "mirrormesh simulate run file --seed 7 --json",
    ] {
        let words: Vec<&str> = words.split_whitespace().collect();
        assert!(Line::try_parse_from(&words).is_ok(), "{words:?}");
    }
}

#[test]
fn wrong_usage_is_refused() {
    for words in [
        "mirrormesh",
        "mirrormesh explain x",
        "mirrormesh wait --all --live",
        "mirrormesh init",
        "mirrormesh init --docroot /d --name -x",
        "mirrormesh token --ttl never",
        "mirrormesh kept drop",
        "mirrormesh demo --nodes 1",
    ] {
        assert!(parse(words).is_err(), "{words}");
    }
}

#[test]
fn members_are_separated_by_commas() {
    let Verb::Wait(wait) = parse("mirrormesh wait --members a,b").unwrap().verb else {
        panic!("not wait");
    };
    assert!(format!("{wait:?}").contains(r#"["a", "b"]"#));
}
