//! From what is kept of a torrent to what is shown of it.

mod union;

use std::sync::Arc;
use std::time::Duration;

pub(super) use union::Union;

use super::announce::{Announce, Side};
use super::lookup;
use super::memory::Last;
use super::reach::Listed;
use super::row::{AnnounceRow, Count, Stamp, TorrentRow};
use crate::{Health, Source};
use seedwatch_clock::Mono;
use seedwatch_distinct::Moment;
use seedwatch_torrent::Family;
use seedwatch_tracker::Remark;
use seedwatch_tracker::TrackerId;

/// The sum of one torrent, a tracker at a time.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    now: Mono,
    rows: Vec<AnnounceRow>,
    all: Lists<'a>,
    dht: Dht<'a>,
    fresh_until: Mono,
}

/// What the DHT says, a lookup at a time.
#[derive(Debug, Default)]
struct Dht<'a> {
    lists: Lists<'a>,
    success: Option<bool>,
    /// Whether all lookups are still to come; `None` where there are none.
    awaited: Option<bool>,
    /// By [`Family::index`]: families add up, as filters hold addresses.
    seeders: [Count; 2],
    leechers: [Count; 2],
}

/// Peer lists to be united, and the families that were asked.
#[derive(Debug, Default)]
struct Lists<'a> {
    v4: Vec<&'a [u32]>,
    v6: Vec<&'a [u64]>,
    asked: [bool; 2],
}

impl<'a> Tally<'a> {
    pub(super) fn new(now: Mono) -> Self {
        let fresh_until = Mono(u64::MAX);
        Self {
            now,
            rows: Vec::new(),
            all: Lists::default(),
            dht: Dht::default(),
            fresh_until,
        }
    }

    /// Adds what is known at one tracker: one announce, two for a hybrid torrent.
    pub(super) fn tracker(
        &mut self,
        tracker: TrackerId,
        announces: impl Iterator<Item = &'a Announce>,
        health: [(Health, Mono); 2],
        troubles: [Option<&Arc<Remark>>; 2],
        stale_after: Duration,
    ) {
        let mut row = AnnounceRow::unknown(tracker);
        let mut here = Lists::default();
        // Of this torrent at a tracker that is up; of this torrent; and of a tracker that is down.
        let (mut refusal, mut failure, mut trouble) = (None, None, None);
        let mut warning = None;
        // A tracker that is down is offline for all its torrents, also for those that it was never
        // asked about: its health came from another one.
        let mut failed = false;
        for ((health, until), reason) in health.iter().zip(troubles) {
            if matches!(health, Health::Down | Health::Closed) {
                failed = true;
                trouble = trouble.or(reason);
                self.ends(Some(*until));
            }
        }
        let mut answered = false;
        let sides = announces.flat_map(|announce| {
            Family::ALL
                .into_iter()
                .filter_map(|family| Some((family, announce.known(family)?)))
        });
        for (family, side) in sides {
            let until = side.add_counts(&mut row, self.now, stale_after);
            self.ends(until);
            let failed_here = side.failure(self.now, stale_after);
            self.ends(failed_here.map(|(_, until)| until));
            if matches!(health[family.index()].0, Health::Unknown | Health::Up) {
                failed |= failed_here.is_some();
                refusal = refusal.or(failed_here.map(|(failed, _)| failed));
                let answers = side.answered(self.now, stale_after).is_some();
                answered |= answers;
                warning = warning.or(side.warning().filter(|_| answers));
            }
            failure = failure.or(failed_here.map(|(failed, _)| failed));
            let until = here.add(family, side, self.now, stale_after);
            self.ends(until);
        }
        row.success = (answered || failed).then_some(answered);
        let why = || refusal.or(trouble).or(failure);
        row.remark = if answered { warning } else { why() }.cloned();
        row.peers = here.total().into();
        self.all.append(here);
        self.rows.push(row);
    }

    /// Adds what is known of one info-hash in the DHT of one family. The two swarms of a hybrid
    /// overlap, and filters cannot be told apart: the larger claim counts.
    pub(super) fn lookup(&mut self, family: Family, side: &'a lookup::Side, stale_after: Duration) {
        let known = side.known(self.now, stale_after);
        self.ends(known.until);
        self.dht.success = self.dht.success.max(known.success);
        self.dht.awaited = Some(side.is_awaited() && self.dht.awaited != Some(false));
        if let Some((v4, v6)) = known.peers {
            self.dht.lists.push(family, v4, v6);
        }
        let family = family.index();
        self.dht.seeders[family] = self.dht.seeders[family].max(known.seeders);
        self.dht.leechers[family] = self.dht.leechers[family].max(known.leechers);
    }

