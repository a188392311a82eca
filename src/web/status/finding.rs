//! The findings about torrents, in the order of their urgency.

use super::MAX_ROWS;
use seedwatch_core::snapshot::{Privacy, Snapshot, TorrentView, Unix, Window};

/// Time in seconds after the last peer during which a torrent still counts as alive. A tracker
/// keeps peers for up to an hour, and another half hour covers one round of probes.
const GRACE: u64 = 90 * 60;

/// A swarm with at most so many distinct peers in a week and in a day may soon be dead.
const FEW: [(Window, u32); 2] = [(Window::Week, 10), (Window::Day, 3)];

/// Whether a torrent has peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// The torrent has peers, or had some within the grace time.
    Alive,
    /// The answers are valid, and no source has named a peer within the grace time.
    Dead,
    /// No list is fresh.
    Unknown,
    /// The torrent is private and is not probed.
    LeftAlone,
}

impl Status {
    /// Returns the status of a torrent.
    pub(super) fn of(view: TorrentView<'_>, now: Unix) -> Self {
        if view.torrent.privacy == Privacy::LeftAlone {
            return Self::LeftAlone;
        }
        let known = view.peers.iter().filter_map(|count| count.get()).max();
        let seen = view.last_peer_seen.get();
        let is_recent = seen.is_some_and(|seen| now.0.abs_diff(seen.0) < GRACE);
        match known {
            _ if is_recent || known > Some(0) => Self::Alive,
            Some(_) => Self::Dead,
            None => Self::Unknown,
        }
    }
}

/// The finding about a torrent, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    Dead,
    NoTracker,
    FewPeers,
    Unknown,
    Alive,
    LeftAlone,
}

impl Finding {
    /// All findings, the most urgent first.
    pub(super) const ALL: [Self; 6] = [
        Self::Dead,
        Self::NoTracker,
        Self::FewPeers,
        Self::Unknown,
        Self::Alive,
        Self::LeftAlone,
    ];

    /// Returns the finding about a torrent.
    pub(super) fn of(view: TorrentView<'_>, status: Status) -> Self {
        let unique = view.unique(view.windows);
        let is_few =
            |(window, most): (Window, u32)| unique[window.index()].get().is_some_and(|n| n <= most);
        let has_no_tracker =
            !view.torrent.trackers.is_empty() && view.trackers_online.get() == Some(0);
        match status {
            Status::LeftAlone => Self::LeftAlone,
            Status::Dead => Self::Dead,
            _ if has_no_tracker => Self::NoTracker,
            Status::Unknown => Self::Unknown,
            Status::Alive if FEW.into_iter().all(is_few) => Self::FewPeers,
            Status::Alive => Self::Alive,
        }
    }

    /// Returns the text of the finding.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Dead => "dead: no peers",
            Self::NoTracker => "no tracker online",
            Self::FewPeers => "few peers",
            Self::Unknown => "unknown",
            Self::Alive => "alive",
            Self::LeftAlone => "private, left alone",
        }
    }

    /// Returns the CSS class of the finding.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Dead => "bad",
            Self::NoTracker | Self::FewPeers => "poor",
            Self::Alive => "good",
            Self::Unknown | Self::LeftAlone => "other",
        }
    }
}

/// The findings about all torrents. Keeps no more torrents per finding than the page can show.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The number of torrents by status.
    counts: [usize; 4],
    /// Indices of torrents by finding.
    torrents: [Vec<usize>; Finding::ALL.len()],
}

impl Findings {
    /// Returns the findings of a snapshot.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut all = Self::default();
        for (index, view) in snapshot.rows().enumerate() {
            let status = Status::of(view, snapshot.taken);
            all.counts[status as usize] += 1;
            let torrents = &mut all.torrents[Finding::of(view, status) as usize];
            if torrents.len() < MAX_ROWS {
                torrents.push(index);
            }
        }
        all
    }

    /// Returns the number of torrents of a status.
    pub(super) const fn count(&self, status: Status) -> usize {
        self.counts[status as usize]
    }

    /// Returns the indices of torrents, the most urgent first, and within one finding by name.
    pub(super) fn first(&self, most: usize) -> impl Iterator<Item = (Finding, usize)> {
        Finding::ALL
            .into_iter()
            .zip(&self.torrents)
            .flat_map(|(finding, torrents)| torrents.iter().map(move |index| (finding, *index)))
            .take(most)
    }
}
