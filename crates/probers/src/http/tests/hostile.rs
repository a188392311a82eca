//! Trackers that send endless responses, beside a healthy one.

use super::server::{Server, ServerReply, Then};
use super::*;

/// The longest wait for an event that must happen. Only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The start of an endless response, the part that repeats, and the expected failure with a part of
/// its text.
const ENDLESS: [(&str, &str, FailureReason, &str); 7] = [
    (
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        FailureReason::Timeout,
        "in time",
    ),
    (
        "",
        "HTTP/1.1 103 Early Hints\r\nLink: <x>; rel=preload\r\n\r\n",
        FailureReason::Timeout,
        "in time",
    ),
    (
        "HTTP/1.1 200 OK\r\n",
        "X: y\r\n",
        FailureReason::Malformed,
        "headers",
    ),
    (
        "HTTP/1.1 200 OK\r\nX: ",
        "yyyyyyyyyyyyyyyyyyyyyyyyy",
        FailureReason::Malformed,
        "headers",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        "extension;extension;extension;",
        FailureReason::Malformed,
        "chunks",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        "Trailer: y\r\n",
        FailureReason::Malformed,
        "chunks",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1\r\nx\r\n",
        FailureReason::Malformed,
        "chunks",
    ),
];

fn endless(start: &'static str, part: &'static str) -> ServerReply {
    ServerReply {
        bytes: start.into(),
        then: Then::Repeat(part),
    }
}

#[tokio::test]
async fn endless_responses_are_bounded() {
    for (start, part, reason, text) in ENDLESS {
        let server = Server::start(move |_, _| endless(start, part)).await;
        let mut job = job(&server.url("/announce"), AnnounceStrategy::StoppedFirst);
        // Only the timeout bounds interim responses. The server shares the thread of the test.
        job.timeout = match reason {
            FailureReason::Timeout => Duration::from_secs(3),
            _ => PATIENCE,
        };
        let failed = announce_result(http_client().probe(job).await)
            .0
            .unwrap_err();
        assert_eq!(failed.reason, reason, "{part}: {failed}");
        assert!(failed.text.contains(text), "{part}: {failed}");
    }
}

#[tokio::test]
async fn a_few_interim_responses_are_accepted() {
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let whole = [early.as_bytes(), &ServerReply::ok(LIST).bytes].concat();
    let server = Server::start(move |_, _| ServerReply::raw(&whole, Then::Keep)).await;
    let http_client = http_client();
    for _ in 0..2 {
        let (response, stats) = announce_stopped_only(&http_client, &server.url("/announce")).await;
        assert_eq!(response.unwrap().peers.len(), 1);
        assert_eq!(stats.requests, 1);
    }
}

#[tokio::test]
async fn hostile_trackers_do_not_slow_down_the_others() {
    let mut hostile = Vec::new();
    for (start, part, ..) in ENDLESS {
        hostile.push(Server::start(move |_, _| endless(start, part)).await);
    }
    let dripping = ServerReply::raw("HTTP/1.1 200 OK\r\nX: y\r\n", Then::Drip).bytes;
    hostile.push(Server::start(move |_, _| ServerReply::raw(&dripping, Then::Drip)).await);
    let healthy = Server::always(LIST).await;
    let (prober, mut observations) = prober();
    let last = TrackerId(hostile.len() as u32 + 1);
    let jobs = hostile.iter().zip(2..).flat_map(|(server, tracker)| {
        let hostile = Job {
            tracker: TrackerId(tracker),
            timeout: 2 * PATIENCE,
            ..job(&server.url("/announce"), AnnounceStrategy::StoppedFirst)
        };
        vec![hostile; 8]
    });
    prober.submit(jobs.collect());
    let healthy = Job {
        timeout: PATIENCE,
        ..job(&healthy.url("/announce"), AnnounceStrategy::StoppedFirst)
    };
    prober.submit(vec![healthy; 40]);
    let mut left = 40;
    while left > 0 {
        for observation in observations.recv().await.unwrap() {
            if observation.tracker == TrackerId(1) {
                assert!(observation.report.failed().is_none());
                left -= 1;
            }
            // The dripping tracker uses its whole timeout.
            assert_ne!(
                observation.tracker, last,
                "healthy trackers waited for the dripping one"
            );
        }
    }
}
