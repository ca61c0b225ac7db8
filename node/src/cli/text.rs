//! Numbers, times, tables and paths as people read them.

use std::time::Duration;

use bytesize::ByteSize;
use mirrormesh_merkle::{Path, quote};
use serde_json::{Map, Value};

/// `3.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}

/// `1 file`, `12 files`.
pub(crate) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `0.4 s`, `12 s`, `3 min`, `5 h`, `2 days`.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s <= 0.0 => "0 s".into(),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// `12 ms`, `1.25 s`.
pub(crate) fn milliseconds(duration: Duration) -> String {
    match duration.as_secs_f64() {
        s if s < 0.001 => "<1 ms".into(),
        s if s < 1.0 => format!("{:.0} ms", s * 1_000.0),
        s => format!("{s:.2} s"),
    }
}

/// The first 12 digits of a hash or id.
pub(crate) fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}

/// A path for people: as it is if printable, else quoted as git does.
pub(crate) fn path(bytes: &[u8]) -> String {
    if bytes.is_empty() { Path::root().to_string() } else { quote(bytes).to_string() }
}

/// Puts a path into a JSON object: `path` if it is UTF-8, else `path_hex`.
pub(crate) fn put_path(object: &mut Map<String, Value>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert("path".into(), text.into()),
        Err(_) => object.insert("path_hex".into(), hex(bytes).into()),
    };
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hex digits; `None` if they are none.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

/// How the daemon of a state directory is started.
pub(crate) fn run_command(state: &std::path::Path) -> String {
    match state == std::path::Path::new(super::DEFAULT_STATE) {
        true => "mirrormesh run".to_owned(),
        false => format!("mirrormesh run --state {}", shell_word(&state.to_string_lossy())),
    }
}

/// A word as a shell must be given it.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Widest column that others are aligned after; formatting itself knows no wider ones than 65,535.
const WIDEST: usize = 200;

/// Rows in aligned columns, two spaces apart. The last column is not padded and may be of any
/// length; widths count characters, so colours belong into the last column or are put in afterwards.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter()
        .map(|row| {
            let last = row.len().saturating_sub(1);
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                let width = if column == last { 0 } else { (*width).min(WIDEST) };
                format!("{cell:<width$}")
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests;
