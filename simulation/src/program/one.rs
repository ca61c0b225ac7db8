//! `run`: one scenario, one seed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mirrormesh_simulation::{Outcome, Scenario, Telling, Verdict, run_telling};

use super::arguments::Run;
use super::{BAD_SCENARIO, NOT_DETERMINISTIC, file, print};

/// What came of a seed.
pub(crate) enum Ran {
    /// It ran.
    Once(Box<Outcome>),
    /// It ran twice, and not alike: what happened first that differs, both times.
    Differs(Vec<String>, Vec<String>),
    /// The program panicked.
    Panicked(String),
}

impl Ran {
    /// The exit code.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Ran::Once(outcome) => outcome.verdict.exit(),
            Ran::Differs(..) => NOT_DETERMINISTIC,
            Ran::Panicked(_) => 1,
        }
    }
}

pub(crate) fn run(arguments: &Run) -> u8 {
    let (scenario, seed) = match file::read(arguments.file.as_deref(), &arguments.how) {
        Ok(read) => read,
        Err(reason) => {
            print::bad_scenario(&reason, arguments.how.json);
            return BAD_SCENARIO;
        }
    };
    let seed = arguments.seed.or(seed).unwrap_or(1);
    let ran = seed_of(&scenario, seed, arguments.how.twice, arguments.trace);
    print::one(&ran, seed, arguments.how.json);
    ran.exit()
}

/// Runs a seed, twice if asked.
pub(crate) fn seed_of(scenario: &Scenario, seed: u64, twice: bool, lines: usize) -> Ran {
    let telling = if lines > 0 { Telling::Last(lines) } else { Telling::Nothing };
    let first = match caught(scenario, seed, telling) {
        Ok(outcome) => outcome,
        Err(text) => return Ran::Panicked(text),
    };
    if !twice {
        return Ran::Once(Box::new(first));
    }
    let Ok(second) = caught(scenario, seed, telling) else {
        return Ran::Panicked("only the second time".into());
    };
    if first.trace == second.trace {
        return Ran::Once(Box::new(first));
    }
    // The mark of an event is the state before it.
    let differs = first.marks.iter().zip(&second.marks).position(|(one, other)| one != other);
    let number = differs.unwrap_or(first.marks.len().min(second.marks.len())) as u64;
    let tell = || match caught(scenario, seed, Telling::One(number.saturating_sub(1))) {
        Ok(outcome) => outcome.told,
        Err(text) => vec![text],
    };
    Ran::Differs(tell(), tell())
}

fn caught(scenario: &Scenario, seed: u64, telling: Telling) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| run_telling(scenario, seed, telling))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_string()
    })
}

/// Why a run failed, in a line or more.
pub(crate) fn failure(ran: &Ran) -> Option<(String, String)> {
    match ran {
        Ran::Once(outcome) => match &outcome.verdict {
            Verdict::Held => None,
            Verdict::Violated { checker, text } => Some((checker.to_string(), text.clone())),
            Verdict::NoConvergence { pending } => {
                Some(("no convergence".into(), pending.join("\n    ")))
            }
        },
        Ran::Differs(one, other) => {
            let text = format!("{}\n    but\n    {}", one.join("\n    "), other.join("\n    "));
            Some(("not deterministic".into(), text))
        }
        Ran::Panicked(text) => Some(("panic".into(), text.clone())),
    }
}
