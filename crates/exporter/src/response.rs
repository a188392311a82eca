//! Small answers.

use std::time::Duration;

use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use crate::body::ResponseBody;

/// An answer of the server.
pub type Answer = Response<ResponseBody>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A line of text.
pub fn text(status: StatusCode, body: impl Into<ResponseBody>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer
}

/// 405, with what is allowed instead.
pub fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n");
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// 401, with what is wanted.
pub(crate) fn unauthorized() -> Answer {
    let mut answer = text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
    answer.headers_mut().insert(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"seedwatch\""),
    );
    answer
}

/// 403, with the reason.
pub(crate) fn forbidden(why: &'static str) -> Answer {
    text(StatusCode::FORBIDDEN, why)
}

/// 503: as many passwords of the client wait to be checked as may.
pub(crate) fn busy() -> Answer {
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
pub(crate) fn too_many_requests(wait: Duration) -> Answer {
    let mut answer = text(StatusCode::TOO_MANY_REQUESTS, "Too many requests\n");
    // Rounded up, so that a client that waits so long is not refused again.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// 413: no endpoint takes a body, so none is read.
pub(crate) fn body_refused() -> Answer {
    let mut answer = text(
        StatusCode::PAYLOAD_TOO_LARGE,
        "A request body is not accepted\n",
    );
    answer
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
