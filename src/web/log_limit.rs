//! A log line that a lasting fault would repeat without end, written once a minute.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Shortest time between two lines of one kind.
pub(super) const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Lets through one line per minute and counts the others.
#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<Counter>);

#[derive(Debug, Default)]
struct Counter {
    last: Option<Instant>,
    left_out: u64,
}

impl LogLimit {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Counter {
            last: None,
            left_out: 0,
        }))
    }

    /// How many lines were left out since the last one, if a line is due.
    pub(super) fn due(&self, now: Instant) -> Option<u64> {
        let mut counter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = counter.last.is_none_or(|last| now >= last + LOG_PAUSE);
        if !due {
            counter.left_out += 1;
            return None;
        }
        counter.last = Some(now);
        Some(std::mem::take(&mut counter.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_minute_with_the_count_of_the_others() {
        let limit = LogLimit::new();
        let start = Instant::now();
        assert_eq!(limit.due(start), Some(0));
        assert_eq!(limit.due(start), None);
        assert_eq!(
            limit.due(start + LOG_PAUSE - Duration::from_millis(1)),
            None
        );
        assert_eq!(limit.due(start + LOG_PAUSE), Some(2));
        assert_eq!(limit.due(start + LOG_PAUSE), None);
    }
}
