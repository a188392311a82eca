//! The HTTP side: metrics for Prometheus, JSON for programs, switches for operators.
//!
//! | Endpoint | Answer |
//! |---|---|
//! | `GET /` | how things stand, as a page for people |
//! | `GET /metrics` (`--web.telemetry-path`) | the snapshot as OpenMetrics 1.0 or text 0.0.4 |
//! | `GET /-/healthy` | 200 while the process lives |
//! | `GET /-/ready` | 200 once configuration and state are loaded, 503 before |
//! | `POST /-/reload` | 200 when the configuration was loaded anew, 500 and the reason if not |
//! | `GET /config` | the effective configuration, secrets masked |
//! | `GET /api/v1/torrents` | every torrent, what each tracker said of it and why probes failed |
//! | `GET /api/v1/torrents/NAME` | one torrent; the name is percent-encoded |
//! | `GET /api/v1/collections`, `…/NAME` | collections, with their countries |
//!
//! `HEAD` works wherever `GET` does. TLS, passwords and extra headers come from
//! `--web.config.file` and apply to every endpoint. No request touches the network or waits for
//! a probe: all that is shown is in the [`Snapshot`].

mod access;
mod api;
mod auth;
mod body;
mod config_file;
mod listen;
mod page;
mod route;
mod server;
mod status;
mod tls;

#[cfg(test)]
mod tests;

pub use access::WebConfig;
pub use listen::{BindError, ListenAddress, bind};
pub use server::serve;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::snapshot::Snapshot;

/// Longest time between two signs of life on a connection. Longer than the usual scrape
/// intervals, so that Prometheus can keep its connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(125);

/// Longest time from the connection to the end of the first request's head, TLS included.
pub const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that sending one page may take: a reader that is slower is cut off.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest time that a reload may take before the request for it is answered.
pub const RELOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest time given to requests under way at shutdown.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Most connections at a time, over all listeners; further ones wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 512;

/// Longest head of a request, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;

/// Most header fields of a request.
pub const MAX_HEADERS: usize = 64;

/// Most requests at a time on one HTTP/2 connection.
pub const MAX_STREAMS: u32 = 32;

/// Who asks for a reload waits for this answer: nothing, or the text of what is wrong.
pub type ReloadResult = oneshot::Sender<Result<(), String>>;

/// What the endpoints show and set in motion. Shared by all connections.
pub struct State {
    /// The picture to show.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// The effective configuration as YAML, secrets masked.
    pub effective_config: ArcSwap<String>,
    telemetry_path: String,
    reload: mpsc::Sender<ReloadResult>,
    ready: AtomicBool,
    max_requests: usize,
    requests: Arc<Semaphore>,
    /// Whoever turns a snapshot into bytes holds this: all pages together cost at most one core,
    /// and the probes keep the others.
    encoding: Arc<Semaphore>,
}

impl State {
    /// Not ready, with an empty configuration. `max_requests` 0 means no limit.
    pub fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        reload: mpsc::Sender<ReloadResult>,
        telemetry_path: String,
        max_requests: usize,
    ) -> Self {
        let permits = match max_requests {
            0 => Semaphore::MAX_PERMITS,
            limit => limit.min(Semaphore::MAX_PERMITS),
        };
        Self {
            snapshot,
            effective_config: ArcSwap::default(),
            telemetry_path,
            reload,
            ready: AtomicBool::new(false),
            max_requests,
            requests: Arc::new(Semaphore::new(permits)),
            encoding: Arc::new(Semaphore::new(1)),
        }
    }

    /// What `/-/ready` answers from now on.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("telemetry_path", &self.telemetry_path)
            .field("ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}
