//! What a probe is asked.

use std::sync::Arc;
use std::time::Duration;

use super::{Failed, Report};
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};

/// A tracker (scheme, host, port), stable while the process lives, over reloads too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerId(pub u32);

/// One info-hash at one tracker, stable while the process lives, over reloads too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnnounceId(pub u32);

/// How to get a peer list without leaving our entry behind. An answer got its list as
/// [`Manner::Ghost`] or as [`Manner::Brief`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// `stopped` first, which many trackers answer with the full list and register nothing.
    /// Anything but a list proves nothing: then `started` and `stopped` follow in the same probe.
    #[default]
    Ghost,
    /// As [`Manner::Ghost`], for a swarm that was empty, at a tracker that has shown its full list in
    /// answer to `stopped`: an empty list with counts of 0 is believed as well.
    StoppedOnly,
    /// `stopped`, then `started` and `stopped` whatever the first answer: shows whether the
    /// tracker answers `stopped` with the same list.
    Check,
    /// `started`, then `stopped`, within the same connection id.
    Brief,
}

/// How a swarm is asked for.
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
    pub ask: Ask,
}

/// The question of a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Who is in this swarm?
    Announce {
        /// Whom the answer is booked on.
        id: AnnounceId,
        /// The 20 bytes that go on the wire.
        info_hash: InfoHash,
        /// What this tracker is known to need.
        manner: Manner,
    },
    /// How many are in these swarms? At most [`Ask::MAX_SCRAPE`].
    Scrape {
        /// Whom each answer is booked on, and the hash asked for.
        targets: Vec<(AnnounceId, InfoHash)>,
    },
}

impl Ask {
    /// Most info-hashes in one scrape (BEP 15 has room for about 74).
    pub const MAX_SCRAPE: usize = 64;

    /// Whom the answers are booked on.
    pub fn ids(&self) -> Vec<AnnounceId> {
        match self {
            Ask::Announce { id, .. } => vec![*id],
            Ask::Scrape { targets } => targets.iter().map(|(id, _)| *id).collect(),
        }
    }

    /// The report that it failed.
    pub fn failed(&self, failed: Failed) -> Report {
        match self {
            Ask::Announce { id, .. } => Report::Announce {
                id: *id,
                result: Err(failed),
            },
            Ask::Scrape { .. } => Report::Scrape {
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
