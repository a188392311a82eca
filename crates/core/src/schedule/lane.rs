//! One (tracker, family): a queue of swarms, a health and a back-off.

mod recall;
mod scrape;
mod stopped;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Pace;
use super::outcome::{Outcome, Wish};
use super::queue::Queue;
use super::slot::Slot;
use crate::Health;
use crate::roster::Roster;
use scrape::Scrape;
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, Scheme, TrackerUrl};
use seedwatch_tracker::{
    AnnounceId, Announced, Ask, Failed, Manner, Report, Retry, Scraped, TrackerId,
};
use stopped::Stopped;
pub(super) use stopped::{CHECK_AGAIN, Habit};

/// Probes under way at a UDP tracker that answers; the bucket is what limits in practice.
const UDP_WINDOW: u32 = 65_536;

/// Probes under way at an HTTP tracker that answers.
const HTTP_WINDOW: u32 = 4;

/// The first scrape waits this long for company, so that all counts show soon after the start.
const FIRST_SCRAPE_WAIT: Duration = Duration::from_secs(5);

/// How soon a swarm is looked at again that is being probed over the other family.
const OTHER_FAMILY_WAIT: Duration = Duration::from_millis(250);

/// Scrapes in a row of which an HTTP tracker answers the first hash only, until that is its rule.
const FIRST_ONLY: u8 = 3;

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

/// One (tracker, family).
#[derive(Debug)]
pub(super) struct Lane {
    family: Family,
    /// The host's bucket.
    pub(super) bucket: usize,
    scheme: Scheme,
    loopback: bool,
    urls: Urls,
    /// Where its latest observation came from.
    pub(super) address: Option<IpAddr>,
    queue: Queue,
    /// When this lane is next looked at; the one entry of the wake heap that is valid.
    pub(super) wake: Option<Mono>,
    pub(super) in_flight: u32,
    health: Health,
    /// That it is down is known from before a restart, and nobody has looked since.
    hearsay: bool,
    /// Failures in a row, over fresh packets: each began after the one before was known.
    failures: u32,
    /// When the latest of them was known.
    failed_at: Mono,
    /// When the latest answer came.
    answered_at: Mono,
    /// Nothing leaves before: back-off.
    hold_until: Mono,
    /// Nothing leaves before: the tracker said so.
    limited_until: Mono,
    /// The interval the tracker asks for.
    interval: Option<Duration>,
    /// What is known of its answers to `stopped`.
    stopped: Stopped,
    scrape: Scrape,
    /// Swarms that the tracker does not want to hear of before they are due.
    promises: HashMap<AnnounceId, Mono>,
    /// The same, from before a restart, of swarms that are not here (yet).
    recalled: HashMap<InfoHash, Mono>,
}

/// The announce URLs of a lane. Most have one, which spares a look at the torrent of each swarm.
#[derive(Debug, Default)]
enum Urls {
    #[default]
    None,
    One(Arc<TrackerUrl>),
    Many,
}

impl Lane {
    pub(super) fn new(family: Family, bucket: usize, scheme: Scheme, loopback: bool) -> Self {
        Self {
            family,
            bucket,
            scheme,
            loopback,
            urls: Urls::default(),
            address: None,
            queue: Queue::default(),
            wake: None,
            in_flight: 0,
            health: Health::Unknown,
            hearsay: false,
            failures: 0,
            failed_at: Mono::default(),
            answered_at: Mono::default(),
            hold_until: Mono::default(),
            limited_until: Mono::default(),
            interval: None,
            stopped: Stopped::default(),
            scrape: Scrape::default(),
            promises: HashMap::new(),
            recalled: HashMap::new(),
        }
    }

    pub(super) fn health(&self) -> Health {
        self.health
    }

    /// Forgets the URLs of its swarms: they are told again.
    pub(super) fn forget_urls(&mut self) {
        self.urls = Urls::None;
    }

    /// Takes in the URL of one of its swarms.
    pub(super) fn tell_url(&mut self, url: &Arc<TrackerUrl>) {
        match &self.urls {
            Urls::None => self.urls = Urls::One(Arc::clone(url)),
            Urls::One(known) if known == url => {}
            Urls::One(_) | Urls::Many => self.urls = Urls::Many,
        }
    }

