//! The document as people edit it: `config show`, `config edit`.
//!
//! Purpose: TOML of the part that an admin decides. Members and revoked keys are not in it (they
//! change by `join` and `remove`), formats neither (they change by themselves).
//!
//! Invariants: what [`Document::to_text`] writes, [`DocumentText::parse`] reads back to the same
//! settings; unknown keys are refused, because a misspelt exclude would mirror what it should not;
//! every mistake has a line and a column.
//!
//! Never decides what a pattern means.

use serde::Deserialize;
use toml::Spanned;

use super::validate::pattern_fault;
use super::{DocrootSwitch, Document, Policy, Promotion, Rule, Writers};

/// Why a text is no document. Nothing changed; correct the place it names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct TextError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// The editable part of a [`Document`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    /// See [`Document::excludes`].
    pub excludes: Vec<String>,
    /// See [`Document::rules`].
    pub rules: Vec<Rule>,
    /// See [`Document::promotion`].
    pub promotion: Promotion,
    /// See [`Document::docroot_switch`].
    pub docroot_switch: DocrootSwitch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawText {
    #[serde(default)]
    excludes: Vec<Spanned<String>>,
    #[serde(default = "default_promotion")]
    promotion: Promotion,
    #[serde(default = "default_docroot_switch")]
    docroot_switch: DocrootSwitch,
    #[serde(default)]
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    path: Spanned<String>,
    #[serde(default = "default_policy")]
    policy: Policy,
    #[serde(default = "default_writers")]
    writers: Writers,
}

const fn default_promotion() -> Promotion {
    Promotion::Manual
}

const fn default_docroot_switch() -> DocrootSwitch {
    DocrootSwitch::Hold
}

const fn default_policy() -> Policy {
    Policy::MasterWins
}

const fn default_writers() -> Writers {
    Writers::Origin
}

impl DocumentText {
    /// Reads a text. A setting that is left out has its default.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str) -> Result<DocumentText, TextError> {
        if text.len() > Document::MAX_ENCODED {
            return Err(place(text, 0, "the text is longer than 1 MiB"));
        }
        let raw: RawText = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            place(text, start, error.message())
        })?;
        let patterns = raw.excludes.iter().chain(raw.rules.iter().map(|rule| &rule.path));
        for pattern in patterns {
            if let Some(fault) = pattern_fault(pattern.get_ref()) {
                return Err(place(text, pattern.span().start, &format!("pattern: {fault}")));
            }
        }
        check_count(text, raw.excludes.get(Document::MAX_EXCLUDES), "excludes")?;
        check_count(text, raw.rules.get(Document::MAX_RULES).map(|rule| &rule.path), "rules")?;
        Ok(DocumentText {
            excludes: raw.excludes.into_iter().map(Spanned::into_inner).collect(),
            rules: raw.rules.into_iter().map(RawRule::into_rule).collect(),
            promotion: raw.promotion,
            docroot_switch: raw.docroot_switch,
        })
    }

    /// `document` with this part in place of its own; the version stays: see [`Document::draft`].
    pub fn apply(self, document: &mut Document) {
        document.excludes = self.excludes;
        document.rules = self.rules;
        document.promotion = self.promotion;
        document.docroot_switch = self.docroot_switch;
    }
}

impl RawRule {
    fn into_rule(self) -> Rule {
        Rule { path: self.path.into_inner(), policy: self.policy, writers: self.writers }
    }
}

impl Document {
    /// The editable part as TOML with explanations.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# Cluster document, version {}. Members change by `join` and `remove`.\n\n\
             # Paths that are not mirrored. Each node leaves what it has of them alone.\n",
            self.version
        );
        if self.excludes.is_empty() {
            text.push_str("excludes = []\n");
        } else {
            text.push_str("excludes = [\n");
            for pattern in &self.excludes {
                text.push_str(&format!("  {},\n", quoted(pattern)));
            }
            text.push_str("]\n");
        }
        text.push_str(&format!(
            "\n# How a dead origin is replaced: \"manual\" or \"automatic\" (3 or 5 voters).\n\
             promotion = {}\n\n\
             # Another directory at the docroot's path: \"hold\" until confirmed, or \"follow\".\n\
             docroot_switch = {}\n",
            quoted(self.promotion.word()),
            quoted(self.docroot_switch.word())
        ));
        for rule in &self.rules {
            text.push_str(&format!(
                "\n[[rules]]\npath = {}\npolicy = {}\nwriters = {}\n",
                quoted(&rule.path),
                quoted(rule.policy.word()),
                quoted(rule.writers.word())
            ));
        }
        text
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn check_count(text: &str, beyond: Option<&Spanned<String>>, what: &str) -> Result<(), TextError> {
    match beyond {
        Some(item) => Err(place(text, item.span().start, &format!("too many {what}"))),
        None => Ok(()),
    }
}

fn place(text: &str, offset: usize, message: &str) -> TextError {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    TextError { line, column, message: message.to_owned() }
}
