//! The rows of the latest snapshot. The next snapshot reuses those that did not change.

use std::sync::Arc;
use std::time::Duration;

use super::collection::CollectionTorrents;
use super::peer_list::RecordedAt;
use super::row_builder::BuiltRow;
use super::state::SwarmState;
use super::tick::Tick;
use crate::history::Observed;
use crate::roster::{Collection, Roster, TorrentIndex};
use crate::snapshot::{Block, CollectionRow, Privacy};
use crate::verdict::{Circumstances, StateChange};
use seedwatch_clock::Now;
use seedwatch_distinct::Moment;

/// Most torrents whose windows slide all at once when an hour begins. With more torrents, the
/// blocks take turns over the first [`SLIDE_SECONDS`].
const SLIDE_AT_ONCE: usize = 4096;
const SLIDE_SECONDS: u64 = 600;

/// Most work on collections per snapshot, in addresses: about ten milliseconds.
const MAX_COLLECTION_COST: usize = 50_000;

/// The rows of the latest snapshot.
#[derive(Debug, Default)]
pub(super) struct RowCache {
    blocks: Vec<CachedBlock>,
    /// Changes of state that [`RowCache::take_changes`] has not returned yet.
    changes: Vec<StateChange>,
    /// The collection that the next snapshot begins with.
    next_collection: usize,
}

/// A block, and the moment at which its windows end.
#[derive(Debug, Default)]
struct CachedBlock {
    rows: Arc<Block>,
    moment: Option<Moment>,
}

/// Builds rows from the state at one point in time.
#[derive(Debug)]
pub(super) struct RowContext<'a> {
    pub(super) state: &'a mut SwarmState,
    pub(super) roster: &'a Roster,
    pub(super) now: Now,
}

impl RowCache {
    /// Drops all rows of torrents.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Returns the torrents whose state has changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<StateChange> {
        std::mem::take(&mut self.changes)
    }

    /// Returns the rows of all torrents. Rows that changed or went stale are built again, and once
    /// an hour all rows of a block.
    pub(super) fn blocks(&mut self, mut context: RowContext<'_>) -> Vec<Arc<Block>> {
        let torrents = context.state.torrents.len();
        self.blocks
            .resize_with(torrents.div_ceil(Block::SIZE), CachedBlock::default);
        for block in 0..self.blocks.len() {
            let slides = self.slides(block, &context);
            let start = block * Block::SIZE;
            let changes = &mut self.changes;
            self.blocks[block].refresh(start, slides, &mut context, changes);
        }
        let blocks = self.blocks.iter();
        blocks.map(|block| Arc::clone(&block.rows)).collect()
    }

    /// Returns whether the windows have slid since a block was built, and it is the block's turn.
    fn slides(&self, block: usize, context: &RowContext<'_>) -> bool {
        let history = &context.state.history;
        if self.blocks[block].moment == Some(history.moment()) {
            return false;
        }
        let turn = match context.state.torrents.len() > SLIDE_AT_ONCE {
            true => SLIDE_SECONDS * block as u64 / self.blocks.len() as u64,
            false => 0,
        };
        context.now.mono >= history.clock.slid_at().after(Duration::from_secs(turn))
    }

    /// Returns the rows of all collections, sorted by name. Large collections are not built again
    /// for every snapshot, and no snapshot builds too many.
    pub(super) fn collections(&mut self, mut context: RowContext<'_>) -> Vec<Arc<CollectionRow>> {
        let collections = context.roster.collections();
        let first = self.next_collection.min(collections.len());
        let turns = collections[first..].iter().chain(&collections[..first]);
        let mut cost = 0;
        for (turn, collection) in turns.enumerate() {
            if cost > MAX_COLLECTION_COST {
                self.next_collection = (first + turn) % collections.len();
                break;
            }
            cost += context.refresh_collection(collection);
        }
        let states = &context.state.history.collections;
        let known = collections.iter();
        let known = known.filter_map(|collection| states.get(&collection.name));
        known.map(|state| Arc::clone(state.row())).collect()
    }
}

impl CachedBlock {
    /// Builds the dirty rows of the block again; all rows if its windows slide. `start` is the
    /// index of its first torrent.
    fn refresh(
        &mut self,
        start: usize,
        slides: bool,
        context: &mut RowContext<'_>,
        changes: &mut Vec<StateChange>,
    ) {
        let end = context.state.torrents.len().min(start + Block::SIZE);
        let torrents = TorrentIndex::range(start..end);
        let now = context.now.mono;
        let is_dirty = |state: &SwarmState, torrent: TorrentIndex| {
            slides || state.torrents[torrent.get()].is_dirty(now)
        };
        let dirty = torrents
            .clone()
            .filter(|torrent| is_dirty(context.state, *torrent));
        if dirty.clone().next().is_none() {
            return;
        }
        context.prefetch(dirty);
        context.state.turn_day(start / Block::SIZE);
        let mut rows = Block::default();
        for (at, torrent) in torrents.enumerate() {
            let cached = self.rows.get(at);
            match cached.filter(|_| !is_dirty(context.state, torrent)) {
                Some((row, announces, windows)) => {
                    rows.push(*row, announces.iter().cloned(), windows.cloned());
                }
                None => changes.extend(context.build_row(torrent, &mut rows)),
            }
        }
        rows.shrink();
        self.rows = Arc::new(rows);
        if slides {
            self.moment = Some(context.state.history.moment());
        }
    }
}

