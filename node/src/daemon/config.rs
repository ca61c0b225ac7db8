//! This node's own settings: `mirrormesh.toml` in the state directory.
//!
//! Purpose: what concerns one node alone and an admin may edit: where it listens, where its
//! docroot and work directories are, how it flushes, what it runs when its role changes. What
//! concerns the cluster is in the cluster document.
//!
//! Invariants: top-level keys only; an unknown key or a value out of range is an error with its
//! line, because a misspelt setting would be silently ignored; a file is replaced as a whole or not
//! at all; what is written holds only what was given or chosen, so that later defaults apply.
//!
//! Never holds a secret (`node.key` does), and is read at start and on reload only.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use mirrormesh_gossip::{is_address, is_member_name};
use serde::Deserialize;
use toml::Spanned;

use super::regular::read_text;
use crate::store::Durability;

/// Name of the file in the state directory.
pub const CONFIG_FILE: &str = "mirrormesh.toml";
/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// The port where nothing else is said.
pub const DEFAULT_PORT: u16 = 7440;
/// Kept files may take this many percent of the file system where nothing else is said.
const KEPT_PERCENT: u8 = 10;
/// Most directories watched with inotify where nothing else is said: each costs the kernel 1.3 KB
/// with the inode it pins.
const WATCH_LIMIT: u32 = 20_000;

/// Why the settings cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no file: no cluster is here, or it was removed by hand.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read. Nothing was changed.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file says something that is not understood. Nothing was changed; correct the line.
    #[error("{}, line {line}, column {column}: {message}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A path that TOML cannot hold. Nothing was changed.
    #[error("{} is not UTF-8: {CONFIG_FILE} cannot name it", .0.display())]
    NotText(PathBuf),
    /// The new file could not be written; the old one is as it was.
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Where HTTP (metrics, health) is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Http {
    /// On the Unix socket `http.sock` in the state directory.
    #[default]
    Socket,
    /// On a loopback address.
    Address(SocketAddr),
    /// Nowhere.
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people and journals.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// This node's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name under which this node was founded or joined.
    pub name: Option<String>,
    /// The directory that is mirrored, absolute, symlinks in it kept; `None` on a witness.
    pub docroot: Option<PathBuf>,
    /// The work directory; `None`: the default beside or in the docroot.
    pub work: Option<PathBuf>,
    /// Where to listen; `None`: [`DEFAULT_PORT`] on every address.
    pub listen: Option<SocketAddr>,
    /// Where others reach this node, `host:port`; `None`: derived from `listen`.
    pub advertise: Option<String>,
    /// Where HTTP is served.
    pub http: Http,
    /// Whether data is flushed before it becomes visible.
    pub durability: Durability,
    /// Kept files may take at most this many percent of the file system.
    pub kept_percent: u8,
    /// Most directories watched with inotify; beyond it the docroot is scanned.
    pub watch_limit: u32,
    /// Command run when this node becomes origin.
    pub on_promote: Option<String>,
    /// Command run when this node ceases to be origin.
    pub on_demote: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            name: None,
            docroot: None,
            work: None,
            listen: None,
            advertise: None,
            http: Http::default(),
            durability: Durability::Durable,
            kept_percent: KEPT_PERCENT,
            watch_limit: WATCH_LIMIT,
            on_promote: None,
            on_demote: None,
            log_format: LogFormat::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Option<Spanned<String>>,
    docroot: Option<Spanned<PathBuf>>,
    work: Option<Spanned<PathBuf>>,
    listen: Option<Spanned<SocketAddr>>,
    advertise: Option<Spanned<String>>,
    http: Option<Spanned<toml::Value>>,
    durability: Option<RawDurability>,
    kept_percent: Option<Spanned<u8>>,
    watch_limit: Option<Spanned<u32>>,
    on_promote: Option<String>,
    on_demote: Option<String>,
    log_format: Option<LogFormat>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawDurability {
    Durable,
    Relaxed,
}

impl Config {
    /// Where the file of a state directory is.
    pub fn path(state: &Path) -> PathBuf {
        state.join(CONFIG_FILE)
    }

    /// Reads the settings of a state directory.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if there is no file; else what is wrong with it.
    pub fn load(state: &Path) -> Result<Config, ConfigError> {
        let path = Config::path(state);
        let text = read(&path)?;
        Config::parse(&path, &text)
    }

    /// Reads settings from `text`; `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the first mistake.
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        let fail = |offset: usize, message: &str| {
            let (line, column) = place(text, offset);
            ConfigError::Invalid {
                path: path.to_owned(),
                line,
                column,
                message: message.to_owned(),
            }
        };
        let raw: Raw = toml::from_str(text).map_err(|error| {
            // A message may go over several lines; the first says what is wrong.
            let message = error.message().lines().next().unwrap_or_default();
            fail(error.span().map_or(0, |span| span.start), message)
        })?;
        raw.into_config().map_err(|(offset, message)| fail(offset, &message))
    }

    /// The settings as text: only those that are not at their default.
    ///
    /// # Errors
    /// [`ConfigError::NotText`] for a path that is not UTF-8.
    pub fn to_text(&self) -> Result<String, ConfigError> {
        let default = Config::default();
        let mut text = String::from(
            "# This node's own settings. What concerns the cluster: mirrormesh config show\n",
        );
        let mut put = |key: &str, value: Option<toml::Value>| {
            if let Some(value) = value {
                text.push_str(&format!("{key} = {value}\n"));
            }
        };
        put("name", self.name.clone().map(Into::into));
        put("docroot", path_value(self.docroot.as_deref())?);
        put("work", path_value(self.work.as_deref())?);
        put("listen", self.listen.map(|address| address.to_string().into()));
        put("advertise", self.advertise.clone().map(Into::into));
        put(
            "http",
            match self.http {
                Http::Socket => None,
                Http::Off => Some(false.into()),
                Http::Address(address) => Some(address.to_string().into()),
            },
        );
        put("durability", (self.durability == Durability::Relaxed).then(|| "relaxed".into()));
        let number = |value: i64, default: i64| (value != default).then(|| value.into());
        put("kept_percent", number(self.kept_percent.into(), default.kept_percent.into()));
        put("watch_limit", number(self.watch_limit.into(), default.watch_limit.into()));
        put("on_promote", self.on_promote.clone().map(Into::into));
        put("on_demote", self.on_demote.clone().map(Into::into));
        put("log_format", (self.log_format == LogFormat::Json).then(|| "json".into()));
        Ok(text)
    }

    /// Replaces the file of a state directory, durably, as a whole or not at all.
    ///
    /// # Errors
    /// [`ConfigError::NotText`] or [`ConfigError::Unwritable`]; the old file is as it was.
    pub fn store(&self, state: &Path) -> Result<(), ConfigError> {
        let text = self.to_text()?;
        let path = Config::path(state);
        write_atomically(state, &path, &text)
            .map_err(|source| ConfigError::Unwritable { path, source })
    }
}

