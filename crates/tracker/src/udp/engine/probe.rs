//! One probe: what it asks next, and what an answer means for it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::Settings;
use super::super::codec::{self, Announce, AnnounceAnswer, Answer, Event};
use super::arena::Key;
use super::window::{Ticket, Window};
use crate::announce_session::{
    self as session, AnnounceSession, LEAVE_PARTS, LOOK_PARTS, Next, Own, Reached,
    Request as Asked, Verdict,
};
use crate::tracker_message;
use crate::{Announced, Ask, Exchange, Failed, Failure, Job, Observation, Phases, Report};
use seedwatch_torrent::Family;

/// A job on its way.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) job: Job,
    pub(super) remote: Key,
    stage: Stage,
    taken: Instant,
    /// The job's deadline.
    end: Instant,
    /// Since when its time stands still, because it waits for an address.
    held: Option<Instant>,
    /// When the first `stopped` is given up.
    look_end: Instant,
    pub(super) place: Place,
    /// The request on its way, if one is.
    pub(super) request: Option<Request>,
    /// When the timer that matters fires; others are stale.
    pub(super) due: Instant,
    /// The connection id was refused once.
    pub(super) reconnected: bool,
    /// The first connect packet that was sent on this probe's account.
    pub(super) connecting: Option<Instant>,
    /// The request of the present stage was sent.
    has_sent: bool,
    /// Packets sent.
    pub(super) requests: u32,
    pub(super) phases: Phases,
}

/// Which queue of its remote a probe stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In that of those that wait for an address or a connection id.
    Waiting,
    /// In that of those that may send.
    Ready,
    /// In none: its answer or its timer moves it on.
    Flying,
}

/// One announce or scrape, with its retransmissions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) transaction: u32,
    /// The connection id of the last packet.
    pub(super) connection: u64,
    pub(super) sent: u32,
    pub(super) first: Instant,
    pub(super) last: Instant,
    /// In the window of all remotes, and in that of this one.
    pub(super) places: (Ticket, Ticket),
}

impl Request {
    /// Its answer came, or will not be waited for.
    pub(super) fn release(&self, all: &mut Window, own: &mut Window) {
        all.release(self.places.0);
        own.release(self.places.1);
    }
}

#[derive(Debug)]
enum Stage {
    Announce(AnnounceSession),
    Scrape,
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum Step {
    /// There is something more to ask.
    Ask,
    /// The probe is over. `None` when nobody is told.
    Done(Option<Report>),
}

impl Probe {
    pub(super) fn new(job: Job, remote: Key, now: Instant) -> Self {
        let stage = match &job.ask {
            Ask::Scrape { .. } => Stage::Scrape,
            Ask::Announce { manner, .. } => Stage::Announce(AnnounceSession::new(*manner)),
        };
        let end = now + job.timeout;
        let look_end = now + job.timeout / LOOK_PARTS;
        Self {
            job,
            remote,
            stage,
            taken: now,
            end,
            held: None,
            look_end,
            place: Place::Flying,
            request: None,
            due: end,
            reconnected: false,
            connecting: None,
            has_sent: false,
            requests: 0,
            phases: Phases::default(),
        }
    }

    /// The request of the announce that is to be asked now; `None` for a scrape.
    fn asked(&self) -> Option<Asked> {
        match &self.stage {
            Stage::Announce(session) => Some(session.request()),
            Stage::Scrape => None,
        }
    }

    /// When the present stage ends, answered or not.
    pub(super) fn deadline(&self) -> Instant {
        match self.asked() {
            Some(Asked::Look) => self.look_end.min(self.end),
            Some(Asked::Join) => self.end - self.job.timeout / LEAVE_PARTS,
            Some(Asked::Leave) | None => self.end,
        }
    }

    /// Its time stands still from now on, until an address is there.
    pub(super) fn hold(&mut self, now: Instant) {
        self.held.get_or_insert(now);
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Its time goes on. Of the time that it was held, `counted` is its own.
    pub(super) fn resume(&mut self, counted: Duration, now: Instant) {
        if let Some(since) = self.held.take() {
            let queued = now.saturating_duration_since(since).saturating_sub(counted);
            self.taken += queued;
            self.look_end += queued;
            self.end += queued;
        }
    }

    /// Gives the first `stopped` all the time there is, where nothing says that the tracker is
    /// there to be asked anything else. Returns whether that is more time.
    pub(super) fn look_on(&mut self, is_heard: bool) -> bool {
        let waits = self.asked() == Some(Asked::Look) && self.look_end < self.end;
        let goes_on = waits && !(is_heard && self.request.is_some());
        if goes_on {
            self.look_end = self.end;
        }
        goes_on
    }

    pub(super) fn taken(&self) -> Instant {
        self.taken
    }

    /// `stopped` after `started`: may use the last seconds of a connection id.
    pub(super) fn is_farewell(&self) -> bool {
        self.asked() == Some(Asked::Leave)
    }

    /// Appends the request of the present stage.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        settings: &Settings,
        connection: u64,
        transaction: u32,
    ) {
        let (event, numwant) = match self.asked() {
            Some(Asked::Join) => (Event::Started, settings.numwant),
            Some(Asked::Leave) => (Event::Stopped, 0),
            Some(Asked::Look) | None => (Event::Stopped, settings.numwant),
        };
        self.has_sent = true;
        if let Stage::Announce(session) = &mut self.stage {
            session.sent();
        }
        match &self.job.ask {
            Ask::Announce { info_hash, .. } => codec::write_announce(
                out,
                &settings.identity,
                &Announce {
                    connection,
                    transaction,
                    info_hash,
                    event,
                    numwant,
                    family: self.job.family,
                    url: &self.job.url,
                },
            ),
            Ask::Scrape { targets } => codec::write_scrape(
                out,
                connection,
                transaction,
                targets.iter().take(Ask::MAX_SCRAPE).map(|(_, hash)| hash),
            ),
        }
    }

