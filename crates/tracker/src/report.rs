//! What one probe reports.

use std::net::IpAddr;
use std::time::Duration;

use super::{AnnounceId, Failed, Failure, Manner, TrackerId};
use seedwatch_clock::Unix;
use seedwatch_torrent::{Family, Peers};

/// The result of one [`Job`](super::Job): every job ends in exactly one observation.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Who was asked.
    pub tracker: TrackerId,
    /// Over which family.
    pub family: Family,
    /// What came of it.
    pub report: Report,
    /// What it took.
    pub exchange: Exchange,
}

/// What a tracker says in words, or how a probe of it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// The probe failed.
    Failed(Failed),
    /// An answer came with a `warning message`.
    Warning(Box<str>),
}

/// What came of a probe.
#[derive(Debug, Clone)]
pub enum Report {
    /// Of [`Ask::Announce`](super::Ask::Announce).
    Announce {
        /// The swarm asked for.
        id: AnnounceId,
        /// The answer. Boxed, so that failures and scrapes stay small.
        result: Result<Box<Announced>, Failed>,
    },
    /// Of [`Ask::Scrape`](super::Ask::Scrape).
    Scrape {
        /// The swarms asked for.
        ids: Vec<AnnounceId>,
        /// One place a swarm, in the order of `ids`; `None` where the tracker left it out.
        result: Result<Vec<Option<Scraped>>, Failed>,
    },
    /// The host has no address of this family that we can route to; nothing was sent.
    NoAddress {
        /// The swarms that were to be asked.
        ids: Vec<AnnounceId>,
    },
}

impl Report {
    /// The failure of a swarm that a valid answer to a scrape has no counts of: the tracker is up,
    /// and as a rule does not know the torrent.
    pub fn left_out() -> Failed {
        Failed::new(
            Failure::Rejected,
            "the scrape answer has no counts of this torrent",
        )
    }

    /// The swarms asked for.
    pub fn ids(&self) -> &[AnnounceId] {
        match self {
            Report::Announce { id, .. } => std::slice::from_ref(id),
            Report::Scrape { ids, .. } | Report::NoAddress { ids } => ids,
        }
    }

    /// Why it failed, if it did.
    pub fn failed(&self) -> Option<&Failed> {
        match self {
            Report::Announce { result, .. } => result.as_ref().err(),
            Report::Scrape { result, .. } => result.as_ref().err(),
            Report::NoAddress { .. } => None,
        }
    }

    /// The swarm that an announce found empty.
    pub fn empty(&self) -> Option<AnnounceId> {
        match self {
            Report::Announce {
                id,
                result: Ok(answer),
            } if answer.peers.is_empty() && !answer.withheld => Some(*id),
            _ => None,
        }
    }

    /// Whether a scrape was asked for.
    pub fn is_scrape(&self) -> bool {
        matches!(self, Report::Scrape { .. })
    }

    /// Whether a scrape answers the first few of its swarms only. The others may be beyond what the
    /// tracker answers at once, so that their absence says nothing of them.
    pub fn is_short(counts: &[Option<Scraped>]) -> bool {
        let answered = counts.iter().flatten().count();
        let prefix = counts.iter().take_while(|counts| counts.is_some()).count();
        answered > 0 && answered < counts.len() && answered == prefix
    }
}

/// A valid answer to an announce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    /// The list, as claimed.
    pub peers: Peers,
    /// The counts, as claimed, without us.
    pub counts: Counts,
    /// The longer of the tracker's `interval` and `min interval`.
    pub interval: Option<Duration>,
    /// Our own address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// What it took to get the list.
    pub manner: Manner,
    /// What the probe shows about the tracker's answers to `stopped`: remembered per tracker.
    pub stopped_list: StoppedList,
    /// The tracker claims seeders or leechers and names none of them, in whatever manner it was
    /// asked: the empty list says nothing, it is not a 0. (Where counts are of both families, all
    /// may be of the other one.) Or it names them by host names only, which nobody resolves.
    pub withheld: bool,
    /// A count of members is negative or beyond [`Counts::MAX`]: the answer proves no 0.
    pub has_absurd_counts: bool,
    /// The tracker's `warning message`, with secrets blacked out.
    pub warning: Option<Box<str>>,
}

/// The list in an answer to `stopped`, compared with that in the answer to `started`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StoppedList {
    /// They were not compared, or `started` brought no peers.
    #[default]
    Unknown,
    /// It is the same list, or another part of it.
    Same,
    /// It is missing or another list, although `started` brings peers.
    Missing,
}

/// Counts of a swarm as a tracker claims them. Absurd values (negative, above
/// [`Counts::MAX`]) are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have everything.
    pub seeders: Option<u32>,
    /// Peers that do not.
    pub leechers: Option<u32>,
    /// Downloads ever finished.
    pub completed: Option<u32>,
}

impl Counts {
    /// Largest count believed.
    pub const MAX: u32 = 100_000_000;

    /// Something is claimed of who is there now.
    pub fn are_of_the_swarm(&self) -> bool {
        self.seeders.is_some() || self.leechers.is_some()
    }

    /// Nobody is there, as claimed.
    pub fn is_nobody(&self) -> bool {
        self.seeders == Some(0) && self.leechers == Some(0)
    }

    /// Somebody is there, as claimed.
    pub fn is_inhabited(&self) -> bool {
        self.seeders.is_some_and(|n| n > 0) || self.leechers.is_some_and(|n| n > 0)
    }
}

/// A valid answer to a scrape, for one swarm.
pub type Scraped = Counts;

/// What a probe took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Requests sent, retransmissions included.
    pub requests: u32,
    /// What the probe took, without the time it stood in queues of ours.
    pub duration: Duration,
    /// Where the time went; a phase that did not happen is `None`.
    pub phases: Phases,
    /// The tracker's address, once it is known: trackers of one address are one operator.
    pub remote: Option<IpAddr>,
    /// Earliest end of validity in the certificate chain shown, also of an expired one.
    pub certificate_expiry: Option<Unix>,
    /// How long the tracker asks to wait before the next scrape (BEP 48, `min_request_interval`), in
    /// seconds; 0 is none.
    pub scrape_interval_seconds: u32,
}

impl Exchange {
    /// How long the tracker asks to wait before the next scrape.
    pub fn scrape_interval(&self) -> Option<Duration> {
        let seconds = self.scrape_interval_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }
}

/// Time spent by phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Name resolution, when it was not answered from the cache.
    pub resolve: Option<Duration>,
    /// TCP handshake, or BEP 15 connect.
    pub connect: Option<Duration>,
    /// TLS handshake.
    pub tls: Option<Duration>,
    /// From the request to the end of the answer.
    pub response: Option<Duration>,
}
