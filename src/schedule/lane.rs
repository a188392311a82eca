//! One (tracker, family): a queue of swarms, a health and a back-off.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use super::Pace;
use super::slot::Slot;
use crate::observation::{
    AnnounceId, Ask, Failed, Failure, Family, Health, Manner, Report, Retry, Scraped, TrackerId,
};
use crate::roster::Roster;
use crate::time::Mono;
use crate::torrent::{InfoHash, Scheme, TrackerUrl};

/// Probes under way at a UDP tracker that answers; the bucket is what limits in practice.
const UDP_WINDOW: u32 = 65_536;

/// Probes under way at an HTTP tracker that answers.
const HTTP_WINDOW: u32 = 4;

/// The first scrape waits this long for company, so that all counts show soon after the start.
const FIRST_SCRAPE_WAIT: Duration = Duration::from_secs(5);

/// A tracker that does not answer scrapes is not asked again for this long.
const NO_SCRAPE_FOR: Duration = Duration::from_secs(24 * 3600);

/// Place of a lane: two a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(pub(super) u32);

impl LaneId {
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

/// What a probe says of the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A valid answer.
    Answered,
    /// Up, and says no to this torrent.
    Refused,
    /// Up, and says no to this rate.
    Limited,
    /// No valid answer.
    Failed,
    /// Must not or cannot be asked.
    Closed,
    /// No address in this family.
    Absent,
}

impl Outcome {
    pub(super) fn of(report: &Report) -> Self {
        match report.failed().map(|failed| failed.reason) {
            None if matches!(report, Report::NoAddress { .. }) => Outcome::Absent,
            None => Outcome::Answered,
            Some(Failure::Rejected) => Outcome::Refused,
            Some(Failure::RateLimited) => Outcome::Limited,
            Some(reason) if reason.is_abstention() => Outcome::Closed,
            Some(_) => Outcome::Failed,
        }
    }
}

/// One (tracker, family).
#[derive(Debug)]
pub(super) struct Lane {
    family: Family,
    /// The host's bucket.
    pub(super) bucket: usize,
    scheme: Scheme,
    loopback: bool,
    queue: BinaryHeap<Reverse<(Mono, AnnounceId)>>,
    /// When this lane is next looked at; the one entry of the wake heap that is valid.
    pub(super) wake: Option<Mono>,
    pub(super) in_flight: u32,
    health: Health,
    /// Failures in a row, over fresh packets.
    failures: u32,
    /// When it went down: what was under way then tells nothing new.
    down_since: Mono,
    /// Nothing leaves before.
    hold_until: Mono,
    /// The interval the tracker asks for.
    interval: Option<Duration>,
    manner: Manner,
    scrape: Scrape,
}

/// Swarms whose counts are to be fetched, gathered into batches.
#[derive(Debug, Default)]
struct Scrape {
    pending: Vec<AnnounceId>,
    /// When they leave, full batch or not.
    at: Mono,
    /// One has left.
    begun: bool,
    /// The tracker does not answer scrapes: gather nothing before.
    not_before: Mono,
    /// It answers one hash a scrape.
    single: bool,
}

impl Lane {
    pub(super) fn new(family: Family, bucket: usize, scheme: Scheme, loopback: bool) -> Self {
        Self {
            family,
            bucket,
            scheme,
            loopback,
            queue: BinaryHeap::new(),
            wake: None,
            in_flight: 0,
            health: Health::Unknown,
            failures: 0,
            down_since: Mono::default(),
            hold_until: Mono::default(),
            interval: None,
            manner: Manner::default(),
            scrape: Scrape::default(),
        }
    }

    pub(super) fn health(&self) -> Health {
        self.health
    }

    pub(super) fn push(&mut self, due: Mono, id: AnnounceId) {
        self.queue.push(Reverse((due, id)));
    }

    /// Drops what is gone from the configuration.
    pub(super) fn forget_removed(&mut self, slots: &[[Slot; 2]]) {
        let family = self.family.index();
        self.queue
            .retain(|Reverse((_, id))| slots[id.0 as usize][family].is_live());
        self.scrape
            .pending
            .retain(|id| slots[id.0 as usize][family].is_live());
    }

