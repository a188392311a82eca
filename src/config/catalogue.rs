//! All torrents of a configuration, with duplicates merged and unique names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use super::names;
use super::trackers::{Added, Interner, Replacements, TrackerDraft};
use super::{Accept, MAX_TRACKERS};
use seedwatch_input::yaml::{Fault, Report, SourceFile};
use seedwatch_torrent::{Details, Hashes, InfoHash, Privacy, Tier, Torrent, TrackerUrl, WebSeed};

/// The entry that a torrent comes from.
#[derive(Debug, Clone)]
pub(super) struct EntryLocation {
    /// Number of the YAML file, as [`Catalogue::add_source`] returned it.
    pub(super) source: u32,
    /// Line of the entry.
    pub(super) line: u32,
    /// Index of the entry in its list.
    pub(super) index: u32,
    /// The metainfo file, if the entry names files.
    pub(super) file: Option<Box<str>>,
}

/// The name of a torrent, by its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// Written in the configuration.
    Configured(Box<str>),
    /// The display name of a magnet link or metainfo file.
    Display(Box<str>),
    /// Neither has a name.
    None,
}

impl From<Name> for Box<str> {
    fn from(name: Name) -> Self {
        match name {
            Name::Configured(name) | Name::Display(name) => name,
            Name::None => Box::default(),
        }
    }
}

/// A torrent that duplicates may still be merged into.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Name,
    pub(super) hashes: Hashes,
    pub(super) trackers: TrackerDraft,
    pub(super) web_seeds: Vec<Arc<WebSeed>>,
    pub(super) file: Option<Box<Path>>,
    pub(super) collection: Option<Arc<str>>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) privacy: Privacy,
    pub(super) size: Option<NonZeroU64>,
    pub(super) location: EntryLocation,
}

/// All torrents of a configuration.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// A torrent that was merged into another one leaves `None`.
    drafts: Vec<Option<Draft>>,
    /// Index in `drafts`, by every info-hash that goes on the wire. Entries that share an info-hash
    /// are one torrent.
    by_hash: HashMap<InfoHash, usize>,
    /// One allocation for every distinct name.
    collections: HashSet<Arc<str>>,
    sources: Vec<SourceFile>,
    pub(super) interner: Interner,
}

impl Catalogue {
    /// Creates an empty catalogue for this `addresses.accept`.
    pub(super) fn new(accept: Accept) -> Self {
        Self {
            interner: Interner::new(accept),
            ..Self::default()
        }
    }

