//! Who is watched where: torrents, trackers and the ids that everything else is booked on.
//!
//! Ids are stable over reloads: an observation that was under way when the configuration changed
//! still finds its place, and what did not change keeps its state.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use seedwatch_torrent::{InfoHash, Privacy, Torrent, TrackerUrl};
use seedwatch_tracker::{AnnounceId, TrackerId};

/// The watched torrents and where they are announced. Flat tables: there may be a million
/// torrents with ten trackers each.
#[derive(Debug)]
pub struct Roster {
    /// Sorted by name, as configured.
    torrents: Arc<[Torrent]>,
    /// Announces of all torrents, those of one torrent beside each other, those of one tracker
    /// beside each other within.
    order: Vec<AnnounceId>,
    /// Where the announces of each torrent begin in `order`.
    starts: Vec<u32>,
    /// By [`TrackerId`]; trackers that nobody uses any more are holes.
    trackers: Vec<Option<Arc<TrackerUrl>>>,
    /// By [`AnnounceId`]; announces gone from the configuration are holes.
    announces: Vec<Option<Announce>>,
    /// What is looked up in the DHT: sorted, no repetitions.
    sweep: Arc<[InfoHash]>,
    /// Places of their torrents, in the same order.
    swept: Vec<u32>,
    /// Sorted by name.
    collections: Vec<Collection>,
}

/// One info-hash at one tracker.
#[derive(Debug, Clone, Copy)]
pub struct Announce {
    /// Place of its torrent in [`Roster::torrents`].
    pub torrent: u32,
    /// Its tracker.
    pub tracker: TrackerId,
    /// Place of the announce URL in the torrent's list: paths differ by passkey.
    url: u16,
    /// The second hash of a hybrid torrent.
    second: bool,
}

/// What a new configuration changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// For each torrent, its place before the change.
    pub moved: Vec<Option<u32>>,
    /// Announces that are new.
    pub added: Vec<AnnounceId>,
    /// Announces that are gone.
    pub removed: Vec<AnnounceId>,
    /// Torrents that are gone: their places before the change and what they were known by.
    pub gone: Vec<(u32, InfoHash)>,
    /// Torrents that are known by another info-hash, before and now.
    pub renamed: Vec<(InfoHash, InfoHash)>,
    /// Torrents that are in a collection and were not in it before.
    pub joined: Vec<u32>,
}

/// Torrents of one work.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its name.
    pub name: Arc<str>,
    /// Places in [`Roster::torrents`], ascending.
    pub members: Vec<u32>,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            torrents: Arc::from([]),
            order: Vec::new(),
            starts: Vec::new(),
            trackers: Vec::new(),
            announces: Vec::new(),
            sweep: Arc::from([]),
            swept: Vec::new(),
            collections: Vec::new(),
        }
    }
}

impl Roster {
    /// The torrents, sorted by name.
    pub fn torrents(&self) -> &Arc<[Torrent]> {
        &self.torrents
    }

    /// What a torrent is known by over restarts: the first of its info-hashes.
    pub fn identity(&self, place: usize) -> Option<InfoHash> {
        self.torrents.get(place)?.hashes.wire().next()
    }

    /// The collections, sorted by name.
    pub fn collections(&self) -> &[Collection] {
        &self.collections
    }

    /// The announces of a torrent: one a tracker and info-hash, those of one tracker beside each
    /// other. Empty for private torrents that are left alone.
    pub fn announces_of(&self, place: usize) -> &[AnnounceId] {
        let Some(start) = self.starts.get(place) else {
            return &[];
        };
        let end = self
            .starts
            .get(place + 1)
            .map_or(self.order.len(), |end| *end as usize);
        self.order.get(*start as usize..end).unwrap_or_default()
    }

    /// One announce; `None` once it is gone from the configuration.
    pub fn announce(&self, id: AnnounceId) -> Option<Announce> {
        *self.announces.get(id.0 as usize)?
    }

    /// The announce URL.
    pub fn url(&self, announce: Announce) -> Option<&Arc<TrackerUrl>> {
        self.torrents
            .get(announce.torrent as usize)?
            .trackers
            .get(usize::from(announce.url))
    }

    /// The 20 bytes that an announce asks for.
    pub fn info_hash(&self, announce: Announce) -> Option<InfoHash> {
        let torrent = self.torrents.get(announce.torrent as usize)?;
        torrent.hashes.wire().nth(usize::from(announce.second))
    }

    /// Trackers by id, holes included.
    pub fn trackers(&self) -> &[Option<Arc<TrackerUrl>>] {
        &self.trackers
    }

    /// One more than the largest announce id in use.
    pub fn announce_ids(&self) -> usize {
        self.announces.len()
    }

    /// Every info-hash that is to be looked up in the DHT: sorted, no repetitions.
    pub fn sweep(&self) -> &Arc<[InfoHash]> {
        &self.sweep
    }

    /// The place of the torrent that an info-hash of the sweep belongs to.
    pub fn place_of(&self, hash: &InfoHash) -> Option<usize> {
        let at = self.sweep.binary_search(hash).ok()?;
        self.swept.get(at).map(|place| *place as usize)
    }

