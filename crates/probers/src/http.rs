//! Trackers over HTTP and HTTPS (BEP 3, 7, 23, 24, 31, 48).
//!
//! reqwest does HTTP; what it connects to is decided here. Each redirect is checked before it is
//! followed. A probe holds one of few places per tracker host, and connections are kept alive
//! between the torrents of a host.
//!
//! All of it, names and TLS handshakes included, happens in one thread of its own: an exchange is
//! handed between several tasks, and waking them across threads costs more than the exchange
//! itself. The rest of the daemon cannot hold up an answer either.
//!
//! | File | Holds |
//! |---|---|
//! | `query` | announce and scrape URLs |
//! | `worker` | the thread, and the probes under way in it |
//! | `asker` | one job, from its name to its observation |
//! | `caught` | a fault of our own ends one probe, not the prober |
//! | `fetch` | one question: send, follow, read |
//! | `announce` | the requests of an announce, and the `stopped` that must follow `started` |
//! | `answer`, `peers`, `body` | what comes back; pure |
//! | `large` | few large bodies at once |
//! | `status`, `failure` | what went wrong; pure |
//! | `client` | requests over kept and new connections |
//! | `probation` | threads for hosts that have not yet shown how they answer |
//! | `fuzzing` | the readers of answers, for the fuzz targets only |
//! | `trace`, `tls` | the hooks below reqwest: addresses, phases, certificates |

mod announce;
mod asker;
mod body;
mod caught;
mod client;
mod failure;
mod fetch;
mod lanes;
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
use asker::Asker;
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Scheme, TrackerUrl};
use seedwatch_tracker::{Identity, Job, Observation};
use worker::{Command, Worker};

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
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who we are to trackers.
    pub identity: Identity,
    /// Peers asked for.
    pub numwant: u16,
    /// Which addresses a peer can have.
    pub accept: Accept,
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
    /// The system has no thread, or no descriptors, for it.
    #[error("its threads cannot be started: {0}")]
    Thread(io::Error),
}

/// Probes trackers over HTTP and HTTPS. Dropping it is like [`HttpProber::drain`] without waiting.
pub struct HttpProber {
    /// The one that new jobs go to.
    asker: Arc<Asker>,
    commands: mpsc::UnboundedSender<Command>,
    /// Tells whether all farewells were said.
    ended: oneshot::Receiver<bool>,
}

impl HttpProber {
    /// Builds the clients and starts the thread. Nothing is contacted.
    ///
    /// Observations come in batches over `out`, in no particular order. When its receiver is gone,
    /// they are dropped.
    ///
    /// # Errors
    /// A root certificate or the user agent is not usable, or the system has no thread for us.
    pub fn start(
        settings: Settings,
        resolver: Resolver,
        out: mpsc::Sender<Vec<Observation>>,
    ) -> Result<Self, SetupError> {
        let asker = Arc::new(Asker::new(settings, resolver)?);
        let (commands, incoming) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        worker::start(Worker::new(asker.clone(), incoming, out), end)
            .map_err(SetupError::Thread)?;
        Ok(Self {
            asker,
            commands,
            ended,
        })
    }

    /// Takes jobs and never blocks. Unless the prober is drained meanwhile, each ends in exactly
    /// one observation.
    pub fn submit(&self, jobs: Vec<Job>) {
        self.tell(Command::Jobs(jobs));
    }

    /// Settings for all jobs from now on. Those under way end as they began, and the limits hold
    /// over both.
    ///
    /// # Errors
    /// As [`HttpProber::start`]; then nothing has changed.
    pub fn configure(&mut self, settings: Settings) -> Result<(), SetupError> {
        self.asker = Arc::new(self.asker.configured(settings)?);
        self.tell(Command::Configure(self.asker.clone()));
        Ok(())
    }

    fn tell(&self, command: Command) {
        // The worker lives as long as its channel.
        let _ = self.commands.send(command);
    }

    /// Stops. Submitted jobs that are under way are dropped without an observation: a probe cut
    /// short says nothing about its tracker. Every swarm that we said `started` to gets its
    /// `stopped`, until [`DRAIN_TIMEOUT`] is over. Says whether none is owed any more.
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
