//! The torrents, trackers and announces of the configuration, and their ids.
//!
//! Ids are stable over reloads. So an observation that was under way when the configuration changed
//! still finds its announce, and what did not change keeps its state.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use seedwatch_torrent::{InfoHash, Privacy, Torrent, TrackerUrl};
use seedwatch_tracker::{AnnounceId, TrackerId};

/// Index of a torrent in [`Roster::torrents`]. A reload may change it; an [`AnnounceId`] stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TorrentIndex(pub u32);

impl TorrentIndex {
    /// Returns the torrents at these positions of a list.
    pub fn range(positions: Range<usize>) -> impl Iterator<Item = Self> + Clone {
        (positions.start as u32..positions.end as u32).map(Self)
    }

    /// Returns the position in a list with one entry per torrent.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// The watched torrents and their announces, in flat tables: there may be a million torrents with
/// ten trackers each.
#[derive(Debug)]
pub struct Roster {
    /// Sorted by name, as configured.
    torrents: Arc<[Torrent]>,
    /// The announces of all torrents, grouped by torrent, then by tracker.
    order: Vec<AnnounceId>,
    /// Index in `order` of each torrent's first announce.
    starts: Vec<u32>,
    /// By [`TrackerId`]; `None` for removed trackers.
    trackers: Vec<Option<Arc<TrackerUrl>>>,
    /// By [`AnnounceId`]; `None` for removed announces.
    announces: Vec<Option<Announce>>,
    /// The info-hashes to be looked up in the DHT: sorted, without duplicates.
    dht_hashes: Arc<[InfoHash]>,
    /// Indices of their torrents, in the same order.
    dht_torrents: Vec<TorrentIndex>,
    /// Sorted by name.
    collections: Vec<Collection>,
}

/// One info-hash at one tracker.
#[derive(Debug, Clone, Copy)]
pub struct Announce {
    /// Its torrent.
    pub torrent: TorrentIndex,
    /// Its tracker.
    pub tracker: TrackerId,
    /// Index of the announce URL in the torrent's list. The URLs of one tracker may differ by
    /// passkey.
    url: u16,
    /// Whether it is of the second hash of a hybrid torrent.
    second: bool,
}

/// What a new configuration changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// For each torrent, its index before the change.
    pub moved: Vec<Option<TorrentIndex>>,
    /// Announces that are new.
    pub added_announces: Vec<AnnounceId>,
    /// Announces that were removed.
    pub removed_announces: Vec<AnnounceId>,
    /// Torrents that were removed: their indices before the change and their identities.
    pub removed_torrents: Vec<(TorrentIndex, InfoHash)>,
    /// Torrents whose identity changed: the info-hashes before and now.
    pub renamed: Vec<(InfoHash, InfoHash)>,
    /// Torrents that joined a collection.
    pub joined: Vec<TorrentIndex>,
}

/// A change of the list under way.
struct Update {
    changes: Changes,
    /// Index of the torrent of each info-hash, before.
    old_indices: HashMap<InfoHash, TorrentIndex>,
    /// Announces that the new list has not named yet.
    old_ids: HashMap<(InfoHash, TrackerId), AnnounceId>,
    tracker_ids: HashMap<String, TrackerId>,
    /// Announce ids that may be used again.
    free_ids: Vec<AnnounceId>,
    /// By [`TrackerId`].
    is_tracker_used: Vec<bool>,
    /// By index before.
    is_torrent_kept: Vec<bool>,
}

/// Torrents of one work.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its name.
    pub name: Arc<str>,
    /// Its torrents, in ascending order.
    pub torrents: Vec<TorrentIndex>,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            torrents: Arc::from([]),
            order: Vec::new(),
            starts: Vec::new(),
            trackers: Vec::new(),
            announces: Vec::new(),
            dht_hashes: Arc::from([]),
            dht_torrents: Vec::new(),
            collections: Vec::new(),
        }
    }
}

impl Roster {
    /// Returns the torrents, sorted by name.
    pub fn torrents(&self) -> &Arc<[Torrent]> {
        &self.torrents
    }

    /// Returns the identity of a torrent over restarts: the first of its info-hashes.
    pub fn identity(&self, torrent: TorrentIndex) -> Option<InfoHash> {
        self.torrents.get(torrent.get())?.hashes.wire().next()
    }

    /// Returns the collections, sorted by name.
    pub fn collections(&self) -> &[Collection] {
        &self.collections
    }

    /// Returns the announces of a torrent: one per tracker and info-hash, grouped by tracker.
    /// Private torrents that must not be probed have none.
    pub fn announces_of(&self, torrent: TorrentIndex) -> &[AnnounceId] {
        let Some(start) = self.starts.get(torrent.get()) else {
            return &[];
        };
        let end = self
            .starts
            .get(torrent.get() + 1)
            .map_or(self.order.len(), |end| *end as usize);
        self.order.get(*start as usize..end).unwrap_or_default()
    }

