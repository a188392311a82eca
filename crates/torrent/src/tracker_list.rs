//! The announce URLs of a torrent, with the tiers in which they were published.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::TrackerUrl;

/// The announce URLs of a torrent in configured order, at most one per label (scheme, host, port).
/// It dereferences to a slice of them. A copy shares the list.
///
/// ```
/// use std::sync::Arc;
/// use seedwatch_torrent::{Tier, TrackerList, TrackerUrl};
///
/// let published = Arc::new(TrackerUrl::parse("udp://a.example:1/announce")?);
/// let ours = Arc::new(TrackerUrl::parse("udp://b.example:1/announce")?);
/// let list = TrackerList::new([(published, Tier::of(0)), (ours, Tier::CONFIGURED)]);
/// assert_eq!(list.len(), 2);
/// assert_eq!([list.tier(0), list.tier(1)], [Some(0), None]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TrackerList(Arc<Lists>);

/// Two lists of one length.
#[derive(Default, PartialEq, Eq, Hash)]
struct Lists {
    urls: Box<[Arc<TrackerUrl>]>,
    tiers: Box<[Tier]>,
}

/// Where a tracker stands in the magnet link or metainfo file of its torrent, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tier(u8);

impl Tier {
    /// Only the configuration names the tracker. It comes after all tiers.
    pub const CONFIGURED: Self = Self(u8::MAX);

    /// Returns the tier of an index. Clients try the first tier first (BEP 12). Tiers after the
    /// 254th are one.
    pub fn of(index: usize) -> Self {
        Self(index.min(usize::from(u8::MAX) - 1) as u8)
    }

    /// Returns the index of the tier; `None` if only the configuration names the tracker.
    pub fn get(self) -> Option<usize> {
        (self != Self::CONFIGURED).then_some(usize::from(self.0))
    }
}

impl TrackerList {
    /// Returns the list of these trackers with their tiers.
    pub fn new(trackers: impl IntoIterator<Item = (Arc<TrackerUrl>, Tier)>) -> Self {
        let (urls, tiers): (Vec<_>, Vec<_>) = trackers.into_iter().unzip();
        Self(Arc::new(Lists {
            urls: urls.into(),
            tiers: tiers.into(),
        }))
    }

    /// Returns the index of the tier in which the tracker at a position was published; `None` if
    /// only the configuration names it.
    pub fn tier(&self, position: usize) -> Option<usize> {
        self.0.tiers.get(position)?.get()
    }
}

impl Deref for TrackerList {
    type Target = [Arc<TrackerUrl>];

    fn deref(&self) -> &Self::Target {
        &self.0.urls
    }
}

impl fmt::Debug for TrackerList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Each tracker is a published tier of its own, as in a magnet link.
impl FromIterator<Arc<TrackerUrl>> for TrackerList {
    fn from_iter<I: IntoIterator<Item = Arc<TrackerUrl>>>(urls: I) -> Self {
        let urls = urls.into_iter().enumerate();
        Self::new(urls.map(|(index, url)| (url, Tier::of(index))))
    }
}

impl<const N: usize> From<[Arc<TrackerUrl>; N]> for TrackerList {
    fn from(urls: [Arc<TrackerUrl>; N]) -> Self {
        urls.into_iter().collect()
    }
}
