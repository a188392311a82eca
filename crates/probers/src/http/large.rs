//! Few large bodies at once.
//!
//! An honest answer is small: trackers are asked for few peers. Hundreds of trackers that send
//! 1 MiB each must not take hundreds of MiB, so a body beyond [`SMALL`] needs one of few places. One
//! that gets none is cut there. Its first entries are read as those of any body that was cut, and
//! mostly they are more than `numwant` asks for.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use seedwatch_tracker::{FailureReason, ProbeError};

/// Bytes that every body may have: 200 peers in most ways to write them.
const SMALL: usize = 16 << 10;
/// Larger bodies at once.
const PERMITS: usize = 4;
/// Longest wait for a place. It is short because the tracker's own time runs meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Longest time that a body keeps its place.
const MAX_HOLD: Duration = Duration::from_secs(5);

/// The places of large bodies.
pub(super) struct LargeBodies(Semaphore);

/// What one body may take.
pub(super) struct BodyBudget<'a> {
    permits: &'a Semaphore,
    /// With the time at which it was taken.
    permit: Option<(SemaphorePermit<'a>, Instant)>,
    /// It waited for a place in vain.
    is_refused: bool,
}

impl Default for LargeBodies {
    fn default() -> Self {
        Self(Semaphore::new(PERMITS))
    }
}

impl LargeBodies {
    /// Room for a body that has not begun.
    pub(super) fn budget(&self) -> BodyBudget<'_> {
        BodyBudget {
            permits: &self.0,
            permit: None,
            is_refused: false,
        }
    }
}

impl BodyBudget<'_> {
    /// Waits until the body may have so many bytes; once at most.
    ///
    /// # Errors
    /// There are too many large bodies: this one must be cut.
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
    async fn small_bodies_need_no_place_and_large_ones_do_not_keep_it() {
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
