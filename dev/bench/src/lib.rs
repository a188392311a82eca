//! Shared parts of the benchmarks: cheap trackers, limits of the machine, CPU time, packet loss.

#![expect(
    clippy::expect_used,
    reason = "a benchmark has no caller that could handle an error"
)]

pub mod child;
mod far_trackers;
pub mod loss;
pub mod null_tracker;
pub mod opentracker;
pub mod paced;
pub mod raw;
pub mod usage;