    fn has_one_url(&self) -> bool {
        matches!(self.urls, Urls::One(_))
    }

    /// Puts a swarm into the queue that must not be asked about before it is due.
    pub(super) fn promise(&mut self, due: Mono, id: AnnounceId) {
        self.promises.insert(id, due);
        self.push(due, id);
    }

    pub(super) fn push(&mut self, due: Mono, id: AnnounceId) {
        self.queue.push(due, id);
    }

    /// Drops what is gone from the configuration.
    pub(super) fn forget_removed(&mut self, slots: &[[Slot; 2]]) {
        let family = self.family.index();
        self.queue
            .retain(|id| slots[id.0 as usize][family].is_live());
        self.promises
            .retain(|id, _| slots[id.0 as usize][family].is_live());
        self.scrape
            .pending
            .retain(|id| slots[id.0 as usize][family].is_live());
    }

    /// When something may leave, as far as the lane itself can tell.
    pub(super) fn ready_at(&self, now: Mono) -> Option<Mono> {
        if self.in_flight >= self.window() {
            return None;
        }
        let scrape = (!self.scrape.pending.is_empty()).then_some(self.scrape.at);
        let announce = self.queue.first().map(|(due, id)| {
            // A troubled tracker is asked when its back-off is over, by whatever swarm is next,
            // unless the tracker does not want to hear of that one.
            if self.is_proven() || self.promises.contains_key(&id) {
                due
            } else {
                due.min(self.held_until().max(now))
            }
        });
        let first = announce.into_iter().chain(scrape).min()?;
        Some(first.max(self.held_until()))
    }

    fn held_until(&self) -> Mono {
        self.hold_until.max(self.limited_until)
    }