    /// Something shown goes stale then.
    fn ends(&mut self, at: Option<Mono>) {
        self.fresh_until = at.map_or(self.fresh_until, |at| at.min(self.fresh_until));
    }

    /// When the first answer goes stale.
    pub(super) fn fresh_until(&self) -> Mono {
        self.fresh_until
    }

    /// What is shown.
    pub(super) fn finish(
        mut self,
        last: Last,
        now: Moment,
    ) -> (TorrentRow, Vec<AnnounceRow>, Option<Union<'a>>) {
        // What is known from when it was asked may matter again.
        let mut last = last;
        if self.dht.awaited.is_none() {
            last.success[Source::Dht.index()] = Stamp::default();
            last.list[Source::Dht.index()] = 0;
        }
        let source_peers = [self.dht.lists.total(), self.all.total()];
        self.unite();
        let union = self.all.union();
        let known = self.rows.iter().filter_map(|row| row.success);
        let online = known.clone().filter(|success| *success).count() as u32;
        let best = |count: fn(&AnnounceRow) -> Option<u32>| {
            self.rows.iter().filter_map(count).max().into()
        };
        let row = TorrentRow {
            peers: self.all.by_family(union.as_ref()).map(Into::into),
            source_peers: source_peers.map(Into::into),
            trackers_online: known.clone().next().map(|_| online).into(),
            seeders: best(|row| row.seeders.get()),
            leechers: best(|row| row.leechers.get()),
            dht_seeders: sum(self.dht.seeders),
            dht_leechers: sum(self.dht.leechers),
            probe_success: [self.dht.success, known.max()],
            listed: Listed::at(last.list, now),
            last_success: last.success,
            last_peer_seen: last.peer_seen,
            ..TorrentRow::default()
        };
        (row, self.rows, union)
    }

    /// Who is there, and which families are known; `None` if no list is.
    pub(super) fn into_union(mut self) -> (Option<Union<'a>>, [bool; 2]) {
        self.unite();
        (self.all.union(), self.all.asked)
    }

    /// Adds what the DHT lists. Nobody is known to be nowhere before it was asked once: of a new
    /// torrent whose trackers are of no use all peers may be there.
    fn unite(&mut self) {
        self.all.append(std::mem::take(&mut self.dht.lists));
        if self.dht.awaited == Some(true) && self.all.is_empty() {
            self.all.asked = [false; 2];
        }
    }
}

impl<'a> Lists<'a> {
    fn add(
        &mut self,
        family: Family,
        side: &'a Side,
        now: Mono,
        stale_after: Duration,
    ) -> Option<Mono> {
        let (v4, v6, until) = side.peers(now, stale_after)?;
        self.push(family, v4, v6);
        Some(until)
    }

    fn push(&mut self, family: Family, v4: &'a [u32], v6: &'a [u64]) {
        self.asked[family.index()] = true;
        if !v4.is_empty() {
            self.v4.push(v4);
        }
        if !v6.is_empty() {
            self.v6.push(v6);
        }
    }

    fn append(&mut self, mut other: Self) {
        self.v4.append(&mut other.v4);
        self.v6.append(&mut other.v6);
        self.asked = [
            self.asked[0] | other.asked[0],
            self.asked[1] | other.asked[1],
        ];
    }

    fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Distinct peers by family. A family that nobody was asked over and nobody named is unknown:
    /// a UDP tracker lists its own family only.
    fn by_family(&self, union: Option<&Union<'_>>) -> [Option<u32>; 2] {
        let counts = union.map_or([0; 2], Union::by_family);
        [0, 1].map(|f| (self.asked[f] || counts[f] > 0).then_some(counts[f]))
    }

    /// Distinct peers of both families, once anybody gave a list.
    fn total(&self) -> Option<u32> {
        let union = self.union()?;
        Some(union.by_family().iter().sum())
    }

    /// Who is on any of the lists, once anybody gave one.
    fn union(&self) -> Option<Union<'a>> {
        self.asked
            .contains(&true)
            .then(|| Union::of(&self.v4, &self.v6))
    }
}

/// The sum of what is known.
fn sum(counts: [Count; 2]) -> Count {
    let known = counts.iter().filter_map(|count| count.get());
    known.reduce(u32::saturating_add).into()
}
