//! Routes requests to the module that answers them. Each module knows its own addresses.

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str};

use seedwatch_exporter::response::{not_allowed, text};
use seedwatch_exporter::{ClientKey, HttpResponse, PageRequest, Service};

use super::State;
use super::answer::ReadRequest;
use super::{api, controls, exports, feeds, pages};

/// The methods that read.
pub(super) const READ: &str = "GET, HEAD";
const WRITE: &str = "POST";

/// The characters to percent-encode in a segment of a path: all but the unreserved ones (RFC 3986,
/// section 2.3).
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Service for State {
    fn is_confidential(&self, path: &str) -> bool {
        self.local_path(path) == Some(controls::CONFIG)
    }

    async fn respond(&self, client: ClientKey, request: &Request<()>) -> HttpResponse {
        answer(self, client, request).await
    }
}

async fn answer(state: &State, client: ClientKey, request: &Request<()>) -> HttpResponse {
    let Some(path) = state.local_path(request.uri().path()) else {
        return with_slash(request.uri().path());
    };
    if path == controls::RELOAD && !state.is_public {
        return match *request.method() == Method::POST {
            true => controls::reload(state).await,
            false => not_allowed(WRITE),
        };
    }
    let is_head = *request.method() == Method::HEAD;
    let read = ReadRequest {
        path,
        query: request.uri().query().unwrap_or_default(),
        page: PageRequest {
            client,
            headers: request.headers(),
            is_head,
        },
    };
    match is_head || *request.method() == Method::GET {
        true => answer_read(state, read).await,
        false => refuse_method(state, path),
    }
}

/// Answers GET and HEAD.
async fn answer_read(state: &State, read: ReadRequest<'_>) -> HttpResponse {
    let path = read.path;
    if let Some(endpoint) = control(state, path) {
        endpoint.answer(state, read)
    } else if let Some(endpoint) = pages::Endpoint::of(path) {
        endpoint.answer(state, read).await
    } else if let Some(endpoint) = exports::Endpoint::of(path) {
        endpoint.answer(state, read).await
    } else if let Some(endpoint) = feeds::Endpoint::of(path) {
        endpoint.answer(state, read).await
    } else if let Some(endpoint) = api::Endpoint::of(path) {
        endpoint.answer(state, read).await
    } else if path.starts_with(api::ROOT) {
        api::error::not_found("no such endpoint")
    } else {
        text(StatusCode::NOT_FOUND, "Not found\n")
    }
}

/// Returns the control at a path. What is not for strangers is not there if they may read.
fn control(state: &State, path: &str) -> Option<controls::Endpoint> {
    let endpoint = controls::Endpoint::of(path, &state.telemetry_path)?;
    (!state.is_public || endpoint.is_public()).then_some(endpoint)
}

/// Refuses every other method: 405 if something can be read at the path, 404 if not.
fn refuse_method(state: &State, path: &str) -> HttpResponse {
    let exists = control(state, path).is_some()
        || pages::Endpoint::of(path).is_some()
        || exports::Endpoint::of(path).is_some()
        || feeds::Endpoint::of(path).is_some()
        || api::Endpoint::of(path).is_some();
    match (path.starts_with(api::ROOT), exists) {
        (true, true) => api::error::not_allowed(),
        (true, false) => api::error::not_found("no such endpoint"),
        (false, true) => not_allowed(READ),
        (false, false) => text(StatusCode::NOT_FOUND, "Not found\n"),
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
pub(super) fn name_below(list: &str, path: &str) -> Option<String> {
    let name = path.strip_prefix(list)?.strip_prefix('/')?;
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some(name.into_owned())
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
            let name = name_below("/api/v1/torrents", path);
            assert_eq!(name.as_deref(), expected, "{path}");
        }
    }
}
