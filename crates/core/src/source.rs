//! Sources of peers.

/// Where knowledge of a swarm comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The mainline DHT.
    Dht,
    /// Trackers over UDP, HTTP and HTTPS.
    Tracker,
}

impl Source {
    /// All sources, in label order.
    pub const ALL: [Source; 2] = [Source::Dht, Source::Tracker];

    /// The value of the `source` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Source::Dht => "dht",
            Source::Tracker => "tracker",
        }
    }

    /// Position in [`Source::ALL`], for arrays with one place a source.
    pub const fn index(self) -> usize {
        self as usize
    }
}
