//! One setting at a time: `config set KEY VALUE`.

use serde::Deserialize;

use super::{DocrootSwitch, Document, DocumentError, Promotion};

const SETTINGS: [&str; 3] = ["excludes", "promotion", "docroot_switch"];

impl Document {
    /// The settings that [`Document::get`] and [`Document::set`] know.
    pub const fn settings() -> &'static [&'static str] {
        &SETTINGS
    }

    /// A setting as TOML value text: `["*.tmp"]`, `"manual"`.
    ///
    /// # Errors
    /// [`DocumentError::NoSuchSetting`].
    pub fn get(&self, key: &str) -> Result<String, DocumentError> {
        match key {
            "excludes" => Ok(toml::Value::from(self.excludes.clone()).to_string()),
            "promotion" => Ok(toml::Value::from(self.promotion.word()).to_string()),
            "docroot_switch" => Ok(toml::Value::from(self.docroot_switch.word()).to_string()),
            _ => Err(no_such_setting(key)),
        }
    }

    /// Gives a setting a value: TOML, or a bare word as shells pass it. A list given as a bare word
    /// has that one item, or none if it is empty. The version stays: see [`Document::draft`].
    ///
    /// # Errors
    /// An unknown setting or a value it cannot have; the document is unchanged then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), DocumentError> {
        match key {
            "excludes" => {
                let patterns = parse_list("excludes", value)?;
                let before = std::mem::replace(&mut self.excludes, patterns);
                self.validate().inspect_err(|_| self.excludes = before)
            }
            "promotion" => {
                let word = parse_word(value);
                self.promotion = Promotion::from_word(&word)
                    .ok_or_else(|| bad_value("promotion", value, "manual or automatic"))?;
                Ok(())
            }
            "docroot_switch" => {
                let word = parse_word(value);
                self.docroot_switch = DocrootSwitch::from_word(&word)
                    .ok_or_else(|| bad_value("docroot_switch", value, "hold or follow"))?;
                Ok(())
            }
            _ => Err(no_such_setting(key)),
        }
    }
}

fn no_such_setting(key: &str) -> DocumentError {
    DocumentError::NoSuchSetting { key: key.to_owned(), known: SETTINGS.join(", ") }
}

fn bad_value(key: &'static str, value: &str, reason: impl Into<String>) -> DocumentError {
    DocumentError::BadValue { key, value: value.to_owned(), reason: reason.into() }
}

/// A TOML string, or the text itself.
fn parse_word(value: &str) -> String {
    match parse_value(value) {
        Ok(toml::Value::String(text)) => text,
        _ => value.trim().to_owned(),
    }
}

fn parse_list(key: &'static str, value: &str) -> Result<Vec<String>, DocumentError> {
    let value = value.trim();
    if !value.starts_with('[') {
        let word = parse_word(value);
        return Ok(if word.is_empty() { Vec::new() } else { vec![word] });
    }
    // A pattern may begin with a bracket itself (`[ab]*.tmp`): it is to be written as a list, so
    // that a list with a mistake in it never becomes one odd pattern.
    let parsed = parse_value(value).map_err(|reason| bad_value(key, value, reason))?;
    let items = parsed.as_array().ok_or_else(|| bad_value(key, value, "not a list"))?;
    items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect::<Option<Vec<String>>>()
        .ok_or_else(|| bad_value(key, value, "every item must be a string"))
}

fn parse_value(text: &str) -> Result<toml::Value, String> {
    if text.len() > Document::MAX_ENCODED {
        return Err("too long".to_owned());
    }
    let value = toml::Value::deserialize(toml::de::ValueDeserializer::parse(text).map_err(reason)?);
    value.map_err(reason)
}

fn reason(error: toml::de::Error) -> String {
    error.message().to_owned()
}
