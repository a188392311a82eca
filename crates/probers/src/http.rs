//! Trackers over HTTP and HTTPS (BEP 3, 7, 23, 24, 31, 48).
//!
//! reqwest speaks HTTP; this module decides what it connects to. Each redirect is checked before it
//! is followed. The number of probes per tracker host is limited, and connections are kept alive
//! between the torrents of a host.
//!
//! Everything, with name resolution and TLS handshakes, runs in one dedicated thread. A request
//! passes through several tasks, and waking them across threads costs more than the request itself.
//! The dedicated thread also keeps the rest of the daemon from delaying an answer.
//!
//! | File | Contents |
//! |---|---|
//! | `worker` | the thread and its running probes |
//! | `http_client` | one job, from name resolution to its observation |
//! | `catch_panic` | turns a panic into the failure of one probe |
//! | `fetch` | one request: send, follow redirects, read the body |
//! | `announce` | the requests of an announce, and the `stopped` that must follow `started` |
//! | `body` | bounded bodies and decompression; pure |
//! | `large` | the limit of large bodies at once |
//! | `status`, `failure` | status codes and errors as failure reasons; pure |
//! | `client` | requests over kept-alive and new connections |
//! | `download` | downloads of torrent lists |
//! | `host_slots` | the limit of probes per host |
//! | `probation` | threads for hosts that are not trusted yet |
//! | `trace`, `tls` | the hooks below reqwest: addresses, phases, certificates |

mod announce;
mod body;
mod catch_panic;
mod client;
mod download;
mod failure;
mod fetch;
mod host_slots;
mod http_client;
mod large;
mod probation;
mod status;
mod tls;
mod trace;
mod worker;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, oneshot};

use crate::prober::{Drained, Prober, ProberContext, ProberError};
use crate::resolve::Resolver;
use http_client::HttpClient;
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Scheme, TrackerUrl};
use seedwatch_tracker::{Identity, Job, Observation};
use worker::{Command, Worker};

pub use download::{Download, DownloadError, Downloader, ListBody, unpack};
pub use tls::{RootsError, TlsError, roots_from_environment};

/// The largest number of connections, and so of probes, to one tracker host over one family.
pub(crate) const MAX_PER_HOST: usize = 4;
/// The largest number of concurrent probes over all hosts.
pub const MAX_IN_FLIGHT: usize = 512;
/// The time that an idle connection is kept open.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The time limit of a connect, over all addresses of a host.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest number of redirects followed.
pub(crate) const MAX_REDIRECTS: usize = 2;
/// The largest number of `stopped` announces in the background.
pub(crate) const MAX_BACKGROUND_STOPS: u32 = 1024;
/// The time limit of a `stopped` announce in the background.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of an [`HttpProber`].
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The identity that trackers see.
    pub identity: Identity,
    /// The number of peers requested.
    pub numwant: u16,
    /// The addresses that a peer can have.
    pub accept: Accept,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Root certificates in addition to those of the web.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Why an [`HttpProber`] cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// reqwest rejected the settings; in practice, a `user_agent` that is no valid header value.
    #[error("cannot create an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The system has no thread or no descriptors for it.
    #[error("its threads cannot be started: {0}")]
    Thread(io::Error),
}

/// Probes trackers over HTTP and HTTPS. Dropping it is like [`HttpProber::drain`] without waiting.
pub struct HttpProber {
    /// The client for new jobs.
    http_client: Arc<HttpClient>,
    commands: mpsc::UnboundedSender<Command>,
    /// Resolves to whether every `stopped` was sent.
    ended: oneshot::Receiver<bool>,
}

impl HttpProber {
    /// Builds the clients and starts the thread. Nothing is contacted.
    ///
    /// Sends observations to `out` in batches and in any order. Without a receiver they are
    /// dropped.
    ///
    /// # Errors
    /// A root certificate or the user agent is not usable, or the system has no thread.
    pub fn start(
        settings: Settings,
        resolver: Resolver,
        out: mpsc::Sender<Vec<Observation>>,
    ) -> Result<Self, SetupError> {
        let http_client = Arc::new(HttpClient::new(settings, resolver)?);
        let (commands, incoming) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        worker::start(Worker::new(http_client.clone(), incoming, out), end)
            .map_err(SetupError::Thread)?;
        Ok(Self {
            http_client,
            commands,
            ended,
        })
    }

    /// Starts jobs. Never blocks. Each job ends in exactly one observation, unless the prober is
    /// drained.
    pub fn submit(&self, jobs: Vec<Job>) {
        self.tell(Command::Jobs(jobs));
    }

    /// Uses these settings for all jobs from now on. Running jobs keep their settings. The limits
    /// hold for both together.
    ///
    /// # Errors
    /// As [`HttpProber::start`]. The old settings stay in use.
    pub fn configure(&mut self, settings: Settings) -> Result<(), SetupError> {
        self.http_client = Arc::new(self.http_client.configured(settings)?);
        self.tell(Command::Configure(self.http_client.clone()));
        Ok(())
    }

    fn tell(&self, command: Command) {
        // The worker lives as long as its channel.
        let _ = self.commands.send(command);
    }

    /// Stops. Drops running jobs without an observation, because a probe cut short says nothing
    /// about its tracker. Sends `stopped` wherever `started` was sent, for at most
    /// [`DRAIN_TIMEOUT`](crate::prober::DRAIN_TIMEOUT). Returns whether every `stopped` was sent.
    pub async fn drain(self) -> bool {
        drop(self.commands);
        self.ended.await.unwrap_or(false)
    }
}

impl Prober for HttpProber {
    fn speaks(&self, url: &TrackerUrl) -> bool {
        matches!(url.scheme(), Scheme::Http | Scheme::Https)
    }

    fn submit(&self, jobs: Vec<Job>) {
        HttpProber::submit(self, jobs);
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), ProberError> {
        HttpProber::configure(self, settings.clone()).map_err(ProberError::of("HTTP"))
    }

    fn drain(self: Box<Self>) -> Drained {
        Box::pin(async move {
            HttpProber::drain(*self).await;
        })
    }
}

/// Starts the prober of the registry.
pub(crate) fn start(context: &ProberContext) -> Result<Box<dyn Prober>, ProberError> {
    let settings = context.settings.clone();
    let out = context.observations.clone();
    let prober = HttpProber::start(settings, context.resolver.clone(), out);
    Ok(Box::new(prober.map_err(ProberError::of("HTTP"))?))
}

#[cfg(test)]
mod tests;
