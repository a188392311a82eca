//! Rows of torrents, as several pages show them.

use super::chart::{Sparkline, class, word};
use super::value::{ByteSize, Name, Number, OrUnknown, Peers, When};
use crate::web::lookup::segment;
use crate::web::query::needs_something;
use seedwatch_core::magnet;
use seedwatch_core::snapshot::{Snapshot, TorrentView};
use seedwatch_core::verdict::{Advice, State};

/// What the table of torrents shows.
pub(super) struct Rows<'a> {
    snapshot: &'a Snapshot,
    indices: Vec<usize>,
    /// The link from the page to `/`.
    pub(super) root: &'static str,
    /// Whether the columns of size, seeders and latest change are shown, too.
    pub(super) is_long: bool,
}

impl<'a> Rows<'a> {
    /// Returns the torrents at these indices of the snapshot.
    pub(super) fn of(snapshot: &'a Snapshot, indices: Vec<usize>, root: &'static str) -> Self {
        Self {
            snapshot,
            indices,
            root,
            is_long: false,
        }
    }

    /// Returns the same with the columns by which one can sort only where all torrents are.
    pub(super) fn long(self) -> Self {
        Self {
            is_long: true,
            ..self
        }
    }

    /// Returns whether there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Returns the number of torrents that are shown.
    pub(super) fn len(&self) -> usize {
        self.indices.len()
    }

    /// Returns the torrents in order.
    pub(super) fn shown(&self) -> impl Iterator<Item = ShownTorrent<'a>> {
        let views = self.indices.iter();
        let views = views.filter_map(|index| self.snapshot.row(*index));
        views.map(|view| ShownTorrent::of(self.snapshot, view))
    }
}

/// The row of a torrent.
pub(super) struct ShownTorrent<'a> {
    pub(super) name: Name<'a>,
    /// The last segment of the link to its page.
    pub(super) link: String,
    pub(super) state: ShownState,
    pub(super) days: Option<Sparkline>,
    pub(super) peers: Peers,
    pub(super) trackers_online: OrUnknown<Number>,
    pub(super) trackers: Number,
    pub(super) size: OrUnknown<ByteSize>,
    /// The largest claim of a tracker.
    pub(super) seeders: OrUnknown<Number>,
    /// When the torrent came into its state.
    pub(super) since: When,
    /// `None` if the torrent is private.
    pub(super) magnet: Option<String>,
}

impl<'a> ShownTorrent<'a> {
    fn of(snapshot: &'a Snapshot, view: TorrentView<'a>) -> Self {
        Self {
            name: Name(&view.torrent.name),
            link: segment(view.torrent),
            state: ShownState::of(view),
            days: Sparkline::of_torrent(snapshot, view),
            peers: Peers::of(view.peers, view.unique(view.windows)),
            trackers_online: Number::known(view.trackers_online),
            trackers: view.torrent.trackers.len().into(),
            size: OrUnknown(view.torrent.size.map(|size| ByteSize(size.get()))),
            seeders: Number::known(view.seeders),
            since: When(snapshot.taken, view.verdict.since.get()),
            magnet: short_magnet(snapshot, view),
        }
    }
}

/// Longest magnet link of a row, in bytes, if it has more than its info-hashes. The page of the
/// torrent has the whole one.
const MAX_MAGNET: usize = 140;

/// Returns the repaired magnet link of a torrent: its info-hashes, and the first trackers as far as
/// they fit. `None` for a private torrent.
fn short_magnet(snapshot: &Snapshot, view: TorrentView<'_>) -> Option<String> {
    let whole = magnet::repaired(snapshot, view)?.magnet;
    let mut parts = whole.split('&');
    let mut short = parts.next()?.to_owned();
    for part in parts {
        let is_hash = part.starts_with("xt=");
        let fits = short.len() + part.len() < MAX_MAGNET;
        if is_hash || (part.starts_with("tr=") && fits) {
            short.push('&');
            short.push_str(part);
        }
    }
    Some(short)
}

/// The state of a torrent in words.
pub(super) struct ShownState {
    pub(super) name: &'static str,
    /// The class in the style sheet.
    pub(super) class: &'static str,
    pub(super) reason: String,
    /// Empty if nothing needs to be done.
    pub(super) advice: &'static str,
}

impl ShownState {
    /// Returns the state of a torrent.
    pub(super) fn of(view: TorrentView<'_>) -> Self {
        let verdict = view.verdict;
        Self {
            name: word(verdict.state),
            class: match verdict.state {
                State::Alive if needs_something(verdict) => "poor",
                state => class(state),
            },
            reason: verdict.sentence(view),
            advice: Advice::of(verdict).sentence(),
        }
    }
}
