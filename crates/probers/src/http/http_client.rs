//! Carries out jobs, each in the task of its caller.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::catch_panic::catch_panic;
use super::client::Client;
use super::fetch::Target;
use super::host_slots::{HostSlots, HostTable};
use super::large::LargeBodies;
use super::probation::Probation;
use super::trace::{Seen, Trace};
use super::{MAX_BACKGROUND_STOPS, MAX_IN_FLIGHT, Settings, SetupError, announce, tls};
use crate::prober::DRAIN_TIMEOUT;
use crate::resolve::Resolver;
use seedwatch_clock::LineLimit;
use seedwatch_torrent::Family;
use seedwatch_torrent::address::is_global;
use seedwatch_torrent::{AddressScope, InfoHash, Scheme};
use seedwatch_tracker::http::query::AnnounceQueries;
use seedwatch_tracker::http::{answer, query};
use seedwatch_tracker::{
    AnnounceId, FailureReason, Job, Observation, ProbeError, ProbeStats, Report, Request,
    ScrapeResponse,
};

/// Limits the log of panics in the prober.
static FAULTS: LineLimit<()> = LineLimit::new();

/// The settings, what is built from them, and the limits that outlive them.
pub(super) struct HttpClient {
    pub(super) settings: Settings,
    pub(super) resolver: Resolver,
    /// By [`Family::index`].
    pub(super) clients: [Client; 2],
    /// By [`Family::index`].
    pub(super) announces: [AnnounceQueries; 2],
    pub(super) shared: Arc<Shared>,
}

/// The state that outlives a change of the settings.
pub(super) struct Shared {
    pub(super) hosts: HostTable,
    in_flight: Semaphore,
    pub(super) large: LargeBodies,
    pub(super) probation: Probation,
    pub(super) background_stops: Arc<Semaphore>,
}

/// Where the requests of a probe may go.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) family: Family,
    pub(super) addresses: Arc<[IpAddr]>,
    /// Whether all addresses are public: then no redirect may lead into private space.
    pub(super) is_public: bool,
    /// The scope of redirect targets beyond that.
    pub(super) scope: AddressScope,
    /// The shared state of the host.
    pub(super) slots: Arc<HostSlots>,
    /// The target that the latest request of this probe was redirected to.
    pub(super) redirect: Arc<Redirect>,
}

/// The checked target of a redirect. It outlives the request, which may end without an answer.
#[derive(Debug, Default)]
pub(super) struct Redirect(Mutex<Option<Target>>);

impl Redirect {
    pub(super) fn set(&self, target: Target) {
        *self.lock() = Some(target);
    }

    pub(super) fn get(&self) -> Option<Target> {
        self.lock().clone()
    }

