//! Drives an [`AnnounceSession`] over HTTP: its requests and deadlines, and the `stopped` that must
//! follow `started` even if the probe is cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::STOP_TIMEOUT;
use super::fetch::Target;
use super::http_client::{HttpClient, Origin, Progress};
use seedwatch_torrent::{InfoHash, TrackerUrl};
use seedwatch_tracker::announce_session::{
    AnnounceRequest, AnnounceResult, AnnounceSession, Delivery, Next, PeerFilter, STOPPED_PARTS,
    STOPPED_QUERY_PARTS, SessionAnswer,
};
use seedwatch_tracker::http::answer::{self, AnnounceContext, Reply};
use seedwatch_tracker::http::query;
use seedwatch_tracker::{AnnounceStrategy, FailureReason, ProbeError};

/// The last `stopped` of a probe ends this much before the probe, so that a list that has arrived
/// is reported.
const MARGIN: Duration = Duration::from_millis(20);

/// One info-hash at one tracker.
#[derive(Debug, Clone)]
pub(super) struct Swarm {
    pub(super) url: Arc<TrackerUrl>,
    pub(super) hash: InfoHash,
    pub(super) origin: Origin,
}

/// The deadlines of the requests of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub(super) scrape: Instant,
    stopped_query: Instant,
    started: Instant,
    stopped: Instant,
}

impl Deadlines {
    pub(super) fn new(deadline: Instant, timeout: Duration) -> Self {
        let earlier = |by| deadline.checked_sub(by).unwrap_or(deadline);
        Self {
            scrape: deadline,
            stopped_query: earlier(timeout / STOPPED_QUERY_PARTS),
            started: earlier(timeout / STOPPED_PARTS),
            stopped: earlier(MARGIN.min(timeout / STOPPED_PARTS)),
        }
    }

    fn of(&self, request: AnnounceRequest) -> Instant {
        match request {
            AnnounceRequest::StoppedQuery => self.stopped_query,
            AnnounceRequest::Started => self.started,
            AnnounceRequest::Stopped => self.stopped,
        }
    }
}

impl HttpClient {
    /// Gets the peer list of a swarm.
    pub(super) async fn announce(
        self: &Arc<Self>,
        swarm: &Swarm,
        strategy: AnnounceStrategy,
        deadlines: Deadlines,
        progress: &mut Progress,
    ) -> AnnounceResult {
        let own = PeerFilter {
            ports: self.settings.identity.ports,
            accept: self.settings.accept,
        };
        let mut session = AnnounceSession::new(strategy);
        let mut stop_announce = StopAnnounce::of(self.clone(), swarm.clone());
        let mut response = None;
        loop {
            let request = session.request();
            session.sent();
            stop_announce.is_owed = session.may_be_registered();
            let tracker_id = stop_announce.tracker_id.clone();
            let asking = self.send_announce(swarm, request, tracker_id.as_deref(), progress);
            let result = timeout_at(deadlines.of(request), asking).await;
            let next = match result.unwrap_or_else(|_| Err(progress.timed_out())) {
                Ok(reply) => {
                    stop_announce.tracker_id = reply.tracker_id.or(stop_announce.tracker_id.take());
                    let answer = SessionAnswer {
                        announced: reply.announced,
                        has_list: reply.has_list,
                    };
                    session.answered(answer, &own)
                }
                Err(failed) => {
                    let delivery = delivery(&failed, progress);
                    session.failed(failed, delivery, &own)
                }
            };
            stop_announce.is_owed = session.may_be_registered();
            // The time of the list counts, not that of the last `stopped`.
            if request == AnnounceRequest::Stopped {
                progress.stats.phases.response = response;
            }
            response = progress.stats.phases.response;
            if let Next::Done(result) = next {
                let cut = || {
                    Err(ProbeError::new(
                        FailureReason::Timeout,
                        "the probe was cut short",
                    ))
                };
                return result.unwrap_or_else(cut);
            }
        }
    }

