//! When each swarm is probed at each tracker. Pure: no clock, no socket; `now` is passed in.
//!
//! Every tracker has a queue per family, with a health and a back-off of its own. So a dead tracker
//! that ten thousand torrents share costs one probe per interval and not ten thousand. All queues
//! of a host share one token bucket. A queue is served when a request can leave it, never earlier.
//!
//! What may leave at once leaves at once. What must wait, for a token or because it is not due,
//! leaves with the first tick at or after its time. So the queues of all hosts wake together, and
//! probes move through the daemon in batches. UDP queues of slow hosts are served every few ticks
//! only, so that each sends a few packets at once, which the kernel takes in one call. A bucket
//! fills by the time that passed, so that ticks do not change a rate.

mod due_heap;
mod host_bucket;
mod host_buckets;
mod intervals;
mod outcome;
mod politeness;
mod probe_state;
mod probe_states;
mod saved;
mod tracker_health;
mod tracker_questions;
mod tracker_queue;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::time::Duration;

pub use politeness::PolitenessPolicy;

use crate::roster::{Changes, Roster};
use crate::saved::DecodeError;
use crate::{Health, HealthChange};
use host_bucket::Blocked;
use host_buckets::HostBuckets;
use outcome::{Outcome, ProbeEnd, is_cut_off};
use probe_state::{LastAnswer, ProbeState};
use probe_states::ProbeStates;
use saved::{SavedTrackerState, SavedTrackers};
use seedwatch_clock::{Mono, Now};
use seedwatch_torrent::{Family, Scheme};
use seedwatch_tracker::{
    AnnounceId, Job, Observation, ProbeError, ProbeStats, Report, ScrapeResponse, TrackerId,
};
use tracker_queue::{QueueId, TrackerQueue};

/// Most probes under way, whatever the rates allow. It bounds memory and sockets.
const MAX_IN_FLIGHT: usize = 131_072;

/// Milliseconds between two times at which waiting probes leave.
const TICK: u64 = 20;

/// Most ticks between two batches of a queue: a waiting probe may be 200 ms late.
const MAX_BATCH_TICKS: u64 = 10;

/// Packets that a UDP queue collects for a batch, if [`MAX_BATCH_TICKS`] allows.
const BATCH_PACKETS: f64 = 4.0;

/// When a queue is served again after it met [`MAX_IN_FLIGHT`].
const FULL_WAIT: Duration = Duration::from_millis(TICK);

/// The plan of all probes.
#[derive(Debug)]
pub struct Schedule {
    policy: PolitenessPolicy,
    /// By [`QueueId`].
    queues: Vec<TrackerQueue>,
    buckets: HostBuckets,
    /// When queues are served next. Entries that differ from [`TrackerQueue::wake`] are void.
    wakes: BinaryHeap<Reverse<(Mono, QueueId)>>,
    states: ProbeStates,
    in_flight: usize,
    /// Families that our own network does not carry now, by [`Family::index`].
    paused: [bool; 2],
    /// State from before a restart, of trackers that the roster does not have yet.
    restored: SavedTrackers,
}

impl Schedule {
    /// Returns an empty plan.
    pub fn new(policy: PolitenessPolicy) -> Self {
        Self {
            policy,
            queues: Vec::new(),
            buckets: HostBuckets::default(),
            wakes: BinaryHeap::new(),
            states: ProbeStates::default(),
            in_flight: 0,
            paused: [false; 2],
            restored: SavedTrackers::default(),
        }
    }

    /// Appends what must be known after a restart: which trackers were down, and the waits that
    /// trackers asked for.
    pub fn encode(&self, roster: &Roster, now: Now, out: &mut Vec<u8>) {
        let labels: Vec<Option<String>> = roster
            .trackers()
            .iter()
            .map(|url| Some(url.as_ref().filter(|url| !url.is_overlay())?.label()))
            .collect();
        let present = self.queues().filter_map(|(id, queue)| {
            let label = labels.get(id.tracker().0 as usize)?.as_deref()?;
            Some((label, id.family(), queue.to_saved(roster)))
        });
        let absent = self.restored.iter().flat_map(|(label, states)| {
            let is_open =
                |(_, saved): &(Family, &SavedTrackerState)| saved.has_open_waits(now.mono);
            let states = Family::ALL.into_iter().zip(states).filter(is_open);
            states.map(|(family, saved)| (&**label, family, saved.clone()))
        });
        saved::encode(present.chain(absent), now, out);
    }

