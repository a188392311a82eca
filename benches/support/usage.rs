//! CPU time of this process and of its threads, user and system.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// A point from which wall time and the CPU time of all threads are measured. Trackers run in
/// processes of their own, so this is the client alone.
pub(crate) struct Since {
    wall: Instant,
    cpu: Duration,
}

/// What something took.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Since {
    pub(crate) fn now() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu(),
        }
    }

    pub(crate) fn cost(&self) -> Cost {
        Cost {
            wall: self.wall.elapsed(),
            cpu: cpu() - self.cpu,
        }
    }
}

impl Cost {
    /// CPU time of one of `count`, in microseconds.
    pub(crate) fn cpu_each(&self, count: usize) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count.max(1) as f64
    }

    /// So many of `count` a second.
    pub(crate) fn rate(&self, count: usize) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("rusage");
    let sum = usage.user_time() + usage.system_time();
    Duration::new(sum.tv_sec() as u64, sum.tv_usec() as u32 * 1000)
}
