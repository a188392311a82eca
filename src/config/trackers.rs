//! Announce URLs, stored once for all torrents that have them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Accept, MAX_TRACKERS};
use seedwatch_torrent::{
    AddressScope, Host, Scheme, Tier, TrackerList, TrackerUrl, TrackerUrlError, WebSeed,
    WebSeedError, WebSeedKind,
};

/// The origin of a URL. A tracker that both name counts as named by the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlOrigin {
    /// `trackers` of the configuration: the user's own choice.
    Configuration,
    /// A metainfo file or a magnet link, whose author is not trusted.
    Metainfo,
}

/// Parsed URLs, by their text.
type ByText = HashMap<Box<str>, Result<Arc<TrackerUrl>, TrackerUrlError>>;

/// Stores every distinct URL once.
#[derive(Debug, Default)]
pub(super) struct Interner {
    accept: Accept,
    /// By origin and text. Parsing a URL costs ten times as much as looking it up.
    by_text: [ByText; 2],
    urls: HashSet<Arc<TrackerUrl>>,
    /// The trackers that the configuration names.
    configured: HashSet<(Scheme, Host, u16)>,
    web_seeds: HashSet<Arc<WebSeed>>,
}

/// Replacements for URLs that were read before all trackers of the configuration were known: the
/// same URL with another [`AddressScope`], or `None` if the URL is left out.
pub(super) type Replacements = HashMap<*const TrackerUrl, Option<Arc<TrackerUrl>>>;

impl Interner {
    /// Creates an interner for this `addresses.accept`.
    pub(super) fn new(accept: Accept) -> Self {
        Self {
            accept,
            ..Self::default()
        }
    }

    /// Treats local trackers of another configuration as named by this one.
    pub(super) fn trust<'a>(&mut self, urls: impl Iterator<Item = &'a TrackerUrl>) {
        let local = urls.filter(|url| url.scope() == AddressScope::Local);
        self.configured.extend(local.map(identity));
    }

    /// Takes URLs of a configuration that was read already.
    pub(super) fn know<'a>(&mut self, urls: impl Iterator<Item = &'a Arc<TrackerUrl>>) {
        for url in urls {
            if url.scope() == AddressScope::Local {
                self.configured.insert(identity(url));
            }
            self.urls.insert(Arc::clone(url));
        }
    }

    /// Returns the URL of a text, parsed at most once.
    pub(super) fn get(
        &mut self,
        text: &str,
        origin: UrlOrigin,
    ) -> Result<Arc<TrackerUrl>, TrackerUrlError> {
        if let Some(known) = self.by_text[origin as usize].get(text) {
            return known.clone();
        }
        let result = TrackerUrl::parse(text).map(|url| match origin {
            UrlOrigin::Configuration => {
                self.configured.insert(identity(&url));
                self.intern(url)
            }
            UrlOrigin::Metainfo => {
                let scope = self.scope_of_foreign(&url);
                self.intern(url.with_scope(scope))
            }
        });
        if text.len() <= TrackerUrl::MAX_LENGTH {
            self.by_text[origin as usize].insert(text.into(), result.clone());
        }
        result
    }

    /// Returns the web seed of a text.
    pub(super) fn web_seed(
        &mut self,
        text: &str,
        kind: WebSeedKind,
    ) -> Result<Arc<WebSeed>, WebSeedError> {
        let seed = WebSeed::parse(text, kind)?;
        if let Some(known) = self.web_seeds.get(&seed) {
            return Ok(Arc::clone(known));
        }
        let seed = Arc::new(seed);
        self.web_seeds.insert(Arc::clone(&seed));
        Ok(seed)
    }

    fn intern(&mut self, url: TrackerUrl) -> Arc<TrackerUrl> {
        if let Some(known) = self.urls.get(&url) {
            return Arc::clone(known);
        }
        let url = Arc::new(url);
        self.urls.insert(Arc::clone(&url));
        url
    }

    /// Returns the scope of a URL from a metainfo file or magnet link. Another path at a tracker of
    /// the configuration is not trusted either.
    fn scope_of_foreign(&self, url: &TrackerUrl) -> AddressScope {
        if !self.configured.contains(&identity(url)) {
            match self.accept {
                Accept::Any => AddressScope::LocalAnnounce,
                Accept::Global => AddressScope::Internet,
            }
        } else if self
            .urls
            .contains(&url.clone().with_scope(AddressScope::Local))
        {
            AddressScope::Local
        } else {
            AddressScope::LocalAnnounce
        }
    }

    /// Returns the replacements of URLs, once all trackers of the configuration are known.
    pub(super) fn replacements(&mut self) -> Replacements {
        let foreign = self
            .urls
            .iter()
            .filter(|url| url.scope() != AddressScope::Local);
        let foreign: Vec<Arc<TrackerUrl>> = foreign.cloned().collect();
        let mut replacements = HashMap::new();
        for url in foreign {
            let scope = self.scope_of_foreign(&url);
            let last = TrackerUrl::clone(&url).with_scope(scope);
            if last.host().is_local() && !last.may_be_local() {
                replacements.insert(Arc::as_ptr(&url), None);
            } else if scope != url.scope() {
                replacements.insert(Arc::as_ptr(&url), Some(self.intern(last)));
            }
        }
        replacements
    }

    /// Says why a tracker in a local network is left out.
    pub(super) fn why_left_out(&self, url: &TrackerUrl) -> &'static str {
        match self.scope_of_foreign(url) {
            AddressScope::Internet => {
                "it is in a local network; to use it, write it under trackers or set \
                 addresses.accept to any"
            }
            _ => {
                "a tracker in a local network is asked over HTTP only under a path that ends in \
                 /announce"
            }
        }
    }
}