    /// Restores what [`Schedule::encode`] wrote. It applies to trackers that are added later.
    ///
    /// # Errors
    /// If these bytes are something else; then nothing changed.
    pub fn restore(&mut self, bytes: &[u8], now: Now) -> Result<(), DecodeError> {
        self.restored = saved::decode(bytes, now)?;
        Ok(())
    }

    /// Returns the trackers whose operators ask not to be contacted.
    pub fn closed(&self) -> impl Iterator<Item = (TrackerId, Family)> {
        self.queues()
            .filter(|(_, queue)| queue.health() == Health::Closed)
            .map(|(id, _)| (id.tracker(), id.family()))
    }

    /// Applies new settings and the changes of the roster. New announces are due at once; the token
    /// bucket spreads them. All others keep their due times.
    pub fn update(
        &mut self,
        policy: PolitenessPolicy,
        roster: &Roster,
        changes: &Changes,
        now: Mono,
    ) {
        self.policy = policy;
        self.buckets.set_rate(self.policy.max_rate);
        for tracker in self.queues.len() / 2..roster.trackers().len() {
            self.add_queues(tracker, roster, now);
        }
        self.states.resize(roster.announce_ids());
        for id in &changes.removed_announces {
            self.states.remove(*id);
        }
        if !changes.removed_announces.is_empty() {
            for queue in &mut self.queues {
                queue.drop_removed(&self.states);
            }
        }
        for id in &changes.added_announces {
            let Some(announce) = roster.announce(*id) else {
                continue;
            };
            for family in Family::ALL {
                self.states[(*id, family)] = ProbeState::queued();
                let hash = roster.info_hash(announce);
                let queue = self.queue_mut(QueueId::of(announce.tracker, family));
                queue.add(*id, hash, now);
            }
        }
        self.collect_urls(roster);
        for id in 0..self.queues.len() {
            self.reschedule(QueueId(id as u32), now);
        }
    }

    /// Gives all queues the URLs of their swarms. A swarm may keep its id and get another URL.
    fn collect_urls(&mut self, roster: &Roster) {
        self.queues.iter_mut().for_each(TrackerQueue::clear_urls);
        let ids = (0..roster.announce_ids() as u32).map(AnnounceId);
        for announce in ids.filter_map(|id| roster.announce(id)) {
            let Some(url) = roster.url(announce) else {
                continue;
            };
            for family in Family::ALL {
                self.queue_mut(QueueId::of(announce.tracker, family))
                    .add_url(url);
            }
        }
    }

    /// Adds the queues of a tracker. An unused id gets empty queues, so that a tracker id always
    /// finds its queues.
    fn add_queues(&mut self, tracker: usize, roster: &Roster, now: Mono) {
        let url = roster.trackers()[tracker].as_deref();
        let host = url.map(|url| url.host().to_string()).unwrap_or_default();
        let bucket = self.buckets.of_host(&host, self.policy.max_rate);
        let saved = url.and_then(|url| self.restored.remove(&*url.label()));
        for (family, saved) in Family::ALL.into_iter().zip(saved.unwrap_or_default()) {
            let scheme = url.map_or(Scheme::Udp, |url| url.scheme());
            let is_loopback = url.is_some_and(|url| url.is_loopback());
            let mut queue = TrackerQueue::new(family, bucket, scheme, is_loopback);
            queue.restore(saved, now);
            self.queues.push(queue);
        }
    }

    /// Appends the probes that may leave now.
    pub fn poll(&mut self, roster: &Roster, now: Mono, jobs: &mut Vec<Job>) {
        while let Some(&Reverse((at, id))) = self.wakes.peek() {
            if at > now {
                break;
            }
            self.wakes.pop();
            if self.queue(id).wake != Some(at) {
                continue;
            }
            let next = self.serve(id, roster, now, jobs);
            self.set_wake(id, next, now);
        }
    }

    /// Returns when [`Schedule::poll`] next has something to do.
    pub fn next_wake(&self) -> Option<Mono> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    /// Reads what [`Schedule::finish`] reads of a swarm, so that it is in the CPU's cache. Returns
    /// a number that depends on it.
    pub fn prefetch(&self, roster: &Roster, id: AnnounceId, family: Family) -> u64 {
        let states = self.states.get(id);
        let is_configured = states.is_some_and(|states| states[family.index()].is_configured());
        let hash = roster.announce(id).and_then(|it| roster.info_hash(it));
        u64::from(is_configured) + hash.map_or(0, |hash| hash.0[19].into())
    }

