//! The limit of large bodies at once.
//!
//! An honest response is small, because `numwant` is small. Hundreds of trackers that send 1 MiB
//! each must not take hundreds of MiB. So a body above [`SMALL`] needs one of few permits; without
//! one it is truncated. The entries read by then are used, and mostly exceed `numwant`.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use seedwatch_tracker::{FailureReason, ProbeError};

/// The size that every body may have, in bytes: enough for 200 peers in most formats.
const SMALL: usize = 16 << 10;
/// The largest number of larger bodies at once.
const PERMITS: usize = 4;
/// The longest wait for a permit. It is short because the tracker's time runs meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// The longest time that a body holds its permit.
const MAX_HOLD: Duration = Duration::from_secs(5);

/// The permits of large bodies.
pub(super) struct LargeBodies(Semaphore);

/// The memory budget of one body.
pub(super) struct BodyBudget<'a> {
    permits: &'a Semaphore,
    /// The permit and when it was taken.
    permit: Option<(SemaphorePermit<'a>, Instant)>,
    /// Whether the wait for a permit has failed.
    is_refused: bool,
}

impl Default for LargeBodies {
    fn default() -> Self {
        Self(Semaphore::new(PERMITS))
    }
}

impl LargeBodies {
    /// Returns the budget of a new body.
    pub(super) fn budget(&self) -> BodyBudget<'_> {
        BodyBudget {
            permits: &self.0,
            permit: None,
            is_refused: false,
        }
    }
}

impl BodyBudget<'_> {
    /// Waits until the body may have `length` bytes. Waits at most once.
    ///
    /// # Errors
    /// There are too many large bodies. This one must be truncated.
    pub(super) async fn admit(&mut self, length: usize) -> Result<(), ProbeError> {
        if length <= SMALL {
            return Ok(());
        }
        if self.permit.is_none() && !self.is_refused {
            let waiting = timeout(MAX_WAIT, self.permits.acquire());
            let permit = waiting.await.ok().and_then(Result::ok);
            self.is_refused = permit.is_none();
            self.permit = permit.map(|permit| (permit, Instant::now()));
        }
        match &self.permit {
            Some((_, since)) if since.elapsed() < MAX_HOLD => Ok(()),
            _ => Err(ProbeError::new(
                FailureReason::Malformed,
                "an answer of more than 16 KiB beside many others",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn small_bodies_need_no_permit_and_large_ones_lose_it() {
        let bodies = LargeBodies::default();
        let mut budgets: Vec<BodyBudget<'_>> = (0..PERMITS).map(|_| bodies.budget()).collect();
        for budget in &mut budgets {
            assert!(budget.admit(SMALL + 1).await.is_ok());
        }
        let mut late = bodies.budget();
        assert!(late.admit(SMALL).await.is_ok());
        assert!(
            late.admit(SMALL + 1).await.is_err(),
            "all permits are taken"
        );
        budgets.pop();
        let mut late = bodies.budget();
        assert!(late.admit(SMALL + 1).await.is_ok());
        tokio::time::advance(MAX_HOLD).await;
        assert!(late.admit(SMALL + 2).await.is_err());
    }
}
