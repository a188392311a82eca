//! What a probe is asked ([`Job`]) and what it reports ([`Observation`]).
//!
//! Leaf types: no I/O, no clock. Everything a tracker said arrives here as a *claim*; filtering
//! bogons, ports and our own addresses is the fold's work (`swarm`).

mod failure;
mod job;
mod lookup;
mod peers;
mod report;
mod verdict;

pub use failure::{Failed, Failure, Retry, printable};
pub use job::{AnnounceId, AnnounceMode, Ask, Identity, Job, Manner, TrackerId};
pub use lookup::{DhtReport, DhtStatus, Diagnosis, Estimate, Found, Lookup};
pub use peers::{Endpoint4, Endpoint6, Peers};
pub use report::{
    Announced, Counts, Exchange, Observation, Phases, Remark, Report, Scraped, StoppedList,
};
pub use verdict::{Health, Verdict};

use std::net::IpAddr;

/// An address family. Families are probed apart: a half-up dual-stack host must not look working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both families, in label order.
    pub const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// The value of the `family` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        }
    }

    /// The family of an address.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Position in [`Family::ALL`], for arrays with one place a family.
    pub const fn index(self) -> usize {
        self as usize
    }
}

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
