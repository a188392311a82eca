//! What browsers may do with answers.

use std::sync::Arc;

use super::{Server, sample, serve, state};
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderMap, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use seedwatch_dev_web::{Directory, ask, basic_auth_users};

fn assert_protected(headers: &HeaderMap, request: &str) {
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none';"),
        "{request}: {policy}"
    );
    assert!(
        policy.contains("frame-ancestors 'none'"),
        "{request}: {policy}"
    );
    assert!(!policy.contains("unsafe"), "{request}: {policy}");
    assert_eq!(headers.get_all(CONTENT_SECURITY_POLICY).iter().count(), 1);
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{request}");
    assert_eq!(headers[REFERRER_POLICY], "no-referrer", "{request}");
    assert!(
        headers.contains_key("cross-origin-resource-policy"),
        "{request}"
    );
}

#[tokio::test]
async fn every_answer_forbids_browsers_to_run_or_guess_anything() {
    let server = serve(sample::snapshot());
    for request in [
        "GET /",
        "HEAD /",
        "GET /runbook",
        "GET /metrics",
        "GET /config",
        "GET /-/healthy",
        "GET /-/ready",
        "GET /-/reload",
        "GET /nowhere",
        "GET /api/v1/torrents",
        "GET /api/v1/torrents/empty",
        "GET /api/v1/torrents/gone",
        "GET /api/v1/torrents?a",
        "PUT /api/v1/torrents",
        "GET /api/v1/nowhere",
        "GET /torrents.csv",
        "GET /torrents.atom",
        "GET /torrents.magnets.txt",
        "GET /trackers.txt",
    ] {
        assert_protected(&ask(&server, request, "").await.headers, request);
    }
    // What the server refuses before a service sees it.
    let refused = ask(&server, "GET /", "Content-Length: 5\r\n").await;
    assert_eq!(refused.status, 413);
    assert_protected(&refused.headers, "a body");
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    let refused = ask(&server, "POST /-/reload", foreign).await;
    assert_eq!(refused.status, 403);
    assert_protected(&refused.headers, "a foreign page");
    let directory = Directory::new(&basic_auth_users(&[("alice", "secret")]));
    let config = Arc::new(directory.load().unwrap());
    let server = Server::start_with(Some(config), state(sample::snapshot(), 40).0);
    let refused = ask(&server, "GET /metrics", "").await;
    assert_eq!(refused.status, 401);
    assert_protected(&refused.headers, "no password");
}

#[tokio::test]
async fn headers_of_the_web_configuration_come_first() {
    let policy =
        "http_server_config:\n  headers: {Content-Security-Policy: \"default-src 'self'\"}\n";
    let directory = Directory::new(policy);
    let config = Arc::new(directory.load().unwrap());
    let server = Server::start_with(Some(config), state(sample::snapshot(), 40).0);
    for path in ["/", "/metrics"] {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        assert_eq!(
            answer.headers[CONTENT_SECURITY_POLICY],
            "default-src 'self'"
        );
    }
}
