//! Magnet links of torrents: as published, and repaired by what the trackers say.
//!
//! A repaired link names the trackers that know the swarm, those first whose peers no other source
//! lists. It leaves out trackers that are down, denied, or refuse the torrent again and again. What
//! is not known is kept: one failed probe, silence of our own network, and trackers that are never
//! asked prove nothing. If no tracker would remain, those that were published are kept.
//!
//! Links are public. So there is none of a private torrent, and none holds the address of a peer
//! (`x.pe`), or the URL of a tracker or web seed of which a part may be a secret.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use crate::plural;
use crate::snapshot::{
    AnnounceRow, FailureReason, Privacy, Snapshot, Torrent, TorrentView, TrackerRow,
};
use seedwatch_torrent::{MagnetLink, TrackerUrl, WebSeedKind};

/// A repaired magnet link, and how it differs from the published one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The link.
    pub magnet: String,
    /// The URLs of its trackers.
    pub trackers: Vec<String>,
    /// The URLs of its web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// The differences; empty if the links are the same. They display as sentences.
    pub difference: Vec<Change>,
}

/// A difference between the published and the repaired magnet link. Trackers and web seeds are
/// named by their label: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The published tracker is left out.
    LeftOut {
        /// The `tracker` label.
        tracker: String,
        /// Why.
        why: LeftOut,
    },
    /// The published tracker is kept although it is of no use now, because no tracker would remain.
    Kept {
        /// The `tracker` label.
        tracker: String,
        /// Why it is of no use.
        why: LeftOut,
    },
    /// A tracker of the configuration is added, because it lists peers.
    Added {
        /// The `tracker` label.
        tracker: String,
        /// The peers that it lists.
        peers: u32,
        /// Those of them that no other source lists.
        exclusive: u32,
    },
    /// A published tracker now comes before others that were published before it.
    Promoted {
        /// The `tracker` label.
        tracker: String,
        /// The peers that it lists.
        peers: u32,
        /// Those of them that no other source lists.
        exclusive: u32,
    },
    /// A web seed is left out, because its URL has a query that may be a secret.
    SecretWebSeed {
        /// Scheme, host and port.
        web_seed: String,
    },
    /// Web seeds of BEP 17 are left out: a magnet link cannot name them.
    PieceSeeds {
        /// How many.
        count: usize,
    },
    /// The web seeds are kept as published, because seedwatch does not check them.
    UncheckedWebSeeds {
        /// How many.
        count: usize,
    },
    /// No tracker has answered yet, so nothing is known that could repair the link.
    NothingKnown,
}

/// Refusals in a row after which a tracker is left out. A tracker that restarts may know none of
/// its torrents until their clients have announced again.
pub const MIN_REFUSALS: u8 = 3;

/// Why a tracker is not in the repaired link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// It is down: it gives no valid answer about any torrent.
    Dead(FailureReason),
    /// Its operator asks not to be contacted (BEP 34).
    Denied,
    /// It answers, and has refused this torrent [`MIN_REFUSALS`] times in a row or more.
    Refusing,
    /// A part of its URL may be a passkey. The published link does not show it either.
    Secret,
    /// The link is as long as links may be.
    NoRoom,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead(reason) => write!(f, "it gives no valid answer ({reason})"),
            Self::Denied => f.write_str("its operator asks not to be contacted"),
            Self::Refusing => f.write_str("it refuses this torrent"),
            Self::Secret => f.write_str("a part of its URL may be a passkey"),
            Self::NoRoom => f.write_str("the link is full"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |f: &mut fmt::Formatter<'_>, peers: &u32, exclusive: &u32| {
            let peers = plural(*peers, "peer");
            write!(
                f,
                "it lists {peers}, of which no other source lists {exclusive}."
            )
        };
        match self {
            Self::LeftOut { tracker, why } => write!(f, "{tracker} is left out: {why}."),
            Self::Kept { tracker, why } => write!(
                f,
                "{tracker} is kept because no tracker would remain, although {why}."
            ),
            Self::Added {
                tracker,
                peers,
                exclusive,
            } => {
                write!(f, "{tracker} is added: ")?;
                listed(f, peers, exclusive)
            }
            Self::Promoted {
                tracker,
                peers,
                exclusive,
            } => {
                write!(f, "{tracker} comes earlier: ")?;
                listed(f, peers, exclusive)
            }
            Self::SecretWebSeed { web_seed } => write!(
                f,
                "The web seed {web_seed} is left out: its URL has a query, which may be a secret."
            ),
            Self::PieceSeeds { count } => write!(
                f,
                "{} of BEP 17 left out: magnet links cannot name them.",
                plural(*count as u64, "web seed")
            ),
            Self::UncheckedWebSeeds { count } => write!(
                f,
                "{} kept as published: seedwatch does not check them.",
                plural(*count as u64, "web seed")
            ),
            Self::NothingKnown => {
                f.write_str("No tracker has answered yet, so no tracker is left out.")
            }
        }
    }
}

