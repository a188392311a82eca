//! One tracker over one family: its swarms in order of due time, and what it has shown of itself.

mod count_scrapes;
mod stopped;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::PolitenessPolicy;
use super::due_heap::DueHeap;
use super::host_buckets::BucketId;
use super::intervals::Intervals;
use super::outcome::{Outcome, ProbeEnd};
use super::politeness::MAX_RETRY;
use super::probe_states::ProbeStates;
use super::saved::SavedTrackerState;
use super::tracker_health::TrackerHealth;
use crate::Health;
use crate::roster::Roster;
use count_scrapes::{CountScrapes, NO_SCRAPE_FOR};
use seedwatch_clock::Mono;
use seedwatch_torrent::{Family, InfoHash, Scheme, TrackerUrl};
use seedwatch_tracker::{
    AnnounceId, AnnounceResponse, AnnounceStrategy, ProbeError, ProbeStats, Request, Retry,
    ScrapeResponse, TrackerId,
};
use stopped::Stopped;
pub(super) use stopped::{RECHECK_KNOWN_AFTER, StoppedBehavior};

/// Probes under way at a UDP tracker that is up. In practice the token bucket is the limit.
const UDP_WINDOW: u32 = 65_536;

/// Probes under way at an HTTP tracker that is up.
const HTTP_WINDOW: u32 = 4;

/// Delay of an announce whose swarm is being announced over the other family.
const OTHER_FAMILY_WAIT: Duration = Duration::from_millis(250);

/// Index of a queue. Each tracker has two, one per family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct QueueId(pub(super) u32);

