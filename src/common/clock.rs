//! The only place that reads the clock, so that tests and simulations can say what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds between 1970-01-01 and 2000-01-01, PostgreSQL's epoch.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Wall time in microseconds since 2000-01-01 UTC.
#[must_use]
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX) - POSTGRES_EPOCH_MICROS
}

/// A point of monotonic time, for timeouts and durations.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}
