//! What is printed.

use std::io::{Write, stderr, stdout};

use mirrormesh_simulation::{SWITCHES, Statistics};
use serde_json::{Value, json};

use super::campaign::Campaign;
use super::one::{Ran, failure};

pub(crate) fn bad_scenario(reason: &str, is_json: bool) {
    let line = match is_json {
        true => json!({ "error": { "exit": super::BAD_SCENARIO, "message": reason } }).to_string(),
        false => format!("error: {reason}"),
    };
    let _ = writeln!(stderr(), "{line}");
}

pub(crate) fn switches() -> u8 {
    for (name, what) in SWITCHES {
        let _ = writeln!(stdout(), "{name:<14} {what}");
    }
    0
}

fn numbers(statistics: &Statistics) -> Value {
    let numbers: serde_json::Map<String, Value> = statistics
        .numbers()
        .into_iter()
        .map(|(name, count)| (name.to_string(), count.into()))
        .collect();
    json!({
        "numbers": numbers,
        "notes": statistics.notes,
        "faults": statistics.faults,
        "failed_jobs": statistics.failed_jobs,
        "switches": statistics.switches,
    })
}

fn table(statistics: &Statistics) -> String {
    let mut text = String::new();
    let maps = [
        ("notes", &statistics.notes),
        ("faults", &statistics.faults),
        ("failed jobs", &statistics.failed_jobs),
    ];
    let numbers = statistics.numbers().into_iter().filter(|(_, count)| *count > 0);
    for (index, (name, count)) in numbers.enumerate() {
        let end = if index % 4 == 3 { "\n" } else { "" };
        text.push_str(&format!("{name:>21} {count:<12}{end}"));
    }
    for (title, map) in maps {
        let line: Vec<String> = map.iter().map(|(name, count)| format!("{name} {count}")).collect();
        text.push_str(&format!("\n{title}: {}", line.join(", ")));
    }
    text
}

pub(crate) fn one(ran: &Ran, seed: u64, is_json: bool) {
    let failed = failure(ran);
    let (trace, statistics) = match ran {
        Ran::Once(outcome) => (outcome.trace.as_str(), Some(&outcome.statistics)),
        _ => ("", None),
    };
    if is_json {
        let failed = failed.map(|(checker, text)| json!({ "checker": checker, "text": text }));
        let line = json!({
            "seed": seed, "exit": ran.exit(), "trace": trace, "failure": failed,
            "statistics": statistics.map(numbers),
        });
        let _ = writeln!(stdout(), "{line}");
        return;
    }
    if let Ran::Once(outcome) = ran {
        for line in &outcome.told {
            let _ = writeln!(stdout(), "{line}");
        }
        let _ = writeln!(stdout(), "{}", table(&outcome.statistics));
    }
    let verdict = match failed {
        None => "held".to_string(),
        Some((checker, text)) => format!("{checker}: {text}"),
    };
    let _ = writeln!(stdout(), "seed {seed} trace {trace}\n{verdict}");
}

pub(crate) fn campaign(campaign: &Campaign, missed: &[String], is_json: bool) {
    if is_json {
        let failures: Vec<Value> = campaign
            .failures
            .iter()
            .map(|it| json!({ "seed": it.seed, "exit": it.exit, "checker": it.checker, "text": it.text }))
            .collect();
        let line = json!({
            "seeds": campaign.seeds, "failures": failures, "missed": missed,
            "statistics": numbers(&campaign.statistics),
        });
        let _ = writeln!(stdout(), "{line}");
        return;
    }
    let _ = writeln!(stdout(), "{}", table(&campaign.statistics));
    for failure in &campaign.failures {
        let _ = writeln!(stdout(), "seed {}: {}: {}", failure.seed, failure.checker, failure.text);
    }
    for line in missed {
        let _ = writeln!(stdout(), "missed: {line}");
    }
    let failed = campaign.failures.len();
    let _ = writeln!(stdout(), "{} seeds, {failed} failed", campaign.seeds);
}
