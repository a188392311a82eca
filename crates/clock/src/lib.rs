//! Points in time for code that never reads a clock itself.
//!
//! The monotonic clock decides when probes are due and when values are stale. The wall clock only
//! dates what is shown, so a wall clock that jumps neither delays nor repeats a probe.
//!
//! ```
//! use std::time::Duration;
//!
//! use seedwatch_clock::Mono;
//!
//! let due = Mono(1_000).after(Duration::from_secs(2));
//! assert_eq!(due, Mono(3_000));
//! assert_eq!(due.since(Mono(500)), Duration::from_millis(2_500));
//! assert_eq!(Mono(500).since(due), Duration::ZERO);
//! ```

mod line_limit;
mod round_trip;
mod token_bucket;

pub use line_limit::{LINE_INTERVAL, LineLimit};
pub use round_trip::RoundTripEstimator;
pub use token_bucket::TokenBucket;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point on the monotonic clock, in milliseconds since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// Returns this point plus `wait`, saturating.
    pub fn after(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// Returns this point minus `wait`, not earlier than the start of the process.
    pub fn before(self, wait: Duration) -> Self {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(wait))
    }

    /// Returns the time passed since `earlier`; zero if `earlier` lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A point on the wall clock, in whole seconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Unix(pub u64);

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock, which decides what is due and what is stale.
    pub mono: Mono,
    /// The wall clock, which dates what is shown.
    pub unix: Unix,
}

/// The real clocks. Pure code receives its readings and never reads a clock itself.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// Starts the monotonic clock at zero.
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        Now {
            mono: self.mono(std::time::Instant::now()),
            unix: unix_now(),
        }
    }

    /// Translates a standard instant to this clock.
    pub fn mono(&self, at: std::time::Instant) -> Mono {
        Mono::default().after(at.saturating_duration_since(self.start))
    }

    /// Translates a point of this clock to a standard instant, for timers.
    pub fn instant(&self, at: Mono) -> std::time::Instant {
        self.start + Duration::from_millis(at.0)
    }
}

fn unix_now() -> Unix {
    // A clock before 1970 reads as 1970, because a wrong date must not stop the daemon.
    Unix(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs()),
    )
}
