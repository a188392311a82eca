//! What the emulated DHT is like.

/// The port of every node, unless told otherwise.
pub(super) const PORT: u16 = 6881;

/// Round-trip time: each node has its own, answers vary by 5 % around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delay {
    /// Answers arrive at once.
    None,
    /// Any value between the two is as likely as any other.
    Uniform {
        /// The shortest, in milliseconds.
        min_ms: f64,
        /// The longest, in milliseconds.
        max_ms: f64,
    },
    /// Half of the nodes are nearer than the median.
    LogNormal {
        /// The median, in milliseconds.
        median_ms: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
}

/// What a node does when asked for BEP 33 filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrapeStyle {
    /// Sends filters *instead of* values, as libtorrent does.
    Libtorrent,
    /// Knows nothing of it and sends values.
    None,
}

/// The DHTs of the two families are two networks (BEP 32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What the emulated DHT is like. Shares and probabilities lie between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldSettings {
    /// Nodes that are alive.
    pub nodes: u32,
    /// Share of all ids, and so of table entries, that never answer: `nodes / (1 - dead)` ids.
    pub dead: f64,
    /// Each query is lost with this probability, and each answer.
    pub loss: f64,
    /// Round-trip time.
    pub delay: Delay,
    /// Peers in an answer, at most. A quarter of it over IPv6, as in libtorrent.
    pub values_cap: usize,
    /// Peers are announced to so many alive nodes, the closest.
    pub replicas: usize,
    /// Each of them has a peer with this probability.
    pub visible: f64,
    /// A node knows each member of its neighbourhood with this probability.
    pub neighbours: f64,
    /// What becomes of `scrape`.
    pub scrape: ScrapeStyle,
    /// Share of nodes that lie.
    pub liars: f64,
    /// Which of the two networks.
    pub family: Net,
    /// Nodes live in 45.0.0.0/8 and 2a77::/16, which look like the internet, instead of 127.0.0.0/8
    /// and fd77::/16: for those who believe in no others.
    pub public: bool,
    /// Answers tell the asker its address (BEP 42).
    pub external_ip: bool,
    /// Another seed, another world.
    pub seed: u64,
}

impl Default for WorldSettings {
    /// 10,000 honest nodes that all answer at once.
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
            liars: 0.0,
            family: Net::V4,
            public: false,
            external_ip: true,
            seed: 1,
        }
    }
}
