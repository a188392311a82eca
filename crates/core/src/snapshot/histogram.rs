//! Histograms with fixed buckets.

/// Upper bounds of the buckets of a [`Histogram`].
pub type Bounds = [f64; 12];

/// Observations counted in fixed buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Histogram {
    /// Observations per bucket, not cumulative. The last bucket is +Inf.
    pub counts: [u64; 13],
    /// The sum of all observations.
    pub sum: f64,
}

impl Histogram {
    /// Bounds for durations in seconds: from one loopback round trip to the largest deadline.
    pub const SECONDS: Bounds = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ];

    /// Bounds for the queries of one DHT lookup: from a lookup that finds its nodes in the node
    /// table to the budget of a large swarm.
    pub const QUERIES: Bounds = [
        1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0, 256.0,
    ];

    /// Counts one value. The bounds must be the same for all values of a histogram.
    pub fn observe(&mut self, value: f64, bounds: &Bounds) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += 1;
        self.sum += value;
    }
}
