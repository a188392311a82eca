//! The torrents of a configuration, with the entries of its lists.
//!
//! The configuration has precedence: its torrents keep their names and hashes, whatever a list
//! says, and a private one gets nothing from a list (BEP 27). One entry that says "private" makes a
//! torrent of lists private, whatever the order of the lists; a torrent of the configuration then
//! gets nothing from a list. URLs in lists are those of a third
//! party, as in magnet links: they never lead into local networks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use seedwatch_lists::{Entry, UrlTexts};
use seedwatch_torrent::{
    Details, InfoHash, Privacy, Tier, Torrent, TrackerList, WebSeed, WebSeedKind,
};

use super::lists::List;
use super::names::{hash_name, with_hash};
use super::trackers::{Interner, TrackerDraft, UrlOrigin};
use super::{Config, MAX_TORRENTS};

/// The outcome of a merge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Merged {
    /// All torrents, sorted by name; names and info-hashes are unique.
    pub torrents: Arc<[Torrent]>,
    /// Entries left out because there are too many torrents.
    pub left_out: u64,
}

impl Config {
    /// Merges the torrents of the configuration with the entries of its lists, in the order of the
    /// lists.
    pub fn merge(&self, lists: &[(Arc<List>, Arc<[Entry]>)]) -> Merged {
        let configured = &self.lists.configured;
        if lists.iter().all(|(_, entries)| entries.is_empty()) {
            return Merged {
                torrents: Arc::clone(configured),
                left_out: 0,
            };
        }
        let mut merger = Merger::new(self);
        merger.note_private(lists);
        for (list, entries) in lists {
            let mut of_list = OfList {
                list,
                trackers: HashMap::new(),
            };
            for entry in &**entries {
                merger.add(entry, &mut of_list);
            }
        }
        merger.finish(configured.len())
    }
}

/// A list while its entries are merged.
struct OfList<'a> {
    list: &'a List,
    /// By the texts of an entry and its privacy: mostly, all entries have the same trackers.
    trackers: HashMap<(*const (), bool), TrackerList>,
}

/// The torrents so far.
struct Merger<'a> {
    config: &'a Config,
    torrents: Vec<Torrent>,
    by_hash: HashMap<InfoHash, usize>,
    interner: Interner,
    /// Every distinct list of trackers.
    tracker_lists: HashSet<TrackerList>,
    /// Unions of two lists of trackers, by their addresses.
    unions: HashMap<(*const (), *const ()), TrackerList>,
    /// The info-hashes that an entry says are private, and whether a list of such an entry may have
    /// them probed.
    private: HashMap<InfoHash, bool>,
    left_out: u64,
}

/// Returns the address of a shared slice, which identifies it while it lives.
fn address<T>(slice: &[T]) -> *const () {
    slice.as_ptr().cast()
}

impl<'a> Merger<'a> {
    fn new(config: &'a Config) -> Self {
        let configured = &config.lists.configured;
        let mut by_hash = HashMap::with_capacity(2 * configured.len());
        let mut seen = HashSet::new();
        let mut interner = Interner::new(config.accept);
        let mut tracker_lists = HashSet::new();
        for (index, torrent) in configured.iter().enumerate() {
            by_hash.extend(torrent.hashes.wire().map(|hash| (hash, index)));
            if seen.insert(address(&torrent.trackers)) {
                interner.know(torrent.trackers.iter());
                tracker_lists.insert(torrent.trackers.clone());
            }
        }
        interner.know(config.lists.everywhere.iter());
        for list in &config.lists.all {
            interner.know(list.trackers.iter());
        }
        Self {
            config,
            torrents: configured.to_vec(),
            by_hash,
            interner,
            tracker_lists,
            unions: HashMap::new(),
            private: HashMap::new(),
            left_out: 0,
        }
    }

    /// Notes which torrents are private, before any is added.
    fn note_private(&mut self, lists: &[(Arc<List>, Arc<[Entry]>)]) {
        for (list, entries) in lists {
            for entry in entries.iter().filter(|entry| entry.is_private) {
                for hash in entry.hashes.wire() {
                    *self.private.entry(hash).or_default() |= list.private;
                }
            }
        }
    }

    /// Returns the privacy of the torrent of an entry of a list.
    fn privacy(&self, entry: &Entry) -> Privacy {
        let words = entry.hashes.wire();
        let words = words.filter_map(|hash| self.private.get(&hash));
        let consent = words.copied().reduce(|a, b| a || b);
        match consent {
            None => Privacy::Public,
            Some(true) => Privacy::Consented,
            Some(false) => Privacy::LeftAlone,
        }
    }

    /// Adds an entry, or what it says about a torrent that is known.
    fn add(&mut self, entry: &Entry, of_list: &mut OfList<'_>) {
        let known = entry.hashes.wire().find_map(|hash| self.by_hash.get(&hash));
        let privacy = self.privacy(entry);
        if let Some(known) = known.copied() {
            return self.enrich(known, entry, privacy, of_list);
        }
        // A list with consent has this torrent: its info-hash is not told to trackers of others.
        let list = of_list.list;
        if privacy == Privacy::Consented && !(entry.is_private && list.private) {
            return;
        }
        if self.torrents.len() >= MAX_TORRENTS {
            self.left_out += 1;
            return;
        }
        let index = self.torrents.len();
        self.by_hash
            .extend(entry.hashes.wire().map(|hash| (hash, index)));
        let trackers = self.trackers(entry, privacy == Privacy::Public, of_list);
        let details = Details {
            collection: list.collection.clone(),
            labels: list.labels.clone(),
            web_seeds: self.web_seeds(&entry.web_seeds).into(),
            file: None,
        };
        self.torrents.push(Torrent {
            // Until all entries are known, the display name stands here.
            name: entry.name.clone().unwrap_or_default(),
            hashes: entry.hashes.clone(),
            trackers,
            details: details.boxed(),
            privacy,
            size: entry.size,
        });
    }

