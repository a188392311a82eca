//! Which request gets which answer.

use hyper::body::Body;
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::access::Access;
use super::auth::Admission;
use super::client::ClientKey;
use super::origin;
use super::page::{self, Answer, PageRequest};
use super::{RELOAD_TIMEOUT, State};

const CONFIG: &str = "/config";
const TORRENTS: &str = "/api/v1/torrents";
const COLLECTIONS: &str = "/api/v1/collections";
const READ: &str = "GET, HEAD";
const WRITE: &str = "POST";

/// Answers one request of `client`: within its rate, if it has shown a password where one is asked
/// for. The headers of the web configuration are on every answer, refusals included.
pub(super) async fn guarded<B: Body>(
    access: &Access,
    state: &State,
    client: ClientKey,
    request: &Request<B>,
) -> Answer {
    let mut answer = admitted(access, state, client, request).await;
    answer.headers_mut().extend(access.headers.clone());
    answer
}

async fn admitted<B: Body>(
    access: &Access,
    state: &State,
    client: ClientKey,
    request: &Request<B>,
) -> Answer {
    if let Some(limit) = &access.rate_limit
        && let Err(wait) = limit.take(client, Instant::now())
    {
        return page::too_many_requests(wait);
    }
    if let Some(users) = &access.users {
        match users.admit(request.headers(), client).await {
            Admission::Admitted => {}
            Admission::Refused => return page::unauthorized(),
            Admission::Busy => return page::busy(),
        }
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || request.uri().path() == CONFIG {
        let guarded = access.tls.is_some() || access.users.is_some();
        if let Err(why) = origin::check(request, guarded) {
            return page::forbidden(why);
        }
    }
    answer(state, client, request).await
}

async fn answer<B: Body>(state: &State, client: ClientKey, request: &Request<B>) -> Answer {
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
    let asked = PageRequest {
        client,
        headers: request.headers(),
        head,
    };
    if path == state.telemetry_path {
        return found(&|| page::metrics(state, asked));
    }
    match path {
        "/-/healthy" => found(&|| page::text(StatusCode::OK, "Healthy\n")),
        "/-/ready" => found(&|| match state.is_ready() {
            true => page::text(StatusCode::OK, "Ready\n"),
            false => page::text(StatusCode::SERVICE_UNAVAILABLE, "Not ready\n"),
        }),
        CONFIG => found(&|| {
            let config = state.effective_config.load();
            page::text(StatusCode::OK, String::clone(&config))
        }),
        "/" => found(&|| page::status(state, asked)),
        TORRENTS => found(&|| page::torrents(state, asked)),
        COLLECTIONS => found(&|| page::collections(state, asked)),
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