    /// Records the end of a probe. Returns what it means for the tracker.
    pub fn finish(
        &mut self,
        roster: &Roster,
        observation: &Observation,
        now: Mono,
    ) -> HealthChange {
        let id = QueueId::of(observation.tracker, observation.family);
        let before = self.queue(id).observed_health();
        self.end_in_flight(id);
        self.charge_requests(id, &observation.stats);
        self.learn(id, observation, now);
        let is_confirmed = if self.states.are_probes_of(observation) {
            self.finish_probes(id, roster, observation, now)
        } else {
            let skipped = self.queue(id).announces_without_scrape(&self.policy);
            self.states.end_count_scrape(observation, Some(skipped));
            false
        };
        let health = self.queue(id).observed_health();
        self.reschedule(id, now);
        HealthChange {
            health,
            changed: health != before,
            is_confirmed,
        }
    }

    fn end_in_flight(&mut self, id: QueueId) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let queue = self.queue_mut(id);
        queue.in_flight = queue.in_flight.saturating_sub(1);
    }

    /// Charges the requests of a probe to the host's bucket.
    fn charge_requests(&mut self, id: QueueId, stats: &ProbeStats) {
        let queue = self.queue_mut(id);
        if let Some(address) = stats.remote
            && !queue.is_loopback()
            && queue.address != stats.remote
        {
            queue.address = stats.remote;
            self.share_bucket(id, address);
        }
        // The first request was charged when the probe left.
        let more = stats.requests.saturating_sub(1);
        let bucket = self.queue(id).bucket;
        self.buckets[bucket].charge(f64::from(more));
    }

    /// Gives a queue the bucket of its address.
    fn share_bucket(&mut self, id: QueueId, address: IpAddr) {
        if self.buckets.forget_addresses_if_full() {
            for queue in &mut self.queues {
                queue.address = None;
            }
        }
        let own = self.queue(id).bucket;
        let shared = self.buckets.of_address(address, own);
        self.buckets[own].leave(id);
        self.queue_mut(id).bucket = shared;
    }

    /// Learns from the answer of a tracker how it wants to be asked.
    fn learn(&mut self, id: QueueId, observation: &Observation, now: Mono) {
        let queue = &mut self.queues[id.index()];
        match &observation.report {
            Report::Announce {
                result: Ok(answer), ..
            } => queue.learn_announce(answer, now),
            Report::Scrape { ids, result } => {
                queue.learn_scrape(result, &observation.stats, now, &self.policy);
                self.compare_with_announces(id, ids, result, now);
            }
            _ => {}
        }
    }

    /// Records the end of the probes that an observation names. Returns whether the result of the
    /// last one is confirmed.
    fn finish_probes(
        &mut self,
        id: QueueId,
        roster: &Roster,
        observation: &Observation,
        now: Mono,
    ) -> bool {
        let report = &observation.report;
        let end = ProbeEnd::of(observation, now);
        let queue = &mut self.queues[id.index()];
        queue.record_outcome(end, &self.policy);
        let mut is_confirmed = false;
        for (index, announce) in report.ids().iter().enumerate() {
            let state = &mut self.states[(*announce, observation.family)];
            if !report.is_scrape() {
                state.set_last_answer(LastAnswer::of(report));
            }
            is_confirmed = state.record_outcome(end.outcome) || queue.health() != Health::Up;
            if !state.is_configured() {
                continue;
            }
            let is_announced = end.outcome == Outcome::Answered && !report.is_scrape();
            if is_announced && state.may_be_scraped() {
                queue.queue_scrape(*announce, roster, now, &self.policy);
            }
            let hash = roster.announce(*announce).and_then(|a| roster.info_hash(a));
            let due = match is_cut_off(report, index) {
                true => now.after(self.policy.confirm_after()),
                false => queue.next_due(end, is_confirmed, hash, &self.policy),
            };
            queue.push_after(&end, due, *announce);
        }
        is_confirmed
    }

    /// Compares a scrape with announces whose answers were empty lists.
    fn compare_with_announces(
        &mut self,
        queue: QueueId,
        ids: &[AnnounceId],
        result: &Result<Vec<Option<ScrapeResponse>>, ProbeError>,
        now: Mono,
    ) {
        let counts = result.iter().flatten();
        for (id, counts) in ids.iter().zip(counts) {
            if counts.is_some_and(|counts| counts.claims_peers()) {
                self.report_contradiction(queue.tracker(), queue.family(), *id, now);
            }
        }
    }

    /// Notes that another source names peers of a swarm that this tracker may have shown as
    /// empty. Its answers to `stopped` are then checked again, at most once per day.
    pub fn report_contradiction(
        &mut self,
        tracker: TrackerId,
        family: Family,
        id: AnnounceId,
        now: Mono,
    ) {
        let queue = &mut self.queues[QueueId::of(tracker, family).index()];
        let state = &mut self.states[(id, family)];
        if state.last_answer() == LastAnswer::Empty && queue.report_contradiction(now) {
            state.set_last_answer(LastAnswer::Contradicted);
        }
    }

    /// Discards a probe whose result says nothing about the tracker: our own outage or a lack of
    /// our own resources explains it. The probe is repeated soon.
    pub fn discard(&mut self, observation: &Observation, now: Mono) {
        let id = QueueId::of(observation.tracker, observation.family);
        self.end_in_flight(id);
        if self.states.are_probes_of(observation) {
            let again = now.after(self.policy.confirm_after());
            let queue = &mut self.queues[id.index()];
            queue.delay_until(again);
            for announce in observation.report.ids() {
                let state = &mut self.states[(*announce, observation.family)];
                state.release();
                if state.is_configured() {
                    queue.push(again, *announce);
                }
            }
        } else {
            self.states.end_count_scrape(observation, None);
        }
        self.reschedule(id, now);
    }

    /// Pauses or resumes a family, as our own network carries it or not.
    pub fn pause(&mut self, family: Family, paused: bool, now: Mono) {
        self.paused[family.index()] = paused;
        if !paused {
            let ids = (0..self.queues.len() as u32).map(QueueId);
            for id in ids.filter(|id| id.family() == family) {
                self.reschedule(id, now);
            }
        }
    }

    /// Returns whether an observation of this announce is still to come.
    pub fn is_busy(&self, id: AnnounceId) -> bool {
        self.states.is_busy(id)
    }

    /// Returns the number of probes past due, and how late the first of them is. Probes that a
    /// tracker's back-off or rate limit delays do not count: the rest shows that we are overloaded
    /// or that the rate is too low for the number of torrents.
    pub fn overdue(&self, now: Mono) -> (u64, Duration) {
        let served = self
            .queues()
            .filter(|(id, queue)| !self.paused[id.family().index()] && queue.is_unrestricted(now));
        // A probe that waits for its tick is not late.
        let tick = |queue| Duration::from_millis(self.batch_interval(queue));
        served
            .map(|(_, queue)| queue.overdue(now.before(tick(queue))))
            .fold((0, Duration::ZERO), |(sum, lag), (count, late)| {
                (sum + count, lag.max(late))
            })
    }

    /// Returns the number of probes under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Sends all requests that may leave a queue. Returns when the next may.
    fn serve(
        &mut self,
        id: QueueId,
        roster: &Roster,
        now: Mono,
        jobs: &mut Vec<Job>,
    ) -> Option<Mono> {
        loop {
            let ready = self.ready_at(id, now);
            if ready.is_none_or(|ready| ready > now) {
                let bucket = self.queue(id).bucket;
                self.buckets[bucket].leave(id);
                return ready;
            }
            if self.in_flight >= MAX_IN_FLIGHT {
                return Some(now.after(FULL_WAIT));
            }
            match self.send_next(id, roster, now, jobs) {
                Ok(()) => {}
                Err(Blocked::UntilTokens(at)) => return Some(at),
                Err(Blocked::BehindQueue(first)) => self.serve_first(first, roster, now, jobs),
            }
        }
    }

    /// Returns when a request may leave a queue, unless its family is paused.
    fn ready_at(&self, id: QueueId, now: Mono) -> Option<Mono> {
        let queue = self.queue(id);
        // Loopback works without a network.
        let is_paused = self.paused[id.family().index()] && !queue.is_loopback();
        queue.ready_at(now).filter(|_| !is_paused)
    }

    /// Sends one request of the queue that is first on its host's waiting list. If it has more, it
    /// goes to the end of the list, so that the queues of one host are served in turn.
    fn serve_first(&mut self, id: QueueId, roster: &Roster, now: Mono, jobs: &mut Vec<Job>) {
        let is_ready = |schedule: &Self| schedule.ready_at(id, now).is_some_and(|at| at <= now);
        let sent = is_ready(self) && self.send_next(id, roster, now, jobs).is_ok();
        let has_more = sent && is_ready(self);
        let bucket = self.queue(id).bucket;
        match has_more {
            true => self.buckets[bucket].enqueue(id),
            false => self.buckets[bucket].leave(id),
        }
    }

    /// Sends the next request of a queue if its host's bucket has a token.
    fn send_next(
        &mut self,
        id: QueueId,
        roster: &Roster,
        now: Mono,
        jobs: &mut Vec<Job>,
    ) -> Result<(), Blocked> {
        let queue = &mut self.queues[id.index()];
        let bucket = &mut self.buckets[queue.bucket];
        bucket.take(id, 1.0, now)?;
        let Some((url, request)) = queue.next_request(roster, &mut self.states, now, &self.policy)
        else {
            bucket.charge(-1.0);
            return Ok(());
        };
        queue.in_flight += 1;
        self.in_flight += 1;
        jobs.push(Job {
            tracker: id.tracker(),
            family: id.family(),
            url,
            timeout: self.policy.timeout,
            request,
        });
        Ok(())
    }

    /// Sends one probe of a paused family: perhaps only the canaries are silent.
    pub fn send_trial(&mut self, family: Family, roster: &Roster, now: Mono, jobs: &mut Vec<Job>) {
        let is_ready = |(id, queue): &(QueueId, &TrackerQueue)| {
            let is_due = queue.ready_at(now).is_some_and(|at| at <= now);
            id.family() == family && is_due && !queue.is_loopback()
        };
        let ready: Vec<_> = self.queues().filter(is_ready).map(|(id, _)| id).collect();
        // Another one each time: a single tracker may be down for reasons of its own.
        if let Some(id) = ready.get(now.0 as usize % ready.len().max(1)) {
            // Without a token, the trial is left to the next check of the canaries.
            let _ = self.send_next(*id, roster, now, jobs);
        }
    }

    fn queues(&self) -> impl Iterator<Item = (QueueId, &TrackerQueue)> {
        (0..).map(QueueId).zip(&self.queues)
    }

    fn queue(&self, id: QueueId) -> &TrackerQueue {
        &self.queues[id.index()]
    }

    fn queue_mut(&mut self, id: QueueId) -> &mut TrackerQueue {
        &mut self.queues[id.index()]
    }

    /// Sets when a queue is served next, after a change of its state.
    fn reschedule(&mut self, id: QueueId, now: Mono) {
        let queue = &self.queues[id.index()];
        let bucket = &mut self.buckets[queue.bucket];
        let at = queue.ready_at(now);
        let wake = queue.wake.filter(|wake| *wake > now);
        match at {
            Some(at) if at <= now && wake.is_some() => {
                // The queue waits already, for tokens or for its batch.
                if bucket.is_waiting(id) || wake == Some(self.tick_from(id, at)) {
                    return;
                }
            }
            Some(at) if at <= now => {}
            // A queue that cannot send must leave the waiting list, or it blocks the others.
            _ => bucket.leave(id),
        }
        self.set_wake(id, at, now);
    }

    fn set_wake(&mut self, id: QueueId, at: Option<Mono>, now: Mono) {
        let at = at.map(|at| if at > now { self.tick_from(id, at) } else { at });
        let queue = self.queue_mut(id);
        if queue.wake != at {
            queue.wake = at;
            if let Some(at) = at {
                self.wakes.push(Reverse((at, id)));
            }
        }
    }

    /// Returns the milliseconds between two batches of a queue.
    fn batch_interval(&self, queue: &TrackerQueue) -> u64 {
        match queue.is_udp() {
            true => TICK * self.buckets[queue.bucket].batch_ticks(),
            false => TICK,
        }
    }

    /// Returns the first tick at or after a time with which a batch of the queue leaves. Queues of
    /// one host have the same ticks; different hosts are spread over the ticks.
    fn tick_from(&self, id: QueueId, at: Mono) -> Mono {
        let queue = self.queue(id);
        let interval = self.batch_interval(queue);
        let first = queue.bucket.number() * TICK % interval;
        let next =
            at.0.saturating_sub(first)
                .checked_next_multiple_of(interval);
        Mono(next.map_or(at.0, |next| next.saturating_add(first)))
    }
}

#[cfg(test)]
mod tests;
