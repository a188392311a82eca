//! Bounded polling instead of sleeping.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; panics after `limit`.
pub(crate) fn until<T>(what: &str, limit: Duration, ask: impl FnMut() -> Option<T>) -> T {
    until_or_none(limit, ask).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// Asks again and again until there is an answer or `limit` has passed.
pub(crate) fn until_or_none<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= end {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Checks again and again for `span` that something stays true.
pub(crate) fn throughout(span: Duration, mut check: impl FnMut()) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        check();
        std::thread::sleep(Duration::from_millis(50));
    }
}
