//! What benchmarks share: a tracker that costs next to nothing, the limits of the machine, CPU
//! time, packet loss.

pub(crate) mod loss;
pub(crate) mod null_tracker;
pub(crate) mod opentracker;
pub(crate) mod paced;
pub(crate) mod raw;
pub(crate) mod usage;