impl RowContext<'_> {
    /// Loads the memory that rows are built from, so that the loads of many rows overlap.
    fn prefetch(&self, torrents: impl Iterator<Item = TorrentIndex>) {
        let loads = torrents.fold(0, |sum: u64, index| {
            sum.wrapping_add(self.state.latest.prefetch(index, self.roster))
                .wrapping_add(self.state.history.prefetch(self.roster.identity(index)))
        });
        std::hint::black_box(loads);
    }

    /// Builds the row of a torrent and appends it to `rows`. Returns a change of its state.
    fn build_row(&mut self, index: TorrentIndex, rows: &mut Block) -> Option<StateChange> {
        let moment = self.state.history.moment();
        let circumstances = self.circumstances();
        let is_due = |recorded_at: RecordedAt| recorded_at.is_due(moment);
        self.state.flush(self.roster, index, is_due);
        let SwarmState {
            config,
            torrents,
            latest,
            history,
            ..
        } = &mut *self.state;
        let builder = latest.row_builder(index, self.roster, self.now);
        let torrent = &mut torrents[index.get()];
        let mut fresh_until = builder.fresh_until();
        let BuiltRow {
            mut row,
            announces,
            union,
            mut evidence,
        } = builder.finish(torrent.last_seen, moment);
        let hash = self.roster.identity(index);
        let windows = hash.and_then(|hash| history.windows(&hash, union.as_ref(), config));
        let unknown = history.lost.windows_of(hash.as_ref());
        row.listed = row.listed.without_zeros(windows.as_ref(), unknown);
        let configured = self.roster.torrents().get(index.get());
        evidence.is_private = configured.is_some_and(|it| it.privacy == Privacy::LeftAlone);
        evidence.add_row(&row, windows.as_ref());
        let before = torrent.memory.verdict().state;
        if let Some(review) = torrent.memory.judge(&evidence, &circumstances) {
            fresh_until = fresh_until.min(review);
        }
        torrent.fresh_until = Tick::at(fresh_until);
        row.verdict = torrent.memory.verdict();
        row.needy_since = torrent.memory.need().since();
        let observed = Observed::of(&row, windows.as_ref());
        torrent.today.observe(observed, history.days.calendar.now());
        row.today = torrent.today.shown();
        if let Some(name) = configured.and_then(|torrent| torrent.collection())
            && let Some(collection) = history.collections.get_mut(name)
        {
            collection.mark_dirty();
        }
        rows.push(row, announces, windows);
        StateChange::between(before, row.verdict, index)
    }

    /// Builds the row of a collection again if it is due, and returns the cost in addresses.
    fn refresh_collection(&mut self, collection: &Collection) -> usize {
        let (now, moment) = (self.now.mono, self.state.history.moment());
        let state = self.state.history.collections.get_mut(&collection.name);
        let due = state.filter(|state| state.is_due(now));
        let Some(mut state) = due.map(std::mem::take) else {
            return 0;
        };
        let torrents = self.collection_torrents(&collection.torrents);
        let config = &self.state.config;
        let cost = state.build_row(&collection.name, torrents, config, now, moment);
        if let Some(emptied) = self.state.history.collections.get_mut(&collection.name) {
            *emptied = state;
        }
        cost
    }

    /// Returns what is the same for the verdicts of all torrents.
    fn circumstances(&self) -> Circumstances {
        let stale_after = self.state.latest.stale_after.into_values();
        Circumstances {
            now: self.now,
            hour: self.state.history.moment().hour(),
            network: self.state.network,
            patience: stale_after.into_iter().max().unwrap_or_default(),
            dead_after: self.state.config.dead_after,
            recovered_after: self.state.config.recovered_after,
            rounds: self.state.rounds,
        }
    }

    /// Returns the current state of the torrents of a collection.
    fn collection_torrents(&self, indices: &[TorrentIndex]) -> CollectionTorrents<'static> {
        let mut torrents = CollectionTorrents::default();
        for &index in indices {
            let Some(torrent) = self.state.torrents.get(index.get()) else {
                continue;
            };
            let hash = self.roster.identity(index);
            let unknown = self.state.history.lost.windows_of(hash.as_ref());
            let builder = self.state.latest.row_builder(index, self.roster, self.now);
            let (union, asked) = builder.into_union();
            let last_list_hour = torrent.last_seen.latest_list_hour();
            torrents.add(union.as_ref(), asked, last_list_hour, unknown);
        }
        torrents
    }
}
