//! One probe: its next request, and what an answer means for it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::Settings;
use super::super::codec::{self, Announce, AnnounceBody, AnnounceEvent, ResponseBody};
use super::RemoteKey;
use super::send_window::{SendWindow, Ticket};
use crate::announce_session::{
    self as session, AnnounceRequest, AnnounceResult, AnnounceSession, Delivery, Next, PeerFilter,
    STOPPED_PARTS, STOPPED_QUERY_PARTS,
};
use crate::tracker_message;
use crate::{
    AnnounceResponse, FailureReason, Job, Observation, Phases, ProbeError, ProbeStats, Report,
    Request,
};
use seedwatch_torrent::Family;

/// A job that has not ended.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) job: Job,
    pub(super) remote: RemoteKey,
    conversation: Conversation,
    taken: Instant,
    /// The job's deadline.
    end: Instant,
    /// When its clock was paused, while it waits for an address.
    held: Option<Instant>,
    /// The deadline of the first `stopped`.
    query_end: Instant,
    pub(super) queue_state: QueueState,
    /// The request without an answer, if there is one.
    pub(super) request: Option<PendingRequest>,
    /// When its valid timer fires; all others are stale.
    pub(super) due: Instant,
    /// The tracker has refused the connection id once.
    pub(super) reconnected: bool,
    /// When the first connect packet was sent for this probe.
    pub(super) connecting: Option<Instant>,
    /// The current request was sent at least once.
    has_sent: bool,
    /// The number of packets sent.
    pub(super) requests: u32,
    pub(super) phases: Phases,
}

/// The queue of its remote that a probe is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueState {
    /// `waiting`: it needs an address or a connection id.
    Waiting,
    /// `ready`: its next packet can be sent.
    Ready,
    /// None: an answer or a timer moves it on.
    InFlight,
}

/// One announce or scrape, with its retransmissions.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingRequest {
    pub(super) transaction: u32,
    /// The connection id in the last packet.
    pub(super) connection: u64,
    pub(super) sent: u32,
    pub(super) first: Instant,
    pub(super) last: Instant,
    /// Its tickets in the window of all remotes and in the window of its own.
    pub(super) tickets: (Ticket, Ticket),
}

impl PendingRequest {
    /// Gives both tickets back.
    pub(super) fn release(&self, all: &mut SendWindow, own: &mut SendWindow) {
        all.release(self.tickets.0);
        own.release(self.tickets.1);
    }
}

#[derive(Debug)]
enum Conversation {
    Announce(AnnounceSession),
    Scrape,
}

/// What a probe does after an answer.
#[derive(Debug)]
pub(super) enum Step {
    /// Send the next request.
    Send,
    /// End, with the report for the observation. `None` if there is none.
    Done(Option<Report>),
}

impl Probe {
    pub(super) fn new(job: Job, remote: RemoteKey, now: Instant) -> Self {
        let conversation = match &job.request {
            Request::Scrape { .. } => Conversation::Scrape,
            Request::Announce { strategy, .. } => {
                Conversation::Announce(AnnounceSession::new(*strategy))
            }
        };
        let end = now + job.timeout;
        let query_end = now + job.timeout / STOPPED_QUERY_PARTS;
        Self {
            job,
            remote,
            conversation,
            taken: now,
            end,
            held: None,
            query_end,
            queue_state: QueueState::InFlight,
            request: None,
            due: end,
            reconnected: false,
            connecting: None,
            has_sent: false,
            requests: 0,
            phases: Phases::default(),
        }
    }

    /// Returns the current request of an announce; `None` for a scrape.
    fn current_request(&self) -> Option<AnnounceRequest> {
        match &self.conversation {
            Conversation::Announce(session) => Some(session.request()),
            Conversation::Scrape => None,
        }
    }

    /// Returns the deadline of the current request.
    pub(super) fn deadline(&self) -> Instant {
        match self.current_request() {
            Some(AnnounceRequest::StoppedQuery) => self.query_end.min(self.end),
            Some(AnnounceRequest::Started) => self.end - self.job.timeout / STOPPED_PARTS,
            Some(AnnounceRequest::Stopped) | None => self.end,
        }
    }

