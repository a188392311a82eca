//! Which request gets which answer.

use hyper::body::{Body, Incoming};
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::access::Access;
use super::page::{self, Answer};
use super::{RELOAD_TIMEOUT, State};

const TORRENTS: &str = "/api/v1/torrents";
const COLLECTIONS: &str = "/api/v1/collections";
const READ: &str = "GET, HEAD";
const WRITE: &str = "POST";

/// Answers one request: whoever must have a password has shown it, and the headers of the web
/// configuration are on every answer, refusals included.
pub(super) async fn guarded(access: &Access, state: &State, request: &Request<Incoming>) -> Answer {
    let admitted = match &access.users {
        Some(users) => users.admit(request.headers()).await,
        None => true,
    };
    let mut answer = match admitted {
        true => answer(state, request).await,
        false => page::unauthorized(),
    };
    answer.headers_mut().extend(access.headers.clone());
    answer
}

async fn answer(state: &State, request: &Request<Incoming>) -> Answer {
    if !request.body().is_end_stream() {
        return page::body_refused();
    }
    let path = request.uri().path();
    let head = *request.method() == Method::HEAD;
    let read = head || *request.method() == Method::GET;
    if path == "/-/reload" {
        return match *request.method() == Method::POST {
            true => reload(state).await,
            false => page::not_allowed(WRITE),
        };
    }
    let found = |answer: &dyn Fn() -> Answer| match read {
        true => answer(),
        false => page::not_allowed(READ),
    };
    if path == state.telemetry_path {
        return found(&|| page::metrics(state, request.headers(), head));
    }
    match path {
        "/-/healthy" => found(&|| page::text(StatusCode::OK, "Healthy\n")),
        "/-/ready" => found(&|| match state.is_ready() {
            true => page::text(StatusCode::OK, "Ready\n"),
            false => page::text(StatusCode::SERVICE_UNAVAILABLE, "Not ready\n"),
        }),
        "/config" => found(&|| {
            let config = state.effective_config.load();
            page::text(StatusCode::OK, String::clone(&config))
        }),
        "/" => found(&|| page::status(state, request.headers(), head)),
        TORRENTS => found(&|| page::torrents(state, request.headers(), head)),
        COLLECTIONS => found(&|| page::collections(state, request.headers(), head)),
        _ => {
            if let Some(name) = name_below(TORRENTS, path) {
                found(&|| page::torrent(state, &name))
            } else if let Some(name) = name_below(COLLECTIONS, path) {
                found(&|| page::collection(state, &name))
            } else {
                page::text(StatusCode::NOT_FOUND, "Not found\n")
            }
        }
    }
}

/// The NAME in `/api/v1/torrents/NAME`: one segment, percent-decoded, UTF-8.
fn name_below(list: &str, path: &str) -> Option<String> {
    let name = path.strip_prefix(list)?.strip_prefix('/')?;
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some(name.into_owned())
}

async fn reload(state: &State) -> Answer {
    let failed = |text: String| page::text(StatusCode::INTERNAL_SERVER_ERROR, text);
    let (done, result) = oneshot::channel();
    let reload = async {
        state.reload.send(done).await.ok()?;
        result.await.ok()
    };
    match timeout(RELOAD_TIMEOUT, reload).await {
        Ok(Some(Ok(()))) => page::text(StatusCode::OK, "Reloaded\n"),
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
