//! Values of options, checked while they are parsed: a bad one is a usage error.

use std::net::SocketAddr;
use std::time::Duration;

use crate::store::Excludes;

/// `30s`, `1h 30m`, or a bare number of seconds.
pub(crate) fn duration(value: &str) -> Result<Duration, String> {
    if let Ok(seconds) = value.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(value).map_err(|error| format!("{error}; write 30s, 5m or 24h"))
}

/// The same, at least a second.
pub(crate) fn lifetime(value: &str) -> Result<Duration, String> {
    match duration(value)? {
        short if short < Duration::from_secs(1) => Err("at least 1s".to_owned()),
        duration => Ok(duration),
    }
}

/// An address to listen on.
pub(crate) fn listen(value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| "write ADDRESS:PORT, an IPv6 address in brackets".to_owned())
}

/// An address under which others reach this node. The port may be 0: that of the listen address.
pub(crate) fn advertise(value: &str) -> Result<String, String> {
    let checked = match value.strip_suffix(":0") {
        Some(host) => format!("{host}:1"),
        None => value.to_owned(),
    };
    if mirrormesh_gossip::is_address(&checked) {
        Ok(value.to_owned())
    } else {
        Err("write HOST:PORT, an IPv6 address in brackets".to_owned())
    }
}

/// A name of a member.
pub(crate) fn name(value: &str) -> Result<String, String> {
    if mirrormesh_gossip::is_member_name(value) {
        Ok(value.to_owned())
    } else {
        Err("a name is 1 to 64 of A-Z a-z 0-9 . _ -, and not what an id looks like".to_owned())
    }
}

/// A pattern of paths that are not mirrored.
pub(crate) fn exclude(value: &str) -> Result<String, String> {
    Excludes::new(&[value.to_owned()]).map_err(|error| error.reason)?;
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests;
