//! The meaning of status codes and their headers for a probe.

use std::num::IntErrorKind;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, LOCATION, RETRY_AFTER};
use url::Url;

use seedwatch_tracker::{FailureReason, ProbeError, Retry};

/// The longest `Retry-After` that is obeyed: a proxy must not silence a tracker for more than a
/// day.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Returns when the server allows the next try, if it says so.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Retry> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => MAX_RETRY_AFTER,
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(Retry::After(wait.min(MAX_RETRY_AFTER)))
}

/// Returns the failure for a status other than success. `stated` is the refusal in the body. It
/// takes precedence, except over a rate limit; its retry and interval are kept in any case.
pub(super) fn failure(
    status: StatusCode,
    retry: Option<Retry>,
    body: &[u8],
    stated: Option<ProbeError>,
) -> ProbeError {
    let reason = match (status.as_u16(), retry) {
        (429, _) | (503, Some(_)) => FailureReason::RateLimited,
        _ => FailureReason::HttpStatus,
    };
    let interval = stated.as_ref().and_then(ProbeError::interval);
    let retry = retry.or(stated.as_ref().and_then(|stated| stated.retry));
    if let Some(stated) = stated
        && reason != FailureReason::RateLimited
    {
        return stated;
    }
    // Usually the challenge page of a content delivery network.
    let page = if body.trim_ascii_start().starts_with(b"<") {
        ", an HTML page"
    } else {
        ""
    };
    let limited = retry.filter(|_| reason == FailureReason::RateLimited);
    ProbeError::new(reason, format!("HTTP {}{page}", status.as_u16()))
        .with_retry(limited)
        .with_interval(interval)
}

/// Returns the target of a redirect; `None` if the status is none.
pub(super) fn redirect(
    status: StatusCode,
    headers: &HeaderMap,
    from: &Url,
) -> Option<Result<Url, ProbeError>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(LOCATION)?;
    let refuse = |why: &str| {
        Err(ProbeError::new(
            FailureReason::HttpStatus,
            format!("HTTP {}: {why}", status.as_u16()),
        ))
    };
    let Some(to) = location.to_str().ok().and_then(|text| from.join(text).ok()) else {
        return Some(refuse("a redirect to nowhere"));
    };
    Some(match (from.scheme(), to.scheme()) {
        // It would send the passkey unencrypted.
        ("https", "http") => refuse("a redirect out of TLS"),
        (_, "http" | "https") if to.has_host() => Ok(to),
        _ => refuse("a redirect to another kind of address"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: hyper::header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, expected) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999", Some(MAX_RETRY_AFTER.as_secs())),
            ("18446744073709551616", Some(MAX_RETRY_AFTER.as_secs())),
            ("99999999999999999999999", Some(MAX_RETRY_AFTER.as_secs())),
            ("soon", None),
            ("-1", None),
        ] {
            let expected = expected.map(|s| Retry::After(Duration::from_secs(s)));
            assert_eq!(retry_after(&headers(RETRY_AFTER, text), now), expected);
        }
    }

    #[test]
    fn redirects_stay_on_the_web_and_do_not_leave_tls() {
        let from = Url::parse("https://t.example/announce?passkey=secret").unwrap();
        let to = |text| {
            redirect(StatusCode::FOUND, &headers(LOCATION, text), &from)
                .unwrap()
                .map(String::from)
        };
        assert_eq!(to("/a?b").unwrap(), "https://t.example/a?b");
        assert_eq!(to("//u.example/a").unwrap(), "https://u.example/a");
        for bad in [
            "http://t.example/",
            "ftp://t.example/",
            "https://",
            "file:///x",
        ] {
            let failed = to(bad).unwrap_err();
            assert_eq!(failed.reason, FailureReason::HttpStatus, "{bad}");
            assert!(!failed.text.contains("secret"));
        }
        assert!(redirect(StatusCode::NOT_MODIFIED, &HeaderMap::new(), &from).is_none());
    }

    #[test]
    fn only_429_and_503_with_retry_after_are_rate_limits() {
        let retry = Some(Retry::After(Duration::from_secs(9)));
        for (status, retry, reason, kept) in [
            (429, None, FailureReason::RateLimited, None),
            (429, retry, FailureReason::RateLimited, retry),
            (503, retry, FailureReason::RateLimited, retry),
            (503, None, FailureReason::HttpStatus, None),
            (404, retry, FailureReason::HttpStatus, None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let failed = failure(status, retry, b" <html>", None);
            assert_eq!((failed.reason, failed.retry), (reason, kept));
            assert!(failed.text.contains("HTML"));
        }
    }
}
