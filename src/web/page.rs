//! Responses: the large pages, streamed, and the small ones.

use std::sync::Arc;

use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::State;
use super::api;
use super::body::{self, ResponseBody, Sink, Torn};
use super::status;
use crate::metrics::{self, Format, Process, format};

pub(super) type Answer = Response<ResponseBody>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

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
pub(super) fn metrics(state: &State, headers: &HeaderMap, head: bool) -> Answer {
    let format = Format::negotiate(&joined(headers, &ACCEPT));
    let content_type = HeaderValue::from_static(format.content_type());
    let snapshot = state.snapshot.load_full();
    large(state, headers, head, content_type, move |sink| {
        metrics::write(format, snapshot, Process::read(), sink).map_err(|_| Torn)
    })
}

/// All torrents as JSON.
pub(super) fn torrents(state: &State, headers: &HeaderMap, head: bool) -> Answer {
    let snapshot = state.snapshot.load_full();
    large(state, headers, head, JSON, move |sink| {
        serde_json::to_writer(sink, &api::Torrents(&snapshot)).map_err(|_| Torn)
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
pub(super) fn collections(state: &State, headers: &HeaderMap, head: bool) -> Answer {
    let snapshot = state.snapshot.load_full();
    large(state, headers, head, JSON, move |sink| {
        serde_json::to_writer(sink, &api::Collections(&snapshot)).map_err(|_| Torn)
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
    let Ok(body) = serde_json::to_string(view) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "Not representable\n");
    };
    let mut answer = text(StatusCode::OK, body);
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// The page for people.
pub(super) fn status(state: &State, headers: &HeaderMap, head: bool) -> Answer {
    let snapshot = state.snapshot.load_full();
    let metrics = state.telemetry_path.clone();
    let mut answer = large(state, headers, head, HTML, move |sink| {
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
    headers: &HeaderMap,
    head: bool,
    content_type: HeaderValue,
    write: impl FnOnce(&mut Sink) -> Result<(), Torn> + Send + 'static,
) -> Answer {
    let Some(permit) = permit(state) else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "Limit of concurrent requests reached ({}), try again later.\n",
                state.max_requests
            ),
        );
    };
    let gzip = format::accepts_gzip(&joined(headers, &ACCEPT_ENCODING));
    let body = match head {
        true => ResponseBody::Done,
        false => body::stream(gzip, &state.encoding, permit, write),
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

fn permit(state: &State) -> Option<OwnedSemaphorePermit> {
    Arc::clone(&state.requests).try_acquire_owned().ok()
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
