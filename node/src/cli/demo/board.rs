//! What the demo shows: a table that grows by one line a second, in 80 columns with three replicas.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::output::{Output, Tone};
use super::super::text::{count, milliseconds, size};
use super::Arrival;
use super::change::Change;
use super::site::Measure;

/// Most replicas that get a column of their own.
const COLUMNS: usize = 4;
/// Width of the sentence about a change.
const WHAT: usize = 28;

/// Prints, and remembers what the verdict needs.
pub(super) struct Board {
    output: Output,
    names: Vec<String>,
    /// Every arrival so far.
    arrivals: Vec<Duration>,
    changes: u64,
}

impl Board {
    pub(super) fn new(output: Output, names: Vec<String>) -> Board {
        Board { output, names, arrivals: Vec::new(), changes: 0 }
    }

    /// The docroot with which it begins.
    pub(super) fn docroot(&self, measure: &Measure, copied: Option<&Path>) {
        let replicas = count(self.names.len() as u64 - 1, "replica");
        let title = format!("mirrormesh demo: {} (origin) and {replicas}", self.names[0]);
        let source = match copied {
            None => "pages made up for this demo".to_owned(),
            Some(path) => format!("a copy of {}", path.display()),
        };
        let what = format!("{}, {}, {source}", count(measure.files, "file"), size(measure.bytes));
        let value = json!({ "event": "begin", "nodes": self.names.len(),
                            "files": measure.files, "bytes": measure.bytes });
        let title = self.output.paint(Tone::Strong, title);
        self.tell(&value, &[title, format!("docroot: {what}"), String::new()]);
    }

    /// A node is up for the first time.
    pub(super) fn started(&self, index: usize, address: &str, took: Duration) {
        let name = &self.names[index];
        let (role, verb) = if index == 0 { ("origin", "is up") } else { ("replica", "has joined") };
        let took_text = milliseconds(took);
        let line = format!("{name:<6}  {role:<8}  {address:<16}  {verb} after {took_text}");
        let value = json!({ "event": "up", "node": name, "role": role, "address": address,
                            "milliseconds": whole(took) });
        self.tell(&value, &[line]);
    }

    /// Every replica has everything.
    pub(super) fn first_copy(&self, took: Duration) {
        let value = json!({ "event": "first-copy", "milliseconds": whole(took) });
        let line = format!("every replica has every file {} later", milliseconds(took));
        self.tell(&value, &[line]);
    }

    /// The heading of the table.
    pub(super) fn begin(&self) {
        if self.output.json {
            return;
        }
        let columns: String = match self.names.len() - 1 {
            replicas if replicas <= COLUMNS => {
                self.names[1..].iter().map(|name| format!("{name:>8}")).collect()
            }
            _ => ["first", "median", "last"].map(|name| format!("{name:>8}")).concat(),
        };
        let heading = format!("{:>6}  {:<9}  {:<WHAT$}{:>9}", "time", "on web0", "", "size");
        self.output.line("");
        self.output.line(self.output.paint(Tone::Strong, format!("{heading}{columns}")));
    }

    /// A change and when it arrived.
    pub(super) fn change(&mut self, at: Duration, change: &Change, arrivals: &[Arrival]) {
        self.changes += 1;
        let after = arrivals.iter().filter_map(|arrival| match arrival {
            Arrival::After(took) => Some(*took),
            Arrival::Missing | Arrival::Down => None,
        });
        let mut after: Vec<Duration> = after.collect();
        self.arrivals.extend(&after);
        after.sort_unstable();
        let cells: Vec<String> = if arrivals.len() <= COLUMNS {
            arrivals.iter().map(|arrival| self.cell(*arrival)).collect()
        } else {
            let missing = arrivals.contains(&Arrival::Missing);
            let last = if missing { Arrival::Missing } else { at_index(&after, after.len()) };
            let summary = [at_index(&after, 1), at_index(&after, after.len().div_ceil(2)), last];
            summary.iter().map(|arrival| self.cell(*arrival)).collect()
        };
        let bytes = if change.bytes > 0 { size(change.bytes) } else { String::new() };
        let what = shortened(&change.what);
        let row = format!("{}  {:<9}  {what:<WHAT$}{bytes:>9}", seconds(at), change.verb);
        let value = json!({ "event": "change", "what": change.verb, "path": change.what,
                            "bytes": change.bytes, "at_milliseconds": whole(at),
                            "arrivals": self.arrival_values(arrivals) });
        self.tell(&value, &[format!("{row}{}", cells.concat())]);
    }

