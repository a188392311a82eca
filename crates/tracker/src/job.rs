//! Jobs: the requests that probers carry out.

use std::sync::Arc;
use std::time::Duration;

use super::{ProbeError, Report};
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};

/// The number of bytes that every announce claims to lack. Not 0, because some trackers (chihaya)
/// list no seeders to a seeder.
pub(crate) const LEFT: u64 = 1 << 30;

/// The shortest time between two probes of one swarm at one tracker, whatever the configuration
/// says.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(300);

/// Identifies a tracker (scheme, host, port). It is stable while the process lives, also over
/// reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerId(pub u32);

/// Identifies one info-hash at one tracker. It is stable while the process lives, also over
/// reloads.
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

/// One request to one tracker over one family.
#[derive(Debug, Clone)]
pub struct Job {
    /// The tracker that the observation is recorded for.
    pub tracker: TrackerId,
    /// The only family this probe may use.
    pub family: Family,
    /// The announce URL. Its path and query may hold a passkey and must not be logged.
    pub url: Arc<TrackerUrl>,
    /// The time for the whole probe: resolve, connect, retransmissions, `stopped`. It does not run
    /// while the job waits in one of our queues.
    pub timeout: Duration,
    /// What to ask.
    pub request: Request,
}

/// What a [`Job`] asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Asks for the peers of one swarm.
    Announce {
        /// The tracker that the observation is recorded for.
        id: AnnounceId,
        /// The 20 bytes on the wire.
        info_hash: InfoHash,
        /// How the announce gets its peer list.
        strategy: AnnounceStrategy,
    },
    /// Asks for the counts of at most [`Request::MAX_SCRAPE`] swarms.
    Scrape {
        /// The announce that each count is recorded for, and its info-hash.
        targets: Vec<(AnnounceId, InfoHash)>,
    },
}

impl Request {
    /// The largest number of info-hashes in one scrape. BEP 15 has room for about 74.
    pub const MAX_SCRAPE: usize = 64;

    /// Returns the announces that the answers are recorded for.
    pub fn ids(&self) -> Vec<AnnounceId> {
        match self {
            Request::Announce { id, .. } => vec![*id],
            Request::Scrape { targets } => targets.iter().map(|(id, _)| *id).collect(),
        }
    }

    /// Returns the report of a request that failed.
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

/// How seedwatch presents itself to trackers: one identity per process. Both families share the
/// peer id and the key (BEP 7, BEP 15); each family claims its own port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The prefix from the configuration, then random bytes.
    pub peer_id: [u8; 20],
    /// A random key by which a tracker can tell that our two families are one peer.
    pub key: u32,
    /// The ports that we claim, by [`Family::index`]. Nothing listens there. They are random and
    /// not zero, so that we can find our own entry in the answer to `started`.
    pub ports: [u16; Family::ALL.len()],
}

impl Identity {
    /// Returns the port that we claim over a family.
    pub const fn port(&self, family: Family) -> u16 {
        self.ports[family.index()]
    }
}
