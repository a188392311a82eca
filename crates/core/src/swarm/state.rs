//! The state that observations are folded into and rows are built from.

use super::config::SwarmConfig;
use super::intake::PeerIntake;
use super::latest::LatestAnswers;
use super::peer_history::PeerHistory;
use super::peer_list::RecordedAt;
use super::torrent::TorrentState;
use crate::Source;
use crate::roster::{Changes, Roster, TorrentIndex};
use crate::snapshot::Block;
use crate::verdict::{NetworkState, Rounds};
use seedwatch_clock::Now;
use seedwatch_distinct::Key;
use seedwatch_tracker::AnnounceId;

/// The state of all torrents, collections and trackers.
#[derive(Debug)]
pub(super) struct SwarmState {
    pub(super) config: SwarmConfig,
    pub(super) intake: PeerIntake,
    /// By [`TorrentIndex`].
    pub(super) torrents: Vec<TorrentState>,
    pub(super) latest: LatestAnswers,
    pub(super) history: PeerHistory,
    /// Our own network.
    pub(super) network: NetworkState,
    /// How often the sources are asked.
    pub(super) rounds: Rounds,
}

impl SwarmState {
    /// Returns the state of a daemon that watches nothing yet. `ports` are those that we announce
    /// to trackers, by family.
    pub(super) fn new(config: SwarmConfig, ports: [u16; 2], key: Key) -> Self {
        Self {
            intake: PeerIntake::new(config.accept, ports),
            config,
            torrents: Vec::new(),
            latest: LatestAnswers::default(),
            history: PeerHistory::new(key),
            network: NetworkState::default(),
            rounds: Rounds::default(),
        }
    }

    /// Advances the clock. If the clock once ran ahead, stored times may lie in the future; once a
    /// day, clamps any that still do.
    pub(super) fn tick(&mut self, now: Now) {
        if self.history.tick(now) {
            for torrent in &mut self.torrents {
                if torrent.last_seen.clamp_to(now.unix) {
                    torrent.mark_dirty();
                }
            }
        }
    }

    /// Adopts a new configuration. Torrents and trackers that stay keep their state, and torrents
    /// that come back keep their history.
    pub(super) fn update(&mut self, config: SwarmConfig, roster: &Roster, changes: &Changes) {
        self.intake.filter.accept = config.accept;
        self.latest.stale_after[Source::Tracker] = config.stale_after;
        self.config = config.succeeding(&self.config);
        self.update_torrents(roster, changes);
        self.latest.update(roster, changes);
    }

    fn update_torrents(&mut self, roster: &Roster, changes: &Changes) {
        let before = std::mem::take(&mut self.torrents);
        let state = |index: TorrentIndex| before.get(index.get()).copied();
        let history = &mut self.history;
        history.update(roster, changes, state);
        let has_no_removed = history.has_no_removed();
        let mut joined = changes.joined.clone();
        let mut reinstated = Vec::new();
        let indices = TorrentIndex::range(0..changes.moved.len());
        let moved = indices.zip(&changes.moved).zip(roster.torrents().iter());
        let torrents = moved.map(|((index, moved), torrent)| {
            let mut known = moved.and_then(state).unwrap_or_default();
            let is_hybrid = torrent.hashes.wire().nth(1).is_some();
            if is_hybrid || !has_no_removed {
                let back = history.reinstate(torrent.hashes.wire(), known);
                joined.extend(back.has_grown.then_some(index));
                let runs = moved.map_or(&[][..], |before| history.days.runs(before));
                let days;
                (known, days) = back.into_state(runs);
                reinstated.extend(days.map(|days| (index, days)));
            }
            known.mark_dirty();
            known
        });
        self.torrents = torrents.collect();
        self.history.days.update(&changes.moved, &reinstated);
        self.history.limit_removed();
        self.history.join(roster, &joined);
    }

    /// Begins another day for the torrents of a block, if it is another day.
    pub(super) fn turn_day(&mut self, block: usize) {
        let start = block * Block::SIZE;
        let end = self.torrents.len().min(start + Block::SIZE);
        self.history
            .days
            .turn(block, &mut self.torrents[start..end]);
    }

    /// Records in the history the confirmed lists of a torrent that are still to be recorded and
    /// that `is_wanted` selects.
    pub(super) fn flush(
        &mut self,
        roster: &Roster,
        torrent: TorrentIndex,
        is_wanted: impl Fn(RecordedAt) -> bool,
    ) {
        let (config, history) = (&self.config, &mut self.history);
        self.latest
            .flush(torrent, roster, config, history, is_wanted);
    }

    /// Returns the torrent of an announce, if the state has both.
    pub(super) fn torrent_of(&self, roster: &Roster, id: AnnounceId) -> Option<TorrentIndex> {
        let torrent = roster.announce(id)?.torrent;
        let is_known =
            torrent.get() < self.torrents.len() && (id.0 as usize) < self.latest.announces.len();
        is_known.then_some(torrent)
    }
}
