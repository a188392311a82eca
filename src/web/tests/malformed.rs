//! Requests that no honest program sends: none panics, and none is answered with an error that is
//! not documented.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Uri};
use seedwatch_exporter::{ClientKey, Service};

use super::{events, state};
use crate::web::State;

/// Requests that are answered.
const REQUESTS: usize = 120_000;

/// Addresses that exist, from which the others are made.
const ADDRESSES: [&str; 40] = [
    "/api/v1/torrents?state=dead&sort=-size&page=1&limit=10",
    "/api/v1/torrents?q=a%20b&label=team=archive&condition=no_seeder",
    "/api/v1/torrents?tracker=udp://tracker.example:1337&collection=census",
    "/api/v1/torrents/empty",
    "/api/v1/collections",
    "/api/v1/collections/census",
    "/api/v1/trackers",
    "/api/v1/trackers/udp:%2F%2Ftracker.example:1337",
    "/api/v1/countries",
    "/api/v1/lists",
    "/api/v1/causes",
    "/api/v1/events?torrent=empty&since=1&limit=2",
    "/api/v1/openapi.json",
    "/torrents.json?limit=1&page=2",
    "/torrents.csv?q=0f0f0f0f",
    "/torrents.atom?sort=name&q=e",
    "/torrents.magnets.txt?state=alive",
    "/events.atom?limit=1",
    "/trackers.txt",
    "/api/v1/needs-seeding?max_tb=0.5&max_copies=2&format=rss&client=a&link=page",
    "/torrent-files/empty.torrent",
    "/dyn/generate_torrents?max_tb=1&format=json",
    "/config",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/metrics",
    "/",
    "/torrents?state=at_risk&condition=few_peers&q=e&sort=-peers&limit=2&page=2",
    "/torrents/empty",
    "/torrents/0101010101010101010101010101010101010101",
    "/collections?page=2",
    "/collections/census",
    "/trackers?page=1",
    "/trackers/udp:%2F%2Ftracker.example:1337",
    "/countries",
    "/events?torrent=empty&page=2",
    "/about",
    "/badge/torrent/empty.svg",
    "/badge/collection/census.svg",
];

/// What is put into an address.
const PIECES: [&str; 40] = [
    "",
    "%",
    "%0",
    "%00",
    "%ff",
    "%c3%28",
    "%ed%a0%80",
    "%F0%9F%8C%B1",
    "%E2%80%AE",
    "+",
    "&",
    "&&",
    "=",
    "==",
    "?",
    "/",
    "//",
    "..",
    "%2e%2e",
    ";",
    ",",
    "'",
    "%22",
    "<",
    "%3Cscript%3E",
    "-",
    "--",
    "0",
    "-1",
    "18446744073709551616",
    "1e9",
    "NaN",
    "null",
    "[]",
    "{}",
    "state=dead",
    "limit=1000",
    "page=1000000",
    "q=",
    "sort=-",
];

/// Values of header fields.
const VALUES: [&[u8]; 10] = [
    b"",
    b"*",
    b"gzip",
    b"gzip;q=0.5, *;q=0",
    b"W/\"0\", \"",
    b"application/openmetrics-text;version=1.0.0",
    b"\xff\xfe",
    b",,,;;;===",
    b"Mon, 21 Sep 2026 14:13:20 GMT",
    b"\"unclosed",
];

fn client() -> ClientKey {
    IpAddr::from([127, 0, 0, 1]).into()
}

/// A generator of numbers that are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.next() % all.len()]
    }

    /// Returns an address with up to eight changes.
    fn address(&mut self) -> Vec<u8> {
        let mut address = self.one_of(&ADDRESSES).as_bytes().to_vec();
        for _ in 0..self.next() % 8 {
            let at = 1 + self.next() % address.len();
            match self.next() % 4 {
                0 => drop(address.splice(at..at, self.one_of(&PIECES).bytes())),
                1 => address.truncate(at),
                2 if at < address.len() => address[at] = self.next() as u8,
                _ => {
                    let other = self.one_of(&ADDRESSES).as_bytes();
                    let from = self.next() % other.len();
                    address.truncate(at);
                    address.extend_from_slice(&other[from..]);
                }
            }
        }
        address
    }

    /// Returns a request, unless its address is none by RFC 3986: hyper refuses those.
    fn request(&mut self) -> Option<Request<()>> {
        let address = Uri::try_from(self.address()).ok()?;
        let methods = [
            "GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW",
        ];
        let method = Method::from_bytes(self.one_of(&methods).as_bytes()).unwrap();
        let mut request = Request::builder().method(method).uri(address);
        let names = [
            "accept",
            "accept-encoding",
            "if-none-match",
            "if-modified-since",
        ];
        for name in names {
            if self.next().is_multiple_of(4) {
                request = request.header(name, self.one_of(&VALUES));
            }
        }
        request.body(()).ok()
    }
}

/// Returns the status of an answer, once its body has ended well.
async fn answered(state: &State, request: &Request<()>) -> u16 {
    let path = request.uri().path();
    let answer = state.respond(client(), request).await;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let status = head.status.as_u16();
    if path.starts_with("/api/") && status >= 400 && request.method() != Method::HEAD {
        let why: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(why["code"].is_string() && why["error"].is_string(), "{why}");
        assert_eq!(head.headers[CONTENT_TYPE], "application/json");
    }
    let may_fail = matches!(path, "/-/reload" | "/-/ready");
    assert!(status < 500 || may_fail, "{request:?}: {status}");
    status
}

#[tokio::test]
async fn no_request_panics_or_fails_without_reason() {
    let (state, reloads) = state(events::snapshot(20), 0);
    drop(reloads);
    let state = Arc::into_inner(state).unwrap();
    let mut numbers = Numbers(0x5eed_5eed_5eed_5eed);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let mut count = 0;
    while count < REQUESTS {
        let Some(request) = numbers.request() else {
            continue;
        };
        let status = answered(&state, &request).await;
        *statuses.entry(status).or_default() += 1;
        count += 1;
    }
    // The requests reach what they are meant to test.
    for status in [200, 304, 400, 404, 405] {
        assert!(statuses.get(&status) > Some(&100), "{status}: {statuses:?}");
    }
}
