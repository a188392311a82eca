//! All torrents of a configuration: duplicates merged, names made unique.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::names;
use super::trackers::{Added, Interner, Replacements, add, shared};
use super::{Accept, MAX_TRACKERS};
use seedwatch_input::yaml::{Fault, Report, Source};
use seedwatch_torrent::{Details, Hashes, InfoHash, Privacy, Torrent, TrackerUrl};

/// Where a torrent was named.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Number of the YAML file.
    pub(super) source: u32,
    /// Line of the entry.
    pub(super) line: u32,
    /// Index of the entry in its list.
    pub(super) index: u32,
    /// The metainfo file, if the entry names files.
    pub(super) file: Option<Box<str>>,
}

/// Where a name comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// Written in the configuration.
    Chosen(Box<str>),
    /// The display name of a magnet link or metainfo file.
    Found(Box<str>),
    /// Nowhere.
    None,
}

impl From<Name> for Box<str> {
    fn from(name: Name) -> Self {
        match name {
            Name::Chosen(name) | Name::Found(name) => name,
            Name::None => Box::default(),
        }
    }
}

/// A torrent that others may still be merged into.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Name,
    pub(super) hashes: Hashes,
    pub(super) trackers: Vec<Arc<TrackerUrl>>,
    pub(super) collection: Option<Arc<str>>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) privacy: Privacy,
    pub(super) place: Place,
}

/// All torrents of a configuration.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// Merged ones leave a hole.
    drafts: Vec<Option<Draft>>,
    /// By every hash that goes on the wire: who shares one is one torrent.
    by_hash: HashMap<InfoHash, usize>,
    /// One allocation for every distinct name.
    collections: HashSet<Arc<str>>,
    sources: Vec<Source>,
    pub(super) interner: Interner,
}

impl Catalogue {
    /// An empty one under this `addresses.accept`.
    pub(super) fn new(accept: Accept) -> Self {
        Self {
            interner: Interner::new(accept),
            ..Self::default()
        }
    }

