//! The settings of an emulated DHT.

/// Default port of every node.
pub(super) const PORT: u16 = 6881;

/// Round-trip time. Each node has its own; answers vary by 5 % around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delay {
    /// Answers arrive at once.
    None,
    /// Uniform between the bounds.
    Uniform {
        /// Lower bound, in milliseconds.
        min_ms: f64,
        /// Upper bound, in milliseconds.
        max_ms: f64,
    },
    /// Log-normal: half of the nodes are faster than the median.
    LogNormal {
        /// Median, in milliseconds.
        median_ms: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

/// How a node answers a request for BEP 33 filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrapeStyle {
    /// With filters *instead of* values, as libtorrent does.
    Libtorrent,
    /// With values, since it does not support BEP 33.
    None,
}

/// Family of the network. The DHTs of both families are separate (BEP 32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Settings of a world. Shares and probabilities are between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldSettings {
    /// Nodes that are alive.
    pub nodes: u32,
    /// Share of all ids, and so of table entries, that never answer. There are `nodes / (1 - dead)`
    /// ids.
    pub dead: f64,
    /// Probability that a query is lost, and that an answer is lost.
    pub loss: f64,
    /// Round-trip time.
    pub delay: Delay,
    /// Largest number of peers in an answer; a quarter of it over IPv6, as in libtorrent.
    pub values_cap: usize,
    /// Number of closest nodes that each peer announces to.
    pub replicas: usize,
    /// Probability that one of these nodes stores a given peer.
    pub visible: f64,
    /// Probability that a node knows a given member of its neighbourhood.
    pub neighbours: f64,
    /// How nodes answer a scrape.
    pub scrape: ScrapeStyle,
    /// Share of byzantine nodes.
    pub byzantine: f64,
    /// Family of the network.
    pub family: Net,
    /// Whether nodes use 45.0.0.0/8 and 2a77::/16 instead of 127.0.0.0/8 and fd77::/16, for clients
    /// that accept only public addresses.
    pub public: bool,
    /// Whether answers report the external address (BEP 42).
    pub external_ip: bool,
    /// Seed; another seed gives another world.
    pub seed: u64,
}

impl Default for WorldSettings {
    /// 10,000 honest nodes that answer at once.
    fn default() -> Self {
        Self {
            nodes: 10_000,
            dead: 0.0,
            loss: 0.0,
            delay: Delay::None,
            values_cap: 100,
            replicas: 8,
            visible: 0.9,
            neighbours: 0.92,
            scrape: ScrapeStyle::Libtorrent,
            byzantine: 0.0,
            family: Net::V4,
            public: false,
            external_ip: true,
            seed: 1,
        }
    }
}
