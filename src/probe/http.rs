//! Trackers over HTTP and HTTPS (BEP 3, 7, 23, 24, 31, 48).
//!
//! reqwest does HTTP, one client a family; what it connects to is decided here. Redirects are
//! followed by hand, because each hop asks anew whether it may be contacted. A probe holds one of
//! few places per tracker host, and connections are kept alive between the torrents of a host.
//!
//! | File | Holds |
//! |---|---|
//! | `query` | announce and scrape URLs |
//! | `running` | the tasks of probes under way |
//! | `fetch` | one question: send, follow, read |
//! | `announce` | ghost and brief announces, and the `stopped` that must follow `started` |
//! | `answer`, `peers`, `body` | what comes back; pure |
//! | `status`, `failure` | what went wrong; pure |
//! | `trace`, `tls` | the hooks below reqwest: addresses, phases, certificates |

mod announce;
mod answer;
mod body;
mod failure;
mod fetch;
mod lanes;
mod peers;
mod query;
mod running;
mod status;
mod tls;
mod trace;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{timeout, timeout_at};

use crate::address::is_global;
use crate::observation::{
    AnnounceId, Ask, Exchange, Failed, Failure, Family, Identity, Job, Observation, Report, Scraped,
};
use crate::probe::resolve::Resolver;
use crate::torrent::{InfoHash, Scheme};
use lanes::Lanes;
use running::{Running, caught};
use trace::{Seen, Trace};

pub use tls::{RootsError, TlsError, roots_from_environment};

/// Connections, and so probes at once, to one tracker host over one family.
pub const MAX_PER_HOST: usize = 4;
/// Probes at once over all hosts.
pub const MAX_IN_FLIGHT: usize = 512;
/// Time an unused connection is kept open.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Longest time to make a connection, over all addresses of a host.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirects followed.
pub const MAX_REDIRECTS: usize = 2;
/// Farewells (`stopped` after `started`) under way in the background.
pub const MAX_FAREWELLS: u32 = 1024;
/// Longest time of a farewell in the background.
pub const FAREWELL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time [`HttpProber::drain`] takes.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// What an [`HttpProber`] needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who we are to trackers.
    pub identity: Identity,
    /// Peers asked for.
    pub numwant: u16,
    /// `User-Agent`.
    pub user_agent: String,
    /// Root certificates beside those of the web.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Why an [`HttpProber`] cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// reqwest refused the settings; in practice a `user_agent` that no header can hold.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Probes trackers over HTTP and HTTPS. Cheap to clone; clones share connections and limits.
#[derive(Clone)]
pub struct HttpProber {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    resolver: Resolver,
    /// By [`Family::index`].
    clients: [reqwest::Client; 2],
    shared: Arc<Shared>,
}

/// What outlives a change of the settings.
struct Shared {
    lanes: Lanes,
    in_flight: Semaphore,
    farewells: Arc<Semaphore>,
    running: Running,
}

/// Where a probe may go.
#[derive(Debug, Clone)]
struct Origin {
    family: Family,
    addresses: Arc<[IpAddr]>,
    /// No redirect leads from here into private space.
    is_public: bool,
}

/// How far a probe has got: what is left to report when its time is over.
#[derive(Debug, Default)]
struct Progress {
    exchange: Exchange,
    trace: Option<Arc<Trace>>,
}

impl Progress {
    /// Takes over what was seen of the last connection.
    fn note(&mut self) -> Seen {
        let seen = self.trace.as_ref().map(|t| t.seen()).unwrap_or_default();
        let exchange = &mut self.exchange;
        exchange.phases.connect = exchange.phases.connect.or(seen.connect());
        exchange.phases.tls = exchange.phases.tls.or(seen.tls());
        exchange.certificate_expiry = seen.certificate_expiry.or(exchange.certificate_expiry);
        seen
    }