impl Raw {
    fn into_config(self) -> Result<Config, (usize, String)> {
        let default = Config::default();
        if let Some(name) = &self.name
            && !is_member_name(name.get_ref())
        {
            return Err((name.span().start, "this is no name for a member".into()));
        }
        if let Some(advertise) = &self.advertise
            && !is_address(advertise.get_ref())
        {
            return Err((advertise.span().start, "an address is host:port".into()));
        }
        if let Some(listen) = self.listen.as_ref().filter(|listen| listen.get_ref().port() == 0) {
            return Err((listen.span().start, "the port must not be 0 here".into()));
        }
        if let Some(percent) = self.kept_percent.as_ref().filter(|value| *value.get_ref() > 100) {
            return Err((percent.span().start, "at most 100 percent".into()));
        }
        Ok(Config {
            name: self.name.map(Spanned::into_inner),
            docroot: self.docroot.map(absolute).transpose()?,
            work: self.work.map(absolute).transpose()?,
            listen: self.listen.map(Spanned::into_inner),
            advertise: self.advertise.map(Spanned::into_inner),
            http: self.http.map(http).transpose()?.unwrap_or_default(),
            durability: match self.durability {
                Some(RawDurability::Relaxed) => Durability::Relaxed,
                Some(RawDurability::Durable) | None => Durability::Durable,
            },
            kept_percent: self.kept_percent.map_or(default.kept_percent, Spanned::into_inner),
            watch_limit: self.watch_limit.map_or(default.watch_limit, Spanned::into_inner),
            on_promote: self.on_promote,
            on_demote: self.on_demote,
            log_format: self.log_format.unwrap_or_default(),
        })
    }
}

fn absolute(path: Spanned<PathBuf>) -> Result<PathBuf, (usize, String)> {
    if path.get_ref().is_absolute() {
        Ok(path.into_inner())
    } else {
        Err((path.span().start, "the path must be absolute".into()))
    }
}

fn http(value: Spanned<toml::Value>) -> Result<Http, (usize, String)> {
    let help = "http is false, true or a loopback address such as \"127.0.0.1:7441\"";
    let start = value.span().start;
    match value.into_inner() {
        toml::Value::Boolean(true) => Ok(Http::Socket),
        toml::Value::Boolean(false) => Ok(Http::Off),
        toml::Value::String(text) => match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Http::Address(address)),
            _ => Err((start, help.into())),
        },
        _ => Err((start, help.into())),
    }
}

fn path_value(path: Option<&Path>) -> Result<Option<toml::Value>, ConfigError> {
    path.map(|path| match path.to_str() {
        Some(text) => Ok(text.into()),
        None => Err(ConfigError::NotText(path.to_owned())),
    })
    .transpose()
}

/// Line and column, counted from 1, of an offset in a text.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    (line, String::from_utf8_lossy(&before[line_start..]).chars().count() + 1)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    read_text(path, MAX_BYTES).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        _ => ConfigError::Unreadable { path: path.to_owned(), source },
    })
}

fn write_atomically(state: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = state.join(format!("{CONFIG_FILE}.new"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    let mut file = options.open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(state)?.sync_all()
}

#[cfg(test)]
mod tests;