    /// Returns an announce; `None` if it was removed from the configuration.
    pub fn announce(&self, id: AnnounceId) -> Option<Announce> {
        *self.announces.get(id.0 as usize)?
    }

    /// Returns the announce URL.
    pub fn url(&self, announce: Announce) -> Option<&Arc<TrackerUrl>> {
        self.torrents
            .get(announce.torrent.get())?
            .trackers
            .get(usize::from(announce.url))
    }

    /// Returns the 20 bytes that an announce sends.
    pub fn info_hash(&self, announce: Announce) -> Option<InfoHash> {
        let torrent = self.torrents.get(announce.torrent.get())?;
        torrent.hashes.wire().nth(usize::from(announce.second))
    }

    /// Returns the trackers by id; `None` for removed ones.
    pub fn trackers(&self) -> &[Option<Arc<TrackerUrl>>] {
        &self.trackers
    }

    /// Returns the number of announce ids, those of removed announces included.
    pub fn announce_ids(&self) -> usize {
        self.announces.len()
    }

    /// Returns the info-hashes to be looked up in the DHT: sorted, without duplicates.
    pub fn dht_hashes(&self) -> &Arc<[InfoHash]> {
        &self.dht_hashes
    }

    /// Returns the torrent of an info-hash that is looked up in the DHT.
    pub fn torrent_of(&self, hash: &InfoHash) -> Option<TorrentIndex> {
        let at = self.dht_hashes.binary_search(hash).ok()?;
        self.dht_torrents.get(at).copied()
    }

    /// Sets the info-hashes to be looked up in the DHT: those of all torrents that are not private
    /// (BEP 27), or none if the DHT is disabled.
    pub fn plan_lookups(&mut self, enabled: bool) {
        let mut hashes: Vec<(InfoHash, TorrentIndex)> = Vec::new();
        if enabled {
            let indices = TorrentIndex::range(0..self.torrents.len());
            let public = indices.zip(self.torrents.iter());
            let public = public.filter(|(_, torrent)| torrent.privacy == Privacy::Public);
            hashes.extend(public.flat_map(|(index, torrent)| {
                let wire = torrent.hashes.wire();
                wire.map(move |hash| (hash, index))
            }));
        }
        hashes.sort_unstable();
        hashes.dedup_by_key(|(hash, _)| *hash);
        self.dht_hashes = hashes.iter().map(|(hash, _)| *hash).collect();
        self.dht_torrents = hashes.iter().map(|(_, index)| *index).collect();
    }

    /// Replaces the list of torrents. Announces and trackers that were there before keep their ids.
    /// An unused announce id is used again, unless it is `busy`: an observation of it is still to
    /// come.
    pub fn update(
        &mut self,
        torrents: &Arc<[Torrent]>,
        busy: impl Fn(AnnounceId) -> bool,
    ) -> Changes {
        let mut update = Update {
            changes: Changes::default(),
            old_indices: self.indices_by_hash(),
            old_ids: self.ids_by_key(),
            tracker_ids: self.trackers_by_label(),
            free_ids: self.free_ids(busy),
            is_tracker_used: vec![false; self.trackers.len()],
            is_torrent_kept: vec![false; self.torrents.len()],
        };
        self.order.clear();
        self.starts.clear();
        for (index, torrent) in TorrentIndex::range(0..torrents.len()).zip(torrents.iter()) {
            self.add_torrent(index, torrent, &mut update);
        }
        self.remove_unused(&mut update);
        let mut changes = update.changes;
        if !changes.renamed.is_empty() {
            // One half of a hybrid may be configured beside the whole.
            let identities: HashSet<InfoHash> = torrents
                .iter()
                .filter_map(|torrent| torrent.hashes.wire().next())
                .collect();
            changes
                .renamed
                .retain(|(before, _)| !identities.contains(before));
        }
        let old = TorrentIndex::range(0..self.torrents.len()).zip(self.torrents.iter());
        let removed = old.zip(update.is_torrent_kept);
        let removed = removed.filter(|(_, is_kept)| !is_kept);
        changes.removed_torrents = removed
            .filter_map(|((index, torrent), _)| Some((index, torrent.hashes.wire().next()?)))
            .collect();
        self.torrents = Arc::clone(torrents);
        self.collections = collections(torrents);
        self.order.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.announces.shrink_to_fit();
        changes
    }