/// Returns the magnet link as published: with the trackers and web seeds of the magnet link or
/// metainfo file, but without those whose URL may hold a secret. `None` for a private torrent.
pub fn published(torrent: &Torrent) -> Option<String> {
    let mut link = begin(torrent)?;
    for (position, url) in torrent.trackers.iter().enumerate() {
        let is_published = torrent.trackers.tier(position).is_some();
        if let Some(url) = url.public_url().filter(|_| is_published) {
            link.add_tracker(&url);
        }
    }
    for url in public_web_seeds(torrent) {
        link.add_web_seed(url);
    }
    Some(link.finish())
}

/// Returns the repaired magnet link. `None` for a private torrent.
pub fn repaired(snapshot: &Snapshot, view: TorrentView<'_>) -> Option<Repaired> {
    let torrent = view.torrent;
    let mut link = begin(torrent)?;
    let mut difference = Vec::new();
    let is_unanswered = view.announces.iter().all(|row| row.success.is_none());
    if is_unanswered && !torrent.trackers.is_empty() {
        difference.push(Change::NothingKnown);
    }
    let mut trackers = Vec::new();
    let mut candidates = candidates(snapshot, view);
    if candidates.iter().all(|it| it.public_url().is_err()) {
        difference.extend(candidates.iter_mut().filter_map(Candidate::keep));
    }
    let ranked = ranked(candidates);
    for (rank, candidate) in ranked.iter().enumerate() {
        difference.extend(match candidate.public_url() {
            Ok(url) if link.add_tracker(&url) => {
                trackers.push(url);
                candidate.kept(&ranked[rank + 1..])
            }
            Ok(_) => Some(candidate.left_out(LeftOut::NoRoom)),
            Err(why) => Some(candidate.left_out(why)),
        });
    }
    let mut web_seeds = public_web_seeds(torrent);
    web_seeds.retain(|url| link.add_web_seed(url));
    difference.extend(web_seed_changes(torrent, web_seeds.len()));
    Some(Repaired {
        magnet: link.finish(),
        trackers,
        web_seeds: web_seeds.into_iter().map(str::to_owned).collect(),
        difference,
    })
}

/// Begins the link of a public torrent.
fn begin(torrent: &Torrent) -> Option<MagnetLink> {
    let is_public = torrent.privacy == Privacy::Public;
    is_public.then(|| MagnetLink::new(&torrent.hashes, &torrent.name, torrent.size))
}

/// Returns the URLs of the web seeds that a link can name and that hold no secret.
fn public_web_seeds(torrent: &Torrent) -> Vec<&str> {
    let seeds = torrent.web_seeds().iter();
    let seeds = seeds.filter(|seed| seed.kind() == WebSeedKind::Files);
    seeds.filter_map(|seed| seed.public_url()).collect()
}

/// Returns what is to be said about the web seeds, of which so many are in the link.
fn web_seed_changes(torrent: &Torrent, kept: usize) -> Vec<Change> {
    let (files, pieces): (Vec<_>, Vec<_>) = torrent
        .web_seeds()
        .iter()
        .partition(|seed| seed.kind() == WebSeedKind::Files);
    let secret = files.iter().filter(|seed| seed.public_url().is_none());
    let secret = secret.map(|seed| Change::SecretWebSeed {
        web_seed: seed.to_string(),
    });
    let unchecked = (kept > 0).then_some(Change::UncheckedWebSeeds { count: kept });
    let count = pieces.len();
    let pieces = (count > 0).then_some(Change::PieceSeeds { count });
    secret.chain(unchecked).chain(pieces).collect()
}

/// A tracker that may be in the repaired link.
#[derive(Debug)]
struct Candidate<'a> {
    url: &'a TrackerUrl,
    /// The index of the published tier; `None` if only the configuration names the tracker.
    tier: Option<usize>,
    position: usize,
    standing: Standing,
}

/// What is known of a tracker about one torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It lists peers.
    Listing { peers: u32, exclusive: u32 },
    /// It answers without a peer, or nothing is known.
    Other,
    /// It is of no use.
    Useless(LeftOut),
}

impl Standing {
    /// Returns the standing that the latest answers give. While our own network is out, nothing
    /// speaks against a tracker.
    fn of(row: &AnnounceRow, is_down: bool, is_network_out: bool) -> Self {
        let useless = useless(row, is_down).filter(|_| !is_network_out);
        match (useless, row.peers.get()) {
            (Some(why @ (LeftOut::Denied | LeftOut::Refusing)), _) => Self::Useless(why),
            (_, Some(peers)) if peers > 0 => Self::Listing {
                peers,
                exclusive: row.exclusive_peers().unwrap_or(0),
            },
            (Some(why), _) => Self::Useless(why),
            (None, _) => Self::Other,
        }
    }
}

