//! What is due when. Pure: no clock, no socket; `now` is passed in.
//!
//! Every (tracker, family) is a lane: its own queue, health and back-off, so that a
//! dead tracker shared by ten thousand torrents costs one probe a round and not ten thousand. All
//! lanes of a host share one token bucket. A lane is asked again as soon as
//! something can leave it, never earlier.
//!
//! What may leave now leaves now. What must wait, for a token or because it is not due, leaves with
//! the first tick of [`TICK`] milliseconds at or after its time. So the lanes of all hosts wake
//! together, and probes move through the daemon in batches. UDP lanes of slow hosts take turns over
//! the ticks, so that each sends a few packets at once, which the kernel takes as one
//! ([`Schedule::turn`]). A bucket fills by the time that passed, so that ticks do not change a rate.

mod bucket;
mod lane;
mod memory;
mod outcome;
mod pace;
mod queue;
mod slot;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

pub use memory::Nonsense;
pub use pace::Pace;

use crate::roster::{Changes, Roster};
use crate::{Health, Verdict};
use bucket::{Bucket, Wait};
use lane::{Lane, LaneId};
use memory::Memories;
use outcome::{Outcome, Wish};
use seedwatch_clock::{Mono, Now};
use seedwatch_torrent::Family;
use seedwatch_torrent::Scheme;
use seedwatch_tracker::{AnnounceId, Failed, Job, Observation, Report, Scraped, TrackerId};
use slot::{Note, Slot};

/// Most probes under way at once, whatever the rates allow: bounds memory and sockets.
const MAX_IN_FLIGHT: usize = 131_072;

/// Most tracker addresses remembered.
const MAX_OPERATORS: usize = 65_536;

/// Milliseconds between two moments in which waiting probes leave.
const TICK: u64 = 20;

/// Most ticks between two turns of a lane: a waiting probe may be 200 ms late.
const MAX_TURN: u64 = 10;

/// Packets that a UDP lane gathers for a turn, if that does not take longer.
const TURN_PACKETS: f64 = 4.0;

/// How soon to look again when that many are under way.
const FULL_WAIT: Duration = Duration::from_millis(TICK);

/// The plan of all probes.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    lanes: Vec<Lane>,
    buckets: Vec<Bucket>,
    buckets_by_host: HashMap<Box<str>, usize>,
    /// Hosts of one address are one operator and share one bucket.
    buckets_by_address: HashMap<IpAddr, usize>,
    /// When a lane can next do something. Entries that no longer match [`Lane::wake`] are void.
    wakes: BinaryHeap<Reverse<(Mono, LaneId)>>,
    /// Places by announce and family.
    slots: Vec<[Slot; 2]>,
    in_flight: usize,
    /// Families that our own network does not carry at present.
    paused: [bool; 2],
    /// What is known from before a restart of trackers that are not here (yet).
    recalled: Memories,
}

