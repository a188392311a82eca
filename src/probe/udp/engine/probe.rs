//! One probe: what it asks next, and what an answer means for it.

use std::net::IpAddr;
use std::time::Instant;

use super::super::Settings;
use super::super::codec::{self, Announce, AnnounceAnswer, Answer, Event};
use super::arena::Key;
use super::window::{Ticket, Window};
use crate::observation::{
    Announced, Ask, Counts, Exchange, Failed, Failure, Family, Job, Manner, Observation, Phases,
    Report,
};
use crate::probe::words;

/// The last part of a probe's time, kept for taking back what `started` did.
const FAREWELL_PARTS: u32 = 5;

/// What an announce came to.
pub(super) type Verdict = Result<Box<Announced>, Failed>;

/// A job on its way.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) job: Job,
    pub(super) remote: Key,
    stage: Stage,
    taken: Instant,
    /// The job's deadline.
    end: Instant,
    pub(super) place: Place,
    /// The request on its way, if one is.
    pub(super) request: Option<Request>,
    /// When the timer that matters fires; others are stale.
    pub(super) due: Instant,
    /// The connection id was refused once.
    pub(super) reconnected: bool,
    /// The first connect packet that was sent on this probe's account.
    pub(super) connecting: Option<Instant>,
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
    /// `stopped` as the first and only event.
    Ghost,
    /// `started`. A ghost announce before it has brought counts without us.
    Started {
        without_us: Option<Counts>,
    },
    /// `stopped`, after `started` was sent. The verdict stands already; there is none when the
    /// prober shuts down.
    Farewell {
        verdict: Option<Verdict>,
    },
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
            Ask::Announce { manner, .. } => match manner {
                Manner::Ghost => Stage::Ghost,
                Manner::Brief => Stage::Started { without_us: None },
            },
        };
        let end = now + job.timeout;
        Self {
            job,
            remote,
            stage,
            taken: now,
            end,
            place: Place::Flying,
            request: None,
            due: end,
            reconnected: false,
            connecting: None,
            requests: 0,
            phases: Phases::default(),
        }
    }

    /// When the present stage ends, answered or not.
    pub(super) fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Started { .. } => self.end - self.job.timeout / FAREWELL_PARTS,
            _ => self.end,
        }
    }

    pub(super) fn taken(&self) -> Instant {
        self.taken
    }

    /// `stopped` after `started`: may use the last seconds of a connection id.
    pub(super) fn is_farewell(&self) -> bool {
        matches!(self.stage, Stage::Farewell { .. })
    }

    /// Appends the request of the present stage.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        settings: &Settings,
        connection: u64,
        transaction: u32,
    ) {
        let (event, numwant) = match self.stage {
            Stage::Ghost => (Event::Stopped, settings.numwant),
            Stage::Started { .. } => (Event::Started, settings.numwant),
            _ => (Event::Stopped, 0),
        };
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
            (Stage::Ghost, Answer::Announce(answer)) => {
                let announced = read(answer, self.job.family, Manner::Ghost);
                if announced.peers.is_unreadable() {
                    return Step::Done(Some(report(&self.job.ask, Err(unreadable()))));
                }
                if announced.peers.is_empty() && announced.counts.is_inhabited() {
                    self.stage = Stage::Started {
                        without_us: Some(announced.counts),
                    };
                    return Step::Ask;
                }
                Step::Done(Some(report(&self.job.ask, Ok(Box::new(announced)))))
            }
            (Stage::Started { without_us }, Answer::Announce(answer)) => {
                let mut announced = read(answer, self.job.family, Manner::Brief);
                if announced.peers.is_unreadable() {
                    return self.farewell(Some(Err(unreadable())));
                }
                // No list either way: the next probe need not join to learn nothing.
                let has_others = announced.peers.has_others(settings.identity.port);
                if without_us.is_some() && !has_others {
                    announced.manner = Manner::Ghost;
                }
                announced.counts = without_us.unwrap_or(Counts {
                    // We are one of them, until `stopped` brings better figures.
                    leechers: announced.counts.leechers.map(|n| n.saturating_sub(1)),
                    ..announced.counts
                });
                announced.withheld = !has_others && announced.counts.is_inhabited();
                self.farewell(Some(Ok(Box::new(announced))))
            }
            (Stage::Farewell { verdict }, answer) => {
                let mut verdict = verdict.take();
                if let (Some(Ok(announced)), Answer::Announce(answer)) = (&mut verdict, answer) {
                    announced.counts = answer.counts;
                    announced.withheld = !announced.peers.has_others(settings.identity.port)
                        && answer.counts.is_inhabited();
                }
                Step::Done(verdict.map(|verdict| report(&self.job.ask, verdict)))
            }
            (_, Answer::Error(text)) => {
                let failed = words::refusal(text, &self.job.url, None);
                Step::Done(Some(report(&self.job.ask, Err(failed))))
            }
            (stage, _) => {
                let failed = Failed::new(Failure::Malformed, "the answer fits no question of ours");
                match stage {
                    // Whatever it meant to say, it has heard us.
                    Stage::Started { .. } => self.farewell(Some(Err(failed))),
                    _ => Step::Done(Some(report(&self.job.ask, Err(failed)))),
                }
            }
        }
    }

    /// The present stage is over without an answer.
    pub(super) fn failed(&mut self, failed: Failed) -> Step {
        match &mut self.stage {
            Stage::Farewell { verdict } => {
                let verdict = verdict.take();
                Step::Done(verdict.map(|verdict| report(&self.job.ask, verdict)))
            }
            // Perhaps only the answers were lost, and we stand in the list.
            Stage::Started { .. } if self.request.is_some() && failed.reason.is_silence() => {
                self.farewell(Some(Err(failed)))
            }
            _ => Step::Done(Some(report(&self.job.ask, Err(failed)))),
        }
    }

    /// The host has no address of this family.
    pub(super) fn homeless(&mut self) -> Step {
        match self.stage {
            Stage::Farewell { .. } => {
                self.failed(Failed::new(Failure::Unreachable, "the address is gone"))
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
        match &self.stage {
            Stage::Farewell { .. } => None,
            Stage::Started { .. } if self.request.is_some() => Some(self.farewell(None)),
            _ => Some(Step::Done(None)),
        }
    }

    fn farewell(&mut self, verdict: Option<Verdict>) -> Step {
        self.stage = Stage::Farewell { verdict };
        Step::Ask
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

fn read(answer: &AnnounceAnswer<'_>, family: Family, manner: Manner) -> Announced {
    Announced {
        peers: answer.peers(family),
        counts: answer.counts,
        interval: answer.interval(),
        external_ip: None,
        manner,
        withheld: false,
        warning: None,
    }
}

fn unreadable() -> Failed {
    Failed::new(
        Failure::Malformed,
        "nothing in the list of peers can be read",
    )
}