impl QueueId {
    pub(super) fn of(tracker: TrackerId, family: Family) -> Self {
        Self(tracker.0 * 2 + family.index() as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn tracker(self) -> TrackerId {
        TrackerId(self.0 / 2)
    }

    pub(super) fn family(self) -> Family {
        Family::ALL[self.index() % 2]
    }
}

/// One tracker over one family.
#[derive(Debug)]
pub(super) struct TrackerQueue {
    family: Family,
    scheme: Scheme,
    urls: Urls,
    /// The token bucket of its host.
    pub(super) bucket: BucketId,
    /// The address that the latest observation came from.
    pub(super) address: Option<IpAddr>,
    /// Swarms that wait, in order of due time.
    due: DueHeap,
    /// When this queue is next served. Other entries of the wake heap are void.
    pub(super) wake: Option<Mono>,
    pub(super) in_flight: u32,
    health: TrackerHealth,
    intervals: Intervals,
    stopped: Stopped,
    scrapes: CountScrapes,
    /// Swarms that the tracker asked not to be probed about before a time.
    not_before: HashMap<AnnounceId, Mono>,
    /// The same from before a restart, of swarms that the roster does not have yet.
    restored: HashMap<InfoHash, Mono>,
}

/// The announce URLs of a queue's swarms. Most queues have one, which spares a look at the torrent
/// of each swarm.
#[derive(Debug, Default)]
enum Urls {
    #[default]
    None,
    One(Arc<TrackerUrl>),
    Many,
}

impl TrackerQueue {
    /// Returns a queue without swarms.
    pub(super) fn new(family: Family, bucket: BucketId, scheme: Scheme, is_loopback: bool) -> Self {
        Self {
            family,
            scheme,
            urls: Urls::default(),
            bucket,
            address: None,
            due: DueHeap::default(),
            wake: None,
            in_flight: 0,
            health: TrackerHealth::default(),
            intervals: Intervals {
                is_loopback,
                ..Intervals::default()
            },
            stopped: Stopped::default(),
            scrapes: CountScrapes::default(),
            not_before: HashMap::new(),
            restored: HashMap::new(),
        }
    }

    /// Returns the tracker's health, restored or observed.
    pub(super) fn health(&self) -> Health {
        self.health.state()
    }

    /// Returns the tracker's health as this process has observed it.
    pub(super) fn observed_health(&self) -> Health {
        self.health.observed()
    }

    /// Returns whether the tracker has ever answered this process.
    pub(super) fn has_answered(&self) -> bool {
        self.health.has_answered()
    }

    /// Returns whether the tracker is contacted over UDP.
    pub(super) fn is_udp(&self) -> bool {
        self.scheme == Scheme::Udp
    }

    /// Returns whether the tracker runs on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.intervals.is_loopback
    }

    /// Forgets the URLs of its swarms, before all of them are added again.
    pub(super) fn clear_urls(&mut self) {
        self.urls = Urls::None;
    }

    /// Adds the URL of one of its swarms.
    pub(super) fn add_url(&mut self, url: &Arc<TrackerUrl>) {
        match &self.urls {
            Urls::None => self.urls = Urls::One(Arc::clone(url)),
            Urls::One(known) if known == url => {}
            Urls::One(_) | Urls::Many => self.urls = Urls::Many,
        }
    }

    /// Adds a new swarm. It is due at once, unless the tracker said otherwise before a restart.
    pub(super) fn add(&mut self, id: AnnounceId, hash: Option<InfoHash>, now: Mono) {
        match hash.and_then(|hash| self.restored.remove(&hash)) {
            Some(until) if until > now => self.push_not_before(until, id),
            _ => self.push(now, id),
        }
    }

    /// Adds a swarm that must not be probed before `due`, whatever else the queue waits for.
    fn push_not_before(&mut self, due: Mono, id: AnnounceId) {
        self.not_before.insert(id, due);
        self.push(due, id);
    }

    /// Adds a swarm that is due then.
    pub(super) fn push(&mut self, due: Mono, id: AnnounceId) {
        self.due.push(due, id);
    }

    /// Adds a swarm again whose probe ended.
    pub(super) fn push_after(&mut self, end: &ProbeEnd, due: Mono, id: AnnounceId) {
        match end.sets_not_before() {
            true => self.push_not_before(due, id),
            false => self.push(due, id),
        }
    }

    /// Drops swarms that the configuration no longer names.
    pub(super) fn drop_removed(&mut self, states: &ProbeStates) {
        let family = self.family;
        let is_configured = |id: AnnounceId| states[(id, family)].is_configured();
        self.due.retain(is_configured);
        self.not_before.retain(|id, _| is_configured(*id));
        self.scrapes.retain(is_configured);
    }

    /// Returns when a request may leave, as far as the queue itself decides; `None` if none waits.
    pub(super) fn ready_at(&self, now: Mono) -> Option<Mono> {
        if self.in_flight >= self.window() {
            return None;
        }
        let announce = self.due.first().map(|(due, id)| {
            // A tracker that is not up is probed when its back-off ends, with the first swarm of
            // the queue, due or not. It may have asked to wait for that swarm.
            if self.health.is_up() || self.not_before.contains_key(&id) {
                due
            } else {
                due.min(self.health.blocked_until().max(now))
            }
        });
        let first = announce.into_iter().chain(self.scrapes.next_at()).min()?;
        Some(first.max(self.health.blocked_until()))
    }

    /// Lets no request leave before `again`, unless the tracker is up.
    pub(super) fn delay_until(&mut self, again: Mono) {
        self.health.delay_until(again);
    }

    /// Most probes under way.
    fn window(&self) -> u32 {
        match self.scheme {
            _ if !self.health.is_up() => 1,
            Scheme::Udp => UDP_WINDOW,
            _ => HTTP_WINDOW,
        }
    }

    /// Takes the next request out of the queue; `None` if the first swarm cannot be probed now.
    pub(super) fn next_request(
        &mut self,
        roster: &Roster,
        states: &mut ProbeStates,
        now: Mono,
        policy: &PolitenessPolicy,
    ) -> Option<(Arc<TrackerUrl>, Request)> {
        if self.scrapes.next_at().is_some_and(|at| at <= now) {
            let wait = policy.scrape_wait();
            let batch = self.scrapes.next_batch(states, self.family, wait, now);
            return scrape_of(batch, roster);
        }
        let id = self.pop()?;
        let announce = roster.announce(id)?;
        let info_hash = roster.info_hash(announce)?;
        let url = match &self.urls {
            Urls::One(url) => Arc::clone(url),
            _ => Arc::clone(roster.url(announce)?),
        };
        match policy.scrape_only {
            true => self.next_scrape(id, &url, roster, states, now),
            false => Some((url, self.next_announce(id, info_hash, states, now, policy)?)),
        }
    }

    /// Makes a scrape of this swarm and of those due that have the same URL.
    fn next_scrape(
        &mut self,
        id: AnnounceId,
        url: &Arc<TrackerUrl>,
        roster: &Roster,
        states: &mut ProbeStates,
        now: Mono,
    ) -> Option<(Arc<TrackerUrl>, Request)> {
        states[(id, self.family)].begin(true);
        let mut batch = vec![id];
        while let Some(id) = self.next_in_batch(batch.len(), url, roster, now) {
            states[(id, self.family)].begin(true);
            batch.push(id);
        }
        scrape_of(batch, roster)
    }

    /// Makes an announce for this swarm; `None` if it must wait for the other family.
    fn next_announce(
        &mut self,
        id: AnnounceId,
        info_hash: InfoHash,
        states: &mut ProbeStates,
        now: Mono,
        policy: &PolitenessPolicy,
    ) -> Option<Request> {
        let [state, other] = match (self.family, &mut states[id]) {
            (Family::Ipv4, [ipv4, ipv6]) => [ipv4, ipv6],
            (Family::Ipv6, [ipv4, ipv6]) => [ipv6, ipv4],
        };
        let strategy = match policy.strategy {
            AnnounceStrategy::StartThenStop => AnnounceStrategy::StartThenStop,
            _ => self.stopped.strategy(state.last_answer(), now),
        };
        // While we are in a swarm over one family, its counts over the other include us.
        if strategy == AnnounceStrategy::StartThenStop && other.is_probed() {
            let again = now.after(OTHER_FAMILY_WAIT);
            self.push(again, id);
            self.health.delay_until(again);
            return None;
        }
        state.begin(false);
        Some(Request::Announce {
            id,
            info_hash,
            strategy,
        })
    }

    /// Takes out the first swarm if it is due and fits into a scrape with `length` swarms.
    fn next_in_batch(
        &mut self,
        length: usize,
        url: &Arc<TrackerUrl>,
        roster: &Roster,
        now: Mono,
    ) -> Option<AnnounceId> {
        // Some trackers answer one hash only, so one that is not up is asked for one.
        let limit = match self.health.is_up() {
            true => self.scrapes.max_batch(),
            false => 1,
        };
        let (due, id) = self.due.first()?;
        let other = roster
            .announce(id)
            .and_then(|announce| roster.url(announce));
        let fits = length < limit && due <= now && other == Some(url);
        fits.then(|| self.pop()).flatten()
    }

    fn pop(&mut self) -> Option<AnnounceId> {
        let id = self.due.pop()?;
        if !self.not_before.is_empty() {
            self.not_before.remove(&id);
        }
        Some(id)
    }

    /// Adds a swarm to the next count scrape. Its announce must have ended: while we are in the
    /// swarm, the tracker counts us.
    pub(super) fn queue_scrape(
        &mut self,
        id: AnnounceId,
        roster: &Roster,
        now: Mono,
        policy: &PolitenessPolicy,
    ) {
        if !self.health.is_up() || now < self.scrapes.not_before {
            return;
        }
        let url = |id: AnnounceId| roster.url(roster.announce(id)?);
        // A scrape goes to one URL; a swarm with another passkey waits for a later batch.
        let is_other = |first: AnnounceId| url(first) != url(id);
        if !matches!(self.urls, Urls::One(_)) && self.scrapes.first().is_some_and(is_other) {
            return;
        }
        self.scrapes.add(id, policy.scrape_wait(), now);
    }

    /// Learns from an answer to an announce.
    pub(super) fn learn_announce(&mut self, answer: &AnnounceResponse, now: Mono) {
        self.intervals.announce = answer.interval.or(self.intervals.announce);
        self.stopped.learn(answer.stopped_list, now);
    }

    /// Learns from the answer to a scrape.
    pub(super) fn learn_scrape(
        &mut self,
        result: &Result<Vec<Option<ScrapeResponse>>, ProbeError>,
        stats: &ProbeStats,
        now: Mono,
        policy: &PolitenessPolicy,
    ) {
        self.intervals.scrape = stats.scrape_interval().or(self.intervals.scrape);
        let period = self.intervals.period(policy);
        self.scrapes.learn(result, self.scheme, period, now);
    }

    /// Notes that another source names peers of a swarm that this tracker showed as empty.
    /// Returns whether the swarm's next announce checks that.
    pub(super) fn report_contradiction(&mut self, now: Mono) -> bool {
        self.stopped.report_contradiction(now)
    }

    /// Returns how many announces after a count scrape must not be followed by another one.
    pub(super) fn announces_without_scrape(&self, policy: &PolitenessPolicy) -> u8 {
        self.intervals.announces_without_scrape(policy)
    }

    /// Records what the end of a probe says about the tracker.
    pub(super) fn record_outcome(&mut self, end: ProbeEnd, policy: &PolitenessPolicy) {
        let was_down = self.health() == Health::Down;
        self.health.record_outcome(end, &self.intervals, policy);
        if self.health() == Health::Down && !was_down {
            self.scrapes.clear();
        }
    }

    /// Returns when a swarm is due again after the end of its probe.
    pub(super) fn next_due(
        &self,
        end: ProbeEnd,
        is_confirmed: bool,
        hash: Option<InfoHash>,
        policy: &PolitenessPolicy,
    ) -> Mono {
        let period = self.intervals.period_after(end.request, policy);
        let wait = match (end.outcome, end.request.retry) {
            (Outcome::Refused, Some(Retry::After(wait))) => {
                PolitenessPolicy::retry_after(period, wait)
            }
            // BEP 31 allows "never". The longest wait covers a tracker that says it by mistake.
            (_, Some(Retry::Never)) => MAX_RETRY,
            (Outcome::NoScrape, _) => NO_SCRAPE_FOR,
            (Outcome::ProbeError, _) if !is_confirmed => {
                return end.at.after(policy.confirm_after());
            }
            // The queue itself is blocked; this swarm is the first when it opens.
            (Outcome::RateLimited | Outcome::NoAddress | Outcome::Closed, _) => return end.at,
            _ => period,
        };
        end.at.after(PolitenessPolicy::jittered(wait, hash))
    }

    /// Returns whether only our own load or rate delays its swarms.
    pub(super) fn is_unrestricted(&self, now: Mono) -> bool {
        matches!(self.health(), Health::Up | Health::Unknown) && self.health.blocked_until() <= now
    }

    /// Returns the number of swarms past due, and how late the first of them is.
    pub(super) fn overdue(&self, now: Mono) -> (u64, Duration) {
        let Some((first, _)) = self.due.first().filter(|(due, _)| *due < now) else {
            return (0, Duration::ZERO);
        };
        let late = self.due.times().filter(|due| *due < now).count();
        (late as u64, now.since(first))
    }

    /// Restores what was known before a restart.
    pub(super) fn restore(&mut self, saved: SavedTrackerState, now: Mono) {
        self.health.restore(&saved, now);
        self.intervals.announce = saved.interval;
        self.stopped.behavior = saved.behavior;
        self.stopped.check_at = saved.check_at;
        self.scrapes.not_before = saved.no_scrape_before;
        self.scrapes.limit = saved.scrape_limit.into();
        self.restored = saved.not_before;
    }

    /// Returns what must be known after a restart.
    pub(super) fn to_saved(&self, roster: &Roster) -> SavedTrackerState {
        let hash = |id: &AnnounceId| roster.info_hash(roster.announce(*id)?);
        let not_before = self.not_before.iter();
        let not_before = not_before.filter_map(|(id, until)| Some((hash(id)?, *until)));
        let restored = self.restored.iter().map(|(hash, until)| (*hash, *until));
        let mut saved = SavedTrackerState {
            interval: self.intervals.announce,
            behavior: self.stopped.behavior,
            check_at: self.stopped.check_at,
            no_scrape_before: self.scrapes.not_before,
            scrape_limit: u8::try_from(self.scrapes.limit).unwrap_or(u8::MAX),
            not_before: restored.chain(not_before).collect(),
            ..SavedTrackerState::default()
        };
        let is_supported = !matches!(self.scheme, Scheme::Ws | Scheme::Wss);
        self.health.save(is_supported, &mut saved);
        saved
    }
}

/// Returns one scrape of swarms that share a URL, and that URL.
fn scrape_of(batch: Vec<AnnounceId>, roster: &Roster) -> Option<(Arc<TrackerUrl>, Request)> {
    let url = batch
        .iter()
        .find_map(|id| roster.url(roster.announce(*id)?).map(Arc::clone))?;
    let targets: Vec<_> = batch
        .into_iter()
        .filter_map(|id| Some((id, roster.info_hash(roster.announce(id)?)?)))
        .collect();
    Some((url, Request::Scrape { targets }))
}
