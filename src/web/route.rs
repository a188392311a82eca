//! Routes requests to responses.

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use tokio::sync::oneshot;
use tokio::time::timeout;

use seedwatch_exporter::response::{not_allowed, text};
use seedwatch_exporter::{ClientKey, HttpResponse, PageRequest, Service};

use super::page;
use super::{RELOAD_TIMEOUT, State};

const CONFIG: &str = "/config";
/// What the paths of the API begin with.
const API: &str = "/api/";
const TORRENTS: &str = "/api/v1/torrents";
const EVENTS: &str = "/api/v1/events";
const COLLECTIONS: &str = "/api/v1/collections";
const CAUSES: &str = "/api/v1/causes";
const READ: &str = "GET, HEAD";
const WRITE: &str = "POST";

impl Service for State {
    fn is_confidential(&self, path: &str) -> bool {
        self.local_path(path) == Some(CONFIG)
    }

    async fn respond(&self, client: ClientKey, request: &Request<()>) -> HttpResponse {
        answer(self, client, request).await
    }
}

async fn answer(state: &State, client: ClientKey, request: &Request<()>) -> HttpResponse {
    let Some(path) = state.local_path(request.uri().path()) else {
        return with_slash(request.uri().path());
    };
    let is_head = *request.method() == Method::HEAD;
    let read = is_head || *request.method() == Method::GET;
    if path == "/-/reload" {
        return match *request.method() == Method::POST {
            true => reload(state).await,
            false => not_allowed(WRITE),
        };
    }
    let found = |answer: &dyn Fn() -> HttpResponse| match read {
        true => answer(),
        false => not_allowed(READ),
    };
    let asked = PageRequest {
        client,
        headers: request.headers(),
        is_head,
    };
    if path == state.telemetry_path {
        return found(&|| page::metrics(state, asked));
    }
    match path {
        "/-/healthy" => found(&|| match state.heartbeat.is_alive() {
            true => text(StatusCode::OK, "Healthy\n"),
            false => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "The main loop has not turned for a minute\n",
            ),
        }),
        "/-/ready" => found(&|| match state.is_ready() {
            true => text(StatusCode::OK, "Ready\n"),
            false => text(StatusCode::SERVICE_UNAVAILABLE, "Not ready\n"),
        }),
        CONFIG => found(&|| {
            let config = state.effective_config.load();
            text(StatusCode::OK, String::clone(&config))
        }),
        "/" => found(&|| page::status(state, asked)),
        "/runbook" => found(&|| page::runbook(state)),
        _ if path.starts_with(API) => {
            let query = request.uri().query().unwrap_or_default();
            found(&|| api(state, path, query, asked))
        }
        _ => text(StatusCode::NOT_FOUND, "Not found\n"),
    }
}

/// Answers a request to the API. Its errors are JSON too. A parameter that no endpoint knows must
/// not pass for a filter that all entries meet.
fn api(state: &State, path: &str, query: &str, asked: PageRequest<'_>) -> HttpResponse {
    if path == EVENTS {
        return page::events(state, query);
    }
    if !query.is_empty() {
        return page::error(StatusCode::BAD_REQUEST, "unknown parameter");
    }
    match path {
        CAUSES => page::causes(state),
        TORRENTS => page::torrents(state, asked),
        COLLECTIONS => page::collections(state, asked),
        _ => {
            if let Some(name) = name_below(TORRENTS, path) {
                page::torrent(state, &name)
            } else if let Some(name) = name_below(COLLECTIONS, path) {
                page::collection(state, &name)
            } else {
                page::error(StatusCode::NOT_FOUND, "no such endpoint")
            }
        }
    }
}

/// Redirects to the same path with a slash at the end.
fn with_slash(path: &str) -> HttpResponse {
    let mut answer = text(
        StatusCode::PERMANENT_REDIRECT,
        "The path ends with a slash\n",
    );
    if let Ok(location) = HeaderValue::try_from(format!("{path}/")) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// Returns the NAME in `/api/v1/torrents/NAME`: one segment, percent-decoded, UTF-8.
fn name_below(list: &str, path: &str) -> Option<String> {
    let name = path.strip_prefix(list)?.strip_prefix('/')?;
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some(name.into_owned())
}

async fn reload(state: &State) -> HttpResponse {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_decoded_segment() {
        for (path, expected) in [
            ("/api/v1/torrents/debian-12", Some("debian-12")),
            ("/api/v1/torrents/a%20b%2Fc", Some("a b/c")),
            ("/api/v1/torrents/%E2%82%AC", Some("€")),
            ("/api/v1/torrents/..", Some("..")),
            ("/api/v1/torrents/%2e%2e%2fetc", Some("../etc")),
            ("/api/v1/torrents/100%", Some("100%")),
            ("/api/v1/torrents/", None),
            ("/api/v1/torrents/a/b", None),
            ("/api/v1/torrents/../../config", None),
            ("/api/v1/torrents/%ff", None),
            ("/api/v1/torrentsx", None),
            ("/api/v2/torrents/a", None),
        ] {
            assert_eq!(name_below(TORRENTS, path).as_deref(), expected, "{path}");
        }
    }
}
