//! Trackers over HTTP and HTTPS (BEP 3, 7, 23, 24, 31, 48).
//!
//! reqwest does HTTP, one client a family; what it connects to is decided here. Redirects are
//! followed by hand, because each hop asks anew whether it may be contacted. A probe holds one of
//! few places per tracker host, and connections are kept alive between the torrents of a host.
//!
//! | File | Holds |
//! |---|---|
//! | `query` | announce and scrape URLs |
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
mod status;
mod tls;
mod trace;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};

use crate::address::is_global;
use crate::observation::{
    AnnounceId, Ask, Exchange, Failed, Failure, Family, Identity, Job, Observation, Report, Scraped,
};
use crate::probe::resolve::Resolver;
use crate::torrent::{InfoHash, Scheme};
use lanes::Lanes;
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
/// Longest time [`HttpProber::drain`] waits for farewells.
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
    lanes: Lanes,
    in_flight: Semaphore,
    farewells: Arc<Semaphore>,
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
    stage: Stage,
    trace: Option<Arc<Trace>>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Stage {
    #[default]
    Resolving,
    Queueing,
    Asking,
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
        let (reason, text) = match self.stage {
            Stage::Resolving => (Failure::Dns, "the name was not resolved in time"),
            Stage::Queueing => (Failure::Timeout, "no free connection to this host in time"),
            Stage::Asking if seen.is_in_handshake() => {
                (Failure::Timeout, "no end of the TLS handshake in time")
            }
            Stage::Asking if seen.is_connecting() => (Failure::Timeout, "no connection in time"),
            Stage::Asking => (Failure::Timeout, "no answer in time"),
        };
        Failed::new(reason, text)
    }
}

impl HttpProber {
    /// Builds the clients. Nothing is contacted.
    ///
    /// # Errors
    /// A root certificate or the user agent is not usable.
    pub fn new(settings: Settings, resolver: Resolver) -> Result<Self, SetupError> {
        let tls = tls::config(&settings.roots)?;
        let client = || fetch::client(&settings.user_agent, &tls);
        let clients = [client()?, client()?];
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                resolver,
                clients,
                lanes: Lanes::default(),
                in_flight: Semaphore::new(MAX_IN_FLIGHT),
                farewells: Arc::new(Semaphore::new(MAX_FAREWELLS as usize)),
            }),
        })
    }

    /// Answers a job, within its time. Dropping the future ends the probe; a farewell that is
    /// owed then goes out in the background.
    pub async fn probe(&self, job: Job) -> Observation {
        let start = Instant::now();
        let deadline = tokio::time::Instant::from_std(start) + job.timeout;
        let mut progress = Progress::default();
        let report = match timeout_at(deadline, self.inner.run(&job, deadline, &mut progress)).await
        {
            Ok(report) => report,
            Err(_) => failed(&job.ask, progress.timed_out()),
        };
        let mut exchange = progress.exchange;
        exchange.duration = start.elapsed();
        Observation {
            tracker: job.tracker,
            family: job.family,
            report,
            exchange,
        }
    }

    /// Waits, but not for long, until no farewell is owed any more. Says whether that is so.
    pub async fn drain(&self) -> bool {
        let all = self.inner.farewells.acquire_many(MAX_FAREWELLS);
        timeout(DRAIN_TIMEOUT, all).await.is_ok()
    }
}

impl Inner {
    async fn run(
        self: &Arc<Self>,
        job: &Job,
        deadline: tokio::time::Instant,
        progress: &mut Progress,
    ) -> Report {
        if !matches!(job.url.scheme(), Scheme::Http | Scheme::Https) {
            return failed(&job.ask, Failed::new(Failure::Unsupported, "not HTTP"));
        }
        let resolved = match self.resolver.resolve(&job.url).await {
            Ok(resolved) => resolved,
            Err(why) => return failed(&job.ask, why),
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
        progress.stage = Stage::Queueing;
        let lane = self.lanes.get(job.tracker, job.family);
        // The host's own limit first: a host that hangs must not use up the places of all.
        let _turn = lane.acquire().await;
        let _place = self.in_flight.acquire().await;
        progress.stage = Stage::Asking;
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
                let until = announce::Until::new(deadline, job.timeout);
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

fn failed(ask: &Ask, why: Failed) -> Report {
    match ask {
        Ask::Announce { id, .. } => Report::Announce {
            id: *id,
            result: Err(why),
        },
        Ask::Scrape { .. } => Report::Scrape {
            ids: ask.ids(),
            result: Err(why),
        },
    }
}

#[cfg(test)]
mod tests;
