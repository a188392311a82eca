//! The shell of [`AnnounceSession`] over HTTP: requests, their time, and the `stopped` that must
//! follow `started` even if the probe is cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::FAREWELL_TIMEOUT;
use super::asker::{Asker, Origin, Progress};
use super::fetch::Target;
use seedwatch_torrent::{InfoHash, TrackerUrl};
use seedwatch_tracker::announce_session::{
    AnnounceSession, Answer, LEAVE_PARTS, LOOK_PARTS, Next, Own, Reached, Request, Verdict,
};
use seedwatch_tracker::http::answer::{self, Asked, Reply};
use seedwatch_tracker::http::query;
use seedwatch_tracker::{Failed, Failure, Manner};

/// A farewell inside a probe ends this much before the probe does, so that a list that is there
/// already is reported.
const MARGIN: Duration = Duration::from_millis(20);

/// One info-hash at one tracker.
#[derive(Debug, Clone)]
pub(super) struct Swarm {
    pub(super) url: Arc<TrackerUrl>,
    pub(super) hash: InfoHash,
    pub(super) origin: Origin,
}

/// When the requests of a probe end, answered or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    pub(super) scrape: Instant,
    look: Instant,
    join: Instant,
    leave: Instant,
}

impl Until {
    pub(super) fn new(deadline: Instant, timeout: Duration) -> Self {
        let earlier = |by| deadline.checked_sub(by).unwrap_or(deadline);
        Self {
            scrape: deadline,
            look: earlier(timeout / LOOK_PARTS),
            join: earlier(timeout / LEAVE_PARTS),
            leave: earlier(MARGIN.min(timeout / LEAVE_PARTS)),
        }
    }

    fn of(&self, request: Request) -> Instant {
        match request {
            Request::Look => self.look,
            Request::Join => self.join,
            Request::Leave => self.leave,
        }
    }
}

impl Asker {
    /// Gets the list of a swarm.
    pub(super) async fn announce(
        self: &Arc<Self>,
        swarm: &Swarm,
        manner: Manner,
        until: Until,
        progress: &mut Progress,
    ) -> Verdict {
        let own = Own {
            ports: self.settings.identity.ports,
            accept: self.settings.accept,
        };
        let mut session = AnnounceSession::new(manner);
        let mut farewell = Farewell::of(self.clone(), swarm.clone());
        let mut response = None;
        loop {
            let request = session.request();
            session.sent();
            farewell.is_owed = session.may_be_registered();
            let tracker_id = farewell.tracker_id.clone();
            let asking = self.ask(swarm, request, tracker_id.as_deref(), progress);
            let result = timeout_at(until.of(request), asking).await;
            let next = match result.unwrap_or_else(|_| Err(progress.timed_out())) {
                Ok(reply) => {
                    farewell.tracker_id = reply.tracker_id.or(farewell.tracker_id.take());
                    let answer = Answer {
                        announced: reply.announced,
                        has_list: reply.has_list,
                    };
                    session.answered(answer, &own)
                }
                Err(failed) => {
                    let reached = reached(&failed, progress);
                    session.failed(failed, reached, &own)
                }
            };
            farewell.is_owed = session.may_be_registered();
            // What the list took counts, not what the farewell took.
            if request == Request::Leave {
                progress.exchange.phases.response = response;
            }
            response = progress.exchange.phases.response;
            if let Next::Done(verdict) = next {
                let cut = || Err(Failed::new(Failure::Timeout, "the probe was cut short"));
                return verdict.unwrap_or_else(cut);
            }
        }
    }

    async fn ask(
        &self,
        swarm: &Swarm,
        request: Request,
        tracker_id: Option<&[u8]>,
        progress: &mut Progress,
    ) -> Result<Reply, Failed> {
        let announces = &self.announces[swarm.origin.family.index()];
        let own = announces.query(request, &swarm.hash, tracker_id);
        let target = target(swarm, request, &own)
            .ok_or_else(|| Failed::new(Failure::Unsupported, "not a URL that can be asked"))?;
        let body = self
            .fetch(target, &own, &swarm.url, &swarm.origin, progress)
            .await?;
        let asked = Asked {
            family: swarm.origin.family,
            limit: usize::from(self.settings.numwant),
        };
        answer::announce(&body.bytes, body.cut, &swarm.url, asked)
    }
}

/// Where a request goes. The last `stopped` goes where `started` was redirected to, because that is
/// where we are registered.
fn target(swarm: &Swarm, request: Request, own: &str) -> Option<Target> {
    let origin = &swarm.origin;
    match request {
        Request::Look | Request::Join => origin.redirect.clear(),
        Request::Leave => {
            if let Some(target) = origin.redirect.get() {
                return Some(Target {
                    url: query::asked_again(&target.url, own)?,
                    ..target
                });
            }
        }
    }
    Some(Target {
        url: origin.lane.announce_url(&swarm.url, own)?,
        addresses: origin.addresses.clone(),
    })
}

/// Whether a request that failed so may have reached the tracker: a connection was there, or the
/// failure comes from beyond it.
fn reached(failed: &Failed, progress: &mut Progress) -> Reached {
    match failed.reason {
        _ if progress.note().is_connecting() => Reached::No,
        Failure::Dns
        | Failure::Unreachable
        | Failure::Refused
        | Failure::Tls
        | Failure::Denied
        | Failure::Unsupported => Reached::No,
        Failure::Reset
        | Failure::Timeout
        | Failure::HttpStatus
        | Failure::NotBencode
        | Failure::Malformed
        | Failure::Rejected
        | Failure::RateLimited => Reached::Perhaps,
    }
}

/// The `stopped` that must follow `started`: if it is still owed when the probe ends, cancelled or
/// not, it goes out in the background.
struct Farewell {
    asker: Arc<Asker>,
    swarm: Swarm,
    tracker_id: Option<Box<[u8]>>,
    is_owed: bool,
}

impl Farewell {
    fn of(asker: Arc<Asker>, swarm: Swarm) -> Self {
        Self {
            asker,
            swarm,
            tracker_id: None,
            is_owed: false,
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if !self.is_owed {
            return;
        }
        // Without a runtime the process is at its end, and with all places taken trackers hang by
        // the thousand: the entry then goes when the tracker forgets silent peers.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let Ok(place) = self.asker.shared.farewells.clone().try_acquire_owned() else {
            return;
        };
        let (asker, swarm) = (self.asker.clone(), self.swarm.clone());
        let tracker_id = self.tracker_id.take();
        runtime.spawn(async move {
            let mut progress = Progress::default();
            let leaving = async {
                let _turn = swarm.origin.lane.places.acquire().await;
                let id = tracker_id.as_deref();
                asker.ask(&swarm, Request::Leave, id, &mut progress).await
            };
            let left = matches!(timeout(FAREWELL_TIMEOUT, leaving).await, Ok(Ok(_)));
            tracing::debug!(tracker = %swarm.url, left, "farewell in the background");
            drop(place);
        });
    }
}