    /// A replica was killed.
    pub(super) fn killed(&self, at: Duration, index: usize) {
        let name = &self.names[index];
        let value = json!({ "event": "kill", "node": name, "at_milliseconds": whole(at) });
        let line = format!("{}  {:<9}  {name} is dead", seconds(at), "kill -9");
        self.tell(&value, &[self.output.paint(Tone::Attention, line)]);
    }

    /// A replica that was killed is back and has what it missed.
    pub(super) fn returned(&self, at: Duration, index: usize, missed: u64, took: Duration) {
        let name = &self.names[index];
        let value = json!({ "event": "return", "node": name, "at_milliseconds": whole(at),
                            "missed": missed, "milliseconds": whole(took) });
        let what = format!("{name} missed {}", count(missed, "change"));
        let took = format!("repaired {} after its start", milliseconds(took));
        let line = format!("{}  {:<9}  {what}, {took}", seconds(at), "restart");
        self.tell(&value, &[self.output.paint(Tone::Good, line)]);
    }

    /// The end: whether all docroots have one root, and how fast changes were.
    pub(super) fn verdict(&mut self, agreed: bool, lines: &[String], missing: u64) {
        self.arrivals.sort_unstable();
        let total = self.arrivals.len();
        let rank = |part: f64| self.arrivals.get(((total as f64 * part) as usize).min(total - 1));
        let mut speed =
            format!("{}, {}", count(self.changes, "change"), count(total as u64, "arrival"));
        let mut value = json!({ "event": "end", "agreed": agreed, "changes": self.changes,
                                "arrivals": total, "missing": missing });
        if total > 0 {
            let [median, most, last] = [0.5, 0.95, 1.0].map(|part| rank(part).copied());
            let text = |time: Option<Duration>| milliseconds(time.unwrap_or_default());
            let (middle, nearly, slowest) = (text(median), text(most), text(last));
            speed.push_str(&format!(": median {middle}, 95 % within {nearly}, slowest {slowest}"));
            value["median_milliseconds"] = json!(whole(median.unwrap_or_default()));
        }
        speed.push_str(&match missing {
            0 => "; nothing is missing".to_owned(),
            missing => format!("; {missing} MISSING"),
        });
        let tone = if agreed { Tone::Good } else { Tone::Bad };
        let mut all = vec![String::new()];
        all.extend(lines.iter().map(|line| self.output.paint(tone, line)));
        all.push(speed);
        self.tell(&value, &all);
    }

    fn cell(&self, arrival: Arrival) -> String {
        match arrival {
            Arrival::After(took) => format!("{:>8}", milliseconds(took)),
            Arrival::Missing => self.output.paint(Tone::Bad, format!("{:>8}", "MISSING")),
            Arrival::Down => self.output.paint(Tone::Faint, format!("{:>8}", "down")),
        }
    }

    fn arrival_values(&self, arrivals: &[Arrival]) -> Value {
        let pairs = self.names[1..].iter().zip(arrivals).map(|(name, arrival)| {
            let value = match arrival {
                Arrival::After(took) => json!(whole(*took)),
                Arrival::Missing => json!("missing"),
                Arrival::Down => json!("down"),
            };
            (name.clone(), value)
        });
        Value::Object(pairs.collect())
    }

    fn tell(&self, value: &Value, lines: &[String]) {
        if self.output.json {
            self.output.value(value);
        } else {
            lines.iter().for_each(|line| self.output.line(line));
        }
    }
}

/// The `number`th of `sorted`, counted from 1.
fn at_index(sorted: &[Duration], number: usize) -> Arrival {
    number
        .checked_sub(1)
        .and_then(|index| sorted.get(index))
        .map_or(Arrival::Down, |took| Arrival::After(*took))
}

fn seconds(at: Duration) -> String {
    format!("{:>4.1} s", at.as_secs_f64())
}

fn whole(took: Duration) -> f64 {
    (took.as_secs_f64() * 10_000.0).round() / 10.0
}

/// A sentence that fits its column: its end is what tells paths apart.
fn shortened(what: &str) -> String {
    let length = what.chars().count();
    if length <= WHAT {
        return what.to_owned();
    }
    let end: String = what.chars().skip(length + 2 - WHAT).collect();
    format!("\u{2026}{end}")
}
