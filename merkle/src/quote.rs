//! Shows raw bytes to people.
//!
//! Printable UTF-8 is shown as it is. Anything else is put in double quotes with C escapes, as git
//! does with `core.quotePath=false`: what is shown is one line, cannot move a terminal's cursor or
//! reverse its text, and names the bytes exactly.

use std::fmt;

/// Shows `bytes`, quoted if they are not printable UTF-8 or hold a quote or a backslash.
pub fn quote(bytes: &[u8]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| display(bytes, f))
}

/// Writes what [`quote`] shows.
pub(crate) fn display(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_plain) => f.write_str(text),
        _ => quoted(bytes, f),
    }
}

/// A character that needs no escape. Besides controls, that excludes line separators and the marks
/// that change the direction of text, with which a name could pass for another.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '"' | '\\' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        && !matches!(character, '\u{2060}'..='\u{2069}' | '\u{061c}' | '\u{feff}')
}

fn quoted(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_plain(character) {
                write!(f, "{character}")?;
            } else {
                let mut buffer = [0; 4];
                for &byte in character.encode_utf8(&mut buffer).as_bytes() {
                    escaped(byte, f)?;
                }
            }
        }
        for &byte in chunk.invalid() {
            escaped(byte, f)?;
        }
    }
    f.write_str("\"")
}

fn escaped(byte: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match byte {
        b'"' => f.write_str("\\\""),
        b'\\' => f.write_str("\\\\"),
        0x07 => f.write_str("\\a"),
        0x08 => f.write_str("\\b"),
        b'\t' => f.write_str("\\t"),
        b'\n' => f.write_str("\\n"),
        0x0b => f.write_str("\\v"),
        0x0c => f.write_str("\\f"),
        b'\r' => f.write_str("\\r"),
        _ => write!(f, "\\{byte:03o}"),
    }
}