    /// When something may leave, as far as the lane itself can tell.
    pub(super) fn ready_at(&self, now: Mono) -> Option<Mono> {
        if self.in_flight >= self.window() {
            return None;
        }
        let scrape = (!self.scrape.pending.is_empty()).then(|| {
            let full = self.scrape.pending.len() >= Ask::MAX_SCRAPE;
            if full { now } else { self.scrape.at }
        });
        let announce = self.queue.peek().map(|Reverse((due, _))| {
            // A troubled tracker is asked when its back-off is over, by whatever swarm is next.
            if self.is_proven() {
                *due
            } else {
                (*due).min(self.hold_until.max(now))
            }
        });
        let first = announce.into_iter().chain(scrape).min()?;
        Some(first.max(self.hold_until))
    }

    /// The tracker answered lately; any other gets one probe at a time.
    fn is_proven(&self) -> bool {
        self.health == Health::Up
    }

    fn window(&self) -> u32 {
        match self.scheme {
            _ if !self.is_proven() => 1,
            Scheme::Udp => UDP_WINDOW,
            _ => HTTP_WINDOW,
        }
    }

    /// Requests that the next probe is expected to take.
    pub(super) fn cost(&self, pace: &Pace) -> f64 {
        if !pace.scrape_only && self.manner(pace) == Manner::Brief {
            2.0
        } else {
            1.0
        }
    }

    fn manner(&self, pace: &Pace) -> Manner {
        if self.manner == Manner::Brief {
            Manner::Brief
        } else {
            pace.manner
        }
    }

    /// Takes the next question out of the lane.
    pub(super) fn next_ask(
        &mut self,
        roster: &Roster,
        slots: &mut [[Slot; 2]],
        now: Mono,
        pace: &Pace,
    ) -> Option<(Arc<TrackerUrl>, Ask)> {
        if self.is_scrape_due(now) {
            self.scrape.begun = true;
            let batch = std::mem::take(&mut self.scrape.pending);
            return scrape_of(batch, roster);
        }
        let family = self.family.index();
        let Reverse((_, id)) = self.queue.pop()?;
        let announce = roster.announce(id)?;
        let info_hash = roster.info_hash(announce)?;
        slots[id.0 as usize][family].take();
        let url = Arc::clone(roster.url(announce)?);
        if pace.scrape_only {
            let mut batch = vec![id];
            while batch.len() < self.scrape_batch() {
                let next = self.queue.peek().map(|Reverse(next)| *next);
                let Some((_, id)) = next.filter(|(due, _)| *due <= now) else {
                    break;
                };
                let same = roster
                    .announce(id)
                    .and_then(|a| roster.url(a))
                    .is_some_and(|other| Arc::ptr_eq(other, &url));
                if !same {
                    break;
                }
                self.queue.pop();
                slots[id.0 as usize][family].take();
                batch.push(id);
            }
            return scrape_of(batch, roster);
        }
        Some((
            url,
            Ask::Announce {
                id,
                info_hash,
                manner: self.manner(pace),
            },
        ))
    }

    fn scrape_batch(&self) -> usize {
        if self.is_proven() && !self.scrape.single {
            Ask::MAX_SCRAPE
        } else {
            1
        }
    }

    fn is_scrape_due(&self, now: Mono) -> bool {
        let pending = self.scrape.pending.len();
        pending >= Ask::MAX_SCRAPE || (pending > 0 && self.scrape.at <= now)
    }

    /// Notes that the counts of a swarm are to be fetched. Not before its announce is over: while
    /// we are in the swarm, the tracker counts us.
    pub(super) fn gather_scrape(
        &mut self,
        id: AnnounceId,
        roster: &Roster,
        now: Mono,
        pace: &Pace,
    ) {
        if !self.is_proven() || now < self.scrape.not_before {
            return;
        }
        let url = |id: &AnnounceId| roster.url(roster.announce(*id)?);
        match self.scrape.pending.first() {
            None => {
                let wait = if self.scrape.begun {
                    pace.scrape_wait()
                } else {
                    FIRST_SCRAPE_WAIT
                };
                self.scrape.at = now.after(wait.min(pace.scrape_wait()));
            }
            // One request goes to one URL; another passkey waits for its own batch.
            Some(first) if url(first) != url(&id) => return,
            Some(_) => {}
        }
        self.scrape.pending.push(id);
    }

    /// Remembers what an answer tells about the tracker.
    pub(super) fn learn(&mut self, interval: Option<Duration>, manner: Manner) {
        self.interval = interval.or(self.interval);
        if manner == Manner::Brief {
            self.manner = manner;
        }
    }

