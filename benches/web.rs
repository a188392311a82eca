//! The cost of queries of torrents: `cargo bench --bench web`.
//!
//! Asks the service itself, without sockets, and reads each answer to its end. Prints the best and
//! the median of several runs, and the size of the answer.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot run must stop"
)]

mod large;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::Request;
use seedwatch::web::State;
use seedwatch_exporter::Service;
use tokio::runtime::Runtime;

const RUNS: usize = 9;

/// Torrents, an address, and its budget in milliseconds.
const CASES: [(usize, &str, &str, u128); 20] = [
    (10_000, "to do", "/", 50),
    (10_000, "torrents", "/torrents?state=alive&sort=-peers", 50),
    (100_000, "to do", "/", 100),
    (100_000, "torrents", "/torrents?page=500", 100),
    (100_000, "search", "/torrents?q=PART-0777", 200),
    (100_000, "countries", "/countries", 200),
    (10_000, "list", "/api/v1/torrents", 100),
    (10_000, "table", "/torrents.csv", 100),
    (100_000, "list", "/api/v1/torrents", 1000),
    (100_000, "table", "/torrents.csv", 1000),
    (100_000, "magnets", "/torrents.magnets.txt", 2000),
    (100_000, "first page", "/torrents.json?page=1", 100),
    (100_000, "last page", "/torrents.json?page=1000", 100),
    (
        100_000,
        "by size",
        "/torrents.json?sort=-size&page=500",
        100,
    ),
    (100_000, "word", "/torrents.json?q=PART-0777&page=1", 200),
    (
        100_000,
        "eight words",
        "/torrents.json?q=a+b+c+d+e+f+g+z&page=1",
        200,
    ),
    (
        100_000,
        "other script",
        "/torrents.json?q=%C3%9F&page=1",
        200,
    ),
    (
        100_000,
        "info-hash",
        "/torrents.json?q=0123456789&page=1",
        200,
    ),
    (100_000, "feed", "/torrents.atom?q=777", 200),
    (100_000, "trackers", "/trackers.txt", 200),
];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut states: Vec<(usize, State)> = Vec::new();
    for (torrents, name, address, budget) in CASES {
        if states.last().is_none_or(|(count, _)| *count != torrents) {
            states = vec![(torrents, state(torrents))];
        }
        let (_, state) = states.last().unwrap();
        let (best, median, bytes) = measure(&runtime, state, address);
        println!(
            "{torrents:>7} {name:<13} best {:>7.1} ms   median {:>7.1} ms   budget {budget:>5} ms \
             {:>9.1} kB",
            millis(best),
            millis(median),
            bytes as f64 / 1e3,
        );
    }
}

fn state(torrents: usize) -> State {
    let (reload, _) = tokio::sync::mpsc::channel(1);
    let snapshot = arc_swap::ArcSwap::from_pointee(large::snapshot(torrents));
    State::new(Arc::new(snapshot), reload, "/metrics".to_owned(), 0)
}

/// Returns the best and the median time of an answer, and its length.
fn measure(runtime: &Runtime, state: &State, address: &str) -> (Duration, Duration, usize) {
    let client = IpAddr::from([127, 0, 0, 1]).into();
    let request = Request::get(address).body(()).unwrap();
    let mut bytes = 0;
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            bytes = runtime.block_on(async {
                let answer = state.respond(client, &request).await;
                assert_eq!(answer.status(), 200, "{address}");
                let mut body = answer.into_body();
                let mut bytes = 0;
                while let Some(frame) = body.frame().await {
                    bytes += frame.unwrap().data_ref().map_or(0, |data| data.len());
                }
                bytes
            });
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[0], times[RUNS / 2], bytes)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