    /// Lets nothing leave before, if whatever is next would leave at once, due or not.
    pub(super) fn wait_until(&mut self, again: Mono) {
        if !self.is_proven() {
            self.hold_until = self.hold_until.max(again);
        }
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

    /// Takes the next question out of the lane; `None` if what was next cannot be asked now.
    pub(super) fn next_ask(
        &mut self,
        roster: &Roster,
        slots: &mut [[Slot; 2]],
        now: Mono,
        pace: &Pace,
    ) -> Option<(Arc<TrackerUrl>, Ask)> {
        if !self.scrape.pending.is_empty() && self.scrape.at <= now {
            return self.scrape_beside(roster, slots, now, pace);
        }
        let family = self.family.index();
        let id = self.pop()?;
        let announce = roster.announce(id)?;
        let info_hash = roster.info_hash(announce)?;
        let url = match &self.urls {
            Urls::One(url) => Arc::clone(url),
            _ => Arc::clone(roster.url(announce)?),
        };
        if pace.scrape_only {
            slots[id.0 as usize][family].take(true);
            let mut batch = vec![id];
            while let Some(id) = self.next_in_batch(batch.len(), &url, roster, now) {
                slots[id.0 as usize][family].take(true);
                batch.push(id);
            }
            return scrape_of(batch, roster);
        }
        let note = slots[id.0 as usize][family].note();
        let manner = match pace.manner {
            Manner::Brief => Manner::Brief,
            _ => self.stopped.manner(note, now),
        };
        // While we are in a swarm over one family, its counts over the other include us.
        if manner == Manner::Brief && slots[id.0 as usize][1 - family].is_probed() {
            self.push(now.after(OTHER_FAMILY_WAIT), id);
            if !self.is_proven() {
                // Such a lane takes whatever is next, due or not.
                self.hold_until = self.hold_until.max(now.after(OTHER_FAMILY_WAIT));
            }
            return None;
        }
        slots[id.0 as usize][family].take(false);
        Some((
            url,
            Ask::Announce {
                id,
                info_hash,
                manner,
            },
        ))
    }

    /// The next swarm due that goes into the same scrape.
    fn next_in_batch(
        &mut self,
        length: usize,
        url: &Arc<TrackerUrl>,
        roster: &Roster,
        now: Mono,
    ) -> Option<AnnounceId> {
        // An unproven tracker is asked for one swarm: some answer one hash only.
        let limit = if self.is_proven() {
            self.scrape.batch()
        } else {
            1
        };
        let (due, id) = self.queue.first()?;
        let other = roster
            .announce(id)
            .and_then(|announce| roster.url(announce));
        let fits = length < limit && due <= now && other == Some(url);
        fits.then(|| self.pop()).flatten()
    }

    fn pop(&mut self) -> Option<AnnounceId> {
        let id = self.queue.pop()?;
        if !self.promises.is_empty() {
            self.promises.remove(&id);
        }
        Some(id)
    }

    /// The gathered scrape. A swarm that is being probed waits for the next: the tracker may count
    /// us just now.
    fn scrape_beside(
        &mut self,
        roster: &Roster,
        slots: &mut [[Slot; 2]],
        now: Mono,
        pace: &Pace,
    ) -> Option<(Arc<TrackerUrl>, Ask)> {
        let family = self.family.index();
        let limit = self.scrape.batch();
        let pending = &mut self.scrape.pending;
        let mut batch = Vec::with_capacity(limit.min(pending.len()));
        for _ in 0..pending.len() {
            if batch.len() >= limit {
                break;
            }
            let Some(id) = pending.pop_front() else {
                break;
            };
            let sides = &mut slots[id.0 as usize];
            if sides.iter().any(Slot::is_probed) {
                pending.push_back(id);
            } else if !sides[family].is_beside() {
                // Not if a scrape under way, perhaps this one, names it already.
                sides[family].set_beside(true);
                batch.push(id);
            }
        }
        self.scrape.begun = true;
        self.scrape.at = match pending.len() >= limit && !batch.is_empty() {
            true => now,
            false => now.after(pace.scrape_wait()),
        };
        scrape_of(batch, roster)
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
        let has_one_url = self.has_one_url();
        match self.scrape.pending.front() {
            None => {
                let first = if self.scrape.begun {
                    Duration::MAX
                } else {
                    FIRST_SCRAPE_WAIT
                };
                self.scrape.at = now.after(first.min(pace.scrape_wait()));
            }
            // One request goes to one URL; another passkey waits for its own batch.
            Some(first) if !has_one_url && url(first) != url(&id) => return,
            Some(_) => {}
        }
        self.scrape.pending.push_back(id);
        if self.scrape.pending.len() >= self.scrape.batch() {
            self.scrape.at = now;
        }
    }

    /// Remembers what an answer tells about the tracker.
    pub(super) fn learn(&mut self, answer: &Announced, now: Mono) {
        self.interval = answer.interval.or(self.interval);
        self.stopped.learn(answer.stopped_list, now);
    }

    /// Another source names members of a swarm that this tracker called empty.
    pub(super) fn doubt(&mut self, now: Mono) -> bool {
        self.stopped.doubt(now)
    }

    /// Learns from a scrape how often the tracker answers, and how many hashes at once.
    pub(super) fn learn_scrape(
        &mut self,
        result: &Result<Vec<Option<Scraped>>, Failed>,
        asked: Option<Duration>,
        now: Mono,
        pace: &Pace,
    ) {
        self.scrape.interval = asked.or(self.scrape.interval);
        let Ok(counts) = result else {
            // Silence may be chance; a refusal in words is an answer.
            let silent = result
                .as_ref()
                .is_err_and(|failed| failed.reason.is_silence());
            self.scrape.not_before = now.after(if silent {
                self.period(pace)
            } else {
                NO_SCRAPE_FOR
            });
            self.scrape.pending.clear();
            return;
        };
        if !Report::is_short(counts) {
            self.scrape.first_only = 0;
            return;
        }
        let answered = counts.iter().flatten().count();
        // Over UDP a short answer is a limit. Over HTTP torrents that the tracker does not know
        // are left out, so one hash at a time is believed only after several such answers.
        self.scrape.first_only = if answered == 1 {
            self.scrape.first_only + 1
        } else {
            0
        };
        if self.scheme == Scheme::Udp || self.scrape.first_only >= FIRST_ONLY {
            self.scrape.limit = answered;
            self.scrape.first_only = 0;
        }
        // One hash a scrape, beside announces, is not worth its while.
        if self.scrape.limit == 1 {
            self.scrape.not_before = now.after(NO_SCRAPE_FOR);
            self.scrape.pending.clear();
        }
    }

    fn period(&self, pace: &Pace) -> Duration {
        self.period_after(Wish::default(), pace)
    }

    /// The period of a swarm, if the tracker asks for another interval in a failure.
    fn period_after(&self, wish: Wish, pace: &Pace) -> Duration {
        let scrape = self.scrape.interval.filter(|_| pace.scrape_only);
        pace.period(self.interval.max(wish.interval).max(scrape), self.loopback)
    }

    /// Books what a probe says of the tracker.
    pub(super) fn settle(
        &mut self,
        outcome: Outcome,
        wish: Wish,
        started: Mono,
        now: Mono,
        pace: &Pace,
    ) {
        match outcome {
            Outcome::Answered | Outcome::Refused | Outcome::Limited => {
                self.health = Health::Up;
                self.hearsay = false;
                self.failures = 0;
                self.answered_at = now;
                self.hold_until = Mono::default();
                if outcome == Outcome::Limited {
                    let asked = match wish.retry {
                        Some(Retry::After(asked)) => asked,
                        Some(Retry::Never) => Pace::never(),
                        None => Duration::ZERO,
                    };
                    let wait = Pace::retry_after(self.period_after(wish, pace), asked);
                    self.limited_until = self.limited_until.max(now.after(wait));
                }
            }
            // It answered, or failed and was known to fail, while this was under way: no news.
            Outcome::Failed if started < self.answered_at || started < self.failed_at => {}
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                self.hearsay = false;
                self.failed_at = now;
                if self.failures >= 2 {
                    if self.health != Health::Down {
                        self.scrape.pending.clear();
                    }
                    self.health = Health::Down;
                    let wait = Pace::back_off(self.period(pace), self.failures);
                    self.hold_until = now.after(wait);
                } else if !self.is_proven() {
                    self.hold_until = now.after(pace.confirm_after());
                }
            }
            Outcome::NoScrape => {}
            Outcome::Closed => {
                self.health = Health::Closed;
                self.hearsay = false;
                self.hold_until = now.after(Pace::closed_for());
            }
            Outcome::Absent => {
                self.health = Health::Absent;
                self.hearsay = false;
                self.hold_until = now.after(pace.absent_for());
            }
        }
    }

