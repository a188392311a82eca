//! The HTTP endpoints: metrics for Prometheus, JSON for programs, controls for operators.
//!
//! | Endpoint | Answer |
//! |---|---|
//! | `GET /` | what needs doing, for people |
//! | `GET /torrents`, `/collections`, `/trackers`, each with `…/NAME`; `/countries`, `/events`, `/about` | further pages for people |
//! | `GET /badge/torrent/NAME.svg`, `/badge/collection/NAME.svg` | the state as a picture |
//! | `GET /runbook` | what to do when an alert fires |
//! | `GET /metrics` (`--web.telemetry-path`) | the snapshot as OpenMetrics 1.0 or text 0.0.4 |
//! | `GET /-/healthy` | 200 while the main loop turns, 503 if it has not for a minute |
//! | `GET /-/ready` | 200 once configuration and state are loaded, 503 before |
//! | `POST /-/reload` | 200 when the configuration was reloaded, 500 and the reason if not |
//! | `GET /config` | the effective configuration, secrets masked |
//! | `GET /api/v1/torrents` | the torrents that a query selects; without one all of them |
//! | `GET /api/v1/torrents/NAME` | one torrent; the name is percent-encoded |
//! | `GET /api/v1/causes` | what several torrents suffer from |
//! | `GET /api/v1/events?torrent=&since=&until=&page=&limit=` | the latest events |
//! | `GET /api/v1/collections`, `…/NAME` | collections, with their countries |
//! | `GET /api/v1/trackers`, `…/NAME` | trackers, and how many torrents they know |
//! | `GET /api/v1/lists` | torrent lists, whether they are usable, and when they are fetched |
//! | `GET /api/v1/countries` | the peers of all torrents by country |
//! | `GET /api/v1/openapi.json` | the description of all this |
//! | `GET /torrents.json`, `.csv`, `.atom`, `.magnets.txt` | the same queries as files |
//! | `GET /events.atom`, `GET /trackers.txt` | events as a feed; trackers that work |
//! | `GET /api/v1/needs-seeding` (`…/api` for Torznab), `/dyn/generate_torrents` | what a helper should seed |
//! | `GET /torrent-files/NAME.torrent` | the torrent file, if the configuration names one |
//!
//! With `--web.public`, there are no metrics, no configuration, no reload and no private torrents.
//!
//! The path of `--web.external-url` may stand before each. `HEAD` works wherever `GET` does. Errors
//! of the API are JSON, and a parameter that an endpoint does not know is one. TLS, passwords and
//! extra headers come from `--web.config.file` and apply to every endpoint. No request uses the
//! network or waits for a probe: everything that is shown is in the [`Snapshot`].
//!
//! `route` hands a request to the module that answers it: `controls`, `pages`, `exports`, `feeds`
//! or `api`. `query` selects torrents for all of them.

mod answer;
mod api;
mod bytes;
mod controls;
mod escape;
mod events;
mod exports;
mod feeds;
mod heartbeat;
mod links;
mod lookup;
mod pages;
mod parameters;
mod query;
mod route;
mod runbook;
mod timestamp;
mod validators;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use self::parameters::QueryError;
pub use self::query::{Filter, LabelFilter, Search, Selection, Sort, SortKey, TorrentQuery};

use exports::atom::Address;
use feeds::DailyToken;
use heartbeat::Heartbeat;
use pages::Site;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_exporter::{ExternalUrl, Pages};
use validators::Generations;

/// Longest time that a reload may take before the request for it is answered.
pub const RELOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// The channel that reports the end of a reload: success, or the text of the errors.
pub type ReloadResult = oneshot::Sender<Result<(), String>>;

/// The state that the endpoints show, and the controls that they have. Shared by all connections.
pub struct State {
    /// The snapshot to show.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// The effective configuration as YAML, secrets masked.
    pub effective_config: ArcSwap<String>,
    telemetry_path: String,
    external_url: Option<ExternalUrl>,
    is_public: bool,
    reload: mpsc::Sender<ReloadResult>,
    ready: AtomicBool,
    heartbeat: Heartbeat,
    generations: Generations,
    daily_token: DailyToken,
    /// One permit: its holder reads a torrent file.
    files: Arc<Semaphore>,
    pages: Pages,
}

impl State {
    /// Creates a state that is not ready and has an empty configuration. A `max_requests` of 0 is
    /// no limit.
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
            external_url: None,
            is_public: false,
            reload,
            ready: AtomicBool::new(false),
            heartbeat: Heartbeat::default(),
            generations: Generations::default(),
            daily_token: DailyToken::random(),
            files: Arc::new(Semaphore::new(1)),
            pages: Pages::new(max_requests),
        }
    }

    /// Sets the URL under which people reach the daemon. Its path is accepted before every path.
    #[must_use]
    pub fn with_external_url(mut self, url: Option<ExternalUrl>) -> Self {
        self.external_url = url;
        self
    }

    /// Sets whether strangers may read (`--web.public`): metrics, configuration, reload and
    /// private torrents are then not there.
    #[must_use]
    pub fn with_public(mut self, is_public: bool) -> Self {
        self.is_public = is_public;
        self
    }

    /// Shows another snapshot, to those who may read.
    pub fn show(&self, mut snapshot: Snapshot) {
        snapshot.config.is_public = self.is_public;
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Returns what pages say about the server.
    fn site(&self) -> Site {
        Site {
            metrics: self.telemetry_path.clone(),
            external_url: self.external_url.clone(),
            is_public: self.is_public,
        }
    }

    /// Returns the path of a request without that of the external URL, or `None` if the request
    /// has to be repeated with a slash at the end.
    fn local_path<'a>(&self, path: &'a str) -> Option<&'a str> {
        match &self.external_url {
            Some(url) => url.local_path(path),
            None => Some(path),
        }
    }

    /// Returns a link to a local path: absolute if the external URL is known, else relative to the
    /// folder of the path, so that it also works behind a proxy that adds a prefix.
    fn link_to(&self, path: &str) -> String {
        match &self.external_url {
            Some(url) => format!("{url}{path}"),
            None => path.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }

    /// Returns where a feed stands, by its path without the first slash.
    fn address(&self, path: &'static str) -> Address {
        Address {
            root: match &self.external_url {
                Some(url) => format!("{url}/"),
                None => String::new(),
            },
            path,
            is_absolute: self.external_url.is_some(),
        }
    }

    /// Sets what `/-/ready` answers.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Notes that the main loop has turned, for `/-/healthy`.
    pub fn beat(&self) {
        self.heartbeat.beat();
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