    /// Books the result of a scrape that went beside announces.
    pub(super) fn settle_scrape(
        &mut self,
        result: &Result<Vec<Option<Scraped>>, Failed>,
        now: Mono,
    ) {
        // Some trackers answer one hash a scrape: beside announces that is not worth their while.
        let asked = result.as_ref().map_or(0, Vec::len);
        let answered = result.iter().flatten().flatten().count();
        self.scrape.single |= asked > 1 && answered == 1;
        if result.is_err() || (asked > 1 && answered <= 1) {
            self.scrape.not_before = now.after(NO_SCRAPE_FOR);
            self.scrape.pending.clear();
        }
    }

    /// Books what a probe says of the tracker.
    pub(super) fn settle(
        &mut self,
        outcome: Outcome,
        retry: Option<Retry>,
        started: Mono,
        now: Mono,
        pace: &Pace,
    ) {
        match outcome {
            Outcome::Answered | Outcome::Refused => {
                // A rate limit stands, though answers to earlier questions still come in.
                if !self.is_proven() {
                    self.hold_until = now;
                }
                self.health = Health::Up;
                self.failures = 0;
            }
            Outcome::Limited => {
                self.health = Health::Up;
                self.failures = 0;
                let asked = if let Some(Retry::After(asked)) = retry {
                    asked
                } else {
                    Duration::ZERO
                };
                self.hold_until = now.after(pace.retry_after(asked, self.loopback));
            }
            Outcome::Failed if self.health == Health::Down && started < self.down_since => {}
            Outcome::Failed => {
                self.failures += 1;
                if self.failures >= 2 {
                    if self.health != Health::Down {
                        self.down_since = now;
                        self.scrape.pending.clear();
                    }
                    self.health = Health::Down;
                    self.hold_until = now.after(pace.back_off(self.failures, self.loopback));
                } else if !self.is_proven() {
                    self.hold_until = now.after(pace.confirm_after());
                }
            }
            Outcome::Closed => {
                self.health = Health::Closed;
                self.hold_until = now.after(Pace::closed_for());
            }
            Outcome::Absent => {
                self.health = Health::Absent;
                self.hold_until = now.after(pace.absent_for());
            }
        }
    }

    /// When a swarm is due again.
    pub(super) fn next_due(
        &self,
        outcome: Outcome,
        stands: bool,
        retry: Option<Retry>,
        hash: Option<InfoHash>,
        now: Mono,
        pace: &Pace,
    ) -> Mono {
        let period = pace.period(self.interval, self.loopback);
        let wait = match (outcome, retry) {
            (Outcome::Refused, Some(Retry::After(asked))) => pace.retry_after(asked, self.loopback),
            (_, Some(Retry::Never)) => Pace::never(),
            (Outcome::Failed, _) if !stands => return now.after(pace.confirm_after()),
            // The lane holds it back; it goes first when the lane opens.
            (Outcome::Limited | Outcome::Absent | Outcome::Closed, _) => return now,
            _ => period,
        };
        now.after(Pace::jittered(wait, hash))
    }

    /// The tracker runs on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Nothing but our own load or rate holds its swarms back.
    pub(super) fn is_free(&self, now: Mono) -> bool {
        matches!(self.health, Health::Up | Health::Unknown) && self.hold_until <= now
    }

    /// How many swarms are past due, and how late the first of them is.
    pub(super) fn overdue(&self, now: Mono) -> (u64, Duration) {
        let Some(Reverse((first, _))) = self.queue.peek().filter(|Reverse((due, _))| *due < now)
        else {
            return (0, Duration::ZERO);
        };
        let late = self
            .queue
            .iter()
            .filter(|Reverse((due, _))| *due < now)
            .count();
        (late as u64, now.since(*first))
    }
}

/// One scrape of swarms that share a URL.
fn scrape_of(batch: Vec<AnnounceId>, roster: &Roster) -> Option<(Arc<TrackerUrl>, Ask)> {
    let url = batch
        .iter()
        .find_map(|id| roster.url(roster.announce(*id)?).map(Arc::clone))?;
    let targets: Vec<_> = batch
        .into_iter()
        .filter_map(|id| Some((id, roster.info_hash(roster.announce(id)?)?)))
        .collect();
    Some((url, Ask::Scrape { targets }))
}
