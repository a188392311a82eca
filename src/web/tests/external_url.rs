//! Requests under the path of `--web.external-url`.

use super::*;

const FOREIGN: &str = "Sec-Fetch-Site: cross-site\r\n";

fn serve_under(url: &str) -> Server {
    let (state, _) = state(sample::snapshot(), 40);
    let state = Arc::into_inner(state).unwrap();
    Server::start(Arc::new(state.with_external_url(url.parse().ok())))
}

#[tokio::test]
async fn the_path_of_the_external_url_may_stand_before_each_endpoint() {
    let server = serve_under("https://m.example/sw/");
    for (request, status) in [
        ("GET /metrics", 200),
        ("GET /sw/metrics", 200),
        ("GET /sw/", 200),
        ("GET /sw/runbook", 200),
        ("GET /sw/api/v1/torrents/empty", 200),
        ("GET /sw/-/healthy", 200),
        ("GET /swx/metrics", 404),
        ("GET /sw/sw/metrics", 404),
    ] {
        let answer = ask(&server, request, "").await;
        assert_eq!(answer.status, status, "{request}");
    }
    let redirect = ask(&server, "GET /sw", "").await;
    assert_eq!(redirect.status, 308);
    assert_eq!(redirect.headers["location"], "/sw/");
    // What is refused to other sites is refused under both paths.
    for path in ["/config", "/sw/config"] {
        let answer = ask(&server, &format!("GET {path}"), FOREIGN).await;
        assert_eq!(answer.status, 403, "{path}");
    }
}

#[tokio::test]
async fn pages_name_their_address() {
    let server = serve_under("https://m.example/sw");
    for path in ["/", "/runbook", "/torrents", "/collections/%22idle%22"] {
        let page = ask(&server, &format!("GET {path}"), "").await;
        let link = format!("<link rel=\"canonical\" href=\"https://m.example/sw{path}\">");
        assert!(page.text().contains(&link), "{}", page.text());
    }
}
