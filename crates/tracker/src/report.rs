//! Observations: the results of probes.

use std::net::IpAddr;
use std::time::Duration;

use super::{AnnounceId, AnnounceStrategy, FailureReason, ProbeError, TrackerId};
use seedwatch_clock::Unix;
use seedwatch_torrent::{Family, Peers};

/// The result of one [`Job`](super::Job): every job ends in exactly one observation.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The tracker that was probed.
    pub tracker: TrackerId,
    /// The family it was probed over.
    pub family: Family,
    /// The result.
    pub report: Report,
    /// What the probe cost.
    pub stats: ProbeStats,
}

/// The failure of a probe, or the warning of a tracker, as the status page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The probe failed.
    Failed(ProbeError),
    /// The response has a `warning message` (BEP 3).
    Warning(Box<str>),
}

/// The result of a probe.
#[derive(Debug, Clone)]
pub enum Report {
    /// The result of [`Request::Announce`](super::Request::Announce).
    Announce {
        /// The announce that was requested.
        id: AnnounceId,
        /// The response. It is boxed so that failures and scrapes stay small.
        result: Result<Box<AnnounceResponse>, ProbeError>,
    },
    /// The result of [`Request::Scrape`](super::Request::Scrape).
    Scrape {
        /// The announces that were requested.
        ids: Vec<AnnounceId>,
        /// One entry per swarm in the order of `ids`; `None` if the tracker left it out.
        result: Result<Vec<Option<ScrapeResponse>>, ProbeError>,
    },
    /// The host has no address of this family that we can route to. Nothing was sent.
    NoAddress {
        /// The announces that would have been requested.
        ids: Vec<AnnounceId>,
    },
}

impl Report {
    /// Returns the failure of a swarm that a valid scrape response leaves out. The tracker is up;
    /// most likely it does not know the torrent.
    pub fn left_out() -> ProbeError {
        ProbeError::new(
            FailureReason::Rejected,
            "the scrape answer has no counts of this torrent",
        )
    }

    /// The announces that were requested.
    pub fn ids(&self) -> &[AnnounceId] {
        match self {
            Report::Announce { id, .. } => std::slice::from_ref(id),
            Report::Scrape { ids, .. } | Report::NoAddress { ids } => ids,
        }
    }

    /// Returns why the probe failed, if it did.
    pub fn failed(&self) -> Option<&ProbeError> {
        match self {
            Report::Announce { result, .. } => result.as_ref().err(),
            Report::Scrape { result, .. } => result.as_ref().err(),
            Report::NoAddress { .. } => None,
        }
    }

    /// Returns the announce if its swarm was found empty.
    pub fn empty(&self) -> Option<AnnounceId> {
        match self {
            Report::Announce {
                id,
                result: Ok(answer),
            } if answer.peers.is_empty() && !answer.peer_list_withheld => Some(*id),
            _ => None,
        }
    }

    /// Returns whether the request was a scrape.
    pub fn is_scrape(&self) -> bool {
        matches!(self, Report::Scrape { .. })
    }

    /// Returns whether a scrape response covers only the first few of its swarms. The tracker may
    /// limit how many it answers at once, so the absence of the others proves nothing.
    pub fn is_short(counts: &[Option<ScrapeResponse>]) -> bool {
        let answered = counts.iter().flatten().count();
        let prefix = counts.iter().take_while(|counts| counts.is_some()).count();
        answered > 0 && answered < counts.len() && answered == prefix
    }
}

/// A valid response to an announce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnnounceResponse {
    /// The peer list, as claimed.
    pub peers: Peers,
    /// The counts, as claimed, without our own entry.
    pub counts: Counts,
    /// The longer of the tracker's `interval` and `min interval`.
    pub interval: Option<Duration>,
    /// Our own address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// The strategy that was needed to get the list.
    pub strategy: AnnounceStrategy,
    /// What the probe shows about the tracker's answers to `stopped`. The schedule remembers it per
    /// tracker.
    pub stopped_list: StoppedList,
    /// The tracker claims seeders or leechers but lists none, with every event. The empty list is
    /// inconclusive: counts may cover both families, and all peers may be of the other one. Also
    /// true if the list has only host names, which seedwatch does not resolve.
    pub peer_list_withheld: bool,
    /// A count is negative or above [`Counts::MAX`], so the response does not prove an empty swarm.
    pub has_absurd_counts: bool,
    /// The tracker's `warning message`, with secrets masked.
    pub warning: Option<Box<str>>,
}

/// How the list in an answer to `stopped` compares with the list in the answer to `started`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StoppedList {
    /// Not compared, or the answer to `started` has no peers.
    #[default]
    Unknown,
    /// The same list, or another sample of the same swarm.
    Same,
    /// Missing or unrelated, although the answer to `started` has peers.
    Missing,
}

/// The counts of a swarm, as a tracker claims them. A value that is negative or above
/// [`Counts::MAX`] is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have all of the torrent.
    pub seeders: Option<u32>,
    /// Peers that do not.
    pub leechers: Option<u32>,
    /// Downloads that were ever completed.
    pub completed: Option<u32>,
}

impl Counts {
    /// The largest count that is believed.
    pub const MAX: u32 = 100_000_000;

    /// Returns whether a current seeder or leecher count is claimed.
    pub fn has_current(&self) -> bool {
        self.seeders.is_some() || self.leechers.is_some()
    }

    /// Returns whether the tracker claims that the swarm is empty.
    pub fn is_empty(&self) -> bool {
        self.seeders == Some(0) && self.leechers == Some(0)
    }

    /// Returns whether the tracker claims at least one peer.
    pub fn claims_peers(&self) -> bool {
        self.seeders.is_some_and(|n| n > 0) || self.leechers.is_some_and(|n| n > 0)
    }
}

/// A valid response to a scrape, for one swarm.
pub type ScrapeResponse = Counts;

/// What a probe cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProbeStats {
    /// The number of requests sent, with retransmissions.
    pub requests: u32,
    /// The duration of the probe, without the time in our own queues.
    pub duration: Duration,
    /// The duration of each phase; `None` for a phase that did not happen.
    pub phases: Phases,
    /// The tracker's address, once known. Trackers on one address are taken for one operator.
    pub remote: Option<IpAddr>,
    /// The earliest end of validity in the certificate chain that the tracker sent, even if it has
    /// passed.
    pub certificate_expiry: Option<Unix>,
    /// The `min_request_interval` of a scrape (BEP 48), in seconds; 0 if there is none.
    pub scrape_interval_seconds: u32,
}

impl ProbeStats {
    /// Returns how long the tracker asks to wait before the next scrape.
    pub fn scrape_interval(&self) -> Option<Duration> {
        let seconds = self.scrape_interval_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }
}

/// The duration of each phase of a probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Name resolution, if the cache did not answer it.
    pub resolve: Option<Duration>,
    /// The TCP handshake, or the connect of BEP 15.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request to the end of the response.
    pub response: Option<Duration>,
}
