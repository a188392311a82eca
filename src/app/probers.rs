//! The probers of trackers, as the configuration wants them.

use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::store::StoreError;
use seedwatch_probers::http::{self, Settings};
use seedwatch_probers::resolve::Resolver;
use seedwatch_probers::{ProberContext, ProberError, Probers, REGISTRY};
use seedwatch_tracker::{Identity, Observation};

/// Batches of observations that may wait for the core.
pub(super) const QUEUE: usize = 1024;

/// Root certificates beside those of the web.
pub(super) type Roots = Vec<CertificateDer<'static>>;

/// Reads the additional root certificates. Waits for the disk, but not for long.
///
/// # Errors
/// [`StartError::Roots`].
pub(super) fn roots() -> Result<Roots, StartError> {
    http::roots_from_environment().map_err(StartError::Roots)
}

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives no random bytes for the key that peers are hashed with.
    #[error("cannot make a key: {0}")]
    Random(std::io::Error),
    /// The state directory is not usable, or another process uses it.
    #[error("state.path: {0}")]
    State(StoreError),
    /// A prober of trackers cannot be built.
    #[error(transparent)]
    Prober(#[from] ProberError),
    /// No socket for the DHT.
    #[error("cannot open a socket for the DHT: {0}")]
    Dht(std::io::Error),
    /// No certificates where `SSL_CERT_FILE` points.
    #[error("SSL_CERT_FILE: {0}")]
    Roots(http::RootsError),
}

/// Starts all probers. Must be called within the tokio runtime.
///
/// # Errors
/// A prober that cannot be built.
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
