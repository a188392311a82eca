//! What the sources say about a torrent at one time.

use std::time::Duration;

use super::judge::FEW_PEERS;
use crate::snapshot::{Count, TorrentRow, TorrentWindows};
use seedwatch_clock::{Mono, Now};
use seedwatch_torrent::Family;

/// Fewest peers that may be said to be in one network.
const ONE_NETWORK_PEERS: u32 = 3;

/// A set of sources of one torrent: the DHT and its trackers.
///
/// It has one bit for the DHT, and 13 that trackers share by a hash. Two bits say over which
/// families the peers were named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SourceSet(pub(super) u16);

impl SourceSet {
    const DHT: u16 = 1 << 2;
    const FIRST_TRACKER: u64 = 3;
    const FAMILIES: u16 = 0b11;

    /// Adds the DHT.
    pub(crate) const fn add_dht(&mut self) {
        self.0 |= Self::DHT;
    }

    /// Adds a tracker by its key. Keys are hashes: their order in the configuration may change.
    pub(crate) fn add_tracker(&mut self, key: u64) {
        const TRACKERS: u64 = u16::BITS as u64 - SourceSet::FIRST_TRACKER;
        self.0 |= 1 << (Self::FIRST_TRACKER + key % TRACKERS);
    }

    /// Returns the set with the families of an earlier one that do not work now: what was named
    /// over them has not been asked about since.
    pub(super) fn with_lost_families(self, before: Self, working: [bool; 2]) -> Self {
        let [v4, v6] = working.map(u16::from);
        Self(self.0 | before.0 & Self::FAMILIES & !(v4 | v6 << 1))
    }

    /// Notes that a peer was named in an answer over a family.
    pub(crate) const fn add_family(&mut self, family: Family) {
        self.0 |= 1 << family.index();
    }

    /// Returns whether the set has no source.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 & !Self::FAMILIES == 0
    }

    /// Returns whether the DHT is in the set.
    pub(crate) const fn has_dht(self) -> bool {
        self.0 & Self::DHT != 0
    }

    /// Returns whether a tracker is in the set.
    pub(crate) const fn has_tracker(self) -> bool {
        self.0 & !(Self::FAMILIES | Self::DHT) != 0
    }

    /// Returns whether a peer was named in an answer over a family.
    pub(crate) const fn has_family(self, family: Family) -> bool {
        self.0 >> family.index() & 1 == 1
    }

    /// Returns whether both sets share a source.
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 & !Self::FAMILIES != 0
    }
}

/// What the sources say about a torrent. Every source is in one of the sets, except trackers that
/// are never asked (BEP 34, unsupported schemes).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evidence {
    /// The torrent is private and not probed.
    pub is_private: bool,
    /// The sources whose fresh answer lists a peer, or at least counts one.
    pub naming: SourceSet,
    /// Whether one of [`Evidence::naming`] lists a peer, and not only counts peers.
    pub has_listed_peer: bool,
    /// The sources whose fresh answer says that the swarm is empty.
    pub empty: SourceSet,
    /// The sources without a fresh answer that says either; and those of which a part, such as one
    /// family, last named peers and has fallen silent.
    pub silent: SourceSet,
    /// The sources of which a part, such as one family or one of two info-hashes, has never said
    /// whether the swarm is empty. They are in another set too.
    pub unheard: SourceSet,
    /// The sources that were not asked yet.
    pub unasked: SourceSet,
    /// When the oldest answer of [`Evidence::empty`] came.
    pub oldest_empty: Mono,
    /// Whether the torrent has few distinct peers ([`FEW_PEERS`]); `None` while
    /// they are not known.
    pub has_few_peers: Option<bool>,
    /// Whether a source knows of a seeder; `None` if no source counts seeders.
    pub has_seeder: Option<bool>,
    /// The largest number of seeders that a source knows of; `None` if no source counts them.
    pub copies: Option<u32>,
    /// Whether trackers are asked and none gives a valid answer; `None` while that is not known.
    pub has_no_tracker: Option<bool>,
    /// Whether all of several peers are in one network.
    pub is_one_network: bool,
}

