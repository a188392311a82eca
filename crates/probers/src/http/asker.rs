//! Answers jobs, one after the other or many at once, in whatever runtime it is asked.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::caught::caught;
use super::client::Client;
use super::fetch::Target;
use super::lanes::{Lane, Lanes};
use super::large::LargeBodies;
use super::probation::Probation;
use super::trace::{Seen, Trace};
use super::{DRAIN_TIMEOUT, MAX_FAREWELLS, MAX_IN_FLIGHT, Settings, SetupError, announce, tls};
use crate::resolve::Resolver;
use seedwatch_clock::LineLimit;
use seedwatch_torrent::Family;
use seedwatch_torrent::address::is_global;
use seedwatch_torrent::{AddressScope, InfoHash, Scheme};
use seedwatch_tracker::http::query::Announces;
use seedwatch_tracker::http::{answer, query};
use seedwatch_tracker::{
    AnnounceId, Ask, Exchange, Failed, Failure, Job, Observation, Report, Scraped,
};

/// Faults of our own.
static FAULTS: LineLimit<()> = LineLimit::new();

/// Settings, what is built from them, and the limits that hold over all settings.
pub(super) struct Asker {
    pub(super) settings: Settings,
    pub(super) resolver: Resolver,
    /// By [`Family::index`].
    pub(super) clients: [Client; 2],
    /// By [`Family::index`].
    pub(super) announces: [Announces; 2],
    pub(super) shared: Arc<Shared>,
}

/// What outlives a change of the settings.
pub(super) struct Shared {
    pub(super) lanes: Lanes,
    in_flight: Semaphore,
    pub(super) large: LargeBodies,
    pub(super) probation: Probation,
    pub(super) farewells: Arc<Semaphore>,
}

/// Where a probe may go.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) family: Family,
    pub(super) addresses: Arc<[IpAddr]>,
    /// No redirect leads from here into private space.
    pub(super) is_public: bool,
    /// What redirects may lead to beyond that.
    pub(super) scope: AddressScope,
    /// What probes of the host share.
    pub(super) lane: Arc<Lane>,
    /// Where the latest request of this probe was redirected to.
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

/// How far a probe has got: what is left to report when its time is over.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) exchange: Exchange,
    pub(super) trace: Option<Arc<Trace>>,
}

impl Progress {
    /// Takes over what was seen of the last connection.
    pub(super) fn note(&mut self) -> Seen {
        let seen = self.trace.as_ref().map(|t| t.seen()).unwrap_or_default();
        let exchange = &mut self.exchange;
        exchange.phases.connect = exchange.phases.connect.or(seen.connect());
        exchange.phases.tls = exchange.phases.tls.or(seen.tls());
        exchange.certificate_expiry = seen.certificate_expiry.or(exchange.certificate_expiry);
        seen
    }

    /// The failure that the end of the time is.
    pub(super) fn timed_out(&mut self) -> Failed {
        let seen = self.note();
        let text = if seen.is_in_handshake() {
            "no end of the TLS handshake in time"
        } else if seen.is_connecting() {
            "no connection in time"
        } else {
            "no answer in time"
        };
        Failed::new(Failure::Timeout, text)
    }
}

impl Asker {
    /// Builds the clients. Nothing is contacted.
    pub(super) fn new(settings: Settings, resolver: Resolver) -> Result<Self, SetupError> {
        let shared = Shared {
            lanes: Lanes::default(),
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
            large: LargeBodies::default(),
            probation: Probation::start().map_err(SetupError::Thread)?,
            farewells: Arc::new(Semaphore::new(MAX_FAREWELLS as usize)),
        };
        Self::build(settings, resolver, Arc::new(shared))
    }

