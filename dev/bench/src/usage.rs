//! User and system CPU time of this process and its threads.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// A starting point for wall time and for the CPU time of all threads. Trackers run in processes of
/// their own, so this covers the client alone.
pub struct CostMeter {
    wall: Instant,
    cpu: Duration,
}

/// The cost of a measured section.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Wall time.
    pub wall: Duration,
    /// CPU time of this process, user and system.
    pub cpu: Duration,
}

impl CostMeter {
    /// Starts a measurement.
    pub fn now() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu(),
        }
    }

    /// Returns the cost since the start.
    pub fn cost(&self) -> Cost {
        Cost {
            wall: self.wall.elapsed(),
            cpu: cpu() - self.cpu,
        }
    }
}

impl Cost {
    /// Returns the CPU time per item, in microseconds.
    pub fn cpu_each(&self, count: usize) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count.max(1) as f64
    }

    /// Returns the items per second.
    pub fn rate(&self, count: usize) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("rusage");
    let sum = usage.user_time() + usage.system_time();
    Duration::new(sum.tv_sec() as u64, sum.tv_usec() as u32 * 1000)
}