impl Evidence {
    /// Records when a source said that the swarm is empty.
    pub(crate) fn record_empty(&mut self, at: Mono) {
        self.oldest_empty = match self.empty.is_empty() {
            true => at,
            false => at.min(self.oldest_empty),
        };
    }

    /// Adds what the row of the torrent says. All sources have been added before.
    pub(crate) fn add_row(&mut self, row: &TorrentRow, windows: Option<&TorrentWindows>) {
        let unique = row.unique(windows);
        let few = FEW_PEERS.map(|(window, most)| Some(unique[window.index()].get()? <= most));
        self.has_few_peers = few.into_iter().try_fold(true, |all, few| Some(all && few?));
        // A Bloom filter without seeders proves little: most nodes keep no seeder filter (BEP 33).
        let is_known_seeder = |count: Count| count.get().is_some_and(|n| n > 0);
        self.has_seeder = match [row.seeders, row.dht_seeders]
            .into_iter()
            .any(is_known_seeder)
        {
            true => Some(true),
            false => row.seeders.get().map(|n| n > 0),
        };
        self.copies = row.known_copies();
        // A tracker that is never asked, such as one in an overlay network, may work for others.
        let is_asked = [self.naming, self.empty, self.silent, self.unasked]
            .into_iter()
            .any(SourceSet::has_tracker);
        let online = row.trackers_online.get();
        self.has_no_tracker = match is_asked {
            true => online.map(|online| online == 0),
            false => Some(false),
        };
        let geo = windows.and_then(|windows| windows.geo.as_deref());
        let peers: u32 = row.peers.iter().filter_map(|count| count.get()).sum();
        self.is_one_network = peers >= ONE_NETWORK_PEERS
            && geo.is_some_and(|geo| {
                let systems = geo.systems.filter(|systems| systems.peers > 0);
                geo.prefixes == 1 || systems.is_some_and(|all| all.largest == all.peers)
            });
    }
}

/// What is the same for all torrents that are judged together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    /// The time.
    pub now: Now,
    /// The current hour of running time.
    pub hour: u32,
    /// Our own network.
    pub network: NetworkState,
    /// How long a source may take to answer after its last answer went stale.
    pub patience: Duration,
    /// For how long all sources must have said that a swarm is empty before it is dead:
    /// [`MIN_EMPTY_TIME`](super::MIN_EMPTY_TIME), or less in networks without internet access.
    pub dead_after: Duration,
    /// For how long a torrent must be well before it does not need seeding any more.
    pub recovered_after: Duration,
    /// How often the sources are asked.
    pub rounds: Rounds,
}

/// How often the sources are asked before they are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rounds {
    /// Again and again, by a daemon.
    #[default]
    Many,
    /// Once, by a command that then ends. It can neither wait for a second round nor for a source
    /// that is silent, so it demands more of the one round: a torrent is dead now only if every
    /// source that may be asked has answered conclusively and none lists a peer.
    One,
}

/// The state of our own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkState {
    /// Nothing can be asked.
    pub is_out: bool,
    /// No name can be resolved, so that trackers cannot be asked. The DHT may still answer.
    pub names_fail: bool,
    /// Whether each family works, by [`Family::index`].
    pub working: [bool; 2],
    /// When the last outage of the whole network or of the resolver ended.
    pub up_since: Mono,
    /// When each family last came back after it was lost, by [`Family::index`].
    pub family_since: [Option<Mono>; 2],
}

impl NetworkState {
    /// Returns whether our own network explains why sources do not answer.
    pub(super) fn explains(&self, evidence: &Evidence) -> bool {
        let is_tracker_missing = evidence.silent.has_tracker() || evidence.unasked.has_tracker();
        self.is_out || self.names_fail && is_tracker_missing
    }
}