    /// Adds to a torrent what it lacks. A private torrent gets nothing: its info-hash is not told
    /// to further trackers.
    fn enrich(&mut self, index: usize, entry: &Entry, privacy: Privacy, of_list: &mut OfList<'_>) {
        if self.torrents[index].privacy != Privacy::Public || privacy != Privacy::Public {
            return;
        }
        let more = self.trackers(entry, true, of_list);
        let trackers = self.union(&self.torrents[index].trackers.clone(), more);
        let seeds = self.web_seeds(&entry.web_seeds);
        let list = of_list.list;
        let torrent = &mut self.torrents[index];
        torrent.trackers = trackers;
        torrent.size = torrent.size.or(entry.size);
        if list.collection.is_none() && list.labels.is_empty() && seeds.is_empty() {
            return;
        }
        let mut details = torrent.details.take().map(|it| *it).unwrap_or_default();
        if details.collection.is_none() {
            details.collection.clone_from(&list.collection);
        }
        for (name, value) in &list.labels {
            let slot = details.labels.entry(name.clone());
            slot.or_insert_with(|| value.clone());
        }
        let mut all = details.web_seeds.into_vec();
        for seed in seeds {
            if !all.contains(&seed) && all.len() < WebSeed::MAX {
                all.push(seed);
            }
        }
        details.web_seeds = all.into();
        torrent.details = details.boxed();
    }

    /// Returns the trackers of an entry: those of its list, its own, and those of every public
    /// torrent.
    fn trackers(
        &mut self,
        entry: &Entry,
        is_public: bool,
        of_list: &mut OfList<'_>,
    ) -> TrackerList {
        let key = (address(&entry.trackers), is_public);
        if let Some(known) = of_list.trackers.get(&key) {
            return known.clone();
        }
        let mut draft = TrackerDraft::configured(of_list.list.trackers.clone());
        for (n, text) in entry.trackers.iter().enumerate() {
            let url = self.interner.get(text.expose(), UrlOrigin::Metainfo);
            // A local tracker that the configuration does not name is left out.
            let url = url.ok();
            let url = url.filter(|url| !url.host().is_local() || url.may_be_local());
            if let Some(url) = url {
                draft.add(&url, Tier::of(n));
            }
        }
        if is_public {
            for url in &self.config.lists.everywhere {
                draft.add(url, Tier::CONFIGURED);
            }
        }
        let trackers = draft.interned(&mut self.tracker_lists);
        of_list.trackers.insert(key, trackers.clone());
        trackers
    }

    fn union(&mut self, known: &TrackerList, more: TrackerList) -> TrackerList {
        let key = (address(known), address(&more));
        if key.0 == key.1 {
            return more;
        }
        if let Some(union) = self.unions.get(&key) {
            return union.clone();
        }
        let mut draft = TrackerDraft::of(known);
        for url in more.iter() {
            // The magnet link of the torrent was published without it.
            draft.add(url, Tier::CONFIGURED);
        }
        let union = draft.interned(&mut self.tracker_lists);
        self.unions.insert(key, union.clone());
        union
    }

    fn web_seeds(&mut self, texts: &UrlTexts) -> Vec<Arc<WebSeed>> {
        let mut seeds = Vec::new();
        for text in texts.iter().take(WebSeed::MAX) {
            let seed = self.interner.web_seed(text.expose(), WebSeedKind::Files);
            if let Ok(seed) = seed
                && !seeds.contains(&seed)
            {
                seeds.push(seed);
            }
        }
        seeds
    }

    /// Names the torrents of lists, of which the first comes after `configured` others. The first
    /// with a display name keeps it.
    fn finish(mut self, configured: usize) -> Merged {
        let (known, added) = self.torrents.split_at_mut(configured);
        let mut taken: HashSet<Box<str>> = known.iter().map(|it| it.name.clone()).collect();
        let displays: HashSet<Box<str>> = added.iter().map(|it| it.name.clone()).collect();
        for torrent in added {
            if !torrent.name.is_empty() && taken.insert(torrent.name.clone()) {
                continue;
            }
            let hash = hash_name(&torrent.hashes);
            let (display, name): (&str, Box<str>) = match &*torrent.name {
                "" => (&hash, hash.as_str().into()),
                display => (display, with_hash(display, &torrent.hashes, 8)),
            };
            let free = |name: &str| !taken.contains(name) && !displays.contains(name);
            let longer = || with_hash(display, &torrent.hashes, 40);
            let names = std::iter::once(name).chain(std::iter::once_with(longer));
            // No other torrent has this info-hash.
            let name = names.into_iter().find(|name| free(name));
            torrent.name = name.unwrap_or_else(|| hash.into());
            taken.insert(torrent.name.clone());
        }
        // Stable: a name of the configuration comes before the same one of a list.
        self.torrents.sort_by(|a, b| a.name.cmp(&b.name));
        let before = self.torrents.len();
        self.torrents.dedup_by(|a, b| a.name == b.name);
        Merged {
            left_out: self.left_out + (before - self.torrents.len()) as u64,
            torrents: self.torrents.into(),
        }
    }
}

#[cfg(test)]
mod tests;
