//! What is to be said of a torrent, and in which order.

use super::MAX_ROWS;
use seedwatch_core::snapshot::{Privacy, Snapshot, TorrentView, Unix, Window};

/// Trackers remember peers for up to an hour, and then comes one round: so long after the last peer
/// was seen an empty answer may be the beginning of a pause.
const PAUSE: u64 = 90 * 60;

/// A swarm that so few different peers visited in a week, and so few in a day, may be gone tomorrow.
const FEW: [(Window, u32); 2] = [(Window::Week, 10), (Window::Day, 3)];

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Peers are there, or were a moment ago.
    Alive,
    /// Valid answers, and nobody was named for longer than a pause.
    Dead,
    /// Nobody told lately who is there.
    Unknown,
    /// Private, and not to be probed.
    LeftAlone,
}

impl Life {
    pub(super) fn of(view: TorrentView<'_>, now: Unix) -> Self {
        if view.torrent.privacy == Privacy::LeftAlone {
            return Self::LeftAlone;
        }
        let known = view.peers.iter().filter_map(|count| count.get()).max();
        let seen = view.last_peer_seen.get();
        let lately = seen.is_some_and(|seen| now.0.abs_diff(seen.0) < PAUSE);
        match known {
            _ if lately || known > Some(0) => Self::Alive,
            Some(_) => Self::Dead,
            None => Self::Unknown,
        }
    }
}

/// What needs attention, the worst first.
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
    pub(super) const ALL: [Self; 6] = [
        Self::Dead,
        Self::NoTracker,
        Self::FewPeers,
        Self::Unknown,
        Self::Alive,
        Self::LeftAlone,
    ];

    pub(super) fn of(view: TorrentView<'_>, life: Life) -> Self {
        let unique = view.unique(view.reach);
        let few =
            |(window, most): (Window, u32)| unique[window.index()].get().is_some_and(|n| n <= most);
        let stranded = !view.torrent.trackers.is_empty() && view.trackers_online.get() == Some(0);
        match life {
            Life::LeftAlone => Self::LeftAlone,
            Life::Dead => Self::Dead,
            _ if stranded => Self::NoTracker,
            Life::Unknown => Self::Unknown,
            Life::Alive if FEW.into_iter().all(few) => Self::FewPeers,
            Life::Alive => Self::Alive,
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Dead => "dead: nobody there",
            Self::NoTracker => "no tracker online",
            Self::FewPeers => "few peers",
            Self::Unknown => "unknown",
            Self::Alive => "alive",
            Self::LeftAlone => "private, left alone",
        }
    }

    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Dead => "bad",
            Self::NoTracker | Self::FewPeers => "poor",
            Self::Alive => "good",
            Self::Unknown | Self::LeftAlone => "other",
        }
    }
}

/// All torrents, judged. Of each finding only so many are remembered as can be shown.
#[derive(Debug, Default)]
pub(super) struct Findings {
    lives: [usize; 4],
    places: [Vec<usize>; Finding::ALL.len()],
}

impl Findings {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut all = Self::default();
        for (place, view) in snapshot.rows().enumerate() {
            let life = Life::of(view, snapshot.taken);
            all.lives[life as usize] += 1;
            let places = &mut all.places[Finding::of(view, life) as usize];
            if places.len() < MAX_ROWS {
                places.push(place);
            }
        }
        all
    }

    /// How many live so.
    pub(super) const fn lives(&self, life: Life) -> usize {
        self.lives[life as usize]
    }

    /// The places of torrents, the worst first, those of one finding by name.
    pub(super) fn first(&self, most: usize) -> impl Iterator<Item = (Finding, usize)> {
        Finding::ALL
            .into_iter()
            .zip(&self.places)
            .flat_map(|(finding, places)| places.iter().map(move |place| (finding, *place)))
            .take(most)
    }
}