fn identity(url: &TrackerUrl) -> (Scheme, Host, u16) {
    (url.scheme(), url.host().clone(), url.port())
}

/// The outcome of adding a URL to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// The URL is in the list, perhaps since earlier.
    Yes,
    /// The list has another URL of the same scheme, host and port.
    SameTracker,
    /// The list is full.
    Full,
}

/// Adds a URL to a list of announce URLs, of which there are at most `limit`.
pub(super) fn add(list: &mut Vec<Arc<TrackerUrl>>, url: &Arc<TrackerUrl>, limit: usize) -> Added {
    for known in &mut *list {
        if Arc::ptr_eq(known, url) {
            return Added::Yes;
        }
        if known.same_tracker(url) {
            if known.secret_path_and_query() != url.secret_path_and_query() {
                return Added::SameTracker;
            }
            // The same URL from another origin.
            if url.scope() > known.scope() {
                *known = Arc::clone(url);
            }
            return Added::Yes;
        }
    }
    if list.len() >= limit {
        return Added::Full;
    }
    list.push(Arc::clone(url));
    Added::Yes
}

/// The trackers of a torrent while its entries are read.
#[derive(Debug, Clone, Default)]
pub(super) struct TrackerDraft {
    urls: Vec<Arc<TrackerUrl>>,
    /// In the same order.
    tiers: Vec<Tier>,
}

impl TrackerDraft {
    /// Returns the trackers that an entry of the configuration names.
    pub(super) fn configured(urls: Vec<Arc<TrackerUrl>>) -> Self {
        Self {
            tiers: vec![Tier::CONFIGURED; urls.len()],
            urls,
        }
    }

    /// Returns the trackers of a torrent that was read already.
    pub(super) fn of(list: &TrackerList) -> Self {
        let tier = |n: usize| list.tier(n).map_or(Tier::CONFIGURED, Tier::of);
        Self {
            urls: list.to_vec(),
            tiers: (0..list.len()).map(tier).collect(),
        }
    }

    /// Adds a tracker. One that the configuration names too keeps its place, and is published.
    pub(super) fn add(&mut self, url: &Arc<TrackerUrl>, tier: Tier) -> Added {
        let added = add(&mut self.urls, url, MAX_TRACKERS);
        if self.tiers.len() < self.urls.len() {
            self.tiers.push(tier);
        } else if added == Added::Yes && tier != Tier::CONFIGURED {
            let known = self.urls.iter().position(|known| known.same_tracker(url));
            if let Some(known) = known.and_then(|at| self.tiers.get_mut(at)) {
                *known = tier.min(*known);
            }
        }
        added
    }

    /// Returns the trackers with their tiers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<TrackerUrl>, Tier)> {
        self.urls.iter().zip(self.tiers.iter().copied())
    }

    /// Replaces each tracker by what `replace` returns, or removes it.
    pub(super) fn replace(
        &mut self,
        mut replace: impl FnMut(Arc<TrackerUrl>) -> Option<Arc<TrackerUrl>>,
    ) {
        let (urls, tiers) = (
            std::mem::take(&mut self.urls),
            std::mem::take(&mut self.tiers),
        );
        let kept = urls.into_iter().zip(tiers);
        let kept = kept.filter_map(|(url, tier)| Some((replace(url)?, tier)));
        (self.urls, self.tiers) = kept.unzip();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.urls.is_empty()
    }

    pub(super) fn shrink(&mut self) {
        self.urls.shrink_to_fit();
        self.tiers.shrink_to_fit();
    }

    /// Returns the list. Every distinct list is stored once: torrents of one publisher mostly have
    /// the same trackers.
    pub(super) fn interned(self, lists: &mut HashSet<TrackerList>) -> TrackerList {
        let list = TrackerList::new(self.urls.into_iter().zip(self.tiers));
        if let Some(known) = lists.get(&list) {
            return known.clone();
        }
        lists.insert(list.clone());
        list
    }
}