    /// Registers a YAML file, so that messages can name it. Returns its number.
    pub(super) fn add_source(&mut self, source: &SourceFile) -> u32 {
        self.sources.push(source.clone());
        u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX)
    }

    /// Returns the number of entries so far, merged ones included.
    pub(super) fn len(&self) -> usize {
        self.drafts.len()
    }

    /// Returns the collection of a name.
    pub(super) fn collection(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.collections.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.collections.insert(Arc::clone(&name));
        name
    }

    /// Adds a torrent, or merges it with the torrents that share an info-hash with it.
    pub(super) fn add(&mut self, mut draft: Draft, report: &mut Report) {
        let mut known: Vec<usize> = draft
            .hashes
            .wire()
            .filter_map(|hash| self.by_hash.get(&hash).copied())
            .collect();
        known.sort_unstable();
        known.dedup();
        // A hybrid may connect two torrents that had no info-hash in common.
        for &index in known.iter().rev() {
            let Some(earlier) = self.drafts[index].take() else {
                continue;
            };
            match unite(&earlier.hashes, &draft.hashes) {
                Some(hashes) => draft = self.merge(earlier, draft, hashes, report),
                None => {
                    let message = format!(
                        "its hashes belong to two different torrents, see {}",
                        self.describe(&earlier.location)
                    );
                    report.fault(self.fault(&draft.location, message));
                    self.drafts[index] = Some(earlier);
                    return;
                }
            }
        }
        let index = known.first().copied().unwrap_or(self.drafts.len());
        for hash in draft.hashes.wire() {
            self.by_hash.insert(hash, index);
        }
        match self.drafts.get_mut(index) {
            Some(location) => *location = Some(draft),
            None => self.drafts.push(Some(draft)),
        }
    }

    fn merge(
        &self,
        mut earlier: Draft,
        later: Draft,
        hashes: Hashes,
        report: &mut Report,
    ) -> Draft {
        let location = self.describe(&earlier.location);
        let mut warn = |message: String| report.warn(self.fault(&later.location, message));
        warn(format!("the same torrent as {location}: merged"));
        earlier.hashes = hashes;
        match (&earlier.name, later.name) {
            (Name::Configured(kept), Name::Configured(other)) if *kept != other => {
                warn(format!("the name given by {location} is kept"));
            }
            (Name::Configured(_), _) | (Name::Display(_), Name::Display(_) | Name::None) => {}
            (_, name) => earlier.name = name,
        }
        merge_trackers(&mut earlier.trackers, &later.trackers, &mut warn);
        earlier.file = earlier.file.or(later.file);
        for seed in later.web_seeds {
            if !earlier.web_seeds.contains(&seed) && earlier.web_seeds.len() < WebSeed::MAX {
                earlier.web_seeds.push(seed);
            }
        }
        if let Some(other) = later.collection {
            let kept = earlier.collection.get_or_insert_with(|| other.clone());
            if *kept != other {
                warn(format!("the collection given by {location} is kept"));
            }
        }
        let mut contradicted = false;
        for (name, value) in later.labels {
            let kept = earlier.labels.entry(name).or_insert_with(|| value.clone());
            contradicted |= *kept != value;
        }
        if contradicted {
            warn(format!("labels given by {location} are kept"));
        }
        // A metainfo file knows the size, and a magnet link repeats it.
        earlier.size = match later.location.file.is_some() && earlier.location.file.is_none() {
            true => later.size.or(earlier.size),
            false => earlier.size.or(later.size),
        };
        earlier.privacy = merge_privacy(earlier.privacy, later.privacy);
        earlier
    }

    /// Returns all torrents, sorted by name. Public ones get the trackers in `everywhere`; `dht`
    /// says whether they are also looked up in the DHT.
    pub(super) fn finish(
        mut self,
        everywhere: &[Arc<TrackerUrl>],
        dht: bool,
        report: &mut Report,
    ) -> Arc<[Torrent]> {
        let drafts: Vec<Draft> = std::mem::take(&mut self.drafts)
            .into_iter()
            .flatten()
            .collect();
        let names = names::choose(&drafts, &self, report);
        let replacements = self.interner.replacements();
        let mut without_tracker: Option<(EntryLocation, usize)> = None;
        let mut lists = HashSet::new();
        let mut torrents = Vec::with_capacity(drafts.len());
        for (mut draft, name) in drafts.into_iter().zip(names) {
            if !replacements.is_empty() {
                self.replace_trackers(&mut draft, &replacements, report);
            }
            if draft.privacy == Privacy::Public {
                // A torrent that has its own URL of the tracker keeps that one.
                for url in everywhere {
                    draft.trackers.add(url, Tier::CONFIGURED);
                }
            }
            if draft.privacy == Privacy::LeftAlone {
                let message = "private (BEP 27): left alone unless the entry has private: true";
                report.warn(self.fault(&draft.location, message));
            } else if draft.trackers.is_empty() && !(dht && draft.privacy == Privacy::Public) {
                without_tracker.get_or_insert((draft.location, 0)).1 += 1;
            }
            torrents.push(Torrent {
                name: name.unwrap_or_else(|| draft.name.into()),
                hashes: draft.hashes,
                trackers: draft.trackers.interned(&mut lists),
                details: Details {
                    collection: draft.collection,
                    labels: draft.labels,
                    web_seeds: draft.web_seeds.into(),
                    file: draft.file,
                }
                .boxed(),
                privacy: draft.privacy,
                size: draft.size,
            });
        }
        if let Some((first, count)) = without_tracker {
            let message = match count - 1 {
                0 => "has no tracker: it cannot be probed".to_owned(),
                more => format!("this and {more} more have no tracker: they cannot be probed"),
            };
            report.warn(self.fault(&first, message));
        }
        torrents.sort_unstable_by(|a: &Torrent, b| a.name.cmp(&b.name));
        torrents.into()
    }

    /// Replaces the trackers of a torrent by the same URLs with their final scope, and leaves out
    /// those that may not be asked.
    fn replace_trackers(
        &self,
        draft: &mut Draft,
        replacements: &Replacements,
        report: &mut Report,
    ) {
        let location = &draft.location;
        draft
            .trackers
            .replace(|url| match replacements.get(&Arc::as_ptr(&url)) {
                None => Some(url),
                Some(Some(other)) => Some(Arc::clone(other)),
                Some(None) => {
                    let why = self.interner.why_left_out(&url);
                    report.warn(self.fault(location, format!("{url} is left out: {why}")));
                    None
                }
            });
    }

    /// Returns a message about an entry.
    pub(super) fn fault(&self, location: &EntryLocation, message: impl Into<String>) -> Fault {
        let mut message = message.into();
        if let Some(file) = &location.file {
            message = format!("{file}: {message}");
        }
        let key = format!("torrents[{}]", location.index);
        match self.sources.get(location.source as usize) {
            Some(source) => source.fault(location.line, key, message),
            None => SourceFile::new("".as_ref()).fault(location.line, key, message),
        }
    }

    /// Describes an entry, for a message about another one.
    pub(super) fn describe(&self, location: &EntryLocation) -> String {
        let source = self.sources.get(location.source as usize);
        let name = source.map_or("", SourceFile::name);
        match &location.file {
            Some(file) => format!("{name}:{} ({file})", location.line),
            None => format!("{name}:{}", location.line),
        }
    }
}