impl Schedule {
    /// An empty plan.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            lanes: Vec::new(),
            buckets: Vec::new(),
            buckets_by_host: HashMap::new(),
            buckets_by_address: HashMap::new(),
            wakes: BinaryHeap::new(),
            slots: Vec::new(),
            in_flight: 0,
            paused: [false; 2],
            recalled: Memories::default(),
        }
    }

    /// Appends what is to be known after a restart: who was down, who asked for what.
    pub fn encode(&self, roster: &Roster, now: Now, out: &mut Vec<u8>) {
        let labels: Vec<Option<String>> = roster
            .trackers()
            .iter()
            .map(|url| Some(url.as_ref().filter(|url| !url.is_overlay())?.label()))
            .collect();
        let lanes = self.lanes.iter().zip((0..).map(LaneId));
        let here = lanes.filter_map(|(lane, id)| {
            let label = labels.get(id.tracker().0 as usize)?.as_deref()?;
            Some((label, id.family(), lane.memory(roster)))
        });
        let gone = self.recalled.iter().flat_map(|(label, memories)| {
            let obliging = |(_, memory): &(_, &memory::Memory)| memory.is_obliging(now.mono);
            let memories = Family::ALL.into_iter().zip(memories).filter(obliging);
            memories.map(|(family, memory)| (&**label, family, memory.clone()))
        });
        memory::encode(here.chain(gone), now, out);
    }

    /// Takes over what [`Schedule::encode`] wrote, for trackers that come from now on.
    ///
    /// # Errors
    /// If these bytes are something else; then nothing changed.
    pub fn recall(&mut self, bytes: &[u8], now: Now) -> Result<(), Nonsense> {
        self.recalled = memory::decode(bytes, now)?;
        Ok(())
    }

    /// Trackers whose operators ask not to be contacted.
    pub fn closed(&self) -> impl Iterator<Item = (TrackerId, Family)> {
        let lanes = self.lanes.iter().zip((0..).map(LaneId));
        lanes
            .filter(|(lane, _)| lane.health() == Health::Closed)
            .map(|(_, id)| (id.tracker(), id.family()))
    }

    /// Takes over new settings and what the roster gained and lost. New announces are due at once
    /// (the bucket spreads them); what was there before keeps its place in the plan.
    pub fn update(&mut self, pace: Pace, roster: &Roster, changes: &Changes, now: Mono) {
        self.pace = pace;
        for bucket in &mut self.buckets {
            bucket.set_rate(self.pace.max_rate);
        }
        for place in self.lanes.len() / 2..roster.trackers().len() {
            self.add_lanes(place, roster, now);
        }
        self.slots.resize(roster.announce_ids(), Default::default());
        for id in &changes.removed {
            self.slots[id.0 as usize].iter_mut().for_each(Slot::remove);
        }
        if !changes.removed.is_empty() {
            let slots = &self.slots;
            self.lanes
                .iter_mut()
                .for_each(|lane| lane.forget_removed(slots));
        }
        for id in &changes.added {
            let Some(announce) = roster.announce(*id) else {
                continue;
            };
            for family in Family::ALL {
                self.slots[id.0 as usize][family.index()] = Slot::queued();
                let hash = roster.info_hash(announce);
                self.lane_mut(announce.tracker, family)
                    .admit(*id, hash, now);
            }
        }
        self.tell_urls(roster);
        for lane in 0..self.lanes.len() {
            self.wake(LaneId(lane as u32), now);
        }
    }

    /// Tells all lanes the URLs of their swarms. A swarm may keep its place and have another URL.
    fn tell_urls(&mut self, roster: &Roster) {
        self.lanes.iter_mut().for_each(Lane::forget_urls);
        let ids = (0..roster.announce_ids() as u32).map(AnnounceId);
        for announce in ids.filter_map(|id| roster.announce(id)) {
            let Some(url) = roster.url(announce) else {
                continue;
            };
            for family in Family::ALL {
                self.lane_mut(announce.tracker, family).tell_url(url);
            }
        }
    }

    fn add_lanes(&mut self, place: usize, roster: &Roster, now: Mono) {
        // A hole gets lanes too, empty ones, so that a tracker id always finds its lanes.
        let url = roster.trackers()[place].as_deref();
        let host = url.map(|url| url.host().to_string()).unwrap_or_default();
        let rate = self.pace.max_rate;
        let buckets = &mut self.buckets;
        let bucket = *self.buckets_by_host.entry(host.into()).or_insert_with(|| {
            buckets.push(Bucket::new(rate));
            buckets.len() - 1
        });
        let known = url.and_then(|url| self.recalled.remove(&*url.label()));
        for (family, known) in Family::ALL.into_iter().zip(known.unwrap_or_default()) {
            let mut lane = Lane::new(
                family,
                bucket,
                url.map_or(Scheme::Udp, |url| url.scheme()),
                url.is_some_and(|url| url.is_loopback()),
            );
            lane.recall(known, now);
            self.lanes.push(lane);
        }
    }

    /// Everything that may leave now.
    pub fn poll(&mut self, roster: &Roster, now: Mono, jobs: &mut Vec<Job>) {
        while let Some(&Reverse((at, id))) = self.wakes.peek() {
            if at > now {
                break;
            }
            self.wakes.pop();
            if self.lanes[id.index()].wake != Some(at) {
                continue;
            }
            let next = self.dispatch(id, roster, now, jobs);
            self.set_wake(id, next, now);
        }
    }

    /// When [`Schedule::poll`] next has something to do.
    pub fn next_wake(&self) -> Option<Mono> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    /// Reads what [`Schedule::finish`] reads of a swarm; returns something of it.
    pub fn prefetch(&self, roster: &Roster, id: AnnounceId, family: Family) -> u64 {
        let slot = self.slots.get(id.0 as usize);
        let is_live = slot.is_some_and(|slot| slot[family.index()].is_live());
        let hash = roster.announce(id).and_then(|it| roster.info_hash(it));
        u64::from(is_live) + hash.map_or(0, |hash| hash.0[19].into())
    }

    /// Books the end of a probe and says what it means for the tracker.
    pub fn finish(&mut self, roster: &Roster, observation: &Observation, now: Mono) -> Verdict {
        let id = LaneId::of(observation.tracker, observation.family);
        self.in_flight = self.in_flight.saturating_sub(1);
        let started = Mono(
            now.0
                .saturating_sub(observation.exchange.duration.as_millis() as u64),
        );
        let report = &observation.report;
        let lane = &mut self.lanes[id.index()];
        let before = lane.witnessed();
        lane.in_flight = lane.in_flight.saturating_sub(1);
        let remote = observation.exchange.remote;
        if !lane.is_loopback() && remote.is_some() && lane.address != remote {
            lane.address = remote;
            self.share_bucket(id, remote);
        }
        let lane = &mut self.lanes[id.index()];
        // One request was paid for when the probe left.
        let more = observation.exchange.requests.saturating_sub(1);
        self.buckets[lane.bucket].charge(f64::from(more));
        match report {
            Report::Announce {
                result: Ok(answer), ..
            } => {
                lane.learn(answer, now);
            }
            Report::Scrape { ids, result } => {
                let asked = observation.exchange.scrape_interval();
                lane.learn_scrape(result, asked, now, &self.pace);
                self.compare(id, ids, result, now);
            }
            _ => {}
        }
        let mut stands = false;
        let (outcome, wish) = (Outcome::of(report), Wish::of(report));
        if self.ends_probes(observation) {
            let lane = &mut self.lanes[id.index()];
            lane.settle(outcome, wish, started, now, &self.pace);
            for (place, announce) in report.ids().iter().enumerate() {
                let slot = &mut self.slots[announce.0 as usize][observation.family.index()];
                if !report.is_scrape() {
                    slot.set_note(Outcome::note(report));
                }
                stands = slot.settle(outcome) || lane.health() != Health::Up;
                if !slot.is_live() {
                    continue;
                }
                if outcome == Outcome::Answered && !report.is_scrape() && slot.may_be_scraped() {
                    lane.gather_scrape(*announce, roster, now, &self.pace);
                }
                let hash = roster.announce(*announce).and_then(|a| roster.info_hash(a));
                let due = match report {
                    // Beyond what the tracker answers at once.
                    Report::Scrape {
                        result: Ok(counts), ..
                    } if Report::is_short(counts) && counts[place].is_none() => {
                        now.after(self.pace.confirm_after())
                    }
                    _ => lane.next_due(outcome, stands, wish, hash, now, &self.pace),
                };
                if outcome.is_promise(wish) {
                    lane.promise(due, *announce);
                } else {
                    lane.push(due, *announce);
                }
            }
        } else {
            self.end_beside(observation);
            let skipped = self.lanes[id.index()].skipped_scrapes(&self.pace);
            for announce in report.ids() {
                let slots = &mut self.slots[announce.0 as usize];
                slots[observation.family.index()].skip_scrapes(skipped);
            }
        }
        let health = self.lanes[id.index()].witnessed();
        self.wake(id, now);
        Verdict {
            health,
            changed: health != before,
            stands,
        }
    }

    /// Gives a lane the bucket of its address.
    fn share_bucket(&mut self, id: LaneId, address: Option<IpAddr>) {
        let Some(address) = address else {
            return;
        };
        if self.buckets_by_address.len() >= MAX_OPERATORS {
            self.buckets_by_address.clear();
            self.lanes.iter_mut().for_each(|lane| lane.address = None);
        }
        let lane = &mut self.lanes[id.index()];
        let bucket = self.buckets_by_address.entry(address);
        let bucket = *bucket.or_insert(lane.bucket);
        self.buckets[lane.bucket].leave(id);
        lane.bucket = bucket;
    }

    /// Compares a scrape with announces that were answered with an empty list.
    fn compare(
        &mut self,
        lane: LaneId,
        ids: &[AnnounceId],
        result: &Result<Vec<Option<Scraped>>, Failed>,
        now: Mono,
    ) {
        let counts = result.iter().flatten();
        for (id, counts) in ids.iter().zip(counts) {
            if counts.is_some_and(|counts| counts.is_inhabited()) {
                self.doubt(lane.tracker(), lane.family(), *id, now);
            }
        }
    }

    /// Takes note that another source names members of a swarm that this tracker may have called
    /// empty: its answers to `stopped` are checked again, at most once a day.
    pub fn doubt(&mut self, tracker: TrackerId, family: Family, id: AnnounceId, now: Mono) {
        let lane = LaneId::of(tracker, family);
        let slot = &mut self.slots[id.0 as usize][family.index()];
        if slot.note() == Note::Empty && self.lanes[lane.index()].doubt(now) {
            slot.set_note(Note::Doubted);
        }
    }

    /// Takes a probe back that our own outage, or a lack of our own resources, made void: nothing is
    /// held against anybody, and it is tried again soon.
    pub fn void(&mut self, observation: &Observation, now: Mono) {
        let id = LaneId::of(observation.tracker, observation.family);
        self.in_flight = self.in_flight.saturating_sub(1);
        let probes = self.ends_probes(observation);
        let lane = &mut self.lanes[id.index()];
        lane.in_flight = lane.in_flight.saturating_sub(1);
        if probes {
            let again = now.after(self.pace.confirm_after());
            lane.wait_until(again);
            for announce in observation.report.ids() {
                let slot = &mut self.slots[announce.0 as usize][observation.family.index()];
                slot.release();
                if slot.is_live() {
                    lane.push(again, *announce);
                }
            }
        } else {
            self.end_beside(observation);
        }
        self.wake(id, now);
    }

    /// Whether an observation ends the probes of its swarms. A scrape may also go beside announces
    /// to fetch counts; what it says is nothing that health is judged by.
    fn ends_probes(&self, observation: &Observation) -> bool {
        let (report, family) = (&observation.report, observation.family.index());
        let slot = report
            .ids()
            .first()
            .and_then(|id| self.slots.get(id.0 as usize));
        slot.is_some_and(|slots| match report {
            Report::NoAddress { .. } => slots[family].is_probed(),
            _ => slots[family].awaits(report.is_scrape()),
        })
    }

    fn end_beside(&mut self, observation: &Observation) {
        for announce in observation.report.ids() {
            self.slots[announce.0 as usize][observation.family.index()].set_beside(false);
        }
    }

    /// Stops or resumes a family while our own network does not carry it.
    pub fn pause(&mut self, family: Family, paused: bool, now: Mono) {
        self.paused[family.index()] = paused;
        if !paused {
            for lane in 0..self.lanes.len() {
                if LaneId(lane as u32).family() == family {
                    self.wake(LaneId(lane as u32), now);
                }
            }
        }
    }

    /// An observation is under way for this announce.
    pub fn is_busy(&self, id: AnnounceId) -> bool {
        self.slots
            .get(id.0 as usize)
            .is_some_and(|slots| slots.iter().any(Slot::is_busy))
    }

    /// Probes past due that politeness towards a troubled tracker does not explain, and how late
    /// the latest of them is: our own load, or a rate too low for the list.
    pub fn overdue(&self, now: Mono) -> (u64, Duration) {
        let waiting = self.lanes.iter().enumerate().filter(|(place, lane)| {
            let family = LaneId(*place as u32).family();
            !self.paused[family.index()] && lane.is_free(now)
        });
        // What waits for its tick is not late.
        waiting
            .map(|(_, lane)| lane.overdue(Mono(now.0.saturating_sub(self.turn(lane)))))
            .fold((0, Duration::ZERO), |(n, lag), (m, late)| {
                (n + m, lag.max(late))
            })
    }

    /// Probes under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Lets everything leave a lane that may; says when the next may.
    fn dispatch(
        &mut self,
        id: LaneId,
        roster: &Roster,
        now: Mono,
        jobs: &mut Vec<Job>,
    ) -> Option<Mono> {
        loop {
            let ready = self.ready_at(id, now);
            if ready.is_none_or(|ready| ready > now) {
                self.buckets[self.lanes[id.index()].bucket].leave(id);
                return ready;
            }
            if self.in_flight >= MAX_IN_FLIGHT {
                return Some(now.after(FULL_WAIT));
            }
            match self.send_one(id, roster, now, jobs) {
                Ok(()) => {}
                Err(Wait::Until(at)) => return Some(at),
                Err(Wait::For(first)) => self.give_turn(first, roster, now, jobs),
            }
        }
    }

    /// When something may leave a lane, as far as its family allows.
    fn ready_at(&self, id: LaneId, now: Mono) -> Option<Mono> {
        let lane = &self.lanes[id.index()];
        // Loopback works without a network.
        let paused = self.paused[id.family().index()] && !lane.is_loopback();
        lane.ready_at(now).filter(|_| !paused)
    }

    /// Lets the lane that is first in line for tokens send once. If it has more to send, it goes to
    /// the end of the line: lanes of one host take turns within a tick too.
    fn give_turn(&mut self, id: LaneId, roster: &Roster, now: Mono, jobs: &mut Vec<Job>) {
        let is_ready = |schedule: &Self| schedule.ready_at(id, now).is_some_and(|at| at <= now);
        let sent = is_ready(self) && self.send_one(id, roster, now, jobs).is_ok();
        let more = sent && is_ready(self);
        let bucket = &mut self.buckets[self.lanes[id.index()].bucket];
        match more {
            true => bucket.queue(id),
            false => bucket.leave(id),
        }
    }

    /// Lets one question leave a lane, if its host's bucket has a token.
    fn send_one(
        &mut self,
        id: LaneId,
        roster: &Roster,
        now: Mono,
        jobs: &mut Vec<Job>,
    ) -> Result<(), Wait> {
        let lane = &mut self.lanes[id.index()];
        let bucket = &mut self.buckets[lane.bucket];
        bucket.take(id, 1.0, now)?;
        let Some((url, ask)) = lane.next_ask(roster, &mut self.slots, now, &self.pace) else {
            bucket.charge(-1.0);
            return Ok(());
        };
        lane.in_flight += 1;
        self.in_flight += 1;
        let (tracker, family, timeout) = (id.tracker(), id.family(), self.pace.timeout);
        jobs.push(Job {
            tracker,
            family,
            url,
            timeout,
            ask,
        });
        Ok(())
    }

    /// While a family is paused: one probe all the same, in case only the canaries are silent.
    pub fn trial(&mut self, family: Family, roster: &Roster, now: Mono, jobs: &mut Vec<Job>) {
        let lanes = (0..self.lanes.len() as u32).map(LaneId);
        let ready = |id: &LaneId| {
            let lane = &self.lanes[id.index()];
            let due = lane.ready_at(now).is_some_and(|at| at <= now);
            id.family() == family && due && !lane.is_loopback()
        };
        let ready: Vec<_> = lanes.filter(ready).collect();
        // Not always the same: the first may be dead for reasons of its own.
        if let Some(id) = ready.get(now.0 as usize % ready.len().max(1)) {
            // Too few tokens: then the next look tries again.
            let _ = self.send_one(*id, roster, now, jobs);
        }
    }

    /// Whether a tracker may be contacted at all, as far as is known.
    pub fn is_open(&self, tracker: TrackerId) -> bool {
        let lanes = Family::ALL.map(|family| self.lanes.get(LaneId::of(tracker, family).index()));
        !lanes
            .into_iter()
            .flatten()
            .any(|lane| lane.health() == Health::Closed)
    }

    fn lane_mut(&mut self, tracker: TrackerId, family: Family) -> &mut Lane {
        &mut self.lanes[LaneId::of(tracker, family).index()]
    }

    fn wake(&mut self, id: LaneId, now: Mono) {
        let lane = &self.lanes[id.index()];
        let bucket = &mut self.buckets[lane.bucket];
        let at = lane.ready_at(now);
        let waits = lane.wake.filter(|wake| *wake > now);
        match at {
            Some(at) if at <= now && waits.is_some() => {
                // It stands in line, and is asked when there are tokens. Or it waits for its turn.
                if bucket.is_queued(id) || waits == Some(self.tick_from(id, at)) {
                    return;
                }
            }
            Some(at) if at <= now => {}
            // Whoever waits for a token that it cannot use holds up the others.
            _ => bucket.leave(id),
        }
        self.set_wake(id, at, now);
    }

    fn set_wake(&mut self, id: LaneId, at: Option<Mono>, now: Mono) {
        let at = at.map(|at| if at > now { self.tick_from(id, at) } else { at });
        let lane = &mut self.lanes[id.index()];
        if lane.wake != at {
            lane.wake = at;
            if let Some(at) = at {
                self.wakes.push(Reverse((at, id)));
            }
        }
    }

    /// Milliseconds between two turns of a lane.
    fn turn(&self, lane: &Lane) -> u64 {
        match lane.is_udp() {
            true => TICK * self.buckets[lane.bucket].turn(),
            false => TICK,
        }
    }

    /// The first tick at or after a time that is the turn of a lane. Lanes of one host have their
    /// turns together.
    fn tick_from(&self, id: LaneId, at: Mono) -> Mono {
        let lane = &self.lanes[id.index()];
        let turn = self.turn(lane);
        let first = lane.bucket as u64 * TICK % turn;
        let next = at.0.saturating_sub(first).checked_next_multiple_of(turn);
        Mono(next.map_or(at.0, |next| next.saturating_add(first)))
    }
}

#[cfg(test)]
mod tests;
