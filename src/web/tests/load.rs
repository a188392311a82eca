//! Many and slow readers.

use tokio::time::timeout;

use super::{Server, sample, state};
use seedwatch_core::snapshot::Snapshot;
use seedwatch_dev_web::{Connection, PATIENCE, ask};
use seedwatch_torrent::{Hashes, InfoHash};

/// The last line of every exposition of [`snapshot`].
pub(super) const END: &str = "seedwatch_unique_peers{window=\"7d\"} 240\n";

/// Torrents with long names: about 2 KiB of text each.
pub(super) fn snapshot(torrents: u32) -> Snapshot {
    let rows = (0..torrents).map(|n| {
        let name = format!("{n:06}{}", "-".repeat(200));
        let mut it = sample::sample(&name, Hashes::V1(InfoHash([1; 20])), &[]);
        it.row.peers = [Some(n).into(), Some(n + 1).into()];
        it.row.source_peers = [None.into(), Some(n).into()].into();
        it.row.seeders = Some(n).into();
        it.row.leechers = Some(n).into();
        it.parts()
    });
    sample::snapshot().with_torrents(rows)
}

/// A page larger than what the sockets of both sides and the queue between them can hold.
const LARGE: u32 = 8_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_the_limit_are_refused() {
    let server = Server::start(state(snapshot(LARGE), 1).0);
    let mut slow = slow_reader(&server).await;
    let refused = ask(&server, "GET /metrics", "").await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.text(),
        "Limit of concurrent requests reached (1), try again later.\n"
    );
    // The API shares the limit, what operators need does not.
    assert_eq!(ask(&server, "GET /api/v1/torrents", "").await.status, 503);
    assert_eq!(ask(&server, "GET /-/healthy", "").await.status, 200);

    assert!(slow.rest().await.ends_with(END.as_bytes()));
    // The writer releases the slot shortly after the last byte.
    timeout(PATIENCE, async {
        while ask(&server, "HEAD /metrics", "").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

/// A reader that has seen the beginning of its page and reads no further.
async fn slow_reader(server: &Server) -> Connection {
    let mut connection = server.connect_narrow().await;
    connection
        .request("GET /metrics", "Connection: close\r\n")
        .await;
    assert_eq!(connection.begin().await, "HTTP/1.0 200 OK");
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_blocks_no_other_client() {
    let server = Server::start(state(snapshot(LARGE), 40).0);
    let mut slow = Vec::new();
    for _ in 0..5 {
        slow.push(slow_reader(&server).await);
    }
    let quick = timeout(PATIENCE, ask(&server, "GET /metrics", "")).await;
    assert!(quick.unwrap().text().ends_with(END));
    for mut connection in slow {
        assert!(connection.rest().await.ends_with(END.as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_leaves_releases_its_slot() {
    let server = Server::start(state(snapshot(LARGE), 1).0);
    let leaver = slow_reader(&server).await;
    assert_eq!(ask(&server, "HEAD /metrics", "").await.status, 503);
    drop(leaver);
    timeout(PATIENCE, async {
        while ask(&server, "HEAD /metrics", "").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn zero_means_no_limit() {
    let server = Server::start(state(sample::snapshot(), 0).0);
    assert_eq!(ask(&server, "GET /metrics", "").await.status, 200);
}
