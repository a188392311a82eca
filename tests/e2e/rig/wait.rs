//! Polling with a time limit.

use std::time::{Duration, Instant};

/// The time limit of an event that must come. It is long, because the machine may be loaded: a test
/// that passes never waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// Calls `poll` repeatedly until it returns a value. Panics after `limit`.
pub(crate) fn until<T>(what: &str, limit: Duration, poll: impl FnMut() -> Option<T>) -> T {
    until_or_none(limit, poll).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// Calls `poll` repeatedly until it returns a value or `limit` has passed.
pub(crate) fn until_or_none<T>(limit: Duration, mut poll: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let answer = poll();
        if answer.is_some() || Instant::now() >= end {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `check` repeatedly for `span`.
pub(crate) fn throughout(span: Duration, mut check: impl FnMut()) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        check();
        std::thread::sleep(Duration::from_millis(50));
    }
}
