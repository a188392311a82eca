//! Pictures of the state: what did not change is taken from the one before.

use std::sync::Arc;
use std::time::Duration;

use super::announce::Announce;
use super::collection::Members;
use super::kept::Tick;
use super::lookup::Lookups;
use super::tally::Tally;
use super::tracker::Tracker;
use super::{Block, CollectionRow, FleetRow, Swarms, Torrent, lost, reach};
use crate::roster::{Collection, Roster};
use seedwatch_clock::{Mono, Now};
use seedwatch_geo::Database;
use seedwatch_torrent::Family;
use seedwatch_tracker::AnnounceId;

/// Torrents whose windows may be counted anew in one go when an hour begins; of more, the blocks take
/// turns over the first [`TURNS`] seconds.
const AT_ONCE: usize = 4096;
const TURNS: u64 = 600;

/// Work on collections in one picture, in addresses looked at: some ten milliseconds.
const EFFORT: usize = 50_000;

impl Swarms {
    /// The rows of all torrents; those that changed or went stale are made anew, and all of a block
    /// once an hour.
    pub fn blocks(&mut self, roster: &Roster, now: Now) -> Vec<Arc<Block>> {
        self.tick(now);
        self.blocks
            .resize_with(self.torrents.len().div_ceil(Block::SIZE), Default::default);
        for block in 0..self.blocks.len() {
            let start = block * Block::SIZE;
            let end = self.torrents.len().min(start + Block::SIZE);
            let slides = self.slides(block, now.mono);
            let old = |torrent: &Torrent| slides || torrent.is_old(now.mono);
            if !self.torrents[start..end].iter().any(old) {
                continue;
            }
            let mut new = Block::default();
            let anew = (start..end).filter(|place| old(&self.torrents[*place]));
            std::hint::black_box(anew.fold(0, |read: u64, place| {
                read.wrapping_add(self.known().prefetch(place, roster))
                    .wrapping_add(self.memory.prefetch(roster.identity(place)))
            }));
            for place in start..end {
                let shown = self.blocks[block].0.get(place - start);
                match shown.filter(|_| !old(&self.torrents[place])) {
                    Some((row, announces, reach)) => {
                        new.push(*row, announces.iter().cloned(), reach.cloned());
                    }
                    None => self.refresh(place, roster, now, &mut new),
                }
            }
            new.shrink();
            let moment = match slides {
                true => Some(self.memory.moment),
                false => self.blocks[block].1,
            };
            self.blocks[block] = (Arc::new(new), moment);
        }
        let shown = self.blocks.iter();
        shown.map(|(block, _)| Arc::clone(block)).collect()
    }

    /// Whether the windows have moved since a block was made, and it is its turn.
    fn slides(&self, block: usize, now: Mono) -> bool {
        if self.blocks[block].1 == Some(self.memory.moment) {
            return false;
        }
        let many = self.torrents.len() > AT_ONCE;
        let turn = match many {
            true => TURNS * block as u64 / self.blocks.len() as u64,
            false => 0,
        };
        now >= self.memory.moved.after(Duration::from_secs(turn))
    }

    /// The rows of all collections, sorted by name. Those of large ones that changed are not made
    /// anew in every picture, and no picture makes too many.
    pub fn collections(&mut self, roster: &Roster, now: Now) -> Vec<Arc<CollectionRow>> {
        let collections = roster.collections();
        let first = self.memory.turn.min(collections.len());
        let turns = collections[first..].iter().chain(&collections[..first]);
        let mut effort = 0;
        for (turn, collection) in turns.enumerate() {
            if effort > EFFORT {
                self.memory.turn = (first + turn) % collections.len();
                break;
            }
            effort += self.show(collection, roster, now);
        }
        let known = collections.iter();
        let known = known.filter_map(|collection| self.memory.collections.get(&collection.name));
        known.map(|state| Arc::clone(state.row())).collect()
    }

    /// Makes a row anew if it is to be; says how much work that was.
    fn show(&mut self, collection: &Collection, roster: &Roster, now: Now) -> usize {
        let known = self.memory.collections.get_mut(&collection.name);
        let due = known.filter(|state| state.is_due(now.mono));
        let Some(mut state) = due.map(std::mem::take) else {
            return 0;
        };
        let members = self.members(&collection.members, roster, now);
        let moment = self.memory.moment;
        let effort = state.show(&collection.name, members, &self.terms, now.mono, moment);
        if let Some(known) = self.memory.collections.get_mut(&collection.name) {
            *known = state;
        }
        effort
    }

