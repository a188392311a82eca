mod clients;
mod codes;
mod events;
mod exports;
mod external_url;
mod load;
mod malformed;
mod needs_seeding;
mod openapi;
mod pages;
mod passwords;
mod protection;
mod templates;

use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::parameters::listed;
use super::{ReloadResult, State, TorrentQuery};
use crate::metrics::tests::sample;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_dev_web::{PATIENCE, ask, send};
use seedwatch_exporter::bind;

type Server = seedwatch_dev_web::Server<State>;

fn state(snapshot: Snapshot, max_requests: usize) -> (Arc<State>, mpsc::Receiver<ReloadResult>) {
    let (reload, reloads) = mpsc::channel(1);
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let state = State::new(snapshot, reload, "/metrics".to_owned(), max_requests);
    (Arc::new(state), reloads)
}

fn serve(snapshot: Snapshot) -> Server {
    Server::start(state(snapshot, 40).0)
}

#[tokio::test]
async fn every_endpoint_knows_its_methods() {
    let server = serve(sample::snapshot());
    let config = Arc::new("torrents: []\n".to_owned());
    server.state.effective_config.store(config);
    for (request, status, allow) in [
        ("GET /metrics", 200, None),
        ("HEAD /metrics", 200, None),
        ("POST /metrics", 405, Some("GET, HEAD")),
        ("DELETE /metrics", 405, Some("GET, HEAD")),
        ("GET /metrics?name[]=x", 200, None),
        ("GET /runbook", 200, None),
        ("GET /-/healthy", 200, None),
        ("HEAD /-/healthy", 200, None),
        ("PUT /-/healthy", 405, Some("GET, HEAD")),
        ("GET /-/ready", 503, None),
        ("GET /-/reload", 405, Some("POST")),
        ("HEAD /-/reload", 405, Some("POST")),
        ("GET /config", 200, None),
        ("OPTIONS /config", 405, Some("GET, HEAD")),
        ("GET /api/v1/torrents", 200, None),
        ("PATCH /api/v1/torrents", 405, Some("GET, HEAD")),
        ("GET /api/v1/torrents/empty", 200, None),
        ("GET /api/v1/torrents/unknown", 404, None),
        ("POST /api/v1/torrents/unknown", 405, Some("GET, HEAD")),
        ("GET /api/v1/torrents/..%2f..%2fconfig", 404, None),
        ("GET /api/v1/torrents/../../config", 404, None),
        ("GET /api/v1/torrents/%00", 404, None),
        ("GET /api/v1/torrents/%ff", 404, None),
        ("GET /metrics/", 404, None),
        ("GET //metrics", 404, None),
        ("GET /", 200, None),
        ("HEAD /", 200, None),
        ("DELETE /", 405, Some("GET, HEAD")),
        ("GET /index.html", 404, None),
        ("GET /api/v1/collections", 200, None),
        ("GET /api/v1/lists", 200, None),
        ("POST /api/v1/lists", 405, Some("GET, HEAD")),
        ("GET /api/v1/causes", 200, None),
        ("POST /api/v1/causes", 405, Some("GET, HEAD")),
        ("PUT /api/v1/collections", 405, Some("GET, HEAD")),
        ("GET /api/v1/collections/census", 200, None),
        ("POST /api/v1/collections/census", 405, Some("GET, HEAD")),
        ("GET /api/v1/collections/unknown", 404, None),
        ("GET /api/v1/collections/", 404, None),
        ("GET /api/v1/events", 200, None),
        ("HEAD /api/v1/events?limit=1", 200, None),
        ("POST /api/v1/events", 405, Some("GET, HEAD")),
        ("GET /api/v1/events?torrent=empty", 200, None),
        ("GET /api/v1/events?torrent=unknown", 404, None),
        ("GET /api/v1/events?state=dead", 400, None),
        ("GET /../../etc/passwd", 404, None),
    ] {
        let answer = ask(&server, request, "").await;
        assert_eq!(answer.status, status, "{request}");
        let allowed = answer.headers.get(ALLOW).map(|a| a.to_str().unwrap());
        assert_eq!(allowed, allow, "{request}");
        assert_eq!(
            answer.body.is_empty(),
            request.starts_with("HEAD"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn lists_of_the_api_have_pages() {
    let server = serve(sample::snapshot());
    for list in ["trackers", "collections"] {
        let page = async |query: &str| {
            let request = format!("GET /api/v1/{list}{query}");
            let answer = ask(&server, &request, "").await;
            let links = answer.headers.get("link").cloned();
            let view: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            (view, links)
        };
        let (all, links) = page("").await;
        let rows = all[list].as_array().unwrap();
        assert!(!rows.is_empty() && links.is_none());
        assert_eq!(
            (&all["total"], &all["pages"]),
            (&rows.len().into(), &1.into())
        );
        let (second, _) = page("?page=2&limit=1").await;
        let expected: Vec<_> = rows.iter().skip(1).take(1).cloned().collect();
        assert_eq!(second[list].as_array().unwrap(), &expected);
        assert_eq!(second["pages"], rows.len());
        assert_eq!(second["prev"], format!("{list}?page=1&limit=1"));
        let (first, links) = page("?limit=1").await;
        let next = (rows.len() > 1).then(|| format!("{list}?page=2&limit=1"));
        assert_eq!(first["next"].as_str(), next.as_deref());
        assert_eq!(links.is_some(), next.is_some());
    }
}

#[tokio::test]
async fn errors_of_the_api_are_json() {
    let server = serve(sample::snapshot());
    let unknown = |key: &str, known: &[&str]| {
        let text = match known {
            [] => "this address takes none".to_owned(),
            _ => format!("known are {}", listed(known, "and")),
        };
        let sign = if known.is_empty() { ':' } else { ';' };
        let error = format!("unknown parameter \"{key}\"{sign} {text}");
        let code = "unknown_parameter";
        json!({"error": error, "code": code, "parameter": key, "known": known})
    };
    let plain = |code: &str, error: &str| json!({"error": error, "code": code});
    let invalid = |key: &str, error: &str| {
        let code = "invalid_parameter";
        json!({"error": error, "code": code, "parameter": key})
    };
    let limit = "limit must be a number from 1 to 1000";
    let no_torrent = plain("no_such_torrent", "no such torrent");
    let no_collection = plain("no_such_collection", "no such collection");
    for (request, status, error) in [
        ("GET torrents/NOPE", 404, no_torrent.clone()),
        ("GET collections/NOPE", 404, no_collection),
        ("GET events?torrent=NOPE", 404, no_torrent),
        ("GET nope", 404, plain("not_found", "no such endpoint")),
        ("PUT nope", 404, plain("not_found", "no such endpoint")),
        (
            "PUT torrents",
            405,
            plain("method_not_allowed", "the API is read with GET or HEAD"),
        ),
        (
            "GET torrents?stat=1",
            400,
            unknown("stat", TorrentQuery::KEYS),
        ),
        ("GET torrents?limit=0", 400, invalid("limit", limit)),
        ("GET torrents/empty?state=dead", 400, unknown("state", &[])),
        (
            "GET collections?sort=name",
            400,
            unknown("sort", &["page", "limit"]),
        ),
        ("GET trackers?limit=0", 400, invalid("limit", limit)),
        ("GET collections/census?limit=1", 400, unknown("limit", &[])),
        ("GET causes?kind=outage", 400, unknown("kind", &[])),
        (
            "GET events?state=dead",
            400,
            unknown("state", &["torrent", "since", "until", "page", "limit"]),
        ),
        ("GET events?limit=1001", 400, invalid("limit", limit)),
    ] {
        let address = request.replacen(' ', " /api/v1/", 1);
        let answer = ask(&server, &address, "").await;
        assert_eq!(answer.status, status, "{request}");
        assert_eq!(
            answer.headers[CONTENT_TYPE], "application/json",
            "{request}"
        );
        let found: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!(found, error, "{request}");
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_asked_for() {
    let server = serve(sample::snapshot());
    let text = ask(&server, "GET /metrics", "").await;
    assert_eq!(
        text.headers[CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(text.headers[VARY], "Accept, Accept-Encoding");
    assert!(text.text().ends_with(load::END));

    let accept = "Accept: application/openmetrics-text;version=1.0.0\r\nAccept: */*;q=0.1\r\n";
    let open = ask(&server, "GET /metrics", accept).await;
    assert_eq!(
        open.headers[CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(open.text().ends_with("\n# EOF\n"));

    let head = ask(&server, "HEAD /metrics", accept).await;
    assert_eq!(head.headers[CONTENT_TYPE], open.headers[CONTENT_TYPE]);
}

#[tokio::test]
async fn gzip_unpacks_to_the_same_page() {
    let server = serve(load::snapshot(2_000));
    let families = |page: &str| {
        // The metrics of the process differ between scrapes.
        let at = page.find("# HELP seedwatch_").unwrap();
        page[at..].to_owned()
    };
    let plain = ask(&server, "GET /metrics", "").await;
    assert!(!plain.headers.contains_key(CONTENT_ENCODING));
    let packed = ask(&server, "GET /metrics", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(packed.headers[CONTENT_ENCODING], "gzip");
    assert!(packed.body.len() * 2 < plain.body.len());
    assert!(families(&packed.unpacked()) == families(plain.text()));
    assert!(plain.body.len() > 1_000_000);
}

#[tokio::test]
async fn readiness_follows_the_daemon() {
    let server = serve(sample::snapshot());
    assert_eq!(ask(&server, "GET /-/ready", "").await.status, 503);
    server.state.set_ready(true);
    assert_eq!(ask(&server, "GET /-/ready", "").await.status, 200);
    server.state.set_ready(false);
    assert_eq!(ask(&server, "GET /-/ready", "").await.status, 503);
}

#[tokio::test]
async fn reload_reports_its_outcome() {
    let (state, mut reloads) = state(sample::snapshot(), 40);
    let server = Server::start(state);
    let answers = [Ok(()), Err("config.yaml:3: torrents[0]: no".to_owned())];
    let worker = tokio::spawn(async move {
        for answer in answers {
            let done: oneshot::Sender<_> = reloads.recv().await.unwrap();
            done.send(answer).unwrap();
        }
        // The receiver is dropped here: the daemon shuts down.
    });
    let good = ask(&server, "POST /-/reload", "").await;
    assert_eq!((good.status, good.text()), (200, "Reloaded\n"));
    let bad = ask(&server, "POST /-/reload", "Content-Length: 0\r\n").await;
    assert_eq!(
        (bad.status, bad.text()),
        (500, "config.yaml:3: torrents[0]: no\n")
    );
    worker.await.unwrap();
    let late = ask(&server, "POST /-/reload", "").await;
    assert_eq!((late.status, late.text()), (500, "Shutting down\n"));
}

#[tokio::test]
async fn the_effective_configuration_is_shown() {
    let server = serve(sample::snapshot());
    let yaml = "torrents:\n- name: ä\n";
    server
        .state
        .effective_config
        .store(Arc::new(yaml.to_owned()));
    let answer = ask(&server, "GET /config", "").await;
    assert_eq!(answer.text(), yaml);
    assert_eq!(answer.headers[CONTENT_TYPE], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn lists_are_json() {
    let server = serve(sample::snapshot());
    let lists = ask(&server, "GET /api/v1/lists", "").await;
    assert_eq!(lists.headers[CONTENT_TYPE], "application/json");
    let lists: serde_json::Value = serde_json::from_slice(&lists.body).unwrap();
    let down = serde_json::json!({
        "name": "books",
        "up": false,
        "reason": "html",
        "detail": "a web page instead of a list",
        "entries": 18_000,
        "last_success": 1_790_000_010,
        "next_fetch": 1_790_000_400,
        "failures": {"html": 2, "timeout": 1},
    });
    let new = serde_json::json!({
        "name": "https://list.example:443",
        "up": null,
        "reason": null,
        "detail": null,
        "entries": null,
        "last_success": null,
        "next_fetch": null,
        "failures": {},
    });
    let expected = serde_json::json!({"taken": 1_790_000_100, "lists": [down, new]});
    assert_eq!(lists, expected);
}

#[tokio::test]
async fn torrents_are_json() {
    let server = serve(sample::snapshot());
    let all = ask(&server, "GET /api/v1/torrents", "").await;
    assert_eq!(all.headers[CONTENT_TYPE], "application/json");
    let all: serde_json::Value = serde_json::from_slice(&all.body).unwrap();
    assert_eq!(all["taken"], 1_790_000_100);
    assert_eq!(all["torrents"].as_array().unwrap().len(), 4);
    assert!(!all.to_string().contains("passkey"));

    let name = "a%20%22quoted%22%20%5C%20name%0Aof%20two%20lines";
    let one = ask(&server, &format!("GET /api/v1/torrents/{name}"), "").await;
    let one: serde_json::Value = serde_json::from_slice(&one.body).unwrap();
    assert_eq!(one, all["torrents"][0]);
    assert_eq!(
        one,
        serde_json::json!({
            "name": "a \"quoted\" \\ name\nof two lines",
            "state": "alive",
            "state_since": 1_789_999_500,
            "conditions": ["one_network"],
            "reason": {
                "code": "peers_named",
                "text": "42 peers, all in one autonomous system or prefix; 1 of 2 trackers gives a \
                         valid answer and the DHT answers.",
            },
            "advice": "nothing",
            "infohash": "0f".repeat(20),
            "infohash_v2": "c4".repeat(32),
            "privacy": "public",
            "collection": "census",
            "size_bytes": 4_700_000_000_u64,
            "labels": {"team": "archive"},
            "peers": {"ipv4": 40, "ipv6": 2},
            "unique_peers": {"1d": 61, "7d": 240, "30d": 700},
            "countries": {"DE": 20, "FR": 0, "US": 21, "unknown": 1},
            "prefixes": 38,
            "autonomous_systems": 12,
            "largest_as_ratio": 0.25,
            "seeders": 30,
            "leechers": 9,
            "trackers": 2,
            "trackers_online": 1,
            "dht_seeders": 12,
            "dht_leechers": 6,
            "last_peer_seen": 1_790_000_090,
            "sources": {
                "dht": {
                    "success": true,
                    "peers": 17,
                    "unique_peers": {"1d": 30, "7d": 110, "30d": 300},
                    "last_success": 1_790_000_070
                },
                "tracker": {
                    "success": true,
                    "peers": 42,
                    "unique_peers": {"1d": 50, "7d": 180, "30d": 520},
                    "last_success": 1_790_000_090
                }
            },
            "announces": [
                {
                    "tracker": "udp://tracker.example:1337",
                    "success": true,
                    "peers": 42,
                    "seeders": 30,
                    "leechers": 9,
                    "completed": 1234,
                    "failure": null,
                    "warning": "closes in May",
                },
                {
                    "tracker": "https://secure.example:443",
                    "success": false,
                    "peers": null,
                    "seeders": null,
                    "leechers": null,
                    "completed": null,
                    "failure": {
                        "reason": "rejected",
                        "text": "unregistered torrent",
                        "retry_seconds": null,
                    },
                    "warning": null,
                },
            ],
        })
    );
}

#[tokio::test]
async fn an_empty_swarm_has_no_places_and_an_unknown_one_null() {
    let server = serve(sample::snapshot());
    let all = ask(&server, "GET /api/v1/torrents", "").await;
    let all: serde_json::Value = serde_json::from_slice(&all.body).unwrap();
    let (empty, new) = (&all["torrents"][1], &all["torrents"][2]);
    assert_eq!(empty["countries"], serde_json::json!({}));
    assert_eq!([&empty["prefixes"], &empty["autonomous_systems"]], [0, 0]);
    assert!(empty["largest_as_ratio"].is_null());
    // The DHT answered last eleven days ago.
    let windows = serde_json::json!({"1d": null, "7d": null, "30d": 0});
    assert_eq!(empty["sources"]["dht"]["unique_peers"], windows);
    for name in ["collection", "countries", "prefixes", "autonomous_systems"] {
        assert!(new[name].is_null(), "{name}");
    }
    assert!(new["unique_peers"]["30d"].is_null());
}

#[tokio::test]
async fn collections_are_json() {
    let server = serve(sample::snapshot());
    let all = ask(&server, "GET /api/v1/collections", "").await;
    assert_eq!(all.headers[CONTENT_TYPE], "application/json");
    let all: serde_json::Value = serde_json::from_slice(&all.body).unwrap();
    assert_eq!(all["taken"], 1_790_000_100);
    let idle = ask(&server, "GET /api/v1/collections/%22idle%22", "").await;
    let idle: serde_json::Value = serde_json::from_slice(&idle.body).unwrap();
    let census = ask(&server, "GET /api/v1/collections/census", "").await;
    let census: serde_json::Value = serde_json::from_slice(&census.body).unwrap();
    assert_eq!(all["collections"], serde_json::json!([idle, census]));
    assert_eq!(
        idle,
        serde_json::json!({
            "name": "\"idle\"",
            "torrents": 3,
            "peers": {"ipv4": null, "ipv6": null},
            "unique_peers": {"1d": null, "7d": null, "30d": 0},
            "countries": {},
        })
    );
    assert_eq!(census["countries"].as_object().unwrap().len(), 4);
    assert_eq!(
        census["countries"]["FR"],
        serde_json::json!({"peers": 0, "unique_peers": {"1d": 0, "7d": 2, "30d": 9}})
    );
}

#[tokio::test]
async fn countries_that_are_switched_off_are_null() {
    let mut snapshot = sample::snapshot();
    snapshot.config.countries = false;
    let server = serve(snapshot);
    for (list, index) in [("torrents", 0), ("collections", 1)] {
        let all = ask(&server, &format!("GET /api/v1/{list}"), "").await;
        let all: serde_json::Value = serde_json::from_slice(&all.body).unwrap();
        assert!(all[list][index]["countries"].is_null(), "{list}");
        assert!(all[list][index]["unique_peers"]["1d"].is_u64(), "{list}");
    }
}

#[tokio::test]
async fn bodies_and_long_heads_are_refused() {
    let server = serve(sample::snapshot());
    let body = "Content-Length: 5\r\n";
    assert_eq!(ask(&server, "POST /-/reload", body).await.status, 413);
    assert_eq!(ask(&server, "GET /metrics", body).await.status, 413);
    let long = format!("X: {}\r\n", "y".repeat(2 * seedwatch_exporter::MAX_HEAD));
    assert_eq!(ask(&server, "GET /metrics", &long).await.status, 431);
    let many = "X: y\r\n".repeat(seedwatch_exporter::MAX_HEADERS + 1);
    assert_eq!(ask(&server, "GET /metrics", &many).await.status, 431);
    // The server still works.
    assert_eq!(ask(&server, "GET /-/healthy", "").await.status, 200);
}

#[tokio::test]
async fn several_listeners_serve_one_state() {
    let addresses = ["127.0.0.1:0", "127.0.0.1:0"].map(|text| text.parse().unwrap());
    let listeners = bind(&addresses).unwrap();
    let addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    let _server = Server::start_on(listeners, None, state(sample::snapshot(), 40).0);
    for address in addresses {
        assert_eq!(send(address, "GET /-/healthy", "").await.status, 200);
    }
}

#[tokio::test]
async fn shutdown_ends_idle_connections() {
    let server = serve(sample::snapshot());
    let mut idle = server.connect().await;
    let mut silent = server.connect().await;
    idle.request("GET /-/healthy", "").await;
    assert_eq!(idle.response().await.status, 200);
    timeout(PATIENCE, server.stop()).await.unwrap();
    assert!(idle.at_end().await);
    assert!(silent.at_end().await);
}

#[tokio::test]
async fn http2_is_spoken_too() {
    let server = serve(sample::snapshot());
    let stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let request = hyper::Request::get("http://localhost/metrics")
        .body(String::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.version(), hyper::Version::HTTP_2);
    assert_eq!(response.status(), 200);
    let body = http_body_util::BodyExt::collect(response.into_body());
    let body = body.await.unwrap().to_bytes();
    assert!(body.starts_with(b"# HELP process_"));
    driver.abort();
}
