//! The forms of answers: JSON at once, or streamed row by row.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use seedwatch_exporter::response::text;
use seedwatch_exporter::{HttpResponse, PageAborted, PageRequest, PageWriter, PreparedPage};
use serde::Serialize;

use super::State;
use super::api;
use super::escape;
use super::validators::KnownVersion;

pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A request to read what stands at an address: GET or HEAD.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadRequest<'a> {
    /// The path without that of the external URL.
    pub(super) path: &'a str,
    /// The query string without `?`; empty if there is none.
    pub(super) query: &'a str,
    /// What a page depends on.
    pub(super) page: PageRequest<'a>,
}

/// Returns a value as JSON.
pub(super) fn json(view: &impl Serialize) -> HttpResponse {
    let Ok(body) = escape::json(view) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "Not representable\n");
    };
    let mut answer = text(StatusCode::OK, body);
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// Streams a value as JSON. `prepare` runs on the thread that writes, so that it delays no other
/// request; it returns the value, and further header fields that depend on it.
pub(super) async fn stream_json<V: Serialize>(
    state: &State,
    request: ReadRequest<'_>,
    prepare: impl FnOnce() -> (HeaderMap, V) + Send + 'static,
) -> HttpResponse {
    let prepare = move || {
        let (fields, value) = prepare();
        let write =
            move |sink: &mut PageWriter| escape::write_json(sink, &value).map_err(|_| PageAborted);
        (fields, write)
    };
    stream(state, request, JSON, prepare).await
}

/// Streams an answer of the API, unless the client has its version already. `prepare` runs on the
/// thread that writes; it returns the header fields, with the version, and what writes the answer.
pub(super) async fn stream<W>(
    state: &State,
    request: ReadRequest<'_>,
    content_type: HeaderValue,
    prepare: impl FnOnce() -> (HeaderMap, W) + Send + 'static,
) -> HttpResponse
where
    W: FnOnce(&mut PageWriter) -> Result<(), PageAborted>,
{
    let known = KnownVersion::of(request.page.headers);
    let prepared = move || {
        let (fields, write) = prepare();
        PreparedPage {
            write: (!known.is(&fields)).then_some(write),
            fields,
        }
    };
    let pages = &state.pages;
    let answer = pages.stream_prepared(request.page, content_type, prepared);
    api::error::or_busy(answer.await)
}