    fn members(&self, places: &[u32], roster: &Roster, now: Now) -> Members<'static> {
        let mut members = Members::default();
        for place in places {
            let place = *place as usize;
            let Some(torrent) = self.torrents.get(place) else {
                continue;
            };
            members.torrents += 1;
            let lists = torrent.last.list.into_iter();
            members.last_list = lists.fold(members.last_list, u32::max);
            let hash = roster.identity(place);
            members.unknown = lost::or(members.unknown, self.memory.lost.of(hash.as_ref()));
            let (union, asked) = self.known().tally(place, roster, now).into_union();
            members.asked = [0, 1].map(|f| members.asked[f] | asked[f]);
            if let Some(union) = union {
                members.union.get_or_insert_default().append(&union);
            }
        }
        members
    }

    /// What is shown of all torrents together.
    pub fn fleet(&mut self) -> FleetRow {
        let lists = self.torrents.iter().flat_map(|torrent| torrent.last.list);
        let last_list = lists.max().unwrap_or(0);
        let counts = self.memory.fleet.counts(self.memory.moment).all;
        let knows_systems = self.terms.geo.built(Database::Asn).is_some();
        FleetRow {
            unique: reach::known(
                last_list,
                counts,
                self.memory.lost.of_any(),
                self.memory.moment,
            ),
            systems: match knows_systems {
                true => self.memory.systems.rows(),
                false => Vec::new(),
            },
        }
    }

    fn known(&self) -> Known<'_> {
        Known {
            trackers: &self.trackers,
            announces: &self.announces,
            lookups: &self.lookups,
            stale_after: self.terms.stale_after,
        }
    }

    fn refresh(&mut self, place: usize, roster: &Roster, now: Now, to: &mut Block) {
        let moment = self.memory.moment;
        self.settle_torrent(roster, place, |taken_in| taken_in.is_due(moment));
        // Not `self.known()`: the memory changes beside what is known.
        let known = Known {
            trackers: &self.trackers,
            announces: &self.announces,
            lookups: &self.lookups,
            stale_after: self.terms.stale_after,
        };
        let tally = known.tally(place, roster, now);
        let torrent = &mut self.torrents[place];
        torrent.fresh_until = Tick::at(tally.fresh_until());
        let memory = &mut self.memory;
        let (mut row, announces, union) = tally.finish(torrent.last, moment);
        let hash = roster.identity(place);
        let reach = hash.and_then(|hash| memory.reach(&hash, union.as_ref(), &self.terms));
        let unknown = memory.lost.of(hash.as_ref());
        row.listed = row.listed.without_zeros(reach.as_ref(), unknown);
        if let Some(name) = roster.torrents().get(place).and_then(|it| it.collection())
            && let Some(collection) = memory.collections.get_mut(name)
        {
            collection.change();
        }
        to.push(row, announces, reach);
    }
}

/// What answers of trackers and of the DHT left behind.
struct Known<'a> {
    trackers: &'a [Tracker],
    announces: &'a [Announce],
    lookups: &'a Lookups,
    stale_after: Duration,
}

impl<'a> Known<'a> {
    /// Reads what a row is made of, for many rows side by side; returns something of it.
    fn prefetch(&self, place: usize, roster: &Roster) -> u64 {
        let known = |id: &AnnounceId| {
            let announce = self.announces.get(id.0 as usize)?;
            let sides = Family::ALL.map(|family| announce.known(family));
            let read = sides.iter().flatten().map(|side| side.prefetch());
            Some(read.fold(0, u64::wrapping_add))
        };
        let announces = roster.announces_of(place).iter();
        announces.filter_map(known).fold(0, u64::wrapping_add)
    }

    fn tally(&self, place: usize, roster: &Roster, now: Now) -> Tally<'a> {
        let mut tally = Tally::new(now.mono);
        let tracker_of = |id: &AnnounceId| roster.announce(*id).map(|announce| announce.tracker);
        let announces = roster.announces_of(place);
        for of_tracker in announces.chunk_by(|a, b| tracker_of(a) == tracker_of(b)) {
            let Some(tracker) = of_tracker.first().and_then(tracker_of) else {
                continue;
            };
            let state = &self.trackers[tracker.0 as usize];
            let stale_after = self.stale_after;
            let health = state.health(now.mono, stale_after);
            let announces = self.announces;
            let known = of_tracker.iter().map(|id| &announces[id.0 as usize]);
            let troubles = Family::ALL.map(|family| state.trouble(family));
            let stale_after = state.stale_after(stale_after);
            tally.tracker(tracker, known, health, troubles, stale_after);
        }
        let watched = roster.torrents().get(place);
        for hash in watched
            .into_iter()
            .flat_map(|torrent| torrent.hashes.wire())
        {
            let sides = self.lookups.sides(&hash).into_iter().flatten();
            for (family, side) in Family::ALL.into_iter().zip(sides) {
                tally.lookup(family, side, self.lookups.stale_after);
            }
        }
        tally
    }
}
