//! Whether the main loop still turns.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

/// Longest time between two turns of a main loop that works.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// When the main loop last turned.
#[derive(Debug, Default)]
pub(super) struct Heartbeat(Mutex<Option<Instant>>);

impl Heartbeat {
    /// Notes that the main loop has turned.
    pub(super) fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns whether the main loop has turned lately. It may take any time to start.
    pub(super) fn is_alive(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| last.elapsed() <= LONGEST_TURN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_for_a_minute_is_not_alive() {
        let heart = Heartbeat::default();
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(heart.is_alive(), "it has not started");
        heart.beat();
        tokio::time::advance(LONGEST_TURN).await;
        assert!(heart.is_alive());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!heart.is_alive());
        heart.beat();
        assert!(heart.is_alive());
    }
}
