//! The tracker probers, set up by the configuration.

use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::store::StoreError;
use seedwatch_probers::http::{self, Downloader, Settings};
use seedwatch_probers::resolve::Resolver;
use seedwatch_probers::{ProberContext, ProberError, Probers, REGISTRY};
use seedwatch_tracker::{Identity, Observation};

/// Most batches of observations that wait for the engine.
pub(super) const QUEUE: usize = 1024;

/// Root certificates in addition to those of the web PKI.
pub(super) type Roots = Vec<CertificateDer<'static>>;

/// Reads the additional root certificates, within a bounded time.
///
/// # Errors
/// [`StartError::Roots`].
pub(super) fn roots() -> Result<Roots, StartError> {
    http::roots_from_environment().map_err(StartError::Roots)
}

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system has no random bytes for the key of the peer hashes.
    #[error("cannot make a key: {0}")]
    Random(std::io::Error),
    /// The state directory is not usable, or another process uses it.
    #[error("state.path: {0}")]
    State(StoreError),
    /// A tracker prober cannot be started.
    #[error(transparent)]
    Prober(#[from] ProberError),
    /// A socket for the DHT cannot be opened.
    #[error("cannot open a socket for the DHT: {0}")]
    Dht(std::io::Error),
    /// The client for lists cannot be set up.
    #[error("torrent lists: {0}")]
    Lists(http::SetupError),
    /// `SSL_CERT_FILE` names no certificates.
    #[error("SSL_CERT_FILE: {0}")]
    Roots(http::RootsError),
}

/// Starts all probers. Must be called within the tokio runtime.
///
/// # Errors
/// If a prober cannot be built.
pub(super) fn start(
    settings: Settings,
    resolver: &Resolver,
    observations: mpsc::Sender<Vec<Observation>>,
) -> Result<Probers, ProberError> {
    let context = ProberContext {
        settings,
        resolver: resolver.clone(),
        observations,
    };
    Probers::start(REGISTRY, &context)
}

/// Returns what the probers need of the configuration.
pub(super) fn settings(config: &Config, identity: Identity, roots: Roots) -> Settings {
    Settings {
        identity,
        numwant: config.tracker.numwant,
        accept: config.accept,
        user_agent: config.tracker.user_agent.to_string(),
        roots,
    }
}

/// Returns a client that fetches lists.
///
/// # Errors
/// [`StartError::Lists`]: a root certificate or the user agent is not usable.
pub(super) fn downloader(
    settings: &Settings,
    resolver: &Resolver,
) -> Result<Downloader, StartError> {
    let downloader = Downloader::new(&settings.user_agent, &settings.roots, resolver.clone());
    downloader.map_err(StartError::Lists)
}
