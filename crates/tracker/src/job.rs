//! What a probe is asked.

use std::sync::Arc;
use std::time::Duration;

use super::{ProbeError, Report};
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};

/// A tracker (scheme, host, port), stable while the process lives, over reloads too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerId(pub u32);

/// One info-hash at one tracker, stable while the process lives, over reloads too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnnounceId(pub u32);

/// How one announce gets a peer list without leaving our entry behind.
///
/// A response says what its list took: [`AnnounceStrategy::StoppedFirst`] if `stopped` was enough,
/// [`AnnounceStrategy::StartThenStop`] if not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnnounceStrategy {
    /// Sends `stopped`, which many trackers answer with the full list and register nothing. An
    /// answer without a list proves nothing; the same probe then sends `started` and `stopped`.
    #[default]
    StoppedFirst,
    /// As [`AnnounceStrategy::StoppedFirst`], but believes an empty list with counts of 0. For a
    /// swarm that was empty, at a tracker that answers `stopped` with its full list.
    StoppedOnly,
    /// Sends `stopped`, then `started` and `stopped` whatever the first answer. Shows whether the
    /// tracker answers `stopped` with the same list.
    Compare,
    /// Sends `started`, then `stopped`, within one connection id.
    StartThenStop,
}

/// What the operator allows for a swarm: the words of the setting `tracker.announce`. Each probe
/// follows an [`AnnounceStrategy`] within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnnounceMode {
    /// `stopped` first; `started` and `stopped` where a tracker gives no list otherwise.
    #[default]
    Ghost,
    /// Always `started`, then `stopped`.
    Brief,
    /// Never announce: counts only.
    Scrape,
}

/// One question to one tracker over one family.
#[derive(Debug, Clone)]
pub struct Job {
    /// Whom the answer is booked on.
    pub tracker: TrackerId,
    /// The only family this probe may use.
    pub family: Family,
    /// The announce URL with its path and query (perhaps a passkey: never log it).
    pub url: Arc<TrackerUrl>,
    /// Everything (resolve, connect, retransmissions, `stopped`) ends within this time. It does not
    /// run while the job stands in a queue of ours.
    pub timeout: Duration,
    /// The question.
    pub request: Request,
}

/// The question of a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Who is in this swarm?
    Announce {
        /// Whom the answer is booked on.
        id: AnnounceId,
        /// The 20 bytes that go on the wire.
        info_hash: InfoHash,
        /// What this tracker is known to need.
        strategy: AnnounceStrategy,
    },
    /// How many are in these swarms? At most [`Request::MAX_SCRAPE`].
    Scrape {
        /// Whom each answer is booked on, and the hash asked for.
        targets: Vec<(AnnounceId, InfoHash)>,
    },
}

impl AnnounceMode {
    /// Returns the strategy of a tracker that nothing is known about, or `None` if announces are
    /// not allowed.
    pub const fn strategy(self) -> Option<AnnounceStrategy> {
        match self {
            AnnounceMode::Ghost => Some(AnnounceStrategy::StoppedFirst),
            AnnounceMode::Brief => Some(AnnounceStrategy::StartThenStop),
            AnnounceMode::Scrape => None,
        }
    }
}

impl Request {
    /// Most info-hashes in one scrape (BEP 15 has room for about 74).
    pub const MAX_SCRAPE: usize = 64;

    /// Whom the answers are booked on.
    pub fn ids(&self) -> Vec<AnnounceId> {
        match self {
            Request::Announce { id, .. } => vec![*id],
            Request::Scrape { targets } => targets.iter().map(|(id, _)| *id).collect(),
        }
    }

    /// The report that it failed.
    pub fn failed(&self, failed: ProbeError) -> Report {
        match self {
            Request::Announce { id, .. } => Report::Announce {
                id: *id,
                result: Err(failed),
            },
            Request::Scrape { .. } => Report::Scrape {
                ids: self.ids(),
                result: Err(failed),
            },
        }
    }
}

/// Who we are to trackers: one identity per process. Peer id and key are the same over both families
/// (BEP 7, BEP 15); each family claims a port of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Prefix from the configuration, then random bytes.
    pub peer_id: [u8; 20],
    /// Random; lets a tracker see that our two families are one peer.
    pub key: u32,
    /// The ports that we claim, by [`Family::index`]; nothing listens there. Random and non-zero,
    /// which is how we find our own entry in the answer to `started`.
    pub ports: [u16; Family::ALL.len()],
}

impl Identity {
    /// The port that we claim over a family.
    pub const fn port(&self, family: Family) -> u16 {
        self.ports[family.index()]
    }
}
