//! Kept connections, which the server may close at any time (RFC 9112, section 9.5).

use std::collections::HashSet;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::secure::Authority;
use super::server::{ReceivedRequest, Server, ServerReply, Then};
use super::*;

/// Returns a script that answers the first request of each connection, and replies to further ones
/// with `second`.
fn once(
    second: impl Fn() -> ServerReply + Send + Sync + 'static,
) -> impl Fn(&ReceivedRequest, usize) -> ServerReply + Send + Sync + 'static {
    let used = Mutex::new(HashSet::new());
    move |request, _| match used.lock().unwrap().insert(request.connection) {
        true if request.target.starts_with("/scrape") => ServerReply::ok("d5:filesdee"),
        true => ServerReply::ok(LIST),
        false => second(),
    }
}

fn no_reply(then: Then) -> ServerReply {
    ServerReply::raw("", then)
}

fn timed_out() -> ServerReply {
    let headers = "Connection: close\r\n";
    ServerReply {
        then: Then::Close,
        ..ServerReply::with("408 Request Timeout", headers, "<html>")
    }
}

#[tokio::test]
async fn a_request_without_an_answer_is_sent_again_over_a_new_connection() {
    let ends: [fn() -> ServerReply; 3] = [
        || no_reply(Then::Close),
        || no_reply(Then::Reset),
        // A server sends 408 on an idle connection (RFC 9110, section 15.5.9).
        timed_out,
    ];
    for end in ends {
        let server = Server::start(once(end)).await;
        let http_client = http_client();
        let url = server.url("/announce");
        // The prober does not keep the connection of a repeated request.
        for expected in [1, 2, 1, 2, 1] {
            let (response, stats) = announce_stopped_only(&http_client, &url).await;
            assert_eq!(response.unwrap().peers.len(), 1);
            assert_eq!(stats.requests, expected);
        }
        let observation = http_client.probe(scrape_job(&url, &[HASH])).await;
        assert!(
            observation.report.failed().is_none(),
            "a scrape is repeated too"
        );
        let response = announce_result(
            http_client
                .probe(job(&url, AnnounceStrategy::StartThenStop))
                .await,
        )
        .0;
        assert_eq!(response.unwrap().peers.len(), 1);
        assert_eq!(server.events().last().map(String::as_str), Some("stopped"));
        let left = http_client.shared.background_stops.available_permits();
        assert_eq!(
            left, MAX_BACKGROUND_STOPS as usize,
            "`stopped` was sent within the probe"
        );
    }
}

/// Sends a scrape that fails, and returns the reason and the number of requests.
async fn refused_scrape(http_client: &Arc<HttpClient>, url: &str) -> (FailureReason, u32) {
    let observation = http_client.probe(scrape_job(url, &[HASH])).await;
    let failed = observation.report.failed().unwrap();
    (failed.reason, observation.stats.requests)
}

#[tokio::test]
async fn a_request_is_not_sent_again_after_an_answer_began() {
    for (begun, reason) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            FailureReason::Reset,
        ),
        ("220 ready\r\n\r\n", FailureReason::NotBencode),
    ] {
        let server = Server::start(once(move || ServerReply::raw(begun, Then::Close))).await;
        let http_client = http_client();
        let url = server.url("/announce");
        assert!(announce_stopped_only(&http_client, &url).await.0.is_ok());
        assert_eq!(refused_scrape(&http_client, &url).await, (reason, 1));
    }
}

#[tokio::test]
async fn a_request_over_a_new_connection_is_never_repeated() {
    let server = Server::start(|_, number| match number {
        0 => ServerReply::ok(LIST),
        _ => no_reply(Then::Reset),
    })
    .await;
    let http_client = http_client();
    let url = server.url("/announce");
    assert!(announce_stopped_only(&http_client, &url).await.0.is_ok());
    // One request over the kept connection, and one over a new connection.
    assert_eq!(
        refused_scrape(&http_client, &url).await,
        (FailureReason::Reset, 2)
    );
    assert_eq!(
        refused_scrape(&http_client, &url).await,
        (FailureReason::Reset, 1)
    );
}

#[tokio::test]
async fn a_tracker_that_closes_after_each_response_never_fails() {
    for then in [Then::Close, Then::CloseAfter(0), Then::CloseAfter(2)] {
        let server = Server::start(move |_, _| ServerReply {
            then,
            ..ServerReply::ok(LIST)
        })
        .await;
        let (prober, mut observations) = prober();
        for _ in 0..4 {
            prober.submit(vec![
                job(
                    &server.url("/announce"),
                    AnnounceStrategy::StoppedFirst
                );
                300
            ]);
            let mut left = 300;
            while left > 0 {
                for observation in observations.recv().await.unwrap() {
                    announce_result(observation).0.unwrap();
                    left -= 1;
                }
            }
        }
        assert!(prober.drain().await);
    }
}

#[tokio::test]
async fn tls_connections_are_closed_with_and_without_a_notice() {
    let authority = Authority::new();
    let tls = authority.acceptor();
    // `Close` sends close_notify; `Reset` cuts the connection.
    for then in [Then::Close, Then::Reset] {
        let script = once(move || no_reply(then));
        let server = Server::start_on("127.0.0.1", Some(tls.clone()), script).await;
        let http_client = authority.trusting_http_client();
        let url = format!("https://localhost:{}/announce", server.address.port());
        for expected in [1, 2, 1, 2] {
            let (response, stats) = announce_stopped_only(&http_client, &url).await;
            assert_eq!(response.unwrap().peers.len(), 1);
            assert_eq!(stats.requests, expected);
        }
    }
}

// The paused clock jumps from timer to timer, so this test takes no real time.
#[tokio::test(start_paused = true)]
async fn unused_connections_are_closed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream
            .write_all(&ServerReply::ok(LIST).bytes)
            .await
            .unwrap();
        let start = tokio::time::Instant::now();
        assert_eq!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
        start.elapsed()
    });
    let http_client = http_client();
    assert!(announce_stopped_only(&http_client, &url).await.0.is_ok());
    let kept = served.await.unwrap();
    assert!(kept >= KEEP_ALIVE && kept <= 3 * KEEP_ALIVE, "{kept:?}");
}
