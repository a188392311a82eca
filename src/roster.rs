//! Who is watched where: torrents, trackers and the ids that everything else is booked on.
//!
//! Ids are stable over reloads: an observation that was under way when the configuration changed
//! still finds its place, and what did not change keeps its state.

use std::collections::HashMap;
use std::sync::Arc;

use crate::observation::{AnnounceId, TrackerId};
use crate::torrent::{InfoHash, Privacy, Torrent, TrackerUrl};

/// The watched torrents and where they are announced.
#[derive(Debug, Default)]
pub struct Roster {
    /// Sorted by name, as configured.
    torrents: Vec<Entry>,
    /// By [`TrackerId`]; trackers that nobody uses any more are holes.
    trackers: Vec<Option<Arc<TrackerUrl>>>,
    /// By [`AnnounceId`]; announces gone from the configuration are holes.
    announces: Vec<Option<Announce>>,
}

/// A torrent and its announces.
#[derive(Debug)]
pub struct Entry {
    /// The torrent.
    pub torrent: Arc<Torrent>,
    /// One a tracker and info-hash, those of one tracker beside each other. Empty for private
    /// torrents that are left alone.
    pub announces: Box<[AnnounceId]>,
}

/// One info-hash at one tracker.
#[derive(Debug, Clone)]
pub struct Announce {
    /// Place of its torrent in [`Roster::torrents`].
    pub torrent: u32,
    /// Its tracker.
    pub tracker: TrackerId,
    /// The second hash of a hybrid torrent.
    second: bool,
    /// The announce URL as this torrent has it: paths differ by passkey.
    pub url: Arc<TrackerUrl>,
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
}

impl Roster {
    /// The torrents, sorted by name.
    pub fn torrents(&self) -> &[Entry] {
        &self.torrents
    }

    /// One announce; `None` once it is gone from the configuration.
    pub fn announce(&self, id: AnnounceId) -> Option<&Announce> {
        self.announces.get(id.0 as usize)?.as_ref()
    }

    /// The 20 bytes that an announce asks for.
    pub fn info_hash(&self, announce: &Announce) -> Option<InfoHash> {
        let torrent = &self.torrents.get(announce.torrent as usize)?.torrent;
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

    /// Takes over a new list of torrents. What was there before keeps its ids; ids that are free
    /// and not `busy` (an observation is under way for them) are used again.
    pub fn update(
        &mut self,
        torrents: &[Arc<Torrent>],
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
        let mut used_trackers = vec![false; self.trackers.len()];
        let mut announces = std::mem::take(&mut self.announces);

        let entries = torrents.iter().enumerate().map(|(place, torrent)| {
            changes.moved.push(
                torrent
                    .hashes
                    .wire()
                    .find_map(|h| old_places.get(&h).copied()),
            );
            let urls: &[_] = if torrent.privacy == Privacy::LeftAlone {
                &[]
            } else {
                &torrent.trackers
            };
            let mut ids = Vec::with_capacity(urls.len());
            for url in urls {
                // Always a new id: an observation under way may still name the id of a hole.
                let tracker = *tracker_ids.entry(url.label()).or_insert_with(|| {
                    self.trackers.push(Some(Arc::clone(url)));
                    used_trackers.push(false);
                    TrackerId(self.trackers.len() as u32 - 1)
                });
                used_trackers[tracker.0 as usize] = true;
                for (second, hash) in torrent.hashes.wire().enumerate() {
                    let announce = Announce {
                        torrent: place as u32,
                        tracker,
                        second: second == 1,
                        url: Arc::clone(url),
                    };
                    let id = old_ids.remove(&(hash, tracker)).unwrap_or_else(|| {
                        let id = free.pop().unwrap_or_else(|| {
                            announces.push(None);
                            announces.len() as u32 - 1
                        });
                        changes.added.push(AnnounceId(id));
                        AnnounceId(id)
                    });
                    announces[id.0 as usize] = Some(announce);
                    ids.push(id);
                }
            }
            Entry {
                torrent: Arc::clone(torrent),
                announces: ids.into(),
            }
        });
        let entries: Vec<_> = entries.collect();
        for id in old_ids.into_values() {
            announces[id.0 as usize] = None;
            changes.removed.push(id);
        }
        for (tracker, used) in self.trackers.iter_mut().zip(used_trackers) {
            if !used {
                *tracker = None;
            }
        }
        self.torrents = entries;
        self.announces = announces;
        changes
    }

    fn places(&self) -> HashMap<InfoHash, u32> {
        let places = self.torrents.iter().enumerate();
        places
            .flat_map(|(i, e)| e.torrent.hashes.wire().map(move |h| (h, i as u32)))
            .collect()
    }

    fn ids_by_key(&self) -> HashMap<(InfoHash, TrackerId), AnnounceId> {
        let ids = self.announces.iter().enumerate();
        ids.filter_map(|(id, announce)| {
            let announce = announce.as_ref()?;
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