    /// Makes a YAML file known to messages.
    pub(super) fn add_source(&mut self, source: &Source) -> u32 {
        self.sources.push(source.clone());
        u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX)
    }

    /// Entries so far, merged ones included.
    pub(super) fn len(&self) -> usize {
        self.drafts.len()
    }

    /// The collection of a name.
    pub(super) fn collection(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.collections.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.collections.insert(Arc::clone(&name));
        name
    }

    /// Adds a torrent, or merges it into those it shares a hash with.
    pub(super) fn add(&mut self, mut draft: Draft, report: &mut Report) {
        let mut known: Vec<usize> = draft
            .hashes
            .wire()
            .filter_map(|hash| self.by_hash.get(&hash).copied())
            .collect();
        known.sort_unstable();
        known.dedup();
        // A hybrid may join two torrents that did not know of each other.
        for &index in known.iter().rev() {
            let Some(earlier) = self.drafts[index].take() else {
                continue;
            };
            match unite(&earlier.hashes, &draft.hashes) {
                Some(hashes) => draft = self.merge(earlier, draft, hashes, report),
                None => {
                    let message = format!(
                        "its hashes belong to two different torrents, see {}",
                        self.describe(&earlier.place)
                    );
                    report.fault(self.fault(&draft.place, message));
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
            Some(place) => *place = Some(draft),
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
        let place = self.describe(&earlier.place);
        let mut warn = |message: String| report.warn(self.fault(&later.place, message));
        warn(format!("the same torrent as {place}: merged"));
        earlier.hashes = hashes;
        match (&earlier.name, later.name) {
            (Name::Chosen(kept), Name::Chosen(other)) if *kept != other => {
                warn(format!("the name given by {place} is kept"));
            }
            (Name::Chosen(_), _) | (Name::Found(_), Name::Found(_) | Name::None) => {}
            (_, name) => earlier.name = name,
        }
        for url in &later.trackers {
            match add(&mut earlier.trackers, url, MAX_TRACKERS) {
                Added::Yes => {}
                Added::SameTracker => {
                    warn(format!("a second announce URL of {url} is left out"));
                }
                Added::Full => {
                    warn(format!(
                        "trackers after the first {MAX_TRACKERS} are left out"
                    ));
                    break;
                }
            }
        }
        if let Some(other) = later.collection {
            let kept = earlier.collection.get_or_insert_with(|| other.clone());
            if *kept != other {
                warn(format!("the collection given by {place} is kept"));
            }
        }
        let mut contradicted = false;
        for (name, value) in later.labels {
            let kept = earlier.labels.entry(name).or_insert_with(|| value.clone());
            contradicted |= *kept != value;
        }
        if contradicted {
            warn(format!("labels given by {place} are kept"));
        }
        // Once private, always private; one consent is enough.
        earlier.privacy = match (earlier.privacy, later.privacy) {
            (Privacy::Consented, _) | (_, Privacy::Consented) => Privacy::Consented,
            (Privacy::LeftAlone, _) | (_, Privacy::LeftAlone) => Privacy::LeftAlone,
            (Privacy::Public, Privacy::Public) => Privacy::Public,
        };
        earlier
    }

    /// All torrents, sorted by name. `everywhere` is added to public ones, and `dht` says whether
    /// they are also looked up in the DHT.
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
        let mut lonely: Option<(Place, usize)> = None;
        let mut lists = HashSet::new();
        let mut torrents = Vec::with_capacity(drafts.len());
        for (mut draft, name) in drafts.into_iter().zip(names) {
            if !replacements.is_empty() {
                self.replace_trackers(&mut draft, &replacements, report);
            }
            if draft.privacy == Privacy::Public {
                // Where the torrent has its own URL of a tracker, nothing is lost.
                for url in everywhere {
                    add(&mut draft.trackers, url, MAX_TRACKERS);
                }
            }
            if draft.privacy == Privacy::LeftAlone {
                let message = "private (BEP 27): left alone unless the entry has private: true";
                report.warn(self.fault(&draft.place, message));
            } else if draft.trackers.is_empty() && !(dht && draft.privacy == Privacy::Public) {
                lonely.get_or_insert((draft.place, 0)).1 += 1;
            }
            torrents.push(Torrent {
                name: name.unwrap_or_else(|| draft.name.into()),
                hashes: draft.hashes,
                trackers: shared(&mut lists, draft.trackers),
                details: Details {
                    collection: draft.collection,
                    labels: draft.labels,
                }
                .boxed(),
                privacy: draft.privacy,
            });
        }
        if let Some((first, count)) = lonely {
            let message = match count - 1 {
                0 => "has no tracker: nobody can be asked about it".to_owned(),
                more => format!("this and {more} more have no tracker: nobody can be asked"),
            };
            report.warn(self.fault(&first, message));
        }
        torrents.sort_unstable_by(|a: &Torrent, b| a.name.cmp(&b.name));
        torrents.into()
    }

    /// Gives the trackers of a torrent the reach that they have, and leaves out those that may not
    /// be asked.
    fn replace_trackers(
        &self,
        draft: &mut Draft,
        replacements: &Replacements,
        report: &mut Report,
    ) {
        let place = &draft.place;
        draft.trackers.retain_mut(|url| {
            match replacements.get(&Arc::as_ptr(url)) {
                None => {}
                Some(Some(other)) => *url = Arc::clone(other),
                Some(None) => {
                    let why = self.interner.why_left_out(url);
                    report.warn(self.fault(place, format!("{url} is left out: {why}")));
                    return false;
                }
            }
            true
        });
    }

    /// A message about the entry at a place.
    pub(super) fn fault(&self, place: &Place, message: impl Into<String>) -> Fault {
        let mut message = message.into();
        if let Some(file) = &place.file {
            message = format!("{file}: {message}");
        }
        let key = format!("torrents[{}]", place.index);
        match self.sources.get(place.source as usize) {
            Some(source) => source.fault(place.line, key, message),
            None => Source::new("".as_ref()).fault(place.line, key, message),
        }
    }

    /// A place, to be named in a message about another one.
    pub(super) fn describe(&self, place: &Place) -> String {
        let source = self.sources.get(place.source as usize);
        let name = source.map_or("", Source::name);
        match &place.file {
            Some(file) => format!("{name}:{} ({file})", place.line),
            None => format!("{name}:{}", place.line),
        }
    }
}

/// The hashes of two torrents that share one; `None` if they contradict each other.
fn unite(a: &Hashes, b: &Hashes) -> Option<Hashes> {
    let v2 = one_of(a.v2(), b.v2())?;
    // A bare hash may be a truncated version 2 hash that nobody could tell as such.
    let real = |v1: Option<InfoHash>| v1.filter(|v1| v2.is_none_or(|v2| v2.truncated() != *v1));
    let v1 = one_of(real(a.v1()), real(b.v1()))?;
    Hashes::of(v1, v2)
}

/// Whichever is there; `None` if both are and differ.
fn one_of<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.or(b)),
    }
}