    /// One with other settings within the same limits.
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
        let announces =
            Family::ALL.map(|family| Announces::new(&settings.identity, family, settings.numwant));
        Ok(Self {
            settings,
            resolver,
            clients,
            announces,
            shared,
        })
    }

    /// Answers a job, within its time. Dropping the future ends the probe; a farewell that is
    /// owed then goes out in the background.
    pub(super) async fn probe(self: &Arc<Self>, job: Job) -> Observation {
        let mut progress = Progress::default();
        let report = caught(pin!(self.run(&job, &mut progress))).await;
        let report = report.unwrap_or_else(|| {
            if let Some(suppressed) = FAULTS.admit((), std::time::Instant::now()) {
                let tracker = &job.url;
                tracing::error!(%tracker, suppressed, "the HTTP prober met a fault of its own");
            }
            let text = "the prober failed over some answer";
            job.ask.failed(Failed::new(Failure::Malformed, text))
        });
        Observation {
            tracker: job.tracker,
            family: job.family,
            report,
            exchange: progress.exchange,
        }
    }

    /// Waits for the farewells in the background, until [`DRAIN_TIMEOUT`] is over. Says whether
    /// none is owed any more.
    pub(super) async fn farewells(&self) -> bool {
        let all = self.shared.farewells.acquire_many(MAX_FAREWELLS);
        matches!(timeout(DRAIN_TIMEOUT, all).await, Ok(Ok(_)))
    }

    async fn run(self: &Arc<Self>, job: &Job, progress: &mut Progress) -> Report {
        if !matches!(job.url.scheme(), Scheme::Http | Scheme::Https) {
            let failed = Failed::new(Failure::Unsupported, "not HTTP");
            return job.ask.failed(failed);
        }
        let resolving = self.resolver.resolve_within(&job.url, job.timeout);
        let (resolved, spent) = pin!(resolving).await;
        progress.exchange.duration = spent;
        let resolved = match resolved {
            Ok(resolved) => resolved,
            Err(why) => return job.ask.failed(why),
        };
        progress.exchange.phases.resolve = resolved.took;
        let addresses: Arc<[IpAddr]> = resolved.of(job.family).into();
        progress.exchange.remote = addresses.first().copied();
        if addresses.is_empty() {
            return Report::NoAddress { ids: job.ask.ids() };
        }
        let lane = self.shared.lanes.get(job.tracker, job.family);
        let origin = Origin {
            family: job.family,
            is_public: addresses.iter().all(|ip| is_global(*ip)),
            scope: job.url.scope(),
            addresses,
            lane: lane.clone(),
            redirect: Arc::default(),
        };
        // The host's own limit first: a host that hangs must not use up the places of all.
        let _turn = lane.places.acquire().await;
        let _place = self.shared.in_flight.acquire().await;
        // Time in our own queues is not held against the tracker: its time runs from here.
        let start = Instant::now();
        let left = job.timeout.saturating_sub(spent);
        let deadline = start + left;
        let until = announce::Until::new(deadline, left);
        let report = {
            // A future of some kilobytes stays where it is.
            let asking = pin!(self.ask_for(job, origin, until, progress));
            asking.await
        };
        progress.exchange.duration = spent + start.elapsed();
        report
    }

    /// Sends what a job asks for. Each request ends at its time.
    async fn ask_for(
        self: &Arc<Self>,
        job: &Job,
        origin: Origin,
        until: announce::Until,
        progress: &mut Progress,
    ) -> Report {
        match &job.ask {
            Ask::Announce {
                id,
                info_hash,
                manner,
            } => {
                let swarm = announce::Swarm {
                    url: job.url.clone(),
                    hash: *info_hash,
                    origin,
                };
                Report::Announce {
                    id: *id,
                    result: self.announce(&swarm, *manner, until, progress).await,
                }
            }
            Ask::Scrape { targets } => {
                let scraping = self.scrape(job, targets, &origin, progress);
                let result = timeout_at(until.scrape, scraping).await;
                Report::Scrape {
                    ids: job.ask.ids(),
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
    ) -> Result<Vec<Option<Scraped>>, Failed> {
        let hashes = targets.iter().take(Ask::MAX_SCRAPE).map(|(_, hash)| hash);
        let query = query::scrape(hashes);
        let Some(url) = query::scrape_url(&job.url, &query) else {
            let text = "the announce URL does not lead to a scrape URL (BEP 48)";
            return Err(Failed::new(Failure::Unsupported, text));
        };
        let url = Url::parse(&url)
            .map_err(|_| Failed::new(Failure::Unsupported, "not a URL that can be asked"))?;
        let target = Target {
            url,
            addresses: origin.addresses.clone(),
        };
        let found = self
            .fetch(target, &query, &job.url, origin, progress)
            .await?;
        let counted = answer::scrape(&found.bytes, found.cut, &job.url, targets)?;
        let asked = counted.interval.unwrap_or_default().as_secs();
        progress.exchange.scrape_interval_seconds = u32::try_from(asked).unwrap_or(u32::MAX);
        Ok(counted.counts)
    }
}
