//! The two times there are.
//!
//! Purpose: keep the clock that decides apart from the clock that is shown. [`Instant`] comes from
//! a boot-time clock (CLOCK_BOOTTIME in the daemon, which goes on during suspend; the simulator's
//! own in the simulator) and means nothing outside one run of one node. [`Wall`] is what people
//! read; machines disagree about it.
//!
//! Invariants: no decision about heads, terms or freshness compares two [`Wall`]s: the type has no
//! order. The one exception has a name of its own, [`Wall::is_past`]: a join token expires by the
//! clock of the node that issued it.
//!
//! Never reads a clock.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds of a boot-time clock. Only for this run of this node; never stored, never sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Instant(pub u64);

impl Instant {
    /// The beginning of the clock.
    pub const ZERO: Instant = Instant(0);

    /// The time from `earlier` to this; zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Stops at the end of the clock (after 584 years) instead of overflowing.
    fn add(self, duration: Duration) -> Instant {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanoseconds))
    }
}

/// Nanoseconds since 1970 in UTC, for display. Has no order: see the module's head.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

impl Wall {
    /// This time plus `duration`, at most the end of the range (the year 2262).
    pub fn after(self, duration: Duration) -> Wall {
        let nanoseconds = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Wall(self.0.saturating_add(nanoseconds))
    }

    /// Whether a token that expires at this time has expired for a node whose clock shows `now`.
    pub const fn is_past(self, now: Wall) -> bool {
        now.0 >= self.0
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC with milliseconds: `2026-11-24T22:55:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000_000);
        let milliseconds = self.0.rem_euclid(1_000_000_000) / 1_000_000;
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_date(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z"
        )
    }
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, "chrono-compatible
/// low-level date algorithms"): years that begin in March put the leap day at their end.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
