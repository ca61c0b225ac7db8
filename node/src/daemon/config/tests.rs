use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Http, LogFormat};
use crate::store::Durability;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("mirrormesh.toml"), text)
}

fn refusal(text: &str) -> (usize, String) {
    match parse(text) {
        Err(ConfigError::Invalid { line, message, .. }) => (line, message),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn nothing_is_all_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(parse("# talk\n\n").unwrap().kept_percent, 10);
}

#[test]
fn every_setting_is_read() {
    let config = parse(
        "durability = \"relaxed\"\nname = \"web0\"\ndocroot = \"/srv/www\"\nwork = \"/srv/.w\"\n\
         listen = \"[::]:7440\"\nadvertise = \"web0.example:7440\"\nhttp = \"127.0.0.1:7441\"\n\
         kept_percent = 5\nwatch_limit = 7\non_promote = \"a b\"\non_demote = \"c\"\n\
         log_format = \"json\"\n",
    )
    .unwrap();
    assert_eq!(config.durability, Durability::Relaxed);
    assert_eq!(config.docroot, Some(PathBuf::from("/srv/www")));
    assert_eq!(config.http, Http::Address("127.0.0.1:7441".parse().unwrap()));
    assert_eq!((config.kept_percent, config.watch_limit), (5, 7));
    assert_eq!(config.log_format, LogFormat::Json);
    let again = parse(&config.to_text().unwrap()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn mistakes_have_a_line() {
    assert_eq!(refusal("name = \"a\"\nlisten_on = \"[::]:1\"\n").0, 2);
    assert_eq!(refusal("\n\nhttp = \"192.0.2.1:80\"\n").0, 3);
    assert_eq!(refusal("kept_percent = 101\n").0, 1);
    assert_eq!(refusal("durability = \"fast\"\n").0, 1);
    assert_eq!(refusal("docroot = \"www\"\n").1, "the path must be absolute");
    assert_eq!(refusal("name = \"a\"\nname = \"b\"\n").0, 2);
    assert_eq!(refusal("[limits]\nkept_percent = 1\n").0, 1);
    assert_eq!(refusal("listen = \"7440\"\n").0, 1);
    assert_eq!(refusal("advertise = \"web0\"\n").0, 1);
}

#[test]
fn written_is_only_what_differs() {
    let config = Config { name: Some("w".into()), ..Config::default() };
    let text = config.to_text().unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["name = \"w\""]);
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Config::load(directory.path()), Err(ConfigError::Missing(_))));
    let first = Config { http: Http::Off, ..Config::default() };
    first.store(directory.path()).unwrap();
    assert_eq!(Config::load(directory.path()).unwrap(), first);
    Config::default().store(directory.path()).unwrap();
    assert_eq!(Config::load(directory.path()).unwrap(), Config::default());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