    /// The failure that the end of the time is.
    fn timed_out(&mut self) -> Failed {
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

impl HttpProber {
    /// Builds the clients. Nothing is contacted.
    ///
    /// # Errors
    /// A root certificate or the user agent is not usable.
    pub fn new(settings: Settings, resolver: Resolver) -> Result<Self, SetupError> {
        let shared = Shared {
            lanes: Lanes::default(),
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
            farewells: Arc::new(Semaphore::new(MAX_FAREWELLS as usize)),
            running: Running::default(),
        };
        Self::build(settings, resolver, Arc::new(shared))
    }

    /// A prober with other settings that shares the limits of this one and drains its probes with
    /// its own. Probes under way end as they began.
    ///
    /// # Errors
    /// As [`HttpProber::new`].
    pub fn configured(&self, settings: Settings, resolver: Resolver) -> Result<Self, SetupError> {
        Self::build(settings, resolver, self.inner.shared.clone())
    }

    fn build(
        settings: Settings,
        resolver: Resolver,
        shared: Arc<Shared>,
    ) -> Result<Self, SetupError> {
        let tls = tls::config(&settings.roots)?;
        let client = || fetch::client(&settings.user_agent, &tls);
        let clients = [client()?, client()?];
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                resolver,
                clients,
                shared,
            }),
        })
    }

    /// Takes a job and never blocks. Unless the prober is drained meanwhile, it ends in exactly
    /// one observation. Must be called within the tokio runtime.
    pub fn submit(&self, job: Job, out: mpsc::Sender<Vec<Observation>>) {
        let prober = self.clone();
        self.inner.shared.running.spawn(async move {
            let observation = prober.probe(job).await;
            // Nobody may be left to hear it.
            let _ = out.send(vec![observation]).await;
        });
    }

    /// Answers a job, within its time. Dropping the future ends the probe; a farewell that is
    /// owed then goes out in the background.
    pub async fn probe(&self, job: Job) -> Observation {
        let mut progress = Progress::default();
        let report = caught(self.inner.run(&job, &mut progress)).await;
        let report = report.unwrap_or_else(|| {
            tracing::error!(tracker = %job.url, "the HTTP prober met a fault of its own");
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

    /// Stops. Submitted jobs that are under way are dropped without an observation: a probe cut
    /// short says nothing about its tracker. Every swarm that we said `started` to gets its
    /// `stopped`, until [`DRAIN_TIMEOUT`] is over. Says whether none is owed any more.
    pub async fn drain(&self) -> bool {
        let shared = &self.inner.shared;
        let all = async {
            shared.running.stop().await;
            shared.farewells.acquire_many(MAX_FAREWELLS).await.is_ok()
        };
        timeout(DRAIN_TIMEOUT, all).await.unwrap_or(false)
    }
}

impl Inner {
    async fn run(self: &Arc<Self>, job: &Job, progress: &mut Progress) -> Report {
        if !matches!(job.url.scheme(), Scheme::Http | Scheme::Https) {
            let failed = Failed::new(Failure::Unsupported, "not HTTP");
            return job.ask.failed(failed);
        }
        let start = Instant::now();
        let resolving = timeout(job.timeout, self.resolver.resolve(&job.url));
        let resolved = resolving.await.unwrap_or_else(|_| {
            let text = "the name was not resolved in time";
            Err(Failed::new(Failure::Dns, text))
        });
        let spent = start.elapsed();
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
        let origin = Origin {
            family: job.family,
            is_public: addresses.iter().all(|ip| is_global(*ip)),
            addresses,
        };
        let lane = self.shared.lanes.get(job.tracker, job.family);
        // The host's own limit first: a host that hangs must not use up the places of all.
        let _turn = lane.acquire().await;
        let _place = self.shared.in_flight.acquire().await;
        // Time in our own queues is not held against the tracker: its time runs from here.
        let start = Instant::now();
        let left = job.timeout.saturating_sub(spent);
        let deadline = tokio::time::Instant::now() + left;
        let until = announce::Until::new(deadline, left);
        let asking = self.ask_for(job, origin, until, progress);
        let report = match timeout_at(deadline, asking).await {
            Ok(report) => report,
            Err(_) => job.ask.failed(progress.timed_out()),
        };
        progress.exchange.duration = spent + start.elapsed();
        report
    }

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
                    tracker: job.tracker,
                };
                let result = self.announce(&swarm, *manner, until, progress).await;
                Report::Announce {
                    id: *id,
                    result: result.map(Box::new),
                }
            }
            Ask::Scrape { targets } => Report::Scrape {
                ids: job.ask.ids(),
                result: self.scrape(job, targets, &origin, progress).await,
            },
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
        let found = self.fetch(&url, &query, &job.url, origin, progress).await?;
        answer::scrape(&found.bytes, found.cut, &job.url, targets)
    }
}

#[cfg(test)]
mod tests;
