//! Distinct peers over time: counts per window, and the windows in which they are known.

use std::sync::Arc;

use super::count::Count;
use super::geo::GeoBreakdown;
use crate::{PerSource, Source};
use seedwatch_distinct::{Counts, Window};

/// Distinct peers by [`Window::index`]. Unknown if no list came within the window. 0 means that at
/// least one source gave a list within the window and that no list named a peer.
pub type UniquePeers = [Count; Window::ALL.len()];

/// By [`Window::index`], whether a part of the window was lost with a file of the state directory.
pub(crate) type UnknownWindows = [bool; Window::ALL.len()];

/// Distinct peers and their places, for a torrent that had peers within the last month. Other
/// torrents have none.
#[derive(Debug, Clone, Default)]
pub struct TorrentWindows {
    /// Distinct peers as counted, whether or not a list came within the window.
    pub counts: Counts,
    /// Where the current peers are; `None` if the current peers are not known.
    pub geo: Option<Arc<GeoBreakdown>>,
}

// A set of windows has one bit per window.
const _: () = assert!(Window::ALL.len() <= u8::BITS as usize);

/// The windows in which each source gave a list, even an empty one. A tracker that only counts or
/// that withholds its list does not say which peers are in the swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListedWindows(PerSource<u8>);

impl ListedWindows {
    /// Returns the value of a torrent of which every source gave a list within every window.
    pub fn all() -> Self {
        Self(PerSource::from_fn(|_| u8::MAX))
    }

    /// Adds windows in which a source gave a list.
    pub fn with(mut self, source: Source, windows: impl IntoIterator<Item = Window>) -> Self {
        for window in windows {
            self.0[source] |= bit(window);
        }
        self
    }

    /// Removes the `unknown` windows in which a source named no peer. The peers that the source
    /// named before the loss are not known, so a 0 would be wrong.
    pub(crate) fn without_zeros(
        mut self,
        windows: Option<&TorrentWindows>,
        unknown: UnknownWindows,
    ) -> Self {
        for window in Window::ALL.into_iter().filter(|w| unknown[w.index()]) {
            for (listed, source) in self.0.values_mut().zip(Source::ALL) {
                let named = windows.map_or(0, |known| {
                    known.counts.by_source[source.index()][window.index()]
                });
                if named == 0 {
                    *listed &= !bit(window);
                }
            }
        }
        self
    }

    pub(super) fn has(self, source: Source, window: Window) -> bool {
        self.0[source] & bit(window) != 0
    }

    pub(super) fn has_any(self, window: Window) -> bool {
        Source::ALL
            .into_iter()
            .any(|source| self.has(source, window))
    }
}

/// Returns the counts of the windows that are known; the others are [`Count::UNKNOWN`].
pub(crate) fn where_known(
    counts: [u32; Window::ALL.len()],
    is_known: impl Fn(Window) -> bool,
) -> UniquePeers {
    Window::ALL.map(|window| is_known(window).then_some(counts[window.index()]).into())
}

const fn bit(window: Window) -> u8 {
    1 << window.index()
}
