//! What strangers may read with `--web.public`.

use std::sync::Arc;

use super::super::{Server, state};
use super::*;

#[tokio::test]
async fn strangers_read_pages_and_find_no_controls() {
    let (state, mut reloads) = state(sample::snapshot(), 40);
    let state = Arc::into_inner(state).unwrap().with_public(true);
    let server = Server::start(Arc::new(state));
    for (path, status) in PAGES {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        assert_eq!(answer.status, status, "{path}");
        for hidden in ["metrics", "config"] {
            let link = format!("/{hidden}\"");
            assert!(!answer.text().contains(&link), "{path}: {hidden}");
        }
    }
    for request in [
        "GET /metrics",
        "HEAD /metrics",
        "POST /metrics",
        "GET /config",
        "GET /-/reload",
        "POST /-/reload",
    ] {
        let answer = ask(&server, request, "").await;
        assert_eq!(answer.status, 404, "{request}");
    }
    for request in ["GET /-/healthy", "GET /api/v1/torrents", "GET /runbook"] {
        assert_eq!(ask(&server, request, "").await.status, 200, "{request}");
    }
    assert!(reloads.try_recv().is_err());
}