    async fn send_announce(
        &self,
        swarm: &Swarm,
        request: AnnounceRequest,
        tracker_id: Option<&[u8]>,
        progress: &mut Progress,
    ) -> Result<Reply, ProbeError> {
        let announces = &self.announces[swarm.origin.family.index()];
        let own = announces.query(request, &swarm.hash, tracker_id);
        let target = target(swarm, request, &own).ok_or_else(|| {
            ProbeError::new(FailureReason::Unsupported, "not a URL that can be asked")
        })?;
        let body = self
            .fetch(target, &own, &swarm.url, &swarm.origin, progress)
            .await?;
        let asked = AnnounceContext {
            family: swarm.origin.family,
            limit: usize::from(self.settings.numwant),
        };
        answer::announce(&body.bytes, body.cut, &swarm.url, asked)
    }
}

/// Returns the target of a request. The last `stopped` follows the redirect of `started`, because
/// that tracker has our entry.
fn target(swarm: &Swarm, request: AnnounceRequest, own: &str) -> Option<Target> {
    let origin = &swarm.origin;
    match request {
        AnnounceRequest::StoppedQuery | AnnounceRequest::Started => origin.redirect.clear(),
        AnnounceRequest::Stopped => {
            if let Some(target) = origin.redirect.get() {
                return Some(Target {
                    url: query::redirected_url(&target.url, own)?,
                    ..target
                });
            }
        }
    }
    Some(Target {
        url: origin.slots.announce_url(&swarm.url, own)?,
        addresses: origin.addresses.clone(),
    })
}

/// Returns whether a failed request may have reached the tracker: there was a connection, or the
/// failure came over one.
fn delivery(failed: &ProbeError, progress: &mut Progress) -> Delivery {
    match failed.reason {
        _ if progress.note().is_connecting() => Delivery::Excluded,
        FailureReason::Dns
        | FailureReason::Unreachable
        | FailureReason::Refused
        | FailureReason::Tls
        | FailureReason::Denied
        | FailureReason::Unsupported => Delivery::Excluded,
        FailureReason::Reset
        | FailureReason::Timeout
        | FailureReason::HttpStatus
        | FailureReason::NotBencode
        | FailureReason::Malformed
        | FailureReason::Rejected
        | FailureReason::RateLimited => Delivery::Possible,
    }
}

/// The `stopped` that must follow `started`. If the probe ends or is cancelled before it was sent,
/// it is sent in the background.
struct StopAnnounce {
    http_client: Arc<HttpClient>,
    swarm: Swarm,
    tracker_id: Option<Box<[u8]>>,
    is_owed: bool,
}

impl StopAnnounce {
    fn of(http_client: Arc<HttpClient>, swarm: Swarm) -> Self {
        Self {
            http_client,
            swarm,
            tracker_id: None,
            is_owed: false,
        }
    }
}

impl Drop for StopAnnounce {
    fn drop(&mut self) {
        if !self.is_owed {
            return;
        }
        // Without a runtime the process is ending, and with all permits taken, a thousand trackers
        // hang. Our entry then stays until the tracker drops silent peers.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let Ok(permit) = self
            .http_client
            .shared
            .background_stops
            .clone()
            .try_acquire_owned()
        else {
            return;
        };
        let (http_client, swarm) = (self.http_client.clone(), self.swarm.clone());
        let tracker_id = self.tracker_id.take();
        runtime.spawn(async move {
            let mut progress = Progress::default();
            let leaving = async {
                let _turn = swarm.origin.slots.connections.acquire().await;
                let id = tracker_id.as_deref();
                http_client
                    .send_announce(&swarm, AnnounceRequest::Stopped, id, &mut progress)
                    .await
            };
            let left = matches!(timeout(STOP_TIMEOUT, leaving).await, Ok(Ok(_)));
            tracing::debug!(tracker = %swarm.url, left, "announced stopped in the background");
            drop(permit);
        });
    }
}
