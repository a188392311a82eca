//! Announce URLs, shared by all torrents that have them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::torrent::{TrackerUrl, TrackerUrlError};

/// One allocation for every distinct URL.
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// By the text it was written as: reading a URL costs ten times as much as looking it up.
    by_text: HashMap<Box<str>, Result<Arc<TrackerUrl>, TrackerUrlError>>,
    urls: HashSet<Arc<TrackerUrl>>,
}

impl Interner {
    /// Reads a URL, or finds it.
    pub(super) fn get(&mut self, text: &str) -> Result<Arc<TrackerUrl>, TrackerUrlError> {
        if let Some(known) = self.by_text.get(text) {
            return known.clone();
        }
        let result = TrackerUrl::parse(text).map(|url| match self.urls.get(&url) {
            Some(known) => Arc::clone(known),
            None => {
                let url = Arc::new(url);
                self.urls.insert(Arc::clone(&url));
                url
            }
        });
        if text.len() <= TrackerUrl::MAX_LENGTH {
            self.by_text.insert(text.into(), result.clone());
        }
        result
    }
}

/// What came of adding a URL to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It is in the list now, or was.
    Yes,
    /// The list has another URL of the same scheme, host and port.
    SameTracker,
    /// The list is full.
    Full,
}

/// Adds a URL to the trackers of a torrent, of which there are at most `limit`.
pub(super) fn add(list: &mut Vec<Arc<TrackerUrl>>, url: &Arc<TrackerUrl>, limit: usize) -> Added {
    for known in &*list {
        if Arc::ptr_eq(known, url) {
            return Added::Yes;
        }
        if known.same_tracker(url) {
            return Added::SameTracker;
        }
    }
    if list.len() >= limit {
        return Added::Full;
    }
    list.push(Arc::clone(url));
    Added::Yes
}

/// One allocation for every distinct list: torrents of one publisher mostly share theirs.
pub(super) fn shared(
    lists: &mut HashSet<Arc<[Arc<TrackerUrl>]>>,
    list: Vec<Arc<TrackerUrl>>,
) -> Arc<[Arc<TrackerUrl>]> {
    if let Some(known) = lists.get(list.as_slice()) {
        return Arc::clone(known);
    }
    let list: Arc<[_]> = list.into();
    lists.insert(Arc::clone(&list));
    list
}
