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
const PLACES: usize = 4;
/// Longest wait for a place. It is short because the tracker's own time runs meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest time that a body keeps its place.
const LONGEST: Duration = Duration::from_secs(5);

/// The places of large bodies.
pub(super) struct LargeBodies(Semaphore);

/// What one body may take.
pub(super) struct Room<'a> {
    places: &'a Semaphore,
    /// With the time at which it was taken.
    place: Option<(SemaphorePermit<'a>, Instant)>,
    /// It waited for a place in vain.
    is_refused: bool,
}

impl Default for LargeBodies {
    fn default() -> Self {
        Self(Semaphore::new(PLACES))
    }
}

impl LargeBodies {
    /// Room for a body that has not begun.
    pub(super) fn room(&self) -> Room<'_> {
        Room {
            places: &self.0,
            place: None,
            is_refused: false,
        }
    }
}

impl Room<'_> {
    /// Waits until the body may have so many bytes; once at most.
    ///
    /// # Errors
    /// There are too many large bodies: this one must be cut.
    pub(super) async fn admit(&mut self, length: usize) -> Result<(), ProbeError> {
        if length <= SMALL {
            return Ok(());
        }
        if self.place.is_none() && !self.is_refused {
            let waiting = timeout(PATIENCE, self.places.acquire());
            let place = waiting.await.ok().and_then(Result::ok);
            self.is_refused = place.is_none();
            self.place = place.map(|place| (place, Instant::now()));
        }
        match &self.place {
            Some((_, since)) if since.elapsed() < LONGEST => Ok(()),
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
        let mut rooms: Vec<Room<'_>> = (0..PLACES).map(|_| bodies.room()).collect();
        for room in &mut rooms {
            assert!(room.admit(SMALL + 1).await.is_ok());
        }
        let mut late = bodies.room();
        assert!(late.admit(SMALL).await.is_ok());
        assert!(late.admit(SMALL + 1).await.is_err(), "all places are taken");
        rooms.pop();
        let mut late = bodies.room();
        assert!(late.admit(SMALL + 1).await.is_ok());
        tokio::time::advance(LONGEST).await;
        assert!(late.admit(SMALL + 2).await.is_err());
    }
}
