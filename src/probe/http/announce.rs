//! Asking for a list without leaving an entry behind.
//!
//! Ghost: `stopped` first, which most trackers answer with the full list. Where counts come
//! without a list, or nothing says that the swarm is empty: `started`, and then `stopped`, whatever
//! happens in between.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::FAREWELL_TIMEOUT;
use super::answer::{self, Reply};
use super::asker::{Asker, Origin, Progress};
use super::lanes::Lane;
use super::query::{self, Event};
use crate::observation::{Announced, Counts, Failed, Failure, Manner, Peers};
use crate::torrent::{InfoHash, TrackerUrl};

/// The last part of a probe's time, kept for taking back what `started` did.
const FAREWELL_PARTS: u32 = 5;
/// A farewell inside a probe ends this much before the probe does, so that a list that is there
/// already is reported.
const MARGIN: Duration = Duration::from_millis(20);
/// BEP 3 demands `peers`: without it, and without counts, an answer is no 0. Only `stopped` may be
/// answered so.
const SILENT: &str = "an answer without peers and counts";

/// One info-hash at one tracker.
#[derive(Debug, Clone)]
pub(super) struct Swarm {
    pub(super) url: Arc<TrackerUrl>,
    pub(super) hash: InfoHash,
    pub(super) origin: Origin,
    pub(super) lane: Arc<Lane>,
}

/// How long the steps of an announce may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    started: Instant,
    stopped: Instant,
}

impl Until {
    pub(super) fn new(deadline: Instant, timeout: Duration) -> Self {
        let earlier = |by| deadline.checked_sub(by).unwrap_or(deadline);
        Self {
            started: earlier(timeout / FAREWELL_PARTS),
            stopped: earlier(MARGIN.min(timeout / FAREWELL_PARTS)),
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
    ) -> Result<Announced, Failed> {
        let numwant = self.settings.numwant;
        let mut without_us = None;
        if manner == Manner::Ghost {
            let reply = self
                .ask(swarm, Event::Stopped, numwant, None, progress)
                .await?;
            // Joining would bring the same host names.
            if reply.announced.withheld || !is_withheld(&reply.announced) {
                return Ok(reply.announced);
            }
            without_us = Some(reply.announced.counts);
        }
        let mut farewell = Farewell::owed(self.clone(), swarm.clone());
        let asking = self.ask(swarm, Event::Started, numwant, None, progress);
        let reply = match timeout_at(until.started, asking).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(failed)) => {
                farewell.is_owed = may_be_registered(&failed, progress);
                return Err(failed);
            }
            Err(_) => {
                let failed = progress.timed_out();
                farewell.is_owed = may_be_registered(&failed, progress);
                return Err(failed);
            }
        };
        farewell.tracker_id = reply.tracker_id;
        let has_list = reply.has_list;
        let mut announced = reply.announced;
        announced.manner = Manner::Brief;
        let has_others = announced.peers.has_others(self.settings.identity.ports);
        if without_us.is_some() && !has_others {
            // No list either way: the next probe need not join to learn nothing, and our own
            // entry, if it is there, is no peer.
            announced.manner = Manner::Ghost;
            announced.peers = Peers::default();
        }
        announced.counts = without_us.unwrap_or(Counts {
            // We are one of them, until `stopped` brings better figures.
            leechers: announced.counts.leechers.map(|n| n.saturating_sub(1)),
            ..announced.counts
        });
        let response = progress.exchange.phases.response;
        let id = farewell.tracker_id.clone();
        let leaving = self.ask(swarm, Event::Stopped, 0, id.as_deref(), progress);
        if let Ok(left) = timeout_at(until.stopped, leaving).await {
            match left {
                Ok(reply) => {
                    farewell.is_owed = false;
                    better(&mut announced.counts, &reply.announced.counts);
                }
                // Unless it has heard us and said no, we are still listed: a connection that fails
                // now takes nothing back.
                Err(failed) => farewell.is_owed = !failed.reason.is_refusal(),
            }
        }
        // What the list took counts, not what the farewell took.
        progress.exchange.phases.response = response;
        let counts = &announced.counts;
        if !has_list && !counts.are_of_the_swarm() {
            return Err(Failed::new(Failure::Malformed, SILENT));
        }
        // Without any list, only counts of nobody make it an empty one.
        let is_claimed = counts.is_inhabited() || !has_list && !counts.is_nobody();
        announced.withheld |= !has_others && is_claimed;
        Ok(announced)
    }

    async fn ask(
        &self,
        swarm: &Swarm,
        event: Event,
        numwant: u16,
        tracker_id: Option<&[u8]>,
        progress: &mut Progress,
    ) -> Result<Reply, Failed> {
        let identity = &self.settings.identity;
        let own = query::announce(
            identity,
            swarm.origin.family,
            &swarm.hash,
            event,
            numwant,
            tracker_id,
        );
        let whole = swarm
            .lane
            .announce_url(&swarm.url, &own)
            .ok_or_else(|| Failed::new(Failure::Unsupported, "not a URL that can be asked"))?;
        let body = self
            .fetch(whole, &own, &swarm.url, &swarm.origin, progress)
            .await?;
        let limit = usize::from(self.settings.numwant);
        answer::announce(&body.bytes, body.cut, &swarm.url, limit)
    }
}

/// A list that is empty although the swarm is not, or for all we know is not.
fn is_withheld(announced: &Announced) -> bool {
    announced.peers.is_empty() && !announced.counts.is_nobody()
}

/// Whether `started` may have reached a tracker that then failed so: a connection was there, and it
/// did not say no.
fn may_be_registered(failed: &Failed, progress: &mut Progress) -> bool {
    !progress.note().is_connecting()
        && matches!(
            failed.reason,
            Failure::Timeout
                | Failure::Reset
                | Failure::HttpStatus
                | Failure::NotBencode
                | Failure::Malformed
        )
}

/// Figures from after we left are without us.
fn better(counts: &mut Counts, after: &Counts) {
    counts.seeders = after.seeders.or(counts.seeders);
    counts.leechers = after.leechers.or(counts.leechers);
    counts.completed = after.completed.or(counts.completed);
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
    fn owed(asker: Arc<Asker>, swarm: Swarm) -> Self {
        Self {
            asker,
            swarm,
            tracker_id: None,
            is_owed: true,
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
                let _turn = swarm.lane.places.acquire().await;
                asker
                    .ask(
                        &swarm,
                        Event::Stopped,
                        0,
                        tracker_id.as_deref(),
                        &mut progress,
                    )
                    .await
            };
            let left = matches!(timeout(FAREWELL_TIMEOUT, leaving).await, Ok(Ok(_)));
            tracing::debug!(tracker = %swarm.url, left, "farewell in the background");
            drop(place);
        });
    }
}