    pub(super) fn clear(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Target>> {
        // No code that holds the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The progress of a probe, to be reported when its time is over.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) stats: ProbeStats,
    pub(super) trace: Option<Arc<Trace>>,
}

impl Progress {
    /// Records what was seen of the last connection.
    pub(super) fn note(&mut self) -> Seen {
        let seen = self.trace.as_ref().map(|t| t.seen()).unwrap_or_default();
        let stats = &mut self.stats;
        stats.phases.connect = stats.phases.connect.or(seen.connect());
        stats.phases.tls = stats.phases.tls.or(seen.tls());
        stats.certificate_expiry = seen.certificate_expiry.or(stats.certificate_expiry);
        seen
    }

    /// Returns the failure of a probe whose time is over.
    pub(super) fn timed_out(&mut self) -> ProbeError {
        let seen = self.note();
        let text = if seen.is_in_handshake() {
            "no end of the TLS handshake in time"
        } else if seen.is_connecting() {
            "no connection in time"
        } else {
            "no answer in time"
        };
        ProbeError::new(FailureReason::Timeout, text)
    }
}

impl HttpClient {
    /// Builds the clients. Nothing is contacted.
    pub(super) fn new(settings: Settings, resolver: Resolver) -> Result<Self, SetupError> {
        let shared = Shared {
            hosts: HostTable::default(),
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
            large: LargeBodies::default(),
            probation: Probation::start().map_err(SetupError::Thread)?,
            background_stops: Arc::new(Semaphore::new(MAX_BACKGROUND_STOPS as usize)),
        };
        Self::build(settings, resolver, Arc::new(shared))
    }

    /// Returns a client with other settings and the same limits.
    pub(super) fn configured(&self, settings: Settings) -> Result<Self, SetupError> {
        Self::build(settings, self.resolver.clone(), self.shared.clone())
    }

    fn build(
        settings: Settings,
        resolver: Resolver,
        shared: Arc<Shared>,
    ) -> Result<Self, SetupError> {
        let tls = tls::config(&settings.roots)?;
        let client = || Client::new(&settings.user_agent, &tls);
        let clients = [client()?, client()?];
        let announces = Family::ALL
            .map(|family| AnnounceQueries::new(&settings.identity, family, settings.numwant));
        Ok(Self {
            settings,
            resolver,
            clients,
            announces,
            shared,
        })
    }

    /// Carries out a job within its timeout. Dropping the future ends the probe; if `started` was
    /// sent, `stopped` is then sent in the background.
    pub(super) async fn probe(self: &Arc<Self>, job: Job) -> Observation {
        let mut progress = Progress::default();
        let report = catch_panic(pin!(self.run(&job, &mut progress))).await;
        let report = report.unwrap_or_else(|| {
            if let Some(suppressed) = FAULTS.admit((), std::time::Instant::now()) {
                let tracker = &job.url;
                tracing::error!(%tracker, suppressed, "the HTTP prober panicked");
            }
            let text = "the prober failed on a response";
            job.request
                .failed(ProbeError::new(FailureReason::Malformed, text))
        });
        Observation {
            tracker: job.tracker,
            family: job.family,
            report,
            stats: progress.stats,
        }
    }

    /// Waits for `stopped` announces in the background, for at most [`DRAIN_TIMEOUT`]. Returns
    /// whether all have ended.
    pub(super) async fn background_stops(&self) -> bool {
        let all = self
            .shared
            .background_stops
            .acquire_many(MAX_BACKGROUND_STOPS);
        matches!(timeout(DRAIN_TIMEOUT, all).await, Ok(Ok(_)))
    }

    async fn run(self: &Arc<Self>, job: &Job, progress: &mut Progress) -> Report {
        if !matches!(job.url.scheme(), Scheme::Http | Scheme::Https) {
            let failed = ProbeError::new(FailureReason::Unsupported, "not HTTP");
            return job.request.failed(failed);
        }
        let resolving = self.resolver.resolve_within(&job.url, job.timeout);
        let (resolved, spent) = pin!(resolving).await;
        progress.stats.duration = spent;
        let resolved = match resolved {
            Ok(resolved) => resolved,
            Err(why) => return job.request.failed(why),
        };
        progress.stats.phases.resolve = resolved.took;
        let addresses: Arc<[IpAddr]> = match resolved.reachable(job.family) {
            Ok(addresses) => addresses.into(),
            Err(why) => return job.request.failed(why),
        };
        progress.stats.remote = addresses.first().copied();
        if addresses.is_empty() {
            return Report::NoAddress {
                ids: job.request.ids(),
            };
        }
        let slots = self.shared.hosts.get(job.tracker, job.family);
        let origin = Origin {
            family: job.family,
            is_public: addresses.iter().all(|ip| is_global(*ip)),
            scope: job.url.scope(),
            addresses,
            slots: slots.clone(),
            redirect: Arc::default(),
        };
        // The limit per host comes first, so that a host that hangs cannot take all permits.
        let _turn = slots.connections.acquire().await;
        let _place = self.shared.in_flight.acquire().await;
        // The tracker's time runs from here: time in our own queues does not count.
        let start = Instant::now();
        let left = job.timeout.saturating_sub(spent);
        let deadline = start + left;
        let deadlines = announce::Deadlines::new(deadline, left);
        let report = {
            // Pinned in place: the future has some kilobytes.
            let asking = pin!(self.send_request(job, origin, deadlines, progress));
            asking.await
        };
        progress.stats.duration = spent + start.elapsed();
        report
    }

    /// Sends the requests of a job. Each ends at its deadline.
    async fn send_request(
        self: &Arc<Self>,
        job: &Job,
        origin: Origin,
        deadlines: announce::Deadlines,
        progress: &mut Progress,
    ) -> Report {
        match &job.request {
            Request::Announce {
                id,
                info_hash,
                strategy,
            } => {
                let swarm = announce::Swarm {
                    url: job.url.clone(),
                    hash: *info_hash,
                    origin,
                };
                Report::Announce {
                    id: *id,
                    result: self.announce(&swarm, *strategy, deadlines, progress).await,
                }
            }
            Request::Scrape { targets } => {
                let scraping = self.scrape(job, targets, &origin, progress);
                let result = timeout_at(deadlines.scrape, scraping).await;
                Report::Scrape {
                    ids: job.request.ids(),
                    result: result.unwrap_or_else(|_| Err(progress.timed_out())),
                }
            }
        }
    }

    async fn scrape(
        &self,
        job: &Job,
        targets: &[(AnnounceId, InfoHash)],
        origin: &Origin,
        progress: &mut Progress,
    ) -> Result<Vec<Option<ScrapeResponse>>, ProbeError> {
        let hashes = targets
            .iter()
            .take(Request::MAX_SCRAPE)
            .map(|(_, hash)| hash);
        let query = query::scrape(hashes);
        let Some(url) = query::scrape_url(&job.url, &query) else {
            let text = "the announce URL does not lead to a scrape URL (BEP 48)";
            return Err(ProbeError::new(FailureReason::Unsupported, text));
        };
        let url = Url::parse(&url).map_err(|_| {
            ProbeError::new(FailureReason::Unsupported, "not a URL that can be asked")
        })?;
        let target = Target {
            url,
            addresses: origin.addresses.clone(),
        };
        let found = self
            .fetch(target, &query, &job.url, origin, progress)
            .await?;
        let counted = answer::scrape(&found.bytes, found.cut, &job.url, targets)?;
        let asked = counted.interval.unwrap_or_default().as_secs();
        progress.stats.scrape_interval_seconds = u32::try_from(asked).unwrap_or(u32::MAX);
        Ok(counted.counts)
    }
}
