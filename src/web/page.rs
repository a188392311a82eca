//! The responses of the endpoints: large pages, streamed, and small ones.

use hyper::StatusCode;
use hyper::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use seedwatch_exporter::response::text;
use seedwatch_exporter::{HttpResponse, PageAborted, PageRequest};
use serde::Serialize;

use super::State;
use super::api;
use super::escape;
use super::events::{Events, QueryError};
use super::runbook;
use super::status;
use crate::metrics::{self, Format, Process};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Returns the exposition, in the format and coding that the scraper prefers.
pub(super) fn metrics(state: &State, request: PageRequest<'_>) -> HttpResponse {
    let format = Format::negotiate(&request.joined(&ACCEPT));
    let content_type = HeaderValue::from_static(format.content_type());
    let snapshot = state.snapshot.load_full();
    state.pages.stream(request, content_type, move |sink| {
        metrics::write(format, snapshot, Process::read(), sink).map_err(|_| PageAborted)
    })
}

/// Returns all torrents as JSON.
pub(super) fn torrents(state: &State, request: PageRequest<'_>) -> HttpResponse {
    let snapshot = state.snapshot.load_full();
    state.pages.stream(request, JSON, move |sink| {
        escape::write_json(sink, &api::Torrents(&snapshot)).map_err(|_| PageAborted)
    })
}

/// Returns one torrent as JSON.
pub(super) fn torrent(state: &State, name: &str) -> HttpResponse {
    let snapshot = state.snapshot.load();
    let no_peers = snapshot.empty_breakdown();
    match api::torrent(&snapshot, &no_peers, name) {
        Some(view) => json(&view),
        None => error(StatusCode::NOT_FOUND, "no such torrent"),
    }
}

/// Returns all collections as JSON.
pub(super) fn collections(state: &State, request: PageRequest<'_>) -> HttpResponse {
    let snapshot = state.snapshot.load_full();
    state.pages.stream(request, JSON, move |sink| {
        escape::write_json(sink, &api::Collections(&snapshot)).map_err(|_| PageAborted)
    })
}

/// Returns the causes as JSON.
pub(super) fn causes(state: &State) -> HttpResponse {
    json(&api::Causes::of(&state.snapshot.load()))
}

/// Returns one collection as JSON.
pub(super) fn collection(state: &State, name: &str) -> HttpResponse {
    match api::collection(&state.snapshot.load(), name) {
        Some(view) => json(&view),
        None => error(StatusCode::NOT_FOUND, "no such collection"),
    }
}

/// Returns the events that a query asks for as JSON.
pub(super) fn events(state: &State, query: &str) -> HttpResponse {
    match Events::of(&state.snapshot.load(), query) {
        Ok(events) => json(&events),
        Err(QueryError::Invalid(why)) => error(StatusCode::BAD_REQUEST, why),
        Err(QueryError::NoSuchTorrent) => error(StatusCode::NOT_FOUND, "no such torrent"),
    }
}

/// Returns an error of the API as JSON.
pub(super) fn error(status: StatusCode, why: &'static str) -> HttpResponse {
    let mut answer = json(&std::collections::BTreeMap::from([("error", why)]));
    *answer.status_mut() = status;
    answer
}

fn json(view: &impl Serialize) -> HttpResponse {
    let Ok(body) = escape::json(view) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "Not representable\n");
    };
    let mut answer = text(StatusCode::OK, body);
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// Returns the status page.
pub(super) fn status(state: &State, request: PageRequest<'_>) -> HttpResponse {
    let snapshot = state.snapshot.load_full();
    let metrics = state.telemetry_path.clone();
    let external_url = state.external_url.clone();
    let mut answer = state.pages.stream(request, HTML, move |sink| {
        status::write(&snapshot, &metrics, external_url.as_ref(), sink).map_err(|_| PageAborted)
    });
    protect(&mut answer);
    answer
}

/// Returns the runbook.
pub(super) fn runbook(state: &State) -> HttpResponse {
    let mut answer = text(StatusCode::OK, runbook::page(state.external_url.as_ref()));
    answer.headers_mut().insert(CONTENT_TYPE, HTML);
    protect(&mut answer);
    answer
}

/// Forbids a page to load or run anything.
fn protect(page: &mut HttpResponse) {
    let fields = page.headers_mut();
    fields.insert(CONTENT_SECURITY_POLICY, status::POLICY.clone());
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