    /// When a swarm is due again.
    pub(super) fn next_due(
        &self,
        outcome: Outcome,
        stands: bool,
        wish: Wish,
        hash: Option<InfoHash>,
        now: Mono,
        pace: &Pace,
    ) -> Mono {
        let period = self.period_after(wish, pace);
        let wait = match (outcome, wish.retry) {
            (Outcome::Refused, Some(Retry::After(asked))) => Pace::retry_after(period, asked),
            (_, Some(Retry::Never)) => Pace::never(),
            (Outcome::NoScrape, _) => NO_SCRAPE_FOR,
            (Outcome::Failed, _) if !stands => return now.after(pace.confirm_after()),
            // The lane holds it back; it goes first when the lane opens.
            (Outcome::Limited | Outcome::Absent | Outcome::Closed, _) => return now,
            _ => period,
        };
        now.after(Pace::jittered(wait, hash))
    }

    /// It is asked in packets, of which several can leave at once.
    pub(super) fn is_udp(&self) -> bool {
        self.scheme == Scheme::Udp
    }

    /// The tracker runs on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Nothing but our own load or rate holds its swarms back.
    pub(super) fn is_free(&self, now: Mono) -> bool {
        matches!(self.health, Health::Up | Health::Unknown) && self.held_until() <= now
    }

    /// How many swarms are past due, and how late the first of them is.
    pub(super) fn overdue(&self, now: Mono) -> (u64, Duration) {
        let Some((first, _)) = self.queue.first().filter(|(due, _)| *due < now) else {
            return (0, Duration::ZERO);
        };
        let late = self.queue.times().filter(|due| *due < now).count();
        (late as u64, now.since(first))
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
