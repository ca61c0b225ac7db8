use super::*;

#[test]
fn paths_are_quoted_as_git_does() {
    assert_eq!(path("blog/grüße.html".as_bytes()), "blog/grüße.html");
    assert_eq!(path(b"with space"), "with space");
    assert_eq!(path(b"a\"b"), r#""a\"b""#);
    assert_eq!(path(b"a\\b"), r#""a\\b""#);
    assert_eq!(path(b"line\nbreak"), r#""line\nbreak""#);
    assert_eq!(path(b"\xff\x01/x"), r#""\377\001/x""#);
    assert_eq!(path(b"/srv/www/\xff"), r#""/srv/www/\377""#);
    assert_eq!(path(b"/srv/www/a"), "/srv/www/a");
}

#[test]
fn json_has_hex_where_text_cannot_say_it() {
    let mut object = Map::new();
    put_path(&mut object, b"a/\xff");
    assert_eq!(object["path_hex"], "612fff");
    assert_eq!(unhex("612fff").unwrap(), b"a/\xff");
    assert_eq!(unhex("6"), None);
    assert_eq!(unhex("zz"), None);
}

#[test]
fn times_and_counts_read_well() {
    assert_eq!(seconds(0.0), "0 s");
    assert_eq!(seconds(0.42), "0.4 s");
    assert_eq!(seconds(34.4), "34 s");
    assert_eq!(seconds(600.0), "10 min");
    assert_eq!(milliseconds(Duration::from_micros(12_400)), "12 ms");
    assert_eq!(count(1, "file"), "1 file");
    assert_eq!(count(0, "file"), "0 files");
}

#[test]
fn shells_get_one_word() {
    assert_eq!(shell_word("/srv/www"), "/srv/www");
    assert_eq!(shell_word("/srv/my site"), "'/srv/my site'");
    assert_eq!(shell_word("it's"), r"'it'\''s'");
    assert_eq!(shell_word(""), "''");
}

#[test]
fn columns_are_aligned() {
    let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), "d".into()]];
    assert_eq!(table(&rows), ["a    bb", "ccc  d"]);
    let long = "x".repeat(100_000);
    let rows = [vec!["a".into(), long.clone()], vec![long.clone(), "b".into()]];
    let lines = table(&rows);
    assert_eq!(lines, [format!("{:<200}  {long}", "a"), format!("{long}  b")]);
}