    /// Plans the sweep over the torrents as they are now: all hashes of those that are not
    /// private, or nothing at all where the DHT is not to be asked.
    pub fn plan_sweep(&mut self, enabled: bool) {
        let mut hashes: Vec<(InfoHash, u32)> = Vec::new();
        if enabled {
            let public = (0..).zip(self.torrents.iter());
            let public = public.filter(|(_, torrent)| torrent.privacy == Privacy::Public);
            hashes.extend(public.flat_map(|(place, torrent)| {
                let wire = torrent.hashes.wire();
                wire.map(move |hash| (hash, place))
            }));
        }
        hashes.sort_unstable();
        hashes.dedup_by_key(|(hash, _)| *hash);
        self.sweep = hashes.iter().map(|(hash, _)| *hash).collect();
        self.swept = hashes.iter().map(|(_, place)| *place).collect();
    }

    /// Takes over a new list of torrents. What was there before keeps its ids; ids that are free
    /// and not `busy` (an observation is under way for them) are used again.
    pub fn update(
        &mut self,
        torrents: &Arc<[Torrent]>,
        busy: impl Fn(AnnounceId) -> bool,
    ) -> Changes {
        let mut changes = Changes::default();
        let old_places = self.places();
        let mut old_ids = self.ids_by_key();
        let mut tracker_ids = self.trackers_by_label();
        let mut free: Vec<u32> = (0..self.announces.len() as u32)
            .rev()
            .filter(|&id| self.announces[id as usize].is_none() && !busy(AnnounceId(id)))
            .collect();
        let mut used = vec![false; self.trackers.len()];
        self.order.clear();
        self.starts.clear();
        let mut stays = vec![false; self.torrents.len()];
        for (place, torrent) in torrents.iter().enumerate() {
            let moved = torrent.hashes.wire().find_map(|h| old_places.get(&h));
            changes.moved.push(moved.copied());
            let before = moved.and_then(|moved| self.torrents.get(*moved as usize));
            if let Some(moved) = moved {
                stays[*moved as usize] = true;
            }
            self.compare(before, place as u32, torrent, &mut changes);
            self.starts.push(self.order.len() as u32);
            let urls: &[_] = if torrent.privacy == Privacy::LeftAlone {
                &[]
            } else {
                &torrent.trackers
            };
            for (url_place, url) in urls.iter().enumerate() {
                // Always a new id: an observation under way may still name the id of a hole.
                let tracker = *tracker_ids.entry(url.label()).or_insert_with(|| {
                    self.trackers.push(Some(Arc::clone(url)));
                    used.push(false);
                    TrackerId(self.trackers.len() as u32 - 1)
                });
                used[tracker.0 as usize] = true;
                for (second, hash) in torrent.hashes.wire().enumerate() {
                    let id = old_ids.remove(&(hash, tracker)).unwrap_or_else(|| {
                        let id = free.pop().unwrap_or_else(|| {
                            self.announces.push(None);
                            self.announces.len() as u32 - 1
                        });
                        changes.added.push(AnnounceId(id));
                        AnnounceId(id)
                    });
                    self.announces[id.0 as usize] = Some(Announce {
                        torrent: place as u32,
                        tracker,
                        url: url_place as u16,
                        second: second == 1,
                    });
                    self.order.push(id);
                }
            }
        }
        for id in old_ids.into_values() {
            self.announces[id.0 as usize] = None;
            changes.removed.push(id);
        }
        for (tracker, used) in self.trackers.iter_mut().zip(used) {
            if !used {
                *tracker = None;
            }
        }
        if !changes.renamed.is_empty() {
            // Half of a hybrid may stay beside the whole.
            let taken: HashSet<InfoHash> = torrents
                .iter()
                .filter_map(|torrent| torrent.hashes.wire().next())
                .collect();
            changes
                .renamed
                .retain(|(before, _)| !taken.contains(before));
        }
        let gone = (0..).zip(self.torrents.iter()).zip(stays);
        let gone = gone.filter(|(_, stays)| !stays);
        changes.gone = gone
            .filter_map(|((place, torrent), _)| Some((place, torrent.hashes.wire().next()?)))
            .collect();
        self.torrents = Arc::clone(torrents);
        self.collections = collections(torrents);
        self.order.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.announces.shrink_to_fit();
        changes
    }

    fn compare(
        &self,
        before: Option<&Torrent>,
        place: u32,
        torrent: &Torrent,
        changes: &mut Changes,
    ) {
        if let Some(collection) = torrent.collection()
            && before.and_then(Torrent::collection) != Some(collection)
        {
            changes.joined.push(place);
        }
        if let Some(before) = before.and_then(|before| before.hashes.wire().next())
            && let Some(now) = torrent.hashes.wire().next()
            && before != now
        {
            changes.renamed.push((before, now));
        }
    }

    fn places(&self) -> HashMap<InfoHash, u32> {
        let places = self.torrents.iter().enumerate();
        places
            .flat_map(|(i, torrent)| torrent.hashes.wire().map(move |h| (h, i as u32)))
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

fn collections(torrents: &[Torrent]) -> Vec<Collection> {
    let mut members: BTreeMap<&Arc<str>, Vec<u32>> = BTreeMap::new();
    for (place, torrent) in (0..).zip(torrents) {
        if let Some(collection) = torrent.collection() {
            members.entry(collection).or_default().push(place);
        }
    }
    let named = members.into_iter().map(|(name, members)| Collection {
        name: Arc::clone(name),
        members,
    });
    named.collect()
}