    /// Adds the announces of a torrent, with the ids that they had before.
    fn add_torrent(&mut self, index: TorrentIndex, torrent: &Torrent, update: &mut Update) {
        let mut hashes = torrent.hashes.wire();
        let old_index = hashes.find_map(|hash| update.old_indices.get(&hash).copied());
        update.changes.moved.push(old_index);
        let before = old_index.and_then(|old| self.torrents.get(old.get()));
        if let Some(old) = old_index {
            update.is_torrent_kept[old.get()] = true;
        }
        compare(before, index, torrent, &mut update.changes);
        self.starts.push(self.order.len() as u32);
        let urls: &[_] = match torrent.privacy {
            Privacy::LeftAlone => &[],
            _ => &torrent.trackers,
        };
        for (url_index, url) in urls.iter().enumerate() {
            let tracker = self.tracker_id(url, update);
            for (hash_index, hash) in torrent.hashes.wire().enumerate() {
                let old_id = update.old_ids.remove(&(hash, tracker));
                let id = old_id.unwrap_or_else(|| self.new_announce_id(update));
                self.announces[id.0 as usize] = Some(Announce {
                    torrent: index,
                    tracker,
                    url: url_index as u16,
                    second: hash_index == 1,
                });
                self.order.push(id);
            }
        }
    }

    /// Returns the id of a tracker. A new tracker never gets the id of a removed one: an
    /// observation that is still to come may name it.
    fn tracker_id(&mut self, url: &Arc<TrackerUrl>, update: &mut Update) -> TrackerId {
        let id = *update.tracker_ids.entry(url.label()).or_insert_with(|| {
            self.trackers.push(Some(Arc::clone(url)));
            update.is_tracker_used.push(false);
            TrackerId(self.trackers.len() as u32 - 1)
        });
        update.is_tracker_used[id.0 as usize] = true;
        id
    }

    fn new_announce_id(&mut self, update: &mut Update) -> AnnounceId {
        let id = update.free_ids.pop().unwrap_or_else(|| {
            self.announces.push(None);
            AnnounceId(self.announces.len() as u32 - 1)
        });
        update.changes.added_announces.push(id);
        id
    }

    /// Removes announces and trackers that the new list does not have.
    fn remove_unused(&mut self, update: &mut Update) {
        for id in std::mem::take(&mut update.old_ids).into_values() {
            self.announces[id.0 as usize] = None;
            update.changes.removed_announces.push(id);
        }
        for (tracker, is_used) in self.trackers.iter_mut().zip(&update.is_tracker_used) {
            if !is_used {
                *tracker = None;
            }
        }
    }

    /// Returns announce ids without an announce, the smallest last.
    fn free_ids(&self, busy: impl Fn(AnnounceId) -> bool) -> Vec<AnnounceId> {
        let ids = (0..self.announces.len() as u32).rev().map(AnnounceId);
        ids.filter(|id| self.announces[id.0 as usize].is_none() && !busy(*id))
            .collect()
    }

    fn indices_by_hash(&self) -> HashMap<InfoHash, TorrentIndex> {
        let torrents = TorrentIndex::range(0..self.torrents.len()).zip(self.torrents.iter());
        torrents
            .flat_map(|(index, torrent)| torrent.hashes.wire().map(move |hash| (hash, index)))
            .collect()
    }

    fn ids_by_key(&self) -> HashMap<(InfoHash, TrackerId), AnnounceId> {
        let ids = self.announces.iter().enumerate();
        ids.filter_map(|(id, announce)| {
            let announce = (*announce)?;
            Some((
                (self.info_hash(announce)?, announce.tracker),
                AnnounceId(id as u32),
            ))
        })
        .collect()
    }

    fn trackers_by_label(&self) -> HashMap<String, TrackerId> {
        let trackers = self.trackers.iter().enumerate();
        trackers
            .filter_map(|(i, t)| Some((t.as_ref()?.label(), TrackerId(i as u32))))
            .collect()
    }
}

/// Appends how a torrent differs from its state before.
fn compare(
    before: Option<&Torrent>,
    index: TorrentIndex,
    torrent: &Torrent,
    changes: &mut Changes,
) {
    if let Some(collection) = torrent.collection()
        && before.and_then(Torrent::collection) != Some(collection)
    {
        changes.joined.push(index);
    }
    if let Some(before) = before.and_then(|before| before.hashes.wire().next())
        && let Some(now) = torrent.hashes.wire().next()
        && before != now
    {
        changes.renamed.push((before, now));
    }
}

fn collections(torrents: &[Torrent]) -> Vec<Collection> {
    let mut by_name: BTreeMap<&Arc<str>, Vec<TorrentIndex>> = BTreeMap::new();
    for (index, torrent) in TorrentIndex::range(0..torrents.len()).zip(torrents) {
        if let Some(collection) = torrent.collection() {
            by_name.entry(collection).or_default().push(index);
        }
    }
    let named = by_name.into_iter().map(|(name, torrents)| Collection {
        name: Arc::clone(name),
        torrents,
    });
    named.collect()
}