/// Returns what speaks against a tracker for a torrent. An answer that is not stale yet outweighs
/// a tracker that is down, so that a short outage changes no link.
fn useless(row: &AnnounceRow, is_down: bool) -> Option<LeftOut> {
    let has_failed = row.success == Some(false);
    let failed = row.failure().filter(|it| has_failed && !it.is_ours)?;
    let counts = [row.peers, row.seeders, row.leechers];
    let is_fresh = counts.iter().any(|count| count.get().is_some());
    match failed.reason {
        FailureReason::Denied => Some(LeftOut::Denied),
        FailureReason::RateLimited | FailureReason::Unsupported => None,
        FailureReason::Rejected => (row.refusals >= MIN_REFUSALS).then_some(LeftOut::Refusing),
        reason => (is_down && !is_fresh).then_some(LeftOut::Dead(reason)),
    }
}

/// Returns the published trackers, and those of the configuration that list peers.
fn candidates<'a>(snapshot: &Snapshot, view: TorrentView<'a>) -> Vec<Candidate<'a>> {
    let trackers = &view.torrent.trackers;
    let up = snapshot.network_up;
    let is_lost = up.contains(&Some(false)) && !up.contains(&Some(true));
    let is_network_out = is_lost || snapshot.names_fail;
    let standing = |row: &AnnounceRow| {
        let is_down = snapshot
            .tracker(row.tracker)
            .is_some_and(TrackerRow::is_down);
        Standing::of(row, is_down, is_network_out)
    };
    let candidate = |(position, url)| Candidate {
        url,
        tier: trackers.tier(position),
        position,
        standing: view
            .announces
            .get(position)
            .map_or(Standing::Other, standing),
    };
    let all = trackers.iter().map(|url| &**url).enumerate().map(candidate);
    all.filter(|it| it.tier.is_some() || matches!(it.standing, Standing::Listing { .. }))
        .collect()
}

/// Ranks tiers by the peers that only they know, then by all peers that they list. Trackers of one
/// tier keep their order (BEP 12).
fn ranked(candidates: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let key = |it: &Candidate<'_>| match it.tier {
        Some(tier) => (tier, 0),
        None => (usize::MAX, it.position),
    };
    let mut tiers: BTreeMap<(usize, usize), Vec<Candidate<'_>>> = BTreeMap::new();
    for candidate in candidates {
        tiers.entry(key(&candidate)).or_default().push(candidate);
    }
    let mut tiers: Vec<_> = tiers.into_values().collect();
    tiers.sort_by_cached_key(|tier| Reverse(knowledge(tier)));
    tiers.into_iter().flatten().collect()
}

/// Returns the peers that only the trackers of a tier know, and all that they list.
fn knowledge(tier: &[Candidate<'_>]) -> (u64, u64) {
    let listing = tier.iter().filter_map(|it| match it.standing {
        Standing::Listing { peers, exclusive } if it.public_url().is_ok() => {
            Some((u64::from(exclusive), u64::from(peers)))
        }
        _ => None,
    });
    listing.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

impl Candidate<'_> {
    /// Returns the URL, or why it is left out.
    fn public_url(&self) -> Result<String, LeftOut> {
        match self.standing {
            Standing::Useless(why) => Err(why),
            _ => self.url.public_url().ok_or(LeftOut::Secret),
        }
    }

    /// Keeps the tracker although it is of no use, unless its URL may hold a secret. Returns what
    /// is to be said about that.
    fn keep(&mut self) -> Option<Change> {
        let Standing::Useless(why) = self.standing else {
            return None;
        };
        self.url.public_url()?;
        self.standing = Standing::Other;
        Some(Change::Kept {
            tracker: self.url.label(),
            why,
        })
    }

    fn left_out(&self, why: LeftOut) -> Change {
        Change::LeftOut {
            tracker: self.url.label(),
            why,
        }
    }

    /// Returns what is to be said about a tracker that is kept; `later` come after it.
    fn kept(&self, later: &[Self]) -> Option<Change> {
        let Standing::Listing { peers, exclusive } = self.standing else {
            return None;
        };
        let tracker = self.url.label();
        if self.tier.is_none() {
            return Some(Change::Added {
                tracker,
                peers,
                exclusive,
            });
        }
        let is_earlier = later.iter().any(|other| {
            other.tier.is_some() && other.position < self.position && other.public_url().is_ok()
        });
        is_earlier.then_some(Change::Promoted {
            tracker,
            peers,
            exclusive,
        })
    }
}

#[cfg(test)]
mod tests;
