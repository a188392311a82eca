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
mod client;
mod config_file;
mod connections;
mod escape;
mod listen;
mod origin;
mod page;
mod plain;
mod rate_limit;
mod route;
mod server;
mod slots;
mod status;
mod tls;
mod turns;

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
use tokio::sync::{mpsc, oneshot};

use self::slots::Slots;
use self::turns::Turns;
use seedwatch_core::snapshot::Snapshot;

/// Longest time between two signs of life on a connection. Longer than the usual scrape
/// intervals, so that Prometheus can keep its connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(125);

/// Longest time from the connection to the end of the first request's head, TLS included.
pub const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that sending one page may take: a reader that is slower is cut off.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest time that a reload may take before the request for it is answered.
pub const RELOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest time given to requests under way at shutdown. The whole process has five seconds.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Most connections at a time, over all listeners. A further one displaces the least active
/// connection of the client with the most.
pub const MAX_CONNECTIONS: usize = 512;

/// Most connections of one client (an IPv4 address or an IPv6 /64) at a time. A further one
/// displaces the least active of them.
pub const MAX_CONNECTIONS_OF_CLIENT: usize = 256;

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
    slots: Arc<Slots>,
    /// Held while a snapshot is turned into bytes: all pages together cost at most one core, and
    /// the probes keep the others. Clients take turns, whatever number of pages each asks for.
    encoding: Turns,
}

impl State {
    /// Not ready, with an empty configuration. `max_requests` 0 means no limit.
    pub fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        reload: mpsc::Sender<ReloadResult>,
        telemetry_path: String,
        max_requests: usize,
    ) -> Self {
        Self {
            snapshot,
            effective_config: ArcSwap::default(),
            telemetry_path,
            reload,
            ready: AtomicBool::new(false),
            slots: Arc::new(Slots::new(max_requests)),
            // The slots bound how many pages wait.
            encoding: Turns::new(1, usize::MAX),
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
