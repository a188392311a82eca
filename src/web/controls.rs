//! The endpoints for Prometheus and for operators: metrics, health, reload and configuration.

use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderValue};
use tokio::sync::oneshot;
use tokio::time::timeout;

use seedwatch_exporter::response::text;
use seedwatch_exporter::{HttpResponse, PageAborted, PageRequest};

use super::answer::ReadRequest;
use super::{RELOAD_TIMEOUT, State};
use crate::metrics::{self, Format, Process};

/// The path of the effective configuration.
pub(super) const CONFIG: &str = "/config";

/// The path of the request to reload, which is the only one that changes something.
pub(super) const RELOAD: &str = "/-/reload";

/// What can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Metrics,
    Healthy,
    Ready,
    Config,
}

impl Endpoint {
    /// Returns the endpoint at a path. `telemetry` is the path of the exposition.
    pub(super) fn of(path: &str, telemetry: &str) -> Option<Self> {
        match path {
            _ if path == telemetry => Some(Self::Metrics),
            "/-/healthy" => Some(Self::Healthy),
            "/-/ready" => Some(Self::Ready),
            CONFIG => Some(Self::Config),
            _ => None,
        }
    }

    /// Returns whether strangers may read it.
    pub(super) const fn is_public(self) -> bool {
        matches!(self, Self::Healthy | Self::Ready)
    }

    pub(super) fn answer(self, state: &State, request: ReadRequest<'_>) -> HttpResponse {
        match self {
            Self::Metrics => metrics(state, request.page),
            Self::Healthy => match state.heartbeat.is_alive() {
                true => text(StatusCode::OK, "Healthy\n"),
                false => text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The main loop has not turned for a minute\n",
                ),
            },
            Self::Ready => match state.is_ready() {
                true => text(StatusCode::OK, "Ready\n"),
                false => text(StatusCode::SERVICE_UNAVAILABLE, "Not ready\n"),
            },
            Self::Config => {
                let config = state.effective_config.load();
                text(StatusCode::OK, String::clone(&config))
            }
        }
    }
}

/// Returns the exposition, in the format and coding that the scraper prefers.
fn metrics(state: &State, request: PageRequest<'_>) -> HttpResponse {
    let format = Format::negotiate(&request.joined(&ACCEPT));
    let content_type = HeaderValue::from_static(format.content_type());
    let snapshot = state.snapshot.load_full();
    state.pages.stream(request, content_type, move |sink| {
        metrics::write(format, snapshot, Process::read(), sink).map_err(|_| PageAborted)
    })
}

/// Reloads the configuration and reports how that ended.
pub(super) async fn reload(state: &State) -> HttpResponse {
    let failed = |why: String| text(StatusCode::INTERNAL_SERVER_ERROR, why);
    let (done, result) = oneshot::channel();
    let reload = async {
        state.reload.send(done).await.ok()?;
        result.await.ok()
    };
    match timeout(RELOAD_TIMEOUT, reload).await {
        Ok(Some(Ok(()))) => text(StatusCode::OK, "Reloaded\n"),
        Ok(Some(Err(error))) => failed(format!("{error}\n")),
        Ok(None) => failed("Shutting down\n".to_owned()),
        Err(_) => failed("Still loading\n".to_owned()),
    }
}