    /// An answer to the present request.
    pub(super) fn answered(&mut self, answer: &Answer<'_>, settings: &Settings) -> Step {
        match (&mut self.stage, answer) {
            (Stage::Scrape, Answer::Scrape(scrape)) => {
                let ids = self.job.ask.ids();
                let mut counts: Vec<_> = scrape.entries().map(Some).take(ids.len()).collect();
                counts.resize(ids.len(), None);
                let result = Ok(counts);
                Step::Done(Some(Report::Scrape { ids, result }))
            }
            (Stage::Announce(session), Answer::Announce(answer)) => {
                let announced = read(answer, self.job.family, settings);
                if announced.peers.is_unreadable() {
                    return self.failed(unreadable(), settings);
                }
                let answer = session::Answer {
                    announced,
                    has_list: true,
                };
                let next = session.answered(answer, &own(settings));
                self.step(next)
            }
            (_, Answer::Error(text)) => {
                let failed = tracker_message::refusal(text, &self.job.url, None);
                self.failed(failed, settings)
            }
            _ => {
                let failed = Failed::new(Failure::Malformed, "the answer fits no question of ours");
                self.failed(failed, settings)
            }
        }
    }

    /// The present stage is over without a valid answer. Whatever came, or was lost, a request that
    /// was sent may have been heard.
    pub(super) fn failed(&mut self, failed: Failed, settings: &Settings) -> Step {
        // After a first `stopped` that had all the time there is, none is left for `started`.
        let looked_on = self.asked() == Some(Asked::Look) && self.look_end >= self.end;
        let reached = match self.has_sent && !(looked_on && failed.reason.is_silence()) {
            true => Reached::Perhaps,
            false => Reached::No,
        };
        match &mut self.stage {
            Stage::Announce(session) => {
                let next = session.failed(failed, reached, &own(settings));
                self.step(next)
            }
            Stage::Scrape => Step::Done(Some(report(&self.job.ask, Err(failed)))),
        }
    }

    fn step(&mut self, next: Next) -> Step {
        match next {
            Next::Ask => {
                self.has_sent = false;
                Step::Ask
            }
            Next::Done(verdict) => {
                Step::Done(verdict.map(|verdict| report(&self.job.ask, verdict)))
            }
        }
    }

    /// The host has no address of this family.
    pub(super) fn homeless(&mut self, settings: &Settings) -> Step {
        match self.asked() {
            Some(Asked::Leave) => {
                let failed = Failed::new(Failure::Unreachable, "the address is gone");
                self.failed(failed, settings)
            }
            _ => Step::Done(Some(Report::NoAddress {
                ids: self.job.ask.ids(),
            })),
        }
    }

    /// The prober shuts down: only what we have to take back is still asked, until `end`. `None`
    /// where that is under way already.
    pub(super) fn cut_short(&mut self, end: Instant) -> Option<Step> {
        self.end = self.end.min(end);
        let is_leaving = self.is_farewell();
        match &mut self.stage {
            Stage::Announce(_) if is_leaving => None,
            Stage::Announce(session) => match session.cut_short() {
                true => Some(Step::Ask),
                false => Some(Step::Done(None)),
            },
            Stage::Scrape => Some(Step::Done(None)),
        }
    }

    /// What is told at the end.
    pub(super) fn observation(
        &self,
        report: Report,
        remote: Option<IpAddr>,
        now: Instant,
    ) -> Observation {
        Observation {
            tracker: self.job.tracker,
            family: self.job.family,
            report,
            exchange: Exchange {
                requests: self.requests,
                duration: now.saturating_duration_since(self.taken),
                phases: self.phases,
                remote,
                certificate_expiry: None,
                scrape_interval_seconds: 0,
            },
        }
    }
}

/// The report on a question that failed, or on an announce.
pub(super) fn report(ask: &Ask, verdict: Verdict) -> Report {
    match (ask, verdict) {
        (Ask::Announce { id, .. }, result) => Report::Announce { id: *id, result },
        (Ask::Scrape { .. }, verdict) => Report::Scrape {
            ids: ask.ids(),
            result: verdict.map(|_| Vec::new()),
        },
    }
}

fn read(answer: &AnnounceAnswer<'_>, family: Family, settings: &Settings) -> Announced {
    Announced {
        peers: answer.peers(family, settings.numwant.into()),
        counts: answer.counts,
        // Over UDP no count is left out.
        has_absurd_counts: answer.counts.seeders.is_none() || answer.counts.leechers.is_none(),
        interval: answer.interval(),
        ..Announced::default()
    }
}

fn own(settings: &Settings) -> Own {
    Own {
        ports: settings.identity.ports,
        accept: settings.accept,
    }
}

fn unreadable() -> Failed {
    Failed::new(
        Failure::Malformed,
        "nothing in the list of peers can be read",
    )
}
