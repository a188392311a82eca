//! Responses: the large pages, streamed, and the small ones.

use hyper::StatusCode;
use hyper::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use seedwatch_exporter::response::text;
use seedwatch_exporter::{Answer, PageRequest, Torn};
use serde::Serialize;

use super::State;
use super::api;
use super::escape;
use super::status;
use crate::metrics::{self, Format, Process};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The exposition, in the format and encoding the scraper likes best.
pub(super) fn metrics(state: &State, request: PageRequest<'_>) -> Answer {
    let format = Format::negotiate(&request.joined(&ACCEPT));
    let content_type = HeaderValue::from_static(format.content_type());
    let snapshot = state.snapshot.load_full();
    state.pages.stream(request, content_type, move |sink| {
        metrics::write(format, snapshot, Process::read(), sink).map_err(|_| Torn)
    })
}

/// All torrents as JSON.
pub(super) fn torrents(state: &State, request: PageRequest<'_>) -> Answer {
    let snapshot = state.snapshot.load_full();
    state.pages.stream(request, JSON, move |sink| {
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
    state.pages.stream(request, JSON, move |sink| {
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
    let mut answer = state.pages.stream(request, HTML, move |sink| {
        status::write(&snapshot, &metrics, sink).map_err(|_| Torn)
    });
    let fields = answer.headers_mut();
    fields.insert(CONTENT_SECURITY_POLICY, status::POLICY.clone());
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}