    /// Pauses its clock until there is an address.
    pub(super) fn hold(&mut self, now: Instant) {
        self.held.get_or_insert(now);
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Resumes its clock. Of the paused time, only `counted` is counted.
    pub(super) fn resume(&mut self, counted: Duration, now: Instant) {
        if let Some(since) = self.held.take() {
            let queued = now.saturating_duration_since(since).saturating_sub(counted);
            self.taken += queued;
            self.query_end += queued;
            self.end += queued;
        }
    }

    /// Extends the first `stopped` to the end of the probe if the tracker has not answered: without
    /// a sign of life, `started` would fail as well. Returns whether the deadline moved.
    pub(super) fn extend_query(&mut self, is_heard: bool) -> bool {
        let waits = self.current_request() == Some(AnnounceRequest::StoppedQuery)
            && self.query_end < self.end;
        let goes_on = waits && !(is_heard && self.request.is_some());
        if goes_on {
            self.query_end = self.end;
        }
        goes_on
    }

    pub(super) fn taken(&self) -> Instant {
        self.taken
    }

    /// Returns whether the current request is the last `stopped`, which may use the last seconds of
    /// a connection id.
    pub(super) fn is_stop_announce(&self) -> bool {
        self.current_request() == Some(AnnounceRequest::Stopped)
    }

    /// Appends the packet of the current request.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        settings: &Settings,
        connection: u64,
        transaction: u32,
    ) {
        let (event, numwant) = match self.current_request() {
            Some(AnnounceRequest::Started) => (AnnounceEvent::Started, settings.numwant),
            Some(AnnounceRequest::Stopped) => (AnnounceEvent::Stopped, 0),
            Some(AnnounceRequest::StoppedQuery) | None => {
                (AnnounceEvent::Stopped, settings.numwant)
            }
        };
        self.has_sent = true;
        if let Conversation::Announce(session) = &mut self.conversation {
            session.sent();
        }
        match &self.job.request {
            Request::Announce { info_hash, .. } => codec::write_announce(
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
            Request::Scrape { targets } => codec::write_scrape(
                out,
                connection,
                transaction,
                targets
                    .iter()
                    .take(Request::MAX_SCRAPE)
                    .map(|(_, hash)| hash),
            ),
        }
    }

    /// Takes an answer to the current request.
    pub(super) fn answered(&mut self, answer: &ResponseBody<'_>, settings: &Settings) -> Step {
        match (&mut self.conversation, answer) {
            (Conversation::Scrape, ResponseBody::Scrape(scrape)) => {
                let ids = self.job.request.ids();
                let mut counts: Vec<_> = scrape.entries().map(Some).take(ids.len()).collect();
                counts.resize(ids.len(), None);
                let result = Ok(counts);
                Step::Done(Some(Report::Scrape { ids, result }))
            }
            (Conversation::Announce(session), ResponseBody::Announce(answer)) => {
                let announced = read(answer, self.job.family, settings);
                if announced.peers.is_unreadable() {
                    return self.failed(unreadable(), settings);
                }
                let answer = session::SessionAnswer {
                    announced,
                    has_list: true,
                };
                let next = session.answered(answer, &own(settings));
                self.step(next)
            }
            (_, ResponseBody::Error(text)) => {
                let failed = tracker_message::refusal(text, &self.job.url, None);
                self.failed(failed, settings)
            }
            _ => {
                let failed = ProbeError::new(
                    FailureReason::Malformed,
                    "the answer does not match the request",
                );
                self.failed(failed, settings)
            }
        }
    }

    /// Ends the current request without a valid answer. A request that was sent may have reached
    /// the tracker.
    pub(super) fn failed(&mut self, failed: ProbeError, settings: &Settings) -> Step {
        // A first `stopped` that used all the time leaves none for `started`.
        let used_all_time = self.current_request() == Some(AnnounceRequest::StoppedQuery)
            && self.query_end >= self.end;
        let reached = match self.has_sent && !(used_all_time && failed.reason.is_silence()) {
            true => Delivery::Possible,
            false => Delivery::Excluded,
        };
        match &mut self.conversation {
            Conversation::Announce(session) => {
                let next = session.failed(failed, reached, &own(settings));
                self.step(next)
            }
            Conversation::Scrape => Step::Done(Some(report(&self.job.request, Err(failed)))),
        }
    }

    fn step(&mut self, next: Next) -> Step {
        match next {
            Next::Send => {
                self.has_sent = false;
                Step::Send
            }
            Next::Done(result) => {
                Step::Done(result.map(|result| report(&self.job.request, result)))
            }
        }
    }

    /// Ends the current request because the host has no address of this family.
    pub(super) fn no_address(&mut self, settings: &Settings) -> Step {
        match self.current_request() {
            Some(AnnounceRequest::Stopped) => {
                let failed = ProbeError::new(
                    FailureReason::Unreachable,
                    "the host no longer has an address",
                );
                self.failed(failed, settings)
            }
            _ => Step::Done(Some(Report::NoAddress {
                ids: self.job.request.ids(),
            })),
        }
    }

    /// Ends the probe early: only a `stopped` that must follow `started` is still sent, until
    /// `end`. `None` if it is already pending.
    pub(super) fn cut_short(&mut self, end: Instant) -> Option<Step> {
        self.end = self.end.min(end);
        let is_stopping = self.is_stop_announce();
        match &mut self.conversation {
            Conversation::Announce(_) if is_stopping => None,
            Conversation::Announce(session) => match session.cut_short() {
                true => Some(Step::Send),
                false => Some(Step::Done(None)),
            },
            Conversation::Scrape => Some(Step::Done(None)),
        }
    }

    /// Returns the observation of the probe.
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
            stats: ProbeStats {
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

/// Returns the report of an announce, or of a scrape that failed.
pub(super) fn report(request: &Request, result: AnnounceResult) -> Report {
    match (request, result) {
        (Request::Announce { id, .. }, result) => Report::Announce { id: *id, result },
        (Request::Scrape { .. }, result) => Report::Scrape {
            ids: request.ids(),
            result: result.map(|_| Vec::new()),
        },
    }
}

fn read(answer: &AnnounceBody<'_>, family: Family, settings: &Settings) -> AnnounceResponse {
    AnnounceResponse {
        peers: answer.peers(family, settings.numwant.into()),
        counts: answer.counts,
        // A UDP response always has both counts, so `None` means absurd.
        has_absurd_counts: answer.counts.seeders.is_none() || answer.counts.leechers.is_none(),
        interval: answer.interval(),
        ..AnnounceResponse::default()
    }
}

fn own(settings: &Settings) -> PeerFilter {
    PeerFilter {
        ports: settings.identity.ports,
        accept: settings.accept,
    }
}

fn unreadable() -> ProbeError {
    ProbeError::new(
        FailureReason::Malformed,
        "no entry of the peer list can be read",
    )
}
