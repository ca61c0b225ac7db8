//! Gates against campaigns in which nothing happened.

use mirrormesh::core::Note;
use mirrormesh_simulation::Statistics;

/// Fewer seeds than this prove nothing about coverage.
const ENOUGH: u64 = 100;

/// What must have happened at least so often in each hundred seeds.
const MINIMA: &[(&str, u64)] = &[
    ("heads", 1_000),
    ("published_files", 10_000),
    ("applied_files", 2_000),
    ("parcels", 500),
    ("compared", 500),
    ("checked_changes", 5_000),
    ("crashes", 50),
    ("crashes_in_jobs", 20),
    ("crashes_with_pending", 20),
    ("hints_lost", 20),
    ("hints_doubled", 20),
    ("owed", 10),
    ("waited", 20),
    ("silences", 10),
    ("resets", 5),
    ("lost_packets", 100),
    ("stalled_packets", 20),
];

/// Notes that need not be met, and why.
const WAIVED: &[(&str, &str)] = &[
    ("equivocation", "needs two origins with one key"),
    ("rolled-back", "needs an origin whose disk was rolled back: tested with real daemons"),
    ("damaged", "power cuts of the origin strike only if asked for"),
    ("docroot-changed", "the docroot goes only if asked for"),
    ("collected", "comes after 20,000 heads"),
];

/// What a campaign missed.
pub(crate) fn missed(statistics: &Statistics, seeds: u64) -> Vec<String> {
    if seeds < ENOUGH {
        return Vec::new();
    }
    let numbers = statistics.numbers();
    let mut missed: Vec<String> = MINIMA
        .iter()
        .filter_map(|(name, least)| {
            let count = numbers.iter().find(|(known, _)| known == name).map_or(0, |it| it.1);
            let least = least * seeds / 100;
            (count < least).then(|| format!("{name}: {count}, at least {least} are wanted"))
        })
        .collect();
    missed.extend(
        Note::NAMES
            .iter()
            .filter(|name| !statistics.notes.contains_key(**name))
            .filter(|name| !WAIVED.iter().any(|(waived, _)| waived == *name))
            .map(|name| format!("note {name} never came")),
    );
    missed
}
