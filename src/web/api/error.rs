//! Why a request to the API is not answered: a status, a code and a sentence.

use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};
use seedwatch_exporter::HttpResponse;
use serde::Serialize;

use crate::web::answer::json;
use crate::web::parameters::QueryError;
use crate::web::route::READ;

/// An error as JSON.
#[derive(Serialize)]
struct ErrorView<'a> {
    /// What is wrong, as a sentence.
    error: &'a str,
    /// What is wrong, for programs. Codes stay the same when sentences change.
    code: &'static str,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    /// The parameters that the endpoint knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<&'static [&'static str]>,
}

/// Returns 400: the query string cannot be read.
pub(in crate::web) fn bad_query(why: &QueryError) -> HttpResponse {
    let view = ErrorView {
        error: &why.to_string(),
        code: why.code(),
        parameter: Some(why.key()),
        known: why.known(),
    };
    with_status(StatusCode::BAD_REQUEST, &view)
}

/// Returns 404: nothing stands at the address.
pub(in crate::web) fn not_found(why: &str) -> HttpResponse {
    plain(StatusCode::NOT_FOUND, "not_found", why)
}

/// Returns 404: no torrent has this name.
pub(in crate::web) fn no_torrent() -> HttpResponse {
    plain(StatusCode::NOT_FOUND, "no_such_torrent", "no such torrent")
}

/// Returns 404: no collection has this name.
pub(in crate::web) fn no_collection() -> HttpResponse {
    let code = "no_such_collection";
    plain(StatusCode::NOT_FOUND, code, "no such collection")
}

/// Returns 404: no tracker has this label.
pub(super) fn no_tracker() -> HttpResponse {
    plain(StatusCode::NOT_FOUND, "no_such_tracker", "no such tracker")
}

/// Returns 405: the API is only read.
pub(in crate::web) fn not_allowed() -> HttpResponse {
    let why = "the API is read with GET or HEAD";
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", why);
    let allowed = HeaderValue::from_static(READ);
    answer.headers_mut().insert(ALLOW, allowed);
    answer
}

/// Returns the same answer, but as an error of the API if the server refused to send a large page.
pub(in crate::web) fn or_busy(answer: HttpResponse) -> HttpResponse {
    if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
        return answer;
    }
    let why = "too many large answers are being sent; try again later";
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, "busy", why);
    let fields = answer.headers_mut();
    fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn plain(status: StatusCode, code: &'static str, error: &str) -> HttpResponse {
    let view = ErrorView {
        error,
        code,
        parameter: None,
        known: None,
    };
    with_status(status, &view)
}

fn with_status(status: StatusCode, view: &ErrorView<'_>) -> HttpResponse {
    let mut answer = json(view);
    *answer.status_mut() = status;
    answer
}