/// Adds the trackers of a later entry to those of an earlier one, as far as they fit.
fn merge_trackers(earlier: &mut TrackerDraft, later: &TrackerDraft, warn: &mut impl FnMut(String)) {
    for (url, tier) in later.iter() {
        match earlier.add(url, tier) {
            Added::Yes => {}
            Added::SameTracker => warn(format!("a second announce URL of {url} is left out")),
            Added::Full => {
                return warn(format!(
                    "trackers after the first {MAX_TRACKERS} are left out"
                ));
            }
        }
    }
}

/// Returns the privacy of a torrent with two entries: one private entry makes it private (BEP 27),
/// and one consent suffices.
fn merge_privacy(earlier: Privacy, later: Privacy) -> Privacy {
    match (earlier, later) {
        (Privacy::Consented, _) | (_, Privacy::Consented) => Privacy::Consented,
        (Privacy::LeftAlone, _) | (_, Privacy::LeftAlone) => Privacy::LeftAlone,
        (Privacy::Public, Privacy::Public) => Privacy::Public,
    }
}

/// Returns the info-hashes of two entries that share one, or `None` if they contradict each other.
fn unite(a: &Hashes, b: &Hashes) -> Option<Hashes> {
    let v2 = agreed(a.v2(), b.v2())?;
    // A bare info-hash may be a truncated version 2 hash (BEP 52): they look the same.
    let real = |v1: Option<InfoHash>| v1.filter(|v1| v2.is_none_or(|v2| v2.truncated() != *v1));
    let v1 = agreed(real(a.v1()), real(b.v1()))?;
    Hashes::of(v1, v2)
}

/// Returns the value that either side has, or `None` if the two sides differ.
fn agreed<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.or(b)),
    }
}
