//! What is known of info-hashes in the DHT.

use std::sync::Arc;
use std::time::Duration;

use super::filter::Filter;
use super::kept::{self, Lists, Room, Tick};
use super::row::Count;
use seedwatch_clock::Mono;
use seedwatch_dht::{FoundPeers, LookupError, SwarmEstimate};
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;

/// Every info-hash that is looked up, a side a family. Packed: there may be a million.
#[derive(Debug)]
pub(super) struct Lookups {
    /// Sorted, no repetitions: those of the roster.
    hashes: Arc<[InfoHash]>,
    /// In their order.
    sides: Vec<[Side; 2]>,
    /// Age at which what a lookup said is no longer shown.
    pub(super) stale_after: Duration,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            hashes: Arc::from([]),
            sides: Vec::new(),
            stale_after: Duration::ZERO,
        }
    }
}

impl Lookups {
    /// Takes over a new list of info-hashes; those that stay keep what is known of them.
    pub(super) fn update(&mut self, hashes: &Arc<[InfoHash]>) {
        let mut before = std::mem::take(&mut self.sides).into_iter();
        let mut old = self.hashes.iter().zip(&mut before).peekable();
        let sides = hashes.iter().map(|hash| {
            while old.next_if(|(known, _)| *known < hash).is_some() {}
            let known = old.next_if(|(known, _)| *known == hash);
            known.map(|(_, sides)| sides).unwrap_or_default()
        });
        self.sides = sides.collect();
        self.hashes = Arc::clone(hashes);
    }

    /// Both sides of an info-hash, by [`Family::index`].
    pub(super) fn sides(&self, hash: &InfoHash) -> Option<&[Side; 2]> {
        self.sides.get(self.hashes.binary_search(hash).ok()?)
    }

    /// Who was found of an info-hash, by family.
    pub(super) fn lists(&mut self, hash: &InfoHash) -> impl Iterator<Item = &mut Lists> {
        let place = self.hashes.binary_search(hash).ok();
        let sides = place.and_then(|place| self.sides.get_mut(place));
        sides.into_iter().flatten().filter_map(Side::lists)
    }

    /// The side of an info-hash and family.
    pub(super) fn side(&mut self, hash: &InfoHash, family: Family) -> Option<&mut Side> {
        let place = self.hashes.binary_search(hash).ok()?;
        Some(&mut self.sides.get_mut(place)?[family.index()])
    }
}

/// The latest lookup that came through, and when the latest that did not ended.
#[derive(Debug, Default)]
pub(super) struct Side {
    answered: Tick,
    failed: Tick,
    /// `None` = nobody there.
    heard: Option<Box<Heard>>,
}

/// What a lookup brought that found somebody.
#[derive(Debug, Default)]
struct Heard {
    seeders: Count,
    leechers: Count,
    lists: Lists,
}

/// What is to be shown of a side.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    /// Whether the latest lookup came through.
    pub(super) success: Option<bool>,
    /// The latest list: addresses and /64 prefixes, sorted, each once.
    pub(super) peers: Option<(&'a [u32], &'a [u64])>,
    /// By the filters.
    pub(super) seeders: Count,
    /// By the filters.
    pub(super) leechers: Count,
    /// When the first of this goes stale.
    pub(super) until: Option<Mono>,
}

impl Side {
    /// Takes over what a lookup found.
    ///
    /// # Errors
    /// Peers were named, and nothing of it can be read: who is there stays unknown.
    pub(super) fn found(
        &mut self,
        found: &FoundPeers,
        filter: &mut Filter,
        room: &mut Room,
        now: Mono,
    ) -> Result<kept::Heard, LookupError> {
        if found.peers.is_unreadable() {
            return Err(LookupError::Doubtful);
        }
        room.fill(&found.peers, None, filter);
        // Who names nobody is not asked for filters: nobody there, and that is known.
        let nobody = found.peers.is_empty() && found.estimate.is_none();
        let anybody = !room.is_empty();
        let before = if nobody {
            self.heard.take().map(|heard| heard.lists)
        } else {
            let count = |of: fn(SwarmEstimate) -> u32| Count::from(found.estimate.map(of));
            let heard = self.heard.get_or_insert_default();
            heard.seeders = count(|estimate| estimate.seeders);
            heard.leechers = count(|estimate| estimate.leechers);
            heard.lists.replace(room)
        };
        self.answered = Tick::at(now);
        self.failed = Tick::default();
        Ok(kept::Heard { anybody, before })
    }

    /// Who the latest lookup that came through found, if anybody.
    pub(super) fn lists(&mut self) -> Option<&mut Lists> {
        Some(&mut self.heard.as_deref_mut()?.lists)
    }

    /// The latest lookup did not come through; what was known before goes on ageing.
    pub(super) fn fail(&mut self, now: Mono) {
        self.failed = Tick::at(now);
    }

    /// No lookup has ended yet.
    pub(super) fn is_awaited(&self) -> bool {
        [self.answered, self.failed] == [Tick::default(); 2]
    }

    /// What is to be shown.
    pub(super) fn known(&self, now: Mono, stale_after: Duration) -> Known<'_> {
        let answered = self.answered.fresh(now, stale_after);
        let failed = self.failed.fresh(now, stale_after);
        let mut known = Known {
            success: (answered.is_some() || failed.is_some()).then_some(failed.is_none()),
            until: answered.into_iter().chain(failed).min(),
            ..Known::default()
        };
        if answered.is_some() {
            let heard = self.heard.as_deref();
            known.peers = Some(Lists::slices(heard.map(|heard| &heard.lists)));
            known.seeders = heard.map_or(Some(0).into(), |heard| heard.seeders);
            known.leechers = heard.map_or(Some(0).into(), |heard| heard.leechers);
        }
        known
    }
}
