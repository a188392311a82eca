//! Small responses.

use std::time::Duration;

use hyper::header::{
    ALLOW, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use crate::body::ResponseBody;

/// A response of the server.
pub type HttpResponse = Response<ResponseBody>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What browsers may do with a response, unless the service says otherwise: show it. It runs no
/// script, loads nothing, is in no frame, is not taken for another type, is not read by pages of
/// other sites, and its address, which may hold a query, is not passed on.
const PROTECTION: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Adds the header fields that protect browsers, where a response has none of its own.
pub(crate) fn protect(fields: &mut HeaderMap) {
    for (name, value) in PROTECTION {
        fields.entry(name).or_insert(value);
    }
}

/// Returns a response of plain text.
pub fn text(status: StatusCode, body: impl Into<ResponseBody>) -> HttpResponse {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer
}

/// Returns 405 with the methods that are allowed.
pub fn not_allowed(allowed: &'static str) -> HttpResponse {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n");
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Returns 401, which asks for basic authentication.
pub(crate) fn unauthorized() -> HttpResponse {
    let mut answer = text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
    answer.headers_mut().insert(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"seedwatch\""),
    );
    answer
}

/// Returns 403 with the reason.
pub(crate) fn forbidden(why: &'static str) -> HttpResponse {
    text(StatusCode::FORBIDDEN, why)
}

/// Returns 503: too many passwords of the client wait to be checked.
pub(crate) fn busy() -> HttpResponse {
    let mut answer = text(
        StatusCode::SERVICE_UNAVAILABLE,
        "Too many passwords of this client wait to be checked\n",
    );
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// Returns 429: the client has exceeded `rate_limit`, and may send the next request after `wait`.
pub(crate) fn too_many_requests(wait: Duration) -> HttpResponse {
    let mut answer = text(StatusCode::TOO_MANY_REQUESTS, "Too many requests\n");
    // Rounded up, so that a client that waits this long is not refused again.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// Returns 413: no endpoint accepts a body, so none is read.
pub(crate) fn body_refused() -> HttpResponse {
    let mut answer = text(
        StatusCode::PAYLOAD_TOO_LARGE,
        "A request body is not accepted\n",
    );
    answer
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
