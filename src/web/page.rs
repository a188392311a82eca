//! Responses: the large pages, streamed, and the small ones.

use std::time::Duration;

use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::State;
use super::api;
use super::body::{self, ResponseBody, Sink, Torn};
use super::client::ClientKey;
use super::escape;
use super::status;
use crate::metrics::{self, Format, Process, format};

pub(super) type Answer = Response<ResponseBody>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a page needs to know of the request for it.
#[derive(Clone, Copy)]
pub(super) struct PageRequest<'a> {
    pub(super) client: ClientKey,
    pub(super) headers: &'a HeaderMap,
    /// The method is HEAD: the headers only.
    pub(super) head: bool,
}

/// A line of text.
pub(super) fn text(status: StatusCode, body: impl Into<ResponseBody>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer
}

/// 405, with what is allowed instead.
pub(super) fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n");
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// 401, with what is wanted.
pub(super) fn unauthorized() -> Answer {
    let mut answer = text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
    answer.headers_mut().insert(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"seedwatch\""),
    );
    answer
}

/// 403, with the reason.
pub(super) fn forbidden(why: &'static str) -> Answer {
    text(StatusCode::FORBIDDEN, why)
}

/// 503: as many passwords of the client wait to be checked as may.
pub(super) fn busy() -> Answer {
    let mut answer = text(
        StatusCode::SERVICE_UNAVAILABLE,
        "Too many passwords of this client wait to be checked\n",
    );
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// 429: the client has used up its share of `rate_limit` and gets the next in `wait`.
pub(super) fn too_many_requests(wait: Duration) -> Answer {
    let mut answer = text(StatusCode::TOO_MANY_REQUESTS, "Too many requests\n");
    // Rounded up, so that a client that waits so long is not refused again.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// 413: no endpoint takes a body, so none is read.
pub(super) fn body_refused() -> Answer {
    let mut answer = text(
        StatusCode::PAYLOAD_TOO_LARGE,
        "A request body is not accepted\n",
    );
    answer
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// The exposition, in the format and encoding the scraper likes best.
pub(super) fn metrics(state: &State, request: PageRequest<'_>) -> Answer {
    let format = Format::negotiate(&joined(request.headers, &ACCEPT));
    let content_type = HeaderValue::from_static(format.content_type());
    let snapshot = state.snapshot.load_full();
    large(state, request, content_type, move |sink| {
        metrics::write(format, snapshot, Process::read(), sink).map_err(|_| Torn)
    })
}

/// All torrents as JSON.
pub(super) fn torrents(state: &State, request: PageRequest<'_>) -> Answer {
    let snapshot = state.snapshot.load_full();
    large(state, request, JSON, move |sink| {
        escape::write_json(sink, &api::Torrents(&snapshot)).map_err(|_| Torn)
    })
}

/// One torrent as JSON.
pub(super) fn torrent(state: &State, name: &str) -> Answer {
    let snapshot = state.snapshot.load();
    let nobody = snapshot.nobody();
    match api::torrent(&snapshot, &nobody, name) {
        Some(view) => json(&view),
        None => text(StatusCode::NOT_FOUND, "No such torrent\n"),
    }
}

/// All collections as JSON.
pub(super) fn collections(state: &State, request: PageRequest<'_>) -> Answer {
    let snapshot = state.snapshot.load_full();
    large(state, request, JSON, move |sink| {
        escape::write_json(sink, &api::Collections(&snapshot)).map_err(|_| Torn)
    })
}

/// One collection as JSON.
pub(super) fn collection(state: &State, name: &str) -> Answer {
    match api::collection(&state.snapshot.load(), name) {
        Some(view) => json(&view),
        None => text(StatusCode::NOT_FOUND, "No such collection\n"),
    }
}

fn json(view: &impl Serialize) -> Answer {
    let Ok(body) = escape::json(view) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "Not representable\n");
    };
    let mut answer = text(StatusCode::OK, body);
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// The page for people.
pub(super) fn status(state: &State, request: PageRequest<'_>) -> Answer {
    let snapshot = state.snapshot.load_full();
    let metrics = state.telemetry_path.clone();
    let mut answer = large(state, request, HTML, move |sink| {
        status::write(&snapshot, &metrics, sink).map_err(|_| Torn)
    });
    let fields = answer.headers_mut();
    fields.insert(CONTENT_SECURITY_POLICY, status::POLICY.clone());
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

/// A page that may be large: counted against `--web.max-requests` and streamed.
fn large(
    state: &State,
    request: PageRequest<'_>,
    content_type: HeaderValue,
    write: impl FnOnce(&mut Sink) -> Result<(), Torn> + Send + 'static,
) -> Answer {
    let Some(slot) = state.slots.take(request.client) else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "Limit of concurrent requests reached ({}), try again later.\n",
                state.slots.limit()
            ),
        );
    };
    let gzip = format::accepts_gzip(&joined(request.headers, &ACCEPT_ENCODING));
    let body = match request.head {
        true => ResponseBody::Done,
        false => body::stream(gzip, &state.encoding, request.client, slot, write),
    };
    let mut answer = Response::new(body);
    let fields = answer.headers_mut();
    fields.insert(CONTENT_TYPE, content_type);
    fields.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if gzip {
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

/// A header that may come in several lines. What is not ASCII cannot be meant for us.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    lines.join(",")
}
