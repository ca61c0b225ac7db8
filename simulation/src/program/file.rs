//! Scenario files: TOML, strict.
//!
//! ```toml
//! nodes = 3
//! seed = 7
//! duration = "20s"
//! [faults]
//! crash = true
//! cut = false
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mirrormesh_simulation::{MAX_NODES, SWITCHES, Scenario};
use serde::Deserialize;

use super::arguments::How;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    nodes: Option<usize>,
    seed: Option<u64>,
    duration: Option<String>,
    #[serde(default)]
    faults: BTreeMap<String, bool>,
}

/// A scenario, and the seed that its file names.
pub(crate) fn read(path: Option<&Path>, how: &How) -> Result<(Scenario, Option<u64>), String> {
    let text = match path {
        None => String::new(),
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let name = path.map_or(String::new(), |path| format!("{}: ", path.display()));
    let text: Text = toml::from_str(&text).map_err(|error| format!("{name}{error}"))?;
    let duration = text.duration.as_deref().map(duration).transpose()?;
    let mut scenario =
        Scenario { nodes: how.nodes.or(text.nodes), duration, switches: text.faults };
    for set in &how.set {
        apply(&mut scenario, set)?;
    }
    if scenario.nodes.is_some_and(|nodes| nodes == 0 || nodes > MAX_NODES) {
        return Err(format!("{name}nodes must be 1 to {MAX_NODES}"));
    }
    match scenario.switches.keys().find(|name| !is_known(name)) {
        Some(unknown) => Err(format!("{name}there is no fault or load {unknown:?}")),
        None => Ok((scenario, text.seed)),
    }
}

fn is_known(name: &str) -> bool {
    SWITCHES.iter().any(|(known, _)| *known == name)
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("duration {text:?}: {error}"))
}

fn apply(scenario: &mut Scenario, set: &str) -> Result<(), String> {
    let (name, on) = match set.split_once('=') {
        Some((name, "on")) => (name, true),
        Some((name, "off")) => (name, false),
        _ => return Err(format!("--set {set:?}: SWITCH=on or SWITCH=off")),
    };
    if name == "all" {
        scenario.switches = SWITCHES.iter().map(|(name, _)| (name.to_string(), on)).collect();
    } else {
        scenario.switches.insert(name.to_string(), on);
    }
    Ok(())
}

/// A scenario as a file.
pub(crate) fn write(scenario: &Scenario, seed: u64) -> String {
    let mut text = format!("seed = {seed}\n");
    if let Some(nodes) = scenario.nodes {
        text.push_str(&format!("nodes = {nodes}\n"));
    }
    if let Some(duration) = scenario.duration {
        text.push_str(&format!("duration = \"{}ms\"\n", duration.as_millis()));
    }
    if !scenario.switches.is_empty() {
        text.push_str("[faults]\n");
    }
    for (name, on) in &scenario.switches {
        text.push_str(&format!("{name} = {on}\n"));
    }
    text
}
