//! CPU time of this process and of its threads, user and system.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// A point from which wall time and the CPU time of all threads are measured. Trackers run in
/// processes of their own, so this is the client alone.
pub struct Since {
    wall: Instant,
    cpu: Duration,
}

/// What something took.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Time on the clock.
    pub wall: Duration,
    /// CPU time of this process, user and system.
    pub cpu: Duration,
}

impl Since {
    /// Starts to measure.
    pub fn now() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu(),
        }
    }

    /// Returns what was used since the start.
    pub fn cost(&self) -> Cost {
        Cost {
            wall: self.wall.elapsed(),
            cpu: cpu() - self.cpu,
        }
    }
}

impl Cost {
    /// CPU time of one of `count`, in microseconds.
    pub fn cpu_each(&self, count: usize) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count.max(1) as f64
    }

    /// So many of `count` a second.
    pub fn rate(&self, count: usize) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("rusage");
    let sum = usage.user_time() + usage.system_time();
    Duration::new(sum.tv_sec() as u64, sum.tv_usec() as u32 * 1000)
}
